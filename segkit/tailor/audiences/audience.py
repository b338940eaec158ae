"""Choose whom to treat: customers of segments, with their contacts, without those who must not be contacted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import choose_from, counted, in_words, listed
from segkit.core.order import by_id
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import UNDECIDED, Partition, labels_by_customer
from segkit.methods.provenance import hash_of
from segkit.tailor.audiences.contacts import (
    ADDRESS,
    CONTACTS,
    EMAIL,
    HASH,
    PHONE,
    Refusals,
    as_text,
    cleaned,
    mailboxes,
    masked,
    phone_ends,
    read_contacts,
    reasons,
    shown,
    standard_name,
    where_matches,
    with_customer_id,
)

NO_SEGMENT = (OUTSIDE, str(OUTSIDE), "Outside", UNDECIDED)
HELD_OUT = re.compile(  # however they are written: "held out", "holdout_10", "Control group"
    r"(?<![a-z])((held|hold)[\W_]*outs?|controls?|untreated|placebo)([\W_]*group)?(?![a-z])", re.IGNORECASE
)
HELD_OUT_REASON = "held out by the experiment"
NEVER_REASON = "phone of a customer who is held out or suppressed"
YES = {"true", "yes", "y", "1", "granted", "opted in", "opt in", "subscribed"}
NO = {
    "false",
    "no",
    "n",
    "0",
    "denied",
    "opted out",
    "opt out",
    "unsubscribed",
    "never subscribed",
    "unspecified",
}
ISO_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}.*)?")


@dataclass(frozen=True, eq=False, repr=False)
class Audience:
    """Customers who may be contacted, and how many others were refused for which reason.

    Attributes
    ----------
    table : DataFrame
        One row for each customer, in the order of ids: `customer_id`, `segment`, `arm`, and the contacts.
    refused : DataFrame
        `reason`, `rows`, and a masked `example`. Rows of `table` and these are all rows that came.
    emptied : DataFrame
        Values that could not be used, in rows of `table`: `reason`, `rows`, `example`.
    consent : DataFrame or None
        What each customer of `table` agreed to, a bool for each purpose; None if nobody said.
    provenance : dict
        Hash of the segmentation, as-of, segments, experiment, and what was assumed.
    """

    table: pd.DataFrame
    refused: pd.DataFrame
    emptied: pd.DataFrame
    consent: pd.DataFrame | None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        """Rows that came: customers of the segments, and further rows of contacts."""
        return len(self.table) + int(self.refused["rows"].sum())

    def __repr__(self) -> str:
        segments = counted(self.table["segment"].nunique(), "segment")
        return f"Audience({counted(len(self.table), 'customer')} of {segments}, {self.refused['rows'].sum():,} refused)"


def audience(
    by: Partition | pd.Series,
    contacts: pd.DataFrame | None = None,
    *,
    segments: Iterable[int | str] | int | str | None = None,
    consent: pd.Series | pd.DataFrame | None = None,
    suppress: Iterable[object] | pd.Series | pd.DataFrame | None = None,
    arms: pd.Series | None = None,
    min_confidence: float | None = None,
) -> Audience:
    """Select customers to contact by segment, consent, suppression and experiment.

    Parameters
    ----------
    by : Segmentation or Series
        Segments of customers; a Series holds labels by customer.
    contacts : DataFrame, optional
        One row for each customer: `customer_id`, as a column or the index, and any of `email`, `phone`, `first_name`,
        `last_name`, `city`, `state`, `zip`, `country`, `date_of_birth`, `external_id`. Usual other names, such as
        "E-mail" or "Postal code", are read as these.
    segments : int, str or list of those, optional
        Ids or names. Default: all. Customers outside (−1) or "Undecided" are left out unless named here.
    consent : Series or DataFrame, optional
        By customer: True, or a date; or a DataFrame of these with a column for each purpose, such as `email`,
        `ad_user_data`, `ad_personalization`. Missing is no consent. Without it, consent is not checked.
    suppress : list, Series or DataFrame, optional
        Ids, e-mail addresses or their SHA-256, and phones with +, that must not be contacted; a Series of bools says so
        by customer; a DataFrame has `customer_id`, `email` or `phone`.
    arms : Series, optional
        The arm of each customer, as words. Those "held out" (also "control", "untreated", "placebo") are left out, and
        so is everybody with their e-mail; their phones are left empty in other rows.
    min_confidence : float, optional
        Leave out customers whose segment is less sure than this; for a Segmentation.

    Returns
    -------
    Audience
        Of customers with the same e-mail, the first by id. Its rows and those refused are all that came.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be; a segment is unknown; a column looks misspelt.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> labels = pd.Series({"a": "Regulars", "b": "Regulars", "c": "Lapsing", "d": "Regulars"})
    >>> people = pd.DataFrame({"customer_id": list("abcd"), "E-mail": ["ann@example.com", "bo@", "c@x.org", "d@x.org"]})
    >>> chosen = sg.audience(labels, people, segments="Regulars", suppress=["d@x.org"])
    >>> chosen
    Audience(1 customer of 1 segment, 3 refused)
    >>> chosen.refused
                   reason  rows   example
    0  in another segment     1  c***@x***.org
    1      invalid e-mail     1  b***@***
    2          suppressed     1  d***@x***.org
    """
    labels = labels_by_customer(by, "by")
    rows, named, other_columns = _rows(labels, contacts)
    refusals = Refusals(rows)
    chosen = _refuse_segments(refusals, by, labels, segments)
    if contacts is not None:
        several = rows[rows["customer_id"].duplicated(keep=False)]
        repeated = several.index[several.duplicated()]
        refusals.refuse(rows.index.isin(repeated), "row of contacts repeated")
        different = several.drop(repeated)
        different = different[different["customer_id"].duplicated(keep=False)]
        refusals.refuse(rows.index.isin(different.index), "several different rows in contacts")
    _refuse_unsure(refusals, by, min_confidence)
    held_out = _refuse_arms(refusals, arms)
    if contacts is not None:
        refusals.refuse(~rows["_came"], "not in contacts")
    agreed = None if consent is None else _consent(consent).reindex(rows["customer_id"], fill_value=False)
    if agreed is not None:
        refusals.refuse(~agreed.any(axis=1), "no consent")
    suppressed, used = _suppressed(rows, suppress)
    refusals.refuse(suppressed, "suppressed")
    usable, unused = _usable(rows, held_out | suppressed)
    if contacts is not None:
        _refuse_unreachable(refusals, usable, unused)
        _refuse_same_address(refusals, usable, held_out | suppressed)
    kept = refusals.kept
    columns = ["customer_id", "segment", "arm", *(c for c in CONTACTS if c in rows)]
    table = usable.loc[kept, columns].reset_index(drop=True)
    provenance = _provenance(by, labels, arms) | {
        "segments": chosen,
        "consent": "not checked" if agreed is None else list(agreed.columns),
        "suppress": used,
        "min_confidence": min_confidence,
        "columns": named,
        "unused_columns": other_columns,
    }
    table.attrs["segkit"] = provenance
    left = {reason: values[kept[values.index]] for reason, values in unused.items()}
    emptied = {reason: (len(v), masked(v.iloc[0]) if len(v) else "") for reason, v in left.items()}
    agreed = None if agreed is None else agreed[kept].reset_index(drop=True)
    return Audience(table, reasons(refusals.counts), reasons(emptied), agreed, provenance)


def _rows(labels: pd.Series, contacts: pd.DataFrame | None) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Return a row for each customer and each row of contacts, in the order of ids."""
    placed = pd.DataFrame({"customer_id": labels.index, "_label": labels.to_numpy(), "_placed": True})
    if contacts is None:
        named: dict[str, str] = {}
        unused: list[str] = []
        rows = placed.assign(_came=False)
    else:
        given, named, unused = read_contacts(contacts)
        rows = placed.merge(given.assign(_came=True), on="customer_id", how="outer")
        rows["_placed"], rows["_came"] = rows["_placed"].eq(True), rows["_came"].eq(True)
    rows = by_id(rows.set_index("customer_id")).reset_index()
    return rows.assign(segment=pd.NA, arm=pd.NA), named, unused


