"""Which files a path means, and what their endings say."""

from __future__ import annotations

import glob
from pathlib import Path

from segkit._engine import near, quoted

PARQUET = (".parquet", ".pq")
PACKED = ("", ".gz", ".zst")
CSV = tuple(ending + packed for packed in PACKED for ending in (".csv", ".tsv", ".txt"))
JSON_LINES = tuple(ending + packed for packed in PACKED for ending in (".jsonl", ".ndjson"))


def matching(pattern: str) -> list[str]:
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = sorted(str(p) for p in path.rglob("*") if str(p).lower().endswith(PARQUET))
        if found:
            return found
        raise FileNotFoundError(
            f"{path.name} is a folder without Parquet files. Name the files: '{path.name}/*.csv'."
        )
    if path.exists():
        return [str(path)]
    found = sorted(p for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207
    if found:
        return found
    neighbours = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
    raise FileNotFoundError(
        f"There is no file {pattern!r} (looked in {path.parent}).{near(path.name, neighbours)} "
        "Check the path, or where the notebook runs."
    )


def ending(path: str) -> str:
    lower = path.lower()
    if lower.endswith(PARQUET):
        return "parquet"
    if lower.endswith(CSV):
        return "csv"
    if lower.endswith(JSON_LINES):
        return "json"
    raise ValueError(
        f"{Path(path).name} ends in {Path(path).suffix!r}. read_events reads {', '.join(PARQUET + CSV[:2])} "
        f"and {', '.join(JSON_LINES[:2])}; read others with pandas and pass the DataFrame."
    )


def unglobbed(path: str) -> str:
    """Return a path that DuckDB takes to the letter, though it holds what would be a pattern."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in path)


def literal(path: str) -> str:
    return quoted(unglobbed(path))
