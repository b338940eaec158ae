"""Null data sets keep values, missing patterns and rank correlations, and have no groups."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from simulated import CONTINUA, log_normal, missing_values, mixed_types

import segkit as sg
from segkit.trust.null_model import CopulaNull


def null_of(customers, seed=0):
    rng = np.random.default_rng(seed)
    return CopulaNull(customers, sg.make_preparer().fit(customers), rng), rng


def drawn_from(customers):
    """One null data set of these customers."""
    null, rng = null_of(customers)
    return null.draw_customers(rng)


@pytest.mark.parametrize("shop", [mixed_types, missing_values, CONTINUA["zero_inflated"]])
def test_keeps_every_value(shop):
    customers = shop(300, np.random.default_rng(0))
    null, rng = null_of(customers)
    drawn = null.draw_customers(rng)
    for name in customers.columns:
        ours, theirs = (t[name].astype("str").sort_values().to_list() for t in (drawn, customers))
        assert ours == theirs, name
        assert drawn[name].dtype == customers[name].dtype
    prepared = sg.make_preparer().fit_transform(customers)
    np.testing.assert_allclose(np.sort(null.draw(rng), axis=0), np.sort(prepared, axis=0))


def test_keeps_joint_gaps():
    customers = missing_values(400, np.random.default_rng(0))
    drawn = drawn_from(customers)
    assert drawn["b"].isna().equals(drawn["c"].isna())
    low = drawn["f"] < customers["f"].quantile(0.25)
    assert (drawn["b"].isna() == low).mean() > 0.9  # unknown where another feature is low, as in the real one


def test_keeps_rank_correlations():
    customers = CONTINUA["zero_inflated"](800, np.random.default_rng(0))
    null, rng = null_of(customers)
    wanted = spearmanr(customers).statistic
    got = np.mean([spearmanr(null.draw_customers(rng)).statistic for _ in range(30)], axis=0)
    np.testing.assert_allclose(got, wanted, atol=0.03)


def test_keeps_missing_patterns_apart():
    """Customers with one order have no gap, and their recency is their tenure: so it is in null data sets."""
    rng = np.random.default_rng(0)
    tenure = rng.uniform(10, 300, 300)
    once = np.arange(300) < 120
    customers = pd.DataFrame({"tenure": tenure, "recency": np.where(once, tenure, tenure * rng.random(300))})
    customers["gap"] = np.where(once, np.nan, rng.lognormal(size=300))
    drawn = drawn_from(customers)
    alone = drawn[drawn["gap"].isna()]
    assert len(alone) == 120 and np.abs(alone["tenure"] - alone["recency"]).mean() < 5
    for column in customers:
        assert sorted(drawn[column].dropna()) == sorted(customers[column].dropna())


def test_keeps_missing_patterns():
    rng = np.random.default_rng(1)
    customers = log_normal(200, rng).mask(rng.random((200, 6)) < 0.15)
    drawn = drawn_from(customers)
    patterns = [t.isna().apply(tuple, axis=1).value_counts().to_dict() for t in (customers, drawn)]
    assert patterns[0] == patterns[1] and len(patterns[0]) > 10


def test_constant_and_unknown_features_stay():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"spend": rng.uniform(1, 5, 60), "same": 1.0, "unknown": np.nan})
    drawn = drawn_from(customers)
    assert drawn["unknown"].isna().all() and drawn["same"].eq(1).all()
    assert sorted(drawn["spend"]) == sorted(customers["spend"])


def test_groups_vanish_in_null_data():
    """Two groups along a diagonal: margins and rank correlation stay, the gap between the groups fills."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 8], 200)
    customers = pd.DataFrame({"a": rng.normal(size=400) + group, "b": rng.normal(size=400) - group})
    drawn = drawn_from(customers)
    for name in customers:
        assert sorted(drawn[name]) == sorted(customers[name])
    spearman = [table.corr(method="spearman").iloc[0, 1] for table in (customers, drawn)]
    assert abs(spearman[0] - spearman[1]) < 0.05
    across = [((table["a"] > 4) == (table["b"] > -4)).mean() for table in (customers, drawn)]
    assert across[0] == 0 and across[1] > 0.02
