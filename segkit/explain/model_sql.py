"""Write the assignment of a fitted model as steps of SQL, where it follows from formulas."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture

from segkit.analyse.prepare import Preparer
from segkit.core.messages import counted
from segkit.explain.prepared_sql import numbers_of, prepared_columns, reached
from segkit.explain.rule_sql import condition_of
from segkit.explain.sql_parts import CUSTOMER, Statement, all_of, any_of, limit, number, total
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.mixed_mixture import MixedMixture, inverses_of
from segkit.methods.partition import Partition
from segkit.methods.rfm import RFMSegmenter, checked_limits, rfm_columns
from segkit.methods.rules import FirstRule, RulePreparer
from segkit.methods.value_bands import ValueBands

MOST_PATTERNS = 100  # of missing numbers, each with its own formulas in a mixture of one covariance
FORMULAS = (KMeans, MiniBatchKMeans, GaussianMixture, MixedMixture, ValueBands)
EXACT = (
    "k-means, bisecting and mini-batch k-means, Gaussian and mixed mixtures, value_bands, RFMSegmenter, "
    "rules_segmenter and target_tree"
)


def ids_by_model(result: Partition, customers: ir.Table, statement: Statement) -> ir.Table:
    """Add the steps from features to segment ids.

    Parameters
    ----------
    result : Partition
    customers : ibis Table
        `customer_id` and the features: float64 or string, missing is NULL.
    statement : Statement
        Gets the steps, and notes on customers whose segment the SQL does not know.

    Returns
    -------
    ibis Table
        `customer_id` and `segment_id`.

    Raises
    ------
    ValueError
        If the model labels customers by neighbours, or by anything else than formulas that are known here.
    """
    preparer, clusterer = preparer_and_clusterer(result.model)
    features = [str(name) for name in result.customers.columns]
    unusable = [customers[name].isinf() for name in features if customers[name].type().is_floating()]
    if isinstance(clusterer, FirstRule) and isinstance(preparer, RulePreparer):
        return _picked(customers, ids_by_rules(_rules_by_id(result, preparer), customers), unusable)
    if type(clusterer) is RFMSegmenter and preparer is None:
        return _picked(customers, _ids_by_scores(clusterer, result, customers), unusable)
    prepared = prepared_columns(preparer, customers, features)
    own = isinstance(clusterer, GaussianMixture) and type(clusterer) is not GaussianMixture
    if prepared is None or own or not isinstance(clusterer, FORMULAS):
        raise _no_formula(preparer if prepared is None else clusterer)
    if isinstance(clusterer, ValueBands) and not (preparer is None or isinstance(preparer, Preparer)):
        raise _no_formula(preparer)
    if not prepared.fills:
        unusable += [customers[name].isnull() for name in features]
    if isinstance(clusterer, ValueBands):
        return _picked(
            customers, _ids_by_bands(clusterer, preparer, customers, features, result.ids), unusable
        )
    names = [f"p{i}" for i in range(len(prepared.columns))]
    matrix = statement.step(
        "prepared",
        customers.select(
            CUSTOMER,
            **dict(zip(names, prepared.columns, strict=True)),
            unusable=any_of(unusable) if unusable else ibis.literal(False),
        ),
    )
    if isinstance(clusterer, GaussianMixture):
        matrix, expressions = _costs_of_gaussians(clusterer, matrix, names, statement)
    else:
        expressions = _costs(clusterer, [matrix[name] for name in names], result)
    costs = {f"c{i}": cost for i, cost in enumerate(expressions)}
    measured = statement.step(
        "costs", matrix.select(CUSTOMER, **costs, unusable=matrix.unusable), formulas=True
    )
    every = [measured[name] for name in costs]
    least = ibis.least(*every) if len(every) > 1 else every[0]
    compared = statement.step("least", measured.mutate(least=least))
    segment = _least_cost(compared, list(costs), result, statement)
    return _picked(compared, segment, [compared.unusable])


def ids_by_rules(rules: dict[int, tuple[str, str]], customers: ir.Table) -> ir.IntegerValue:
    """Return the id of the first rule that holds, −1 where none does.

    Parameters
    ----------
    rules : dict of int to (str, str)
        Name and rule of each segment.
    customers : ibis Table
        Features: float64 or string, missing is NULL.
    """
    branches = [
        (condition_of(name, rule, customers), _whole(segment)) for segment, (name, rule) in rules.items()
    ]
    return ibis.cases(*branches, else_=_whole(OUTSIDE))


def _picked(customers: ir.Table, segment: ir.IntegerValue, unusable: list[ir.BooleanValue]) -> ir.Table:
    """Return the customers with their segment; NULL where a value cannot be used."""
    if unusable:
        segment = ibis.cases((any_of(unusable), ibis.null("int64")), else_=segment)
    return customers.select(CUSTOMER, segment_id=segment)


def _whole(value: int) -> ir.IntegerValue:
    return ibis.literal(int(value), type="int64")


def _no_formula(part: Any) -> ValueError:
    return ValueError(
        f"{type(part).__name__} has no formula that SQL could follow: customers join their nearest neighbours, or "
        f"something else is computed. Describe the segments by rules, and write those: "
        f"to_sql(sg.rules(result), …). Written exactly are {EXACT}, after make_preparer() or on numbers as they are."
    )


def _rules_by_id(result: Partition, preparer: RulePreparer) -> dict[int, tuple[str, str]]:
    rules = enumerate((preparer.rules or {}).items())
    return {result.ids.get(label, label): rule for label, rule in rules}


# --- scores and bands --------------------------------------------------------------------------------


def _ids_by_scores(clusterer: RFMSegmenter, result: Partition, customers: ir.Table) -> ir.IntegerValue:
    columns = [customers[str(name)] for name in rfm_columns(result.customers.iloc[:0]).values()]
    cuts = [fitted[np.isfinite(fitted)].tolist() for fitted in clusterer.cuts_]
    sizes = [len(fitted) + 1 for fitted in clusterer.cuts_]
    scores = [
        _passed(x, ends, [size - i if at == 0 else i + 1 for i in range(len(ends) + 1)])
        for at, (x, ends, size) in enumerate(zip(columns, cuts, sizes, strict=True))
    ]
    boxes = checked_limits(clusterer.limits, sizes)

    def id_of(label: int) -> ir.IntegerValue:
        return _whole(result.ids.get(label, label))

    missing = any_of([x.isnull() for x in columns]), _whole(OUTSIDE)
    if boxes is None:
        lowest, highest = len(sizes), sum(sizes)
        sums = [(_whole(n), id_of(n - lowest)) for n in range(lowest, highest)]
        return ibis.cases(missing, else_=total(scores).cases(*sums, else_=id_of(highest - lowest)))
    fits = [
        all_of([score.between(low, high) for score, (low, high) in zip(scores, box, strict=True)])
        for box in boxes.values()
    ]
    return ibis.cases(
        missing, *((fit, id_of(label)) for label, fit in enumerate(fits)), else_=id_of(len(boxes))
    )


def _ids_by_bands(
    clusterer: ValueBands,
    preparer: Preparer | None,
    customers: ir.Table,
    features: list[str],
    ids: dict[int, int],
) -> ir.IntegerValue:
    """Return the band of the value in its own unit, so that no rounding of logarithms moves a customer at a cut."""
    cuts = clusterer.cuts_
    bands = [_whole(ids.get(len(cuts) - passed, len(cuts) - passed)) for passed in range(len(cuts) + 1)]
    if preparer is None:
        return _passed(customers[features[clusterer.column]], cuts.tolist(), bands)
    numbers = numbers_of(preparer, customers, features)
    value = numbers[clusterer.column]
    ends = [reached(preparer, clusterer.column, cut) for cut in cuts.tolist()]
    filled = bands[int(np.searchsorted(cuts, 0.0, side="right"))]  # a missing value is at the mean
    branches = [(value.isnull(), filled)]
    if clusterer.missing is not None:
        flag = clusterer.missing - len(numbers)
        known, missing = preparer.flag_values_[:, flag] * preparer.weight_[clusterer.missing] >= 0.5
        unknown = numbers[preparer.flagged_[flag]].isnull()
        branches = (
            [(unknown, _whole(OUTSIDE))] * int(missing)
            + [(~unknown, _whole(OUTSIDE))] * int(known)
            + branches
        )
    return ibis.cases(*branches, else_=_passed(value, [end for end in ends if end is not None], bands))


def _passed(x: ir.Value, cuts: list[float], results: list[ir.Value]) -> ir.Value:
    """Return one of the results by the number of cuts that a value is not below."""
    if not cuts:
        return results[0]
    branches = [(x >= limit(cut), results[i + 1]) for i, cut in reversed(list(enumerate(cuts)))]
    return ibis.cases(*branches, else_=results[0])


# --- centres and mixtures ----------------------------------------------------------------------------


def _costs(clusterer: Any, columns: list[ir.Value], result: Partition) -> list[ir.Value]:
    """Return what each label costs a customer, of which the least is taken."""
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return [_distance(columns, center) for center in clusterer.cluster_centers_.tolist()]
    return _costs_of_mixed(clusterer, columns, result)


def _distance(columns: list[ir.Value], center: list[float]) -> ir.Value:
    """Return the squared distance to a centre, as a sum of squared differences."""
    apart = [x - number(c) for x, c in zip(columns, center, strict=True)]
    return total([a * a for a in apart])


def _costs_of_gaussians(
    clusterer: GaussianMixture, matrix: ir.Table, names: list[str], statement: Statement
) -> tuple[ir.Table, list[ir.Value]]:
    """Add a step of differences from the means; return it, and the negative logs of the weighted densities."""
    n, cholesky = len(names), clusterer.precisions_cholesky_
    factor_of = {
        "full": lambda k: cholesky[k],
        "tied": lambda k: cholesky,
        "diag": lambda k: np.diag(cholesky[k]),
        "spherical": lambda k: np.eye(n) * cholesky[k],
    }[clusterer.covariance_type]
    apart = {
        f"a{k}_{i}": matrix[name] - number(m)
        for k, mean in enumerate(clusterer.means_.tolist())
        for i, (name, m) in enumerate(zip(names, mean, strict=True))
    }
    centred = statement.step(
        "apart", matrix.select(CUSTOMER, **apart, unusable=matrix.unusable), formulas=True
    )
    costs = []
    for k, weight in enumerate(clusterer.weights_):
        factor = factor_of(k)
        moved = [_weighted([centred[f"a{k}_{i}"] for i in range(n)], column) for column in factor.T]
        fixed = -np.log(weight) - np.log(np.diagonal(factor)).sum()
        costs.append(number(0.5) * total([m * m for m in moved]) + number(fixed))
    return centred, costs


def _weighted(columns: list[ir.Value], factors: np.ndarray) -> ir.Value:
    """Return the sum of columns times factors; those of factor 0 are left out."""
    terms = [x * number(f) for x, f in zip(columns, factors.tolist(), strict=True) if f != 0]
    return total(terms) if terms else number(0)


def _costs_of_mixed(clusterer: MixedMixture, columns: list[ir.Value], result: Partition) -> list[ir.Value]:
    """Return the negative log joint probabilities, without the numbers that are missing."""
    d = clusterer.means_.shape[1]
    numbers, hot = columns[:d], columns[len(columns) - clusterer.shares_.shape[1] :]
    missing = [] if clusterer.layout is None else [flag > limit(0.5) for flag in columns[d : 2 * d]]
    of_words = [
        _weighted([*hot, number(1)], -np.log([*shares, weight]))
        for shares, weight in zip(clusterer.shares_, clusterer.weights_, strict=True)
    ]
    if clusterer.covariance == "diagonal":
        of_numbers = [
            _diagonal(numbers, missing, mean, variance)
            for mean, variance in zip(clusterer.means_, clusterer.covariance_, strict=True)
        ]
    else:
        of_numbers = _shared(clusterer, numbers, missing, result)
    return [words + number_part for words, number_part in zip(of_words, of_numbers, strict=True)]


def _diagonal(
    numbers: list[ir.Value], missing: list[ir.BooleanValue], mean: np.ndarray, variance: np.ndarray
) -> ir.Value:
    terms = []
    for at, x in enumerate(numbers):
        apart = x - number(mean[at])
        cost = number(0.5) * (apart * apart / number(variance[at]) + number(np.log(2 * np.pi * variance[at])))
        terms.append(missing[at].ifelse(number(0), cost) if missing else cost)
    return total(terms) if terms else number(0)


def _shared(
    clusterer: MixedMixture, numbers: list[ir.Value], missing: list[ir.BooleanValue], result: Partition
) -> list[ir.Value]:
    """Return linear functions of the known numbers, other ones for each pattern of missing numbers of the fit."""
    patterns = np.ones((1, len(numbers)), dtype=bool)
    if missing:
        flags = result.prepared.to_numpy()[:, len(numbers) : 2 * len(numbers)] > 0.5
        patterns = ~np.unique(flags, axis=0)
    if len(patterns) > MOST_PATTERNS:
        raise ValueError(
            f"The customers have {counted(len(patterns), 'pattern')} of missing numbers, and a mixture of one "
            "covariance has formulas of its own for each, too many for a statement. Describe the segments by rules, "
            "and write those: to_sql(sg.rules(result), …)."
        )
    inverses = inverses_of(clusterer.covariance_, patterns)[0]
    varied = [at for at in range(len(numbers)) if not patterns[:, at].all()]
    costs = []
    for mean in clusterer.means_:
        branches = []
        for inverse in inverses:
            factors = inverse @ mean
            branches.append(_weighted([*numbers, number(1)], np.append(-factors, 0.5 * (factors @ mean))))
        if not missing or not numbers:
            costs.append(branches[0])
            continue
        never = [missing[at] for at in range(len(numbers)) if at not in varied]
        holds = [
            all_of([missing[at] if not pattern[at] else ~missing[at] for at in varied] + [~m for m in never])
            for pattern in patterns
        ]
        costs.append(ibis.cases(*zip(holds, branches, strict=True), else_=ibis.null("float64")))
    return costs


def _least_cost(
    compared: ir.Table, costs: list[str], result: Partition, statement: Statement
) -> ir.IntegerValue:
    """Return the id of the label of the least cost, of equal ones the first; NULL where the fit had no such label."""
    found = set(result.labels.unique().tolist())
    ids = [result.ids.get(label, OUTSIDE) for label in range(len(costs))]
    branches = [
        (compared[cost] == compared.least, _whole(segment) if segment in found else ibis.null("int64"))
        for cost, segment in zip(costs, ids, strict=True)
    ]
    if not found.issuperset(ids):
        statement.notes.append(
            "The segment is NULL in a part of the model that no customer of the fit was in."
        )
    return ibis.cases(*branches, else_=ibis.null("int64"))
