"""Check forecasts on the past: make them at earlier moments, and compare them with the orders that came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, t
from sklearn.tree import DecisionTreeRegressor

from segkit.core.messages import counted
from segkit.core.order import positions_among
from segkit.tailor.value.segment_forecast import HALF, ORDERS, VALUE, forecast

CLOSEST = 3  # at most so many earlier periods share a day
SHORTEST = 0.25  # share of the log that a model is fitted to at least
ALIKE = 20  # customers in a leaf, at least
MANY = 20_000  # customers of a segment; of more, every so many-th teaches the tree


def past_origins(
    first: pd.Timestamp, end: pd.Timestamp, horizon: pd.Timedelta, backtests: int
) -> list[pd.Timestamp]:
    """Return earlier moments whose whole horizon lies before `end`, the latest first.

    Before each lie at least one horizon and a quarter of the log. Periods follow each other where the log is long
    enough; otherwise they overlap, by two thirds at most.

    Examples
    --------
    >>> year = pd.Timestamp("2023-01-01"), pd.Timestamp("2024-01-01")
    >>> [str(origin.date()) for origin in past_origins(*year, pd.Timedelta("91 days"), 4)]
    ['2023-10-02', '2023-08-02', '2023-06-02', '2023-04-02']
    >>> past_origins(*year, pd.Timedelta("365 days"), 4)
    []
    """
    room = (end - first) - horizon - max(horizon, SHORTEST * (end - first))
    if backtests < 1 or room < pd.Timedelta(0):
        return []
    n = min(backtests, 1 + int(CLOSEST * (room / horizon)))
    step = min(horizon, room / (n - 1)) if n > 1 else horizon
    return [end - horizon - i * step for i in range(n)]


def independent_periods(origins: list[pd.Timestamp], horizon: pd.Timedelta) -> float:
    """Return how many periods without overlap the horizons of some moments are worth."""
    return min(len(origins), 1 + (max(origins) - min(origins)) / horizon) if origins else 0.0


class LookAlikes:
    """Find the customers who looked at an earlier moment as the customers of each segment look now.

    Those who are in a segment today were chosen by what they did, often after the earlier moment: of active
    customers, nobody has left since. A decision tree tells segments apart by recency, orders, tenure and order value,
    and customers of an earlier moment count in each segment by its share in their leaf.

    Parameters
    ----------
    history : DataFrame
        From :func:`segkit.tailor.value.order_history.order_history`.
    place : array of int, shape (n_customers,)
        The number of each customer's segment; −1 for none.
    n_segments : int
    """

    def __init__(self, history: pd.DataFrame, place: np.ndarray, n_segments: int):
        self.n_segments = n_segments
        each = [np.flatnonzero(place == at) for at in [*range(n_segments), -1]]
        steps = np.array([max(1, -(-len(inside) // MANY)) for inside in each])
        some = np.concatenate([inside[::step] for inside, step in zip(each, steps, strict=True)])
        # As a classifier does: the squared error of a column for each segment is Gini's impurity. The last is of none.
        self.tree = DecisionTreeRegressor(min_samples_leaf=ALIKE, random_state=0)
        self.tree.fit(_looks(history.iloc[some]), np.eye(n_segments + 1)[place[some]], steps[place[some]])

    def shares(self, history: pd.DataFrame) -> np.ndarray:
        """Return the share by which customers count in each segment: shape (n_customers, n_segments)."""
        return self.tree.predict(_looks(history)).reshape(len(history), -1)[:, : self.n_segments]


def _looks(history: pd.DataFrame) -> np.ndarray:
    order_value = (history["spend"] / history["paid"].where(history["paid"] > 0)).fillna(0)
    return np.column_stack([history["T"] - history["t_x"], history["x"], history["T"], order_value])


@dataclass(frozen=True)
class PastErrors:
    """How wrong the forecasts of a segment were: log(actual / predicted) in earlier periods.

    Attributes
    ----------
    errors : array of shape (n_periods,)
    independent : float
        How many periods without overlap they are worth.
    borrowed : bool
        Whether they are those of all customers, since nobody looked like the segment then.
    """

    errors: np.ndarray
    independent: float
    borrowed: bool = False

    @property
    def mean(self) -> float:
        return float(self.errors.mean()) if len(self.errors) else float("nan")

    @property
    def shift(self) -> float:
        """The correction of the next forecast: the mean error, shrunken towards none as if one period had had none."""
        n = len(self.errors)
        return self.mean * n / (n + 1) if n else 0.0

    @property
    def spread(self) -> float:
        """The error that is left after correcting each period by the others, as a root mean square."""
        n = len(self.errors)
        if not n:
            return float("nan")
        others = (self.errors.sum() - self.errors) / n  # the mean of n − 1 others, times (n − 1) / n
        return float(np.sqrt(((self.errors - others) ** 2).mean()))

    def half_width(self, model_error: float, level: float, usual: float = float("nan")) -> float:
        """Return half the width of an interval: from the model's own error, or from that of the past if that is wider.

        Parameters
        ----------
        model_error : float
            The model's own, as a standard deviation.
        level : float
        usual : float, optional
            How much larger the square of the past error is than that of the model's own, on average over segments. It
            counts as one period more, since few periods may have small errors by luck.
        """
        own = float(norm.ppf(0.5 + level / 2)) * model_error
        if not len(self.errors):
            return own
        square, n = self.spread**2, self.independent
        if np.isfinite(usual):
            square = (n * square + usual * model_error**2) / (n + 1)
        return max(own, float(t.ppf(0.5 + level / 2, n)) * float(np.sqrt(square)))

    def in_words(self) -> str:
        """Say what the interval was checked on; "" for nothing."""
        n = len(self.errors)
        if not n:
            return ""
        words = f"checked on {counted(n, 'earlier period')}"
        return f"{words} of all customers" if self.borrowed else words


NO_ERRORS = PastErrors(np.empty(0), 0.0)


def usual_ratio(errors: Sequence[PastErrors], model_errors: Sequence[float]) -> float:
    """Return how much larger squares of past errors are than those of the model's own, on average over segments."""
    pairs = zip(errors, model_errors, strict=True)
    ratios = [(e.spread / own) ** 2 for e, own in pairs if len(e.errors) and not e.borrowed and own > 0]
    return float(np.mean(ratios)) if ratios else float("nan")


