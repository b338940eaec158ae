"""URLs of databases, and the parts of them that messages must not show."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from urllib.parse import unquote, unquote_plus

URL = re.compile(
    r"(?P<scheme>[A-Za-z][\w.]*)(?:\+\w+)?://"
    r"(?:[^:@/?#]*(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<place>(?:[^@:/?#\[\]]*|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:/[^@?#]*)?)"
    r"(?:\?(?P<options>[^#]*))?"
)

ADDRESS = re.compile(r"jdbc:|[A-Za-z][\w+.-]{2,}:/*[^/\s:@]*:[^/\s@]*@", re.IGNORECASE)
PASSWORD = re.compile(r"(\b(?:password|pwd)\s*=\s*)[^\s;&]+", re.IGNORECASE)
"""Addresses of databases that are no URLs, and passwords in them."""

SETTINGS = {
    "true",
    "false",
    "on",
    "off",
    "require",
    "disable",
    "prefer",
    "allow",
    "0",
    "1",
    "utf8",
    "utf8mb4",
}
"""Values of options that are no secrets; messages may hold them as words of their own."""


def without_secrets(message: str, secrets: Collection[str]) -> str:
    """Return a message with each secret replaced by stars."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        message = message.replace(secret, "***")
    return message


def checked_text(text: str) -> str:
    """Return a path or URL; refuse an empty one, and a database's address that is no URL, without its password.

    Raises
    ------
    ValueError
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError("The source is an empty text. Name a file, or a database by its URL.")
    if is_url(stripped):
        return stripped
    if os.path.exists(text):  # noqa: PTH110 - False for a text that is too long for a path
        return text
    if ADDRESS.match(stripped) or PASSWORD.search(stripped):
        shown = PASSWORD.sub(r"\1***", re.sub(r":[^:/@\s]*@", ":***@", stripped))
        raise ValueError(
            f"{shown!r} looks like the address of a database, and is no URL. Write it as "
            "'postgresql://user:password@host:5432/database' or 'sqlite:///shop.db'."
        )
    return text


def is_url(text: str) -> bool:
    """Return whether a text is a URL, and not a path."""
    return bool(re.match(r"[A-Za-z][\w.+-]+://", text))


def secrets_of(url: str) -> set[str]:
    """Return what messages must not show: the URL itself, its password, and the values of its options."""
    found = URL.fullmatch(url)
    if not found:
        return {url}
    options = [option.partition("=")[2] for option in (found["options"] or "").split("&")]
    secrets = {url, *options} | ({found["password"]} if found["password"] else set())
    secrets |= {unquote(secret) for secret in secrets} | {unquote_plus(secret) for secret in secrets}
    return secrets - SETTINGS
