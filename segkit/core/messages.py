"""Word errors and warnings in one place: suggestions, counts and lists."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a hint at the most similar word, or "" where none is similar.

    Examples
    --------
    >>> did_you_mean("frequncy", ["recency", "frequency"])
    " Did you mean 'frequency'?"
    """
    words = [str(w) for w in words]
    lower = {w.lower(): w for w in reversed(words)}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""


def choose_from(word: object, words: Iterable[str]) -> str:
    """Return what to do about an unknown word: the most similar one, and all that there are.

    Examples
    --------
    >>> choose_from("frequncy", ["recency", "frequency"])
    " Did you mean 'frequency'? Choose from recency, frequency."
    """
    words = list(words)
    return f"{did_you_mean(str(word), words)} Choose from {', '.join(words)}."


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row"), counted(2, "day is", "days are")
    ('1 row', '1,200 rows', '2 days are')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Iterable[object], most: int = 30) -> str:
    """Join names by commas; for many, the first ones and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (f" and {len(words) - most:,} more" if len(words) > most else "")


def joined(words: Sequence[str]) -> str:
    """Join words by commas and "and".

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def warn_of_kinds(
    kinds: Mapping[str, str],
    present: Iterable[str] | str,
    name: str,
    known: Iterable[str] = (),
    *,
    frames: int,
) -> None:
    """Warn of words in `kinds` that do not occur in the source: a misspelt one would leave sales uncounted.

    Parameters
    ----------
    kinds : dict of str to str
        The argument `kinds` of the caller.
    present : iterable of str, or str
        The words in the source, or one word where all rows have that kind.
    name : str
        The name of the source.
    known : iterable of str
        Words that are fine even if the source has none of them.
    frames : int
        Number of calls between this function and the caller's code.
    """
    if not kinds:
        return
    if isinstance(present, str):
        warnings.warn(
            f"Every row of {name} is of kind {present!r}, so kinds={dict(kinds)!r} changes nothing. Leave it out, or "
            'name the column that holds these words: kind_column="…".',
            stacklevel=2 + frames,
        )
        return
    words = sorted({str(word) for word in present})
    unused = [word for word in kinds if str(word) not in words and word not in set(known)]
    if not unused:
        return
    lines = " ".join(
        f"kinds has {word!r}, a word that no row of {name} has.{did_you_mean(str(word), words)}"
        for word in unused[:5]
    )
    more = f" The same holds for {len(unused) - 5} more." if len(unused) > 5 else ""
    warnings.warn(
        f"{lines}{more} The kinds there are {listed(words) or 'none'}. Correct the word, or leave it out of "
        "kinds.",
        stacklevel=2 + frames,
    )
