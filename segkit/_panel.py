"""A panel of models, each made from other customers, that votes on where a customer belongs.

Two models made from fresh samples of one population draw their borders in different places, each off by
its own sampling error. Samples of all n customers show only one such error around the frozen model, so that
their votes are too sure. Samples of n/2 customers, drawn with replacement, have twice the variance: they differ from
the frozen model as much as a fresh one does. Their share of agreement is the confidence, with nothing to correct
(``benchmarks/confidence.py`` measures it). So it is with k-means of several populations, with many customers, and with
preparers that are not ours.

Elsewhere such samples inherit too much. Of one population several partitions are equally good, and the one that won by
chance wins again; Ward's method jumps between partitions wherever groups overlap; a small component of a mixture breaks
down where a few customers come twice or thrice. So customers like these are drawn afresh, of as many populations as
they seem to come from (`_populations.py`), each of which keeps its values and rank correlations
(`_one_population.py`): for k-means where that is one, for all else wherever there are not too many customers. That is
one sampling error; to double it, who was drawn is drawn from once more, with replacement. For mixtures, which cannot
bear that, it is the values that are drawn once more, feature by feature, and the votes are corrected.

The share of models that err by another variance is corrected for it, as if errors were normal: a border that
x lies from, in standard errors, is passed with probability Φ(−x). So it is with mixtures, and with
many customers where the model takes no weights.

The whole model is made again, the preparer with it: what is logged and how it is scaled is settled by the
sample too, and that shows at any size. Of preparers that are not ours, the frozen one stays. From many
customers, k-means is made from 4,000 and all else from 2,000, and their votes are sharpened accordingly.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtr, ndtri
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit._fit import (
    OUTSIDE,
    costs_of_mixture,
    is_mixture,
    labels_of,
    least,
    nearest,
    predicted,
    reach_of,
    split,
)
from segkit._one_population import OnePopulation
from segkit._populations import drawn, memberships
from segkit.prepare import Preparer

MODELS = 50
SHARED = 10  # models that get their customers from the same populations
SMALL = 3_000  # customers up to whom k-means looks for its starts by itself
MOST = 2_000  # customers that each model is made from
MOST_OF_CENTERS = 4_000  # where it is k-means, which is quick
REFERENCE = 5_000  # customers by whom the clusters of a model are matched to the segments
STARTS = 10  # of k-means on everyone: the partitions among which a sample chooses
KEPT = 3  # the best of those
NOBODY = -2  # the segment of a cluster that is like none of them: a vote for no segment

Arrays = dict[str, np.ndarray]


class Numbers:
    """The numeric features of customers as they are, and logged, since each model takes one or the other."""

    def __init__(self, values: np.ndarray, logged: np.ndarray | None = None):
        self.values, self.missing = values, np.isnan(values)
        self.logged = np.sign(values) * np.log1p(np.abs(values)) if logged is None else logged

    def of(self, rows: np.ndarray) -> Numbers:
        """Return the numbers of some of the customers."""
        return Numbers(self.values[rows], self.logged[rows])


@dataclass(frozen=True, eq=False)
class Panel:
    """Models that vote.

    Attributes
    ----------
    kind : {"centers", "mixture", "neighbours", "own"}
        How they place a row.
    models : list of dict of ndarray
        What each needs for it, and the segment that each of its clusters is matched to.
    clusterers : list of estimator
        Where they place rows by their own rule: the fitted clusterers.
    sharpen : float
        How many times less a model of n/2 customers errs than these do; under 1, votes are blunted.
    """

    kind: str
    models: list[Arrays]
    sharpen: float
    clusterers: list[BaseEstimator] = field(default_factory=list)

    def votes(self, values: np.ndarray | None, prepared: np.ndarray) -> np.ndarray:
        """Return the segment that each model puts each customer in, −2 where it is none of them.

        Parameters
        ----------
        values : ndarray of shape (n, n_numbers) or None
            The numeric features as they are, where the models have preparers of their own.
        prepared : ndarray of shape (n, n_prepared)
            By the frozen preparer.

        Returns
        -------
        ndarray of int, shape (n, n_models)
        """
        found = np.empty((len(prepared), len(self.models)), dtype=np.int64)
        numbers = None if values is None else Numbers(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # some clusterers say it again at each row
            for i, model in enumerate(self.models):
                clusterer = self.clusterers[i] if self.clusterers else None
                found[:, i] = _placed(self.kind, model, clusterer, _prepared_by(model, numbers, prepared))
        return found

    def judge(self, votes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, pd.Series]:
        """Return the confidence in each label, and the segment that most of the others vote for.

        Parameters
        ----------
        votes : ndarray of int, shape (n, n_models)
        labels : ndarray of int, shape (n,)

        Returns
        -------
        confidence : ndarray of float, shape (n,)
        runner_up : Series of Int64, shape (n,)
            Missing where nobody votes for another segment; of equals the lowest id.
        """
        share = (votes == labels[:, None]).mean(axis=1)
        confidence = share if self.sharpen == 1 else ndtr(ndtri(share) * self.sharpen)
        others = np.unique(votes[votes != NOBODY])
        most, second = np.zeros(len(labels), dtype=np.int64), np.full(len(labels), NOBODY)
        for segment in others:
            count = np.where(labels == segment, 0, (votes == segment).sum(axis=1))
            second[count > most] = segment
            most = np.maximum(most, count)
        return confidence, pd.Series(second, dtype="Int64").mask(most == 0)


def to_table(panel: Panel) -> pd.DataFrame:
    """Return what the models hold as a table that Parquet can keep: a row for each, lists of numbers in it."""
    names = sorted({name for model in panel.models for name in model})
    return pd.DataFrame(
        {name: [None if name not in m else m[name].ravel().tolist() for m in panel.models] for name in names}
    )


def from_table(
    table: pd.DataFrame, kind: str, sharpen: float, n_prepared: int, clusterers: list[BaseEstimator]
) -> Panel:
    """Return the panel that was made into a table, number for number."""
    shapes = {
        "centers": (-1, n_prepared),
        "points": (-1, n_prepared),
        "means": (-1, n_prepared),
        "cholesky": (-1, n_prepared, n_prepared),
    }
    types = {"segments": np.int64, "labels": np.int64, "logged": bool}
    models = [
        {
            name: np.array(held, dtype=types.get(name, float)).reshape(shapes.get(name, -1))
            for name, held in row.items()
            if held is not None
        }
        for row in table.to_dict("records")
    ]
    return Panel(kind, models, sharpen, clusterers)


def make_panel(
    model: BaseEstimator,
    customers: pd.DataFrame,
    prepared: np.ndarray,
    labels: np.ndarray,
    *,
    random_state: int,
    continuum: bool = False,
) -> Panel:
    """Make the models of the panel.

    Parameters
    ----------
    model : estimator
        Fitted: what `labels` come from.
    customers, prepared, labels
        In the order of ids.
    random_state : int
    continuum : bool, default=False
        Whether the structure test found one.

    Returns
    -------
    Panel
    """
    rng = np.random.default_rng([random_state, len(customers)])
    preparer, clusterer = split(model)
    n = len(customers)
    kind = _kind(clusterer)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # A model that did not settle is one that segment() would have given too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        most = _most(kind)
        known = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
        some, of = customers.iloc[known], None
        if isinstance(preparer, Preparer):
            of = memberships(some, preparer, prepared[known], rng, continuum=continuum)
        if of is not None and (of.shape[1] == 1 or (kind != "centers" and n <= most)):
            wanted, used = (n / 2 if kind == "mixture" else n), len(known)
            made = _from_populations(preparer, clusterer, some, of, customers, prepared, labels, kind, rng)
        else:
            wanted, used = n / 2, max(min(n // 2, most), 2)
            made = _from_customers(preparer, clusterer, customers, prepared, labels, kind, rng, used)
        sharpen = float(np.sqrt(wanted / used)) if n > 3 else 1.0
        bar = tqdm(made, desc="Asking other models", total=MODELS, delay=1, leave=False)
        models, clusterers = zip(*bar, strict=True)
    return Panel(kind, list(models), sharpen, list(clusterers) if kind == "own" else [])


def _most(kind: str) -> int:
    return MOST_OF_CENTERS if kind == "centers" else MOST


_Made = tuple[Arrays, BaseEstimator]


def _kind(clusterer: BaseEstimator) -> str:
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return "centers"
    if is_mixture(clusterer):
        return "mixture"
    return "own" if hasattr(clusterer, "predict") else "neighbours"


def _from_customers(
    preparer: Any,
    clusterer: BaseEstimator,
    customers: pd.DataFrame,
    prepared: np.ndarray,
    labels: np.ndarray,
    kind: str,
    rng: np.random.Generator,
    used: int,
) -> Iterator[_Made]:
    """Make each model from some of the customers, drawn with replacement."""
    n = len(customers)
    is_ours = isinstance(preparer, Preparer)
    numbers = [i for i in range(customers.shape[1]) if i not in preparer.levels_] if is_ours else []
    values = Numbers(preparer.numbers(customers)) if numbers else None
    starts = _starts(clusterer, prepared, rng) if n > SMALL else []
    shown = np.arange(n) if n <= REFERENCE else np.sort(rng.choice(n, REFERENCE, replace=False))
    for _ in range(MODELS):
        who = np.sort(rng.integers(n, size=used))
        seed = int(rng.integers(2**31))
        scales = _scales(preparer, customers.iloc[who, numbers]) if numbers else {}
        rows = _prepared_by(scales, values and values.of(who), prepared[who])
        again = _best_again(clusterer, rows, seed, starts)
        found = scales | ({} if again is None else _what_places(kind, again, rows))
        reference = _prepared_by(scales, values and values.of(shown), prepared[shown])
        yield _matched(kind, found, again, reference, labels[shown]), again


def _from_populations(
    preparer: Preparer,
    clusterer: BaseEstimator,
    some: pd.DataFrame,
    of: np.ndarray,
    customers: pd.DataFrame,
    prepared: np.ndarray,
    labels: np.ndarray,
    kind: str,
    rng: np.random.Generator,
) -> Iterator[_Made]:
    """Make each model from customers drawn afresh: as many as `some`, of their populations."""
    n, used = len(customers), len(some)
    shop = OnePopulation(some, preparer, rng, population=drawn(of, rng))
    numbers = [i for i in range(customers.shape[1]) if i not in preparer.levels_]
    starts = _starts(clusterer, prepared, rng) if n > SMALL else []
    shown = np.arange(n) if n <= REFERENCE else np.sort(rng.choice(n, REFERENCE, replace=False))
    values = Numbers(preparer.numbers(customers.iloc[shown])) if numbers else None
    for i in range(MODELS):
        if i and i % SHARED == 0 and of.shape[1] > 1:
            shop = OnePopulation(some, preparer, rng, population=drawn(of, rng))
        fresh = shop.draw_customers(rng, values_again=kind == "mixture")
        if kind != "mixture":
            fresh = fresh.iloc[np.sort(rng.integers(used, size=used))]
        seed = int(rng.integers(2**31))
        scales = _scales(preparer, fresh.iloc[:, numbers]) if numbers else {}
        rows = _prepared_by(
            scales, Numbers(preparer.numbers(fresh)) if numbers else None, preparer.matrix(fresh)
        )
        again = _best_again(clusterer, rows, seed, starts)
        found = scales | ({} if again is None else _what_places(kind, again, rows))
        reference = _prepared_by(scales, values, prepared[shown])
        yield _matched(kind, found, again, reference, labels[shown]), again


def _starts(clusterer: BaseEstimator, prepared: np.ndarray, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the different partitions that k-means finds on everyone, as starts for k-means on a sample.

    The best of ten tries on a sample is nearly always near one of these, and from there it takes few steps. The
    worse ones are left out: no sample of so many customers prefers them.
    """
    if type(clusterer) is not KMeans or clusterer.n_init != STARTS:
        return []
    some = prepared
    if len(prepared) > MOST_OF_CENTERS:
        some = prepared[np.sort(rng.choice(len(prepared), MOST_OF_CENTERS, replace=False))]
    found: dict[bytes, tuple[float, np.ndarray]] = {}
    for _ in range(STARTS):
        seed = int(rng.integers(2**31))
        one = clone(clusterer).set_params(n_init=1, random_state=seed).fit(some)
        order = np.lexsort(np.round(one.cluster_centers_.T, 2))  # those that differ less lead to the same
        centers = one.cluster_centers_[order]
        found.setdefault(np.round(centers, 2).tobytes(), (one.inertia_, centers))
    best = sorted(found.values(), key=lambda pair: pair[0])[:KEPT]
    return [{"init": centers, "n_init": 1} for _, centers in best]


