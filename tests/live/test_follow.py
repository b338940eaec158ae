"""Follow a queue: every event once, whatever comes in messages, and however often the queue is out of reach."""

import itertools
import json
import shutil
import signal
import threading
import time

import pandas as pd
import pytest
from followed import BEGIN, opened, purchase, segments
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.live import follow as follow_module
from segkit.live.messages import Messages
from segkit.live.sources.event_source import EventSource, Message

NOON = BEGIN + pd.Timedelta(hours=12)
FINER = NOON + pd.Timedelta(1, "ns")  # than the log has times


@pytest.fixture(scope="module")
def result():
    return segments()


@pytest.fixture(scope="module")
def begun(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("follow") / "begun"
    opened(result, folder).close()
    return folder


@pytest.fixture
def live(begun, result, tmp_path):
    with opened(result, shutil.copytree(begun, tmp_path / "live")) as live:
        yield live


class Queue(EventSource):
    """A queue in memory that is out of reach when it should be, and gives again what was not committed."""

    def __init__(self, events=(), arrived=None, fails=()):
        self.bodies = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
        self.arrived, self.fails, self.at, self.done, self.asked = arrived, list(fails), 0, 0, 0

    def __repr__(self):
        return "Queue"

    def _ask(self):
        self.asked += 1
        if self.asked in self.fails:
            self.at = self.done
            raise ConnectionError("no answer")

    def open(self, folder):
        self.at = self.done

    def read(self, most, wait):
        self._ask()
        found = self.bodies[self.at : self.at + most]
        self.at += len(found)
        return [Message(body, self.arrived) for body in found]

    def commit(self):
        self._ask()
        self.done = self.at

    def close(self):
        pass


def followed(live, source, **options):
    return sg.follow(
        live, source, **{"until": "caught up", "sweep_every": None, "now": lambda: NOON, **options}
    )


def test_every_event_once_in_batches(live):
    queue = Queue([purchase(i, f"new {i % 7}", after=i) for i in range(25)])
    rows = []
    table = followed(live, queue, most=10, on_batch=rows.append)
    assert table["events"].tolist() == table["appended"].tolist() == [10, 10, 5]
    assert table["placed"].tolist() == [7, 7, 5] and table["as_of"].unique().tolist() == [NOON]
    assert table["lag"].isna().all() and (table["seconds"] > 0).all()
    assert [row.events for row in rows] == [10, 10, 5]
    assert queue.done == 25 and followed(live, queue).empty
    queue.done = 0  # as after a crash before the queue let go
    again = followed(live, queue)
    assert again[["events", "appended", "repeated", "placed"]].to_numpy().tolist() == [[25, 0, 25, 0]]
    assert again.attrs["segkit"]["repeated"] == 25
    assert live.events().kinds()["purchase"] == 42 + 25


def test_messages_that_are_no_events_are_refused(live):
    reasons = {
        b"": "message not JSON",
        b'{"event_id": "n1"': "message not JSON",
        b'{"amount": NaN}': "message not JSON",
        b"\xff{}": "message not UTF-8",
        b'{"amount": 1, "amount": 2}': "field twice in a message",
        b"[1]": "message not a JSON object",
        b"[" * 100_000: "message nested too deeply",
        json.dumps(purchase(2, {"id": 3})).encode(): "customer_id not text",
        json.dumps(purchase(3, 17.5)).encode(): "customer_id not text",
        json.dumps(purchase(4, timestamp=1735689600)).encode(): "timestamp not text",
        json.dumps(purchase(5, amount=True)).encode(): "amount not a number or text",
        json.dumps(purchase(6, amount=10**400)).encode(): "amount too large",
        json.dumps(purchase(7, order_id="\ud800")).encode(): "order_id has half a character",
        json.dumps(
            purchase(8, order_id="x" * 10_000_000)
        ).encode(): "order_id longer than 100,000 characters",
        json.dumps(purchase(9, amount="5,0")).encode(): "amount not a number: it has a comma",
        json.dumps(purchase(10, event_id=None)).encode(): "event_id missing",
    }
    fine = [
        purchase(20, 17),
        purchase(21, amount="12.5"),
        purchase(22, other={"a": [1]}),
        purchase(23, kind="odd"),
    ]
    queue = Queue([*reasons, *fine, b""])
    counts = followed(live, queue).iloc[0]
    assert (counts["appended"], counts["refused"]) == (4, 17)
    queue.done = 0
    assert followed(live, queue)["appended"].sum() == 0  # delivered twice, counted once
    refused = live.refused.set_index("reason")["count"].to_dict()
    assert refused == pd.Series(list(reasons.values())).value_counts().to_dict()
    log = live.events().table.to_pandas().set_index("event_id")
    assert log.loc["n20", "customer_id"] == "17" and log.loc["n21", "amount"] == 12.5


@pytest.mark.filterwarnings("ignore:The log had no column")
def test_messages_of_other_fields_count_each_and_once(live):
    other = [{"id": i, "customer": "ada"} for i in range(3)]
    bad = [purchase(1, amount="x"), purchase(2, amount="x"), purchase(3, timestamp="soon")]
    assert followed(live, Queue([*other, *bad])).iloc[0]["refused"] == 6
    wanted = {"customer_id missing": 3, "amount not a number": 2, "timestamp not readable": 1}
    assert live.refused.set_index("reason")["count"].to_dict() == wanted
    assert live.refused["example"].str.contains('customer": "ada').sum() == 1
    later = Queue([*other, *bad, purchase(4, page="/", rating=3)])  # again, with columns that had not come
    assert followed(live, later).iloc[0]["refused"] == 6
    assert live.refused.set_index("reason")["count"].to_dict() == wanted


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({"a": 1})
)
EVENTS = st.fixed_dictionaries(
    {name: st.one_of(st.just(value), VALUES) for name, value in purchase(0).items()},
    optional=dict.fromkeys(("text", "other"), VALUES),
)
BODIES = st.one_of(st.binary(max_size=8), EVENTS.map(lambda event: json.dumps(event).encode()))


