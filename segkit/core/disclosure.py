"""Decide what may be said of a group of customers: the gate that tables, charts, pages and files go through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_count
from segkit.core.messages import counted

MINIMUM = 10  # customers of a group of which something is said
MEANS_FROM = 100  # customers of a group whose means and quartiles are shown; of fewer, only medians
ROOM = 2  # times the minimum that a group has which hides the sizes of smaller ones

_EMAIL = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(  # written as one: with its country, or in groups; not a date, an amount or the id of a product
    r"(?<![\w.,/-])(?:\+[0-9][0-9 ()./-]{6,18}[0-9]"
    r"|\([0-9]{2,5}\)[ ./-]?[0-9]{3,4}[ ./-]?[0-9]{3,6}"
    r"|[0-9]{3}([.-])[0-9]{3}\1[0-9]{4}"
    r"|0[0-9]{2,4}[ /-][0-9]{3,8}(?:[ -][0-9]{2,5})?)(?![\w/-]|[.,][0-9])"
)


def check_minimum(minimum: object) -> None:
    """Check that `minimum` is a number of customers.

    Raises
    ------
    ValueError
    """
    check_count("minimum", minimum, 1, "; 1 shows everything")


def is_few(n: np.ndarray | pd.Series | int, minimum: int) -> np.ndarray:
    """Return where counts are too few to be shown; nobody is not few.

    Examples
    --------
    >>> is_few(np.array([0, 1, 9, 10]), 10).tolist()
    [False, True, True, False]
    """
    n = np.asarray(n)
    return (n > 0) & (n < minimum)


def hidden_sizes(sizes: np.ndarray | pd.Series, minimum: int) -> np.ndarray:
    """Return which sizes of groups are hidden, so that none below the minimum follows from their total.

    Beside the small groups also one that could have swallowed them: the smallest of at least twice the minimum; all,
    where there is none. Which of them are small must not be said together with the total of all.

    Examples
    --------
    >>> hidden_sizes(np.array([300, 200, 3]), 10).tolist()
    [False, True, True]
    >>> hidden_sizes(np.array([300, 200, 10]), 10).tolist()
    [False, False, False]
    """
    sizes = np.asarray(sizes)
    hidden = is_few(sizes, minimum)
    if hidden.any():
        large = np.flatnonzero(sizes >= ROOM * minimum)
        if len(large):
            hidden[large[sizes[large].argmin()]] = True
        else:
            hidden = sizes > 0
    return hidden


def hidden_cells(counts: np.ndarray, minimum: int, also: np.ndarray | bool = False) -> np.ndarray:
    """Return which cells of a two-way table of counts are hidden: the few, and in their rows and columns others.

    `also` are cells that are hidden for another reason.

    What is hidden in a row or column then sums to enough for each to be anything below the minimum, as zeros are shown
    and the others hold 1 or more: of 1 and 1 the sum would tell both. :func:`segkit.suppress_small` proves how far each
    is bounded by all rows and columns together.

    Examples
    --------
    >>> hidden_cells(np.array([[40, 30, 3], [50, 20, 60], [70, 80, 25]]), 10).tolist()
    [[False, True, True], [False, True, True], [False, False, False]]
    """
    hidden = is_few(counts, minimum) | also
    for _ in range(counts.size):
        before = hidden.copy()
        for lines, marks in ((counts, hidden), (counts.T, hidden.T)):
            for line, mark in zip(lines, marks, strict=True):
                free = np.flatnonzero(~mark & (line > 0))
                known = mark.sum() == 1 or (line[mark] - 1).sum() < minimum - 2
                if mark.any() and known and len(free):
                    # Rather one that its own line across needs as well, large enough, and then the smallest.
                    lone, small = marks[:, free].sum(axis=0) == 1, line[free] < ROOM * minimum
                    mark[free[np.lexsort((line[free], ~lone, small))[0]]] = True
        if (hidden == before).all():
            break
    return hidden


def hidden_with_totals(
    counts: np.ndarray, minimum: int, also: np.ndarray | bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which cells of a two-way table are hidden, which totals of its rows, and which of its columns.

    As :func:`hidden_cells` where the totals are shown as well, and that of all is known.

    Examples
    --------
    >>> cells, rows, columns = hidden_with_totals(np.array([[300, 0, 0], [0, 57, 0], [0, 0, 3]]), 10)
    >>> cells.diagonal().tolist(), rows.tolist()
    ([False, True, True], [False, True, True])
    """
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    every = np.block([[counts, rows], [columns, np.zeros((1, 1), counts.dtype)]])  # the last is known anyway
    hidden = hidden_cells(every, minimum, np.pad(np.broadcast_to(also, counts.shape), (0, 1)))
    return hidden[:-1, :-1], hidden[:-1, -1], hidden[-1, :-1]


def countable(sizes: np.ndarray | pd.Series, minimum: int) -> np.ndarray:
    """Return how many customers of each group may be drawn or counted one by one.

    None of small groups, and of the one that hides their sizes as many as it has whatever theirs are.

    Examples
    --------
    >>> countable(np.array([300, 200, 3]), 10).tolist()
    [300, 194, 0]
    """
    sizes = np.asarray(sizes)
    few, hidden = is_few(sizes, minimum), hidden_sizes(sizes, minimum)
    room = max(int(sizes[hidden].sum()) - int(few.sum()) * (minimum - 1), 0)
    lone = hidden & ~few
    return np.where(lone, room if lone.sum() == 1 else 0, np.where(few, 0, sizes))