def _best_again(
    clusterer: BaseEstimator, rows: np.ndarray, seed: int, starts: list[dict[str, Any]]
) -> BaseEstimator | None:
    """Fit another clusterer from each start, and return the one that fits best."""
    if not starts:
        return _fitted_again(clusterer, rows, seed)
    tries = [_fitted_again(clusterer, rows, seed, **start) for start in starts]
    return min((t for t in tries if t is not None), key=lambda t: t.inertia_, default=None)


def _fitted_again(clusterer: BaseEstimator, rows: np.ndarray, seed: int, **said: Any) -> BaseEstimator | None:
    """Fit another clusterer of the same settings, or return None if no segments can be made of such rows."""
    again = clone(clusterer)
    known = again.get_params()
    if "random_state" in known:
        said["random_state"] = seed
    size = next((p for p in ("n_clusters", "n_components") if isinstance(known.get(p), int)), None)
    if size is not None and known[size] > (different := len(np.unique(rows, axis=0))):
        said[size] = different
        said.pop("init", None)
    again.set_params(**said)
    names = getattr(clusterer, "feature_names_in_", None)
    table = rows if names is None else pd.DataFrame(rows, columns=names)
    try:
        return again.fit(table)
    except ValueError:
        return None  # as segment() would have refused: from this sample there would be no segments


