"""Features of paths: events that follow each other, such as carts that become orders."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable
from datetime import timedelta

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import share_of
from segkit.analyse.features.tables.paths import Path
from segkit.collect.kinds import known_kind
from segkit.core.moments import read_span
from segkit.core.schema import KINDS

HOUR = 3_600_000_000  # microseconds
LONGEST = 63 - len("_count")  # bytes of the beginning of a name: PostgreSQL cuts names after 63
UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _count(paths):
    return paths.count(where=paths.completed)


def _share(paths):
    return share_of(paths.completed, of=paths.over)


def _hours(paths):
    return (paths.completed & paths.over).ifelse(paths.took, None).median() / HOUR


def path_feature(
    *steps: str,
    within: str | timedelta,
    without: str | Iterable[str] = (),
    name: str | None = None,
) -> tuple[Feature, ...]:
    """Make features of a path: how often, what share, and how soon one kind of event is followed by others.

    Parameters
    ----------
    *steps : str
        Kinds of event in their order, such as ``"cart_add", "purchase"``. A single one needs `without`. Kinds of
        your own are allowed, but not if they differ by one letter from a known one, such as ``"cart_ad"``.
    within : str or timedelta
        Time from the first step within which all steps must happen, such as ``"1 day"``; its end counts.
    without : str or iterable of str, optional
        Kinds that must not occur from the first step to the last, or after a single step within the time.
    name : str, optional
        The beginning of the features' names; by default the kinds and the time, shortened where it would be
        longer than PostgreSQL allows.

    Returns
    -------
    tuple of Feature
        - `…_count`: how often the path was completed; 0 if never.
        - `…_share`: the share of first steps that were completed, among those whose time was over at `as_of`: counting
          quick ones before that would make recent shares too high. Missing without such steps.
        - `…_hours`: median time from the first step to the last, of the same ones. Not for a single step.

    Raises
    ------
    ValueError
        If there is no step, or a single one without `without`, a kind is probably misspelt, or `within` is not a
        span of time.

    Notes
    -----
    Each first step is matched with the earliest next step, so two products put in the cart before one order are both
    followed by it. A purchase is an order, however many lines it has. Steps of the same moment count as being in
    order, since many logs record seconds or days; but if a kind occurs twice in a path, the next step must be later.

    A single step counts when its time is over.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> log = pd.DataFrame({"customer_id": ["ada"] * 3, "kind": ["cart_add", "cart_add", "purchase"],
    ...                     "timestamp": ["2024-01-01 09:00", "2024-01-08 09:00", "2024-01-08 12:00"]})
    >>> carts = sg.path_feature("cart_add", "purchase", within="1 day")
    >>> sg.customer_features(sg.read_events(log), carts, as_of="2024-02-01").T
    customer_id                    ada
    cart_add_to_purchase_1d_count  1.0
    cart_add_to_purchase_1d_share  0.5
    cart_add_to_purchase_1d_hours  3.0
    >>> [f.name for f in sg.path_feature("purchase", without="chat", within="7 days")]
    ['purchase_without_chat_7d_count', 'purchase_without_chat_7d_share']
    """
    path = _read_path(steps, without, within)
    stem, first, fate = name or _stem(path), path.steps[0], _fate(path)
    features = [
        Feature(f"{stem}_count", _count, "times", f"How often {first} {fate}.", empty=0),
        Feature(
            f"{stem}_share",
            _share,
            "share",
            f"Share of {first} events that {fate}, among those whose time is over.",
        ),
    ]
    if len(path.steps) > 1:
        last = path.steps[-1]
        meaning = f"Typical (median) time from {first} to {last}, where it {fate}."
        features.append(Feature(f"{stem}_hours", _hours, "hours", meaning))
    kinds, settings = (*path.steps, *path.without), (("path", path),)
    return family("PATH", *(dataclasses.replace(f, kinds=kinds, settings=settings) for f in features))


def path_of(feature: Feature) -> tuple[str, tuple[Feature, ...]]:
    """Return the call of :func:`path_feature` that made a feature, and all of its features, or nothing."""
    path, stem = dict(feature.settings).get("path"), feature.name.rpartition("_")[0]
    if path is None:
        return "", ()
    within, options = timedelta(seconds=path.seconds), f"within={span_in_words(path.seconds)!r}"
    members = path_feature(*path.steps, within=within, without=path.without, name=stem)
    if feature not in members:
        return "", ()
    without = path.without[0] if len(path.without) == 1 else path.without
    options += f", without={without!r}" if without else ""
    options += f", name={stem!r}" if stem != _stem(path) else ""
    return f"sg.path_feature({', '.join(map(repr, path.steps))}, {options})", members


def span_in_words(seconds: float) -> str:
    """Return a span of time in words, such as "1 day" or "45 minutes"."""
    unit, number = _largest_unit(seconds)
    return f"{_digits(number)} {unit}{'' if number == 1 else 's'}"


def _digits(number: float) -> str:
    """Write a number with up to six decimals."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _largest_unit(seconds: float) -> tuple[str, float]:
    """Return the largest unit that divides a span of time, and the number of units."""
    unit, length = next(((u, n) for u, n in UNITS.items() if seconds % n == 0), ("second", 1))
    return unit, seconds / length


