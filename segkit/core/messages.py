"""Word errors and warnings: what was probably meant, how many, which ones."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a hint at the word that was probably meant, or nothing where none is close.

    Examples
    --------
    >>> did_you_mean("frequncy", ["recency", "frequency"])
    " Did you mean 'frequency'?"
    """
    words = [str(w) for w in words]
    lower = {w.lower(): w for w in reversed(words)}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural where it is not one.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row"), counted(2, "day is", "days are")
    ('1 row', '1,200 rows', '2 days are')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Iterable[object], most: int = 30) -> str:
    """Return names with commas; of many the first, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (f" and {len(words) - most:,} more" if len(words) > most else "")


def joined(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def warn_of_kinds(
    asked: Mapping[str, str], there: Iterable[str] | str, name: str, known: Iterable[str] = (), *, frames: int
) -> None:
    """Say which words of `kinds` change nothing: a word with a slip in it would leave sales uncounted in silence.

    Parameters
    ----------
    asked : dict of str to str
        As the caller gave them.
    there : iterable of str, or str
        The words that the source holds; one word where all rows are of that kind.
    name : str
        What to call the source.
    known : iterable of str
        Words that are right even where the source has none of them.
    frames : int
        How many calls lie between this one and the caller's.
    """
    if not asked:
        return
    if isinstance(there, str):
        said = (
            f"Every row of {name} is of kind {there!r}, so kinds={dict(asked)!r} changes nothing. Leave it out, or "
            'name the column that holds these words: kind_column="…".'
        )
        warnings.warn(said, stacklevel=2 + frames)
        return
    words = sorted({str(word) for word in there})
    lost = [(word, new) for word, new in asked.items() if str(word) not in words and word not in set(known)]
    if not lost:
        return
    lines = " ".join(
        f"kinds says {new!r} for {word!r}, a word that no row of {name} has.{did_you_mean(str(word), words)}"
        for word, new in lost[:5]
    )
    more = f" So it is with {len(lost) - 5} more." if len(lost) > 5 else ""
    found = listed(words)
    warnings.warn(
        f"{lines}{more} The kinds there are {found or 'none'}. Mend the word, or leave it out of kinds.",
        stacklevel=2 + frames,
    )
