"""Any source as an Ibis table: files, frames and relations, before their columns mean anything."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import ibis

from segkit._engine import adopted, engine, fresh_name, near, quoted, run, table_of

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zst")
NOWHERE = "\x01\x02\x03\x04"  # what no line holds, so that a line stays whole
LONGEST_LINE = 32 * 2**20  # bytes
JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


@dataclass(frozen=True)
class Source:
    """A table as it came, and the lines of it that could not even be split into columns.

    Attributes
    ----------
    name : str
        What to call it in messages: a file's name, or the kind of the object.
    table : ibis Table
        Its rows. Columns of CSV and JSON lines are all text.
    broken : int
        Lines that could not be read as a row.
    broken_example : str
        The first of them.
    owned : bool
        Whether the table is a copy of our own in the engine, to be replaced once it is understood.
    """

    name: str
    table: ir.Table
    broken: int = 0
    broken_example: str = ""
    owned: bool = False


def open_source(source: Any) -> Source:
    """Open whatever a person has as an Ibis table.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table or relation
        A CSV, Parquet or JSON-lines file (globs welcome), a pandas or polars frame, a pyarrow
        table, a DuckDB relation or an Ibis table.

    Returns
    -------
    Source

    Raises
    ------
    FileNotFoundError
        If no file fits the path.
    ValueError
        If the file's ending is unknown, or it cannot be read as what its ending says.
    TypeError
        If the object is none of the above.
    """
    if isinstance(source, (str, Path)):
        return _open_files([str(source)])
    if isinstance(source, (list, tuple)) and source and all(isinstance(s, (str, Path)) for s in source):
        return _open_files([str(s) for s in source])
    if isinstance(source, ibis.expr.types.Table):
        return Source("the Ibis table", source)
    family = type(source).__module__.partition(".")[0]
    if family == "pandas" and hasattr(source, "columns"):
        return Source("the DataFrame", _in_memory(_arrow_of_pandas(source)))
    if family == "polars" and hasattr(source, "lazy"):
        frame = source.lazy().collect()
        return Source("the DataFrame", _in_memory(frame.to_arrow()))
    if family in ("duckdb", "_duckdb") and hasattr(source, "to_arrow_table"):
        return Source("the DuckDB relation", _in_memory(source.to_arrow_table()))
    if family == "pyarrow" and hasattr(source, "schema"):
        table = source.read_all() if hasattr(source, "read_all") else source
        return Source("the Arrow table", _in_memory(table))
    raise TypeError(
        f"read_events got a {type(source).__module__}.{type(source).__qualname__}. It reads the path of a "
        "CSV, Parquet or JSON-lines file, a pandas or polars DataFrame, a pyarrow Table, a DuckDB relation "
        "or an Ibis table. Turn yours into one of these."
    )


def check_names(where: str, names: Sequence[str]) -> None:
    """Refuse columns that share a name: SQL takes capitals for small letters, and would read one for the other.

    Raises
    ------
    ValueError
        If two names are equal, or differ only in capitals.
    """
    lower = [name.lower() for name in names]
    twice = [name for name, low in zip(names, lower, strict=True) if lower.count(low) > 1]
    if twice:
        raise ValueError(
            f"{where} has {', '.join(map(repr, dict.fromkeys(twice)))} more than once. Names of columns must differ by "
            "more than capitals; rename or drop all but one."
        )


def _in_memory(table: pa.Table) -> ir.Table:
    import pyarrow as pa

    check_names("The table", table.column_names)
    for i, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type):
            table = table.set_column(i, column.name, table.column(i).cast(pa.string()))
    return table_of(table)


def _arrow_of_pandas(frame: pd.DataFrame) -> pa.Table:
    """Turn a frame into Arrow; a column of mixed types becomes text, missing values stay missing."""
    import pyarrow as pa

    if any(name is not None and name not in frame.columns for name in frame.index.names):
        frame = frame.reset_index()
    if not len(frame.columns):
        raise ValueError("The DataFrame is empty: it has no columns. It should hold a row for each event.")
    check_names("The DataFrame", [str(name) for name in frame.columns])
    columns: dict[str, Any] = {}
    for i, name in enumerate(frame.columns):
        column = frame.iloc[:, i]
        try:
            values = pa.Array.from_pandas(column)
        except (pa.ArrowException, KeyError, OverflowError):
            values = None
        if values is None or isinstance(values.type, pa.BaseExtensionType):
            values = pa.Array.from_pandas(column.map(str, na_action="ignore").astype("str"))
        columns[str(name)] = values
    return pa.table(columns)


def _open_files(patterns: list[str]) -> Source:
    paths = [path for pattern in patterns for path in _matching(pattern)]
    name = Path(patterns[0]).name if len(patterns) == 1 else f"{Path(patterns[0]).name} and others"
    endings = {_ending(path) for path in paths}
    if len(endings) > 1:
        raise ValueError(
            f"{name} holds files of several formats ({', '.join(sorted(endings))}). One call reads one "
            "format; read each and add them: read_events(a) + read_events(b)."
        )
    ending = endings.pop()
    if ending == "parquet":
        return _open_parquet(name, paths)
    return _read_csv(name, paths) if ending == "csv" else _read_json_lines(name, paths)


def _matching(pattern: str) -> list[str]:
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


def _ending(path: str) -> str:
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


def _open_parquet(name: str, paths: list[str]) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_names(name, pq.read_schema(paths[0]).names)
        return Source(
            name,
            engine().read_parquet(
                [_unglobbed(p) for p in paths], table_name=fresh_name("parquet"), union_by_name=True
            ),
        )
    except (duckdb.Error, pa.ArrowException) as error:
        raise ValueError(
            f"{name} could not be read as Parquet: {_first_line(error)} Write it again, or check its ending."
        ) from error


def _unglobbed(path: str) -> str:
    """Return a path that DuckDB takes to the letter, though it holds what would be a pattern."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in path)


