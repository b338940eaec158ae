"""Judge whom to treat: nobody, everyone, or those whom a policy picks, by the outcomes of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from segkit.collect.events import Events
from segkit.core.checks import check_frame, check_level, check_seed, checked_customers
from segkit.core.messages import counted, joined
from segkit.core.order import positions_by_id
from segkit.methods.partition import Partition
from segkit.tailor.audiences.contacts import shown
from segkit.tailor.audiences.customer_ids import text_of
from segkit.tailor.experiments.arms import CONTROL
from segkit.tailor.experiments.experiment_table import (
    FAILED,
    check_earlier,
    experiment_table,
    read_start,
    sample_ratio,
    shares_of,
)
from segkit.tailor.experiments.measured_policies import FEWEST, Measured, constant_policy, policies_table
from segkit.tailor.experiments.uplift_learners import (
    Learning,
    doubly_robust,
    dr_effects,
    effects_by_segment,
    expected_outcomes,
    prepared,
)
from segkit.tailor.experiments.wording import p_in_words

BY_SEGMENT, T_LEARNER, DR_LEARNER = "per segment", "T-learner", "DR-learner"


def targeting(
    arms: pd.Series,
    outcomes: pd.Series | pd.DataFrame | Events,
    *,
    by: Partition | pd.Series | None = None,
    features: pd.DataFrame | None = None,
    cost: float | Mapping[str, float] = 0.0,
    outcome: str | None = None,
    level: float = 0.95,
    control: str = CONTROL,
    start: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Judge policies of whom to treat, by a randomised experiment: is any better than treating nobody, or all alike?

    Policies are learned from one half of the customers, chosen at random, and measured on the other half.

    Parameters
    ----------
    arms : Series
        Arm of each customer, by id. Arms were assigned at random, to all customers with the same shares.
    outcomes : Series, DataFrame or Events
        A number for each customer, by id; of Events, what happened between `start` and ``start + horizon``, as for
        :func:`segkit.lift`. A customer without one is left out, never taken for 0.
    by : Segmentation or Series, optional
        Segments, made before the experiment; for the policy of an arm for each segment.
    features : DataFrame of shape (n_customers, n_features), optional
        What was known of each customer before the experiment; for the T-learner and the DR-learner.
    cost : float or mapping of str to float, default=0.0
        Cost of treating a customer, in the unit of the outcome; by arm if arms differ.
    outcome : str, optional
        Column of a DataFrame. Of Events, "conversion" (any purchase; the default), "spend", or a kind of event.
    level : float, default=0.95
        Of the intervals.
    control : str, default="held out"
        The arm that was not treated.
    start, horizon : str, optional
        When the treatment began, and how long outcomes of Events count. `features` should be as of `start` or earlier.
    random_state : int, default=0
        Seed of the halves and of the learners.

    Returns
    -------
    DataFrame
        A row for each `policy`: nobody, each arm for everyone, an arm for each segment, and two learners:

        * `value`, `low`, `high`: mean outcome of a customer under the policy, less the cost, with its interval.
        * `gain`, `gain_low`, `gain_high`: value beyond that of the yardstick, which is the best of nobody and each arm
          for everyone in the half that was learned from.
        * `treated`: share of customers whom the policy treats.
        * `qini`, `qini_se`: area between the Qini curve and the line of treating customers at random with the best arm,
          in the unit of the outcome, and its standard error. At 0, the ranking is no better than at random.
        * `verdict` in words. A policy is called better only if it beats all that needs no features, also where many
          policies are asked about (Holm).

        ``attrs["segkit"]`` holds the `yardstick`, the `customers` learned from and measured, the arm of each segment
        (`by_segment`), customers left out, and the points of the Qini curves, for :func:`segkit.plot_qini`.

    Raises
    ------
    TypeError, ValueError
        If a customer has two arms or two outcomes, there is only one arm, or features are from after `start`.

    Notes
    -----
    Values are means of doubly robust scores [1]_ with the arms' shares as propensities. Expected outcomes come from the
    T-learner if there are features, else they are the arms' means; both from the half that was learned from. With
    several arms, the Qini curve treats first those who gain most from their best arm [2]_.

    References
    ----------
    .. [1] Athey & Wager (2021), Policy learning with observational data, Econometrica 89.
    .. [2] Sverdrup, Wu, Athey & Wager (2024), Qini curves for multi-armed treatment rules.

    Examples
    --------
    Mail raises the spend of the customers in the North, and lowers it in the South.

    >>> import numpy as np
    >>> import pandas as pd
    >>> import segkit as sg
    >>> ids = [f"c{i:04}" for i in range(2000)]
    >>> rng = np.random.default_rng(0)
    >>> arms = pd.Series(rng.permutation(["mail", "held out"] * 1000), index=ids)
    >>> region = pd.Series(rng.permutation(["North", "South"] * 1000), index=ids)
    >>> spend = rng.normal(10 + (arms == "mail") * np.where(region == "North", 3, -1), 2)
    >>> table = sg.targeting(arms, pd.Series(spend, index=ids), by=region)
    >>> table[["policy", "treated", "verdict"]]
               policy  treated                                         verdict
    0          nobody    0.000                       worse than everyone: mail
    1  everyone: mail    1.000  the yardstick: the best that needs no features
    2     per segment    0.505                      better than everyone: mail
    """
    check_level(level)
    check_seed(random_state)
    if features is not None:
        check_earlier(features, None if start is None else read_start(start), "features")
    read = experiment_table(
        arms, outcomes, by=by, before=None, outcome=outcome, control=control, start=start, horizon=horizon
    )
    names = [control, *(name for name in read.arms.cat.categories if name != control)]
    costs = _costs(cost, names)
    order = positions_by_id(read.arms.index)
    order = order[~np.isnan(read.outcomes[order])]
    arm = pd.Index(names).get_indexer(read.arms.iloc[order].astype("str"))
    _check_sizes(arm, names)
    learn = _half(arm, random_state)
    learning = Learning(arm[learn], read.outcomes[order][learn], np.bincount(arm) / len(arm))
    learned = learning.means - costs
    best, best_arm = int(learned.argmax()), 1 + int(learned[1:].argmax())
    effects: dict[str, np.ndarray] = {}
    by_segment: dict[str, str] = {}
    expected = np.tile(learning.means, (int((~learn).sum()), 1))
    with threadpool_limits(limits=1):
        if read.segments is not None:
            place = read.segments.cat.codes.to_numpy().astype(int)[order]
            labels = list(read.segments.cat.categories)
            of_segment = effects_by_segment(learning, place[learn], np.arange(len(labels))) - costs
            effects[BY_SEGMENT] = of_segment[place[~learn]]
            by_segment = {name: names[of_segment[i].argmax()] for i, name in enumerate(labels)}
        if features is not None:
            matrix = prepared(_checked_features(features, read.arms.index[order]), learn)
            expected = expected_outcomes(learning, matrix[learn], matrix[~learn], random_state)
            effects[T_LEARNER] = expected - expected[:, :1] - costs
            effects[DR_LEARNER] = dr_effects(learning, matrix[learn], matrix[~learn], random_state) - costs
    y = read.outcomes[order][~learn]
    net = doubly_robust(expected, arm[~learn], y, learning.share) - costs
    measured = Measured(net, arm[~learn], y, best, best_arm)
    result = policies_table(measured, effects, names, level)
    assigned = shares_of(read.arms, None)
    ratio = float("nan") if assigned is None else sample_ratio(read.arms, assigned)
    if ratio < FAILED:
        result["verdict"] = (
            f"sample ratio failed ({p_in_words(ratio)}), so arms may differ anyway: " + result["verdict"]
        )
    missing = read.arms[np.isnan(read.outcomes)].value_counts()
    result.attrs["segkit"] = {
        **{"control": control, "outcome": outcome, "level": level, "random_state": random_state},
        **{"cost": dict(zip(names[1:], costs[1:].tolist(), strict=True)), "sample_ratio": ratio},
        "shares": dict(zip(names, learning.share.tolist(), strict=True)),
        "yardstick": constant_policy(names, best),
        "customers": {"learned": int(learn.sum()), "measured": int((~learn).sum())},
        **{"missing": missing.to_dict(), "without_an_arm": read.strangers, "by_segment": by_segment},
        "qini": [point for name, effect in effects.items() for point in measured.curve(name, effect, level)],
    }
    return result


