"""Keep the events of customers who consent to a purpose."""

from __future__ import annotations

import dataclasses

import ibis
import pandas as pd
import pyarrow as pa

from segkit.collect.consent import Consent, read_consent
from segkit.collect.events import Events, checked_events
from segkit.core.engine.connection import locked_engine, run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of
from segkit.core.moments import read_moment


@locked_engine
def with_consent(
    events: Events,
    consent: pd.DataFrame,
    *,
    purpose: str = "segmentation",
    as_of: str | pd.Timestamp | None = None,
) -> Events:
    """Keep the events that may be used for a purpose: of customers who consent to it, from while they consented.

    Parameters
    ----------
    events : Events
        What customers did.
    consent : DataFrame
        Columns `customer_id`, `purpose`, `from` and `until`, the first moment without consent; missing where consent
        was not withdrawn. Times are ISO 8601, in UTC unless they have a zone.
    purpose : str, default="segmentation"
        What the events are used for: that of the features, :attr:`Feature.purpose`.
    as_of : str or Timestamp, optional
        The present moment. Whoever withdrew by then is left out, also from queries of earlier moments. By default a
        microsecond after the last event.

    Returns
    -------
    Events
        A query of these events. What is left out is counted in `refused`. :func:`customer_features` and
        :func:`snapshots` of later moments leave out whoever has withdrawn by those, and refuse features for another
        purpose; :func:`live_segments` refuses new events without consent.

    Raises
    ------
    TypeError, ValueError
        If `consent` is no such table, no row has the purpose, or one looks like it misspelt; or if the events carry
        consent already.

    Notes
    -----
    A customer whose consent ends before it begins, has a time that cannot be read, or overlaps with different ends is
    left out, with that reason: nobody knows whether she agrees.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "bob"], "timestamp": ["2024-01-01", "2024-01-11"]})
    >>> consent = pd.DataFrame({"customer_id": ["ada"], "purpose": "segmentation", "from": "2023-05-01", "until": None})
    >>> sg.with_consent(sg.read_events(orders, kind="purchase"), consent)
    Events: 1 event of 1 customer, 2024-01-01 to 2024-01-01 (purchase 1); 1 row refused: no consent to segmentation
    """
    checked_events(events)
    if events.consent is not None:
        raise ValueError(
            f"These events are of customers who consent to {events.consent.purpose!r} already. Pass the log that they "
            "were made from."
        )
    if as_of is None and not pd.isna(events.last):
        as_of = events.last + pd.Timedelta("1us")
    known = read_consent(consent, purpose, read_moment(as_of))
    why = known.why_not(known.as_of)
    kept = _in_span(events, known, why)
    refused = _counted(events, why, kept, known)
    every = pd.concat([events.refused, refused], ignore_index=True) if len(refused) else events.refused
    return dataclasses.replace(events, table=kept, refused=every, consent=known)


def _in_span(events: Events, consent: Consent, why: pd.Series) -> ibis.Table:
    """Return the events of customers who consent now, from while they did."""
    holding = consent.spans[consent.spans.index.isin(why.index[why.isna()])]
    spans = _table(events, pa.Table.from_pandas(holding.reset_index(names="customer"), preserve_index=False))
    log = events.table
    inside = [
        log.customer_id == spans.customer,
        log.timestamp >= spans.begins,
        log.timestamp < spans.ends,
    ]
    return log.semi_join(spans, inside)


def _counted(events: Events, why: pd.Series, kept: ibis.Table, consent: Consent) -> pd.DataFrame:
    """Count the events that are left out, by reason."""
    reasons = _table(
        events, pa.table({"customer": pa.array(why.index, pa.string()), "why": pa.array(why, pa.string())})
    )
    log = events.table.select("customer_id")
    joined = log.left_join(reasons, log.customer_id == reasons.customer)
    by_reason = joined.group_by(known=joined.customer.notnull(), why=joined.why).agg(n=joined.count())
    counts = run_with_progress(by_reason, by_reason.to_pandas, "Reading consent")
    inside = kept.agg(n=kept.count())
    n_kept = int(run_with_progress(inside, inside.to_pandas, "Reading consent").loc[0, "n"])
    now = counts["known"] & counts["why"].isna()
    rows = {
        f"no consent to {consent.purpose}": int(counts.loc[~counts["known"], "n"].sum()),
        f"from outside the time of consent to {consent.purpose}": int(counts.loc[now, "n"].sum()) - n_kept,
        **{str(r.why): int(r.n) for r in counts[counts["why"].notna()].itertuples()},
    }
    rows = {reason: n for reason, n in rows.items() if n}
    frame = pd.DataFrame({"reason": list(rows), "count": list(rows.values())})
    return frame.assign(example="").astype({"reason": "str", "count": "int64", "example": "str"})


def _table(events: Events, rows: pa.Table) -> ibis.Table:
    return table_of(rows) if dialect_of(events.table) == "duckdb" else ibis.memtable(rows)
