"""Write the assignment of a fitted model as steps of SQL, where it follows from formulas."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

from segkit.analyse.prepare import Preparer
from segkit.explain.mixture_sql import costs_of_classes, costs_of_gaussians
from segkit.explain.prepared_sql import numbers_of, prepared_columns, reached
from segkit.explain.rule_sql import condition_of
from segkit.explain.sql_parts import CUSTOMER, Statement, all_of, any_of, limit, number, total
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.edited import EditedClusterer, Merge, Split
from segkit.methods.mixed_mixture import MixedMixture
from segkit.methods.partition import Partition
from segkit.methods.rfm import RFMSegmenter, checked_limits, rfm_columns
from segkit.methods.rules import FirstRule, RulePreparer
from segkit.methods.value_bands import ValueBands

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
    if isinstance(clusterer, EditedClusterer):
        return _ids_by_edits(clusterer, result, customers, statement)
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
    return _of_least_cost(result, customers, prepared.columns, unusable, statement)


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


# --- edits -------------------------------------------------------------------------------------------


def _ids_by_edits(
    clusterer: EditedClusterer, result: Partition, customers: ir.Table, statement: Statement
) -> ir.Table:
    """Add the steps of the model before the edits, then those of each edit."""
    made = [step for step in clusterer.steps if not isinstance(step, (Merge, Split))]
    if made:
        raise ValueError(
            "A segment was made of chosen customers, and new ones join it by their nearest neighbour, which SQL cannot "
            "follow. Describe the segments by rules, and write those: to_sql(sg.rules(result), …)."
        )

    def ids_by(last: Any, ids: dict[int, int]) -> ir.Table:
        preparer, _ = preparer_and_clusterer(result.model)
        # Splits measure with the model's own preparer, or with a scaler where it has none.
        measured = getattr(clusterer, "scaler_", None) if last is not clusterer.former else None
        before = [measured] if measured is not None else [] if preparer is None else [preparer]
        model = Pipeline([(f"s{i}", part) for i, part in enumerate([*before, last])])
        labels = pd.Series(list(ids.values()), dtype="int64")
        return ids_by_model(Partition(result.customers, model, labels, ids), customers, statement)

    segments = statement.step("unedited", ids_by(clusterer.former, clusterer.ids))
    for step in clusterer.steps:
        segment = segments.segment_id
        if isinstance(step, Merge):
            here = segment.isin([int(s) for s in step.segments])
            changed = segments.mutate(segment_id=here.ifelse(_whole(step.into), segment))
        else:
            parts = statement.step("parts", ids_by(step.clusterer, step.ids))
            here = segment.isin([int(s) for s in step.inside])
            both = segments.join(parts.rename(part="segment_id"), CUSTOMER)
            changed = both.select(CUSTOMER, segment_id=here.ifelse(both.part, segment))
        segments = statement.step("edited", changed)
    return segments


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


def _of_least_cost(
    result: Partition,
    customers: ir.Table,
    prepared: list[ir.Value],
    unusable: list[ir.BooleanValue],
    statement: Statement,
) -> ir.Table:
    """Add the steps of prepared columns and of what each label costs a customer; return those of the least cost."""
    clusterer = preparer_and_clusterer(result.model)[1]
    names = [f"p{i}" for i in range(len(prepared))]
    columns = dict(zip(names, prepared, strict=True))
    unknown = any_of(unusable) if unusable else ibis.literal(False)
    matrix = statement.step("prepared", customers.select(CUSTOMER, **columns, unusable=unknown))
    if isinstance(clusterer, GaussianMixture):
        matrix, costs = costs_of_gaussians(clusterer, matrix, names, statement)
    elif isinstance(clusterer, MixedMixture):
        costs = costs_of_classes(clusterer, [matrix[name] for name in names], result, statement)
    else:
        costs = [_distance([matrix[name] for name in names], c) for c in clusterer.cluster_centers_.tolist()]
    named = {f"c{i}": cost for i, cost in enumerate(costs)}
    query = matrix.select(CUSTOMER, **named, unusable=matrix.unusable)
    measured = statement.step("costs", query, formulas=True)
    every = [measured[name] for name in named]
    least = ibis.least(*every) if len(every) > 1 else every[0]
    compared = statement.step("least", measured.mutate(least=least))
    segment = _least_cost(compared, list(named), result, statement)
    return _picked(compared, segment, [compared.unusable])


def _distance(columns: list[ir.Value], center: list[float]) -> ir.Value:
    """Return the squared distance to a centre, as a sum of squared differences."""
    apart = [x - number(c) for x, c in zip(columns, center, strict=True)]
    return total([a * a for a in apart])


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
