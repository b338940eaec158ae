"""Are the segments worth having: what they say about the next period, against RFM and against chance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd

from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.rfm import RFM
from segkit.collect.events import Events
from segkit.core.engine.connection import run_with_progress
from segkit.core.moments import read_moment, read_span
from segkit.methods.partition import Partition

RANDOM = 200  # random groupings of the same sizes
OUTCOMES = ("repeat purchase", "spend", "churn")
RFM_QUINTILES, RFM_CELLS = "RFM quintiles", "RFM cells"
RFM_WORDS = ("recency", "frequency", "monetary")
NORMAL = 1.959964


def outcome_scoreboard(
    events: Events,
    results: Partition | pd.Series | Mapping[str, Partition | pd.Series],
    *,
    as_of: str | pd.Timestamp,
    horizon: str | timedelta,
    random_state: int = 0,
) -> pd.DataFrame:
    """Measure how much of what customers do next each segmentation explains.

    Parameters
    ----------
    events : Events
        The log, running past ``as_of + horizon``.
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
        A row for each outcome and segmentation, and for two rivals, `RFM quintiles` (five equal groups
        by the mean rank of recency, frequency and monetary) and `RFM cells` (their quintiles crossed):

        * `segments`: number of groups.
        * `explained`, `low`, `high`: share of the outcome's variance that the group explains, for
          customers left out of their group's mean, with its 95 % interval. At 0 it says nothing.
        * `at_random`: the 95 % quantile of what groups of the same sizes, drawn at random, explain.
        * `gain`, `gain_low`, `gain_high`: explained beyond RFM quintiles, with its 95 % interval.
        * `verdict` in words.

        Outcomes: `repeat purchase` (any order within the horizon), `spend` (logarithm of 1 + spend),
        `churn` (no order within the horizon, of customers who had one in as long before `as_of`).
        Of a log without amounts, `spend` is the logarithm of 1 + orders, and the rivals are made of recency and
        frequency alone.

    Raises
    ------
    ValueError
        If a segmentation saw what came after `as_of`, the horizon is no span of time, the events end before it
        does, or fewer than ten customers are in all of the segmentations.
    TypeError
        If `events` did not come from :func:`segkit.read_events`.

    Notes
    -----
    Out of time: segments know only what was before `as_of`, outcomes only what came after. A customer is
    predicted by the *others* in the group, so many small groups gain nothing by being many.

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
    labels = {name: _labels(name, result) for name, result in named.items()}
    rivals = _rivals(events, moment)
    common = rivals.index
    for series in labels.values():
        common = common.intersection(series.index)
    if len(common) < 10:
        raise ValueError(
            f"Only {len(common)} customers are in all of these segmentations and bought before {moment}. "
            "Make them of the same customers, as of the same moment."
        )
    groups = {n: s.loc[common] for n, s in labels.items()} | {n: rivals.loc[common, n] for n in rivals}
    later = _outcomes(events, moment, ahead, common)
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
    left_out = max(len(s) for s in labels.values()) - len(common)
    board.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "horizon": str(ahead),
        "customers": len(common),
        "left_out": left_out,
    }
    return board


def _check_names(results: Mapping[str, Partition | pd.Series]) -> None:
    if not results:
        raise ValueError("results holds no segmentation. Bring one, or several by name: {'ours': result}.")
    taken = [name for name in results if name in (RFM_QUINTILES, RFM_CELLS)]
    if taken:
        raise ValueError(
            f"A segmentation is called {taken[0]!r}, as is a rival that is made here. Call it another way."
        )


