"""Count the orders of each customer, as buy-till-you-die models read them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.feature import Feature, family
from segkit.collect.events import Events, checked_events
from segkit.core.moments import read_moment

HISTORY = family(
    "HISTORY",
    Feature("orders", lambda order_times: order_times.orders.sum(), "orders", "Number of orders.", empty=0),
    Feature("times", lambda order_times: order_times.count(), "times", "Number of times of an order."),
    Feature("T", lambda order_times: order_times.days_ago.max(), "days", "Time since the first order."),
    Feature("last", lambda order_times: order_times.days_ago.min(), "days", "Time since the last order."),
)
MONEY = family(
    "HISTORY",
    Feature("spend", lambda order_times: order_times.amount.sum(), "currency", "Total value of the orders."),
    Feature("paid", lambda order_times: order_times.amount.count(), "times", "Times with a known amount."),
)


def order_history(events: Events, as_of: str | pd.Timestamp) -> pd.DataFrame:
    """Count the orders of each customer before a moment, and when the first and the last were.

    Parameters
    ----------
    events : Events
        The log; purchases before `as_of` count. Returns are no orders.
    as_of : str or Timestamp
        The moment as of which customers are looked at.

    Returns
    -------
    DataFrame
        Indexed by `customer_id` (text, sorted): each customer who ordered.

        * `orders`: number of orders, as `frequency` of RFM.
        * `x`: repeat orders. Orders at one moment count once, as in the published counts: models of rates know no two
          events at once.
        * `t_x`, `T`: days from the first order to the last, and to `as_of`.
        * `spend`: total value; missing where no amount is known. `paid`: times of orders whose amount is known.

    Raises
    ------
    ValueError
        If there are no purchases before `as_of`.

    Examples
    --------
    >>> import segkit as sg
    >>> lines = pd.DataFrame({"customer_id": ["ada", "ada", "bob"], "amount": [30.0, 50.0, 10.0],
    ...                       "timestamp": ["2024-01-01", "2024-01-11", "2024-01-12"]})
    >>> order_history(sg.read_events(lines, kind="purchase"), "2024-01-15").reset_index()
      customer_id  orders  x   t_x     T  spend  paid
    0         ada       2  1  10.0  14.0   80.0     2
    1         bob       1  0   0.0   3.0   10.0     1
    """
    checked_events(events)
    moment = read_moment(as_of)
    kinds = events.kinds().index
    if "purchase" not in kinds:
        raise ValueError(
            f"The log has no purchases: it holds {', '.join(kinds) or 'nothing'}. Read a log of orders, with "
            "kind='purchase', or say by kinds= which word means a purchase."
        )
    money = "amount" in events.columns
    found = customer_features(events, HISTORY + MONEY if money else HISTORY, as_of=moment)
    found = found[found["orders"] > 0]
    if found.empty:
        raise ValueError(f"There are no purchases before as_of={moment}. Say a later as_of.")
    table = pd.DataFrame(
        {
            "orders": found["orders"].astype("int64"),
            "x": found["times"].astype("int64") - 1,
            "t_x": found["T"] - found["last"],
            "T": found["T"],
            "spend": found["spend"] if money else float("nan"),
            "paid": found["paid"].fillna(0).astype("int64") if money else 0,
        },
        index=found.index,
    )
    table.attrs["segkit"] = {"as_of": moment.isoformat(), "sources": events.sources}
    return table


def payments(history: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return of each customer how many times of orders have a known amount, and the mean amount, missing for none."""
    paid = history["paid"].to_numpy(float)
    spend = history["spend"].to_numpy(float)
    return paid, np.divide(spend, paid, out=np.full(len(paid), np.nan), where=paid > 0)
