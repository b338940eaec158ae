"""Read DataFrames of a Spark Connect server; run in a process of its own."""

import pandas as pd
from engines import AS_OF
from pyspark.sql import SparkSession

import segkit as sg

FEATURES = (*sg.RFM, *sg.CADENCE, *sg.BASKET)


def main() -> None:
    """Print "as on DuckDB" if everything is."""
    lines = [("ada", "2024-03-10 02:30", 5.0), ("bob", "2024-11-03 01:30:00+02:00", 1.5), ("ada", "x", 1.0)]
    table = pd.DataFrame(lines, columns=["customer_id", "timestamp", "amount"])
    session = SparkSession.builder.remote("local[2]").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    said = {"kind": "purchase", "timezone": "America/New_York"}
    here, there = sg.read_events(table, **said), sg.read_events(session.createDataFrame(table), **said)
    pd.testing.assert_frame_equal(here.refused, there.refused)
    pd.testing.assert_frame_equal(
        sg.customer_features(here, FEATURES[:4], as_of=AS_OF),
        sg.customer_features(there, FEATURES[:4], as_of=AS_OF),
    )
    moment = session.sql("SELECT 'ada' AS customer_id, to_timestamp('2024-03-10 12:00:00') AS timestamp")
    assert sg.read_events(moment, kind="visit").first == pd.Timestamp("2024-03-10 16:00")
    assert session.conf.get("spark.sql.session.timeZone") == "America/New_York"
    print("as on DuckDB")


if __name__ == "__main__":
    main()
