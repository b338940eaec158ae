"""Gamma–Gamma: simulated orders whose truth is known, and money that does not vary."""

import numpy as np
import pytest

from segkit.tailor.value.gamma_gamma import fit_gamma_gamma


def test_simulated_spend_is_recovered_and_predicted():
    rng = np.random.default_rng(0)
    x = rng.geometric(0.3, 20_000)
    own = 6 / rng.gamma(4.0, 1 / 15, 20_000)  # mean value of each customer's orders
    spend = rng.gamma(6.0 * x) / 6 * own / x
    fit = fit_gamma_gamma(x, spend)
    for name, truth in {"p": 6, "q": 4, "gamma": 15}.items():
        assert abs(getattr(fit, name) - truth) < 3.5 * fit.errors[name]
    expected = fit.expected(x, spend)
    for some in (x == 1, x > 4, spend < 10, spend > 80):
        assert own[some].mean() == pytest.approx(expected[some].mean(), rel=0.03)
    assert fit.mean == fit.expected([0], [0.0])[0] == pytest.approx(30, rel=0.02)
    pence = fit_gamma_gamma(x, 100 * spend)
    assert pence.expected(x, 100 * spend) == pytest.approx(100 * expected, rel=1e-4)
    assert pence.log_likelihood == pytest.approx(fit.log_likelihood - 20_000 * np.log(100), abs=1e-3)


def test_money_that_does_not_vary_is_said():
    same = fit_gamma_gamma([1, 2, 9], [5.0, 5, 5])
    assert same.expected([1, 2, 9, 0], [5, 5, 5, 0]) == pytest.approx([5] * 4, rel=1e-3)
    assert same.at_bound == (
        "orders of a customer do not differ in value; customers do not differ in what their orders are worth"
    )
    for x, spend in [([], []), ([1, 1], [2.0, 0.0]), ([1, 0], [2.0, 2.0]), ([1], [np.nan])]:
        with pytest.raises(ValueError, match="a mean spend above 0"):
            fit_gamma_gamma(x, spend)
