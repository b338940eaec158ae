"""A panel of models, each made from other customers, that votes on where a customer belongs.

Two models made from fresh samples of one population draw their borders in different places, each off by
its own sampling error. Samples of all n customers show only one such error around the frozen model, so that
their votes are too sure. Samples of n/2 customers, drawn with replacement, have twice the variance: they differ from
the frozen model as much as a fresh one does. How many of the models agree is the confidence, once luck is taken out of
it (`_votes.py`); ``benchmarks/confidence.py`` measures whether it holds.

Such samples inherit too much. Where several partitions are equally good, as of one population, the one that won by
chance wins again; Ward's method jumps between partitions wherever groups overlap; a small component of a mixture breaks
down where a few customers come twice or thrice. So customers like these are drawn afresh, of as many populations as
they seem to come from (`_populations.py`), each of which keeps its values and rank correlations
(`_one_population.py`). That is one sampling error; to double it, who was drawn is drawn from once more, with
replacement. For mixtures, which cannot bear that, it is the values that are drawn once more, feature by feature. Of one
population that adds less than another sampling error, and the votes are corrected for what is missing, in shops that
have nothing in common; of several, who is of which is drawn by lot too, and nothing is missing.

But populations that are drawn afresh are blurred, and whether few customers are of one is itself not sure: groups that
overlap are often not told from it. So some models stay with samples of the customers: half of those of k-means, of
one population with few customers a quarter, and a quarter of the mixtures of several populations. Of many customers
all models of k-means do: what is blurred shows there more than what they inherit. Of other methods they do if customers
are of several populations; and with preparers that are not ours.

The whole model is made again, the preparer with it: what is logged and how it is scaled is settled by the
sample too, and that shows at any size. Of preparers that are not ours, the frozen one stays. From many
customers, k-means is made from 4,000 and all else from 2,000, and their votes are corrected for that too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.prepare import Preparer
from segkit.methods.assignment import OUTSIDE, is_mixture, neighbour_radius, preparer_and_clusterer
from segkit.methods.fitting import labels_of
from segkit.trust.confidence.calibration import confidences
from segkit.trust.confidence.mixture import drawn, memberships
from segkit.trust.confidence.voting import NOBODY, Arrays, Numbers, Panel, clusters_of, placed_by, prepared_by
from segkit.trust.null_model import CopulaNull

MODELS = 50
OF_TWO_ERRORS = 0.7  # the share that is there where mixtures are of values drawn again, of one population
FEW = 2_000  # or fewer: whether customers are of one population is not sure
COUNTED = 1_000  # customers by whom luck is told from difference
SHARED = 5  # models that get their customers from the same populations
MOST = 2_000  # customers that each model is made from
MOST_OF_CENTERS = 4_000  # where it is k-means, which is quick
REFERENCE = 5_000  # customers by whom the clusters of a model are matched to the segments


@dataclass(frozen=True, eq=False)
class _Frozen:
    """The model that other models are asked about, and its customers in the order of ids.

    Attributes
    ----------
    shown : ndarray of int
        Customers by whom the clusters of a model are matched to the segments.
    """

    preparer: Any
    clusterer: BaseEstimator
    customers: pd.DataFrame
    prepared: np.ndarray
    labels: np.ndarray
    kind: str
    shown: np.ndarray

    @property
    def numbers(self) -> list[int]:
        """Positions of the numeric features, where each model has a preparer of its own."""
        if not isinstance(self.preparer, Preparer):
            return []
        return [i for i in range(self.customers.shape[1]) if i not in self.preparer.levels_]

    def values(self, who: np.ndarray) -> Numbers | None:
        """Return the numbers of some of the customers, as they are."""
        return Numbers(self.preparer.numbers(self.customers.iloc[who])) if self.numbers else None

    def again(
        self, scales: Arrays, rows: np.ndarray, shown: Numbers | None, seed: int
    ) -> tuple[Arrays, BaseEstimator | None]:
        """Make the model again from the rows of others, and say which segment each of its clusters is."""
        fitted = _fitted_again(self.clusterer, rows, seed)
        found = scales | ({} if fitted is None else _what_places(self.kind, fitted, rows))
        reference = prepared_by(scales, shown, self.prepared[self.shown])
        lots = np.random.default_rng(seed)
        return _matched(self.kind, found, fitted, reference, self.labels[self.shown], lots), fitted


_Made = Iterator[tuple[Arrays, BaseEstimator | None]]


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
    preparer, clusterer = preparer_and_clusterer(model)
    kind, n = _kind(clusterer), len(customers)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # A model that did not settle is one that segment() would have given too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        shown = _some(n, REFERENCE, rng)
        frozen = _Frozen(preparer, clusterer, customers, prepared, labels, kind, shown)
        made, sharpen = _other_models(frozen, rng, continuum)
        bar = tqdm(made, desc="Asking other models", total=MODELS, delay=1, leave=False)
        models, clusterers = zip(*bar, strict=True)
    votes = Panel(kind, list(models), np.arange(MODELS + 1.0), list(clusterers) if kind == "own" else [])
    who = _some(n, COUNTED, rng)
    values = preparer.numbers(customers.iloc[who]) if isinstance(preparer, Preparer) else None
    agreeing, _ = votes.judge(votes.votes(values, prepared[who]), labels[who])
    return replace(votes, confidences=confidences(agreeing, MODELS, sharpen))


def _some(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _kind(clusterer: BaseEstimator) -> str:
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return "centers"
    if is_mixture(clusterer):
        return "mixture"
    return "own" if hasattr(clusterer, "predict") else "neighbours"


def _other_models(frozen: _Frozen, rng: np.random.Generator, continuum: bool) -> tuple[_Made, float]:
    """Return the models to come, and how many times less than they a model errs that stands for the segments."""
    n, kind = len(frozen.prepared), frozen.kind
    most = MOST_OF_CENTERS if kind == "centers" else MOST
    if n <= 3:  # too few to say how a model errs
        return _from_customers(frozen, rng, max(n // 2, 2), MODELS), 1.0
    known, half = _some(n, most, rng), min(n // 2, most)
    of = None
    many = kind == "centers" and n > most
    if isinstance(frozen.preparer, Preparer) and not many:
        some = frozen.customers.iloc[known]
        of = memberships(some, frozen.preparer, frozen.prepared[known], rng, continuum=continuum)
    if of is None or (of.shape[1] > 1 and n > most):  # blurred populations are not for many
        return _from_customers(frozen, rng, half, MODELS), float(np.sqrt(n / 2 / half))
    several = of.shape[1] > 1
    of_customers = _of_customers(kind, n, several)
    made = chain(
        _from_customers(frozen, rng, half, of_customers),
        _from_populations(frozen, rng, known, of, MODELS - of_customers),
    )
    less = OF_TWO_ERRORS if kind == "mixture" and not several else 1.0
    return made, float(np.sqrt(n * less / len(known)))


def _of_customers(kind: str, n: int, several: bool) -> int:
    """Say how many of the models are made from samples of the customers, where others are of customers drawn afresh."""
    if kind == "centers":
        return MODELS // 2 if several or n > FEW else MODELS // 4
    return MODELS // 4 if kind == "mixture" and several else 0


def _from_customers(frozen: _Frozen, rng: np.random.Generator, used: int, times: int) -> _Made:
    """Make each model from some of the customers, drawn with replacement."""
    n = len(frozen.prepared)
    values, numbers = frozen.values(np.arange(n)), frozen.numbers
    shown = values and values.of(frozen.shown)
    for _ in range(times):
        who = np.sort(rng.integers(n, size=used))
        seed = int(rng.integers(2**31))
        scales = _scales(frozen.preparer, frozen.customers.iloc[who, numbers]) if numbers else {}
        rows = prepared_by(scales, values and values.of(who), frozen.prepared[who])
        yield frozen.again(scales, rows, shown, seed)


def _from_populations(
    frozen: _Frozen, rng: np.random.Generator, known: np.ndarray, of: np.ndarray, times: int
) -> _Made:
    """Make each model from customers drawn afresh: as many as are `known`, of their populations."""
    some, preparer, numbers = frozen.customers.iloc[known], frozen.preparer, frozen.numbers
    shown, used = frozen.values(frozen.shown), len(known)
    shop = CopulaNull(some, preparer, rng, population=drawn(of, rng))
    for i in range(times):
        if i and i % SHARED == 0 and of.shape[1] > 1:
            shop = CopulaNull(some, preparer, rng, population=drawn(of, rng))
        fresh = shop.draw_customers(rng, values_again=frozen.kind == "mixture")
        if frozen.kind != "mixture":
            fresh = fresh.iloc[np.sort(rng.integers(used, size=used))]
        seed = int(rng.integers(2**31))
        scales = _scales(preparer, fresh.iloc[:, numbers]) if numbers else {}
        values = Numbers(preparer.numbers(fresh)) if numbers else None
        yield frozen.again(scales, prepared_by(scales, values, preparer.matrix(fresh)), shown, seed)


def _fitted_again(clusterer: BaseEstimator, rows: np.ndarray, seed: int) -> BaseEstimator | None:
    """Fit another clusterer of the same settings, or return None if no segments can be made of such rows."""
    again = clone(clusterer)
    known = again.get_params()
    said: dict[str, Any] = {"random_state": seed} if "random_state" in known else {}
    size = next((p for p in ("n_clusters", "n_components") if isinstance(known.get(p), int)), None)
    if size is not None and known[size] > (different := len(np.unique(rows, axis=0))):
        said[size] = different
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
    reach = neighbour_radius(rows[known], labels[known])
    return {"points": points, "labels": labels[known][first], "reach": reach[first]}


def _matched(
    kind: str,
    found: Arrays,
    fitted: BaseEstimator | None,
    rows: np.ndarray,
    labels: np.ndarray,
    lots: np.random.Generator,
) -> Arrays:
    """Add to a model which segment each of its clusters is: those that share most customers, one to one.

    Of equals one is taken by lot: else the segments with low ids would seem surer, only for being first.
    """
    if fitted is None:
        return found | {"segments": np.empty(0, dtype=np.int64)}
    clusters = clusters_of(kind, found)
    raw = placed_by(kind, found | {"segments": clusters}, fitted, rows)
    segments = np.unique(labels[labels != OUTSIDE])
    ours = np.unique(clusters[clusters != OUTSIDE])
    shared = np.zeros((len(segments), len(ours)))
    both = np.isin(raw, ours) & (labels != OUTSIDE)
    at = np.searchsorted(segments, labels[both]), np.searchsorted(ours, raw[both])
    np.add.at(shared, at, 1)
    by_lot = lots.random(shared.shape) / (max(shared.shape) + 1)  # less than one customer in all
    i, j = linear_sum_assignment(-(shared + by_lot))
    pairs = {int(ours[b]): int(segments[a]) for a, b in zip(i, j, strict=True) if shared[a, b] > 0}
    pairs[OUTSIDE] = OUTSIDE
    return found | {"segments": np.array([pairs.get(int(c), NOBODY) for c in clusters], dtype=np.int64)}


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
