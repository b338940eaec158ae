"""What customers are predicted to bring: the parts of the value, and logs that cannot say."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tables import purchases

import segkit as sg
from segkit.tailor.value.buy_till_you_die import BuyTillYouDie
from segkit.tailor.value.gamma_gamma import GammaGamma
from segkit.tailor.value.order_history import order_history

AS_OF = "2024-10-01"


@functools.cache
def shop(n=400, seed=0, amount=None):
    """Orders of customers who leave with a chance of 0.15 after each, January to September 2024."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        now, rate, worth = rng.uniform(0, 260), rng.gamma(1, 1 / 20), rng.gamma(4.0) * 10
        while now < 274:
            lines.append(
                (f"c{i:03}", pd.Timestamp("2024-01-01") + pd.Timedelta(days=now), rng.gamma(5.0) * worth)
            )
            now = 999 if rng.random() < 0.15 else now + rng.exponential(1 / rate)
    table = pd.DataFrame(lines, columns=["customer_id", "timestamp", "amount"])
    return table.assign(amount=table["amount"] if amount is None else amount)


@functools.cache
def read(**more):
    return sg.read_events(shop(**more), kind="purchase")


def valued(table=None, **more):
    events = read() if table is None else sg.read_events(table, kind="purchase")
    return sg.customer_value(events, **{"as_of": AS_OF, "horizon": "60 days"} | more)


def test_value_is_orders_times_their_value():
    """Every column is recomputed from the parameters in attrs; rows in another order give the same."""
    table = valued(margin=0.4)
    history = order_history(read(), AS_OF)
    said = table.attrs["segkit"]
    model, money = (
        {k: v for k, v in said[part].items() if k in ("kind", "r", "alpha", "a", "b", "p", "q", "gamma")}
        for part in ("model", "money")
    )
    fit, spend = (
        BuyTillYouDie(**model, errors={}, log_likelihood=0),
        GammaGamma(**money, errors={}, log_likelihood=0),
    )
    times = history["x"], history["t_x"], history["T"]
    assert table["p_alive"].to_numpy() == pytest.approx(fit.p_alive(*times))
    assert table["orders"].to_numpy() == pytest.approx(fit.expected_orders(*times, 60))
    each = spend.expected(history["orders"], history["spend"] / history["orders"])
    assert table["order_value"].to_numpy() == pytest.approx(each)
    assert table["value"].to_numpy() == pytest.approx(table["orders"] * each * 0.4)
    assert set(said["model"]["errors"]) == {"r", "alpha", "a", "b"} and set(said["money"]["errors"]) == {
        "p",
        "q",
        "gamma",
    }
    assert any(
        note.startswith("how much and how often customers buy are nearly independent")
        for note in said["notes"]
    )
    assert_frame_equal(valued(shop().sample(frac=1, random_state=1), margin=0.4), table)


def test_discounting_counts_when_orders_come():
    """Against a sum over quarters of days."""
    table = valued(discount_rate=0.5)
    said = table.attrs["segkit"]["model"]
    fit = BuyTillYouDie(*(said[k] for k in ("kind", "r", "alpha", "a", "b")), errors={}, log_likelihood=0)
    history = order_history(read(), AS_OF).head(3)
    ends = np.linspace(0, 60, 241)
    total = sum(
        (
            fit.expected_orders(history["x"], history["t_x"], history["T"], b)
            - (fit.expected_orders(history["x"], history["t_x"], history["T"], a) if a else 0)
        )
        * 1.5 ** (-(a + b) / 2 / 365)
        for a, b in itertools.pairwise(ends)
    )
    assert (table["value"] / table["order_value"]).head(3).to_numpy() == pytest.approx(total, rel=1e-6)
    assert (table["value"] < table["orders"] * table["order_value"]).all()


def test_chance_of_an_order_says_where_it_comes_from():
    learned, modelled = valued(horizon="60 days"), valued(horizon="200 days")
    assert set(learned["p_order_from"]) == {"orders of an earlier period"}
    assert set(modelled["p_order_from"]) == {modelled.attrs["segkit"]["model"]["kind"]}
    assert (modelled["p_order"] <= modelled["p_alive"]).all() and learned["p_order"].between(0, 1).all()
    assert (modelled["p_order"] <= modelled["orders"] + 1e-12).all()


