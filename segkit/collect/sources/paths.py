"""Which files a path means, and what their endings say."""

from __future__ import annotations

import glob
from pathlib import Path

from segkit.core.engine.connection import quoted
from segkit.core.messages import did_you_mean

PARQUET = (".parquet", ".pq")
PACKED = ("", ".gz", ".zst")
CSV = tuple(ending + packed for packed in PACKED for ending in (".csv", ".tsv", ".txt"))
LONGEST_SHOWN = 100  # characters of a path in a message
WORKBOOK = (".xlsx", ".xlsm")
JSON_LINES = tuple(ending + packed for packed in PACKED for ending in (".jsonl", ".ndjson"))

PACKERS = ("compressed with gzip", "compressed with Zstandard")
SIGNS = {  # first bytes of files of other formats
    b"\x1f\x8b": (PACKERS[0], "Name it {0}.gz."),
    b"\x28\xb5\x2f\xfd": (PACKERS[1], "Name it {0}.zst."),
    b"BZh9": ("compressed with bzip2", "Unpack it first: bunzip2 < {0}."),
    b"\xfd7zXZ": ("compressed with xz", "Unpack it first: xz -dc {0}."),
    b"PK\x03\x04": (
        "a ZIP archive or a workbook",
        "Unpack it first, or let its name end in .xlsx if Excel opens it.",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save it as .xlsx."),
    b"PAR1\x15": ("Parquet", "Let its name end in .parquet."),
    b"SQLite format 3": ("an SQLite database", "Let its name end in .sqlite, and say table=…."),
    b"%PDF": ("a PDF", "Export the table as CSV."),
}


def matching(pattern: str) -> list[str]:
    """Return the files that a path or pattern means; of a folder, the Parquet files in it.

    Raises
    ------
    FileNotFoundError
        If there are none.
    ValueError
        If this is no path, a pipe, socket or device, or a folder in which somebody lives or works.
    """
    shown = repr(pattern if len(pattern) <= LONGEST_SHOWN else f"{pattern[:LONGEST_SHOWN]}…")
    path = _expanded(pattern)
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.is_file():
            return [str(path)]
        if path.exists():
            raise ValueError(
                f"{shown} is a pipe, socket or device. It should be a file that can be read more than once; save what "
                "comes out of it to a file."
            )
        found = sorted(p for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207
        neighbours = [p.name for p in path.parent.glob("*")] if not found and path.parent.is_dir() else []
    except OSError as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise ValueError(
            f"{shown} cannot be the path of a file: {error.strerror}. To read a text that is a table, pass "
            "pd.read_csv(io.StringIO(text))."
        ) from error
    if found:
        return found
    raise FileNotFoundError(
        f"There is no file {shown} (looked in {path.parent}).{did_you_mean(path.name, neighbours)} "
        "Check the path, or where the notebook runs."
    )


def _expanded(pattern: str) -> Path:
    """Return a path with the home folder in place of ~; of ~name, where somebody has that name."""
    path = Path(pattern)
    try:
        return path.expanduser()
    except RuntimeError:  # such as ~orders.csv
        return path


def _in_folder(folder: Path) -> list[str]:
    """Return the Parquet files in a folder, and in those below it."""
    whole = folder.resolve()
    if any(place.resolve().is_relative_to(whole) for place in (Path.home(), Path.cwd())):
        raise ValueError(
            f"{str(folder)!r} is the folder in which you work, your home, or one above. It should be a folder that "
            f"holds one log. Name that folder or the files: '{folder / '*.parquet'}'."
        )
    files = (p for p in folder.rglob("*") if str(p).lower().endswith(PARQUET) and not _hidden(p, folder))
    found = sorted(str(p) for p in files if p.is_file())
    if found:
        return found
    raise FileNotFoundError(
        f"{folder.name} is a folder without Parquet files. Name the files: '{folder.name}/*.csv'."
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


def may_be_csv(path: str) -> bool:
    """Say whether a path, a pattern such as ``lines*`` included, may be that of CSV files."""
    others = (*PARQUET, *WORKBOOK, *JSON_LINES)
    return not path.lower().endswith(others)


def check_format(path: str, format_: str) -> None:
    """Check by its first bytes that a text file is not of another format that its ending hides.

    Raises
    ------
    ValueError
    """
    if format_ not in ("csv", "json"):
        return
    with Path(path).open("rb") as file:
        first = file.read(max(map(len, SIGNS)))
    for sign, (what, mend) in SIGNS.items():
        packed = path.lower().endswith(PACKED[1:]) and what in PACKERS
        if first.startswith(sign) and not packed:
            name = Path(path).name
            raise ValueError(
                f"{name} is {what}, though its name ends in {Path(path).suffix!r}. {mend.format(name)}"
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
