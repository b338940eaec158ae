"""Value a policy from a log of what was done, with which probability, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from segkit.core.checks import check_frame, check_level, check_seed, check_type, checked_customers
from segkit.core.messages import counted, did_you_mean, listed
from segkit.tailor.experiments.uplift_learners import FOLDS, prepared
from segkit.tailor.experiments.wording import amount

FEWEST = 30  # matched rewards, and rows that the weights amount to, below which there is no interval
SEEN = 0.8  # chance at which a difference counts as one that we would have seen
ROUNDING = 1e-12  # of the largest value
ODD = 3.0  # standard errors of the mean weight from 1
LOG = "It should be a DataFrame with a row for each decision: what was done, its probability, and the reward."


def policy_value(
    log: pd.DataFrame,
    policy: pd.Series | pd.DataFrame,
    *,
    action: str,
    reward: str,
    propensity: str,
    features: Sequence[str] | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Value a policy from a log of another one: what would the mean reward have been? (off-policy evaluation).

    Parameters
    ----------
    log : DataFrame
        A row for each decision.
    policy : Series or DataFrame
        What the policy would have done in each row, on the index of `log`; or the probability of each action, one
        column each. It must not have been learned from these rows.
    action, reward, propensity : str
        Columns of `log`: what was done, what came of it, and the probability with which it was chosen.
    features : list of str, optional
        Columns of `log` with what was known at the decision. They make the doubly robust value surer.
    level : float, default=0.95
        Of the intervals.
    random_state : int, default=0
        Seed of the folds in which rewards are predicted.

    Returns
    -------
    DataFrame
        A row for each `estimator`: IPS (inverse propensity), SNIPS (its weights sum to 1 [1]_) and DR (doubly robust
        [2]_; predicted rewards, corrected by the log):

        * `value`, `low`, `high`: mean reward under the policy, with its interval.
        * `effective_rows`: how many rows the weights amount to (Kish). `largest_weight`: of a row.
        * `matched_rewards`: rows where the policy might have done what was done, and the reward is not 0. Below 30, or
          with fewer than 30 effective rows, there is no interval.
        * `verdict` in words: against what was done.

        ``attrs["segkit"]`` holds the `rows` used, their mean reward (`logged_value`), the `mean_weight` (about 1 if
        propensities are right), and rows `set_aside` by reason.

    Raises
    ------
    TypeError, ValueError
        If a column is missing, the policy is on another index, it does something that the log never has, or no row can
        be used.

    References
    ----------
    .. [1] Swaminathan & Joachims (2015), The self-normalized estimator for counterfactual learning, NeurIPS.
    .. [2] Dudík, Langford & Li (2011), Doubly robust policy evaluation and learning, ICML.

    Examples
    --------
    A shop showed tea to half of its visitors and coffee to the others. What if all had seen coffee?

    >>> import numpy as np
    >>> import pandas as pd
    >>> import segkit as sg
    >>> shown = np.tile(["tea", "coffee"], 500)
    >>> clicked = np.r_[np.tile([0, 1, 0, 0], 150), np.tile([0, 1], 200)]
    >>> log = pd.DataFrame({"shown": shown, "clicked": clicked, "chance": 0.5})
    >>> policy = pd.Series("coffee", index=log.index)
    >>> values = sg.policy_value(log, policy, action="shown", reward="clicked", propensity="chance")
    >>> values[["estimator", "value", "matched_rewards", "verdict"]].round(3)
      estimator  value  matched_rewards                           verdict
    0       IPS    0.7              350  better than what was done (0.35)
    1     SNIPS    0.7              350  better than what was done (0.35)
    2        DR    0.7              350  better than what was done (0.35)
    """
    check_frame("log", log, LOG)
    check_level(level)
    check_seed(random_state)
    asked = {"action": action, "reward": reward, "propensity": propensity}
    if features is not None:
        check_type("features", features, (list, tuple), "It should be a list of columns of log.")
    _check_columns(log, asked | {f"features[{i}]": name for i, name in enumerate(features or ())})
    chances = _chances(policy, log)
    reasons = _reasons(log, chances, action, reward, propensity)
    used = (reasons == "").to_numpy()
    set_aside = reasons[~used].value_counts().to_dict()
    if not used.any():
        why = listed(f"{reason} {n:,}" for reason, n in set_aside.items()) or "it is empty"
        raise ValueError(f"No row of log can be used: {why}. {LOG}")
    log, chances = log[used], chances[used]
    actions = pd.Index(log[action].astype(object).unique())
    _check_actions(chances, actions)
    code = actions.get_indexer(log[action])
    wished = chances.reindex(columns=actions, fill_value=0.0).to_numpy(dtype=float)
    rewards = log[reward].to_numpy(dtype=float)
    weights = wished[np.arange(len(log)), code] / log[propensity].to_numpy(dtype=float)
    matrix = None if not features else prepared(_features(log, features), np.ones(len(log), dtype=bool))
    with threadpool_limits(limits=1):
        expected = _expected(rewards, code, len(actions), matrix, random_state)
    # of each row, an estimate whose mean is the value
    by_row = {
        "IPS": weights * rewards,
        "SNIPS": _self_normalised(weights, rewards),
        "DR": (wished * expected).sum(axis=1) + weights * (rewards - expected[np.arange(len(log)), code]),
    }
    told = {
        "effective_rows": float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0,
        "matched_rewards": int(((weights > 0) & (rewards != 0)).sum()),
        "largest_weight": float(weights.max()),
    }
    warning = _warning(weights)
    after = f"; {counted(len(reasons) - len(log), 'row')} set aside" if set_aside else ""
    rows = []
    for name, values in by_row.items():
        row = {"estimator": name, **_interval(values, told, level), **told}
        rows.append(row | {"verdict": f"{warning}{_verdict(row, values, rewards, level)}{after}"})
    table = pd.DataFrame(rows)
    table.attrs["segkit"] = {
        **{"level": level, "rows": len(log), "set_aside": set_aside, "logged_value": float(rewards.mean())},
        **{"mean_weight": float(weights.mean()), "random_state": random_state, **asked},
        "features": list(features or ()),
    }
    return table


