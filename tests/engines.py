"""Other engines for tests: Spark in this process, and a temporary PostgreSQL server.

Compare features on all of them, by name or all features, in half a minute:

    .venv/bin/python tests/engines.py gap_median top_category
    .venv/bin/python tests/engines.py

In a test, with any pyarrow table or DataFrame of standard columns:

    equal_on_all_engines(sg.CADENCE, varied_events(), as_of="2024-09-01")

Tests skip where an engine is not installed, and fail with ``SEGKIT_ENGINES=required``. They are left to a later
run with ``SEGKIT_ENGINES=later``.
"""

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import segkit as sg
from segkit.analyse.features.sql import feature_sql
from segkit.collect.events import Events
from segkit.core.engine.connection import table_of
from segkit.core.schema import STANDARD

AS_OF = "2024-09-01 06:30:00.000001"
NOTHING = pd.DataFrame({"reason": [], "count": [], "example": []}).astype({"count": "int64"})
SCRIPTS = [
    *("apple", "Apple", "Äpfel", "äpfel", "zebra", "Zebra", "_", "-", "10", "9", "a b", "a-b", "ab"),
    *("e\u0301", "\u00e9", "ß", "ss", "ñ", "ł", "жук", "Жук", "日本", "中文", "한국", "العربية", "עברית"),
    *("\ufffd", "😀", "𐍈", " leading", "'", '"', "\\", "%"),
]
"""Words that sort differently by bytes, by language and as UTF-16."""

of_spark = [
    # PySpark 4.0 leaves the sockets of results to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket .*'127.0.0.1':ResourceWarning"),
]
"""Marks of tests that use Spark."""


def lacks(engine: str, why: str) -> None:
    """Skip the test, or fail it with ``SEGKIT_ENGINES=required``."""
    message = f"{engine} is not installed: {why}"
    if os.environ.get("SEGKIT_ENGINES") == "required":
        pytest.fail(message)
    pytest.skip(message)


def skip_if_later() -> None:
    if os.environ.get("SEGKIT_ENGINES") == "later":
        pytest.skip("left to a later run: SEGKIT_ENGINES=later")


@functools.cache
def spark_session():
    """Return a Spark session in local mode, in a zone that is not UTC, or skip the test."""
    skip_if_later()
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        lacks("Spark", str(error))
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        lacks("Spark", "there is no Java")
    folder = tempfile.mkdtemp(prefix="segkit-spark-")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        # The tests run many short plans: optimising their code costs more than it saves.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.local.dir": folder,
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": folder,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("segkit tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(session.stop)
    return session