def _refuse_segments(refusals: Refusals, by: Any, labels: pd.Series, segments: Any) -> list[str]:
    """Refuse who is in no chosen segment, name the segments of the others, and return the chosen names."""
    rows = refusals.rows
    present = sorted(labels.unique().tolist(), key=str)
    names = {s: by.name_of(s) if isinstance(by, Partition) else str(s) for s in present}
    if segments is None:
        chosen = [s for s in present if s not in NO_SEGMENT]
    else:
        asked = [segments] if isinstance(segments, (str, int, np.integer)) else list(segments)
        chosen = [_segment(s, by, names) for s in asked]
        if not chosen:
            raise ValueError("segments is empty. Name some, or leave it out for all.")
    rows["segment"] = cleaned(rows["_label"].map(names).astype("str"))
    refusals.refuse(rows["customer_id"].isna(), "customer_id missing")
    refusals.refuse(~rows["_placed"], "in contacts, but in no segment")
    unsure = [s for s in NO_SEGMENT if s not in chosen]
    refusals.refuse(rows["_label"].isin([s for s in unsure if s == UNDECIDED]), "undecided between segments")
    refusals.refuse(rows["_label"].isin(unsure), "outside all segments")
    refusals.refuse(~rows["_label"].isin(chosen), "in another segment")
    return [names[s] for s in present if s in chosen]


