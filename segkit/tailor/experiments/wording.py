"""Say lifts and p-values in words."""

from __future__ import annotations

import numpy as np


def amount(value: float, shares: bool, *, signed: bool = False, unit: bool = True) -> str:
    """Return a lift in words: of shares in percentage points.

    Examples
    --------
    >>> amount(0.021, shares=True), amount(-0.00042, shares=True, signed=True), amount(3.456, shares=False)
    ('2.1 points', '−0.042 points', '3.46')
    """
    size = abs(value) * (100 if shares else 1)
    least = 1 if shares else 2  # digits after the point of a lift of a point, or of 1
    digits = least if size >= 1 or size == 0 else int(np.clip(1 - np.floor(np.log10(size)), least, 6))
    text = f"{size:,.{digits}f}"
    sign = "−" if value < 0 else "+" if signed else ""
    return f"{sign}{text}{' points' if shares and unit else ''}"


def p_in_words(p: float) -> str:
    """Return a p-value in words.

    Examples
    --------
    >>> p_in_words(0.0421), p_in_words(7.21e-22), p_in_words(0.0)
    ('p = 0.042', 'p = 7e-22', 'p < 1e-300')
    """
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}" if p >= 0.001 else f"p = {p:.0e}"
