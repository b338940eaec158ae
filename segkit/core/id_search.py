"""Search text and bytes for ids."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

WORD = re.compile(rb"[0-9A-Za-z_]+")


class IdSearch:
    """Find which of some ids occur in a text, in one pass.

    An id within a longer word or number of ASCII does not count. One that is written as in JSON, HTML, a web address,
    CSV or Latin-1 does.

    Examples
    --------
    >>> search = IdSearch(["c17", "ada b."])
    >>> sorted(search.found_in(b'{"customer_id": "ada b."}, c17, c170'))
    ['ada b.', 'c17']
    >>> sorted(search.found_in(b"c170 and ada"))
    []
    >>> IdSearch(["Tom & Jo"]).found_in(b"<td>Tom &amp; Jo</td>")
    {'Tom & Jo'}
    """

    def __init__(self, ids: Iterable[str]):
        self._by_word: dict[bytes, list[tuple[bytes, int, str]]] = {}
        self._wordless: list[tuple[bytes, str]] = []
        for text in filter(None, ids):
            for sought in _spellings(text):
                first = WORD.search(sought)
                if first is None:
                    self._wordless.append((sought, text))
                else:
                    self._by_word.setdefault(first[0], []).append((sought, first.start(), text))

    def found_in(self, content: bytes) -> set[str]:
        """Return the ids that occur in bytes."""
        found = {text for sought, text in self._wordless if sought in content}
        if self._by_word.keys().isdisjoint(WORD.findall(content)):
            return found
        for word in WORD.finditer(content):
            for sought, offset, text in self._by_word.get(word[0], ()):
                start = word.start() - offset
                end = start + len(sought)
                if content[max(start, 0) : end] == sought and not (
                    _joins(content, start) or _joins(content, end)
                ):
                    found.add(text)
        return found


def _spellings(text: str) -> set[bytes]:
    """Return how an id may be written in a file."""
    plain = text.encode("utf-8", "surrogatepass")
    if plain.isalnum():
        return {plain}
    texts = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.replace('"', '""')}
    texts |= {html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")}
    latin = text.encode("cp1252", "ignore")
    return {
        plain,
        quote(plain).encode(),
        quote(plain, safe="").encode(),
        *({latin} if latin.decode("cp1252") == text else ()),
        *(one.encode("utf-8", "surrogatepass") for one in texts),
    }


def _joins(content: bytes, at: int) -> bool:
    """Return whether a word goes on across a place."""
    return 0 < at < len(content) and WORD.fullmatch(content[at - 1 : at + 1]) is not None
