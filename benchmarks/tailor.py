"""Time an audience of a million customers, its export to each tool, and the arms and the lift of an experiment.

.venv/bin/python benchmarks/tailor.py
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import segkit as sg
from segkit.tailor.audiences.audience_formats import FORMATS

CUSTOMERS = 1_000_000


def made(n: int) -> tuple[pd.Series, pd.DataFrame]:
    """Return segments and contacts of customers, none of whose e-mails and few of whose phones are the same."""
    draw = np.random.default_rng(0)
    ids = pd.Index([f"c{i:07}" for i in range(n)], name="customer_id")
    numbers = draw.integers(2_000_000_000, 9_999_999_999, n).tolist()
    contacts = {
        "email": [f"per.son{i}@{'gmail.com' if i % 2 else 'example.com'}" for i in range(n)],
        "phone": [f"+1 ({x // 10**7}) {x // 10**4 % 1000:03d}-{x % 10000:04d}" for x in numbers],
        "first_name": draw.choice(["Ann", "Bo", "Zoë"], n),
        "last_name": draw.choice(["Li", "O'Hara"], n),
        "country": "US",
        "zip": draw.integers(10_000, 99_999, n),
    }
    return pd.Series(draw.integers(0, 12, n), index=ids), pd.DataFrame(contacts, index=ids)


def timed(what: str, run: Callable[[], Any]) -> Any:
    """Run, and print processor and wall seconds."""
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = run()
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(f"{what}: {cpu:.1f} CPU s, {time.perf_counter() - started:.1f} s")
    return result


def main() -> int:
    """Print the figures."""
    labels, contacts = made(CUSTOMERS)
    arms = timed("assign_arms", lambda: sg.assign_arms(labels.index, experiment="spring"))
    draw = np.random.default_rng(1)
    before = pd.Series(draw.gamma(0.5, 20, CUSTOMERS), index=labels.index)
    outcomes = (before / 2 + draw.gamma(0.5, 20, CUSTOMERS)).sample(frac=1, random_state=0)
    timed("lift of 12 segments, in another order", lambda: sg.lift(arms, outcomes, by=labels, before=before))
    numbered = [series.set_axis(range(CUSTOMERS)) for series in (arms, outcomes, labels)]
    timed("lift, ids are numbers", lambda: sg.lift(numbered[0], numbered[1], by=numbered[2]))
    timed("check_experiment", lambda: sg.check_experiment(arms, outcomes, by=labels, before=before))
    chosen = timed(f"audience of {CUSTOMERS:,}", lambda: sg.audience(labels, contacts))
    with tempfile.TemporaryDirectory() as folder:
        for to in FORMATS:
            timed(to, lambda to=to: sg.export_audience(chosen, Path(folder) / to, to=to))
    return 0


if __name__ == "__main__":
    sys.exit(main())
