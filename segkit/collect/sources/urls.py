"""URLs of databases, and the parts of them that messages must not show."""

from __future__ import annotations

import re
from collections.abc import Collection
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
"""Values of options that are no secrets; messages may hold them as words of their own."""


def without_secrets(message: str, secrets: Collection[str]) -> str:
    """Return a message with each secret replaced by stars."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        message = message.replace(secret, "***")
    return message


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
