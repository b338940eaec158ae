"""Predict what each customer will bring: orders, the value of an order, and their product over a horizon."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from segkit.collect.events import Events, checked_events
from segkit.core.engine.connection import locked_engine, run_with_progress
from segkit.core.messages import choose_from, counted
from segkit.core.moments import read_moment, read_span
from segkit.tailor.value.buy_till_you_die import MODELS, BuyTillYouDie, fit_buy_till_you_die
from segkit.tailor.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from segkit.tailor.value.order_history import order_history, payments
from segkit.tailor.value.order_probability import order_probability

DAY = pd.Timedelta(days=1)
YEAR = 365  # days, of discount_rate
SILENT = 0.05  # share of the log's length without any order before as_of, from which on we warn
DEPENDENT = 0.2  # rank correlation of the number and the value of orders that is worth saying
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(8)  # of the integral over time that discounting takes


@locked_engine
def customer_value(
    events: Events,
    *,
    as_of: str | pd.Timestamp,
    horizon: str | timedelta = "365 days",
    margin: float = 1.0,
    discount_rate: float = 0.0,
    model: str = "auto",
) -> pd.DataFrame:
    """Predict the orders and the value of each customer over a horizon.

    Parameters
    ----------
    events : Events
        The log; only purchases before `as_of` count. It should hold each customer's orders from the first on.
    as_of : str or Timestamp
        The moment from which on orders are predicted, best the end of the log.
    horizon : str or timedelta, default="365 days"
        How far to look ahead.
    margin : float, default=1.0
        Share of an order's value that you keep.
    discount_rate : float, default=0.0
        How much less an order in a year is worth than one today, a year: 0.1 divides it by 1.1.
    model : {"auto", "BG/NBD", "MBG/NBD"}, default="auto"
        How customers order and leave; "auto" takes the likelier one.

    Returns
    -------
    DataFrame
        Indexed by `customer_id` (text, sorted): each customer who ordered before `as_of`.

        * `p_alive`: chance that the customer has not left.
        * `p_order`: chance of an order within the horizon. `p_order_from`: "orders of an earlier period", where the log
          holds two horizons and a regression could learn from them; else the name of the model.
        * `orders`: expected number within the horizon. Orders at one moment count as one.
        * `order_value`: expected value of an order; missing where the log knows no amounts.
        * `value`: expected orders, discounted, times `order_value` times `margin`.

        ``attrs["segkit"]`` holds the parameters of both models with their standard errors, and `notes`: what to know
        about these figures, in words.

    Raises
    ------
    ValueError
        If there are no purchases before `as_of`, nobody ordered twice, or an argument cannot be used.

    Warns
    -----
    UserWarning
        If the horizon is longer than the log, or the log ends long before `as_of`.

    Notes
    -----
    BG/NBD [1]_ or MBG/NBD for orders, Gamma–Gamma [2]_ for money. Returns are no orders and do not reduce values;
    `notes` says what share they are. Gamma–Gamma is fitted to all orders, the first included, so that a customer with
    one order is not worth just the mean of all.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24.
    .. [2] Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis, JMR 42.

    Examples
    --------
    >>> import segkit as sg
    >>> events, _ = sg.datasets.make_events(300, kinds="purchase")
    >>> value = sg.customer_value(events, as_of="2024-12-30", horizon="91 days", margin=0.3)
    >>> list(value)
    ['p_alive', 'p_order', 'p_order_from', 'orders', 'order_value', 'value']
    >>> value.attrs["segkit"]["model"]["kind"] in ("BG/NBD", "MBG/NBD")
    True
    """
    checked_events(events)
    moment, span = read_moment(as_of), read_span(horizon, "horizon")
    check_money(margin, discount_rate)
    if model != "auto" and model not in MODELS:
        raise ValueError(f"model={model!r} is not known.{choose_from(model, ['auto', *MODELS])}")
    history = order_history(events, moment)
    x, t_x, T = (history[c].to_numpy(float) for c in ("x", "t_x", "T"))
    fit = fit_buy_till_you_die(x, t_x, T, model)
    warn_of_times(history, moment, span)
    days = span / DAY
    chance = order_probability(events, moment, span)
    table = pd.DataFrame({"p_alive": fit.p_alive(x, t_x, T)}, index=history.index)
    table["p_order"] = fit.p_order(x, t_x, T, days) if chance is None else chance.reindex(history.index)
    table["p_order_from"] = fit.kind if chance is None else "orders of an earlier period"
    table["orders"] = fit.expected_orders(x, t_x, T, days)
    table["order_value"], money, notes = _order_values(history)
    discounted = discounted_orders(fit, (x, t_x, T), days, discount_rate)
    table["value"] = (table["orders"] if discounted is None else discounted) * table["order_value"] * margin
    notes = [*([fit.at_bound] if fit.at_bound else []), *notes, *_returned_in_words(events, moment)]
    table.attrs["segkit"] = {
        **{"as_of": moment.isoformat(), "horizon": str(span), "sources": events.sources},
        **{"margin": float(margin), "discount_rate": float(discount_rate)},
        **{"model": _described(fit, ("kind", "r", "alpha", "a", "b")), "money": money, "notes": notes},
    }
    return table


def check_money(margin: Any, discount_rate: Any) -> None:
    """Check that `margin` and `discount_rate` are shares.

    Raises
    ------
    ValueError
    """
    what = "the share of an order's value that you keep, between 0 and 1, such as 0.3"
    _check_number("margin", margin, 1, what)
    _check_number("discount_rate", discount_rate, 10, "a rate a year, 0 or more, such as 0.1 for 10 %")


def _check_number(name: str, value: Any, most: float, what: str) -> None:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:
        raise ValueError(f"{name}={value!r} should be {what}.")


def warn_of_times(history: pd.DataFrame, moment: pd.Timestamp, span: pd.Timedelta) -> None:
    """Warn if the log is too short for the horizon, or ends before as_of."""
    length, silence = float(history["T"].max()), float((history["T"] - history["t_x"]).min())
    if silence > max(7, SILENT * length):
        last = moment - silence * DAY
        warnings.warn(
            f"as_of={moment:%Y-%m-%d} is {counted(round(silence), 'day')} after the last order of the log, so "
            f"customers seem to have left. Say as_of='{last.floor('D') + DAY:%Y-%m-%d}', or read the later orders.",
            stacklevel=4,
        )
    if span / DAY > length:
        warnings.warn(
            f"horizon={span / DAY:,.0f} days is longer than the log, which holds {counted(round(length), 'day')} "
            "before as_of. Nothing in it shows what customers do after so long: say a shorter horizon.",
            stacklevel=4,
        )


def _order_values(history: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any], list[str]]:
    """Return the expected value of an order of each customer, the model of it, and what to know about it."""
    paid, mean = payments(history)
    inside = mean > 0
    if not inside.any():
        why = "no order has a value above 0" if (paid > 0).any() else "the log knows no amounts"
        return np.full(len(paid), np.nan), {}, [f"{why}, so there are no values"]
    fit = fit_gamma_gamma(paid[inside], mean[inside])
    repeats = inside & (paid > 1)
    correlation = _rank_correlation(paid[repeats], mean[repeats])
    out = int((~inside & (paid > 0)).sum())
    notes = [fit.at_bound] if fit.at_bound else []
    if out:
        notes.append(
            f"{counted(out, 'customer')} whose orders sum to 0 {'is' if out == 1 else 'are'} not in "
            "Gamma–Gamma; their later orders are expected to be worth little"
        )
    notes.append(_independence_in_words(correlation))
    money = _described(fit, ("p", "q", "gamma")) | {"mean": fit.mean, "customers": int(inside.sum())}
    money |= {"left_out": out, "correlation": correlation}
    return fit.expected(paid, np.nan_to_num(mean)), money, notes


def _rank_correlation(x: np.ndarray, mean: np.ndarray) -> float:
    ranks = pd.DataFrame({"x": x, "mean": mean}).rank()
    varies = len(ranks) > 2 and bool((ranks.std() > 0).all())
    return float(np.corrcoef(ranks["x"], ranks["mean"])[0, 1]) if varies else float("nan")


def _independence_in_words(correlation: float) -> str:
    if np.isnan(correlation):
        return "whether how much and how often customers buy are independent cannot be seen"
    shown = f"(rank correlation {correlation:.2f})".replace("-", "−")
    if abs(correlation) < DEPENDENT:
        return f"how much and how often customers buy are nearly independent, as Gamma–Gamma assumes {shown}"
    return (
        f"customers who order more often spend {'more' if correlation > 0 else 'less'} an order {shown}; Gamma–Gamma "
        "does not know that, so values of customers with few orders are pulled too far towards the mean"
    )


def discounted_orders(
    fit: BuyTillYouDie, history: tuple[np.ndarray, np.ndarray, np.ndarray], days: float, discount_rate: float
) -> np.ndarray | None:
    """Return expected orders, each discounted from when it comes; None without discounting.

    By parts: the integral of exp(−rate·s) over dE(s) is exp(−rate·t)·E(t) + rate · the integral of exp(−rate·s)·E(s).
    """
    if discount_rate == 0:
        return None
    rate = float(np.log1p(discount_rate)) / YEAR
    total = np.exp(-rate * days) * fit.expected_orders(*history, days)
    for point, weight in zip(days * (POINTS + 1) / 2, days * WEIGHTS / 2, strict=True):
        total += rate * weight * np.exp(-rate * point) * fit.expected_orders(*history, point)
    return total


def _returned_in_words(events: Events, moment: pd.Timestamp) -> list[str]:
    """Say what share of the spend was returned, where the log has returns with amounts."""
    if "amount" not in events.columns or "return" not in events.kinds().index:
        return []
    t = events.table
    t = t.filter((t.timestamp < moment) & t.kind.isin(["purchase", "return"]))
    sums = t.group_by("kind").agg(amount=t.amount.sum())
    found = (
        run_with_progress(sums, sums.to_pandas, "Counting returns").set_index("kind")["amount"].astype(float)
    )
    bought, returned = found.get("purchase", 0.0), abs(found.get("return", 0.0))
    if not bought > 0 or not returned > 0:
        return []
    return [
        f"returns, which values do not know, are {100 * returned / bought:.1f} % of the spend: margin can make up "
        "for it"
    ]


def _described(fit: BuyTillYouDie | GammaGamma, names: tuple[str, ...]) -> dict[str, Any]:
    own = {name: getattr(fit, name) for name in names}
    return own | {"errors": fit.errors, "log_likelihood": fit.log_likelihood, "at_bound": fit.at_bound}
