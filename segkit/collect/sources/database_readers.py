"""Ways to speak to a database: through DBAPI, another DuckDB, ADBC or SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from segkit.collect.sources.batches import chunks_of, copied, gathered
from segkit.collect.sources.source import check_names, named, printable
from segkit.collect.sources.sqlite import SAMPLE, NotUtf8, text_of
from segkit.core.engine.connection import engine, unique_name

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

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
    broken : int
        Rows left out of the last table, since their text is not UTF-8.
    broken_example : str
        One of them.
    """

    samples = False
    broken = 0
    broken_example = ""

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
            rows = _fetched(cursor)
            if self.dialect == "sqlite":  # whose text may be any bytes
                rows = self._in_utf8(rows, names)
            return gathered(chunks_of(rows, names), numbers=numbers)

    def _in_utf8(self, chunks: Iterator[Sequence[tuple]], names: Sequence[str]) -> Iterator[Sequence[tuple]]:
        """Give the rows whose text is all UTF-8, and count the others."""
        for rows in chunks:
            wrong = {i: j for i, row in enumerate(rows) for j, v in enumerate(row) if type(v) is NotUtf8}
            self._leave_out(len(wrong), [f"{names[j]}={rows[i][j]}" for i, j in wrong.items()])
            yield [row for i, row in enumerate(rows) if i not in wrong] if wrong else rows

    def _leave_out(self, count: int, examples: Sequence[str]) -> None:
        if count and not self.broken:
            self.broken_example = f"{printable(examples[0])[:60]} (not UTF-8)"
        self.broken += count

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
            self.connection.cursor(unique_name("cursor"), row_factory=_plain_rows()) as cursor,
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
        import pyarrow as pa

        with self._cursor() as cursor:
            cursor.execute(query)
            batches = cursor.fetch_record_batch()
            if self.dialect == "sqlite":
                batches = pa.RecordBatchReader.from_batches(batches.schema, self._batches_in_utf8(batches))
            if SAMPLE not in batches.schema.names:
                check_names("The query", batches.schema.names)
                return copied(batches, numbers=numbers)
            return copied(batches, select=f"* EXCLUDE ({named(SAMPLE)})", where=f"{named(SAMPLE)} = 0")

    def _batches_in_utf8(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Give the rows whose text is all UTF-8, and count the others."""
        import pyarrow as pa

        for batch in batches:
            try:
                batch.validate(full=True)
            except pa.ArrowInvalid:
                wrong = _rows_not_utf8(batch)
                self._leave_out(len(wrong), list(wrong.values()))
                batch = batch.filter(pa.array([i not in wrong for i in range(batch.num_rows)]))
            yield batch


def _rows_not_utf8(batch: pa.RecordBatch) -> dict[int, str]:
    """Return the numbers of the rows with text that is not UTF-8, and what stands there, read as Latin-1."""
    import pyarrow as pa

    wrong = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_string(field.type):
            for i, value in enumerate(column.view(pa.binary()).to_pylist()):
                if value is not None and type(text_of(value)) is NotUtf8:
                    wrong[i] = f"{field.name}={text_of(value)}"
    return wrong


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
