"""URLs of databases: what may be shown of them, and what never."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

URL = re.compile(
    r"(?P<scheme>[A-Za-z][\w.]*)(?:\+\w+)?://"
    r"(?:[^:@/?#]*(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<place>(?:[^@:/?#\[\]]*|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:/[^@?#]*)?)"
    r"(?:\?(?P<options>[^#]*))?"
)

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
"""Values of options that are no secrets, and that messages may well hold."""


@dataclass(frozen=True, repr=False)
class Url:
    """A database's URL.

    Attributes
    ----------
    text : str
        All of it; never shown.
    name : str
        What may be shown: no user, no password, no options.
    """

    text: str
    name: str

    def shown(self, message: str) -> str:
        """Return a message without the password, and whatever else is secret in the URL."""
        return without_secrets(message, secrets_of(self.text))


def without_secrets(message: str, secrets: Collection[str]) -> str:
    """Return a message with secrets struck out."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        message = message.replace(secret, "***")
    return message


def is_url(text: str) -> bool:
    """Say whether a text is a URL, and not a path."""
    return bool(re.match(r"[A-Za-z][\w.+-]+://", text))


def parsed_url(text: str) -> Url:
    """Take a URL apart.

    Raises
    ------
    ValueError
        If it cannot be said where its password ends.
    """
    found = URL.fullmatch(text)
    if not found:
        scheme = text.partition("://")[0]
        raise ValueError(
            f"The URL {scheme}://… cannot be taken apart. It should be {scheme}://user:password@host:port/database, "
            "with special characters in user and password written as urllib.parse.quote_plus(password) writes them."
        )
    return Url(text, f"{found['scheme'].lower()}://{found['place']}")


def secrets_of(url: str) -> set[str]:
    """Return what must not be shown of a URL: itself, its password and what its options say."""
    found = URL.fullmatch(url)
    if not found:
        return {url}
    options = [option.partition("=")[2] for option in (found["options"] or "").split("&")]
    secrets = {url, *options} | ({found["password"]} if found["password"] else set())
    secrets |= {unquote(secret) for secret in secrets} | {unquote_plus(secret) for secret in secrets}
    return secrets - SETTINGS
