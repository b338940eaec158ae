"""Ways to speak to a database: through DBAPI, another DuckDB, ADBC or SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from segkit._engine import engine, fresh_name
from segkit._sources._arriving import chunks_of, copied, gathered
from segkit._sources._source import check_names, named
from segkit._sources._sqlite import SAMPLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

CHUNK = 50_000  # rows


class DbapiReader:
    """Reads through a connection of Python's database interface (PEP 249), rows by the ten thousand.

    Attributes
    ----------
    connection : DBAPI connection
        Neither committed nor closed here.
    dialect : str
        The kind of database: "postgresql", "sqlite" or another.
    samples : bool
        Whether the driver takes types from the first rows, and so needs a row of each type first.
    """

    samples = False

    def __init__(self, connection: Any, dialect: str):
        self.connection = connection
        self.dialect = dialect

    def rows(self, query: str) -> list[tuple]:
        """Return all rows of a small query."""
        with self._cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def columns(self, query: str) -> list[tuple[str, Any]]:
        """Return a query's columns and what the driver says of their types, without running all of it."""
        with self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({query}) AS asked LIMIT 0")
            return [tuple(column[:2]) for column in cursor.description]

    def names_of_tables(self) -> list[tuple[str, ...]] | None:
        """Return the parts of each table's name, or None where there is no saying."""
        return None

    def quoted(self, parts: Sequence[str]) -> str:
        """Return a table's name as the database writes it."""
        return ".".join(map(named, parts))

    def table(self, query: str, numbers: Sequence[str] = ()) -> ir.Table:
        """Return the rows of a query, in the engine.

        Parameters
        ----------
        query : str
        numbers : sequence of str
            Columns of numbers that arrive as text.
        """
        with self._streaming() as cursor:
            cursor.execute(query)
            names = [column[0] for column in cursor.description]
            check_names("The query", names)
            return gathered(chunks_of(_fetched(cursor), names), numbers=numbers)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with closing(self.connection.cursor()) as cursor:
            if hasattr(cursor, "row_factory"):  # rows as the driver makes them, whatever the caller prefers
                cursor.row_factory = None if self.dialect == "sqlite" else _plain_rows()
            yield cursor

    @contextmanager
    def _streaming(self) -> Iterator[Any]:
        """Give a cursor that does not hold all rows at once."""
        if type(self.connection).__module__.partition(".")[0] != "psycopg":
            with self._cursor() as cursor:
                yield cursor
            return
        with (
            self.connection.transaction(),
            self.connection.cursor(fresh_name("cursor"), row_factory=_plain_rows()) as cursor,
        ):
            cursor.itersize = CHUNK
            yield cursor


class DuckdbReader(DbapiReader):
    """Reads through a connection of another DuckDB than ours."""

    def __init__(self, connection: Any):
        super().__init__(connection, "duckdb")

    def rows(self, query: str) -> list[tuple]:
        return self.connection.sql(query).fetchall()

    def names_of_tables(self) -> list[tuple[str, ...]] | None:
        found = "SELECT table_name FROM information_schema.tables ORDER BY table_name"
        return self.rows(found)

    def table(self, query: str, numbers: Sequence[str] = ()) -> ir.Table:
        relation = self.connection.sql(query)
        check_names("The query", relation.columns)
        if self.connection is engine().con:  # which cannot give rows while it takes them
            return copied(relation.to_arrow_table().to_reader())
        return copied(relation.to_arrow_reader())


class AdbcReader(DbapiReader):
    """Reads through an ADBC connection, which gives Arrow."""

    samples = True

    def columns(self, query: str) -> list[tuple[str, Any]]:
        with self._cursor() as cursor:
            if self.dialect == "postgresql":
                schema = cursor.adbc_execute_schema(query)
                return [(field.name, field.metadata[b"POSTGRESQL:type"].decode()) for field in schema]
            cursor.execute(f"SELECT * FROM ({query}) AS asked LIMIT 0")
            return [tuple(column[:2]) for column in cursor.description]

    def table(self, query: str, numbers: Sequence[str] = ()) -> ir.Table:
        with self._cursor() as cursor:
            cursor.execute(query)
            batches = cursor.fetch_record_batch()
            if SAMPLE not in batches.schema.names:
                check_names("The query", batches.schema.names)
                return copied(batches, numbers=numbers)
            return copied(batches, select=f"* EXCLUDE ({named(SAMPLE)})", where=f"{named(SAMPLE)} = 0")


class AlchemyReader(DbapiReader):
    """Reads through a SQLAlchemy connection, by whatever driver it has."""

    def rows(self, query: str) -> list[tuple]:
        with self._result(query) as result:
            return [tuple(row) for row in result.fetchall()]

    def columns(self, query: str) -> list[tuple[str, Any]]:
        with self._result(f"SELECT * FROM ({query}) AS asked LIMIT 0") as result:
            return [tuple(column[:2]) for column in result.cursor.description]

    def names_of_tables(self) -> list[tuple[str, ...]] | None:
        import sqlalchemy

        inspector = sqlalchemy.inspect(self.connection)
        return [(name,) for name in (*inspector.get_table_names(), *inspector.get_view_names())]

    def quoted(self, parts: Sequence[str]) -> str:
        return ".".join(map(self.connection.dialect.identifier_preparer.quote, parts))

    def table(self, query: str, numbers: Sequence[str] = ()) -> ir.Table:
        with self._result(query, stream_results=True, max_row_buffer=CHUNK) as result:
            names = list(result.keys())
            check_names("The query", names)
            return gathered(chunks_of(result.partitions(CHUNK), names), numbers=numbers)

    @contextmanager
    def _result(self, query: str, **options: Any) -> Iterator[Any]:
        # Without parameters a percent sign is one.
        with self.connection.exec_driver_sql(
            query, execution_options={"no_parameters": True, **options}
        ) as result:
            yield result


def _fetched(cursor: Any) -> Iterator[Sequence[tuple]]:
    while rows := cursor.fetchmany(CHUNK):
        yield rows


def _plain_rows() -> Any:
    from psycopg.rows import tuple_row

    return tuple_row
