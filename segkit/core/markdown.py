"""Write text into Markdown."""

from __future__ import annotations

import re

from segkit.core.disclosure import without_contacts

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def plain(text: str) -> str:
    """Return text on one line, without e-mail addresses and phone numbers, in which nothing is a mark of Markdown.

    Examples
    --------
    >>> plain("a_b\\n<c>")
    'a\\\\_b \\\\<c\\\\>'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(without_contacts(text).split()))
