"""Measure usefulness: how much of the next period segments explain, against RFM and against random groups."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd

from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.rfm import RFM
from segkit.collect.events import Events, checked_events
from segkit.core.disclosure import MINIMUM, check_minimum, may_have_mean, may_have_share
from segkit.core.engine.connection import run_with_progress
from segkit.core.moments import read_moment, read_span
from segkit.methods.partition import Partition, labels_by_customer

RANDOM = 200  # random groupings of the same sizes
OUTCOMES = ("repeat purchase", "spend", "churn")
RFM_QUINTILES, RFM_CELLS = "RFM quintiles", "RFM cells"
RFM_FEATURES = ("recency", "frequency", "monetary")
NORMAL = 1.959964


def outcome_scoreboard(
    events: Events,
    results: Partition | pd.Series | Mapping[str, Partition | pd.Series],
    *,
    as_of: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Measure how much of customers' next period each segmentation explains.

    Parameters
    ----------
    events : Events
        The log, up to ``as_of + horizon`` or later.
    results : Segmentation, Series, or mapping of name to those
        Segments of customers as they stood at `as_of`. A Series holds labels by customer.
    as_of : str or Timestamp
        The moment at which the segments were made.
    horizon : str or timedelta
        How far to look ahead, such as ``"91 days"``.
    random_state : int, default=0
        Seed of the random groupings.

    Returns
    -------
    DataFrame
        A row for each outcome and segmentation, and for two benchmarks, `RFM quintiles` (five equal groups by the mean
        rank of recency, frequency and monetary) and `RFM cells` (their quintiles crossed):

        * `segments`: number of groups.
        * `explained`, `low`, `high`: share of the outcome's variance that the groups explain, for customers left out of
          their group's mean, with its 95 % interval. At 0 they explain nothing.
        * `at_random`: the 95 % quantile of what random groups of the same sizes explain.
        * `gain`, `gain_low`, `gain_high`: explained beyond RFM quintiles, with its 95 % interval.
        * `verdict` in words.

        Outcomes: `repeat purchase` (any order within the horizon), `spend` (logarithm of 1 + spend),
        `churn` (no order within the horizon, of customers who had one in as long before `as_of`).
        In a log without amounts, `spend` is the logarithm of 1 + orders, and the benchmarks use recency and frequency
        alone.

    Raises
    ------
    ValueError
        If a segmentation is of a later moment than `as_of`, the horizon is no span of time or reaches beyond the
        events, or fewer than ten customers are in all of the segmentations.
    TypeError
        If `events` did not come from :func:`segkit.read_events`.

    Notes
    -----
    Segments use only events before `as_of`, outcomes only later ones. Each customer is predicted by the *others* in the
    group, so that many small groups have no advantage.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(300, kinds="purchase")
    >>> then = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2024-10-01")
    >>> result = sg.segment(then, n_segments=4)
    >>> board = sg.outcome_scoreboard(events, result, as_of="2024-10-01", horizon="91 days")
    >>> bool(board.loc[("spend", "segments"), "explained"] > 0.1)
    True
    """
    named = results if isinstance(results, Mapping) else {"segments": results}
    _check_names(named)
    moment, ahead = checked_times(events, named, as_of, horizon)
    groups = _compared_groups(
        events, {n: labels_by_customer(result, n) for n, result in named.items()}, moment
    )
    customers = groups[RFM_QUINTILES].index
    later = _outcomes(events, moment, ahead, customers)
    rng = np.random.default_rng(random_state)
    rows = {
        (outcome, name): _row(groups[name], groups[RFM_QUINTILES], later[outcome], rng)
        for outcome in OUTCOMES
        for name in groups
    }
    board = pd.DataFrame.from_dict(rows, orient="index")
    board.index = pd.MultiIndex.from_tuples(board.index, names=["outcome", "segmentation"])
    board["verdict"] = [
        "the yardstick" if name == RFM_QUINTILES else _verdict(row)
        for (_, name), row in zip(board.index, board.to_dict("records"), strict=True)
    ]
    most = max(len(result.labels if isinstance(result, Partition) else result) for result in named.values())
    board.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "horizon": str(ahead),
        "customers": len(customers),
        "left_out": most - len(customers),
    }
    return board


def _check_names(results: Mapping[str, Partition | pd.Series]) -> None:
    if not results:
        raise ValueError("results holds no segmentation. Pass one, or several by name: {'ours': result}.")
    taken = [name for name in results if name in (RFM_QUINTILES, RFM_CELLS)]
    if taken:
        raise ValueError(
            f"A segmentation is called {taken[0]!r}, which is the name of a benchmark. Give it another name."
        )


