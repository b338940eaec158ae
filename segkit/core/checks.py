"""Arguments that many functions take, looked at before any work begins."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import numpy as np

from segkit.core.engine.connection import near


def check_count(name: str, value: object, least: int, why: str = "") -> None:
    """Refuse what is no whole number of at least so many.

    Raises
    ------
    ValueError
        Also for a number that is not whole, and for True.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} should be a whole number, {least} or more{why}.")


def check_seed(value: object) -> None:
    """Refuse what is no seed that random numbers can be drawn from again.

    Raises
    ------
    ValueError
    """
    check_count("random_state", value, 0, ": a seed, so that the same call gives the same answer")


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
        f"kinds says {new!r} for {word!r}, a word that no row of {name} has.{near(str(word), words)}"
        for word, new in lost[:5]
    )
    more = f" So it is with {len(lost) - 5} more." if len(lost) > 5 else ""
    found = ", ".join(words[:30]) + (f" and {len(words) - 30} more" if len(words) > 30 else "")
    warnings.warn(
        f"{lines}{more} The kinds there are {found or 'none'}. Mend the word, or leave it out of kinds.",
        stacklevel=2 + frames,
    )