def _features(log: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    return checked_customers(log[list(features)].reset_index(drop=True))


def _self_normalised(weights: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    if not weights.any():
        return np.full(len(weights), np.nan)
    value = (weights * rewards).sum() / weights.sum()
    return value + weights * (rewards - value) / weights.mean()


def _expected(
    rewards: np.ndarray, code: np.ndarray, actions: int, matrix: np.ndarray | None, random_state: int
) -> np.ndarray:
    """Return the reward expected of each action in each row, learned from other rows.

    Without features, that is the mean reward of the action; with features, gradient-boosted trees of both.
    """
    fold = np.random.default_rng(random_state).permutation(len(code)) % FOLDS
    expected = np.full((len(code), actions), rewards.mean())
    for held in range(min(FOLDS, len(code))):
        inside, asked = fold != held, fold == held
        if not inside.any():
            continue
        overall = rewards[inside].mean()
        if matrix is None:
            # a row's worth of the overall mean, for actions that the other rows lack
            total = np.bincount(code[inside], rewards[inside], actions) + overall
            expected[asked] = total / (np.bincount(code[inside], minlength=actions) + 1)
            continue
        did = np.eye(actions)[code]
        model = HistGradientBoostingRegressor(
            max_iter=60, learning_rate=0.05, max_leaf_nodes=8, early_stopping=False, random_state=random_state
        )
        model.fit(np.column_stack([did[inside], matrix[inside]]), rewards[inside])
        for a in range(actions):
            would = np.column_stack([np.tile(np.eye(actions)[a], (int(asked.sum()), 1)), matrix[asked]])
            expected[asked, a] = model.predict(would)
    return expected


def _interval(values: np.ndarray, told: dict[str, float], level: float) -> dict[str, float]:
    value = float(values.mean())
    enough = min(told["matched_rewards"], told["effective_rows"]) >= FEWEST
    half = norm.ppf(0.5 + level / 2) * values.std(ddof=1) / np.sqrt(len(values)) if enough else np.nan
    return {"value": value, "low": float(value - half), "high": float(value + half)}


def _verdict(row: dict, values: np.ndarray, rewards: np.ndarray, level: float) -> str:
    """Say whether the policy is better than what was done."""
    if row["matched_rewards"] < FEWEST:
        return f"too few: {counted(row['matched_rewards'], 'matched reward')}, and an interval needs {FEWEST}"
    if row["effective_rows"] < FEWEST:
        return f"too few: weights amount to {row['effective_rows']:.1f} rows, and an interval needs {FEWEST}"
    more = values - rewards
    error = more.std(ddof=1) / np.sqrt(len(more))
    if error <= ROUNDING * np.abs(values).max():
        return f"the same as what was done ({rewards.mean():.3g})"
    if abs(more.mean()) > norm.ppf(0.5 + level / 2) * error:
        return f"{'better' if more.mean() > 0 else 'worse'} than what was done ({rewards.mean():.3g})"
    least = (norm.ppf(0.5 + level / 2) + norm.ppf(SEEN)) * error
    shares = bool(np.isin(rewards, (0, 1)).all())
    return f"no difference from what was done found; we would have seen {amount(least, shares)} or more"


def _warning(weights: np.ndarray) -> str:
    """Return a warning where weights do not average 1, as they do if propensities are right."""
    mean = weights.mean()
    error = weights.std(ddof=1) / np.sqrt(len(weights)) if len(weights) > 1 else np.inf
    if abs(mean - 1) <= max(ODD * error, 1e-6):
        return ""
    return f"the propensities do not fit (weights average {mean:.2g}, not 1): "


def _check_columns(log: pd.DataFrame, asked: dict[str, str]) -> None:
    for argument, name in asked.items():
        if name not in log.columns:
            hint = did_you_mean(str(name), map(str, log.columns))
            raise ValueError(
                f"The table has no column {name!r}, which {argument} names.{hint} Its columns are "
                f"{listed(log.columns)}."
            )
        if list(log.columns).count(name) > 1:
            raise ValueError(f"log has two columns {name!r}. Drop or rename one of them.")
    for argument in ("reward", "propensity"):
        column = log[asked[argument]]
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
            example = repr(column.dropna().iloc[0]) if column.notna().any() else "no value"
            raise ValueError(f"The {argument} {asked[argument]!r} holds {example}. It should hold numbers.")


def _chances(policy: pd.Series | pd.DataFrame, log: pd.DataFrame) -> pd.DataFrame:
    """Return the probability of each action under the policy, on the index of the log.

    Raises
    ------
    TypeError, ValueError
    """
    wanted = (
        "It should be a Series of actions, or a DataFrame of the probability of each, on the index of log."
    )
    if hasattr(policy, "to_pandas") and not isinstance(policy, type):
        check_frame("policy", policy, wanted)
    check_type("policy", policy, (pd.Series, pd.DataFrame), wanted)
    if not policy.index.equals(log.index):
        if not (policy.index.is_unique and log.index.is_unique and set(policy.index) == set(log.index)):
            raise ValueError(
                f"policy has {counted(len(policy), 'row')} and log {len(log):,}, which are not on the same index. Say "
                "what the policy does in each row of log."
            )
        policy = policy.loc[log.index]
    if isinstance(policy, pd.Series):
        actions = pd.Index(policy.dropna().astype(object).unique())
        chances = np.zeros((len(policy), len(actions)))
        place = actions.get_indexer(policy)
        chances[np.flatnonzero(place >= 0), place[place >= 0]] = 1.0
        chances[place < 0] = np.nan
        return pd.DataFrame(chances, index=policy.index, columns=actions)
    numbers = policy.select_dtypes("number")
    total = numbers.sum(axis=1, skipna=False)
    wrong = (numbers < 0).any(axis=1) | ((total - 1).abs() > 1e-6)
    if numbers.shape[1] < policy.shape[1] or wrong.any():
        shown = (
            f" In row {policy.index[wrong][0]!r} they sum to {total[wrong].iloc[0]:.3g}."
            if wrong.any()
            else ""
        )
        raise ValueError(
            "policy is a DataFrame, which should hold the probability of each action: from 0 to 1, and 1 in all."
            f"{shown}"
        )
    return numbers


def _reasons(
    log: pd.DataFrame, chances: pd.DataFrame, action: str, reward: str, propensity: str
) -> pd.Series:
    """Return why each row cannot be used, or ""."""
    rewards = log[reward].to_numpy(dtype=float, na_value=np.nan)
    chance = log[propensity].to_numpy(dtype=float, na_value=np.nan)
    reasons = np.select(
        [
            log[action].isna().to_numpy(),
            np.isnan(rewards),
            np.isinf(rewards),
            np.isnan(chance),
            chance <= 0,
            chance > 1,
            chances.isna().any(axis=1).to_numpy(),
        ],
        [
            *("action missing", "reward missing", "reward infinite", "propensity missing"),
            *("propensity 0 or below", "propensity above 1", "policy missing"),
        ],
        default="",
    )
    return pd.Series(reasons, index=log.index, dtype="str")


def _check_actions(chances: pd.DataFrame, known: pd.Index) -> None:
    """Refuse a policy that does what the log never has: nothing is known of it."""
    used = chances.columns[(chances > 0).any()]
    unknown = [a for a in used if a not in known]
    if unknown:
        rows = int((chances[unknown] > 0).any(axis=1).sum())
        raise ValueError(
            f"The policy does {unknown[0]!r}{' and others' if len(unknown) > 1 else ''} in {counted(rows, 'row')}, "
            f"which the log never has, so nothing is known of it. Choose from {listed(map(repr, known))}."
        )
