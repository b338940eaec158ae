"""Play events as a shop would send them: so many a second, into a file that grows."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd

from segkit.core.checks import check_frame, checked_path

TICK = 0.02  # seconds between two writings
REST = 2.0  # seconds in which those who follow can read the last events


def play_events(events: pd.DataFrame, path: str | Path, *, per_second: float = 200.0) -> threading.Event:
    """Append events to a file of JSON lines, so many a second, while the program goes on.

    Parameters
    ----------
    events : DataFrame
        One row an event, with standard columns; written in their order. Missing values are left out.
    path : str or Path
        The file, such as ``"day.jsonl"``. What is in it stays.
    per_second : float, default=200
        Events in a second.

    Returns
    -------
    threading.Event
        Set two seconds after the last event was written: for ``follow(…, until=finished.is_set)``, and to wait for.

    Raises
    ------
    TypeError, ValueError
        If `events` is no table, or `per_second` is not positive.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pandas as pd
    >>> from segkit.datasets import play_events
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "day.jsonl"
    >>> view = {"event_id": "e1", "customer_id": "ada", "timestamp": pd.Timestamp("2025-01-01 09:00"), "kind": "chat"}
    >>> finished = play_events(pd.DataFrame([view]), file)
    >>> finished.wait()
    True
    >>> file.read_text()
    '{"event_id":"e1","customer_id":"ada","timestamp":"2025-01-01T09:00:00.000000Z","kind":"chat"}\\n'
    """
    check_frame("events", events, "They should be a DataFrame with standard columns, one row an event.")
    if not per_second > 0:
        raise ValueError(
            f"per_second={per_second!r} is not positive. Say how many events a second, such as 200."
        )
    lines = _json_lines(events)
    finished = threading.Event()
    target = checked_path(path)
    threading.Thread(target=_write, args=(lines, target, per_second, finished), daemon=True).start()
    return finished


def _json_lines(events: pd.DataFrame) -> list[str]:
    times = events.select_dtypes(["datetime", "datetimetz"]).columns
    stated = {
        name: pd.to_datetime(events[name], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name in times
    }
    told = events.assign(**stated)
    return [row.dropna().to_json(force_ascii=False) + "\n" for _, row in told.astype(object).iterrows()]


def _write(lines: list[str], path: Path, per_second: float, finished: threading.Event) -> None:
    """Write what is due, until all is written."""
    began, written = time.monotonic(), 0
    with path.open("a", encoding="utf-8") as file:
        while written < len(lines):
            due = 1 + int((time.monotonic() - began) * per_second)
            file.write("".join(lines[written:due]))
            file.flush()
            written = due
            time.sleep(TICK)
    time.sleep(REST)
    finished.set()
