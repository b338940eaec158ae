"""Check an experiment before its results are believed: sample ratio, A/A, and customers who are in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from segkit.collect.events import Events
from segkit.core.messages import counted, in_words
from segkit.methods.partition import Partition
from segkit.tailor.audiences.customer_ids import customer_ids, text_of
from segkit.tailor.experiments.arms import CONTROL, assign_arms
from segkit.tailor.experiments.experiment_table import (
    EVERYONE,
    FAILED,
    ExperimentTable,
    differences_before,
    experiment_table,
    sample_ratio,
    shares_of,
)
from segkit.tailor.experiments.wording import p_in_words

NOTABLE = 0.05  # p-value from which on a difference before may be chance


def check_experiment(
    arms: pd.Series,
    outcomes: pd.Series | pd.DataFrame | Events,
    *,
    by: Partition | pd.Series | None = None,
    shares: Mapping[str, float] | None = None,
    before: pd.Series | pd.DataFrame | Events | None = None,
    contacted: Iterable[object] | None = None,
    outcome: str | None = None,
    control: str = CONTROL,
    start: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
) -> pd.DataFrame:
    """Check whether the arms of an experiment can be compared.

    Parameters
    ----------
    arms, outcomes, by, before, outcome, control, start, horizon
        As in :func:`segkit.lift`; here a customer may occur more than once in `arms` and `outcomes`, and is counted.
    shares : mapping of str to float, optional
        Share of each arm, where `arms` do not know them.
    contacted : Index, Series or list of ids, optional
        Customers who were contacted.

    Returns
    -------
    DataFrame
        A row for each check, `check`, `value`, `p`, `verdict`:

        * "sample ratio", for all customers and by segment: the share held out, and the p-value of the chi-square test
          that arms have their shares [1]_. Below 0.001, something removes customers from one arm.
        * "before", by arm: the difference from those held out before the experiment (an A/A test).
        * "missing outcomes": their share, and whether it differs between arms.
        * "in two arms", "more than one outcome", "outcome without an arm", "held out but contacted": customers.
        * "arms as assigned": customers whose arm is not the one that :func:`segkit.assign_arms` gives them, as when an
          experiment's name was used again with other shares.

    References
    ----------
    .. [1] Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments, KDD.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_experiment()
    >>> checks = sg.check_experiment(
    ...     shop.arms, shop.outcomes["spend"], shares={"treated": 0.9, "held out": 0.1}, before=shop.before["spend"]
    ... )
    >>> checks[["check", "verdict"]].head(2)
                                check               verdict
    0     sample ratio, all customers                  fine
    1                 before, treated                  fine
    """
    if not isinstance(arms, pd.Series):
        raise TypeError(
            f"arms is {in_words(arms)}. It should be a Series of arms by customer, as from assign_arms(…)."
        )
    given = arms.set_axis(text_of(arms.index, "arms"))
    given.attrs = dict(arms.attrs)
    single, twice = _without_two_arms(given)
    outcomes, repeated = _without_repeats(outcomes)
    table = experiment_table(
        single, outcomes, by=by, before=before, outcome=outcome, control=control, start=start, horizon=horizon
    )
    rows = _ratios(table, shares_of(table.arms, None if shares is None else dict(shares)), control)
    rows += [] if before is None else _before(table, control)
    rows.append(_missing(table))
    rows.append(_count("in two arms", len(twice), "left out; an export or a join gave them two arms"))
    rows.append(_count("more than one outcome", repeated, "sum up outcomes first; here the first one counts"))
    rows.append(
        _count("outcome without an arm", table.strangers, "not in the experiment, so they are left out")
    )
    if contacted is not None:
        _, reached = customer_ids(contacted, "contacted")
        held = table.arms.index[(table.arms == control).to_numpy()]
        wrong = int(held.isin(reached.unique()).sum())
        rows.append(_count("held out but contacted", wrong, "the lift is too small; find out who sent it"))
    known = arms.attrs.get("segkit", {})
    if "experiment" in known and "shares" in known:
        again = assign_arms(single.index, experiment=known["experiment"], shares=known["shares"])
        wrong = int((again.to_numpy() != single.astype("str").to_numpy()).sum())
        rows.append(_count("arms as assigned", wrong, "they have another arm than assign_arms gives them"))
    checks = pd.DataFrame(rows, columns=["check", "value", "p", "verdict"])
    checks.attrs["segkit"] = {"control": control, "failed_below": FAILED}
    return checks


def _without_two_arms(arms: pd.Series) -> tuple[pd.Series, pd.Index]:
    """Return each customer once, without those in two arms, and those."""
    if arms.index.is_unique:
        return arms, arms.index[:0]
    kinds = arms.groupby(level=0).nunique()
    twice = kinds.index[kinds > 1]
    single = arms[~arms.index.isin(twice) & ~arms.index.duplicated()]
    single.attrs = arms.attrs
    return single, twice


def _without_repeats(
    outcomes: pd.Series | pd.DataFrame | Events,
) -> tuple[pd.Series | pd.DataFrame | Events, int]:
    """Return the first outcome of each customer, and how many customers have more."""
    if not isinstance(outcomes, (pd.Series, pd.DataFrame)):
        return outcomes, 0
    if isinstance(outcomes, pd.DataFrame) and "customer_id" in outcomes:
        outcomes = outcomes.set_index("customer_id")
    again = outcomes.index.duplicated()
    return outcomes[~again], outcomes.index[again].nunique()


def _ratios(table: ExperimentTable, shares: dict[str, float] | None, control: str) -> list[tuple]:
    """Return the sample ratio of all customers and of each segment."""
    parts = [(EVERYONE, table.arms)]
    if table.segments is not None:
        names = table.segments.cat.categories
        parts += [(name, table.arms[(table.segments == name).to_numpy()]) for name in names]
    rows = []
    for name, arms in parts:
        p = float("nan") if shares is None else sample_ratio(arms, shares)
        if shares is None:
            verdict = "not checked: say shares="
        elif np.isnan(p):
            verdict = "too few customers to check"
        else:
            verdict = "fine" if p >= FAILED else "failed: find out what removes customers from one arm"
        rows.append((f"sample ratio, {name}", float((arms == control).mean()), p, verdict))
    return rows


def _before(table: ExperimentTable, control: str) -> list[tuple]:
    """Return a row for each arm: whether it differed from those held out before."""
    rows = []
    for arm, (difference, p) in differences_before(table, control).items():
        if np.isnan(p):
            verdict = "too few customers, or all the same"
        elif p < FAILED:
            verdict = "failed: the arms differed before, so they were not assigned at random"
        else:
            verdict = "fine" if p >= NOTABLE else "may be chance: pass before= to lift, which adjusts for it"
        rows.append((f"before, {arm}", difference, p, verdict))
    return rows


def _missing(table: ExperimentTable) -> tuple:
    missing = np.isnan(table.outcomes)
    counts = pd.crosstab(table.arms.to_numpy(), missing)
    p = float(chi2_contingency(counts, correction=False).pvalue) if counts.shape[1] > 1 else float("nan")
    verdict = "fine" if not missing.any() else f"the same in all arms ({p_in_words(p)})"
    if p < FAILED:
        verdict = "failed: outcomes are missing more often in one arm, so a comparison misleads"
    return "missing outcomes", float(missing.mean()), p, verdict


def _count(check: str, n: int, otherwise: str) -> tuple:
    return check, float(n), float("nan"), "fine" if not n else f"{counted(n, 'customer')}: {otherwise}"
