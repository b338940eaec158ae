"""Engagement made up for real orders: the same people, causes before effects, repeatable."""

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
def made(shop):
    engagement, truth = make_engagement(shop)
    return engagement.table.to_pandas(), truth


def test_every_kind_is_made_for_the_customers_that_there_are(shop, made):
    log, truth = made
    customers = set(shop.table.to_pandas()["customer_id"])
    assert set(log["kind"]) == set(OFFERED)
    assert set(truth.index) == customers >= set(log["customer_id"])


def test_nobody_is_active_before_the_day_of_their_first_order(shop, made):
    first = shop.table.to_pandas().groupby("customer_id")["timestamp"].min().dt.normalize()
    log = made[0]
    assert (log["timestamp"] >= log["customer_id"].map(first)).all()
    assert log["timestamp"].max() < shop.last.normalize() + pd.Timedelta(days=1)


def test_an_answer_names_a_real_order_that_came_before_it(shop, made):
    bought = shop.table.filter(shop.table.kind == "purchase").to_pandas()
    placed = bought.groupby("order_id")["timestamp"].min()
    answers = made[0][made[0]["kind"].isin(["survey", "chat"])]
    assert (answers["timestamp"] > answers["order_id"].map(placed)).all()


def test_the_same_seed_gives_the_same_events_in_any_order_of_orders(shop):
    again = purchases(
        *shop.table.filter(shop.table.kind == "purchase")
        .to_pandas()[["customer_id", "timestamp", "amount"]]
        .sample(frac=1, random_state=1)
        .itertuples(index=False)
    )
    plain = purchases(
        *shop.table.filter(shop.table.kind == "purchase")
        .to_pandas()[["customer_id", "timestamp", "amount"]]
        .itertuples(index=False)
    )
    one, _ = make_engagement(plain, kinds="email_open")
    two, _ = make_engagement(again, kinds="email_open")
    other, _ = make_engagement(plain, kinds="email_open", random_state=1)
    assert_frame_equal(one.table.to_pandas(), two.table.to_pandas())
    assert not one.table.to_pandas().equals(other.table.to_pandas())


def test_who_opens_more_is_told_by_the_truth(shop):
    keen = [Persona("keen", 0.5, opens=0.9), Persona("cold", 0.5, opens=0.05)]
    engagement, truth = make_engagement(shop, segments=keen, kinds=["email_sent", "email_open"])
    log = engagement.table.to_pandas()
    counts = log.groupby(["customer_id", "kind"]).size().unstack(fill_value=0)
    rate = counts["email_open"] / counts["email_sent"]
    means = rate.groupby(truth).mean()
    assert means["keen"] > 0.5 > 0.3 > means["cold"]


def test_kinds_may_be_asked_for_together(shop):
    engagement, _ = make_engagement(shop, kinds=["web", "survey"])
    assert set(engagement.kinds().index) == {"visit", "page_view", "search", "cart_add", "survey"}


def test_one_order_is_enough():
    _, truth = make_engagement(purchases(("ada", "2024-01-01 10:00", 5.0)))
    assert list(truth.index) == ["ada"]


def test_what_cannot_be_made_is_said(shop):
    with pytest.raises(ValueError, match="Did you mean 'survey'"):
        make_engagement(shop, kinds="surveys")
    with pytest.raises(ValueError, match="no purchase"):
        make_engagement(make_events(20, kinds="visit")[0])
