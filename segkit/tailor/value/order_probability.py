"""Predict who orders within a horizon, from what customers of an earlier period did next."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segkit.analyse.features.catalogue import select_features
from segkit.analyse.features.compute import customer_features
from segkit.collect.events import Events, checked_events
from segkit.core.moments import read_moment, read_span

DAY = pd.Timedelta(days=1)
SEEN = 40  # customers who ordered, and who did not: ten for each input (Peduzzi et al. 1996, J Clin Epidemiol 49)


def order_probability(
    events: Events, as_of: str | pd.Timestamp, horizon: str | timedelta
) -> pd.Series | None:
    """Predict for each customer the probability of an order within the horizon.

    A logistic regression learns from all customers as they stood one horizon before `as_of`, and from who of them has
    ordered since. Its inputs come from recency, frequency and tenure.

    Parameters
    ----------
    events : Events
        What customers did.
    as_of : str or Timestamp
        Only earlier events count.
    horizon : str or timedelta
        How far to look ahead, such as ``"91 days"``.

    Returns
    -------
    Series of shape (n_customers,) or None
        `p_order` by `customer_id` (text, sorted), of each customer with an order before `as_of`. None where the log
        does not cover two horizons before `as_of`, or fewer than 40 customers ordered, or did not order, in the
        second.

    Examples
    --------
    >>> from segkit.datasets import make_events
    >>> from segkit.tailor.value.order_probability import order_probability
    >>> events, _ = make_events(300, kinds="purchase")
    >>> chance = order_probability(events, "2024-12-01", "28 days")
    >>> bool(chance.between(0, 1).all())
    True
    """
    checked_events(events)
    moment, ahead = read_moment(as_of), read_span(horizon, "horizon")
    if pd.isna(events.last) or events.first > moment - 2 * ahead or events.last < moment - DAY:
        return None
    now, before = _orders(events, moment), _orders(events, moment - ahead)
    if not len(before) or now["tenure"].max() < 2 * (ahead / DAY):
        return None
    ordered = now["frequency"].reindex(before.index).to_numpy() > before["frequency"].to_numpy()
    if min(ordered.sum(), (~ordered).sum()) < SEEN:
        return None
    with threadpool_limits(limits=1):
        model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
        model.fit(_inputs(before, ahead), ordered)
        chance = model.predict_proba(_inputs(now, ahead))[:, 1]
    return pd.Series(chance, index=now.index, name="p_order")


def _orders(events: Events, moment: pd.Timestamp) -> pd.DataFrame:
    """Return recency, frequency and tenure of each customer with an order before the moment."""
    customers = customer_features(events, select_features("recency", "frequency", "tenure"), as_of=moment)
    return customers[customers["frequency"] > 0]


def _inputs(customers: pd.DataFrame, ahead: pd.Timedelta) -> np.ndarray:
    """Return what the probability is computed from; times are in horizons.

    The rate of orders counts one horizon more than was seen, so that customers of a few days have no huge rates.
    """
    days = ahead / DAY
    recency, tenure = customers["recency"].to_numpy() / days, customers["tenure"].to_numpy() / days
    orders = customers["frequency"].to_numpy()
    rate = orders / (tenure + 1)
    missed = recency * rate  # orders that the customer's own rate leads to expect since the last one
    return np.column_stack([np.log1p(10 * recency), np.log(orders), np.log(rate), np.log1p(missed)])
