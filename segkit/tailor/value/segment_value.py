"""Forecast what segments are worth, with intervals that were checked on the past."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count, check_level, check_seed
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes
from segkit.core.engine.connection import locked_engine
from segkit.core.messages import counted
from segkit.core.moments import read_moment, read_span
from segkit.core.order import positions_among
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.experiments.experiment_table import EVERYONE, check_is_free
from segkit.tailor.value.backtests import (
    NO_ERRORS,
    LookAlikes,
    PastErrors,
    past_errors,
    past_origins,
    past_totals,
    usual_ratio,
)
from segkit.tailor.value.customer_value import check_money, warn_of_times
from segkit.tailor.value.order_history import order_history
from segkit.tailor.value.segment_forecast import DAY, ORDERS, VALUE, Total, forecast

COLUMNS = [
    *("segment_id", "segment", "customers", "orders", "orders_low", "orders_high"),
    *(
        "value",
        "value_low",
        "value_high",
        "model_low",
        "model_high",
        "bias",
        "spread",
        "per_customer",
        "verdict",
    ),
]
NO_ORDERS = "no orders in the log"
TOO_SHORT = "not checked: the log is too short"
HIDDEN = "hidden"


@locked_engine
def segment_value(
    events: Events,
    by: Partition | pd.Series,
    *,
    as_of: str | pd.Timestamp,
    horizon: str | timedelta = "365 days",
    level: float = 0.9,
    backtests: int = 4,
    margin: float = 1.0,
    discount_rate: float = 0.0,
    random_state: int = 0,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Forecast the orders and the value of each segment, with intervals that were checked on earlier periods.

    The same forecast is made at up to four earlier moments, and compared with what customers did next. The next
    forecast is corrected by how wrong the earlier ones were, and its interval is at least as wide as their errors.

    Parameters
    ----------
    events : Events
        The log; purchases before `as_of` count.
    by : Segmentation or Series
        Segments of customers as they stood at `as_of`; a Series holds labels by customer. Customers outside (−1) have a
        row of their own.
    as_of : str or Timestamp
        The moment from which on orders are forecast.
    horizon : str or timedelta, default="365 days"
        How far to look ahead. The log should hold two horizons before `as_of`, better five, for a check.
    level : float, default=0.9
        Of the intervals.
    backtests : int, default=4
        Earlier periods to check the forecast on, at most.
    margin, discount_rate : float
        As in :func:`segkit.customer_value`.
    random_state : int, default=0
        Seed of the draws of chance.
    minimum : int, default=10
        Segments of fewer customers are named without numbers, and so is one more, so that theirs do not follow from the
        row of all. 1 shows everything.

    Returns
    -------
    DataFrame
        A row for each segment, and a last one for all customers with a segment:

        * `segment_id`, `segment` (its name), `customers` who ordered before `as_of`.
        * `orders`, `orders_low`, `orders_high`: expected orders within the horizon, and their interval.
        * `value`, `value_low`, `value_high`: the same of money; missing where the log knows no amounts.
          `per_customer`: value, or orders, by customer.
        * `model_low`, `model_high`: the interval of the model alone, of value (of orders without amounts). Mostly it is
          far too narrow.
        * `bias`: how far earlier forecasts of it were off on average: at −0.2, customers brought 20 % less than the
          model said. `spread`: the typical error that is left after correcting that, as a share. Missing where not
          checked.
        * `verdict`: "checked on 4 earlier periods"; "not checked: the log is too short", where the interval is that of
          the model alone.

        ``pd.DataFrame(table.attrs["segkit"]["backtests"])`` has a row for each earlier moment and segment: `origin`
        (ISO 8601 text, so that the table can be saved),
        `segment_id`, `segment`, `predicted` and `actual` spend (or orders) within the horizon, before margin and
        discount.
        Also in ``attrs["segkit"]``: `without_orders`, customers with a segment but no order before `as_of`, and
        `without_segment`, customers who ordered but have no segment; neither counts in any row.

    Raises
    ------
    ValueError
        If no customer with a segment ordered before `as_of`, nobody ordered twice, or a segment is called "all
        customers".
    TypeError
        If `events` did not come from :func:`segkit.read_events`.

    See Also
    --------
    customer_value : the forecast for each customer.

    Notes
    -----
    Errors are log(actual / predicted), half an order added to both. The forecast is moved by J / (J + 1) of the mean
    error of J earlier periods. The interval is the wider of two: that of the model (chance and uncertain parameters),
    and Student's t with J degrees of freedom times the root mean square error of each period after a correction by
    the others. What is usual for the segments of this log counts as one period more. Where the log is short, periods
    overlap, and count as fewer degrees of freedom.

    Today's segments cannot be looked up in the past: the active customers of today were chosen by what they did since.
    So errors are measured on those who *looked* like a segment at the earlier moment, in recency, orders, tenure and
    order value. A segment without any at that time takes the errors of all customers, and the verdict says so.

    What has not happened in the log, such as a first Christmas, is in no interval. Since each row is corrected by its
    own past, segments do not add up exactly to the row of all customers.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(300, kinds="purchase")
    >>> result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2024-12-01"), n_segments=3)
    >>> worth = sg.segment_value(events, result, as_of="2024-12-01", horizon="30 days")
    >>> worth[["segment", "customers", "verdict"]]
             segment  customers                       verdict
    0      Segment 0        150  checked on 4 earlier periods
    1      Segment 1        105  checked on 4 earlier periods
    2      Segment 2         41  checked on 4 earlier periods
    3  all customers        296  checked on 4 earlier periods
    """
    checked_events(events)
    labels = labels_by_customer(by, "by")
    moment, ahead = read_moment(as_of), read_span(horizon, "horizon")
    check_money(margin, discount_rate)
    check_level(level)
    check_count("backtests", backtests, 0)
    check_minimum(minimum)
    check_seed(random_state)
    # Periods that follow each other share a moment; more tables than these would fill the memory.
    history_at = functools.lru_cache(maxsize=3)(lambda at: order_history(events, at))
    history = history_at(moment)
    ids, place = _places(labels, history.index, moment)
    names = [by.name_of(int(s)) if isinstance(by, Partition) else str(s) for s in ids]
    check_is_free(names)
    now = forecast(history, ahead, margin=margin, discount_rate=discount_rate)
    warn_of_times(history, moment, ahead)
    origins = past_origins(*_span_of_orders(events, moment), ahead, backtests)
    past = past_totals(history_at, origins, ahead, LookAlikes(history, place, len(ids)))
    whose = [np.flatnonzero(place == at) for at in range(len(ids))] + [np.flatnonzero(place >= 0)]
    totals = [now.totals(inside, random_state) for inside in whose]
    errors = [past_errors(past, at, ahead) for at in range(len(whose))]
    rows = [
        {"customers": len(inside), **_row(mine, known, _usual(totals, errors), level)}
        for inside, mine, known in zip(whose, totals, errors, strict=True)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    kind = "Int64" if pd.api.types.is_integer_dtype(ids.dtype) else "object"
    table["segment_id"] = pd.array([*ids, None], dtype=kind)
    table["segment"] = pd.array([*names, EVERYONE], dtype="str")
    table["per_customer"] = table[ORDERS if now.money is None else VALUE] / table["customers"]
    hidden = np.append(hidden_sizes(table["customers"].iloc[:-1], minimum), len(history) < minimum)
    table["customers"] = table["customers"].astype("Int64").mask(hidden)
    numbers = table.select_dtypes("float").columns
    table.loc[hidden, numbers] = np.nan
    table.loc[hidden, "verdict"] = HIDDEN
    if not backtests:
        table["verdict"] = table["verdict"].replace(TOO_SHORT, "not checked: backtests=0")
    table.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "horizon": horizon if isinstance(horizon, str) else f"{ahead / DAY:g} days",
        "level": level,
        "unit": "orders" if now.money is None else "currency",
        "model": now.model.kind,
        "at_bound": now.model.at_bound,
        "margin": margin,
        "discount_rate": discount_rate,
        "without_orders": len(labels) - int((place >= 0).sum()),
        "without_segment": int((place < 0).sum()),
        "backtests": _backtests(past, table, ORDERS if now.money is None else VALUE),
    }
    return table