def _stem(path: Path) -> str:
    """Return the beginning of the names of a path's features, which is unique to the path."""
    unit, number = _largest_unit(path.seconds)
    words = "_to_".join(path.steps) + ("_without_" + "_or_".join(path.without) if path.without else "")
    words, time = (
        re.sub(r"\W+", "_", text)
        for text in (words, f"_{_digits(number)}{'min' if unit == 'minute' else unit[0]}")
    )
    if len(f"{words}{time}".encode()) <= LONGEST:
        return words + time
    ending = f"_{hashlib.sha256(repr(tuple(path)).encode()).hexdigest()[:6]}{time}"
    return words.encode()[: LONGEST - len(ending)].decode(errors="ignore").rstrip("_") + ending


def _read_path(steps: tuple[str, ...], without: str | Iterable[str], within: str | timedelta) -> Path:
    if not isinstance(without, (str, Iterable)):
        raise ValueError(
            f"without={without!r} is neither a kind of event nor several. Leave it out, or name what must not happen: "
            'without="chat".'
        )
    excluded = (without,) if isinstance(without, str) else tuple(without)
    for kind in (*steps, *excluded):
        if not isinstance(kind, str) or not kind.strip():
            raise ValueError(
                f"path_feature got {kind!r} as a kind of event. Kinds are words, such as "
                'path_feature("cart_add", "purchase", within="1 day").'
            )
    if not steps or len(steps) + bool(excluded) < 2:
        raise ValueError(
            f"path_feature got {len(steps)} step(s), {', '.join(map(repr, steps)) or 'none'}. Give two or more, or one "
            'and what should not follow it: path_feature("purchase", without="chat", within="7 days").'
        )
    steps, excluded = (tuple(map(known_kind, kinds)) for kinds in (steps, excluded))
    for kind in (*steps, *excluded):
        meant = next((known for known in KINDS if _a_letter_away(kind.lower(), known)), None)
        if meant is not None:
            raise ValueError(
                f"path_feature got {kind!r} as a kind of event, which segkit does not know. Did you mean "
                f"{meant!r}? If it is a kind of your own, read it under another name: "
                f"read_events(…, kinds={{{kind!r}: 'my_kind'}})."
            )
    return Path(steps, excluded, read_span(within, "within").total_seconds())


def _a_letter_away(word: str, known: str) -> bool:
    """Return whether one letter after the first was left out, added, replaced or swapped with the next."""
    pairs = zip(word, known, strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    if not same or word == known:
        return False
    one, other = word[same:], known[same:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return swapped or one[1:] == other[1:] or one[1:] == other or one == other[1:]


def _fate(path: Path) -> str:
    """Return what follows the first step in words, such as "was followed by purchase within 1 day"."""
    others = path.steps[1:]
    excluded, time = " or ".join(path.without), span_in_words(path.seconds)
    if not others:
        return f"was followed by no {excluded} within {time}"
    without = f", without {excluded}" if excluded else ""
    return f"was followed by {', then '.join(others)} within {time}{without}"
