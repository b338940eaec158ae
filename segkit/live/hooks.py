"""Make a hook of a URL: post each message as JSON, and by default to this computer only."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

Message = dict[str, Any]
Hook = Callable[[Message], object]


def url_hook(url: str, *, allow_network: bool, timeout: float) -> Hook:
    """Return a function that posts a message to a URL.

    The body is the message as JSON, and its `key` is also the header `Idempotency-Key`. Any answer but 2xx is a
    failure; redirects are not followed, and no proxy is used.

    Raises
    ------
    ValueError
        If it is no http or https URL, holds a password, or leads to another computer without `allow_network`.
    """
    parts = _checked(url, allow_network)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def post(message: Message) -> None:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        # connected to the very address that was checked: a name could lead elsewhere the second time
        connection.sock = _connected(parts, allow_network, timeout)
        try:
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": str(message["key"]),
                "Connection": "close",
            }
            connection.request("POST", path, json.dumps(message), headers)
            answer = connection.getresponse()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise OSError(f"The answer was {answer.status} {answer.reason}; expected 2xx.")

    return post


def _checked(url: str, allow_network: bool) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(
            f"The hook {url!r} is no URL: {error}. Pass one such as 'http://127.0.0.1:8000/'."
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"The hook {url!r} is no http or https URL. Pass one such as 'http://127.0.0.1:8000/'."
        )
    if not url.isascii() or any(letter <= " " for letter in url):
        raise ValueError(f"The hook {url!r} has letters that a URL may not have. Write them percent-encoded.")
    if parts.username is not None:
        raise ValueError(
            f"The hook {parts.hostname!r} has a user name in its URL. Pass a function that signs in."
        )
    if not allow_network and not _names_this_computer(parts.hostname):
        raise ValueError(
            f"The hook {url!r} leads to another computer, and messages hold data of customers. Pass allow_network=True "
            "if they may leave this one, or a URL such as 'http://127.0.0.1:8000/'."
        )
    return parts


def _names_this_computer(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _connected(parts: SplitResult, allow_network: bool, timeout: float) -> socket.socket:
    """Connect to the host's address, unless the name leads to another computer."""
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    away = [address for address in addresses if not _is_loopback(address)]
    if away and not allow_network:
        raise OSError(
            f"{host} is {away[0]}, another computer. Pass allow_network=True if messages may leave this one."
        )
    connected = _first_that_answers(addresses, port, timeout)
    if parts.scheme == "http":
        return connected
    try:
        return ssl.create_default_context().wrap_socket(connected, server_hostname=host)
    except BaseException:
        connected.close()
        raise


def _first_that_answers(addresses: list[str], port: int, timeout: float) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError:
            continue  # the last one says why
    return socket.create_connection((addresses[-1], port), timeout)
