"""Measure how long it takes to describe segments: python benchmarks/explain.py [customers]"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import MiniBatchKMeans
from sklearn.pipeline import make_pipeline

import segkit as sg

SEGMENTS = 12


def made_up(n: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return n customers with 40 features, and 10 attributes that are kept out."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, SEGMENTS, n)

    def columns(numbers: int, zeros: int, flags: int, words: int) -> dict[str, object]:
        return (
            {f"number {i}": np.exp(rng.normal(size=n) + (group == i % SEGMENTS)) for i in range(numbers)}
            | {
                f"zeros {i}": np.where(rng.random(n) < 0.7, 0, rng.exponential(30, n).round())
                for i in range(zeros)
            }
            | {f"flag {i}": rng.random(n) < 0.3 for i in range(flags)}
            | {
                f"word {i}": pd.Categorical.from_codes(rng.integers(0, 8, n), list("ABCDEFGH"))
                for i in range(words)
            }
        )

    kept_out = pd.DataFrame(columns(4, 2, 2, 2)).add_prefix("kept out ")
    return pd.DataFrame(columns(28, 6, 3, 3)), kept_out


def main() -> None:
    """Print the processor seconds of each step."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    customers, kept_out = made_up(n)
    model = make_pipeline(sg.make_preparer(), MiniBatchKMeans(SEGMENTS, n_init=1, random_state=0))
    result = sg.segment(customers, model=model)
    steps = {
        "segment_sizes": lambda: sg.segment_sizes(result, "number 0"),
        "profile": lambda: sg.profile(result),
        "profile by value": lambda: sg.profile(result, weights="number 0"),
        "evidence": lambda: sg.evidence(result, kept_out),
        "compare": lambda: sg.compare(result, 0, 1),
        "rules": lambda: sg.rules(result),
        "suggest_names": lambda: sg.suggest_names(result),
        "report": lambda: sg.report(result, Path(folder) / "segments.html"),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, step in steps.items():
            start = time.process_time()
            step()
            print(f"{name:18} {time.process_time() - start:6.2f}", flush=True)


if __name__ == "__main__":
    main()
