"""Compare segkit's features with the same ones written by hand in DuckDB, polars and pandas.

    python benchmarks/features.py events 10_000_000     # events of all kinds; the file is generated once
    python benchmarks/features.py visits 10_000_000     # the same, with features of each visit
    python benchmarks/features.py lines 10_000_000      # purchase lines
    python benchmarks/features.py events 50_000_000 --memory 2GB --without pandas

Each contender runs in its own process, and they take turns. The figures are the best of three runs, in wall and
processor seconds. All results must agree to a relative 1e-9. Memory is the peak of the process; DuckDB's limit holds
for segkit and for the query by hand. segkit runs on the file, and on a log stored by ``events.cache()``.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import peers
import peers_events
import pyarrow as pa
from generate import make_purchase_lines, make_web_events

AS_OF = "2025-01-01"
OURS = ("segkit", "segkit, cached")
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Set:
    """A set of features: their names, the peers, a bare scan, the maker of the file, and how segkit reads it."""

    features: tuple[str, ...]
    peers: dict[str, Callable]
    scan: str
    make: Callable[[int, Path], Path]
    reading: dict[str, str]


_in_visits = {name: functools.partial(peer, in_visits=True) for name, peer in peers_events.PEERS.items()}
SETS = {
    "events": Set(peers_events.FEATURES, peers_events.PEERS, peers_events.SCAN, make_web_events, {}),
    "visits": Set(peers_events.IN_VISITS, _in_visits, peers_events.SCAN, make_web_events, {}),
    "lines": Set(peers.FEATURES, peers.PEERS, peers.SCAN, make_purchase_lines, {"kind": "purchase"}),
}


class Contender:
    """A process that computes the features on request and reports its time and memory."""

    def __init__(self, name: str, of: str, path: Path, memory: str, spill: str):
        self.name = name
        self.runs: list[dict] = []
        self._pipe, theirs = multiprocessing.Pipe()
        work = {"target": _serve, "args": (theirs, name, of, path, memory, spill), "daemon": True}
        self._process = multiprocessing.get_context("spawn").Process(**work)
        self._process.start()
        self.prepared = self._answer()

    def run(self, answer: Path | None = None) -> None:
        """Compute once more; write the answer to a file if one is given."""
        self._pipe.send(answer)
        self.runs.append(self._answer())

    def best(self, what: str) -> float:
        """Return the least of all runs."""
        return min(run[what] for run in self.runs)

    def end(self) -> None:
        """End the process."""
        self._pipe.send("end")
        self._process.join()

    def _answer(self) -> dict:
        try:
            answer = self._pipe.recv()
        except EOFError:
            answer = f"the process ended with {self._process.exitcode}; was there enough memory?"
        if isinstance(answer, str):
            raise RuntimeError(f"{self.name}: {answer}")
        return answer


def _serve(pipe, name: str, of: str, path: Path, memory: str, spill: str) -> None:
    """Run in the contender's process: compute at each request."""
    try:
        work, prepared = (_segkit if name in OURS else _peer)(name, SETS[of], path, memory, spill)
        pipe.send(prepared)
        while (file := pipe.recv()) != "end":
            start, used = time.perf_counter(), _processor_seconds()
            table = work()
            took = {"wall": time.perf_counter() - start, "cpu": _processor_seconds() - used}
            if file is not None:
                _frame(table).to_parquet(file)
            pipe.send(took | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20})
    except Exception:
        pipe.send(traceback.format_exc())
        raise


def _peer(name: str, of: Set, path: Path, memory: str, spill: str):
    if name == "bare scan":
        import duckdb

        return lambda: duckdb.sql(of.scan.format(path=path)).to_arrow_table(), {}
    return lambda: of.peers[name](path, AS_OF, memory, spill), {}


def _segkit(name: str, of: Set, path: Path, memory: str, spill: str):
    """Read the events once, and time what comes before the query runs: reading, building, compiling."""
    import ibis

    import segkit as sg
    from segkit.analyse.features.query import feature_query
    from segkit.core.engine.connection import run

    run(f"SET memory_limit = '{memory}'")
    chosen = tuple(f for f in sg.FAMILIES if f.name in of.features)
    reading, events = timed(lambda: sg.read_events(path, **of.reading))
    cache, used = 0.0, _processor_seconds()
    if name == "segkit, cached":
        cache, events = timed(events.cache)
    used = _processor_seconds() - used
    builds, compiles = [], []
    for _ in range(3):
        seconds, query = timed(lambda: feature_query(events, chosen, as_of=pd.Timestamp(AS_OF), coded=True))
        builds.append(seconds)
        compiles.append(timed(lambda query=query: ibis.to_sql(query, dialect="duckdb"))[0])
    prepared = {
        "reading": reading,
        "cache": cache,
        "cache cpu": used,
        "first": builds[0] + compiles[0],
        "build": min(builds),
        "compile": min(compiles),
    }
    return lambda: sg.customer_features(events, chosen, as_of=AS_OF), prepared


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work):
    """Return the seconds that some work took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _frame(table) -> pd.DataFrame:
    """Return a result as a DataFrame of numbers and text, indexed by customer."""
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    if "customer_id" in frame:
        frame = frame.set_index("customer_id")
    frame.index = frame.index.astype("str")
    words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    numbers = [c for c in frame if c not in words]
    return frame.astype(dict.fromkeys(words, "str") | dict.fromkeys(numbers, "float64")).sort_index()


def differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Return the largest relative difference of each feature, absolute below 1; infinite where one is missing."""
    if not ours.index.equals(theirs.index):
        raise AssertionError(f"{len(ours):,} customers here, {len(theirs):,} there, or others.")
    worst = {}
    for name in ours:
        a, b = ours[name], theirs[name]
        if not pd.api.types.is_numeric_dtype(a):
            worst[name] = 0.0 if a.eq(b).all() else np.inf
        elif a.isna().ne(b.isna()).any():
            worst[name] = np.inf
        else:
            worst[name] = float((np.abs(a - b) / np.maximum(np.abs(b), 1)).max())
    return pd.Series(worst).sort_values(ascending=False)


