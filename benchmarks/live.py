"""Time the features of 1, 20 and 200 customers, each at a moment of its own, and live segments.

.venv/bin/python benchmarks/live.py
.venv/bin/python benchmarks/live.py 5_000_000
.venv/bin/python benchmarks/live.py apply
.venv/bin/python benchmarks/live.py context
"""

from __future__ import annotations

import functools
import resource
import sys
import tempfile
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd

import segkit as sg
from segkit.datasets import make_events
from segkit.live.feature_reader import FeatureReader

CUSTOMERS = 10_000  # 512 events each
REPEATS = 7
SHOP = sg.RFM + sg.CADENCE + sg.BASKET + sg.TREND
SETS = {"RFM + CADENCE": sg.RFM + sg.CADENCE, "what a shop has": SHOP, "all": sg.FAMILIES}


def milliseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the least CPU time of some work."""
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return 1000 * min(times)


def main(n_events: int) -> int:
    """Print the figures, and return whether a row differs from that of the batch."""
    events, _ = make_events(CUSTOMERS)
    rows = events.table.to_pandas().sample(n_events, random_state=0)  # in no order, as they arrive
    events = sg.read_events(rows)
    connection = duckdb.connect(config={"threads": 1})
    connection.register("rows", events.table.to_pyarrow())
    connection.execute("CREATE TABLE log AS SELECT * FROM rows")
    connection.unregister("rows")
    print(f"{n_events:,} events of {rows['customer_id'].nunique():,} customers; CPU ms, one thread")
    draw, different = np.random.default_rng(0), 0
    for name, features in SETS.items():
        have = sg.available_features(events, features)
        features = sg.select_features(*have.index[~have["missing"].str.startswith("the column")])
        writing = milliseconds(lambda features=features: FeatureReader(connection, "log", features), 1)
        reader, figures = FeatureReader(connection, "log", features), []
        for n in (1, 20, 200):
            seconds = draw.integers(0, 90 * 86_400, n)
            asked = pd.DataFrame({"customer_id": draw.choice(rows["customer_id"].unique(), n, replace=False)})
            asked["moment"] = pd.Timestamp("2024-10-01") + pd.to_timedelta(seconds, unit="s")
            figures.append(milliseconds(functools.partial(reader.read, asked)))
        one = asked.assign(moment=asked["moment"].min())
        batch = sg.customer_features(events, features, as_of=one["moment"][0])
        ours = reader.read(one).droplevel("as_of").astype(object)
        batch = batch.loc[ours.index].astype(object)
        different += int((ours.ne(batch) & ~(ours.isna() & batch.isna())).sum().sum())
        shown = " / ".join(f"{figure:.0f}" for figure in figures)
        print(
            f"{name}, {len(features)} features: written in {writing:.0f}; 1 / 20 / 200 customers {shown}",
            flush=True,
        )
        reader.close()
    print(f"Values that differ from customer_features: {different:,}")
    return int(different > 0)


def apply() -> int:
    """Print what a batch of events, a sweep and a look at one customer cost."""
    events, _ = make_events(CUSTOMERS, kinds="purchase")
    have = sg.available_features(events, SHOP)
    features = sg.select_features(*have.index[have["available"]])
    result = sg.segment(sg.customer_features(events, features, as_of="2025-01-01"), n_segments=5)
    draw, began = np.random.default_rng(0), pd.Timestamp("2025-01-01")
    ids, number = result.customers.index.to_numpy(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        sg.live_segments(result, events, features, folder=folder) as live,
    ):
        for n in (1, 20, 200, 500):
            times = []
            for _ in range(20):
                number += 1
                batch = pd.DataFrame({"customer_id": draw.choice(ids, n), "kind": "purchase", "amount": 30.0})
                batch["event_id"] = batch["order_id"] = [f"{number} {i}" for i in range(n)]
                batch["timestamp"] = began + pd.to_timedelta(5 * np.arange(n) + 5_000 * number, unit="ms")
                times.append(milliseconds(functools.partial(live.apply, batch), 1))
            print(f"{n} events: median {np.median(times):.0f}, most {max(times[1:]):.0f}", flush=True)
        print(f"at: {milliseconds(lambda: live.at(ids[0])):.0f}")
        print(f"sweep: {milliseconds(lambda: live.sweep(as_of='2025-02-01'), 1):.0f}")
    return 0


def context() -> int:
    """Print the processor time of questions about customers now, and why they are where they are."""
    events, _ = make_events(CUSTOMERS)
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of=events.last), n_segments=5)
    with (
        tempfile.TemporaryDirectory() as folder,
        sg.live_segments(result, events, sg.RFM, folder=folder) as live,
    ):
        someone = live.where(in_shop=True)
        print(f"{live.events().kinds().sum():,} events; {len(someone)} customers in the shop")
        name = someone["customer_id"].iloc[0]
        for what, question in {
            "at": lambda: live.at(name),
            "trail": lambda: live.trail(name),
            "where(in_shop=True)": lambda: live.where(in_shop=True),
            "where(segment=0)": lambda: live.where(segment=0),
        }.items():
            print(f"{what}: {milliseconds(question):.0f}", flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["apply"]:
        sys.exit(apply())
    if sys.argv[1:] == ["context"]:
        sys.exit(context())
    sys.exit(main(*(int(n) for n in sys.argv[1:])) if len(sys.argv) > 1 else main(500_000))
