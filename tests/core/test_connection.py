"""The engine takes little memory for a query, and gives it back."""

import duckdb
import pytest

from segkit.core.engine.connection import create, give_back, memory_limited, run, run_to_arrow, unique_name


def limit() -> str:
    return run("SELECT current_setting('memory_limit')")[0][0]


@pytest.fixture
def groups():
    """A query that keeps 200,000 partial results."""
    rows = create(unique_name("numbers"), "SELECT n, n::text AS word FROM range(200_000) numbers(n)")
    return rows.group_by("word").agg(n=rows.n.max()).agg(total=lambda groups: groups.n.sum())


def test_limit_comes_back_after_an_error():
    before = limit()
    with pytest.raises(ZeroDivisionError), memory_limited(50):
        assert limit() == "47.6 MiB"
        1 / 0  # noqa: B018
    assert limit() == before


def test_limit_stays_however_often_memory_is_given_back():
    before = limit()
    for _ in range(5):
        give_back()
    assert limit() == before


def test_no_limit_stays_none():
    before = limit()
    try:
        run("SET memory_limit = '-1'")
        none = limit()
        with memory_limited(50):
            assert limit() == "47.6 MiB"
        give_back()
        assert limit() == none
    finally:
        run(f"SET memory_limit = '{before}'")


def test_lower_limit_of_the_user_stays():
    before = limit()
    try:
        run("SET memory_limit = '30MB'")
        with memory_limited(50):
            assert limit() == "28.6 MiB"
        with memory_limited(None):
            assert limit() == "28.6 MiB"
        assert limit() == "28.6 MiB"
    finally:
        run(f"SET memory_limit = '{before}'")


def test_query_that_needs_more_gets_more(groups):
    with pytest.raises(duckdb.OutOfMemoryException), memory_limited(1):
        groups.to_pyarrow()
    before = limit()
    assert run_to_arrow(groups, "Adding", megabytes=1).to_pydict() == {"total": [199_999 * 100_000]}
    assert limit() == before
