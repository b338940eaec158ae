"""Simulate the tables of a shop over time, where what changes, and when, is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtr

from segkit.core.checks import check_count, check_seed
from segkit.core.messages import choose_from, in_words
from segkit.core.moments import read_span

FEATURES = ("recency", "frequency", "monetary", "average_order", "visits", "discount_share")
GROUPS = {  # share of the customers, place of its middle in each feature, in spreads within a group
    "Regulars": (0.30, (-1.5, 1.5, 1.2, 0.3, 1.0, -0.5)),
    "Bargain hunters": (0.25, (0.0, 0.5, -1.2, -1.8, 1.0, 2.4)),
    "Big spenders": (0.20, (0.0, -0.5, 2.2, 2.6, -1.0, -1.5)),
    "Occasional": (0.25, (2.4, -2.0, -2.0, -0.2, -1.8, 0.0)),
}
NEWCOMERS = "Newcomers"
TOWARDS = (0.6, 0.3, -0.8, -0.6, 3.0, 0.0)  # many visits, small orders; its length is set by `apart`
MIDDLE = {"recency": 20.0, "frequency": 4.0, "monetary": 180.0, "average_order": 40.0, "visits": 12.0}
SPREAD = 0.4  # of the logarithm of a feature, within a group
BUSY = (-0.4, 0.7, 0.9, 0.3, 0.8, 0.4)  # what a season does at its height, in spreads within a group
FELT = {"Regulars": 1.0, "Bargain hunters": 1.3, "Big spenders": 0.7, "Occasional": 0.9, NEWCOMERS: 1.0}
YEAR = pd.Timedelta("365.25 days")
CHANGES = ("newcomers", "season", "population", "feed gap", "concept")
PULL = (-0.35, 0.3, 0.1, 0.0, 0.25, 0.0)  # of each feature on the chance to buy in the next period
STAYS = 0.98  # share of customers who are there in the next period as well
LASTS = 0.9  # correlation of a customer's features with those of the period before


@dataclass(frozen=True, eq=False)
class ShopOverTime:
    """Simulated tables of a shop.

    Made by :func:`make_shop_over_time`.

    Attributes
    ----------
    tables : DataFrame
        As from :func:`segkit.snapshots`: indexed by `as_of` and `customer_id`, sorted.
    truth : Series of str
        The group of each row, on the same index.
    outcomes : Series of int
        1 where the customer buys in the period after, on the same index.
    since : Timestamp
        The first moment at which something is changed.
    """

    tables: pd.DataFrame = field(repr=False)
    truth: pd.Series = field(repr=False)
    outcomes: pd.Series = field(repr=False)
    since: pd.Timestamp


def make_shop_over_time(
    n_customers: int = 4_000,
    *,
    n_periods: int = 38,
    every: str = "7 days",
    changes: str | Iterable[str] = (),
    after: int = 12,
    same_customers: bool = False,
    newcomers: float = 0.05,
    grows: int = 12,
    apart: float = 3.6,
    random_state: int = 0,
) -> ShopOverTime:
    """Simulate the features of a shop's customers at several moments, and what changes in them.

    Parameters
    ----------
    n_customers : int, default=4_000
        Customers at each moment, in four groups.
    n_periods : int, default=38
        Number of moments.
    every : str, default="7 days"
        Time from one to the next.
    changes : str or iterable of str, optional
        What changes after the first `after` moments; nothing by default:

        * ``"newcomers"``: a fifth group grows.
        * ``"population"``: the same groups, but the small ones grow and "Regulars" shrink.
        * ``"feed gap"``: for four moments, half of all visits are missing, for everyone alike.
        * ``"concept"``: features stay as they are, but who has many visits now buys less, not more.
        * ``"season"``: all groups shop more and less in the course of a year, each in its own measure; all the time.
    after : int, default=12
        Moments before the change.
    same_customers : bool, default=False
        Whether customers come back from moment to moment, with features much as before (correlation 0.9; 2 % leave
        and others come). Else all are drawn anew at each.
    newcomers : float, default=0.05
        Share of the customers that the new group grows to.
    grows : int, default=12
        Moments in which it does.
    apart : float, default=3.6
        Distance from the new group to the nearest old one, in spreads within a group.
    random_state : int, default=0
        The same seed gives the same shop.

    Returns
    -------
    ShopOverTime

    Raises
    ------
    ValueError
        If a change is not one of those above, or a number is out of bounds.

    Examples
    --------
    >>> from segkit.datasets import make_shop_over_time
    >>> shop = make_shop_over_time(1000, n_periods=26, changes="newcomers")
    >>> shop.truth.loc[shop.tables.index[-1][0]].value_counts()["Newcomers"]
    np.int64(50)
    """
    for name, value, least in (
        ("n_customers", n_customers, 1),
        ("n_periods", n_periods, 1),
        ("after", after, 0),
        ("grows", grows, 1),
    ):
        check_count(name, value, least)
    check_seed(random_state)
    _check_number("newcomers", newcomers, 0.5)
    _check_number("apart", apart, 20)
    wanted = _checked_changes(changes)
    gap = read_span(every, "every")
    moments = pd.date_range("2024-01-01", periods=n_periods, freq=gap, name="as_of")
    rng = np.random.default_rng(random_state)
    group = _groups(
        n_customers, n_periods, after, newcomers if "newcomers" in wanted else 0.0, grows, wanted, rng
    )
    own, number = _customers(group, same_customers, rng)
    latent = own + _middles(apart)[group]
    if "season" in wanted:
        height = np.sin(2 * np.pi * (gap / YEAR * np.arange(n_periods) + rng.random()))
        latent += (height[:, None] * np.array([*FELT.values()])[group])[..., None] * np.array(BUSY)
    bought = rng.random(group.shape) < ndtr(_pull(latent, wanted, after))
    values = _in_units(latent)
    if "feed gap" in wanted:
        values[after : after + 4, :, FEATURES.index("visits")] *= 0.5
    order = np.argsort(number, axis=1)
    index = pd.MultiIndex(
        levels=[moments, [f"c{i:07}" for i in range(number.max() + 1)]],
        codes=[np.repeat(np.arange(n_periods), n_customers), np.take_along_axis(number, order, 1).ravel()],
        names=["as_of", "customer_id"],
    )

    def rows(of: np.ndarray) -> np.ndarray:
        return np.take_along_axis(of, order, 1).ravel()

    tables = pd.DataFrame({name: rows(values[..., i]) for i, name in enumerate(FEATURES)}, index=index)
    names = pd.array([*GROUPS, NEWCOMERS], dtype="str")
    return ShopOverTime(
        tables=tables,
        truth=pd.Series(names[rows(group)], index=index, name="group"),
        outcomes=pd.Series(rows(bought).astype(int), index=index, name="bought"),
        since=moments[min(after, n_periods - 1)],
    )


def _groups(
    n: int,
    periods: int,
    after: int,
    newcomers: float,
    grows: int,
    wanted: frozenset[str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the group of each place in the shop at each moment, of shape (periods, n)."""
    shares = np.array([share for share, _ in GROUPS.values()])
    rank, leaves = rng.permutation(n), rng.permutation(n)  # places with low numbers change first
    drawn = (np.arange(n) + 0.5) / n
    since = np.clip((np.arange(periods) - after + 1) / grows, 0, 1)
    group = np.empty((periods, n), dtype=np.int64)
    start = rng.permutation(np.searchsorted(np.cumsum(shares), drawn).clip(0, len(shares) - 1))
    moved = rng.integers(1, len(shares), n)
    for t, grown in enumerate(since):
        group[t] = start
        if "population" in wanted:
            group[t] = np.where((start == 0) & (leaves < 0.5 * grown * n), moved, start)
        group[t][rank < round(newcomers * grown * n)] = len(shares)
    return group