def _what_places(kind: str, fitted: BaseEstimator, rows: np.ndarray) -> Arrays:
    """Return what a fitted model needs to place a row, for each of its clusters or points."""
    if kind == "centers":
        return {"centers": fitted.cluster_centers_.astype(float)}
    if kind == "mixture":
        return {
            "means": fitted.means_,
            "cholesky": fitted.precisions_cholesky_,
            "log_weights": np.log(np.maximum(fitted.weights_, 1e-300)),
        }
    labels = labels_of(fitted, rows)
    if kind == "own":
        return {"labels": np.unique(labels)}
    known = np.isfinite(rows).all(axis=1)
    points, first = np.unique(rows[known], axis=0, return_index=True)
    reach = reach_of(rows[known], labels[known])
    return {"points": points, "labels": labels[known][first], "reach": reach[first]}


def _matched(
    kind: str,
    found: Arrays,
    fitted: BaseEstimator | None,
    rows: np.ndarray,
    labels: np.ndarray,
) -> Arrays:
    """Add to a model which segment each of its clusters is: those that share most customers, one to one."""
    if fitted is None:
        return found | {"segments": np.empty(0, dtype=np.int64)}
    clusters = _clusters(kind, found)
    raw = _placed(kind, found | {"segments": clusters}, fitted, rows)
    segments = np.unique(labels[labels != OUTSIDE])
    ours = np.unique(clusters[clusters != OUTSIDE])
    shared = np.zeros((len(segments), len(ours)))
    both = np.isin(raw, ours) & (labels != OUTSIDE)
    at = np.searchsorted(segments, labels[both]), np.searchsorted(ours, raw[both])
    np.add.at(shared, at, 1)
    i, j = linear_sum_assignment(-shared)
    pairs = {int(ours[b]): int(segments[a]) for a, b in zip(i, j, strict=True) if shared[a, b] > 0}
    pairs[OUTSIDE] = OUTSIDE
    return found | {"segments": np.array([pairs.get(int(c), NOBODY) for c in clusters], dtype=np.int64)}