def past_totals(
    history_at: Callable[[pd.Timestamp], pd.DataFrame],
    origins: list[pd.Timestamp],
    horizon: pd.Timedelta,
    alike: LookAlikes,
) -> pd.DataFrame:
    """Forecast each segment at earlier moments, and count what came.

    Returns
    -------
    DataFrame
        For each moment and segment, and for all customers (as the last `place`), a row of orders and one of value:
        `origin`, `place`, `what`; `customers` who count, a sum of shares; `predicted`, `actual` and `half` an order.
        Moments at which nobody had ordered twice are left out.
    """
    parts = []
    for origin in origins:
        history = history_at(origin)
        if not history["x"].any():
            continue
        then, later = forecast(history, horizon), history_at(origin + horizon)[["x", "spend"]]
        later = later.iloc[positions_among(history.index, later.index)]
        shares = np.column_stack([alike.shares(history), np.ones(len(history))])
        rows = pd.DataFrame(
            {"origin": origin, "place": range(shares.shape[1]), "customers": shares.sum(axis=0)}
        )
        orders = (later["x"] - history["x"]).to_numpy(float) @ shares
        expected = then.orders @ shares
        parts.append(rows.assign(what=ORDERS, predicted=expected, actual=orders, half=HALF))
        if then.money is not None:
            spent = (later["spend"].fillna(0) - history["spend"].fillna(0)).to_numpy(float) @ shares
            spend = then.spend @ shares
            half = HALF * spend / np.where(expected > 0, expected, 1)
            parts.append(rows.assign(what=VALUE, predicted=spend, actual=spent, half=half))
    columns = ["origin", "place", "customers", "what", "predicted", "actual", "half"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def past_errors(past: pd.DataFrame, place: int, horizon: pd.Timedelta) -> dict[str, PastErrors]:
    """Return how wrong the forecasts of a segment were, of orders and of value; of all customers where it had none."""
    everyone = past["place"].max() if len(past) else place
    found = {}
    for what in (ORDERS, VALUE):
        mine = past[(past["what"] == what) & (past["customers"] >= 1)]
        rows = mine[mine["place"] == place]
        borrowed = not len(rows)
        rows = mine[mine["place"] == everyone] if borrowed else rows
        half = rows["half"].to_numpy(float)
        ratio = (rows["actual"].clip(lower=0).to_numpy(float) + half) / (
            rows["predicted"].to_numpy(float) + half
        )
        origins = list(rows["origin"])
        found[what] = PastErrors(np.log(ratio), independent_periods(origins, horizon), borrowed)
    return found
