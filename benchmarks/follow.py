"""Follow a Redis stream of a shop of 10,000 customers: processor time, time from event to placement, and lag.

.venv/bin/python benchmarks/follow.py                # 200 events/s for 60 s, then 2,000/s for 10 s
.venv/bin/python benchmarks/follow.py 500 30
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

import segkit as sg
from segkit.datasets import make_events

CUSTOMERS = 10_000
SHOP = sg.RFM + sg.CADENCE + sg.BASKET + sg.TREND
BEGIN = pd.Timestamp("2025-01-01")
GATE = 120  # processor ms of a batch at p99


def now() -> pd.Timestamp:
    """Return the present moment of the shop, where a year begins with 1970 on this computer's clock."""
    return BEGIN + pd.Timedelta(time.time() - STARTED, unit="s")


STARTED = time.time()


@contextlib.contextmanager
def redis_server() -> Iterator[int]:
    """Run a Redis server, and give its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.mkdtemp()
    command = [
        shutil.which("redis-server") or "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
    ]
    with subprocess.Popen([*command, folder], stdout=subprocess.DEVNULL) as process:
        for _ in range(100):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        try:
            yield port
        finally:
            process.kill()
            shutil.rmtree(folder)


def send(port: int, ids: list[str], rate: int, seconds: int, prefix: str, started: float) -> None:
    """Send purchases at a rate, those that are due every 10 ms."""
    import redis

    draw, sent, begun = np.random.default_rng(0), 0, time.time()
    with redis.Redis(port=port) as client:
        while sent < rate * seconds:
            due = min(int(rate * (time.time() - begun)), rate * seconds)
            pipe = client.pipeline(transaction=False)
            for i in range(sent, due):
                moment = BEGIN + pd.Timedelta(time.time() - started, unit="s")
                event = {
                    "event_id": f"{prefix} {i}",
                    "customer_id": str(draw.choice(ids)),
                    "kind": "purchase",
                }
                event |= {"order_id": event["event_id"], "amount": 30.0, "timestamp": moment.isoformat()}
                pipe.xadd("events", {"event": json.dumps(event)})
            pipe.execute()
            sent = due
            time.sleep(0.01)


class Meter:
    """Measure the processor time of each batch, and see when all is applied."""

    def __init__(self, wanted: int):
        self.wanted, self.seen, self.processor = wanted, 0, []
        self.lags: list[float] = []
        self.applied: list[tuple[float, float]] = []
        self._before = self._used()

    @staticmethod
    def _used() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def __call__(self, row) -> None:
        used = self._used()
        if row.events:
            self.processor.append(1000 * (used - self._before))
            self.lags += [row.lag] * row.events  # of the batch's first event, so no event's is longer
            self.applied.append((time.time(), row.lag))
        self.seen += row.appended
        self._before = used

    def done(self) -> bool:
        return self.seen >= self.wanted


def run(live, port: int, ids: list[str], rate: int, seconds: int) -> bool:
    """Print the figures of one rate, and return whether they are as they should be."""
    context = multiprocessing.get_context("spawn")
    before = len(live.events().table.to_pandas())
    begun, deadline = time.time(), time.time() + seconds + 120
    sender = context.Process(target=send, args=(port, ids, rate, seconds, f"{rate}", STARTED))
    sender.start()
    meter = Meter(rate * seconds)  # from here on: what a batch takes, and nothing else
    table = sg.follow(
        live,
        sg.redis_source(f"redis://127.0.0.1:{port}", "events"),
        until=lambda: meter.done() or time.time() > deadline,
        sweep_every=None,
        on_batch=meter,
        now=now,
    )
    sender.join()
    late = [when for when, lag in meter.applied if lag > 1]
    ended = max(when for when, _ in meter.applied)
    lost = rate * seconds - (len(live.events().table.to_pandas()) - before)
    p50, p99 = np.percentile(meter.processor, [50, 99])
    batches = table["events"]
    print(
        f"{rate:,} events/s for {seconds} s: {len(meter.processor)} batches of {batches.median():.0f} "
        f"(most {batches.max()}); processor ms a batch p50 {p50:.0f}, p99 {p99:.0f}; event to placement p99 "
        f"{1000 * np.percentile(meter.lags, 99):.0f} ms; most lag {max(meter.lags):.1f} s, under 1 s again "
        f"{max(0, (max(late) if late else begun) - begun - seconds):.0f} s after the last was sent; all applied after "
        f"{ended - begun:.0f} s; lost {lost}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return lost == 0 and p99 <= GATE


def main(rates: list[tuple[int, int]]) -> int:
    """Follow at each rate, and return whether something was lost or a batch took too long."""
    events, _ = make_events(CUSTOMERS, kinds="purchase")
    have = sg.available_features(events, SHOP)
    features = sg.select_features(*have.index[have["available"]])
    result = sg.segment(sg.customer_features(events, features, as_of=BEGIN), n_segments=5)
    print(f"{len(features)} features of {CUSTOMERS:,} customers; load {os.getloadavg()[0]:.1f}", flush=True)
    ids = [str(name) for name in result.customers.index]
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server() as port,
        sg.live_segments(result, events, features, folder=folder) as live,
    ):
        fine = [run(live, port, ids, rate, seconds) for rate, seconds in rates]
        return int(not all(fine))


if __name__ == "__main__":
    said = [int(number) for number in sys.argv[1:]]
    sys.exit(main([(said[0], said[1])] if said else [(200, 60), (2_000, 10)]))
