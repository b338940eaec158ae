"""PostgreSQL: which tables there are, and its types in words that Arrow knows."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.collect.sources.source import named

TABLES = """
    SELECT n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    ORDER BY 3 DESC, 1, 2
"""
TYPES = {
    16: "bool",
    17: "bytea",
    19: "name",
    20: "int8",
    21: "int2",
    23: "int4",
    25: "text",
    26: "oid",
    700: "float4",
    701: "float8",
    790: "money",
    1000: "_bool",
    1005: "_int2",
    1007: "_int4",
    1009: "_text",
    1015: "_varchar",
    1016: "_int8",
    1021: "_float4",
    1022: "_float8",
    1043: "varchar",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    1186: "interval",
    1700: "numeric",
}
"""The types that are asked for by number, in PostgreSQL's own catalogue, where a driver gives no names."""
PLAIN = {name for name in TYPES.values() if name not in ("money", "numeric")}


def readable_query(query: str, columns: Sequence[tuple[str, str | int]]) -> tuple[str, list[str]]:
    """Return a query of the same rows whose types can be read, and the columns that are numbers written as text.

    Parameters
    ----------
    query : str
    columns : sequence of (str, str or int)
        Its columns, and the name or number of their types. What is not plain becomes text: JSON, UUIDs,
        enumerations, addresses, ranges. So do decimals of any length, to be numbers again in the engine.
    """
    types = {name: TYPES.get(kind, "") if isinstance(kind, int) else kind for name, kind in columns}
    numbers = [name for name, kind in types.items() if kind in ("numeric", "money")]
    read = [_as_read(named(name), kind) for name, kind in types.items()]
    return f"SELECT {', '.join(read)} FROM ({query}) AS asked", numbers


def _as_read(column: str, kind: str) -> str:
    if kind in PLAIN:
        return column
    number = f"{column}::numeric" if kind == "money" else column
    return f"{number}::text AS {column}"