def segment_outcomes(
    events: Events, result: Partition | pd.Series, *, as_of: str | pd.Timestamp, horizon: str | timedelta
) -> pd.DataFrame:
    """Say what each segment did next, beside everyone else.

    Parameters
    ----------
    events, result, as_of, horizon
        As in :func:`outcome_scoreboard`.

    Returns
    -------
    DataFrame
        Indexed by `outcome` and `segment`: `mean` of the segment's customers, `others` (mean of everyone
        else), and their `difference` with its 95 % interval `low`, `high` (Welch). Spend is in currency.
    """
    moment, ahead = checked_times(events, {"segments": result}, as_of, horizon)
    labels = _labels("segments", result)
    later = _outcomes(events, moment, ahead, labels.index)
    later["spend"] = np.expm1(later["spend"])
    rows = {}
    for outcome in OUTCOMES:
        known = later[outcome].dropna()
        for segment in sorted(set(labels)):
            inside = (labels.loc[known.index] == segment).to_numpy()
            rows[outcome, segment] = _welch(known.to_numpy()[inside], known.to_numpy()[~inside])
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["outcome", "segment"])
    return table


def _welch(own: np.ndarray, others: np.ndarray) -> dict[str, float]:
    nothing = float("nan")
    mean, rest = (float(v.mean()) if len(v) else nothing for v in (own, others))
    parts = [v.var(ddof=1) / len(v) if len(v) > 1 else nothing for v in (own, others)]
    wide = NORMAL * float(np.sqrt(sum(parts)))
    apart = mean - rest
    return {"mean": mean, "others": rest, "difference": apart, "low": apart - wide, "high": apart + wide}


def check_events(events: object) -> None:
    """Refuse what is no log."""
    if not isinstance(events, Events):
        raise TypeError(f"events is a {type(events).__name__}. It should come from read_events.")


def checked_times(
    events: Events,
    named: Mapping[str, Partition | pd.Series],
    as_of: str | pd.Timestamp,
    horizon: str | timedelta,
) -> tuple[pd.Timestamp, pd.Timedelta]:
    """Return when to look and how far ahead, if no segments saw what came after and the events run so far."""
    check_events(events)
    moment, ahead = read_moment(as_of), read_span(horizon, "horizon")
    for name, result in named.items():
        seen = result.provenance.get("as_of") if isinstance(result, Partition) else None
        if seen is not None and pd.Timestamp(seen) > moment:
            raise ValueError(
                f"The segmentation {name!r} was made as of {seen}, after as_of={moment}: it has seen what it should "
                f"foretell. Make it from customer_features(…, as_of='{moment}')."
            )
    if events.last < moment + ahead - pd.Timedelta(days=1):
        raise ValueError(
            f"The events end at {events.last}, before the horizon does ({moment} + {ahead}). Choose an earlier as_of "
            "or a shorter horizon."
        )
    return moment, ahead


def _labels(name: str, result: Partition | pd.Series) -> pd.Series:
    labels = result.labels if isinstance(result, Partition) else result
    if not isinstance(labels, pd.Series):
        raise TypeError(f"{name!r} is a {type(result).__name__}. Pass a Segmentation, or a Series of labels.")
    if labels.isna().any():
        raise ValueError(f"{name!r} has no label for {int(labels.isna().sum()):,} customers. Give each one.")
    if not labels.index.is_unique:
        example = labels.index[labels.index.duplicated()][0]
        raise ValueError(f"{name!r} has two labels for {example!r}. Give each customer one.")
    return labels.set_axis(labels.index.astype("str")) if labels.index.dtype != "str" else labels


def _rivals(events: Events, moment: pd.Timestamp) -> pd.DataFrame:
    """Group the customers who bought before by RFM alone; of a log without amounts, by recency and frequency."""
    known = [
        f for f in RFM if f.name in RFM_WORDS and (f.name != "monetary" or "amount" in events.table.columns)
    ]
    rfm = customer_features(events, known, as_of=moment)
    rfm = rfm[rfm["frequency"] > 0]
    ranks = pd.DataFrame({c: rfm[c].rank(ascending=c != "recency") for c in RFM_WORDS if c in rfm})
    fifths = np.ceil(5 * ranks / len(ranks)).clip(1, 5).astype(int)
    together = ranks.mean(axis=1).rank(method="first")
    return pd.DataFrame(
        {
            RFM_QUINTILES: np.ceil(5 * together / len(ranks)).clip(1, 5).astype(int),
            RFM_CELLS: sum(fifths[c] * 10**i for i, c in enumerate(fifths)),
        }
    )


