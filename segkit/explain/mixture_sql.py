"""Write the densities of mixtures as expressions of SQL."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
from sklearn.mixture import GaussianMixture

from segkit.core.messages import counted
from segkit.explain.sql_parts import CUSTOMER, Statement, all_of, limit, number, total
from segkit.methods.mixed_mixture import MixedMixture, inverses_of
from segkit.methods.partition import Partition

MOST_PATTERNS = 100  # of missing numbers, each with its own formulas in a mixture of one covariance


def costs_of_gaussians(
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


def costs_of_classes(
    clusterer: MixedMixture, columns: list[ir.Value], result: Partition, statement: Statement
) -> list[ir.Value]:
    """Return the negative log joint probabilities of a mixed mixture, without the numbers that are missing."""
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
        if missing:
            statement.notes.append(
                "The segment is NULL where numbers are missing that no customer of the fit lacked so."
            )
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
    costs = []
    for mean in clusterer.means_:
        branches = []
        for inverse in inverses:
            factors = inverse @ mean
            branches.append(_weighted([*numbers, number(1)], np.append(-factors, 0.5 * (factors @ mean))))
        if not missing or not numbers:
            costs.append(branches[0])
            continue
        holds = [
            all_of([~flag if known else flag for flag, known in zip(missing, pattern, strict=True)])
            for pattern in patterns
        ]
        costs.append(ibis.cases(*zip(holds, branches, strict=True), else_=ibis.null("float64")))
    return costs