def _span_of_orders(events: Events, moment: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return when the orders begin, and when they end: `moment`, or earlier if the log does."""
    orders = events._by_kind.set_index("kind").loc["purchase"]
    return pd.Timestamp(orders["first"]), min(moment, pd.Timestamp(orders["last"]).floor("D") + DAY)


def _places(labels: pd.Series, customers: pd.Index, moment: pd.Timestamp) -> tuple[pd.Index, np.ndarray]:
    """Return the ids of the segments, and for each customer the number of the segment, −1 for none."""
    codes, ids = pd.factorize(labels, sort=True)
    at = positions_among(customers, labels.index)
    place = np.where(at < 0, -1, codes[at]) if len(codes) else at
    if not (place >= 0).any():
        example = repr(str(labels.index[0])) if len(labels) else "none"
        raise ValueError(
            f"None of the {counted(len(labels), 'customer')} with a segment ordered before {moment}. Say a later "
            f"as_of, or pass the log of these customers: their ids look like {example}, those of the log like "
            f"{str(customers[0])!r}."
        )
    return pd.Index(ids), place


def _usual(totals: list[dict[str, Total]], errors: list[dict[str, PastErrors]]) -> dict[str, float]:
    """Return by how much past errors exceed those that the model admits, on average, of orders and of value."""
    found = {}
    for what in (ORDERS, VALUE):
        pairs = [
            (past[what], own[what].error) for own, past in zip(totals, errors, strict=True) if what in own
        ]
        found[what] = usual_ratio([past for past, _ in pairs], [error for _, error in pairs])
    return found


def _row(
    totals: Mapping[str, Total], past: Mapping[str, PastErrors], usual: Mapping[str, float], level: float
) -> dict[str, Any]:
    """Return the forecast for some customers, corrected by the errors of earlier periods."""
    row: dict[str, Any] = {"verdict": NO_ORDERS}
    for what, total in totals.items():  # value comes last, and says more
        errors = past[what]
        wide = errors.half_width(total.error, level, usual[what])
        own = NO_ERRORS.half_width(total.error, level)
        row[what] = total.at(errors.shift)
        row[f"{what}_low"], row[f"{what}_high"] = total.at(errors.shift - wide), total.at(errors.shift + wide)
        row["model_low"], row["model_high"] = total.at(-own), total.at(own)
        row["bias"], row["spread"] = float(np.expm1(errors.mean)), float(np.expm1(errors.spread))
        row["verdict"] = errors.in_words() or TOO_SHORT
    return row


def _backtests(past: pd.DataFrame, table: pd.DataFrame, what: str) -> list[dict[str, Any]]:
    """Return the earlier forecasts, with names of the segments; as records, since tables in attrs break pd.concat."""
    told = table.index[table["verdict"] != HIDDEN]
    mine = past[(past["what"] == what) & (past["customers"] >= 1) & past["place"].isin(told)].reset_index(
        drop=True
    )
    columns = table.loc[mine["place"], ["segment_id", "segment"]].reset_index(drop=True)
    origin = pd.Series([moment.isoformat() for moment in mine["origin"]], name="origin", dtype=object)
    found = pd.concat([origin, columns, mine[["predicted", "actual"]]], axis=1).astype(object)
    return found.where(found.notna(), None).to_dict("records")
