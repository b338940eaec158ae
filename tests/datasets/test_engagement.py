"""Simulated engagement with real orders: the same customers, causes before effects, repeatable."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tables import purchases

from segkit.datasets import Persona, make_engagement, make_events
from segkit.datasets.engagement import OFFERED


@pytest.fixture(scope="module")
def shop():
    return make_events(200, kinds=["purchase", "return"])[0]


@pytest.fixture(scope="module")
def bought(shop):
    return shop.table.filter(shop.table.kind == "purchase").to_pandas()


@pytest.fixture(scope="module")
def engagement(shop):
    events, truth = make_engagement(shop)
    return events.table.to_pandas(), truth


@pytest.fixture(scope="module")
def log(engagement):
    return engagement[0]


def test_every_kind_for_every_customer(bought, engagement):
    log, truth = engagement
    customers = set(bought["customer_id"])
    assert set(log["kind"]) == set(OFFERED)
    assert set(truth.index) == customers >= set(log["customer_id"])


def test_no_event_before_the_first_order(shop, bought, log):
    first = bought.groupby("customer_id")["timestamp"].min().dt.normalize()
    assert (log["timestamp"] >= log["customer_id"].map(first)).all()
    assert log["timestamp"].max() < shop.last.normalize() + pd.Timedelta(days=1)


def test_answers_follow_real_orders(bought, log):
    placed = bought.groupby("order_id")["timestamp"].min()
    answers = log[log["kind"].isin(["survey", "chat"])]
    assert (answers["timestamp"] > answers["order_id"].map(placed)).all()


def test_seed_fixes_the_events(bought):
    """The order of the orders does not matter."""
    lines = bought[["customer_id", "timestamp", "amount"]].head(2000)
    plain, shuffled = (
        purchases(*table.itertuples(index=False)) for table in (lines, lines.sample(frac=1, random_state=1))
    )
    one, _ = make_engagement(plain, kinds="email_open")
    two, _ = make_engagement(shuffled, kinds="email_open")
    other, _ = make_engagement(plain, kinds="email_open", random_state=1)
    assert_frame_equal(one.table.to_pandas(), two.table.to_pandas())
    assert not one.table.to_pandas().equals(other.table.to_pandas())


def test_personas_open_differently(shop):
    keen = [Persona("keen", 0.5, opens=0.9), Persona("cold", 0.5, opens=0.05)]
    events, truth = make_engagement(shop, segments=keen, kinds=["email_sent", "email_open"])
    log = events.table.to_pandas()
    counts = log.groupby(["customer_id", "kind"]).size().unstack(fill_value=0)
    rate = counts["email_open"] / counts["email_sent"]
    means = rate.groupby(truth).mean()
    assert means["keen"] > 0.5 > 0.3 > means["cold"]


def test_groups_of_kinds(shop):
    events, _ = make_engagement(shop, kinds=["web", "survey"])
    assert set(events.kinds().index) == {"visit", "page_view", "search", "cart_add", "survey"}


def test_one_order_is_enough():
    _, truth = make_engagement(purchases(("ada", "2024-01-01 10:00", 5.0)))
    assert list(truth.index) == ["ada"]


def test_wrong_engagement(shop):
    with pytest.raises(ValueError, match="Did you mean 'survey'"):
        make_engagement(shop, kinds="surveys")
    with pytest.raises(ValueError, match="kinds is empty"):
        make_engagement(shop, kinds=[])
    with pytest.raises(ValueError, match="no purchase"):
        make_engagement(make_events(20, kinds="visit")[0])
