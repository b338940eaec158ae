"""Live segments: what the batch says, in whichever order, batches and crashes the events come."""

import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import duckdb
import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from shared_data import CHECKOUT

import segkit as sg
from segkit.datasets import make_events
from segkit.live import store as store_module
from segkit.live.placing import INSTANT, read_features

FEATURES = sg.RFM
WINDOW = "120 days"


def log(rows):
    """Return events of (id, customer, day of 2024, amount)."""
    frame = pd.DataFrame(rows, columns=["event_id", "customer_id", "day", "amount"])
    days = pd.to_timedelta(frame.pop("day"), unit="D")
    return frame.assign(timestamp=pd.Timestamp("2024-01-01") + days, kind="purchase")


FIRST = log(
    [
        (f"{name}{i}", name, 300 + at + i * every, amount)
        for at, (name, every, amount) in enumerate(
            [(f"often {n}", 5.5, 20 + n) for n in range(5)]
            + [(f"seldom {n}", 31.25, 5 + n) for n in range(5)]
            + [(f"much {n}", 13.5, 300 + n) for n in range(5)]
        )
        for i in range(2 + at % 3)
    ]
)
LAST = FIRST["timestamp"].max()


def events_of(*frames):
    columns = [frame.assign(order_id=frame["event_id"]) for frame in frames]
    return sg.read_events(pd.concat(columns, ignore_index=True))


@pytest.fixture(scope="module")
def first():
    return events_of(FIRST)


@pytest.fixture(scope="module")
def result(first):
    customers = sg.customer_features(first, FEATURES, as_of=LAST + INSTANT, window=WINDOW)
    found = sg.segment(customers, n_segments=3)
    _ = found.confidence  # computed once for all tests
    return found


