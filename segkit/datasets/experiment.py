"""Simulate an experiment whose effect on each segment is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtr

from segkit.core.checks import check_count, check_seed

# share of the customers, share who buy untreated, what the treatment adds to it, mean order when they buy
SEGMENTS = {
    "New": (0.15, 0.04, 0.03, 30.0),
    "Regulars": (0.25, 0.12, 0.0, 45.0),
    "Loyal": (0.10, 0.25, 0.0, 80.0),
    "Bargain hunters": (0.20, 0.08, 0.05, 25.0),
    "Fading": (0.20, 0.03, 0.015, 40.0),
    "Lapsed": (0.10, 0.01, 0.0, 35.0),
}
CONTROL = "held out"
RESEMBLES = 0.6  # correlation of how likely customers of a segment are to buy, before and after


@dataclass(frozen=True, eq=False)
class Experiment:
    """A simulated experiment.

    Made by :func:`make_experiment`.

    Attributes
    ----------
    segments : Series of str
        Segment of each customer, by `customer_id`.
    arms : Series of str
        "treated" or "held out".
    before : DataFrame
        `conversion` (0 or 1) and `spend` of the period before.
    outcomes : DataFrame
        The same after the treatment.
    effects : DataFrame
        What the treatment truly adds to `conversion` and `spend`, by segment.
    """

    segments: pd.Series = field(repr=False)
    arms: pd.Series = field(repr=False)
    before: pd.DataFrame = field(repr=False)
    outcomes: pd.DataFrame = field(repr=False)
    effects: pd.DataFrame


def make_experiment(
    n_customers: int = 20_000, *, holdout: float = 0.1, effect: float = 1.0, random_state: int = 0
) -> Experiment:
    """Simulate an experiment: six segments, three of which the treatment moves.

    Parameters
    ----------
    n_customers : int, default=20_000
    holdout : float, default=0.1
        Share of the customers that is held out.
    effect : float, default=1.0
        Times the effects; at 0 the treatment does nothing.
    random_state : int, default=0
        The same seed gives the same experiment.

    Returns
    -------
    Experiment

    Examples
    --------
    >>> from segkit.datasets import make_experiment
    >>> make_experiment(1000).effects.loc["New"].to_dict()
    {'conversion': 0.03, 'spend': 0.9}
    """
    check_count("n_customers", n_customers, 1)
    check_seed(random_state)
    if isinstance(holdout, bool) or not isinstance(holdout, (int, float)) or not 0 < holdout < 1:
        raise ValueError(f"holdout={holdout!r} should lie between 0 and 1.")
    if isinstance(effect, bool) or not isinstance(effect, (int, float)) or not 0 <= effect <= 2:
        raise ValueError(f"effect={effect!r} should lie between 0 and 2.")
    rng = np.random.default_rng(random_state)
    ids = pd.Index([f"c{i:06}" for i in range(n_customers)], name="customer_id")
    sizes, base, added, order = (np.array(column) for column in zip(*SEGMENTS.values(), strict=True))
    added = added * effect
    place = rng.choice(len(SEGMENTS), n_customers, p=sizes)
    treated = rng.random(n_customers) >= holdout
    # A customer's own rank among the segment decides in both periods, so that before says something of after.
    own = rng.normal(size=n_customers)

    def period(share: np.ndarray) -> pd.DataFrame:
        noise = rng.normal(size=n_customers)
        rank = np.sqrt(RESEMBLES) * own + np.sqrt(1 - RESEMBLES) * noise
        bought = ndtr(rank) < share
        spend = np.where(bought, order[place] * rng.lognormal(-0.125, 0.5, n_customers), 0.0)
        return pd.DataFrame({"conversion": bought.astype(int), "spend": spend.round(2)}, index=ids)

    names = np.array(list(SEGMENTS), dtype=object)
    before = period(base[place])
    return Experiment(
        segments=pd.Series(names[place], index=ids, name="segment", dtype="str"),
        arms=pd.Series(np.where(treated, "treated", CONTROL), index=ids, name="arm", dtype="str"),
        before=before,
        outcomes=period(base[place] + added[place] * treated),
        effects=pd.DataFrame(
            {"conversion": added, "spend": (added * order).round(6)},
            index=pd.Index(names, name="segment", dtype="str"),
        ),
    )