def _clusters(kind: str, found: Arrays) -> np.ndarray:
    """Return the model's own name of each cluster, or that of each point."""
    if kind in ("own", "neighbours"):
        return found["labels"]
    return np.arange(len(found["centers" if kind == "centers" else "means"]))


def _placed(kind: str, model: Arrays, clusterer: BaseEstimator | None, rows: np.ndarray) -> np.ndarray:
    """Return the segment that a model puts each row in."""
    segments = model["segments"]
    if not len(segments):
        return np.full(len(rows), NOBODY)
    if kind == "centers":
        return segments[nearest(rows, model["centers"])]
    if kind == "mixture":
        costs = costs_of_mixture(model["means"], model["cholesky"], model["log_weights"])
        return segments[least(costs, rows)]
    if kind == "own":
        found, labels = predicted(clusterer, rows), model["labels"]
        at = np.minimum(np.searchsorted(labels, found), len(labels) - 1)
        return np.where(labels[at] == found, segments[at], NOBODY)
    known = np.isfinite(rows).all(axis=1)
    placed = np.full(len(rows), OUTSIDE)
    at = nearest(rows[known], model["points"])
    apart = rows[known] - model["points"][at]
    far = np.sqrt(np.einsum("ij,ij->i", apart, apart, optimize=False)) > model["reach"][at]
    placed[known] = np.where(far, OUTSIDE, segments[at])
    return placed


def _scales(preparer: Preparer, drawn: pd.DataFrame) -> Arrays:
    """Return what the preparer would have learnt of the numbers from the customers that were drawn."""
    again = clone(preparer).fit(drawn)
    shape = again.center_.shape
    return {
        "logged": again.logged_,
        "center": again.center_,
        "scale": again.scale_,
        "spread": np.broadcast_to(again.spread_, shape).astype(float),
        "clip": np.array([np.inf if preparer.scale == "none" else preparer.clip]),
    }


def _prepared_by(model: Arrays, values: Numbers | None, prepared: np.ndarray) -> np.ndarray:
    """Return rows as a model's own preparer would have prepared them: its numbers, and the frozen flags and words."""
    if values is None or "center" not in model:
        return prepared
    scaled = np.where(model["logged"], values.logged, values.values)
    scaled -= model["center"]
    scaled /= model["scale"]
    np.clip(scaled, -model["clip"], model["clip"], out=scaled)
    scaled /= model["spread"]
    scaled[values.missing] = 0.0
    rows = prepared.copy()
    rows[:, : scaled.shape[1]] = scaled
    return rows