@pytest.fixture(scope="module")
def begun(first, result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("live") / "begun"
    sg.live_segments(result, first, FEATURES, folder=folder).close()
    return folder


@pytest.fixture
def copied(begun, tmp_path, first, result):
    """Return a function that opens a copy of the begun folder."""
    opened = []

    def open_copy(name="live"):
        if not (tmp_path / name).exists():
            shutil.copytree(begun, tmp_path / name)
        opened.append(sg.live_segments(result, first, FEATURES, folder=tmp_path / name))
        return opened[-1]

    yield open_copy
    for live in opened:
        live.close()


def arriving(rows):
    frame = log(rows)
    return frame.assign(order_id=frame["event_id"])


def batch_says(result, events, pairs):
    """Return the batch's features of (customer, moment) pairs, and the segments and confidence that follow."""
    moments = sorted({moment for _, moment in pairs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of moments far from the events
        table = sg.snapshots(events, FEATURES, dates=moments, window=WINDOW)
    table = table.reorder_levels(["customer_id", "as_of"])
    table = table[table.index.isin(pairs)].sort_index()
    return table, result.place(table.reset_index(drop=True)).set_axis(table.index)


def check_placements(live, result, events):
    """Check that the latest placement for each customer and moment is what the batch says, and all are placed."""
    latest = live.placements().groupby(["customer_id", "as_of"]).last()
    features, said = batch_says(result, events, list(latest.index))
    known = latest.loc[said.index]
    assert known["segment_id"].tolist() == said["segment_id"].tolist()
    assert known["confidence"].tolist() == said["confidence"].tolist()
    assert latest.drop(said.index)["segment_id"].isna().all()
    read = read_features(live._reader, list(latest.index)).sort_index()
    assert_frame_equal(read, features, check_exact=True, check_categorical=False, check_names=False)
    table = events.table.to_pandas()
    last = table.groupby("customer_id")["timestamp"].max() + INSTANT
    placed = latest.reset_index().groupby("customer_id")["as_of"].max()
    known = last.index.isin(FIRST["customer_id"])  # placed as of the begin already
    assert placed.to_dict() == last.mask(known & (last < LAST), LAST + INSTANT).to_dict()


class Killed(BaseException):
    pass


class Mortal:
    """A connection that dies before its nth statement, and leaves a copy of the folder as it was then."""

    def __init__(self, connection, folder, copy, n):
        self.real, self.folder, self.copy, self.left = connection, folder, copy, n

    def __getattr__(self, name):
        return getattr(self.real, name)

    def _statement(self):
        self.left -= 1
        if self.left == 0:
            shutil.copytree(self.folder, self.copy)
        if self.left <= 0:
            raise Killed

    def execute(self, *args):
        self._statement()
        return self.real.execute(*args)

    def sql(self, *args):
        self._statement()
        return self.real.sql(*args)


def killed_at(n, live, copy, events):
    """Apply events in a process that is killed before its nth statement; return whether it was."""
    real = live._store.connection
    live._store.connection = live._reader._connection = Mortal(real, live._store.folder, copy, n)
    try:
        live.apply(events)
    except Killed:
        return True
    finally:
        live._store.connection = live._reader._connection = real
    return False


NAMES = ["often 0", "seldom 1", "much 2", "new 1", "new 2"]
NEW = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(280, 480), st.sampled_from([1.0, 50.0, 400.0])),
    min_size=2,
    max_size=10,
)


@settings(max_examples=max(3, settings().max_examples // 2))
@given(data=st.data())
def test_any_order_batches_and_crashes(first, result, begun, tmp_path_factory, data):
    rows = [(f"n{i}", name, day / 1.0, amount) for i, (name, day, amount) in enumerate(data.draw(NEW))]
    doubled = rows + data.draw(st.lists(st.sampled_from(rows), max_size=4))
    order = data.draw(st.permutations(doubled))
    cut = data.draw(st.integers(0, len(order)))
    batches, n = [order[:cut], order[cut:]], data.draw(st.integers(1, 40))
    where = tmp_path_factory.mktemp("run")
    live = sg.live_segments(result, first, FEATURES, folder=shutil.copytree(begun, where / "begun"))
    try:
        while batches:
            if killed_at(n, live, where / "killed", arriving(batches[0])):
                live.close()
                live = sg.live_segments(result, first, FEATURES, folder=where / "killed")
                n = 1_000  # is not killed again
            else:
                batches, n = batches[1:], n + 5
        table = live.events().table.to_pandas()
        new = sorted(event_id for event_id in table["event_id"].dropna() if event_id.startswith("n"))
        assert new == sorted(event_id for event_id, *_ in rows)
        assert len(table) == len(FIRST) + len(rows)
        check_placements(live, result, events_of(FIRST, log(rows)))
    finally:
        live.close()


def test_killed_while_beginning(first, result, tmp_path, monkeypatch):
    folder, copy = tmp_path / "live", tmp_path / "copy"
    connect = duckdb.connect
    for n in (4, 12, 20):
        monkeypatch.setattr(
            store_module.duckdb, "connect", lambda *args, n=n: Mortal(connect(*args), folder, copy, n)
        )
        with pytest.raises(Killed):
            sg.live_segments(result, first, FEATURES, folder=folder)
        monkeypatch.setattr(store_module.duckdb, "connect", connect)
        shutil.rmtree(folder)
        copy.rename(folder)
    with sg.live_segments(result, first, FEATURES, folder=folder) as live:
        check_placements(live, result, first)
        assert len(live.placements()) == 15


def test_many_customers_are_placed_in_parts(first, result, begun, copied, tmp_path, monkeypatch):
    whole = copied()
    monkeypatch.setattr("segkit.live.placer.CHUNK", 4)  # of 15
    with sg.live_segments(result, first, FEATURES, folder=tmp_path / "in parts") as live:
        assert_frame_equal(live.placements(), whole.placements())
        assert_frame_equal(live.sweep(as_of="2025-04-15"), whole.sweep(as_of="2025-04-15"))
        assert_frame_equal(live.events().table.to_pandas(), whole.events().table.to_pandas())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # couriers are killed too
def test_killed_before_each_statement(first, result, begun, tmp_path):
    batches = [
        [("n1", "often 0", 410.0, 50.0), ("n2", "new 1", 405.0, 9.0), ("n2", "new 1", 405.0, 9.0)],
        [("n3", "often 0", 300.5, 900.0), ("n1", "often 0", 410.0, 50.0), ("n4", "new 1", 500.0, 1.0)],
    ]
    events = events_of(FIRST, log([*batches[0][:2], batches[1][0], batches[1][2]]))

    def told(live, heard):
        for segment in result.segments:
            live.on_enter(segment, lambda message: heard.update({message["key"]: message}), name="keeps keys")
        return live

    entries = []
    for n in range(1, 100):
        heard = {}
        live = sg.live_segments(result, first, FEATURES, folder=shutil.copytree(begun, tmp_path / f"{n}"))
        told(live, heard).apply(arriving(batches[0]))
        live.deliver()
        killed = killed_at(n, live, tmp_path / f"{n} killed", arriving(batches[1]))
        live.close()
        if killed:
            live = sg.live_segments(result, first, FEATURES, folder=tmp_path / f"{n} killed")
            told(live, heard).apply(arriving(batches[1]))
            assert len(live.events().table.to_pandas()) == len(FIRST) + 4
            check_placements(live, result, events)
            live.close()
        entries.append(sorted((m["customer_id"], m["as_of"], m["was"], m["segment"]) for m in heard.values()))
        if not killed:
            break
    assert len(entries[-1]) >= 2 and all(each == entries[-1] for each in entries)
    assert n > 12


def test_late_events_correct_beside_the_old(copied, result):
    live = copied()
    earlier = [(f"m{i}", "new 1", 320.0 + 20 * i, 90.0) for i in range(5)]
    rows = [("n1", "new 1", 420.0, 5.0), *earlier, ("n2", "new 1", 410.0, 400.0), ("n3", "new 1", 430.0, 5.0)]
    live.apply(arriving(rows[:1]))
    placed = live.apply(arriving(rows[1:]))
    old, corrected, new = live.placements().tail(3).to_dict("records")
    assert [row["event_id"] for row in (old, corrected, new)] == ["n1", "n2", "n3"]
    assert [row["late"] for row in (old, corrected, new)] == [False, True, False]
    assert old["as_of"] == corrected["as_of"] == pd.Timestamp("2024-01-01") + pd.Timedelta(days=420) + INSTANT
    assert old["segment"] == corrected["was"] != corrected["segment"] == new["was"]
    assert placed.to_dict("records") == [corrected, new]
    check_placements(live, result, events_of(FIRST, log(rows)))


def test_events_ahead_wait(copied, result):
    live = copied()
    rows = [("n1", "often 0", 410.0, 5.0), ("n2", "often 0", 410.25, 700.0), ("n3", "new 1", 412.0, 5.0)]
    now = pd.Timestamp("2024-01-01") + pd.Timedelta(days=410, hours=5)
    placed = live.apply(arriving(rows), as_of=now)
    assert placed["event_id"].tolist() == ["n1"] and placed.attrs["segkit"]["waiting"] == live.waiting == 2
    assert live.apply(arriving(rows), as_of=now).attrs["segkit"] == {
        "events": 3,
        "appended": 0,
        "repeated": 3,
        "refused": 0,
        "waiting": 2,
    }
    live.close()
    live = copied()
    later = live.apply(arriving([("n4", "much 0", 410.5, 5.0)]))
    assert later["event_id"].tolist() == ["n2", "n4"] and live.waiting == 1
    assert live.sweep(as_of="2025-02-20")["event_id"].dropna().tolist() == ["n3"] and live.waiting == 0


def test_sweep_finds_whom_the_batch_moves(copied, result):
    live = copied()
    live.apply(arriving([("n1", "often 0", 420.0, 50.0), ("n2", "new 1", 425.0, 9.0)]))
    events, moves = live.events(), 0
    for as_of in ("2025-03-10", "2025-04-15", "2025-06-01", "2025-12-01"):
        before = live.placements().groupby("customer_id").nth(-1).set_index("customer_id")["segment_id"]
        pairs = [(customer, pd.Timestamp(as_of)) for customer in before.index]
        said = batch_says(result, events, pairs)[1] if as_of < "2025-09" else pd.DataFrame({"segment_id": []})
        now = said["segment_id"].set_axis(said.index.get_level_values(0)) if len(said) else said["segment_id"]
        now = now.reindex(before.index).astype("Int64")
        swept = live.sweep(as_of=as_of)
        assert sorted(swept["customer_id"]) == sorted(
            before.index[(now != before).fillna(now.isna() != before.isna())]
        )
        assert swept.set_index("customer_id")["segment_id"].to_dict() == now[swept["customer_id"]].to_dict()
        assert swept["event_id"].isna().all() and not swept["late"].any()
        moves += len(swept)
    assert moves > 15 and live.sweep(as_of="2025-12-01").empty
    assert live.placements().groupby("customer_id").nth(-1)["segment_id"].isna().all()


def test_at_says_what_the_batch_says(copied, result, first):
    live = copied()
    placements = len(live.placements())
    for as_of in ("2024-12-01", "2025-03-01"):
        there = live.at("often 0", as_of=as_of)
        customers = sg.customer_features(first, FEATURES, as_of=as_of, window=WINDOW).loc[["often 0"]]
        assert there.segment_id == result.assign(customers).item()
        assert there.confidence == result.place(customers)["confidence"].item()
        assert_frame_equal(
            there.features, customers[list(there.features)], check_exact=True, check_categorical=False
        )
    assert live.at("often 0").as_of == LAST + INSTANT
    assert live.at("often 0", as_of="2024-01-01").segment_id is None
    assert len(live.placements()) == placements
    with pytest.raises(ValueError, match=r"no customer 'oftn 0' among the 15.*Did you mean 'often 0'"):
        live.at("oftn 0")


def test_corrections_overrule_what_is_shown(copied, result):
    live = copied()
    model = live.at("often 0")
    other = next(s for s in result.segments if s != model.segment_id)
    row = live.correct("often 0", other, "is staff", who="eva").iloc[0]
    assert (row["segment_id"], row["segment"], row["was"]) == (
        model.segment_id,
        f"Segment {other}",
        model.segment,
    )
    live.close()
    live = copied()
    placed = live.apply(arriving([("n1", "often 0", 410.0, 20.0)]))
    assert placed["segment"].tolist() == [f"Segment {other}"]
    there = live.at("often 0")
    assert there.segment == f"Segment {other}"
    assert there.corrected["why"] == "is staff" and there.corrected["who"] == "eva"
    assert live.at("often 0", as_of="2025-01-01").corrected is None
    back = live.correct("often 0", None, "left", who="eva", as_of="2025-03-01")
    assert back["was"].tolist() == [f"Segment {other}"]
    assert back["segment"].tolist() == [f"Segment {back['segment_id'].item()}"]
    assert live.corrections()["why"].tolist() == ["is staff", "left"]
    assert live.corrections()["kind"].unique().tolist() == ["correction"]
    with pytest.raises(ValueError, match="why is empty"):
        live.correct("often 0", other, " ")
    with pytest.raises(ValueError, match="before the last placement of 'often 0'"):
        live.correct("often 0", other, "late", as_of="2025-01-01")


def test_erased_customers_leave_no_byte(copied, result, first):
    live, watched = copied(), "much 0"
    other = next(s for s in result.segments if s != live.at(watched).segment_id)
    live.correct("seldom 3", other, "stays")
    live.on_enter(other, [].append, name="mail")
    live.correct(watched, other, "is much 0's wish")
    live.apply(arriving([("n1", watched, 421.0, 20.0), ("n2", "seldom 1", 420.0, 20.0)]), as_of="2025-02-25")
    assert live.waiting == 1
    live.apply(arriving([("n1", "often 1", 419.0, 20.0), (None, watched, 419.0, 20.0)]))
    live.refuse(
        [
            ("k1", "message not JSON", f'{{"customer_id": "{watched}", '),
            ("k2", "message not JSON", "much 1, x"),
        ]
    )
    before = live.placements()
    assert live.outbox["messages"].sum() == 1 and live.refused["count"].sum() == 4
    assert live.erase([watched, "nobody"]) > 0
    check_placements(live, result, live.events())
    assert live.waiting == 0
    kept = before[before["customer_id"] != watched].reset_index(drop=True)
    assert_frame_equal(live.placements(), kept)
    assert live.refused["example"].tolist() == ["much 1, x"] and live.outbox.empty
    live.correct("seldom 3", None, "a new number")
    assert live.corrections()["event_id"].tolist() == ["correction 1", "correction 2"]
    moved = live.apply(arriving([("n3", "seldom 1", 422.0, 20.0)]))
    assert moved["customer_id"].tolist() == ["seldom 1"]
    live.close()
    for file in live._store.folder.iterdir():
        assert watched.encode() not in file.read_bytes().replace(b"much 1, x", b"")
    copied()  # the log that it was begun with is not asked for any longer


def test_one_writer_a_folder(copied, first, result, tmp_path):
    live = copied()
    with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* has one writer"):
        sg.live_segments(result, first, FEATURES, folder=tmp_path / "live")
    live.apply(arriving([("n1", "often 0", 410.0, 20.0)]))
    live.close()
    live.close()
    with pytest.raises(ValueError, match=r"is closed\. Open it again"):
        live.at("often 0")
    copied()


def test_a_folder_is_of_one_segmentation(copied, first, result, begun, tmp_path):
    live = copied()
    live.close()
    folder = tmp_path / "live"
    with pytest.raises(ValueError, match="begun for another window: 120 days 00:00:00, and now 9 days"):
        sg.live_segments(result, first, FEATURES, folder=folder, window="9 days")
    more = events_of(FIRST, log([("n1", "often 0", 410.0, 20.0)]))
    with pytest.warns(UserWarning, match=r"begun with 45 events .* these events are 46"):
        sg.live_segments(result, more, FEATURES, folder=folder).close()
    with duckdb.connect(folder / "live.duckdb") as connection:
        connection.execute("UPDATE facts SET value = '99' WHERE name = 'format'")
    with pytest.raises(ValueError, match="has format 99, written by a newer segkit"):
        sg.live_segments(result, first, FEATURES, folder=folder)
    with pytest.raises(ValueError, match=r"made from 'monetary', which is not among features"):
        sg.live_segments(
            result, first, [f for f in FEATURES if f.name != "monetary"], folder=tmp_path / "new"
        )
    unpaid = sg.read_events(FIRST.drop(columns="amount"))
    with pytest.raises(ValueError, match="'monetary' needs 'amount'"):
        sg.live_segments(result, unpaid, FEATURES, folder=tmp_path / "new")
    doubled = replace(first, table=first.table.mutate(event_id=ibis.literal("x")))
    with pytest.raises(ValueError, match="44 events have the event_id of another one, such as 'x'"):
        sg.live_segments(result, doubled, FEATURES, folder=tmp_path / "new")
    sg.live_segments(result, first, FEATURES, folder=tmp_path / "new").close()  # nothing of it was kept


def test_all_features_are_those_of_the_batch(tmp_path):
    every, _ = make_events(40)
    table = every.table.to_pandas()
    table["event_id"] = [f"e{i}" for i in range(len(table))]
    new = table[table["timestamp"] >= table["timestamp"].quantile(0.996)].sample(frac=1, random_state=0)
    old = table.drop(new.index)
    names = sg.available_features(every).query("available").index
    features = [feature for feature in sg.FAMILIES if feature.name in names]
    before, after = sg.read_events(old), sg.read_events(table)
    begin = before.last + INSTANT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of features that are the same for all
        customers = sg.customer_features(before, features, as_of=begin)
        result = sg.segment(customers, n_segments=3)
        used = [feature for feature in features if feature.name in result.customers]
        live = sg.live_segments(result, before, features, folder=tmp_path / "live")
        draw = np.random.default_rng(0)
        for start in range(0, len(new), 15):  # a quarter comes twice
            batch, copy = new.iloc[start : start + 20], tmp_path / f"killed {start}"
            if killed_at(draw.integers(1, 30), live, copy, batch):
                live.close()
                live = sg.live_segments(result, before, features, folder=copy)
                live.apply(batch)
        with live:
            assert sorted(live.events().table.to_pandas()["event_id"]) == sorted(table["event_id"])
            latest = live.placements().groupby(["customer_id", "as_of"]).nth(-1)
            latest = latest.set_index(["customer_id", "as_of"]).sort_index()
            read = read_features(live._reader, list(latest.index)).sort_index()
            moments = sorted({moment for _, moment in latest.index})
            for moment in moments[:: -(-len(moments) // 4)]:
                said = sg.customer_features(after, used, as_of=moment)
                own = read.xs(moment, level="as_of")
                assert_frame_equal(
                    own, said.loc[own.index], check_exact=True, check_categorical=False, check_names=False
                )
                placed = result.place(said.loc[own.index])
                at = latest.xs(moment, level="as_of")
                assert at["segment_id"].tolist() == placed["segment_id"].tolist()
                assert at["confidence"].tolist() == placed["confidence"].tolist()
    assert len(read.columns) > 100 and len(new) > 60 and live.folder.name.startswith("killed")


STREAM = """
import sys
import pandas as pd
import segkit as sg
where = sys.argv[1]
result = sg.Segmentation.load(where + "/result")
first = sg.read_events(pd.read_parquet(where + "/first.parquet"))
rows = pd.read_parquet(where + "/rows.parquet")
with sg.live_segments(result, first, sg.RFM, folder=where + "/live") as live:
    print("open", flush=True)
    for start in range(0, len(rows), 7):
        live.apply(rows.iloc[start : start + 7])
        print(start, flush=True)
"""


def test_a_killed_process_loses_and_doubles_nothing(first, result, tmp_path):
    rows = [(f"n{i}", NAMES[i % 5], 400 + (i * 37 % 90) / 2, 10.0 * (i % 11 + 1)) for i in range(140)]
    result.save(tmp_path / "result")
    first.table.to_pandas().to_parquet(tmp_path / "first.parquet")
    arriving(rows).to_parquet(tmp_path / "rows.parquet")
    for acknowledged in (0, 7, None):
        command = [sys.executable, "-W", "ignore", "-c", STREAM, str(tmp_path)]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "open\n"
            if acknowledged is None:
                process.stdout.read()
            else:
                for _ in range(acknowledged):
                    process.stdout.readline()
                process.kill()
        assert process.returncode == (0 if acknowledged is None else -9)
    with sg.live_segments(result, first, FEATURES, folder=tmp_path / "live") as live:
        assert len(live.events().table.to_pandas()) == len(FIRST) + len(rows)
        check_placements(live, result, events_of(FIRST, log(rows)))
