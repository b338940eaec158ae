"""BG/NBD and MBG/NBD: published estimates, quadrature, and simulated shops whose truth is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln
from shared_data import shared

import segkit as sg
from segkit.tailor.value import buy_till_you_die as models
from segkit.tailor.value.buy_till_you_die import BuyTillYouDie, fit_buy_till_you_die
from segkit.tailor.value.order_history import order_history

PUBLISHED = {  # Platzer, vignette of BTYDplus
    "BG/NBD": ([0.349, 2.581, 0.504, 3.644], -15837),
    "MBG/NBD": ([1.257, 6.039, 0.368, 0.716], -15782),
}


def simulated(kind, n=20_000, r=0.6, alpha=30.0, a=0.8, b=2.5, ahead=200.0, seed=0):
    """Follow customers from their first order on, order by order; return x, t_x, T and their later orders."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(1, 400, n)
    rate, leaves = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, t_x, later, now = np.zeros((4, n))
    alive = rng.random(n) >= leaves if kind == "MBG/NBD" else np.ones(n, dtype=bool)
    while alive.any():
        who = np.flatnonzero(alive)
        now[who] += rng.exponential(1 / rate[who])
        before, after = now[who] < T[who], (now[who] >= T[who]) & (now[who] < T[who] + ahead)
        x[who[before]] += 1
        t_x[who[before]] = now[who[before]]
        later[who[after]] += 1
        alive[who] = (before | after) & (rng.random(len(who)) >= leaves[who])
    return x, t_x, T, later


def by_quadrature(r, alpha, a, b, x, T, t):
    """Integrate over the chance to leave, by its logit."""

    def integrand(v):
        log_p, log_rest = -np.logaddexp(0, -v), -np.logaddexp(0, v)
        orders = -np.expm1(-(r + x) * np.log1p(np.exp(log_p) * t / (alpha + T)))
        return orders * np.exp((a - 1) * log_p + (b + x) * log_rest - betaln(a, b + x))

    ends = itertools.pairwise([-300, -60, -30, -20, -15, -10, -7, -4, -2, 0, 2, 5, 20, 60])
    return sum(quad(integrand, *e, epsabs=1e-13, epsrel=1e-10, limit=400)[0] for e in ends)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_estimates_of_grocery_elog(kind):
    log = shared("grocery_elog") / "grocery_elog.csv"
    events = sg.read_events(log, kind="purchase", customer_id="cust", timestamp="date")
    # The published counts include 31 December, and measure up to its beginning.
    history = order_history(events, pd.Timestamp("2006-12-31 00:00:00.000001"))
    weeks = history["x"].to_numpy(), history["t_x"].to_numpy() / 7, history["T"].to_numpy() / 7
    fit = fit_buy_till_you_die(*weeks, kind)
    estimates, log_likelihood = PUBLISHED[kind]
    assert [fit.r, fit.alpha, fit.a, fit.b] == pytest.approx(estimates, abs=0.003)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=0.6)
    histories = models._Histories.of(*map(np.asarray, weeks))
    for start in ([-2.0, 1, -1, 2], [2.0, 2, 2, 2], [-3.0, -3, -3, -3]):
        logs, _ = models._minimum(models._Likelihood(kind, histories), np.array(start))
        again = np.exp(logs) * [1, histories.unit, 1, 1]
        assert again == pytest.approx([fit.r, fit.alpha, fit.a, fit.b], abs=1e-4)
    assert fit_buy_till_you_die(*weeks).kind == "MBG/NBD"
    days = fit_buy_till_you_die(*history[["x", "t_x", "T"]].to_numpy().T, kind)
    assert days.alpha == pytest.approx(7 * fit.alpha, rel=1e-5)
    assert days.errors["alpha"] == pytest.approx(7 * fit.errors["alpha"], rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "r"),
    [
        *((0.2, 0.7, 0.35), (0.2, 3, 0.35), (1, 3.6, 0.35), (1, 0.5, 2)),
        *((1.5, 3, 0.35), (1.00001, 2, 0.3), (0.3, 0.7, 0.3), (3, 3, 1)),
    ],
)
def test_expected_orders_equal_quadrature(a, b, r):
    """Also where the textbook form is nan: many orders, a = 1, a + b = 1, and where hyp2f1 gives up."""
    x, T = np.repeat([0.0, 1, 20, 1000, 20_000], 3), np.tile([0.01, 100, 900], 5)
    for t in (7.0, 365):
        for ahead, kind in enumerate(models.MODELS):
            model = BuyTillYouDie(kind, r, 18.0, a, b, {}, 0)
            found = model.expected_orders(x, T, T, t) / model.p_alive(x, T, T)
            # MBG/NBD is BG/NBD with one more chance to leave, so with b + 1.
            exact = [by_quadrature(r, 18, a, b + ahead, *history, t) for history in zip(x, T, strict=True)]
            assert found == pytest.approx(exact, rel=1e-8, abs=0)
            inside = models._mean_orders(a, b + x + ahead, r + x, t / (18 + T))
            assert inside == pytest.approx(exact, rel=1e-8, abs=0)


