"""Forecast the orders and the money of segments, with the error that the models themselves admit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segkit.tailor.value.buy_till_you_die import BuyTillYouDie, fit_buy_till_you_die
from segkit.tailor.value.customer_value import discounted_orders
from segkit.tailor.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from segkit.tailor.value.order_history import payments

ORDERS, VALUE = "orders", "value"
DRAWS = 400  # so that an error is known to 4 %
SAMPLE = 500  # customers of a segment whose orders are drawn; the chance of more follows from theirs
DAY = pd.Timedelta(days=1)
STEP = 1e-3  # by which the log of a parameter is changed, to learn how much a total depends on it
NEVER = 1e-12  # orders that the least likely customer is expected to place: the log of none is not finite
HALF = 0.5  # an order that is added to totals, since the log of none is not finite


@dataclass(frozen=True)
class Total:
    """The expected total of some customers, of orders or of money.

    Attributes
    ----------
    expected : float
        Before margin and discount.
    half : float
        Half an order, in the same unit. It is added before logs are taken, since the log of nothing is not finite.
    error : float
        The model's own: the standard deviation of the log.
    factor : float
        Margin and discount.
    """

    expected: float
    half: float
    error: float
    factor: float = 1.0

    def at(self, error: float) -> float:
        """Return the total if the log of what comes, over what is expected, were `error`."""
        return self.factor * max((self.expected + self.half) * float(np.exp(error)) - self.half, 0.0)


@dataclass(frozen=True)
class Forecast:
    """Expected orders and money of customers, and the models that they come from.

    Attributes
    ----------
    history : DataFrame
        From :func:`segkit.tailor.value.order_history.order_history`.
    model : BuyTillYouDie
    money : GammaGamma or None
        None where no amount is known.
    days : float
        The horizon.
    orders, spend, value : array of shape (n_customers,)
        Expected orders, what they cost, and what of that is left after margin and discount. Money is missing where no
        amount is known.
    """

    history: pd.DataFrame
    model: BuyTillYouDie
    money: GammaGamma | None
    days: float
    orders: np.ndarray
    spend: np.ndarray
    value: np.ndarray

    def totals(self, inside: np.ndarray, random_state: int) -> dict[str, Total]:
        """Return the totals of some customers, by their positions: of orders, and of value where money is known."""
        if not len(inside):
            return {}
        rng = np.random.default_rng(random_state)
        some = np.sort(rng.choice(inside, SAMPLE, replace=False)) if len(inside) > SAMPLE else inside
        more = np.sqrt(len(inside) / len(some))  # chance of all customers, by that of some
        history, expected = self.history.iloc[some], self.orders[inside].sum()
        drawn = self._draw_orders(history, rng)
        factor = np.exp(rng.normal(size=DRAWS) * self._order_error(history))
        totals = expected * factor + more * (drawn.sum(axis=1) - self.orders[some].sum())
        found = {ORDERS: Total(expected, HALF, _log_error(totals, expected, HALF))}
        if self.money is None:
            return found
        spend = self.spend[inside].sum()
        spent = self._draw_spend(history, drawn, rng)
        factor = factor * np.exp(rng.normal(size=DRAWS) * self._money_error(history, self.orders[some]))
        totals = spend * factor + more * (spent.sum(axis=1) - self.spend[some].sum())
        half = HALF * spend / expected
        left = self.value[inside].sum() / spend if spend > 0 else 1.0
        return found | {VALUE: Total(spend, half, _log_error(totals, spend, half), left)}

    def _draw_orders(self, history: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Return drawn numbers of orders, of shape (DRAWS, n_customers)."""
        x, t_x, T = (np.tile(v, DRAWS) for v in _counts(history))
        return self.model.draw_orders(x, t_x, T, self.days, rng).reshape(DRAWS, -1)

    def _order_error(self, history: pd.DataFrame) -> float:
        """Return the standard deviation of the log of expected orders that comes from uncertain parameters."""

        def total(model: BuyTillYouDie) -> float:
            return float(_expected_orders(model, history, self.days).sum())

        return _parameter_error(self.model, ("r", "alpha", "a", "b"), total)

    def _draw_spend(self, history: pd.DataFrame, orders: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return what drawn numbers of orders cost: gamma distributed, around a mean that is drawn too."""
        assert self.money is not None
        x, mean = _payments(history)
        rate = rng.gamma(self.money.q + self.money.p * x, size=orders.shape)
        rate /= self.money.gamma + x * mean
        return rng.gamma(self.money.p * orders) / rate

    def _money_error(self, history: pd.DataFrame, orders: np.ndarray) -> float:
        """Return the same of the value of orders."""

        def total(money: GammaGamma) -> float:
            return float(orders @ money.expected(*_payments(history)))

        return _parameter_error(self.money, ("p", "q", "gamma"), total)


def forecast(
    history: pd.DataFrame, horizon: pd.Timedelta, *, margin: float = 1.0, discount_rate: float = 0.0
) -> Forecast:
    """Fit both models to the orders of customers, and forecast those within the horizon."""
    days = horizon / DAY
    model = fit_buy_till_you_die(*_counts(history))
    orders = _expected_orders(model, history, days)
    paid, mean = _payments(history)
    known = mean > 0
    if not known.any():
        none = np.full(len(history), np.nan)
        return Forecast(history, model, None, days, orders, none, none)
    money = fit_gamma_gamma(paid[known], mean[known])
    order_value = money.expected(paid, mean)
    discounted = discounted_orders(model, _counts(history), days, discount_rate)
    value = (orders if discounted is None else discounted) * order_value * margin
    return Forecast(history, model, money, days, orders, orders * order_value, value)


def _expected_orders(model: BuyTillYouDie, history: pd.DataFrame, days: float) -> np.ndarray:
    return np.maximum(model.expected_orders(*_counts(history), days), NEVER)


def _payments(history: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    paid, mean = payments(history)
    return paid, np.maximum(np.nan_to_num(mean), 0)


def _counts(history: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, t_x, T = (history[c].to_numpy(float) for c in ("x", "t_x", "T"))
    return x, t_x, T


def _parameter_error(model: Any, names: Sequence[str], total: Callable[[Any], float]) -> float:
    """Return the standard deviation of the log of a total, from the covariance of the logs of the parameters."""
    if model.covariance is None:
        return 0.0
    slopes = [
        np.log(total(dataclasses.replace(model, **{name: getattr(model, name) * np.exp(STEP)})))
        - np.log(total(dataclasses.replace(model, **{name: getattr(model, name) * np.exp(-STEP)})))
        for name in names
    ]
    slope = np.array(slopes) / (2 * STEP)
    return float(np.sqrt(max(slope @ model.covariance @ slope, 0.0)))


def _log_error(totals: np.ndarray, expected: float, half: float) -> float:
    """Return the standard deviation of log(total / expected), half an order added to both."""
    return float(np.log((np.maximum(totals, 0) + half) / (expected + half)).std())
