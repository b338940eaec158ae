"""Null data keep margins, rank correlations and missing values; tests/trust/test_structure.py tests the rest."""

import numpy as np
import pandas as pd

import segkit as sg
from segkit.trust.null_model import CopulaNull


def test_constant_and_unknown_features_stay():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"spend": rng.uniform(1, 5, 60), "same": 1.0, "unknown": np.nan})
    drawn = CopulaNull(customers, sg.make_preparer().fit(customers), rng).draw_customers(rng)
    assert drawn["unknown"].isna().all() and drawn["same"].eq(1).all()
    assert sorted(drawn["spend"]) == sorted(customers["spend"])


def test_groups_vanish_in_null_data():
    """Two groups along a diagonal: margins and rank correlation stay, the gap between the groups fills."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 8], 200)
    customers = pd.DataFrame({"a": rng.normal(size=400) + group, "b": rng.normal(size=400) - group})
    drawn = CopulaNull(customers, sg.make_preparer().fit(customers), rng).draw_customers(rng)
    for name in customers:
        assert sorted(drawn[name]) == sorted(customers[name])
    spearman = [table.corr(method="spearman").iloc[0, 1] for table in (customers, drawn)]
    assert abs(spearman[0] - spearman[1]) < 0.05
    across = [((table["a"] > 4) == (table["b"] > -4)).mean() for table in (customers, drawn)]
    assert across[0] == 0 and across[1] > 0.02