def _outcomes(events: Events, moment: pd.Timestamp, ahead: pd.Timedelta, customers: pd.Index) -> pd.DataFrame:
    """Return what each customer did next; churn is missing of those who were not active before."""
    t = events.table.filter(events.table.kind == "purchase")
    after = t.filter((t.timestamp >= moment) & (t.timestamp < moment + ahead))
    before = t.filter((t.timestamp < moment) & (t.timestamp >= moment - ahead))
    spend = after.amount.sum() if "amount" in t.columns else after.count()
    by_customer = after.group_by("customer_id").agg(orders=after.count(), spend=spend)
    told = run_with_progress(by_customer, by_customer.to_pandas, "Counting what came next")
    told = told.set_index("customer_id").reindex(customers)
    once = before.select("customer_id").distinct()
    active = set(run_with_progress(once, once.to_pandas, "Counting what came before")["customer_id"])
    bought = told["orders"].notna().astype(float)
    return pd.DataFrame(
        {
            "repeat purchase": bought,
            "spend": np.log1p(told["spend"].astype(float).fillna(0).clip(lower=0)),
            "churn": (1 - bought).where(np.array([c in active for c in customers], dtype=bool)),
        },
        index=customers,
    )


def _row(groups: pd.Series, yardstick: pd.Series, later: pd.Series, rng: np.random.Generator) -> dict:
    known = later.dropna()
    values = known.to_numpy()
    group, rival = (pd.factorize(g.loc[known.index])[0] for g in (groups, yardstick))
    nothing = {"segments": len(np.unique(group)), "explained": np.nan, "low": np.nan, "high": np.nan}
    nothing |= {"at_random": np.nan, "gain": np.nan, "gain_low": np.nan, "gain_high": np.nan}
    if len(values) < 10 or values.std() == 0:
        return nothing
    none = _errors(values, np.zeros(len(values), dtype=int))
    own, rfm = _errors(values, group), _errors(values, rival)
    explained, wide = _share(none - own, none)
    gain, gain_wide = _share(rfm - own, none)
    lot = [_share(none - _errors(values, rng.permutation(group)), none)[0] for _ in range(RANDOM)]
    return nothing | {
        "explained": explained,
        "low": explained - wide,
        "high": explained + wide,
        "at_random": float(np.quantile(lot, 0.95)),
        "gain": gain,
        "gain_low": gain - gain_wide,
        "gain_high": gain + gain_wide,
    }


def _errors(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the squared error of predicting each by the mean of the others in the group."""
    size, total = np.bincount(group), np.bincount(group, weights=values)
    overall = (values.sum() - values) / (len(values) - 1)
    others = (total[group] - values) / np.maximum(size[group] - 1, 1)
    return (values - np.where(size[group] > 1, others, overall)) ** 2


def _share(saved: np.ndarray, none: np.ndarray) -> tuple[float, float]:
    """Return saved over none, and half the width of its 95 % interval (ratio of means, delta method)."""
    share = saved.sum() / none.sum()
    residual = saved - share * none
    return float(share), float(NORMAL * residual.std() / np.sqrt(len(none)) / none.mean())


def _verdict(row: dict) -> str:
    if np.isnan(row["explained"]):
        return "nothing to explain"
    if row["explained"] <= row["at_random"] or row["low"] <= 0:
        return "no more than chance"
    if row["gain_low"] > 0:
        return "more than RFM quintiles"
    return "less than RFM quintiles" if row["gain_high"] < 0 else "as much as RFM quintiles"