def _literal(path: str) -> str:
    return quoted(_unglobbed(path))


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _read_csv(name: str, paths: list[str]) -> Source:
    """Read once, all columns as text, into the engine: the text is parsed here and never again."""
    parts = [_read_one_csv(path) for path in paths]
    table = parts[0].table
    if len(parts) > 1:  # joined by column name: files of one export need not agree on the order
        union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part.table.get_name()}" for part in parts)
        joined = fresh_name("csv")
        run(f"CREATE TEMP TABLE {joined} AS {union}")
        table = adopted(joined)
    example = next((part.broken_example for part in parts if part.broken), "")
    return Source(name, table, sum(part.broken for part in parts), example, owned=True)


def _read_one_csv(path: str) -> Source:
    name = Path(path).name
    if Path(path).stat().st_size == 0:
        raise ValueError(f"{name} is empty. It should hold a header line and a line for each event.")
    table, scans, rejects = (fresh_name(stem) for stem in ("csv", "scans", "rejects"))
    try:
        check_names(name, _header(path))
        run(
            f"CREATE TEMP TABLE {table} AS SELECT * FROM read_csv({_literal(path)}, all_varchar = true, "
            f"header = true, quote = '\"', escape = '\"', store_rejects = true, rejects_scan = {quoted(scans)}, "
            f"rejects_table = {quoted(rejects)}, rejects_limit = 0)"
        )
    except duckdb.Error as error:
        for leftover in (table, scans, rejects):
            run(f"DROP TABLE IF EXISTS {leftover}")
        raise ValueError(
            f"{name} could not be read as CSV: {_first_line(error)} It should hold a header line and a "
            "line for each event, in UTF-8."
        ) from error
    query = f"SELECT count(DISTINCT (file_id, line)), arg_min(csv_line, line) FROM {rejects}"
    [(count, example)] = run(query)
    for leftover in (scans, rejects):
        run(f"DROP TABLE IF EXISTS {leftover}")
    return Source(name, adopted(table), count, example or "", owned=True)


def _header(path: str) -> list[str]:
    """Return a CSV's column names as they are written; DuckDB would number those that occur twice."""
    with Path(path).open("rb") as file:
        first = file.readline(65_536)
    if not path.lower().endswith((".gz", ".zst")):
        try:
            first.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The header of {Path(path).name} is not UTF-8 ({first[:40]!r}). Read it by its encoding and pass "
                "the table: read_events(pd.read_csv(path, encoding='latin-1'), …)."
            ) from error
    options = "all_varchar = true, header = false, ignore_errors = true, quote = '\"', escape = '\"'"
    query = f"SELECT * FROM read_csv({_literal(path)}, {options}) LIMIT 1"
    return [name for row in run(query) for name in row if name]


def _read_json_lines(name: str, paths: list[str]) -> Source:
    """Read objects once and take every key that occurs, as text; lines that are no object are counted."""
    raw, table = fresh_name("lines"), fresh_name("json")
    files = ", ".join(map(_literal, paths))
    try:
        run(
            f"CREATE TEMP TABLE {raw} AS SELECT line, "
            "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END AS good "
            f"FROM (SELECT line FROM read_csv([{files}], all_varchar = true, header = false, "
            f"columns = {{'line': 'VARCHAR'}}, delim = {quoted(NOWHERE)}, quote = '', escape = '', "
            f"max_line_size = {LONGEST_LINE})) WHERE trim(line) != ''"
        )
    except duckdb.Error as error:
        raise ValueError(
            f"{name} could not be read as JSON lines: {_first_line(error)} It should hold one object a line, in UTF-8."
        ) from error
    lines = adopted(raw)
    [(count, example)] = run(f"SELECT count(*), min(line) FROM {raw} WHERE good IS NOT TRUE")
    every = run(f"SELECT DISTINCT unnest(json_keys(line)) AS key FROM {raw} WHERE good ORDER BY key")
    keys = [key for (key,) in every if key.strip()]
    if not keys:
        raise ValueError(f"{name} holds no JSON object. It should hold one object a line, one line an event.")
    check_names(name, keys)
    columns = ", ".join(
        f"line ->> {quoted('/' + key.replace('~', '~0').replace('/', '~1'))} AS "
        + '"'
        + key.replace('"', '""')
        + '"'
        for key in keys
    )
    run(f"CREATE TEMP TABLE {table} AS SELECT {columns} FROM {lines.get_name()} WHERE good")
    return Source(name, adopted(table), count, example or "", owned=True)