def _compared_groups(
    events: Events, labels: Mapping[str, pd.Series], moment: pd.Timestamp
) -> dict[str, pd.Series]:
    """Return the groups of each segmentation and benchmark, of the customers who are in all of them."""
    benchmarks = _benchmarks(events, moment)
    common = benchmarks.index
    for series in labels.values():
        common = common.intersection(series.index)
    if len(common) < 10:
        raise ValueError(
            f"Only {len(common)} customers are in all of these segmentations and bought before {moment}. "
            "Make them of the same customers, as of the same moment."
        )
    return {n: s.loc[common] for n, s in labels.items()} | {n: benchmarks.loc[common, n] for n in benchmarks}


def segment_outcomes(
    events: Events,
    result: Partition | pd.Series,
    *,
    as_of: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Compare each segment's next period with that of all other customers.

    Parameters
    ----------
    events, result, as_of, horizon
        As in :func:`outcome_scoreboard`.
    minimum : int, default=10
        Missing is what is of fewer customers: rows, and shares that fewer have, or lack. Spend is missing of fewer than
        100, since it is a mean. 1 shows everything.

    Returns
    -------
    DataFrame
        Indexed by `outcome` and `segment`: `mean` of the segment's customers, `others` (mean of all other customers),
        and their `difference` with its 95 % interval `low`, `high` (Welch). Spend is in currency.
    """
    check_minimum(minimum)
    moment, ahead = checked_times(events, {"segments": result}, as_of, horizon)
    labels = labels_by_customer(result)
    later = _outcomes(events, moment, ahead, labels.index)
    later["spend"] = np.expm1(later["spend"])
    rows = {}
    for outcome in OUTCOMES:
        known = later[outcome].dropna()
        for segment in sorted(set(labels)):
            inside = (labels.loc[known.index] == segment).to_numpy()
            own, others = known.to_numpy()[inside], known.to_numpy()[~inside]
            rows[outcome, segment] = _welch(own, others)
            if not all(_may_be_told(values, outcome, minimum) for values in (own, others)):
                rows[outcome, segment] = dict.fromkeys(rows[outcome, segment], np.nan)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["outcome", "segment"])
    return table


def _may_be_told(values: np.ndarray, outcome: str, minimum: int) -> bool:
    if outcome == "spend":
        return bool(may_have_mean(len(values), minimum))
    return bool(may_have_share(values.sum(), len(values), minimum))


def _welch(own: np.ndarray, others: np.ndarray) -> dict[str, float]:
    mean, rest = (float(v.mean()) if len(v) else float("nan") for v in (own, others))
    variance = sum(v.var(ddof=1) / len(v) if len(v) > 1 else float("nan") for v in (own, others))
    half, apart = NORMAL * float(np.sqrt(variance)), mean - rest
    return {"mean": mean, "others": rest, "difference": apart, "low": apart - half, "high": apart + half}


def checked_times(
    events: Events,
    named: Mapping[str, Partition | pd.Series],
    as_of: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
) -> tuple[pd.Timestamp, pd.Timedelta]:
    """Return the moment and the horizon, or explain why segments cannot be compared over them."""
    checked_events(events)
    moment, ahead = read_moment(as_of), read_span(horizon, "horizon")
    for name, result in named.items():
        seen = result.provenance.get("as_of") if isinstance(result, Partition) else None
        if seen is not None and pd.Timestamp(seen) > moment:
            raise ValueError(
                f"The segmentation {name!r} was made as of {seen}, after as_of={moment}, so it knows the period that "
                f"it should predict. Make it from customer_features(…, as_of='{moment}')."
            )
    if events.last < moment + ahead - pd.Timedelta(days=1):
        raise ValueError(
            f"The events end at {events.last}, before the horizon does ({moment} + {ahead}). Choose an earlier as_of "
            "or a shorter horizon."
        )
    return moment, ahead


def later_spend(events: Events, customers: pd.DataFrame, horizon: str | timedelta | None = None) -> pd.Series:
    """Return what each customer spends within the horizon after the moment that the features were computed for.

    Parameters
    ----------
    events, horizon
        As in :func:`outcome_scoreboard`.
    customers : DataFrame
        From :func:`segkit.customer_features`.

    Returns
    -------
    Series of shape (n_customers,)
        log(1 + spend), as in the scoreboard.

    Raises
    ------
    ValueError
        If the customers do not say for which moment they were computed, or the events end before the horizon.
    """
    as_of = (customers.attrs.get("segkit") or {}).get("as_of")
    if not isinstance(as_of, str):
        raise ValueError(
            "These customers do not say as of which moment they were computed, so what came later is not known. "
            "Compute them by customer_features(events, …, as_of=…), or leave events= and horizon= out."
        )
    moment, ahead = checked_times(events, {}, as_of, horizon)
    return _outcomes(events, moment, ahead, customers.index)["spend"]


def _benchmarks(events: Events, moment: pd.Timestamp) -> pd.DataFrame:
    """Group customers who bought before by RFM alone; in a log without amounts, by recency and frequency."""
    amounts = "amount" in events.table.columns
    features = [f for f in RFM if f.name in RFM_FEATURES and (f.name != "monetary" or amounts)]
    rfm = customer_features(events, features, as_of=moment)
    rfm = rfm[rfm["frequency"] > 0]
    ranks = pd.DataFrame({c: rfm[c].rank(ascending=c != "recency") for c in RFM_FEATURES if c in rfm})
    fifths = np.ceil(5 * ranks / len(ranks)).clip(1, 5).astype(int)
    together = ranks.mean(axis=1).rank(method="first")
    return pd.DataFrame(
        {
            RFM_QUINTILES: np.ceil(5 * together / len(ranks)).clip(1, 5).astype(int),
            RFM_CELLS: sum(fifths[c] * 10**i for i, c in enumerate(fifths)),
        }
    )


def _outcomes(events: Events, moment: pd.Timestamp, ahead: pd.Timedelta, customers: pd.Index) -> pd.DataFrame:
    """Return each customer's outcomes; churn is missing for customers who were not active before."""
    t = events.table.filter(events.table.kind == "purchase")
    after = t.filter((t.timestamp >= moment) & (t.timestamp < moment + ahead))
    before = t.filter((t.timestamp < moment) & (t.timestamp >= moment - ahead))
    spend = after.amount.sum() if "amount" in t.columns else after.count()
    by_customer = after.group_by("customer_id").agg(orders=after.count(), spend=spend)
    orders = run_with_progress(by_customer, by_customer.to_pandas, "Counting later orders")
    orders = orders.set_index("customer_id").reindex(customers)
    earlier = before.select("customer_id").distinct()
    active = set(run_with_progress(earlier, earlier.to_pandas, "Counting earlier orders")["customer_id"])
    bought = orders["orders"].notna().astype(float)
    return pd.DataFrame(
        {
            "repeat purchase": bought,
            "spend": np.log1p(orders["spend"].astype(float).fillna(0).clip(lower=0)),
            "churn": (1 - bought).where(np.array([c in active for c in customers], dtype=bool)),
        },
        index=customers,
    )


def _row(groups: pd.Series, yardstick: pd.Series, later: pd.Series, rng: np.random.Generator) -> dict:
    known = later.dropna()
    values = known.to_numpy()
    group, rival = (pd.factorize(g.loc[known.index])[0] for g in (groups, yardstick))
    row = dict.fromkeys(["explained", "low", "high", "at_random", "gain", "gain_low", "gain_high"], np.nan)
    row = {"segments": len(np.unique(group))} | row
    if len(values) < 10 or values.std() == 0:
        return row
    base = leave_one_out_errors(values, np.zeros(len(values), dtype=int))
    own, rfm = leave_one_out_errors(values, group), leave_one_out_errors(values, rival)
    explained, error = share_explained(base - own, base)
    gain, gain_error = share_explained(rfm - own, base)
    random = [
        share_explained(base - leave_one_out_errors(values, rng.permutation(group)), base)[0]
        for _ in range(RANDOM)
    ]
    return row | {
        "explained": explained,
        "low": explained - NORMAL * error,
        "high": explained + NORMAL * error,
        "at_random": float(np.quantile(random, 0.95)),
        "gain": gain,
        "gain_low": gain - NORMAL * gain_error,
        "gain_high": gain + NORMAL * gain_error,
    }


def leave_one_out_errors(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the squared error of predicting each value by the mean of the others in its group."""
    size, total = np.bincount(group), np.bincount(group, weights=values)
    overall = (values.sum() - values) / max(len(values) - 1, 1)
    others = (total[group] - values) / np.maximum(size[group] - 1, 1)
    return (values - np.where(size[group] > 1, others, overall)) ** 2


def share_explained(saved: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Return the saved share of the base error, and its standard error (ratio of means, delta method)."""
    share = saved.sum() / base.sum()
    residual = saved - share * base
    return float(share), float(residual.std() / np.sqrt(len(base)) / base.mean())


def _verdict(row: dict) -> str:
    if np.isnan(row["explained"]):
        return "nothing to explain"
    if row["explained"] <= row["at_random"] or row["low"] <= 0:
        return "no more than chance"
    if row["gain_low"] > 0:
        return "more than RFM quintiles"
    return "less than RFM quintiles" if row["gain_high"] < 0 else "as much as RFM quintiles"