def test_extreme_parameters_stay_finite():
    """At bounds too, where no dropout or only dropout can be seen."""
    x, T = np.repeat([0.0, 3, 20_000], 3), np.tile([0.01, 100, 900], 3)
    for kind in models.MODELS:
        for a, b in [(1e-4, 1e4), (1e3, 1e4), (1e3, 1e-4), (1e-4, 1e-4), (0.5, 1e4), (0.4, 0.6)]:
            model = BuyTillYouDie(kind, 0.3, 9.0, a, b, {}, 0)
            orders = model.expected_orders(x, T * 0.7, T, 3000)
            assert ((orders >= 0) & (orders <= (0.3 + x) / (9 + T) * 3000 * 1.000001)).all()


@pytest.mark.parametrize("kind", models.MODELS)
def test_simulated_shops_are_recovered_and_predicted(kind):
    x, t_x, T, later = simulated(kind)
    fit = fit_buy_till_you_die(x, t_x, T)
    assert fit.kind == kind and fit.at_bound == ""
    for name, truth in {"r": 0.6, "alpha": 30, "a": 0.8, "b": 2.5}.items():
        assert abs(getattr(fit, name) - truth) < 3.5 * fit.errors[name]
    orders, chance = fit.expected_orders(x, t_x, T, 200), fit.p_order(x, t_x, T, 200)
    drawn = fit.draw_orders(x, t_x, T, 200, np.random.default_rng(1))
    for some in (x == 0, x == 1, x > 4, t_x < T / 2):
        error = later[some].std() / np.sqrt(some.sum())
        assert abs(later[some].mean() - orders[some].mean()) < 3.5 * error
        assert abs(drawn[some].mean() - orders[some].mean()) < 3.5 * error
        assert (later[some] > 0).mean() == pytest.approx(chance[some].mean(), abs=0.02)


def test_an_answer_does_not_depend_on_the_others():
    x, t_x, T, _ = simulated("BG/NBD", n=3000)
    fit = fit_buy_till_you_die(x, t_x, T)
    shuffled = np.random.default_rng(0).permutation(3000)
    assert fit_buy_till_you_die(x[shuffled], t_x[shuffled], T[shuffled]) == fit
    one = slice(17, 18)
    for answer in (fit.p_alive, lambda *h: fit.expected_orders(*h, 90), lambda *h: fit.p_order(*h, 90)):
        assert answer(x[one], t_x[one], T[one])[0] == answer(x, t_x, T)[17]


def test_what_cannot_be_seen_is_said():
    rng = np.random.default_rng(0)
    T = rng.uniform(100, 400, 4000)
    x = rng.poisson(rng.gamma(0.8, 1 / 30, 4000) * T)
    t_x = np.where(x > 0, T * rng.random(4000) ** (1 / np.maximum(x, 1)), 0)
    for kind in models.MODELS:
        fit = fit_buy_till_you_die(x, t_x, T, kind)
        assert fit.at_bound == "no dropout can be seen"
        assert np.isnan(fit.errors["a"]) or np.isnan(fit.errors["b"])
        assert abs(fit.r - 0.8) < 3.5 * fit.errors["r"] and abs(fit.alpha - 30) < 3.5 * fit.errors["alpha"]
        assert fit.p_alive(x, t_x, T).min() > 0.97
    once = fit_buy_till_you_die(np.repeat([0, 1], 50), np.repeat([0, 1], 50), np.full(100, 1000), "BG/NBD")
    assert once.at_bound == "every customer seems to leave after the next order"
    same = fit_buy_till_you_die(np.full(100, 52), np.full(100, 364), np.full(100, 365), "MBG/NBD")
    assert "no difference between customers in how often they order" in same.at_bound
    assert same.expected_orders([52], [364], [365], 73) == pytest.approx(52 / 5, rel=0.01)
    with pytest.raises(ValueError, match="None of the 2 customers ordered a second time"):
        fit_buy_till_you_die(np.zeros(2), np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match="model='Pareto/NBD' is not known"):
        fit_buy_till_you_die(x, t_x, T, "Pareto/NBD")
