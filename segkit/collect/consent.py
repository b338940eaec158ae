"""Read which customers consent to a purpose, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_frame, check_type
from segkit.core.messages import choose_from, did_you_mean, listed
from segkit.core.moments import LATEST

COLUMNS = ("customer_id", "purpose", "from", "until")


@dataclass(frozen=True, eq=False)
class Consent:
    """Who consents to one purpose, and when.

    Attributes
    ----------
    purpose : str
    as_of : Timestamp
        The moment that is the present: consent that ended by then counts no longer, not even for earlier events.
    spans : DataFrame
        A row for each time of consent, indexed by `customer_id`: `begins` and `ends`, UTC; `ends` is the first moment
        without consent, far in the future where there is none.
    faulty : Series of str
        Customers whose consent cannot be used, with the reason.
    """

    purpose: str
    as_of: pd.Timestamp
    spans: pd.DataFrame
    faulty: pd.Series

    def why_not(self, moment: pd.Timestamp) -> pd.Series:
        """Return why the known customers have no consent at a moment; missing for those who have."""
        spans = self.spans
        now = spans.index[(spans["begins"] <= moment) & (moment < spans["ends"])]
        begun = spans.index[spans["begins"] <= moment]
        index = pd.Index(spans.index.unique(), dtype="str", name="customer_id")
        late, gone = f"consent to {self.purpose} has not begun", f"consent to {self.purpose} has ended"
        words = pd.Series(np.where(index.isin(begun), gone, late), index, dtype="str")
        return pd.concat([words.mask(index.isin(now)), self.faulty])

    def having(self, ids: pd.Index, moment: pd.Timestamp) -> np.ndarray:
        """Return which customers consent at a moment."""
        why = self.why_not(moment)
        return np.asarray(ids.isin(why.index[why.isna()]))

    def check_purposes(self, purposes: Iterable[tuple[str, str]]) -> None:
        """Refuse features, pairs of name and purpose, that are for another purpose.

        Raises
        ------
        ValueError
        """
        for name, purpose in purposes:
            if purpose != self.purpose:
                raise ValueError(
                    f"The feature {name!r} is for {purpose!r}, and these events may be used for {self.purpose!r}. Use "
                    f"with_consent(events, consent, purpose={purpose!r})."
                )

    def without(self, ids: Iterable[str]) -> Consent:
        """Return the consent of the others."""
        spans, faulty = (part[~part.index.isin(list(ids))] for part in (self.spans, self.faulty))
        return dataclasses.replace(self, spans=spans, faulty=faulty)

    def renamed(self, rename: Callable[[Iterable[str]], list[str]]) -> Consent:
        """Return the same consent under other ids."""
        spans, faulty = (
            part.set_axis(pd.Index(rename(part.index), dtype="str", name="customer_id"))
            for part in (self.spans, self.faulty)
        )
        return dataclasses.replace(self, spans=spans, faulty=faulty)


def read_consent(consent: pd.DataFrame, purpose: str, as_of: pd.Timestamp) -> Consent:
    """Read the consent to one purpose.

    Raises
    ------
    TypeError, ValueError
        If it is no such table, or knows no such purpose.
    """
    wanted = f"It should be a DataFrame with the columns {', '.join(COLUMNS)}."
    check_frame("consent", consent, wanted)
    check_type(
        "purpose", purpose, str, "It should be one of the purposes in the table, such as 'segmentation'."
    )
    twice = [name for name in COLUMNS if list(consent.columns).count(name) > 1]
    if twice:
        raise ValueError(f"consent has {twice[0]!r} as the name of two columns. Drop or rename one.")
    missing = [name for name in COLUMNS if name not in consent.columns]
    if missing:
        raise ValueError(
            f"consent has no column {missing[0]!r}, only {listed(consent.columns, 8)}. Rename the column that holds it."
        )
    own = consent.loc[_is_for(consent["purpose"], purpose), ["customer_id", "from", "until"]]
    rows = pd.DataFrame(
        {
            "customer_id": _ids(own["customer_id"]),
            "begins": _times(own["from"]),
            "ends": _times(own["until"]),
            "readable": (_times(own["from"]).notna() & (_times(own["until"]).notna() | own["until"].isna())),
            "has_from": own["from"].notna(),
        }
    ).drop_duplicates()
    faulty = _faulty(rows, purpose)
    good = rows[~rows["customer_id"].isin(faulty.index)]
    spans = good.assign(ends=good["ends"].fillna(LATEST)).sort_values(["customer_id", "begins"])
    spans = spans.groupby(["customer_id", "ends"], sort=True)["begins"].min().reset_index("ends")
    return Consent(purpose, as_of, spans[["begins", "ends"]], faulty)


def _is_for(purposes: pd.Series, purpose: str) -> pd.Series:
    """Return the rows of a purpose; capitals do not matter."""
    words = purposes.astype("str").str.strip()
    known = words.dropna().unique().tolist()
    same = words.str.casefold() == purpose.strip().casefold()
    if not same.any():
        told = (
            choose_from(purpose, known)
            if known
            else " It names no purpose at all: nobody consents to anything."
        )
        raise ValueError(f"consent knows no purpose {purpose!r}.{told}")
    others = sorted(set(known) - set(words[same]))
    near = [word for word in others if did_you_mean(word, [purpose])]
    if near:
        raise ValueError(
            f"consent names the purpose {near[0]!r}, which looks like {purpose!r} misspelt. Correct it, or, if it is "
            "another purpose, drop its rows."
        )
    return same.fillna(False).astype(bool)


def _ids(ids: pd.Series) -> pd.Series:
    kind = pd.api.types.infer_dtype(ids, skipna=False)
    if ids.isna().any() or kind not in ("string", "integer", "empty", "categorical"):
        raise ValueError(
            f"The customer_id of consent should be all text or all whole numbers, and is {kind}, or some are missing. "
            "Drop rows without one, and convert them: consent.astype({'customer_id': str})."
        )
    return ids.astype("str").str.strip()


def _times(times: pd.Series) -> pd.Series:
    """Return times in UTC without a zone; what cannot be read is missing."""
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        readable = [v if isinstance(v, str) or hasattr(v, "isoformat") else None for v in times]
        times = pd.Series(readable, times.index, dtype="str")
    read: Any = pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601")
    return read.dt.tz_localize(None).astype("datetime64[us]")


def _faulty(rows: pd.DataFrame, purpose: str) -> pd.Series:
    """Return the customers whose consent cannot be used, each with its first reason.

    Times that overlap and end together are one; with different ends nobody knows whether the consent still holds.
    """
    ordered = rows.assign(ends=rows["ends"].fillna(LATEST)).sort_values(["customer_id", "begins", "ends"])
    same = ordered["customer_id"] == ordered["customer_id"].shift()
    latest = ordered.groupby("customer_id")["ends"].cummax().shift()
    overlaps = same & (ordered["begins"] < latest) & (ordered["ends"] != latest)
    reasons = {
        "begins at no time": ~ordered["has_from"],
        "has a time that cannot be read": ~ordered["readable"],
        "ends before it begins": ordered["ends"] <= ordered["begins"],
        "overlaps with different ends": overlaps,
    }
    found: dict[str, str] = {}
    for reason, where in reasons.items():
        for name in ordered.loc[where, "customer_id"]:
            found.setdefault(name, f"consent to {purpose} {reason}")
    index = pd.Index(list(found), dtype="str", name="customer_id")
    return pd.Series(list(found.values()), index, dtype="str")
