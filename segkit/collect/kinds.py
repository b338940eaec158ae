"""Words for kinds of event: known ones in any spelling; unknown ones that hold money are asked about."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Mapping

from segkit.core.messages import joined, listed
from segkit.core.schema import KINDS

NEAR = 0.85  # similarity of two words above which one may be meant for the other


def spelling(word: str) -> str:
    """Return a word in small letters without blanks and marks, so that spellings can be compared.

    Examples
    --------
    >>> spelling("Order Completed") == spelling("orderCompleted") == spelling("order_completed")
    True
    """
    return re.sub(r"[\W_]", "", word.lower())


def known_kind(word: str) -> str:
    """Return the known kind that a word spells, in the singular or plural; else the word.

    Examples
    --------
    >>> known_kind("Purchases"), known_kind("Page View"), known_kind(" donation ")
    ('purchase', 'page_view', 'donation')
    """
    return _KNOWN.get(spelling(word), word.strip())


_KNOWN = {spelling(kind) + ending: kind for ending in ("es", "s", "") for kind in KINDS}


def ask_about_kinds(
    words: Mapping[str, str], paid: Iterable[str], kinds: Mapping[str, str], name: str, *, frames: int
) -> None:
    """Ask about unknown kinds that resemble a known one or hold amounts, which no feature of money would count.

    Parameters
    ----------
    words : dict of str to str
        The words of the source, and the kind of each.
    paid : iterable of str
        The kinds that have amounts.
    kinds : dict of str to str
        The argument `kinds` of the caller: words in it are not asked about.
    name : str
        The name of the source.
    frames : int
        Number of calls between this function and the caller's code.

    Raises
    ------
    ValueError
        If amounts stand under unknown kinds only.
    """
    unknown = {word: kind for word, kind in words.items() if kind not in KINDS and word not in kinds}
    paid = set(paid)
    unpaid = sorted(word for word, kind in unknown.items() if kind in paid)
    near = {word: kind for word in sorted(unknown) if (kind := _near(word))}
    mend = ", ".join(f"{word!r}: {near.get(word) or _of_money(word)!r}" for word in (unpaid or near))
    keep = ", ".join(f"{word!r}: {word!r}" for word in (unpaid or near))
    how = f"Say what it is: kinds={{{mend}}}, for instance; or keep it as it is: kinds={{{keep}}}."
    if unpaid and paid <= set(unknown.values()):
        raise ValueError(
            f"All amounts of {name} stand in rows of kind {listed(map(repr, unpaid), 5)}, which segkit does not know, "
            f"so no feature would count them. Sales are of kind 'purchase', money back of kind 'return'. {how}"
        )
    if unpaid:
        warnings.warn(
            f"{name} has amounts in rows of kind {listed(map(repr, unpaid), 5)}, which segkit does not know, so no "
            f"feature counts them. {how}",
            stacklevel=2 + frames,
        )
    elif near:
        pairs = joined([f"{word!r} for {kind!r}" for word, kind in near.items()][:5])
        warnings.warn(
            f"{name} has kinds that segkit does not know, but resemble known ones: {pairs}? {how}",
            stacklevel=2 + frames,
        )


def _of_money(word: str) -> str:
    return "return" if "refund" in spelling(word) else "purchase"


def _near(word: str) -> str:
    """Return the known kind that a word resembles, or nothing."""
    plain = spelling(word)
    same_start = [known for known in _KNOWN if known[:1] == plain[:1]]  # a preview is no review
    close = difflib.get_close_matches(plain, same_start, n=1, cutoff=NEAR)
    return _KNOWN[close[0]] if close else ""