def measure(n_rows: int, of: str, memory: str, repeats: int, without: tuple[str, ...], path: Path) -> bool:
    """Run all contenders in turns, print their times, and return whether their results agree."""
    if not path.exists():
        SETS[of].make(n_rows, path)
    names = [
        name
        for name in ("bare scan", *OURS, *SETS[of].peers)
        if not name.startswith(tuple(without) or ("-",))
    ]
    with tempfile.TemporaryDirectory(prefix="segkit-bench-") as folder:
        contenders = [Contender(name, of, path, memory, tempfile.mkdtemp(dir=folder)) for name in names]
        for turn in range(repeats):
            for one in contenders:
                one.run(
                    Path(folder) / f"{one.name}.parquet" if not turn and one.name != "bare scan" else None
                )
        answers = {n: pd.read_parquet(Path(folder) / f"{n}.parquet") for n in names if n != "bare scan"}
        for one in contenders:
            one.end()
    return _report(f"{n_rows:,} {of}", of, memory, {one.name: one for one in contenders}, answers)


def _report(
    rows: str, of: str, memory: str, by_name: dict[str, Contender], answers: dict[str, pd.DataFrame]
) -> bool:
    ours = answers["segkit"]
    print(f"{rows}, {len(ours):,} customers, {ours.shape[1]} features, memory limit {memory}")
    lacking = [name for name in SETS[of].features if name not in ours]
    if lacking:
        print(f"  segkit has no {', '.join(lacking)}: it is timed without them")
    print(f"  {'':<17} {'wall s':>7} {'cpu s':>7} {'scans':>6} {'by cpu':>6} {'GiB':>6}  all walls")
    for one in by_name.values():
        scans, by_cpu = (one.best(what) / by_name["bare scan"].best(what) for what in ("wall", "cpu"))
        walls = ", ".join(f"{run['wall']:.2f}" for run in one.runs)
        print(
            f"  {one.name:<17} {one.best('wall'):7.2f} {one.best('cpu'):7.2f} {scans:6.1f} {by_cpu:6.1f} "
            f"{one.runs[-1]['memory']:6.2f}  {walls}"
        )
    before = by_name["segkit"].prepared
    cached = by_name["segkit, cached"].prepared
    print(
        f"  segkit before the query: reading {before['reading']:.2f} s once; building {before['build']:.2f} s and "
        f"compiling {before['compile']:.2f} s each time ({before['first']:.2f} s the first), in the figures above"
    )
    print(f"  events.cache(): {cached['cache']:.2f} s wall, {cached['cache cpu']:.2f} s processor, once")
    print(f"  load (1, 5, 15 min) {', '.join(f'{x:.2f}' for x in os.getloadavg())}; {os.cpu_count()} cores")
    equal = True
    for name, theirs in answers.items():
        if name == "segkit":
            continue
        worst = differences(ours, theirs[list(ours)])
        equal &= bool(worst.iloc[0] <= TOLERANCE)
        wall = by_name["segkit"].best("wall") / by_name[name].best("wall")
        cpu = by_name["segkit"].best("cpu") / by_name[name].best("cpu")
        shown = ", ".join(f"{n} {d:.1e}" for n, d in worst.head(3).items())
        print(f"  segkit / {name:<17} {wall:5.2f} wall {cpu:5.2f} cpu; largest differences {shown}")
    return equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("of", choices=SETS, help="the set of features")
    parser.add_argument("rows", type=lambda text: int(text.replace("_", "")), help="rows of the file")
    parser.add_argument("--memory", default="2GB", help="DuckDB's memory limit, for segkit and by hand (2GB)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], help="peers to leave out, such as pandas")
    parser.add_argument("--file", type=Path, help="the file of rows; written if it does not exist")
    given = parser.parse_args()
    file = (
        given.file
        or Path(tempfile.gettempdir()) / f"segkit_{SETS[given.of].make.__name__}_{given.rows}.parquet"
    )
    if not measure(given.rows, given.of, given.memory, given.repeats, tuple(given.without), file):
        sys.exit(f"The answers differ by more than {TOLERANCE}.")
