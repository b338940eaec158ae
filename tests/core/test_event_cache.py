"""A stored log gives the same results faster, and is deleted when nothing refers to it."""

import gc
import os
import stat
from dataclasses import replace
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest
from by_hand import AS_OF
from pandas.testing import assert_frame_equal
from tables import orders

import segkit as sg
from segkit.analyse.features.query import feature_query, missing_columns
from segkit.core.engine import event_cache
from segkit.core.engine.connection import drop_unused, folder, run
from segkit.core.engine.event_cache import CODES, with_codes
from segkit.datasets import make_events

DATES = ["2024-03-01", AS_OF]
LINES = orders(
    ("bob", "2024-01-02 11:30:00", 5.5), ("ada", "2024-01-01 10:00:00", 30.0), (None, "2024-01-01", 1.0)
)


@pytest.fixture(scope="module", autouse=True)
def small_heap():
    """Search only what these tests make for garbage, not all that a long run has loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def events():
    return make_events(12)[0]


@pytest.fixture(scope="module")
def kept(events):
    return events.cache()


def files():
    """Return the files of stored logs, after unused ones are deleted."""
    gc.collect()
    drop_unused()
    attached = {name for (name,) in run("SELECT database_name FROM duckdb_databases() WHERE NOT internal")}
    paths = {path for path in Path(folder()).iterdir() if path.name.startswith("segkit_log_")}
    assert len([name for name in attached if name.startswith("segkit_log_")]) == len(paths)
    return paths


def answers(events, features):
    """Compute features as of a moment, in a window, and at two moments."""
    return [
        sg.customer_features(events, features, as_of=AS_OF),
        sg.customer_features(events, features, as_of=AS_OF, window="60 days"),
        sg.snapshots(events, features, dates=DATES),
    ]


def test_features_are_the_same(events, kept):
    missing = missing_columns(events, sg.FAMILIES)
    features = [f for f in sg.FAMILIES if not missing[f.name]]
    assert len(features) > 60
    before, after = (sg.customer_features(e, features, as_of=AS_OF) for e in (events, kept))
    assert_frame_equal(after, before, check_exact=True)
    some = sg.RFM + sg.CADENCE + sg.select_features("visits", "variety", "top_category", "evening_share")
    for before, after in zip(answers(events, some), answers(kept, some), strict=True):
        assert_frame_equal(after, before, check_exact=True)


def test_the_log_is_the_same(events, kept):
    assert kept.columns == events.columns and kept.sources == events.sources
    assert repr(kept) == repr(events)
    assert_frame_equal(kept.describe(), events.describe())
    mine, theirs = (e.table.to_pandas() for e in (kept, events))
    columns = list(theirs)
    assert_frame_equal(*(t.sort_values(columns, ignore_index=True) for t in (mine, theirs)))


def test_refused_rows_are_kept():
    events = sg.read_events(LINES, kind="purchase").cache()
    assert events.kinds().sum() == 2
    assert events.refused[["reason", "count"]].to_numpy().tolist() == [["customer_id missing", 1]]


def test_rows_are_sorted_by_customer(kept):
    rows = with_codes(kept.table).to_pandas()
    assert (rows["customer_id"] != rows["customer_id"].shift()).sum() == rows["customer_id"].nunique()
    assert rows.groupby("customer_id")["timestamp"].is_monotonic_increasing.all()


def test_stored_codes_are_used(kept):
    query = feature_query(kept, sg.RFM, as_of=pd.Timestamp(AS_OF), coded=True)
    of_log = str(query.get_backend().compile(query)).split("GROUP BY")[0]
    assert '"customer_code"' in of_log and '"segkit_log_' in of_log
    assert str(query.get_backend().compile(query)).count("HASH(") == 1  # of the customers, not of the log


def test_ids_may_share_a_code(events, monkeypatch):
    real = event_cache.codes_of
    chosen = sg.RFM + sg.select_features("variety", "top_product", "return_rate")
    expected = answers(events, chosen)
    monkeypatch.setattr(event_cache, "codes_of", lambda text: real(text) % 3)
    monkeypatch.setattr("segkit.analyse.features.id_hashes.codes_of", lambda text: real(text) % 3)
    kept = events.cache()
    assert with_codes(kept.table)[CODES["customer_id"]].nunique().to_pandas() == 3
    for before, after in zip(expected, answers(kept, chosen), strict=True):
        assert_frame_equal(after, before)


def test_parts_of_a_log_are_not_the_log(events, kept):
    """Some of its rows, more rows, or other columns under the same names."""
    half = kept.sample(20)
    assert_frame_equal(answers(half, sg.RFM)[0], answers(events.sample(20), sg.RFM)[0])
    twice = kept + kept
    spent = sg.customer_features(twice, sg.RFM, as_of=AS_OF)["monetary"]
    assert spent.equals(2 * answers(events, sg.RFM)[0]["monetary"])
    t, stored = kept.table, with_codes(kept.table)
    others = [c for c in kept.columns if c != "customer_id"]
    for by_kind in (t.mutate(customer_id=t.kind), stored.select(*others, customer_id=stored.kind)):
        found = sg.customer_features(replace(kept, table=by_kind), sg.RFM, as_of=AS_OF)
        assert {"purchase", "page_view"} < set(found.index) < set(events.kinds().index)


def test_another_zone_needs_no_copy(events, kept):
    before = files()
    there = replace(kept, timezone="Asia/Tokyo")
    here = replace(events, timezone="Asia/Tokyo")
    chosen = sg.select_features("evening_share", "weekend_share")
    assert_frame_equal(answers(there, chosen)[0], answers(here, chosen)[0])
    assert there.cache().table.equals(kept.table) and files() == before


def test_an_unused_log_is_deleted(events):
    before = files()
    mine = events.cache()
    of_it = mine.sample(5)
    assert len(files() - before) == 1
    del mine
    assert len(files() - before) == 1
    sg.customer_features(of_it, sg.RFM, as_of=AS_OF)
    del of_it
    assert files() == before


def test_the_file_is_private(kept):
    assert files()
    assert os.name == "nt" or not stat.S_IMODE(Path(folder()).stat().st_mode) & 0o077


@pytest.mark.parametrize("error", [duckdb.InterruptException, duckdb.OutOfMemoryException])
def test_other_errors_are_not_a_full_disk(error, events, monkeypatch):
    def fails(*_, **__):
        raise error("no")

    monkeypatch.setattr(event_cache, "insert_into", fails)
    with pytest.raises(error, match=r"^no$"):
        events.cache()


def test_a_failed_log_leaves_nothing(events, tmp_path):
    gone = tmp_path / "log.parquet"
    pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "amount": [1.0]}).to_parquet(gone)
    read = sg.read_events(gone, kind="purchase")
    gone.unlink()
    before = files()
    with pytest.raises(FileNotFoundError, match=r"log\.parquet is gone"):
        read.cache()
    assert files() == before
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(event_cache, "insert_into", interrupted)
        events.cache()
    assert files() == before
    assert events.cache().kinds().equals(events.kinds())


def interrupted(name, table, what):
    """Write a little, then raise."""
    run(f"CREATE TABLE {name} AS SELECT 1 AS x")
    raise KeyboardInterrupt


def test_a_failed_drop_is_silent(events):
    before = files()
    mine = events.cache()

    def full(statement):
        raise duckdb.TransactionException("No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_cache, "run", full)
        del mine
        gc.collect()
        assert sg.read_events(LINES, kind="purchase").kinds().sum() == 2  # reading drops unused logs first
    assert files() == before


def test_a_forked_process_deletes_nothing(events, monkeypatch):
    """A forked process has the same names."""
    before = files()
    mine = events.cache()
    (file,) = files() - before
    with monkeypatch.context() as patch:
        patch.setattr(event_cache.os, "getpid", lambda: -1)
        del mine
        gc.collect()
        drop_unused()
        assert file.exists()
    run(f"DETACH {file.name.rpartition('_')[0]}")
    file.unlink()


def test_names_of_codes_are_refused(events):
    t = events.table
    with pytest.raises(ValueError, match="has a column 'Customer_Code', a name that segkit uses itself"):
        replace(events, table=t.mutate(Customer_Code=t.kind)).cache()
    nothing = replace(events, table=t.mutate(category=ibis.null()))
    assert nothing.cache().table.category.isnull().all().to_pandas()


def test_ids_stay_text():
    one = sg.read_events(orders(("007", "2024-01-01", 1.0)), kind="purchase").cache()
    assert sg.customer_features(one, sg.RFM, as_of="2024-02-01").index.to_list() == ["007"]
