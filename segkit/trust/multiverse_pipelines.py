"""Pipelines that could each be defended: how they are drawn in balance, prepared and fitted."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import AgglomerativeClustering, BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from segkit.analyse.prepare import Preparer
from segkit.methods.assignment import rule_of
from segkit.methods.fitting import labels_of
from segkit.trust.micro_clusters import Compressed, fit_weighted

SKEWED, HEAVY = "log where skewed", "log where heavy"
TRANSFORMS = (SKEWED, HEAVY)
SCALINGS = ("robust", "standard")
METHODS = ("kmeans", "bisecting_kmeans", "gaussian_mixture", "ward")
CHOICES = ("transform", "scaling", "left_out", "method", "k")
BEYOND = 0.05  # of customers clipped: a feature with more of them cannot be left without its logarithm
PROPOSALS = 100  # drawn by lot for each place among the pipelines; the one that balances best is taken
ENUMERATED = 4_000  # possible pipelines up to which all of them are looked at
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
    """The levels that each choice may take."""

    transforms: tuple[str, ...]
    features: tuple[str, ...]
    ks: tuple[int, ...]

    @property
    def most_left_out(self) -> int:
        """How many features may be left out: never more than a third of them."""
        return min(len(self.features) // 3, 2)

    @property
    def size(self) -> int:
        """How many different pipelines there are."""
        d = len(self.features)
        subsets = sum((1, d, d * (d - 1) // 2)[: self.most_left_out + 1])
        return len(self.transforms) * len(SCALINGS) * subsets * len(METHODS) * len(self.ks)

    def every(self) -> list[Pipeline]:
        """Return all of them."""
        left = [s for n in range(self.most_left_out + 1) for s in itertools.combinations(self.features, n)]
        return [Pipeline(*p) for p in itertools.product(self.transforms, SCALINGS, left, METHODS, self.ks)]

    def drawn(self, rng: np.random.Generator) -> Pipeline:
        """Return one drawn by lot; none, one and two features left out are equally likely."""
        d = len(self.features)
        left = rng.choice(d, int(rng.integers(self.most_left_out + 1)), replace=False)
        return Pipeline(
            self.transforms[rng.integers(len(self.transforms))],
            SCALINGS[rng.integers(len(SCALINGS))],
            tuple(self.features[i] for i in np.sort(left)),
            METHODS[rng.integers(len(METHODS))],
            self.ks[rng.integers(len(self.ks))],
        )


def balanced_design(space: ChoiceGrid, n: int, rng: np.random.Generator) -> list[Pipeline]:
    """Return n different pipelines in which each level of each choice, and each pair of levels, is as frequent.

    They are taken one at a time: of some drawn by lot, the one whose levels and pairs of levels were seen
    least so far, as the columns of a Latin hypercube are filled.
    """
    if space.size <= n:
        return space.every()
    every = space.every() if space.size <= ENUMERATED else None
    seen: Counter = Counter()
    taken: dict[Pipeline, None] = {}
    while len(taken) < n:
        if every is None:
            offered = [space.drawn(rng) for _ in range(PROPOSALS)]
        else:
            offered = [
                every[i] for i in rng.choice(len(every), min(len(every), 10 * PROPOSALS), replace=False)
            ]
        fresh = [p for p in offered if p not in taken]
        if fresh:
            best = min(fresh, key=lambda p: _crowded(p, seen))
            taken[best] = None
            seen.update(_marks(best))
    return list(taken)


def _marks(pipeline: Pipeline) -> list[tuple]:
    levels = [
        ("transform", pipeline.transform),
        ("scaling", pipeline.scaling),
        ("left_out", len(pipeline.left_out)),
        ("method", pipeline.method),
        ("k", pipeline.k),
    ]
    return [*levels, *itertools.combinations(levels, 2), *(("feature", f) for f in pipeline.left_out)]


def _crowded(pipeline: Pipeline, seen: Counter) -> float:
    """Return how often what this pipeline is made of was taken before: levels first, then pairs and features."""
    marks = _marks(pipeline)
    single = sum(seen[m] for m in marks[: len(CHOICES)])
    rest = marks[len(CHOICES) :]
    return single + sum(seen[m] for m in rest) / 2


class PreparedVariants:
    """Customers, as points, under every transform and scaling: matrices from which features can be left out.

    Parameters
    ----------
    customers : DataFrame
        In the order of ids.
    crowd : Compressed
        The points that stand for them.
    transforms : mapping of transform to the features that it takes logarithms of
    rng : Generator
        Draws the customers whom methods without weights see.
    """

    def __init__(
        self,
        customers: pd.DataFrame,
        crowd: Compressed,
        transforms: dict[str, list[str]],
        rng: np.random.Generator,
    ):
        self.crowd = crowd
        n = len(customers)
        self._rows = np.sort(rng.choice(n, min(n, SAMPLE), replace=False))
        self._alike = len(crowd.points) == n
        self._made: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, list[set[str]]]] = {}
        for (transform, logged), scaling in itertools.product(transforms.items(), SCALINGS):
            preparer = Preparer(log=logged or "none", scale=scaling).fit(customers)
            prepared = preparer.transform(customers)
            points = prepared if self._alike else means_of(prepared, crowd)
            owners = _owners(preparer, customers)
            self._made[transform, scaling] = points, prepared[self._rows], owners

    def labels(self, pipeline: Pipeline, seed: int) -> np.ndarray:
        """Return the segment of each point under a pipeline, from 0 on."""
        points, rows, owners = self._made[pipeline.transform, pipeline.scaling]
        kept = [i for i, own in enumerate(owners) if own - set(pipeline.left_out)]
        points, rows = points[:, kept], rows[:, kept]
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # A mixture that is still moving after its steps is one more answer that a person would have got.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = self._fitted(pipeline, seed, points, rows)
        return np.unique(found, return_inverse=True)[1]

    def _fitted(self, pipeline: Pipeline, seed: int, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        weighs = pipeline.method in ("kmeans", "bisecting_kmeans")
        k = min(pipeline.k, len(np.unique(points if weighs else rows, axis=0)))
        if pipeline.method == "kmeans":
            return fit_weighted(KMeans(k, n_init=3, random_state=seed), points, self.crowd.weights)
        if pipeline.method == "bisecting_kmeans":
            halving = BisectingKMeans(k, n_init=3, random_state=seed)
            return halving.fit(points, sample_weight=self.crowd.weights.astype(float)).labels_
        if pipeline.method == "gaussian_mixture":
            clusterer = GaussianMixture(k, reg_covar=1e-4, random_state=seed)
        else:
            clusterer = AgglomerativeClustering(k, linkage="ward")
        clusterer.fit(rows)
        labels = labels_of(clusterer, rows)
        if self._alike and len(rows) == len(points):
            return labels
        if pipeline.method == "ward":
            return labels[pairwise_distances_argmin(points, rows)]
        return rule_of(clusterer, rows, labels)(points)


def means_of(prepared: np.ndarray, crowd: Compressed) -> np.ndarray:
    """Return the mean of each point's customers."""
    n = len(crowd.points)
    sums = [np.bincount(crowd.member_of, weights=column, minlength=n) for column in prepared.T]
    return np.stack(sums, axis=1) / crowd.weights[:, None]