def _segment(asked: Any, by: Any, names: dict[Any, str]) -> Any:
    if isinstance(by, Partition):
        return by.segment_id(asked)
    found = [s for s, name in names.items() if s == asked or name == str(asked)]
    if not found:
        raise ValueError(f"There is no segment {asked!r} in by.{choose_from(asked, names.values())}")
    return found[0]


def _refuse_unsure(refusals: Refusals, by: Any, least: float | None) -> None:
    if least is None:
        return
    if not hasattr(by, "confidence"):
        raise TypeError("min_confidence needs a Segmentation as by: a Series of labels has no confidence.")
    if isinstance(least, bool) or not isinstance(least, (int, float, np.number)) or not 0 <= least <= 1:
        raise ValueError(f"min_confidence={least!r} should be a confidence, from 0 to 1, such as 0.6.")
    sure = by.confidence.set_axis(by.labels.index.astype("str"))
    refusals.refuse(~(refusals.rows["customer_id"].map(sure) >= least), f"confidence below {least:g}")


def _refuse_arms(refusals: Refusals, arms: pd.Series | None) -> np.ndarray:
    """Refuse who is held out or has no arm, and return who is held out."""
    rows = refusals.rows
    if arms is None:
        return np.zeros(len(rows), dtype=bool)
    arms = labels_by_customer(arms, "arms")
    words = arms.unique().tolist()
    if not all(isinstance(word, str) for word in words):
        wrong = next(word for word in words if not isinstance(word, str))
        raise TypeError(
            f"arms holds {in_words(wrong)}. Name each customer's arm, as 'treated' or 'held out'."
        )
    rows["arm"] = rows["customer_id"].map(arms.astype("str")).astype("str")
    out = [word for word in words if HELD_OUT.search(word)]
    held_out = rows["arm"].isin(out).to_numpy()
    refusals.refuse(held_out, HELD_OUT_REASON)
    refusals.refuse(rows["arm"].isna(), "without an arm")
    return held_out


