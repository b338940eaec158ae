"""Check features before they are segmented: drop constants, and warn of ids and of features without events."""

from __future__ import annotations

import re
import warnings

import pandas as pd

from segkit.core.messages import counted, joined, listed
from segkit.core.written import MOST, looks_like_emails

ID_NAME = re.compile(
    r"(?i:(?:.*[\W_])?(?:id|ids|uid|uuid|guid|key|nr)|index|level_\d|unnamed: ?\d+)|.*[a-z]I[dD]"
)
ENOUGH = 20  # customers; among fewer, different values or whole numbers in a row may be chance


def without_constants(customers: pd.DataFrame) -> pd.DataFrame:
    """Return the features that differ between customers; all, if none does.

    A constant says nothing about these customers, but would move new ones who have another value.

    Warns
    -----
    UserWarning
        If features are left out.
    """
    same = [c for c in customers.columns if customers[c].nunique(dropna=False) == 1]
    if not same or len(same) == customers.shape[1]:
        return customers
    shown = [f"{c} ({_shown(customers[c].iloc[0])})" for c in same]
    warnings.warn(
        f"{counted(len(same), 'feature is', 'features are')} the same for all customers and left out: "
        f"{listed(shown, 10)}.{absent_events(customers, same)}",
        stacklevel=3,
    )
    return customers.drop(columns=same)


def _shown(value: object) -> str:
    return "missing" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)[:40]


def absent_events(customers: pd.DataFrame, names: list[str]) -> str:
    """Return in words which events the log lacks that these features count; "" if none is known to be lacking."""
    absent = (customers.attrs.get("segkit") or {}).get("absent") or {}
    of_events: dict[str, list[str]] = {}
    for name in names:
        if name in absent:
            of_events.setdefault(absent[name], []).append(name)
    lines = [f" The log has no {events}, which {joined(of)} would need." for events, of in of_events.items()]
    return "".join(lines)


def no_difference(customers: pd.DataFrame) -> str:
    """Return in words that customers do not differ, and what to do."""
    if len(customers) == 1:
        return "There is 1 customer, and nothing to segment. Add more customers."
    return (
        f"The {len(customers):,} customers do not differ in these features, so there is nothing to segment. Choose "
        f"features that vary.{absent_events(customers, list(customers.columns))}"
    )


def warn_of_features(customers: pd.DataFrame) -> None:
    """Warn of features that cannot tell customers apart: ids, e-mail addresses, and those of events that never occur.

    Warns
    -----
    UserWarning
    """
    alone = customers.shape[1] == 1  # a number that runs on is then what the caller wants
    units = (customers.attrs.get("segkit") or {}).get("units") or {}
    unknown = [c for c in customers.columns if c not in units]  # not computed from events
    ids = [c for c in unknown if _is_id(c, customers[c], alone)]
    ids = [f"{c} ({_shown(customers[c].dropna().iloc[0])}, …)" for c in ids]
    if ids:
        warnings.warn(
            f"{counted(len(ids), 'feature looks', 'features look')} like an id or address, which differs for each "
            f"customer: {listed(ids, 10)}. Ids form no segments; leave them out: customers.drop(columns=…), or make "
            "them the index: customers.set_index(…).",
            stacklevel=3,
        )
    lacking = absent_events(customers, list(customers.columns))
    if lacking:
        warnings.warn(
            f"{lacking.strip()} They describe nothing that customers did; leave them out.", stacklevel=3
        )


def _is_id(name: str, column: pd.Series, alone: bool) -> bool:
    """Return whether a feature is an e-mail address, or different for nearly all customers as ids are."""
    known = column.dropna()
    if len(known) < 2:
        return False
    differs = known.nunique() >= MOST * len(known)
    if pd.api.types.is_bool_dtype(known.dtype) or pd.api.types.is_complex_dtype(known.dtype):
        return False
    if not pd.api.types.is_numeric_dtype(known.dtype):
        words = known.astype("str")
        return bool(looks_like_emails(words).mean() >= MOST or (differs and len(known) >= ENOUGH))
    numbers = known.astype(float)
    if not differs or (numbers % 1 != 0).any():
        return False
    in_a_row = len(known) == len(column) >= ENOUGH and (numbers.diff().iloc[1:] == 1).all()
    return bool(ID_NAME.fullmatch(name) or (in_a_row and not alone))
