"""The recipe in docs/live_with_spark.md: a Spark stream places customers by the same functions."""

import re
import time

import pandas as pd
import pytest
from engines import of_spark, spark_session
from shared_data import CHECKOUT

import segkit as sg
from segkit.datasets import make_events

pytestmark = [pytest.mark.engines, *of_spark]

RECIPE = re.search(r"```python\n(.*?)```", (CHECKOUT / "docs/live_with_spark.md").read_text(), re.S)[1]


def started(begun, stream, folder):
    """Run the recipe in a folder, and return its live segments and its query."""
    names = {**begun, "stream": stream}
    exec(re.sub('"(live|checkpoints)/"', rf'"{folder}/\1"', RECIPE), names)
    return names["live"], names["query"]


def test_spark_stream_places_customers(tmp_path):
    spark = spark_session()
    events, _ = make_events(60, kinds="purchase", start="2024-01-01", end="2025-01-01")
    customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    begun = {"result": sg.segment(customers, n_segments=3), "events": events, "features": sg.RFM}
    rates = (
        spark.readStream.format("rate-micro-batch")
        .option("rowsPerBatch", 20)
        .option("numPartitions", 2)
        .option("startTimestamp", pd.Timestamp("2025-02-01", tz="UTC").value // 1_000_000)
        .option("advanceMillisPerBatch", 3_600_000)
        .load()
    )
    stream = rates.selectExpr(
        "concat('s', value) AS event_id",
        "concat('new ', value % 7) AS customer_id",
        "timestamp",
        "'purchase' AS kind",
        "CAST(value % 50 AS DOUBLE) AS amount",
    )
    for turn in range(2):  # the second begins without the checkpoint: Spark delivers all again
        live, query = started(begun, stream, tmp_path)
        with live:
            wait_for(query, batches=2)
            log = live.events().table.to_pandas().dropna(subset="event_id")
            log = log[log["event_id"].str.startswith("s")]
            assert log["event_id"].is_unique and len(log) >= 40 and len(log) % 20 == 0
            assert log["timestamp"].min() == pd.Timestamp("2025-02-01")
            if turn == 0:
                (tmp_path / "checkpoints").rename(tmp_path / "lost")
            for name in ("new 0", "new 6"):
                there = live.at(name)
                own = sg.customer_features(live.events(), sg.RFM, as_of=there.as_of).loc[[name]]
                assert there.segment_id == begun["result"].assign(own).item()
                last = live.trail(name).iloc[-1]
                assert (last["segment_id"], last["as_of"]) == (there.segment_id, there.as_of)


def wait_for(query, *, batches):
    """Wait until some batches were written, and stop the query."""
    try:
        until = time.monotonic() + 60
        while query.isActive and time.monotonic() < until:
            progress = query.lastProgress
            if progress is not None and progress["batchId"] + 1 >= batches:
                break
            time.sleep(0.05)
        assert query.exception() is None and query.lastProgress["batchId"] + 1 >= batches
    finally:
        query.stop()