def _customers(group: np.ndarray, same: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what is each customer's own, in spreads within the group, and the number of its id."""
    periods, n = group.shape
    own = rng.standard_normal((periods, n, len(FEATURES)))
    number = np.arange(periods * n).reshape(periods, n)
    if not same:
        return own, number
    last = n
    for t in range(1, periods):
        stays = (rng.random(n) < STAYS) & (group[t] == group[t - 1])
        own[t, stays] = LASTS * own[t - 1, stays] + np.sqrt(1 - LASTS**2) * own[t, stays]
        come = int((~stays).sum())
        number[t] = number[t - 1]
        number[t, ~stays] = np.arange(last, last + come)
        last += come
    return own, number


def _middles(apart: float) -> np.ndarray:
    """Return the middle of each group; that of the new one is `apart` from the nearest."""
    middles = np.array([middle for _, middle in GROUPS.values()])
    direction = np.array(TOWARDS) / np.linalg.norm(TOWARDS)
    away = np.linspace(0, 40, 4001)[:, None] * direction  # from the first group, until no other is nearer
    distance = np.linalg.norm(middles[0] + away[:, None] - middles, axis=2).min(axis=1)
    return np.vstack([middles, middles[0] + away[np.searchsorted(np.maximum.accumulate(distance), apart)]])


def _pull(latent: np.ndarray, wanted: frozenset[str], after: int) -> np.ndarray:
    pull = np.repeat(np.array([PULL]), len(latent), axis=0)
    if "concept" in wanted:
        pull[after:, FEATURES.index("visits")] *= -1
    return np.einsum("tnd,td->tn", latent, pull) - 0.5


def _in_units(latent: np.ndarray) -> np.ndarray:
    """Return features in their units: log-normal numbers, and a share."""
    values = np.exp(SPREAD * latent) * np.array([MIDDLE.get(name, 1.0) for name in FEATURES])
    values[..., FEATURES.index("discount_share")] = ndtr(
        0.5 * latent[..., FEATURES.index("discount_share")] - 0.8
    )
    return values


def _check_number(name: str, value: object, most: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= most:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} should lie between 0 and {most:g}.")


def _checked_changes(changes: str | Iterable[str]) -> frozenset[str]:
    if not isinstance(changes, str) and not isinstance(changes, Iterable):
        raise TypeError(f"changes is {in_words(changes)}. It should be among {', '.join(CHANGES)}.")
    wanted = frozenset([changes] if isinstance(changes, str) else changes)
    for change in sorted(wanted - set(CHANGES), key=str):
        raise ValueError(f"There is no change {change!r}.{choose_from(change, CHANGES)}")
    return wanted
