"""Properties that hold for any events and any customers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from tables import event_tables
from threadpoolctl import threadpool_limits

import segkit as sg
from segkit.analyse.features.catalogue import FAMILIES
from segkit.core.engine.connection import engine
from segkit.datasets import make_events

moments = st.builds(
    lambda steps, minutes: pd.Timestamp("2024-01-01") + pd.Timedelta(hours=6 * steps, minutes=minutes),
    st.integers(1, 6) | st.integers(1, 2000),
    st.sampled_from([0, 0.5, 10]),
)
windows = st.sampled_from([None, "5 days", "200 days"])
all_features = settings(max_examples=settings.default.max_examples // 2)  # each example takes some seconds
AFTER = pd.Timestamp("2026-01-01")
pytestmark = pytest.mark.filterwarnings("ignore:as_of=")  # the tables may end long before
MADE = (
    *sg.path_feature("cart_add", "purchase", within="1 day"),
    *sg.path_feature("search", "page_view", "purchase", within="7 days", without="chat"),
    *sg.path_feature("purchase", "purchase", within="30 days"),
    *sg.path_feature("purchase", without=("chat", "return"), within="7 days"),
    sg.distance_feature(51.5, -0.1),
    sg.distance_feature(51.5, -0.1, name="last_distance", of="last"),
)
"""Features with arguments, of each sort."""


def features(events, as_of=AFTER, window=None):
    """Return every feature that segkit has, categories as text."""
    frame = sg.customer_features(events, FAMILIES + MADE, as_of=as_of, window=window)
    return frame.astype(dict.fromkeys(frame.select_dtypes("category"), "str"))


def same(left, right):
    assert_frame_equal(left, right, check_exact=True)


@all_features
@given(table=event_tables, as_of=moments, window=windows)
def test_features_never_see_the_future(table, as_of, window):
    past = table[table["timestamp"] < as_of]
    seen = past if window is None else past[past["timestamp"] >= as_of - pd.Timedelta(window)]
    assume(len(seen))
    same(features(sg.read_events(table), as_of, window), features(sg.read_events(seen), as_of))


@all_features
@given(table=event_tables, others=event_tables, seed=st.integers(0, 99), at=st.floats(0.1, 0.9))
def test_features_depend_on_own_events_only(table, others, seed, at):
    """Not on the order of rows, the files they come from, the names of columns, or other customers."""
    assume(len(table) > 1)
    others = others.assign(customer_id="other " + others["customer_id"])
    mixed = pd.concat([others, table]).sample(frac=1, random_state=seed)
    renamed = mixed.rename(columns=lambda c: f"our {c}'s")
    names = {c: f"our {c}'s" for c in table.columns if c != "kind"}
    cut = min(max(int(len(mixed) * at), 1), len(mixed) - 1)
    events = sg.read_events(renamed.iloc[:cut], kind_column="our kind's", **names)
    expected = features(sg.read_events(table))
    same(expected, features(events + sg.read_events(mixed.iloc[cut:])).loc[expected.index])


dirty = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob", " bob ", None, "", "nan", "x" * 300]),
        st.sampled_from(
            ["2024-01-01", "2024-01-01T10:00+02:00", "31/12/2024", None, "", "1800-01-01", "soon"]
        ),
        st.sampled_from(["purchase", "return", "visit", None, ""]),
        st.sampled_from(["1", "-2.5", "inf", "-inf", "nan", "many", "", None, "1e15"]),
        st.sampled_from(["1", "x", None]),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: pd.DataFrame(rows, columns=["customer_id", "timestamp", "kind", "amount", "quantity"]))


@settings(max_examples=15)
@given(table=dirty, duplicates=st.sampled_from(["keep", "refuse"]))
def test_rows_are_events_or_refused(table, duplicates):
    try:
        events = sg.read_events(table, duplicates=duplicates)
    except ValueError as error:
        assert "No row of the DataFrame can be used" in str(error)
        return
    used = events.table.to_pandas()
    assert len(used) + events.refused["count"].sum() == len(table)
    assert events.refused["count"].gt(0).all() and events.refused["reason"].is_unique
    assert used[["customer_id", "timestamp", "kind"]].notna().all(axis=None)
    assert np.isfinite(used["amount"].dropna()).all()


numbers = st.sampled_from([0.0, 1.0, 2.0, 5.0, 40.0, 1e6]) | st.just(float("nan"))
ids = st.sampled_from([*"abcdefgh", "é", "<b>", "10", "9", "a.b", "o'n", " "])


@st.composite
def customer_tables(draw):
    index = draw(st.lists(ids, min_size=4, max_size=15, unique=True))
    rows = [draw(st.lists(numbers, min_size=3, max_size=3)) for _ in index]
    return pd.DataFrame(rows, columns=["a", "b", "c"], index=pd.Index(index, dtype="str"))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
@pytest.mark.filterwarnings("ignore:.* the same for all customers and left out")
@pytest.mark.filterwarnings("ignore:Of 2 segments only 1 holds customers")
@settings(max_examples=20)
@given(customers=customer_tables(), seed=st.integers(0, 9))
def test_segments_ignore_order_of_customers(method, customers, seed):
    try:
        result = sg.segment(customers, n_segments=2, method=method)
    except ValueError as error:
        assert "differ in these features" in str(error)
        return
    assert result.labels.index.equals(customers.index)
    assert set(result.labels) <= {0, 1}
    shuffled = customers.sample(frac=1, random_state=seed)
    again = sg.segment(shuffled, n_segments=2, method=method)
    assert_series_equal(again.labels.loc[customers.index], result.labels)
    assert again.provenance["hash"] == result.provenance["hash"]
    assert_series_equal(result.assign(customers), result.labels)
    newcomers = shuffled.fillna(3.0) * 1.5
    together = result.assign(newcomers)
    for i in newcomers.index:
        assert result.assign(newcomers.loc[[i]]).loc[i] == together.loc[i]


@pytest.mark.parametrize("orders", [4, pytest.param(20, marks=pytest.mark.simulation)])
def test_same_data_same_answer(orders, tmp_path):
    """From the same events in several orders of rows, on one thread and on two."""
    table = make_events(300, kinds=["purchase", "return"])[0].table.to_pandas()
    chosen = sg.RFM + sg.CADENCE + sg.BASKET + sg.TREND
    path, methods = tmp_path / "events.csv", ("kmeans", "gaussian_mixture", "mixed_mixture", "ward")
    answers, threads = set(), engine().raw_sql("SELECT current_setting('threads')").fetchone()[0]
    try:
        for seed in range(orders):
            engine().raw_sql(f"SET threads = {1 + seed % 2}")
            table.sample(frac=1, random_state=seed).to_csv(path, index=False)  # a file: read by that engine
            with threadpool_limits(limits=1 + seed % 2):
                events = sg.read_events(path)
                customers = sg.customer_features(events, chosen, as_of="2025-01-01")
                mixed = customers.sample(frac=1, random_state=seed)
                for method in methods:
                    result = sg.segment(mixed, n_segments=5, method=method)
                    labels = tuple(result.labels.sort_index())
                    answers.add((method, labels, result.provenance["hash"]))
    finally:
        engine().raw_sql(f"SET threads = {threads}")
    assert len(answers) == len(methods)
