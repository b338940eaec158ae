"""Choose features by ticking them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import anywidget
import numpy as np
import pandas as pd
import traitlets as t

from segkit.events import Events
from segkit.features import FAMILIES, Feature, customer_features
from segkit.features._core import distinct_features, missing_columns
from segkit.features.catalogue import code_for

BINS = 23
GOOD_START = (
    "recency",
    "frequency",
    "monetary",
    "average_order_value",
    "gap_cv",
    "variety",
    "discount_share",
    "return_rate",
    "orders_change",
)
"""Ticked at first, where the events have them: each says something that the others do not."""


class FeaturePicker(anywidget.AnyWidget):
    """Choose features by ticking them; read them back from ``features``.

    Parameters
    ----------
    events : Events
        What customers did. All offered features are computed once, to show how they are distributed.
    as_of : str or Timestamp
        The moment the customers are looked at.
    window : str or timedelta, optional
        How far back to look.
    offered : iterable of Feature, default=FAMILIES
        What to choose from. Features that the events cannot give are shown, and cannot be ticked.
    chosen : iterable of str, optional
        Names of the features ticked at first; a good start if not said.

    Attributes
    ----------
    value : list of str
        Names of the ticked features.
    code : str
        The lines of Python that the ticks stand for.

    Raises
    ------
    ValueError
        If a name is not offered.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_name("widgets.css")
    options = t.List(t.Dict()).tag(sync=True)
    value = t.List(t.Unicode()).tag(sync=True)
    code = t.Unicode().tag(sync=True)

    def __init__(
        self,
        events: Events,
        *,
        as_of: str | pd.Timestamp,
        window: str | timedelta | None = None,
        offered: Iterable[Feature] = FAMILIES,
        chosen: Iterable[str] | None = None,
    ):
        offered = distinct_features(offered)
        needs = missing_columns(events, offered)
        self._offered = {f.name: f for f in offered if not needs[f.name]}
        self._looked = {"as_of": as_of, "window": window}
        self._all = customer_features(events, self._offered.values(), as_of=as_of, window=window)
        options = [_option(f, self._all.get(f.name), needs[f.name]) for f in offered]
        super().__init__(options=options, value=list(self._good_start() if chosen is None else chosen))

    def _good_start(self) -> list[str]:
        good = [
            n
            for n in GOOD_START
            if n in self._all and self._all[n].nunique() > 1 and self._all[n].notna().mean() >= 0.5
        ]
        return good or list(self._offered)

    @t.validate("value")
    def _only_offered(self, proposal: t.Bunch) -> list[str]:
        for name in proposal["value"]:
            if name not in self._offered:
                raise t.TraitError(f"{name!r} is not offered. Choose from {', '.join(self._offered)}.")
        if not proposal["value"]:
            raise t.TraitError("No feature is left. Keep at least one.")
        return [name for name in self._offered if name in proposal["value"]]

    @t.observe("value")
    def _say_code(self, _change: t.Bunch) -> None:
        when = "".join(
            f", {name}={str(value)!r}" for name, value in self._looked.items() if value is not None
        )
        self.code = f"customers = sg.customer_features(events, {code_for(self.features)}{when})"

    @property
    def features(self) -> tuple[Feature, ...]:
        """The ticked features."""
        return tuple(self._offered[name] for name in self.value)

    @property
    def customers(self) -> pd.DataFrame:
        """The ticked features of each customer, as from ``customer_features``; already computed."""
        table = self._all[list(self.value)].copy()
        facts = self._all.attrs["segkit"]
        named = {key: {n: facts[key][n] for n in self.value} for key in ("units", "meanings")}
        table.attrs["segkit"] = facts | named
        return table


def _option(feature: Feature, column: pd.Series | None, needs: str) -> dict:
    option = {
        "name": feature.name,
        "family": feature.family,
        "unit": feature.unit,
        "doc": feature.doc,
        "needs": needs,
    }
    if column is None:
        return option | {"bars": [], "range": "", "missing": 0.0}
    return option | _distribution(column) | {"missing": float(column.isna().mean())}


def _distribution(column: pd.Series) -> dict:
    """Summarise a column by the heights of a few bars, 0 to 1; long tails on a logarithmic scale."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        counts = column.value_counts()
        if not counts.sum():
            return {"bars": [], "range": "unknown for all"}
        return {
            "bars": (counts / counts.max()).head(BINS).tolist(),
            "range": f"{len(counts)} words, most often {counts.index[0]}",
        }
    known = column.dropna().to_numpy(dtype=float)
    if len(known) == 0:
        return {"bars": [], "range": "unknown for all"}
    low, high = known.min(), known.max()
    long_tail = low >= 0 and pd.Series(known).skew() > 1
    counts, _ = np.histogram(np.log1p(known) if long_tail else known, bins=BINS)
    said = f"{low:,.4g} to {high:,.4g}, median {np.median(known):,.4g}{', logarithmic' if long_tail else ''}"
    return {"bars": (counts / counts.max()).tolist(), "range": said}