def test_spend_of_nothing_is_kept_in_orders():
    """A negative purchase is a return, so no order; a free one is an order, but not in Gamma–Gamma."""
    table = shop().copy()
    sizes = table.groupby("customer_id").size()
    free, returned = sizes[sizes == 3].index[0], sizes[sizes == 4].index[0]
    table.loc[table["customer_id"] == free, "amount"] = 0
    last = table.index[table["customer_id"] == returned][-1]
    table.loc[last, "amount"] = -5
    found, without = valued(table), valued(table.drop(index=last))
    said = found.attrs["segkit"]
    assert said["money"]["left_out"] == 1 and said["money"]["customers"] == len(sizes) - 1
    assert "1 customer whose orders sum to 0 is not in Gamma–Gamma" in " ".join(said["notes"])
    assert found["orders"].equals(without["orders"])
    assert found.loc[free, "order_value"] == found["order_value"][sizes[sizes == 3].index].min() > 0


def test_equal_spend_and_no_spend():
    same = valued(shop(amount=20.0))
    assert same["order_value"].to_numpy() == pytest.approx(20, rel=1e-3)
    notes = " ".join(same.attrs["segkit"]["notes"])
    assert "orders of a customer do not differ in value" in notes and "cannot be seen" in notes
    unknown = valued(shop().drop(columns="amount"))
    assert unknown[["order_value", "value"]].isna().all(axis=None) and unknown["orders"].notna().all()
    assert "the log knows no amounts, so there are no values" in unknown.attrs["segkit"]["notes"]
    free = valued(shop(amount=0.0))
    assert free["value"].isna().all() and "no order has a value above 0" in free.attrs["segkit"]["notes"][-1]


def test_dependence_and_returns_are_said():
    table = shop().copy()
    table["amount"] *= table.groupby("customer_id")["amount"].transform("size")
    back = table.groupby("customer_id").head(1).assign(amount=-10.0, kind="return")
    both = pd.concat([table.assign(kind="purchase"), back])
    found = sg.customer_value(sg.read_events(both), as_of=AS_OF, horizon="60 days")
    notes = " ".join(found.attrs["segkit"]["notes"])
    assert "customers who order more often spend more an order" in notes
    share = 100 * 10 * len(back) / table["amount"].sum()
    assert f"returns, which values do not know, are {share:.1f} % of the spend" in notes
    assert found["orders"].equals(valued(table)["orders"])


def test_logs_that_cannot_say():
    once = purchases(*[(f"c{i}", f"2024-01-0{i}", 5.0) for i in range(1, 9)])
    with pytest.raises(ValueError, match="None of the 8 customers ordered a second time"):
        sg.customer_value(once, as_of="2024-02-01", horizon="10 days")
    with pytest.raises(ValueError, match="no purchases: it holds visit"):
        seen = pd.DataFrame({"customer_id": ["a"], "timestamp": ["2024-01-01"]})
        sg.customer_value(sg.read_events(seen, kind="visit"), as_of=AS_OF)
    with pytest.warns(UserWarning, match="horizon=365 days is longer than the log, which holds 27. days"):
        valued(horizon="365 days")
    with pytest.warns(UserWarning, match="31 days after the last order of the log.*Say as_of='2024-10-01'"):
        valued(as_of="2024-11-01")
    for wrong, words in [
        ({"margin": 30}, "margin=30 should be the share"),
        ({"margin": True}, "margin=True"),
        ({"discount_rate": -0.1}, "discount_rate=-0.1 should be a rate"),
        ({"discount_rate": float("nan")}, "discount_rate=nan"),
        ({"model": "BGNBD"}, "model='BGNBD' is not known. Did you mean 'BG/NBD'?"),
        ({"horizon": "soon"}, "horizon='soon' is not a span"),
    ]:
        with pytest.raises(ValueError, match=words.replace("?", r"\?")):
            valued(**wrong)
