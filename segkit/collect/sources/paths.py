"""Which files a path means, and what their endings say."""

from __future__ import annotations

import glob
from pathlib import Path

from segkit.core.engine.connection import quoted
from segkit.core.messages import did_you_mean

PARQUET = (".parquet", ".pq")
PACKED = ("", ".gz", ".zst")
CSV = tuple(ending + packed for packed in PACKED for ending in (".csv", ".tsv", ".txt"))
WORKBOOK = (".xlsx", ".xlsm")
JSON_LINES = tuple(ending + packed for packed in PACKED for ending in (".jsonl", ".ndjson"))


def matching(pattern: str) -> list[str]:
    """Return the files that a path or pattern means; of a folder, the Parquet files in it.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = sorted(
            str(p) for p in path.rglob("*") if str(p).lower().endswith(PARQUET) and not _hidden(p, path)
        )
        if found:
            return found
        raise FileNotFoundError(
            f"{path.name or path} is a folder without Parquet files. Name the files: '{path.name or path}/*.csv'."
        )
    if path.exists():
        return [str(path)]
    found = sorted(p for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207
    if found:
        return found
    neighbours = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
    raise FileNotFoundError(
        f"There is no file {pattern!r} (looked in {path.parent}).{did_you_mean(path.name, neighbours)} "
        "Check the path, or where the notebook runs."
    )


def _hidden(path: Path, folder: Path) -> bool:
    """Say whether a file is a log or half written, which the writers of such folders mark by the first letter."""
    return any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)


def ending(path: str) -> str:
    """Return the format that a file's ending says.

    Raises
    ------
    ValueError
        If it says none that is known.
    """
    lower = path.lower()
    if lower.endswith(PARQUET):
        return "parquet"
    if lower.endswith(CSV):
        return "csv"
    if lower.endswith(JSON_LINES):
        return "json"
    if is_workbook(path):
        return "workbook"
    raise ValueError(
        f"{Path(path).name} ends in {Path(path).suffix!r}. read_events reads {', '.join(PARQUET + CSV[:2])}, "
        f"{', '.join(JSON_LINES[:2])} and {', '.join(WORKBOOK)}; read others with pandas and pass the DataFrame."
    )


def is_workbook(path: str) -> bool:
    """Say whether a path is that of an Excel workbook."""
    return path.lower().endswith(WORKBOOK)


def unglobbed(path: str) -> str:
    """Return a path that DuckDB takes to the letter, though it holds what would be a pattern."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in path)


def literal(path: str) -> str:
    """Return a path as an SQL string that DuckDB takes literally."""
    return quoted(unglobbed(path))
