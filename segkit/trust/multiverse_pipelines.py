"""Draw defensible pipelines in a balanced design, and fit them."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from segkit.analyse.numbers import NORMAL_MAD
from segkit.analyse.prepare import Preparer
from segkit.methods.assignment import rule_of
from segkit.methods.fitting import labels_of, make_model
from segkit.trust.micro_clusters import Compressed, fit_weighted, means_of

SKEWED, HEAVY = "log where skewed", "log where heavy"
SCALINGS = ("auto", "standard")
METHODS = ("kmeans", "bisecting_kmeans", "gaussian_mixture", "ward")
CHOICES = ("transform", "scaling", "left_out", "method", "k")
BEYOND = 0.05  # share of outliers above which a feature needs its logarithm
PROPOSALS = 100  # random candidates for each pipeline, of which the one that balances best is taken
ENUMERATED = 4_000  # grids up to this size are enumerated
SAMPLE = 2_000  # customers that methods without weights are fitted to


@dataclass(frozen=True)
class Pipeline:
    """One set of choices, in the order of ``CHOICES``."""

    transform: str
    scaling: str
    left_out: tuple[str, ...]
    method: str
    k: int


@dataclass(frozen=True)
class ChoiceGrid:
    """The levels of each choice."""

    transforms: tuple[str, ...]
    features: tuple[str, ...]
    ks: tuple[int, ...]

    @property
    def most_left_out(self) -> int:
        """Most features to leave out: two, and never more than a third of them."""
        return min(len(self.features) // 3, 2)

    @property
    def size(self) -> int:
        """Number of different pipelines."""
        d = len(self.features)
        subsets = sum((1, d, d * (d - 1) // 2)[: self.most_left_out + 1])
        return len(self.transforms) * len(SCALINGS) * subsets * len(METHODS) * len(self.ks)

    def every(self) -> list[Pipeline]:
        """Return all pipelines."""
        left = [s for n in range(self.most_left_out + 1) for s in itertools.combinations(self.features, n)]
        return [Pipeline(*p) for p in itertools.product(self.transforms, SCALINGS, left, METHODS, self.ks)]

    def draw(self, rng: np.random.Generator) -> Pipeline:
        """Draw a pipeline at random; leaving out none, one or two features is equally likely."""
        d = len(self.features)
        left = rng.choice(d, int(rng.integers(self.most_left_out + 1)), replace=False)
        return Pipeline(
            self.transforms[rng.integers(len(self.transforms))],
            SCALINGS[rng.integers(len(SCALINGS))],
            tuple(self.features[i] for i in np.sort(left)),
            METHODS[rng.integers(len(METHODS))],
            self.ks[rng.integers(len(self.ks))],
        )


def balanced_design(grid: ChoiceGrid, n: int, rng: np.random.Generator) -> list[Pipeline]:
    """Draw n different pipelines in which all levels of a choice, and all pairs of levels, are about as frequent.

    They are taken one at a time, as a Latin hypercube is filled: of some random candidates, the one whose levels and
    pairs of levels are the rarest so far.
    """
    if grid.size <= n:
        return grid.every()
    every = grid.every() if grid.size <= ENUMERATED else None
    seen: Counter = Counter()
    taken: dict[Pipeline, None] = {}
    while len(taken) < n:
        if every is None:
            candidates = [grid.draw(rng) for _ in range(PROPOSALS)]
        else:
            rows = rng.choice(len(every), min(len(every), 10 * PROPOSALS), replace=False)
            candidates = [every[i] for i in rows]
        fresh = [p for p in candidates if p not in taken]
        if fresh:
            best = min(fresh, key=lambda p: _times_seen(p, seen))
            taken[best] = None
            seen.update(_levels_and_pairs(best))
    return list(taken)


def _levels_and_pairs(pipeline: Pipeline) -> list[tuple]:
    levels = [
        ("transform", pipeline.transform),
        ("scaling", pipeline.scaling),
        ("left_out", len(pipeline.left_out)),
        ("method", pipeline.method),
        ("k", pipeline.k),
    ]
    return [*levels, *itertools.combinations(levels, 2), *(("feature", f) for f in pipeline.left_out)]


def _times_seen(pipeline: Pipeline, seen: Counter) -> float:
    """Count how often the levels of a pipeline were taken before; pairs and features count half."""
    counts = [seen[item] for item in _levels_and_pairs(pipeline)]
    return sum(counts[: len(CHOICES)]) + sum(counts[len(CHOICES) :]) / 2


class PreparedVariants:
    """Customers as points under every transform and scaling: matrices from which features can be left out.

    Parameters
    ----------
    customers : DataFrame
        In the order of ids.
    compressed : Compressed
        The points that stand for them.
    transforms : mapping of transform to the features that it takes logarithms of
    rng : Generator
        Draws the customers for methods without weights.
    """

    def __init__(
        self,
        customers: pd.DataFrame,
        compressed: Compressed,
        transforms: dict[str, list[str]],
        rng: np.random.Generator,
    ):
        self.compressed = compressed
        n = len(customers)
        self._rows = np.sort(rng.choice(n, min(n, SAMPLE), replace=False))
        self._looked = customers.iloc[self._rows]
        self._uncompressed = len(compressed.points) == n
        self._prepared: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, list[set[str]]]] = {}
        for (transform, logged), scaling in itertools.product(transforms.items(), SCALINGS):
            preparer = Preparer(log=logged or "none", scale=scaling).fit(customers)
            prepared = preparer.transform(customers)
            points = prepared if self._uncompressed else means_of(prepared, compressed)
            owners = [set(names) for names in preparer.owners_]
            self._prepared[transform, scaling] = points, prepared[self._rows], owners

    def labels(self, pipeline: Pipeline, seed: int) -> np.ndarray:
        """Return the segment of each point under a pipeline, from 0 on."""
        points, rows, owners = self._prepared[pipeline.transform, pipeline.scaling]
        kept = [i for i, own in enumerate(owners) if own - set(pipeline.left_out)]
        points, rows = points[:, kept], rows[:, kept]
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # A mixture that has not converged is an answer that an analyst would have used as well.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = self._fit(pipeline, seed, points, rows)
        return np.unique(labels, return_inverse=True)[1]

    def _fit(self, pipeline: Pipeline, seed: int, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        weighted = pipeline.method in ("kmeans", "bisecting_kmeans")
        k = min(pipeline.k, len(np.unique(points if weighted else rows, axis=0)))
        if k < 2:
            return np.zeros(len(points), dtype=np.int64)
        if pipeline.method == "kmeans":
            return fit_weighted(KMeans(k, n_init=3, random_state=seed), points, self.compressed.weights)
        if pipeline.method == "bisecting_kmeans":
            bisecting = BisectingKMeans(k, n_init=3, random_state=seed)
            return bisecting.fit(points, sample_weight=self.compressed.weights.astype(float)).labels_
        left = self._looked.drop(columns=list(pipeline.left_out))
        clusterer = make_model(pipeline.method, k, left, seed)[-1].fit(rows)
        labels = labels_of(clusterer, rows)
        if self._uncompressed and len(rows) == len(points):
            return labels
        if pipeline.method == "ward":
            return labels[pairwise_distances_argmin(points, rows)]
        return rule_of(clusterer, rows, labels)(points)


def log_variants(customers: pd.DataFrame) -> dict[str, list[str]]:
    """Return the features that each transform takes logarithms of; one transform where both are the same.

    "log where skewed" is the default preparer's. "log where heavy" leaves a skewed feature as it is, unless more than
    5 % of the customers are then outliers, which no analyst would defend.
    """
    preparer = Preparer().fit(customers)
    numbers = preparer.numbers(customers)
    names = [customers.columns[i] for i in preparer.positions_]
    skewed = [i for i, logged in enumerate(preparer.logged_) if logged]
    heavy = [i for i in skewed if _outliers(numbers[:, i]) > BEYOND]
    variants = {SKEWED: skewed} if skewed == heavy else {SKEWED: skewed, HEAVY: heavy}
    return {name: [names[i] for i in logged] for name, logged in variants.items()}


def _outliers(column: np.ndarray) -> float:
    """Return the share of values that lie beyond five robust standard deviations from the median."""
    away = np.abs(column - np.nanmedian(column))
    away = away[~np.isnan(away)]
    spread = np.median(away) or np.median(away[away > 0])
    return float((away > 5 * NORMAL_MAD * spread).mean())