@pytest.fixture(scope="module")
def one_live(begun, result, tmp_path_factory):
    with opened(result, shutil.copytree(begun, tmp_path_factory.mktemp("one") / "live")) as live:
        yield live


@given(bodies=st.lists(BODIES, min_size=10, max_size=40))
@pytest.mark.filterwarnings("ignore:The log had no column")
def test_whatever_comes_is_appended_repeated_or_refused(one_live, bodies):
    before = len(one_live.events().table.to_pandas())
    counts = followed(one_live, Queue(bodies * 2)).attrs["segkit"]
    assert counts["events"] == 2 * len(bodies) == counts["appended"] + counts["repeated"] + counts["refused"]
    assert len(one_live.events().table.to_pandas()) == before + counts["appended"]
    assert counts["appended"] <= len(bodies)


def test_columns_stay_so_that_few_queries_are_written():
    read, wanted = Messages(), ["customer_id", "timestamp", "kind", "event_id"]

    def whole(fields):
        return Message({**dict.fromkeys(wanted, "x"), **fields})

    table, _ = read.read([whole({"page": "/", "amount": 1}), whole({})])
    assert list(table) == [*wanted, "amount", "page"]
    table, _ = read.read([whole({"rating": "4"}), whole({"rating": 4.5})])
    assert list(table) == [*wanted, "amount", "page", "rating"]
    assert table["rating"].tolist() == ["4", "4.5"] and table["amount"].dtype == "float64"


def test_events_ahead_wait_for_the_clock(live):
    queue = Queue([purchase(1, after=60), purchase(2, "new 1", after=13 * 3600)])
    counts = followed(live, queue).iloc[0]
    assert (counts["placed"], counts["waiting"]) == (1, 1)
    later = followed(live, queue, now=lambda: FINER + pd.Timedelta(hours=2))
    assert later[["events", "placed", "waiting"]].to_numpy().tolist() == [[0, 1, 0]]
    assert live.at("new 1").as_of == BEGIN + pd.Timedelta(hours=13, microseconds=1)


