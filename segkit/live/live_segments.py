"""Keep segments current in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from segkit.analyse.features.feature import Feature, distinct_features
from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_type, checked_path
from segkit.core.engine.connection import (
    engine,
    is_embedded,
    lean_sql,
    locked_engine,
    naming_lost_files,
    run_with_progress,
)
from segkit.core.engine.interrupts import run_interruptibly
from segkit.core.messages import counted, did_you_mean, listed
from segkit.core.moments import read_window
from segkit.core.schema import STANDARD, TYPE_OF
from segkit.create.segmentation import Segmentation
from segkit.live.kept import keep_result, recipes
from segkit.live.live import Live
from segkit.live.store import COLUMNS, KEPT, Store, check_facts

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


def live_segments(
    result: Segmentation,
    events: Events,
    features: Iterable[Feature],
    *,
    folder: str | Path,
    window: str | timedelta | None = None,
) -> Live:
    """Keep segments current in a folder: each placement equals the batch answer at its moment.

    The folder holds one DuckDB file with the log and all placements. The first call copies the log into it and places
    every customer as of a microsecond after the last event. Later calls open it again, also after a crash; the log of
    the folder counts then, and `events` only has to be the same.

    Parameters
    ----------
    result : Segmentation
        Segments made from features of events.
    events : Events
        The log so far. Pass no event of it to :meth:`Live.apply` again that has no `event_id` in the log. Texts of new
        events are scored by the scorer with which the log was read. Where :func:`with_consent` made it, its consent
        counts, as by :meth:`Live.use_consent`.
    features : iterable of Feature
        Those that the segments were made from, at least; further ones are not computed.
    folder : str or Path
        Made where there is none. One process at a time may have it open.
    window : str or timedelta, optional
        How far features look back; by default as far as those of `result`.

    Returns
    -------
    Live
        Close it with :meth:`Live.close`, or use it in a ``with`` statement.

    Raises
    ------
    ValueError
        If a feature of the segments is not among `features`, the log lacks a column that one needs, two of its events
        have the same `event_id`, or the folder was begun for other segments or features, another window or scorer.
    BlockingIOError
        If another process has the folder open.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(60, kinds="purchase")
    >>> customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    >>> result = sg.segment(customers, n_segments=3)
    >>> with sg.live_segments(result, events, sg.RFM, folder=tempfile.mkdtemp()) as live:
    ...     placed = live.apply(pd.DataFrame({"event_id": ["e1"], "customer_id": ["ada"], "kind": ["purchase"],
    ...                                       "timestamp": ["2025-01-01 12:00"], "amount": [30.0]}))
    >>> placed[["customer_id", "as_of", "event_id", "late"]]
      customer_id                      as_of event_id   late
    0         ada 2025-01-01 12:00:00.000001       e1  False
    """
    check_type("result", result, Segmentation, "It should be a Segmentation, as from segment(customers, …).")
    checked_events(events)
    chosen = _features_of(result, distinct_features(features))
    said = result.provenance.get("window") if window is None else window
    span = read_window(said)
    store = Store(checked_path(folder))
    try:
        live = _opened(store, result, events, chosen, span)
        if events.consent is not None:
            live.use_consent(events.consent)
        return live
    except BaseException:
        store.close()
        raise


def _opened(
    store: Store,
    result: Segmentation,
    events: Events,
    features: tuple[Feature, ...],
    window: pd.Timedelta | None,
) -> Live:
    """Begin a new folder, all or nothing, or open one that was begun for the same."""
    facts = {
        "segmentation": result.hash,
        "features": [f"{f.name} {sorted((n, str(v)) for n, v in f.settings)}" for f in features],
        "window": None if window is None else str(window),
        "timezone": events.timezone,
        "sentiment": None if events.scorer is None else events.scorer.plain_name,
    }
    if not store.facts:
        columns = [name for name in COLUMNS if name in events.columns or name == "event_id"]
        with store.on_all_cores(), store.transaction():
            more = {"names": _names(result), "recipes": recipes(features)}
            store.create({**facts, **more, "columns": columns, "begun": _extent(events)})
            _copy(events, store)
            live = Live(store, result, features, window, events.scorer)
            live.begin()
            keep_result(
                store, result
            )  # before all is written: what a crash leaves of it is replaced next time
        return live
    check_facts(store.folder, store.facts, facts)
    begun = store.facts["begun"]
    if begun is not None and _extent(events) != begun:
        warnings.warn(
            f"The folder {store.folder} was begun with {_in_words(begun)}; these events are "
            f"{_in_words(_extent(events))}. The log of the folder counts. Pass new events to apply().",
            stacklevel=3,
        )
    if store.facts.get("names") != _names(result) and (store.folder / KEPT).exists():
        keep_result(store, result)
        store.change_fact("names", _names(result))
    return Live(store, result, features, window, events.scorer)


def _names(result: Segmentation) -> dict[str, str]:
    return {str(segment): name for segment, name in sorted(result.names.items())}


def _features_of(result: Segmentation, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Return the features that the segments were made from."""
    by_name = {feature.name: feature for feature in features}
    missing = [name for name in result.customers.columns if name not in by_name]
    if missing:
        raise ValueError(
            f"The segments were made from {listed(map(repr, missing), 5)}, which is not among features."
            f"{did_you_mean(str(missing[0]), by_name)} Pass the features that they were made from; live segments are "
            "made from features of events only."
        )
    return tuple(by_name[name] for name in result.customers.columns)


@locked_engine
def _copy(events: Events, store: Store) -> None:
    """Copy a log into the store, a batch of rows at a time, so that it need not fit into memory.

    Raises
    ------
    ValueError
        If two of its events have the same `event_id`: the batch counts both.
    """
    table = events.table
    held = {name: table[name] for name in COLUMNS if name in table.columns}
    columns = {"event_id": ibis.null(), **held}
    columns = {name: column.cast(TYPE_OF[STANDARD[name]]) for name, column in columns.items()}
    query = table.select(**columns)
    if "event_id" in held:
        _check_ids(query)
    with naming_lost_files():
        # Ibis 12 would ask DuckDB 2 for a method that it does not have
        rows = _stream(query) if is_embedded(query) else query.to_pyarrow_batches()
        run_interruptibly(store.connection, lambda: store.copy_log(rows), "Copying the log")


def _stream(query: ir.Table) -> pa.RecordBatchReader:
    return engine().con.sql(lean_sql(query)).to_arrow_reader()


def _check_ids(log: ir.Table) -> None:
    ids = log.filter(log.event_id.notnull()).group_by("event_id").agg(n=lambda rows: rows.count())
    twice = ids.filter(ids.n > 1)
    query = twice.agg(n=(twice.n - 1).sum(), example=twice.event_id.min())
    found = run_with_progress(query, query.to_pyarrow, "Checking event_id").to_pylist()[0]
    if found["n"]:
        raise ValueError(
            f"{counted(found['n'], 'event has', 'events have')} the event_id of another one, such as "
            f"{found['example'][:60]!r}. Live segments count an id once, and customer_features each row. Read all "
            "files in one call, read_events([…], event_id=…), which keeps the first of each."
        )


def _extent(events: Events) -> dict[str, Any]:
    """Return how many events there are, and when the last one was."""
    return {"events": int(events.kinds().sum()), "last": str(events.last)}


def _in_words(extent: dict[str, Any]) -> str:
    return f"{counted(extent['events'], 'event')} up to {extent['last']}"
