"""Quotes that are opened and never closed: such a quote swallows all lines up to the next one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segkit.core.engine.connection import own_table, quoted, run, unique_name

if TYPE_CHECKING:
    import ibis.expr.types as ir

LONGEST_RECORD = 500  # lines


def records_of(lines: ir.Table, delimiter: str, fields: int) -> tuple[ir.Table, str] | None:
    """Put lines together to records by their quotes, and leave out those that are in none.

    A line is a record by itself if its quotes match. A line that opens a quote and the next one that closes a
    quote are a record, with all between them, if together they have the right number of fields.

    Parameters
    ----------
    lines : ibis Table
        The column `line`, in the order of the file; blank ones are missing.
    delimiter : str
    fields : int
        Number of fields of a record.

    Returns
    -------
    (ibis Table, str) or None
        Records in the column `line`, and the first line that was left out; None if the quotes of each line match.
    """
    other = re.escape(delimiter)
    cell = f'(?:"(?:[^"]|"")*"|[^"{other}\\n][^{other}\\n]*|)'
    inside = '(?:[^"]|"")*'
    whole = f"(NOT contains(line, '\"') OR {_is(f'{cell}(?:{other}{cell})*')})"
    opens = _is(f'(?:{cell}{other})*"{inside}')
    closes = _is(f'{inside}"(?:{other}{cell})*')
    rest = f"{{{fields - 1}}}" if fields <= 200 else "*"
    record = _is(f"{cell}(?:{other}{cell}){rest}", "record")
    name = lines.get_name()
    if not run(f"SELECT 1 FROM {name} WHERE NOT {whole} LIMIT 1"):
        return None
    spans, records = unique_name("spans"), unique_name("records")
    run(
        f"""
        CREATE TEMP TABLE {spans} AS
        WITH odd AS (
            SELECT rowid AS first, NOT {whole} AND {opens} AS opens, lead(rowid) OVER in_order AS last,
                   lead({closes}) OVER in_order AS closes
            FROM {name} WHERE (length(line) - length(replace(line, '"', ''))) % 2 = 1
            WINDOW in_order AS (ORDER BY rowid)
        ), joined AS (
            SELECT first, last, string_agg(coalesce(line, ''), chr(10) ORDER BY l.rowid) AS record
            FROM (FROM odd WHERE opens AND closes AND last - first <= {LONGEST_RECORD})
            JOIN {name} l ON l.rowid BETWEEN first AND last
            GROUP BY ALL
        )
        FROM joined WHERE {record} QUALIFY coalesce(lag(last) OVER (ORDER BY first) < first, true)
        """
    )
    outside = (
        f"FROM {name} l ASOF LEFT JOIN {spans} s ON l.rowid >= s.first WHERE coalesce(l.rowid > s.last, true)"
    )
    left_out = run(f"SELECT line {outside} AND NOT {whole} ORDER BY l.rowid LIMIT 1")
    run(
        f"CREATE TEMP TABLE {records} AS SELECT line {outside} AND {whole} AND line IS NOT NULL "
        f"UNION ALL SELECT record FROM {spans}"
    )
    run(f"DROP TABLE {spans}")
    return own_table(records), left_out[0][0] if left_out else ""


def _is(pattern: str, column: str = "line") -> str:
    return f"regexp_full_match({column}, {quoted(pattern)})"
