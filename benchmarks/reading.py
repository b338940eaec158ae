"""Time read_events of a CSV file in which one line in a hundred is broken, beside a bare read_csv.

    python benchmarks/reading.py [lines] [--clean]

The bare read is DuckDB's ``read_csv`` with the types given, which skips the lines that it cannot read and says nothing
of them. Each runs in a process of its own, after a first small file.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

CHUNK = 500_000
BROKEN = (
    "c1,soon,1.0",
    "c1,2024-01-01 10:00:00,many",
    ",2024-01-01 10:00:00,1.0",
    'c1,"2024-01-01,1.0,',
    "c1",
)


def write_lines(path: Path, n_lines: int, *, broken: bool) -> None:
    """Write purchases; one line of a hundred has a wrong value, an open quote or missing fields."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("customer_id,timestamp,amount\n")
        for start in range(0, n_lines, CHUNK):
            n = min(CHUNK, n_lines - start)
            seconds = rng.integers(0, 365 * 86_400, n)
            times = (pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")).strftime(
                "%Y-%m-%d %H:%M:%S"
            )
            amounts = rng.lognormal(3, 1, n).round(2)
            customers = rng.integers(0, n_lines // 100 + 1, n)
            lines = [f"c{c},{t},{a}" for c, t, a in zip(customers, times, amounts, strict=True)]
            for at in range(50, n, 100) if broken else ():
                lines[at] = BROKEN[at // 100 % len(BROKEN)]
            file.write("\n".join(lines) + "\n")


def bare(path: Path) -> int:
    """Return the number of rows that a bare read_csv gives."""
    import duckdb

    con = duckdb.connect()
    con.execute(
        f"CREATE TABLE t AS SELECT * FROM read_csv('{path}', columns = {{'customer_id': 'VARCHAR', "
        "'timestamp': 'TIMESTAMP', 'amount': 'DOUBLE'}, header = true, ignore_errors = true)"
    )
    return con.execute("SELECT count(*) FROM t").fetchone()[0]


def segkit(path: Path) -> int:
    """Return the number of events; the other lines are counted with their reasons."""
    import segkit as sg

    events = sg.read_events(path, kind="purchase")
    refused = int(events.refused["count"].sum())
    used = int(events.table.count().execute())
    if used > 1:
        print(f"    {used:,} used + {refused:,} refused = {used + refused:,}", flush=True)
    return used


def _timed(work, path: Path, pipe) -> None:
    few = path.with_name("few.csv")  # loading modules is not measured
    few.write_text("customer_id,timestamp,amount\nc1,2024-01-01 10:00:00,1.0\n")
    work(few)
    began, wall = time.process_time(), time.perf_counter()
    work(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send((time.process_time() - began, time.perf_counter() - wall, peak))


def measured(work, path: Path) -> tuple[float, float, float]:
    """Return processor seconds, wall seconds and peak memory in MiB of some work in a new process."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_timed, args=(work, path, theirs))
    process.start()
    theirs.close()  # so that a process that fails is noticed
    times = ours.recv()
    process.join()
    return times


def main() -> None:
    numbers = [a for a in sys.argv[1:] if not a.startswith("--")]
    n_lines = int(numbers[0]) if numbers else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.csv"
        write_lines(path, n_lines, broken="--clean" not in sys.argv)
        base = 0.0
        for work in (bare, segkit):
            cpu, wall, peak = measured(work, path)
            base = base or cpu
            print(
                f"{work.__name__:6} {cpu:6.2f} CPU s ({cpu / base:.1f}), {wall:6.2f} s, {peak:,.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