@contextlib.contextmanager
def postgres_server():
    """Start a PostgreSQL server that sorts by English rules, and yield the URL of its database."""
    bin_folder = _postgres_folder()
    as_postgres = ["runuser", "-u", "postgres", "--"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    folder = tempfile.mkdtemp(prefix="segkit-postgres-")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = f"{folder}/data"
    settings = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c synchronous_commit=off -c jit=off"

    def run(program, *arguments):
        subprocess.run(
            [*as_postgres, f"{bin_folder}/{program}", *arguments],
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    if as_postgres:
        shutil.chown(folder, "postgres")
    try:
        english = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C", "-E", "UTF8"]
        run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", *english)
        run("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", settings, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_folder() -> Path:
    skip_if_later()
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    program = programs[-1] if programs else shutil.which("initdb")
    if not program:
        lacks("PostgreSQL", "initdb is neither on the path nor under /usr/lib/postgresql")
    return Path(program).parent


@functools.cache
def postgres_connection():
    """Return a connection to a server that runs until this process ends, or skip the test."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        lacks("PostgreSQL", str(error))
    ending = contextlib.ExitStack()
    atexit.register(ending.close)
    url = ending.enter_context(postgres_server())
    return ending.enter_context(dbapi.connect(url))


def standard(table) -> pa.Table:
    """Return a table with all standard columns in their types; columns that it lacks are empty."""
    table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    types = {"text": pa.string(), "number": pa.float64(), "time": pa.timestamp("us")}
    columns = {
        name: table[name].cast(types[what])
        if name in table.column_names
        else pa.nulls(len(table), types[what])
        for name, what in STANDARD.items()
    }
    return pa.table(columns)


def events_of(table) -> Events:
    """Return the events of a table in the embedded engine."""
    return Events(table_of(standard(table)), NOTHING, ("table",))


def spark_frame(table, session=None):
    """Return an Arrow table as a Spark DataFrame, read from a file."""
    session = session or spark_session()
    folder = tempfile.mkdtemp(prefix="segkit-spark-table-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pyarrow.parquet.write_table(table, f"{folder}/events.parquet")
    return session.read.parquet(f"{folder}/events.parquet")


def spark_events_of(table) -> Events:
    """Return the events of a table in Spark."""
    from segkit.collect.sources.open import open_source

    return Events(open_source(spark_frame(standard(table))).table, NOTHING, ("table",))


def duckdb_answers(features, table, *, as_of=AS_OF, window=None) -> pd.DataFrame:
    """Compute features in the embedded engine, with which the others are compared."""
    return sg.customer_features(events_of(table), features, as_of=as_of, window=window)


def spark_answers(features, table, *, as_of=AS_OF, window=None) -> pd.DataFrame:
    """Compute features in Spark."""
    return sg.customer_features(spark_events_of(table), features, as_of=as_of, window=window)


def postgres_answers(features, table, *, as_of=AS_OF, window=None) -> pd.DataFrame:
    """Compute features by their SQL in PostgreSQL."""
    connection = postgres_connection()
    from adbc_driver_postgresql import dbapi

    text = feature_sql(
        STANDARD, features, as_of=as_of, window=window, dialect="postgres", table="segkit_events"
    )
    with connection.cursor() as cursor:
        cursor.adbc_ingest("segkit_events", standard(table), mode="replace")
        cursor.execute("ANALYZE segkit_events")
        try:
            cursor.execute(text)
        except dbapi.Error as error:  # without the whole query
            raise AssertionError(str(error).partition("Query was:")[0]) from None
        return _frame(cursor.fetch_arrow_table())


def spark_sql_answers(features, table, *, as_of=AS_OF, window=None) -> pd.DataFrame:
    """Compute features by the SQL of Databricks in Spark, in a session of another zone."""
    text = feature_sql(
        STANDARD, features, as_of=as_of, window=window, dialect="databricks", table="segkit_events"
    )
    session = spark_session()
    spark_frame(standard(table)).createOrReplaceTempView("segkit_events")
    return _frame(session.sql(text).toArrow())


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas().set_index("customer_id").sort_index()


ANSWERS = {"spark": spark_answers, "postgres": postgres_answers}


def difference(ours: pd.Series, theirs: pd.Series) -> str:
    """Describe where two results of a feature differ by more than 1e-9; "" if nowhere."""
    if list(ours.index) != list(theirs.index):
        return f"{len(ours)} customers here and {len(theirs)} there"
    unlike = ours.isna() != theirs.isna()
    if pd.api.types.is_numeric_dtype(ours):
        ours, theirs = ours.astype("float64"), theirs.astype("float64")
        unlike |= (ours - theirs).abs() > 1e-9 * np.maximum(1, ours.abs())
    else:
        ours, theirs = ours.astype("object"), theirs.astype("object")
        unlike |= ours.notna() & (ours != theirs)
    if not unlike.any():
        return ""
    first = unlike.idxmax()
    return f"{unlike.sum()} of {len(ours)} customers; {first!r} has {ours[first]!r} here and {theirs[first]!r} there"


def equal_on_all_engines(features, table=None, *, as_of=AS_OF, window=None, engines=tuple(ANSWERS)) -> None:
    """Fail if an engine computes any of the features differently from the embedded one.

    Parameters
    ----------
    features : iterable of Feature
    table : pyarrow Table or DataFrame, optional
        Events with standard column names; :func:`varied_events` by default.
    as_of, window
        As in ``customer_features``.
    engines : iterable of {"spark", "postgres"}
    """
    features = tuple(features)
    table = varied_events() if table is None else table
    ours = duckdb_answers(features, table, as_of=as_of, window=window)
    unlike = []
    for engine in engines:
        theirs = ANSWERS[engine](features, table, as_of=as_of, window=window)
        different = {f.name: difference(ours[f.name], theirs[f.name]) for f in features}
        unlike += [f"{engine}: {name}: {what}" for name, what in different.items() if what]
    assert not unlike, "\n".join(unlike)


@functools.cache
def varied_events(n_customers: int = 120) -> pa.Table:
    """Return events of all kinds, with cases that engines might treat differently.

    These are ties between words of many scripts, missing values, lines without order ids, and times with microseconds,
    before 1970, at as_of itself, and in hours that clocks skip or repeat.
    """
    events, _ = sg.datasets.make_events(n_customers, start="2024-01-01", end="2024-10-01", random_state=3)
    rng = np.random.default_rng(4)
    made = standard(events.table.to_pyarrow()).to_pandas()
    n = len(made)
    made["timestamp"] += pd.to_timedelta(rng.integers(0, 1_000_000, n), unit="us")
    made["brand"] = rng.choice([*SCRIPTS, None], n)
    made["zone"] = rng.choice(["Europe/London", "Asia/Kolkata", "America/New_York", "UTC", None], n)
    made["place"] = np.where(rng.random(n) < 0.5, made["place"], rng.choice(PLACES, n))
    for column, share in {"order_id": 0.05, "product_id": 0.05, "category": 0.05, "quantity": 0.02}.items():
        made.loc[rng.random(n) < share, column] = None
    return pa.concat_tables([standard(made), standard(_by_hand())])


PLACES = [
    "51.5074, -0.1278",
    "40.7128,-74.006",
    "-33.8688, 151.2093",
    "0,0",
    "North",
    "nowhere, at all",
    "91,0",
    None,
]


def _by_hand() -> pd.DataFrame:
    lines = []
    for i, word in enumerate(SCRIPTS):
        for other in (word, SCRIPTS[i - 1], SCRIPTS[i - 2]):  # each as often as the others
            known = {"category": other, "brand": other, "page": other, "product_id": other, "device": other}
            known |= {"channel": other, "campaign": other, "place": other, "text": other}
            for kind in ("purchase", "page_view", "email_open", "review"):
                lines.append(
                    {"customer_id": f"tie {i}", "kind": kind, "amount": 1.005, "quantity": 1, **known}
                )
    moments = ["1969-12-31 23:59:59.999999", "1970-01-01", "2024-03-10 02:30", "2024-03-10 07:00:00.000001"]
    moments += ["2024-03-31 01:00", "2024-03-31 01:30", "2024-08-31 23:59:59.999999", AS_OF, "2024-12-31"]
    moments += ["2024-09-01 06:30", "2023-11-05 05:59:59.999999", "2023-11-05 06:00", "2024-02-29 12:00"]
    for i, moment in enumerate(moments):
        for kind in ("purchase", "page_view", "cart_add", "email_sent", "email_open", "chat", "survey"):
            for zone in ("America/New_York", "Europe/London", "Australia/Lord_Howe", None):
                line = {"customer_id": f"hour {i % 3}", "kind": kind, "timestamp": moment, "zone": zone}
                lines.append(
                    line | {"amount": 0.1 * i + 0.0000005, "quantity": i, "rating": i % 6, "duration": 1.5}
                )
    lines.append({"customer_id": "Zoë 😀", "kind": "purchase", "amount": 1e11 + 0.123456, "quantity": 1})
    lines.append({"customer_id": "Zoë 😀", "kind": "return", "amount": -1e11, "quantity": -1})
    lines.append({"customer_id": "only seen", "kind": "something else"})
    table = pd.DataFrame(lines)
    table["timestamp"] = pd.to_datetime(table["timestamp"].fillna("2024-05-05 12:00"), format="ISO8601")
    return table.astype({"timestamp": "datetime64[us]"})


def main(names: list[str]) -> int:
    """Compare the features of these names, or all; print what differs and the time taken."""
    features = sg.select_features(*names) if names else sg.FAMILIES
    engines = {**ANSWERS, "spark SQL": spark_sql_answers}
    engines = {name: engines[name] for name in os.environ.get("SEGKIT_ENGINE", ",".join(engines)).split(",")}
    table = varied_events()
    started = time.perf_counter()
    ours = duckdb_answers(features, table)
    print(f"duckdb: {len(features)} features of {len(ours)} customers, {time.perf_counter() - started:.1f} s")
    unlike = 0
    for engine, answer in engines.items():
        started = time.perf_counter()
        theirs = answer(features, table)
        different = {f.name: difference(ours[f.name], theirs[f.name]) for f in features}
        print(f"{engine}: {time.perf_counter() - started:.1f} s")
        for name, what in different.items():
            if what:
                unlike += 1
                print(f"  {name}: {what}")
    return int(unlike > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
