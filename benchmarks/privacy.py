"""Time the erasure of customers.

.venv/bin/python benchmarks/privacy.py erase
.venv/bin/python benchmarks/privacy.py erase 100_000
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import segkit as sg

ERASED = 1_000  # customers


def erase(n: int = 1_000_000) -> None:
    """Erase 1,000 of n customers from a stored log, a segmentation, and a folder with both and a Parquet log."""
    draw = np.random.default_rng(0)
    who = np.concatenate([np.arange(n), draw.integers(0, n, 4 * n)])
    rows = pd.DataFrame(
        {
            "customer_id": pd.array([f"customer {i}" for i in range(n)], dtype="str").take(who),
            "timestamp": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(draw.integers(0, 365 * 86_400, len(who)), unit="s"),
            "amount": draw.lognormal(3, 1, len(who)).round(2),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        rows.to_parquet(Path(folder) / "log.parquet")
        events = sg.read_events(Path(folder) / "log.parquet", kind="purchase").cache()
        del rows
        customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
        result = sg.segment(customers, n_segments=5)
        result.save(Path(folder) / "saved")
        ids = draw.choice(customers.index.to_numpy(dtype=object), ERASED, replace=False)
        before = time.perf_counter()
        erased = sg.erase(list(ids), events=events, results=[result], folders=[folder])
        seconds = time.perf_counter() - before
        print(f"{ERASED:,} of {n:,} customers, {len(who):,} events: {seconds:.1f} s")
        print(erased.receipt)


if __name__ == "__main__":
    what = {"erase": erase}[sys.argv[1]]
    what(*(int(text) for text in sys.argv[2:]))
