"""Write text into Markdown."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def plain(text: str) -> str:
    """Return text on one line, in which nothing is a mark of Markdown or HTML.

    Examples
    --------
    >>> plain("a_b\\n<c>")
    'a\\\\_b \\\\<c\\\\>'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
