"""Processes that follow a queue are killed: no event is lost or doubled, and each hook's key is heard of once."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from brokers import create_topic, free_port, kafka_command, produce, redis_command, server
from followed import BEGIN, opened, purchase, segments

import segkit as sg

pytestmark = [
    pytest.mark.engines,
    pytest.mark.filterwarnings("ignore:Events are applied"),  # while nobody followed, they waited
]
LIMIT = 60  # seconds


class Receiver:
    """A hook that writes down what it hears, so that it outlives its process."""

    def __init__(self, path):
        self.path = Path(path)

    def __call__(self, message):
        with self.path.open("a") as file:
            file.write(json.dumps(message) + "\n")

    def keys(self):
        """Return what was heard by key; what comes twice under one key is the same."""
        heard = {}
        for line in self.path.read_text().splitlines():
            message = json.loads(line)
            assert heard.setdefault(message["key"], message) == message
        return heard


def source_of(kind, at):
    return sg.redis_source(at, "events") if kind == "Redis" else sg.kafka_source(at, "events")


def follow_and_die(result, folder, kind, at, heard, after, told):
    """Follow a queue in a process that kills itself in a batch: after it is in the log, before the queue lets go."""
    batches = 0

    def on_batch(row):
        nonlocal batches
        batches += row.events > 0
        told.send(batches)
        if batches == after:
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(result, folder) as live:
        for segment in result.segments:
            live.on_enter(segment, Receiver(heard), name="mail")
        options = {"sweep_every": None, "now": lambda: BEGIN + pd.Timedelta(days=400), "most": 20}
        sg.follow(live, source_of(kind, at), on_batch=on_batch, **options)


def events(n):
    """Return purchases of customers who come, stay for a while and go."""
    every, day = [], 24 * 3600
    for i in range(n):
        customer = f"new {i // 50} {i % 9}"
        every.append(purchase(i, customer, after=i * day / 10, amount=float(1 + i * 37 % 400)))
    return every


@pytest.fixture(params=["Redis", "Kafka"])
def broker(request, tmp_path):
    """Return the kind, the address and a function that sends messages."""
    port, kind = free_port(), request.param
    command = redis_command(port, tmp_path) if kind == "Redis" else kafka_command(port)
    with server(command, port):
        if kind == "Redis":
            import redis

            with redis.Redis(port=port) as client:
                yield kind, f"redis://127.0.0.1:{port}", lambda body: client.xadd("events", {"event": body})
        else:
            at = f"127.0.0.1:{port}"
            create_topic(at, "events", 1)
            yield kind, at, lambda body: produce(at, "events", [body])


@pytest.fixture
def processes(broker):
    """Return what makes processes that have segkit imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_kill_followers", "segkit.live.follow"])
    with pytest.MonkeyPatch.context() as patch:
        # Its server does not look where this process does (Python 3.11).
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        process = context.Process(target=time.monotonic)
        process.start()
        process.join(LIMIT)
    return context


@pytest.fixture
def begun(broker, tmp_path_factory):
    """Return segments, and a live folder that was begun for them."""
    folder = tmp_path_factory.getbasetemp() / "followed"
    if not folder.exists():
        opened(segments(), folder).close()
    return segments(), folder


def killed_and_gone_on(broker, begun, processes, tmp_path, n, kills):
    """Kill `kills` processes that follow `n` events, by turns between two statements of ours and at random."""
    kind, at, send = broker
    sent, heard, result = events(n), tmp_path / "heard", begun[0]
    folder, whole = (shutil.copytree(begun[1], tmp_path / name) for name in ("live", "whole"))
    for event in sent:
        send(json.dumps(event).encode())
    moment = random.Random(7)
    for kill in range(kills):
        ours, theirs = processes.Pipe(duplex=False)
        after = 2 if (kills - kill) % 2 else -1
        process = processes.Process(
            target=follow_and_die, args=(result, folder, kind, at, heard, after, theirs)
        )
        process.start()
        theirs.close()
        assert ours.poll(LIMIT) and ours.recv() == 1
        if after < 0:
            time.sleep(moment.uniform(0, 0.1))
            process.kill()
        process.join(LIMIT)
        assert process.exitcode == -signal.SIGKILL
        ours.close()
    with opened(result, folder) as live:
        before = len(live.events().table.to_pandas())
        for segment in result.segments:
            live.on_enter(segment, Receiver(heard), name="mail")
        options = {"sweep_every": None, "now": lambda: BEGIN + pd.Timedelta(days=400)}
        counts = sg.follow(live, source_of(kind, at), until="caught up", **options).attrs["segkit"]
        live.deliver()
        check(live, sent, result, Receiver(heard).keys(), whole)
    assert (
        counts["repeated"] > 0 and counts["appended"] > n / 5
    )  # something came again, and something was left
    assert counts["refused"] == 0 and before > 20 * kills


def check(live, sent, result, keys, folder):
    """Check that the folder is as one that nothing was killed in, and that each entry was heard of once."""
    log = live.events().table.to_pandas()
    ids = log["event_id"][log["event_id"].str.startswith("n")]
    assert sorted(ids) == sorted(event["event_id"] for event in sent)
    last = live.placements().groupby("customer_id").nth(-1).set_index("customer_id")
    with opened(result, folder) as whole:
        whole.apply(pd.DataFrame(sent))
        wanted = whole.placements().groupby("customer_id").nth(-1).set_index("customer_id")
    same = ["as_of", "segment_id", "confidence", "event_id"]
    assert last[same].sort_index().equals(wanted[same].sort_index())
    placed = live.placements()
    entered = placed[placed["segment"] != placed["was"].fillna("")]
    entered = entered[entered["event_id"].notna()]
    told = [
        (message["customer_id"], message["segment"], pd.Timestamp(message["as_of"]))
        for message in keys.values()
    ]
    assert sorted(told) == sorted(
        entered[["customer_id", "segment", "as_of"]].itertuples(index=False, name=None)
    )
    assert len(told) > len(sent) / 20
    assert live.outbox.groupby("state")["messages"].sum().to_dict() == {"delivered": len(told)}


def test_killed_while_following(broker, begun, processes, tmp_path):
    killed_and_gone_on(broker, begun, processes, tmp_path, 200, 2)


@pytest.mark.simulation
def test_ten_kills_in_2000_events(broker, begun, processes, tmp_path):
    killed_and_gone_on(broker, begun, processes, tmp_path, 2000, 10)