def _consent(consent: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Return consent as bools: a column for each purpose, by customer."""
    check_type(
        "consent",
        consent,
        (pd.Series, pd.DataFrame),
        "It should be a Series of True and False by customer, or a DataFrame with a column for each purpose.",
    )
    frame = with_customer_id(
        consent.to_frame("consent") if isinstance(consent, pd.Series) else consent, "consent"
    )
    frame = frame.set_index("customer_id")
    frame.index = pd.Index(as_text(frame.index.to_series()), name="customer_id")
    frame = frame[frame.index.notna()]
    if not frame.index.is_unique:
        twice = masked(frame.index[frame.index.duplicated()][0])
        raise ValueError(f"consent has two rows for the customer {twice}. Keep each customer's latest one.")
    if not len(frame.columns):
        raise ValueError(
            "consent has no column besides customer_id. Add one for each purpose, such as 'email'."
        )
    return frame.rename(columns=str).apply(lambda column: _agreed(column, str(column.name)))


def _agreed(values: pd.Series, name: str) -> pd.Series:
    """Return where a customer agreed: True, a date, or a word for yes."""
    words = as_text(values).str.lower().str.replace("_", " ")
    days = words.where(where_matches(words, DAY)).str[:10]
    ahead = days[days > (pd.Timestamp.now("UTC") + pd.Timedelta(days=1)).strftime("%Y-%m-%d")]
    if len(ahead):
        raise ValueError(
            f"The column {name!r} of consent holds {ahead.iloc[0]}, which is yet to come. It should hold the date when "
            "a customer agreed. If it is the date until when, pass whether that is still ahead: True or False."
        )
    yes = words.isin(YES) | _are_days(days)
    unknown = words[words.notna() & ~yes & ~words.isin(NO)]
    if len(unknown):
        word = unknown.iloc[0]
        word = masked(word) if "@" in word or len(re.findall(r"\d", word)) > 4 else word[:20]
        raise ValueError(
            f"The column {name!r} of consent holds {word!r}. It should hold True and False, or the "
            "date of the consent; missing is no consent."
        )
    return yes


def _suppressed(rows: pd.DataFrame, suppress: Any) -> tuple[np.ndarray, str]:
    """Return who is suppressed by id or address, and how many of the entries were found, in words."""
    if suppress is None:
        return np.zeros(len(rows), dtype=bool), "none"
    if isinstance(suppress, str) or not isinstance(suppress, (pd.Series, pd.DataFrame, Iterable)):
        came = f"the text {shown(suppress)}" if isinstance(suppress, str) else in_words(suppress)
        raise TypeError(f"suppress is {came}. It should be a list of ids, e-mail addresses and phones.")
    if isinstance(suppress, pd.DataFrame):
        entries = _of_frame(suppress)
    elif isinstance(suppress, pd.Series) and _says_whether(suppress):
        entries = as_text(suppress.index[suppress.notna() & suppress.ne(False)].to_series())
    else:
        entries = as_text(pd.Series(list(suppress), dtype=object).infer_objects())
    entries = entries.dropna().drop_duplicates().reset_index(drop=True)
    seen = cleaned(entries)
    found = rows["customer_id"].isin(entries) | (rows["customer_id"].notna() & rows["customer_id"].isin(seen))
    there = entries.isin(rows["customer_id"]) | (seen.notna() & seen.isin(rows["customer_id"]))
    if "email" in rows:
        hashed = bool(where_matches(seen, HASH).any() or where_matches(rows["email"], HASH).any())
        ours, theirs = mailboxes(rows["email"], hashed), mailboxes(seen, hashed)
        for one in ours:
            for other in theirs:
                found |= one.notna() & one.isin(other)
                there |= other.isin(one)
    if "phone" in rows:
        ours, theirs = phone_ends(rows["phone"]), phone_ends(seen.where(seen.str.startswith("+", na=False)))
        found |= ours.notna() & ours.isin(theirs.dropna())
        there |= theirs.notna() & theirs.isin(ours)
    return found.to_numpy(), f"{int(there.sum()):,} of {counted(len(entries), 'entry', 'entries')} found"


def _of_frame(suppress: pd.DataFrame) -> pd.Series:
    """Return the ids and addresses of a table of people who must not be contacted."""
    known = {standard_name(str(column)) for column in suppress.columns}
    if isinstance(suppress.index, pd.RangeIndex) and "customer_id" not in known:
        suppress = suppress.assign(customer_id=None)
    given, named, _ = read_contacts(suppress, "suppress")
    if not {"email", "phone"} & set(named) and given["customer_id"].isna().all():
        raise ValueError(
            f"suppress has no customer_id, email or phone, only {listed(suppress.columns.drop('customer_id'), 8)}. "
            "Name the column of one of them so."
        )
    if "phone" in given:
        given["phone"] = "+" + given["phone"].str.removeprefix("+")
    return pd.concat([given[c] for c in ("customer_id", "email", "phone") if c in given])


def _says_whether(suppress: pd.Series) -> bool:
    """Return whether a Series says by customer who is suppressed: by True and False, or by a date."""
    kind = pd.api.types.infer_dtype(suppress, skipna=True)
    return kind == "boolean" or kind.startswith("date")


def _usable(rows: pd.DataFrame, never: np.ndarray) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return rows without contacts that cannot be used, and those contacts by reason; phones of `never` are such."""
    checks = {
        "email": ("invalid e-mail", lambda v: where_matches(v, EMAIL) | where_matches(v, HASH)),
        "phone": ("invalid phone", lambda v: where_matches(v, PHONE) | where_matches(v, HASH)),
        "date_of_birth": (
            "date of birth not like 1990-02-01",
            lambda v: where_matches(v, HASH) | _are_days(v),
        ),
    }
    usable, unused = rows.copy(deep=False), {}
    for column, (reason, is_usable) in checks.items():
        if column in rows:
            bad = rows[column].notna() & ~is_usable(rows[column])
            usable[column] = rows[column].mask(bad)
            unused[reason] = rows[column][bad]
    if "phone" in rows and never.any():
        ends = phone_ends(usable["phone"])
        shared = ends.notna() & ends.isin(ends[never])
        usable["phone"] = usable["phone"].mask(shared)
        unused[NEVER_REASON] = rows["phone"][shared]
    return usable, unused


def _are_days(values: pd.Series) -> np.ndarray:
    written = where_matches(values, ISO_DAY)
    days = pd.to_datetime(values.where(written), format="%Y-%m-%d", errors="coerce")
    return days.notna().to_numpy()


def _refuse_unreachable(refusals: Refusals, usable: pd.DataFrame, unused: dict[str, pd.Series]) -> None:
    """Refuse who has neither e-mail nor phone, nor an address or the id of another system."""
    reached = np.zeros(len(usable), dtype=bool)
    for column in ("email", "phone", "external_id"):
        if column in usable:
            reached |= usable[column].notna().to_numpy()
    if all(column in usable for column in ADDRESS):
        reached |= usable[list(ADDRESS)].notna().all(axis=1).to_numpy()
    for reason, values in unused.items():
        refusals.refuse(~reached & usable.index.isin(values.index), reason)
    refusals.refuse(~reached, "no e-mail, phone or address")


def _refuse_same_address(refusals: Refusals, usable: pd.DataFrame, never: np.ndarray) -> None:
    """Refuse who shares an e-mail with somebody who must not be contacted, or with an earlier customer."""
    if "email" not in usable:
        return
    boxes = mailboxes(usable["email"], bool(where_matches(usable["email"], HASH).any()))[0]
    shared = boxes.notna() & boxes.isin(boxes[never])
    refusals.refuse(shared, "e-mail of a customer who is held out or suppressed")
    kept = boxes.where(refusals.kept)
    refusals.refuse(kept.notna() & kept.duplicated(), "e-mail of an earlier customer")


def _provenance(by: Any, labels: pd.Series, arms: pd.Series | None) -> dict[str, Any]:
    """Return where the segments and the arms come from."""
    if isinstance(by, Partition):
        of, as_of = by.hash, by.provenance.get("as_of")
    else:
        placed = by_id(labels[labels.index.notna()])
        of, as_of = hash_of(pd.DataFrame(index=placed.index), placed), _told(by, "as_of")
    return {"hash": of, "as_of": as_of, "experiment": None if arms is None else _told(arms, "experiment")}


def _told(series: pd.Series, what: str) -> Any:
    """Return what the attrs of a Series say."""
    told = series.attrs.get("segkit")
    return (told if isinstance(told, dict) else series.attrs).get(what)
