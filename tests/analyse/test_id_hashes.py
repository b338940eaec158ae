"""DuckDB groups by hashes of ids; where two ids share one, results are still those of the ids."""

import functools

import ibis
import pandas as pd
import pytest
import sqlglot
from by_hand import AS_OF
from pandas.testing import assert_frame_equal

import segkit as sg
from segkit.analyse.features import id_hashes
from segkit.analyse.features.query import feature_query
from segkit.core.engine import connection, event_cache
from segkit.datasets import make_events

CHOSEN = (
    sg.RFM + sg.CADENCE + sg.select_features("variety", "return_rate", "top_product", "top_product_share")
)
DATES = ["2024-03-01", AS_OF]


@pytest.fixture(scope="module")
def events():
    return make_events(12)[0]


@pytest.fixture
def sharing(monkeypatch):
    """Let all ids of one column or of both share three codes."""
    real = id_hashes.codes_of

    def share(*columns):
        def few(text):
            of = "customer_id" if text.get_name() == "customer_id" else "product_id"
            return real(text) % 3 if of in columns else real(text)

        monkeypatch.setattr(id_hashes, "codes_of", few)
        monkeypatch.setattr(event_cache, "codes_of", few)

    return share


@functools.cache
def by_ids(events):
    query = feature_query(events, CHOSEN, as_of=pd.Timestamp(AS_OF))
    return query.to_pyarrow().to_pandas().set_index("customer_id").sort_index()


@functools.cache
def history_by_ids(events):
    return sg.snapshots(events, CHOSEN, dates=DATES)


@pytest.mark.parametrize("columns", [(), ("customer_id",), ("product_id",), ("customer_id", "product_id")])
def test_results_are_those_of_ids(events, sharing, columns):
    expected, history = by_ids(events), history_by_ids(events)
    sharing(*columns)
    answer = sg.customer_features(events, CHOSEN, as_of=AS_OF)
    assert_frame_equal(
        answer.astype({"top_product": "str"}),
        expected.astype({"top_product": "str"}),
        check_names=False,
        check_index_type=False,
    )
    assert_frame_equal(sg.snapshots(events, CHOSEN, dates=DATES), history)


@pytest.mark.parametrize("columns", [("customer_id",), ("product_id",)])
def test_shared_codes_would_matter(events, sharing, columns):
    sharing(*columns)
    coded = feature_query(events, CHOSEN, as_of=pd.Timestamp(AS_OF), coded=True).to_pyarrow().to_pandas()
    columns_alike = coded.set_index("customer_id").sort_index()[["frequency", "variety"]]
    assert not columns_alike.equals(by_ids(events)[["frequency", "variety"]])


def test_names_of_codes_are_reserved():
    for name in ("customer_code", "codes_met"):
        with pytest.raises(ValueError, match="the query itself uses"):
            sg.Feature(name, lambda orders: orders.count(), "orders", "Orders.")


def test_cheap_steps_are_read_again(events):
    """Results are those of Ibis."""
    t = events.table
    bought = t.filter(t.kind == "purchase").select("customer_id", "amount")
    spent = bought.group_by("customer_id").agg(spent=bought.amount.sum())
    top, rest = (
        spent.filter(spent.spent > spent.spent.mean()),
        bought.group_by("customer_id").agg(n=bought.count()),
    )
    query = rest.left_join(top, "customer_id").mutate(nothing=ibis.null()).order_by("customer_id")
    assert connection.run_to_arrow(query, "Asking").equals(query.to_pyarrow())
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlglot.exp.Select, "sql", noted(sent))
        connection.run_to_arrow(query, "Asking")
    steps = {step.alias: step for step in sent[-1].ctes}
    assert {step.args.get("materialized") for step in steps.values()} == {False, None}
    for step in steps.values():
        costly = any(step.find(kind) for kind in (sqlglot.exp.AggFunc, sqlglot.exp.Window, sqlglot.exp.Join))
        assert step.args.get("materialized") is (None if costly else False)


def noted(sent):
    """Note the queries that are written as SQL."""
    real = sqlglot.exp.Select.sql

    def sql(self, *args, **options):
        sent.append(self)
        return real(self, *args, **options)

    return sql
