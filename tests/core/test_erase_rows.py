"""Rewriting a DuckDB file: who is gone from its bytes, and what stays."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.core.engine.erase_rows import erase_rows, ids_in
from segkit.core.id_search import IdSearch


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE log (customer_id VARCHAR, event_id VARCHAR UNIQUE, friend VARCHAR)")
        connection.execute(
            "INSERT INTO log SELECT 'customer-' || i % 100, 'e' || i, 'none' FROM range(5000) t(i)"
        )
        connection.execute('CREATE SCHEMA "other rooms"')
        connection.execute('CREATE TABLE "other rooms"."a ""b""" (Customer_ID BIGINT, note VARCHAR)')
        connection.execute("""INSERT INTO "other rooms"."a ""b""\" VALUES (7, 'x'), (8, 'y'), (NULL, 'z')""")
        connection.execute("CREATE TABLE outbox (payload VARCHAR)")
        connection.execute("INSERT INTO outbox VALUES ('to customer-17'), ('to customer-18'), (NULL)")
        connection.execute("CREATE VIEW orders AS SELECT customer_id FROM log")
    return path


def test_rows_leave_the_bytes_and_all_else_stays(file):
    also = {"outbox": "payload IN (SELECT 'to ' || id FROM hers)"}
    assert erase_rows(file, ["customer-17", "7", "nobody"], also) == 50 + 1 + 1
    assert IdSearch(["customer-17"]).found_in(file.read_bytes()) == set()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT count(*), min(event_id) FROM log").fetchall() == [(4950, "e0")]
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(4950,)]
        rest = connection.execute('SELECT note FROM "other rooms"."a ""b""" ORDER BY 1').fetchall()
        assert rest == [("y",), ("z",)]
        assert connection.execute("SELECT * FROM outbox").fetchall() == [("to customer-18",), (None,)]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO log VALUES ('new', 'e1', '')")


def test_a_file_without_them_is_not_written(file):
    before = file.read_bytes()
    assert erase_rows(file, ["nobody"]) == 0
    assert file.read_bytes() == before


def test_a_failure_leaves_the_file_as_it_was(file):
    before = file.read_bytes()
    with pytest.raises(duckdb.Error, match="no_such_column"):
        erase_rows(file, ["customer-17"], {"outbox": "no_such_column = 1"})
    assert file.read_bytes() == before and len(list(file.parent.iterdir())) == 1


def test_other_columns_are_searched(file):
    with duckdb.connect(file) as connection:
        connection.execute("UPDATE log SET friend = 'customer-17' WHERE event_id IN ('e1', 'e17')")
    everyone = ["customer-17", "customer-18", "8", "nobody"]
    search = IdSearch(everyone)
    assert ids_in(file, everyone, search) == set(everyone) - {"nobody"}
    erase_rows(file, ["customer-17", "8"])
    assert ids_in(file, everyone, search) == {"customer-17", "customer-18"}  # the first as a friend


WORDS = st.text("a1-. é<", min_size=1, max_size=5)


@given(st.lists(WORDS, min_size=1, max_size=4), st.text("a1-. é<", max_size=30))
def test_ids_are_found_where_no_word_goes_on(ids, text):
    def is_word(character):
        return character.isascii() and character.isalnum()

    expected = set()
    for sought in ids:
        at = [i for i in range(len(text)) if text.startswith(sought, i)]
        for start in at:
            end = start + len(sought)
            before = start > 0 and is_word(text[start - 1]) and is_word(sought[0])
            after = end < len(text) and is_word(sought[-1]) and is_word(text[end])
            if not (before or after) or not any(map(is_word, sought)):
                expected.add(sought)
    assert IdSearch(ids).found_in(text.encode()) == expected