def may_have_share(having: np.ndarray, n: np.ndarray | int, minimum: int) -> np.ndarray:
    """Return where the share of n customers who have something may be shown: neither few have it, nor few lack it.

    Examples
    --------
    >>> may_have_share(np.array([0, 3, 20, 38, 40]), 40, 10).tolist()
    [True, False, True, False, True]
    """
    having, n = np.round(np.asarray(having, dtype=float), 6), np.asarray(n)
    return (n >= minimum) & ~is_few(having, minimum) & ~is_few(n - having, minimum)


def rounded_shares(shares: np.ndarray, n: np.ndarray | int, minimum: int) -> np.ndarray:
    """Return shares of n customers in round steps of two customers or more: exact ones would tell n.

    Examples
    --------
    >>> rounded_shares(np.array([107 / 251, 3 / 7]), np.array([251, 7000]), 10).round(4).tolist()
    [0.43, 0.4285]
    >>> rounded_shares(np.array([0.125]), 8, 1).tolist()
    [0.125]
    """
    if minimum == 1:
        return shares
    least = 2 / np.maximum(np.asarray(n, dtype=float), 2)
    power = 10.0 ** np.floor(np.log10(least * (1 + 1e-9)))
    parts = least / power
    step = power * np.where(
        parts <= 1 + 1e-9, 1, np.where(parts <= 2 + 1e-9, 2, np.where(parts <= 5 + 1e-9, 5, 10))
    )
    rounded = np.round(shares / step) * step
    # Neither nobody nor everybody where some have it and some lack it.
    rounded = np.where((shares > 0) & (rounded == 0), step, rounded)
    return np.minimum(np.where((shares < 1) & (rounded >= 1), 1 - step, rounded), 1.0)


def may_have_quantile(n: np.ndarray | int, q: float, minimum: int) -> np.ndarray:
    """Return where a quantile of n customers may be shown: of 100, with about half the `minimum` beyond it.

    The median of `minimum`, since something has to be said of small groups. Each further number of a feature tells more
    of who is in a small group.

    Examples
    --------
    >>> n = np.array([9, 10, 99, 100])
    >>> [may_have_quantile(n, q, 10).tolist() for q in (0.5, 0.25, 0.01)]
    [[False, True, True, True], [False, False, False, True], [False, False, False, False]]
    """
    n = np.asarray(n)
    beyond = n * min(q, 1 - q) + 1e-9
    enough = n >= minimum if q == 0.5 else may_have_mean(n, minimum)
    return enough & (beyond >= (minimum - 1) / 2)


def may_have_mean(n: np.ndarray | int, minimum: int) -> np.ndarray:
    """Return where the mean of n customers may be shown: of 100, or of all with ``minimum=1``.

    Numbers of many features together tell whether a person is in a small group, medians about as well as means. Of
    fewer customers only one is shown of each feature, the median: a single value, however large, does not move it.

    Examples
    --------
    >>> may_have_mean(np.array([99, 100]), 10).tolist(), may_have_mean(np.array([99, 100]), 1).tolist()
    ([False, True], [True, True])
    """
    return np.asarray(n) >= (1 if minimum == 1 else max(MEANS_FROM, minimum))


def fewer_than(minimum: int) -> str:
    """Return what stands in a cell of a table in place of what is hidden.

    Examples
    --------
    >>> fewer_than(10)
    'hidden: fewer than 10 customers'
    """
    return f"hidden: fewer than {minimum:,} customers"


def said_from(n: int, minimum: int) -> str:
    """Return a number of customers in words, from the minimum on.

    Examples
    --------
    >>> said_from(0, 10), said_from(3, 10), said_from(1200, 10)
    ('0', 'fewer than 10', '1,200')
    """
    return f"fewer than {minimum:,}" if is_few(n, minimum) else f"{n:,}"


def hidden_in_words(names: Sequence[str], minimum: int) -> str:
    """Return a sentence that counts and names the segments that are hidden; "" where none is.

    Examples
    --------
    >>> hidden_in_words(["VIPs"], 10)
    'Hidden is 1 segment of fewer than 10 customers: VIPs.'
    """
    if not len(names):
        return ""
    are = "is" if len(names) == 1 else "are"
    return f"Hidden {are} {counted(len(names), 'segment')} of fewer than {minimum:,} customers: {', '.join(names)}."


def pseudonyms(ids: Iterable[object]) -> list[str]:
    """Return a pseudonym for each id: customers numbered in the order in which they first come.

    The order must say nothing of the ids: put customers into one of its own before.

    Examples
    --------
    >>> pseudonyms(["anna", "bo", "anna"])
    ['customer 1', 'customer 2', 'customer 1']
    """
    codes, _ = pd.factorize(pd.Series(list(ids), dtype=object))
    return [f"customer {code + 1}" for code in codes]


def without_contacts(text: str) -> str:
    """Return text in which nothing is an e-mail address or a phone number.

    Examples
    --------
    >>> without_contacts("write to ann@example.com or call +44 20 7946 0958")
    'write to [e-mail] or call [phone]'
    >>> without_contacts("order 20240301 of 2024-03-01, 1.234,50 EUR"), without_contacts("555-123-4567")
    ('order 20240301 of 2024-03-01, 1.234,50 EUR', '[phone]')
    """
    if "@" in text:
        text = _EMAIL.sub("[e-mail]", text)
    return _PHONE.sub("[phone]", text)


def state_without_contacts(part: Any) -> Any:
    """Return lists and dicts, such as the state of a widget, without e-mail addresses and phone numbers.

    Examples
    --------
    >>> state_without_contacts({"rows": [["ann@example.com", 3]]})
    {'rows': [['[e-mail]', 3]]}
    """
    if isinstance(part, dict):
        return {key: state_without_contacts(value) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [state_without_contacts(value) for value in part]
    return without_contacts(part) if isinstance(part, str) else part
