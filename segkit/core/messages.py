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


def in_words(value: object) -> str:
    """Return what a value is, for errors about arguments.

    Examples
    --------
    >>> in_words("RFM"), in_words([1]), in_words(dict), in_words(None)
    ("the text 'RFM'", 'a list', 'the class dict', 'None')
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, (str, bytes)):
        return f"the text {value[:40]!r}"
    if isinstance(value, (bool, int, float)):
        return repr(value)
    name, (package, *_) = type(value).__name__, type(value).__module__.split(".")
    if name == "DataFrame" and package != "pandas":
        return f"a {package} DataFrame"
    if package == "segkit" and name.endswith("s"):  # Events, Attributes
        return name
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def listed(names: Iterable[object], most: int = 30) -> str:
    """Join names by commas; for many, the first ones and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (f" and {len(words) - most:,} more" if len(words) > most else "")


def refusals(reasons: Mapping[str, int], most: int = 3) -> str:
    """Return how many rows of a source were refused, and for which reasons.

    Examples
    --------
    >>> refusals({"customer_id missing": 2}), refusals({"customer_id missing": 2, "amount missing": 1})
    ('2 rows refused: customer_id missing', '3 rows refused: customer_id missing 2, amount missing 1')
    """
    rows = f"{counted(sum(reasons.values()), 'row')} refused"
    if len(reasons) < 2:
        return ": ".join([rows, *reasons])
    return f"{rows}: {listed((f'{reason} {n:,}' for reason, n in reasons.items()), most)}"


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
        if present in kinds:
            return
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