def test_sweeps_when_the_queue_is_empty(live):
    clock = iter(pd.date_range(BEGIN + pd.Timedelta(days=20), periods=1000, freq="5min"))
    queue = Queue([purchase(i, "new 1", after=i) for i in range(24)])
    table = followed(live, queue, most=8, sweep_every="5 days", now=lambda: next(clock))
    assert table["events"].tolist() == [8, 8, 8, 0]
    assert table["swept"].tolist()[:3] == [0, 0, 0] and table["swept"].iloc[-1] > 3
    assert len(live.sweep(as_of=table["as_of"].iloc[-1])) == 0
    rows, stop = [], threading.Event()

    def count(row):
        rows.append(row)
        if len(rows) == 3:
            stop.set()

    days = iter(pd.date_range(BEGIN + pd.Timedelta(days=40), periods=1000, freq="1D"))
    followed(live, queue, until=stop.is_set, sweep_every="4 days", now=lambda: next(days), on_batch=count)
    passed = {(b.as_of - a.as_of).days for a, b in itertools.pairwise(rows)}
    assert all(row.events == 0 for row in rows) and min(passed) >= 4


def test_a_queue_out_of_reach_is_tried_again(live, monkeypatch):
    pauses = []
    monkeypatch.setattr(follow_module, "_sleep", lambda seconds, stop: pauses.append(seconds))
    events = [purchase(i, after=i) for i in range(6)]
    queue = Queue(events, fails=[1, 2, 3, 4, 6, *range(9, 20)])  # reads, and a commit
    with pytest.warns(UserWarning, match="Queue is out of reach, and tried again.*no answer") as warned:
        table = followed(live, queue, most=2)
    assert len(warned) == 3
    assert pauses[:5] == [0.1, 0.2, 0.4, 0.8, 0.1] and max(pauses) == 30.0
    counts = table.attrs["segkit"]
    assert counts["unreachable"] == len(pauses) == 16
    assert (counts["appended"], counts["repeated"], queue.done) == (6, 2, 6)


def test_lag_is_a_column_and_warned_of_once(live, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    queue = Queue([purchase(i, after=i) for i in range(6)], arrived=994.0)
    with pytest.warns(UserWarning, match="applied 6 s after they arrived") as warned:
        table = followed(live, queue, most=2)
    assert len(warned) == 1 and table["lag"].tolist() == [6.0, 6.0, 6.0]
    quick = Queue([purchase(i, after=i) for i in range(6, 8)], arrived=999.5)
    assert followed(live, quick)["lag"].tolist() == [0.5]
    ahead = Queue([purchase(9)], arrived=1_001.0)  # by the clock of the broker
    assert followed(live, ahead)["lag"].tolist() == [0.0]


def test_an_interrupt_ends_after_the_batch(live):
    handler = signal.getsignal(signal.SIGINT)
    queue = Queue([purchase(i, after=i) for i in range(6)])
    table = followed(live, queue, most=2, until=None, on_batch=lambda _: signal.raise_signal(signal.SIGINT))
    assert len(table) == 1 and queue.done == 2

    def twice(_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        followed(live, queue, most=2, until=None, on_batch=twice)
    assert queue.done == 2 and signal.getsignal(signal.SIGINT) is handler
    assert followed(live, queue).attrs["segkit"]["repeated"] == 2


def test_follows_in_a_thread(live):
    stop, tables = threading.Event(), []
    queue = Queue([purchase(1)])
    options = {"until": stop.is_set, "on_batch": lambda _: stop.set()}
    thread = threading.Thread(target=lambda: tables.append(followed(live, queue, **options)))
    thread.start()
    thread.join(120)  # in Python 3.11 a thread that computes a cached property holds up its whole class
    assert not thread.is_alive() and tables[0]["appended"].tolist() == [1]


def test_arguments_are_checked(live):
    with pytest.raises(TypeError, match="live is the text"):
        sg.follow("live", Queue())
    with pytest.raises(TypeError, match="source is the text 'redis'"):
        sg.follow(live, "redis")
    with pytest.raises(ValueError, match="most=501 is more than 500"):
        sg.follow(live, Queue(), most=501)
    with pytest.raises(TypeError, match=r"now is the text 'noon'\. It should be a function"):
        sg.follow(live, Queue(), now="noon")
    with pytest.raises(TypeError, match="until is the text 'noon'"):
        sg.follow(live, Queue(), until="noon")


def test_a_hook_that_is_out_of_reach_is_not_the_queue(live):
    def fail(_):
        raise ConnectionError("the screen is gone")

    queue = Queue([purchase(1)])
    with pytest.raises(ConnectionError, match="the screen is gone"):
        followed(live, queue, on_batch=fail)
    assert queue.done == 0
