"""Read what each segment is worth, and which level of service that supports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.explain.traits import spoken
from segkit.tailor.plays.segment_rows import segment_rows

PRIORITY, STANDARD, SELF_SERVICE = "priority", "standard", "self-service"
SOURCE = "segment_value(events, result, …)"
NEEDED = ("customers", "value", "value_low", "value_high")


@dataclass(frozen=True)
class Worth:
    """What a segment is worth.

    Attributes
    ----------
    total, low, high : float
        Value of the segment in the horizon, and its interval; orders where the log knows no money.
    each, each_low, each_high : float
        The same for a customer.
    of_orders : bool
        Whether these are orders.
    checked : bool
        Whether the interval was checked on earlier periods.
    customers : int
    horizon : str
        Such as "365 days"; empty where the table does not say.
    """

    total: float
    low: float
    high: float
    each: float
    each_low: float
    each_high: float
    of_orders: bool
    checked: bool
    customers: int
    horizon: str = ""

    @property
    def known(self) -> bool:
        return bool(np.isfinite([self.each, self.each_low, self.each_high]).all())

    def per_customer(self) -> str:
        """Return the value of a customer in words: "120 a customer in the next 365 days (90 to 150)"."""
        return self._in_words(f" a customer{self._when}", self.each, self.each_low, self.each_high)

    def together(self) -> str:
        """Return the value of the segment in words, and that of a customer."""
        total = self._in_words(self._when, self.total, self.low, self.high)
        return f"{total}; {self._in_words(' a customer', self.each, self.each_low, self.each_high)}"

    @property
    def _when(self) -> str:
        return f" in the next {self.horizon}" if self.horizon else ""

    def _in_words(self, of: str, value: float, low: float, high: float) -> str:
        unchecked = "" if self.checked else ", not checked on earlier periods"
        unit = " orders" if self.of_orders else ""
        return f"{spoken(value)}{unit}{of} ({spoken(low)} to {spoken(high)}{unchecked})"


def worth_by_segment(result: Segmentation, value: pd.DataFrame | None) -> dict[int, Worth]:
    """Return what each segment is worth, from the table of :func:`segkit.segment_value`.

    Raises
    ------
    TypeError, ValueError
        If the table lacks a column, or speaks of a segment twice or of what is no segment.
    """
    if value is None:
        return {}
    facts = value.attrs.get("segkit", {}) if isinstance(value, pd.DataFrame) else {}
    horizon = str(facts.get("horizon", ""))
    worth = {}
    # One unit for all: a segment without orders has no value in a log that knows money.
    of_orders = (
        "value" in value
        and value["value"].isna().all()
        and {"orders", "orders_low", "orders_high"} <= set(value)
    )
    for segment, rows in segment_rows(result, value, "value", NEEDED, SOURCE).items():
        if len(rows) > 1:
            raise ValueError(
                f"value speaks of {result.name_of(segment)!r} {len(rows)} times. It should have a row a segment: "
                f"{SOURCE}."
            )
        row = rows.iloc[0]
        if row[list(NEEDED)].isna().all():
            continue  # hidden, since it has few customers
        names = ("orders", "orders_low", "orders_high") if of_orders else ("value", "value_low", "value_high")
        ends = _numbers(row[list(names)])
        customers, *_ = _numbers(row[["customers"]])
        unordered = not ends[1] <= ends[0] <= ends[2] and not np.isnan(ends).any()
        if np.isnan(customers) or unordered:
            said = ", ".join(f"{name}={row[name]}" for name in ("customers", *names))
            raise ValueError(
                f"value says of {result.name_of(segment)!r}: {said}. It should hold how many customers there are, and "
                f"numbers within their interval. Pass the table from {SOURCE}."
            )
        checked = not str(row.get("verdict", "")).startswith("not checked")
        each = [end / customers if customers else float("nan") for end in ends]
        worth[segment] = Worth(
            total=ends[0],
            low=ends[1],
            high=ends[2],
            each=each[0],
            each_low=each[1],
            each_high=each[2],
            of_orders=bool(of_orders),
            checked=checked,
            customers=int(customers),
            horizon=horizon,
        )
    return worth


def _numbers(cells: pd.Series) -> list[float]:
    """Return cells as numbers; missing where they are none."""
    return pd.to_numeric(cells, errors="coerce").astype("float64").to_list()


def service_levels(worth: dict[int, Worth]) -> dict[int, str]:
    """Return a level of service for each segment whose worth is known and checked.

    Segments whose intervals of value per customer overlap, also by way of others, share a level: it differs only where
    intervals do not overlap. The customer in the middle gets the standard.

    Examples
    --------
    >>> def of(low, high, customers):
    ...     return Worth(0, 0, 0, (low + high) / 2, low, high, False, True, customers)
    >>> service_levels({0: of(90, 110, 10), 1: of(20, 40, 50), 2: of(35, 60, 30), 3: of(1, 2, 20)})
    {3: 'self-service', 1: 'standard', 2: 'standard', 0: 'priority'}
    """
    known = sorted((w.each_low, w.each_high, s) for s, w in worth.items() if w.known and w.checked)
    together: list[list[int]] = []
    reach = -np.inf
    for low, high, segment in known:
        if low > reach:
            together.append([])
        together[-1].append(segment)
        reach = max(reach, high)
    if not together:
        return {}
    upto = np.cumsum([sum(worth[s].customers for s in segments) for segments in together])
    middle = int(np.argmax(upto >= upto[-1] / 2))
    levels = [SELF_SERVICE] * middle + [STANDARD] + [PRIORITY] * (len(together) - middle - 1)
    return {s: level for segments, level in zip(together, levels, strict=True) for s in segments}
