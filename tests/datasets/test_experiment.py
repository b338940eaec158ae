"""A simulated experiment: its shares and effects are those that it states."""

import numpy as np
import pandas as pd
import pytest

from segkit.datasets import make_experiment


def test_an_experiment_is_what_it_states():
    shop = make_experiment(100_000, holdout=0.2, random_state=3)
    assert (shop.arms == "held out").mean() == pytest.approx(0.2, abs=0.005)
    means = shop.outcomes["conversion"].groupby([shop.segments, shop.arms]).mean().unstack()
    assert (means["treated"] - means["held out"] - shop.effects["conversion"]).abs().max() < 0.02
    assert np.corrcoef(shop.before["conversion"], shop.outcomes["conversion"])[0, 1] > 0.2
    assert (shop.outcomes["spend"] > 0).equals(shop.outcomes["conversion"] == 1)
    again = make_experiment(100_000, holdout=0.2, random_state=3)
    pd.testing.assert_frame_equal(shop.outcomes, again.outcomes)
    assert not make_experiment(100, random_state=1).outcomes.equals(
        make_experiment(100, random_state=2).outcomes
    )


def test_wrong_settings_are_explained():
    for wrong, message in [
        ({"n_customers": 0}, "n_customers=0 should be a whole number"),
        ({"holdout": 1}, "holdout=1 should lie between 0 and 1"),
        ({"effect": -1}, "effect=-1 should lie between 0 and 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_experiment(**wrong)
