"""Arguments that many functions take, looked at before any work begins."""

from __future__ import annotations

import numpy as np


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