def _owners(preparer: Preparer, customers: pd.DataFrame) -> list[set[str]]:
    """Return, for each prepared column, the features that it tells of; a flag of several that miss together."""
    names = list(customers.columns)
    numbers = [i for i in range(len(names)) if i not in preparer.levels_]
    missing = {i: customers.iloc[:, i].isna().to_numpy() for i in numbers}
    flags = [
        {names[i] for i in numbers if np.array_equal(missing[i], missing[numbers[flagged]])}
        for flagged in preparer.flagged_
    ]
    words = [{names[i]} for i, levels in preparer.levels_.items() for _ in levels]
    return [*({names[i]} for i in numbers), *flags, *words]


def log_variants(customers: pd.DataFrame) -> dict[str, list[str]]:
    """Return the features that each transform takes logarithms of; one transform where both are the same.

    "log where skewed" is the default preparer's. "log where heavy" leaves a skewed feature as it is, unless
    more than 5 % of the customers would then lie beyond where scaled values are clipped: there, the clipping
    would decide, and such a pipeline could not be defended.
    """
    preparer = Preparer().fit(customers)
    names = [c for i, c in enumerate(customers.columns) if i not in preparer.levels_]
    skewed = [c for c, logged in zip(names, preparer.logged_, strict=True) if logged]
    heavy = [c for c in skewed if _clipped_share(customers[c]) > BEYOND]
    return {SKEWED: skewed} if skewed == heavy else {SKEWED: skewed, HEAVY: heavy}


def _clipped_share(column: pd.Series) -> float:
    as_is = Preparer(log="none").fit(column.to_frame())
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = values[~np.isnan(values)]
    return float((np.abs(known - as_is.center_[0]) > as_is.clip * as_is.scale_[0]).mean())