def _half(arm: np.ndarray, random_state: int) -> np.ndarray:
    """Return which customers to learn from: half of each arm, at random."""
    order = np.random.default_rng(random_state).permutation(len(arm))
    learn = np.zeros(len(arm), dtype=bool)
    learn[order[np.argsort(arm[order], kind="stable")][::2]] = True
    return learn


def _costs(cost: float | Mapping[str, float], names: list[str]) -> np.ndarray:
    """Return the cost of each arm; of who is held out, 0.

    Raises
    ------
    ValueError
    """
    told = cost if isinstance(cost, Mapping) else dict.fromkeys(names[1:], cost)
    unknown = [name for name in told if name not in names[1:]] + [
        name for name in names[1:] if name not in told
    ]
    if unknown:
        raise ValueError(
            f"cost should name each treated arm: {joined(names[1:])}. {unknown[0]!r} does not fit."
        )
    for value in told.values():
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, np.number))
            or not np.isfinite(value)
        ):
            raise ValueError(f"cost={value!r} should be a number, in the unit of the outcome.")
    return np.array([0.0, *(float(told[name]) for name in names[1:])])


def _checked_features(features: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    """Return the features of customers, in the order of ids."""
    check_frame("features", features, "It should be a DataFrame with a row for each customer.")
    table = checked_customers(features)
    table = table.set_axis(text_of(table.index, "features"))
    absent = ids.difference(table.index)
    if len(absent):
        raise ValueError(
            f"features has no row for {counted(len(absent), 'customer')} of arms, such as {shown(absent[0])}. Compute "
            "the features of all, as of the day before the experiment."
        )
    return table.loc[ids]


def _check_sizes(arm: np.ndarray, names: list[str]) -> None:
    """Refuse arms too small to be halved."""
    counts = np.bincount(arm, minlength=len(names))
    least = int(counts.argmin())
    if counts[least] < 2 * FEWEST:
        known = counted(int(counts[least]), "customer has", "customers have")
        raise ValueError(
            f"{known} an outcome in the arm {names[least]!r}. Learning from one half and measuring on the other needs "
            f"{2 * FEWEST} or more in each arm. Compare arms by lift(…), or join them."
        )
