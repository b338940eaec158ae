"""Answer what a map asks of one customer: who this is, where to find an id, why she is in her segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, state_without_contacts
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import profiled
from segkit.explain.why import position_of, why
from segkit.show.widgets.map_colors import figure

TOLD = 3  # features of who is pointed at
REASONS = 6  # features of why somebody is in a segment


def telling_features(result: Segmentation, segment: int | None = None, n: int = TOLD) -> list[str]:
    """Return the features that differ most between segments, or set one of them apart."""
    table = profiled(result)
    own = table if segment is None else table[table["segment_id"] == segment]
    strength = (
        own["effect"]
        .abs()
        .groupby(own["column"], sort=False)
        .max()
        .sort_values(ascending=False, kind="stable")
    )
    found = [str(name) for name in strength.index[:n]]
    return found or [str(name) for name in result.customers.columns[:n]]


def customer_said(result: Segmentation, at: int) -> dict[str, Any]:
    """Return the id of a customer, and her values of the features that set her segment apart the most.

    Examples
    --------
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50]}, index=list("abcdef"))
    >>> customer_said(sg.segment(customers, n_segments=2), 4)
    {'at': 4, 'customer': 'e', 'segment': 'Segment 0', 'features': [['visits', '51', '']]}
    """
    segment = int(result.labels.iloc[at])
    units = result.provenance.get("units", {})
    names = telling_features(result, segment)
    features = [[n, _shown(result.customers[n].iloc[at], units.get(n, "")), units.get(n, "")] for n in names]
    said = {
        "at": at,
        "customer": str(result.customers.index[at]),
        "segment": result.name_of(segment),
        "features": features,
    }
    return state_without_contacts(said)


def position_of_text(result: Segmentation, text: str) -> int:
    """Return the position of the customer whose id is written so.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50]}, index=range(100, 106))
    >>> position_of_text(sg.segment(customers, n_segments=2), " 103 ")
    3
    """
    index, wanted = result.customers.index, text.strip()
    if not pd.api.types.is_string_dtype(index.dtype):
        found = np.flatnonzero(index.astype("str") == wanted)
        if len(found):
            return int(found[0])
    return position_of(result, wanted)


def why_said(result: Segmentation, at: int, *, minimum: int = MINIMUM) -> dict[str, Any]:
    """Return why a customer is in her segment: a sentence, and rows of what holds her there.

    Examples
    --------
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50]}, index=list("abcdef"))
    >>> why_said(sg.segment(customers, n_segments=2), 4, minimum=1)["rows"]
    [['visits', '51', '50', '1']]
    """
    customer = result.customers.index[at]
    table = why(result, customer, minimum=minimum)
    rows = [
        [f, *(_shown(r[c], r["unit"]) for c in ("value", "segment", "others"))]
        for f, r in table.head(REASONS).iterrows()
    ]
    return state_without_contacts(
        {**customer_said(result, at), "sentence": table.attrs["segkit"]["sentence"], "rows": rows}
    )


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)):
        return figure(value, unit)
    return "unknown" if pd.isna(value) else str(value)
