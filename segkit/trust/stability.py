"""Measure whether segments come back: from other customers, another seed, one feature less."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.cluster import KMeans
from tqdm.auto import tqdm

from segkit.core.checks import check_count, check_seed
from segkit.methods.assignment import OUTSIDE, dense, preparer_and_clusterer
from segkit.methods.partition import Partition, checked_result
from segkit.methods.value_bands import ValueBands, bands_of
from segkit.trust.micro_clusters import (
    MICRO,
    Compressed,
    compress,
    contingency,
    fit_weighted,
    jaccards,
    pair_recall,
)

MOST = 5_000  # customers that methods without weights are fitted to again
SHOWN = 200  # customers in the consensus matrix
SEEDS = 10
REPEATABLE = 0.75  # mean Jaccard similarity (Hennig 2007)
QUICK_RESAMPLES = 10
QUICK_POINTS = 1_000  # micro-clusters, or customers of methods without weights, of the quick check
LEVELS = ((0.85, "very stable"), (0.75, "stable"), (0.6, "a pattern, its edges are not"), (0.0, "dissolves"))
"""What Hennig says of the mean Jaccard similarity: under 0.6, a cluster should not be trusted."""


@dataclass(frozen=True, eq=False)
class Stability:
    """How repeatable each segment is, with the evidence; made by :func:`stability`.

    Attributes
    ----------
    segments : DataFrame of shape (n_segments, 10)
        Indexed by segment id:

        * `name`, `share` of the customers;
        * `jaccard`, `low`, `high`: mean Jaccard similarity to its like in the bootstrap samples, and the
          5 % and 95 % quantiles over them;
        * `recovered`: in which share of the samples it was found again (0.75 or more);
        * `prediction_strength`: which share of its pairs another half of the customers keeps together;
        * `other_seeds`: mean Jaccard similarity with other seeds;
        * `without_feature`, `most_needed`: the lowest similarity when one feature is left out, and which, of those
          that can be: missing, and empty, where the segments are nothing without any;
        * `verdict` in words.
    consensus : DataFrame of shape (n_shown, n_shown)
        For customers drawn at random, in the order of segments: the share of samples that hold both in which
        two of them are together.
    facts : dict
        Resamples, customers that were refitted, seed.
    """

    segments: pd.DataFrame
    consensus: pd.DataFrame = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def weakest(self) -> float:
        """Mean Jaccard similarity of the least stable segment."""
        return float(self.segments["jaccard"].min())

    def __repr__(self) -> str:
        lines = [
            f"{row.name}: {row.jaccard:.2f} ({row.low:.2f} to {row.high:.2f}), {row.verdict}"
            for row in self.segments.itertuples(index=False)
        ]
        return "Stability over {} bootstrap samples (mean Jaccard similarity)\n".format(
            self.facts["resamples"]
        ) + "\n".join(lines)


def stability(
    result: Partition,
    *,
    resamples: int = 50,
    random_state: int = 0,
    progress: bool = True,
) -> Stability:
    """Refit the segments on bootstrap samples, and measure which come back.

    Parameters
    ----------
    result : Segmentation
        Of any method.
    resamples : int, default=50
        Bootstrap samples of the customers.
    random_state : int, default=0
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If there are fewer than two segments, or `resamples` is below 1.

    Notes
    -----
    The mean Jaccard similarity over bootstrap samples is Hennig's [1]_; prediction strength is
    Tibshirani and Walther's [2]_, by segment; the consensus matrix is that of Monti et al. [3]_.

    **Repeatable is not real.** A continuum may be cut at the same place every time; only
    :func:`segkit.structure_test` tests whether there are groups.

    k-means is refitted on weighted micro-clusters, other methods on at most 5,000 customers.

    References
    ----------
    .. [1] Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data
       Analysis 52.
    .. [2] Tibshirani & Walther (2005), Cluster validation by prediction strength, Journal of
       Computational and Graphical Statistics 14.
    .. [3] Monti, Tamayo, Mesirov & Golub (2003), Consensus clustering, Machine Learning 52.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": range(1, 41)}, index=[f"c{i:02}" for i in range(40)])
    >>> customers["frequency"] += 100 * (customers["frequency"] > 20)
    >>> found = sg.stability(sg.segment(customers, n_segments=2), resamples=10, progress=False)
    >>> found.segments["jaccard"].to_list()
    [1.0, 1.0]
    """
    checked_result(result)
    if len(result.segments) < 2:
        raise ValueError(
            f"There are {len(result.segments)} segments, and 2 or more can be compared. Ask for more."
        )
    check_count("resamples", resamples, 1)
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    bench = _RefitBench(result, rng)
    shown = bench.points_at_random(rng)
    likeness, together, met = [], np.zeros((len(shown),) * 2), np.zeros((len(shown),) * 2)
    done = 0
    bar = tqdm(range(resamples), desc="Refitting the segments", disable=not progress, leave=False)
    try:
        for _ in bar:
            weights = bench.crowd.bootstrap_weights(rng)
            refit = fit_weighted(bench.clusterer, bench.crowd.points, weights, int(rng.integers(2**31)))
            likeness.append(bench.likeness(refit))
            here = (weights > 0)[shown]
            both = np.outer(here, here)
            met += both
            together += both & (refit[shown][:, None] == refit[shown][None, :])
            done += 1
    except KeyboardInterrupt:
        if not done:
            raise
        tqdm.write(f"Stopped after {done} of {resamples} bootstrap samples; these are kept.")
    strength = np.mean(
        [
            bench.strength(*bench.crowd.split_half_weights(rng), int(rng.integers(2**31)))
            for _ in range(max(done // 5, 1))
        ],
        axis=0,
    )
    seeds = np.mean([bench.with_seed(int(s)) for s in rng.integers(2**31, size=SEEDS)], axis=0)
    without, needed = bench.without_each_feature()
    mean, (low, high) = np.mean(likeness, axis=0), np.quantile(likeness, [0.05, 0.95], axis=0)
    segments = pd.DataFrame(
        {
            "name": [result.name_of(s) for s in result.segments],
            "share": bench.shares,
            "jaccard": mean,
            "low": low,
            "high": high,
            "recovered": (np.array(likeness) >= 0.75).mean(axis=0),
            "prediction_strength": strength,
            "other_seeds": seeds,
            "without_feature": without,
            "most_needed": needed,
            "verdict": [in_words(j) for j in mean],
        },
        index=pd.Index(result.segments, name="segment"),
    )
    ids = bench.ids_of(shown)
    consensus = pd.DataFrame(
        np.divide(together, met, out=np.full(met.shape, np.nan), where=met > 0), ids, ids
    )
    consensus.attrs["segments"] = [result.name_of(int(s)) for s in bench.labels[shown]]
    facts = {"resamples": done, "looked_at": bench.crowd.n_customers, "random_state": random_state}
    return Stability(segments, consensus, facts)


def quick_stability(result: Partition) -> float:
    """Return the mean Jaccard similarity of the least stable segment, over ten refits.

    k-means is refitted on 1,000 weighted micro-clusters of everyone, other methods on at most 1,000 customers; it
    takes under a second of 100,000 customers.
    """
    rng = np.random.default_rng(0)
    bench = _RefitBench(result, rng, micro=QUICK_POINTS, most=QUICK_POINTS)
    likeness = [
        bench.likeness(
            fit_weighted(
                bench.clusterer,
                bench.crowd.points,
                bench.crowd.bootstrap_weights(rng),
                int(rng.integers(2**31)),
            )
        )
        for _ in range(QUICK_RESAMPLES)
    ]
    return float(np.mean(likeness, axis=0).min())


def in_words(jaccard: float) -> str:
    """Say what a mean Jaccard similarity means."""
    return next(word for least, word in LEVELS if jaccard >= least)


class _RefitBench:
    """The customers of a segmentation, and how its clusterer is fitted to them again."""

    def __init__(self, result: Partition, rng: np.random.Generator, *, micro: int = MICRO, most: int = MOST):
        ordered = result.prepared.sort_index()
        self._preparer, clusterer = preparer_and_clusterer(result.model)
        weighs = isinstance(clusterer, KMeans)
        self._rows = np.arange(len(ordered))
        if not weighs and len(ordered) > most:
            self._rows = np.sort(rng.choice(len(ordered), most, replace=False))
        prepared = ordered.to_numpy()[self._rows]
        self._index = ordered.index[self._rows]
        self._customers = result.customers.loc[self._index]
        self.clusterer = clone(clusterer).set_params(n_init=3) if weighs else clone(clusterer)
        self.crowd: Compressed = compress(prepared, rng, most=micro if weighs else len(prepared))
        own = result.labels.loc[self._index].to_numpy()
        self._segments = result.segments
        self.labels = own if not weighs else _majority(own, self.crowd)
        self.shares = [float((result.labels == s).mean()) for s in result.segments]

    def likeness(self, again: np.ndarray) -> np.ndarray:
        """Return each segment's Jaccard similarity to its like."""
        return self._of_segments(jaccards(self._against(again)))

    def _against(self, again: np.ndarray) -> np.ndarray:
        inside = again != OUTSIDE  # noise is no segment: nothing is like it
        table = contingency(self.labels, np.where(inside, again, again.max() + 1), self.crowd.weights)
        if not inside.all():
            table[:, -1] = 0
        return table

    def _of_segments(self, values: np.ndarray) -> np.ndarray:
        held = np.unique(self.labels)
        return np.array([values[held == s][0] if (held == s).any() else 0.0 for s in self._segments])

    def strength(self, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        """Return, for each segment, the share of its pairs in one half that segments of the other keep."""
        learnt = fit_weighted(self.clusterer, self.crowd.points, train, seed)
        here = test > 0
        held = np.unique(self.labels[here])
        kept = pair_recall(contingency(learnt[here], self.labels[here], test[here]))
        return np.array([kept[held == s][0] if (held == s).any() else np.nan for s in self._segments])

    def with_seed(self, seed: int) -> np.ndarray:
        """Return each segment's similarity to its like when made with another seed."""
        again = clone(self.clusterer)
        if "random_state" not in again.get_params():
            return np.ones(len(self._segments))
        again.set_params(random_state=seed)
        return self.likeness(fit_weighted(again, self.crowd.points, self.crowd.weights))

    def without_each_feature(self) -> tuple[np.ndarray, list[str]]:
        """Return each segment's lowest similarity when one feature is left out, and which feature that is."""
        features = list(self._customers.columns)
        if len(features) < 2:
            return np.full(len(self._segments), np.nan), [""] * len(self._segments)
        made = {f: again for f in features if (again := self._made_without(f)) is not None}
        if not made:
            return np.full(len(self._segments), np.nan), [""] * len(self._segments)
        left = np.array([self.likeness(again) for again in made.values()])
        return left.min(axis=0), [list(made)[i] for i in left.argmin(axis=0)]

    def _made_without(self, feature: str) -> np.ndarray | None:
        """Return the labels of segments made without a feature; None where the model is nothing without it."""
        fewer, clusterer = self._customers.drop(columns=feature), self.clusterer
        if self._preparer is None:
            prepared = fewer.to_numpy(dtype=float)
        else:
            preparer = clone(self._preparer).fit(fewer)
            prepared = dense(preparer.transform(fewer))
            if isinstance(clusterer, ValueBands):
                by = str(self._preparer.get_feature_names_out()[clusterer.column])
                if by == feature:
                    return None
                clusterer = bands_of(preparer, fewer, by, clusterer.n_bands)
        groups = np.zeros((len(self.crowd.points), prepared.shape[1]))
        np.add.at(groups, self.crowd.member_of, prepared)
        try:
            return fit_weighted(clusterer, groups / self.crowd.weights[:, None], self.crowd.weights)
        except ValueError:  # a rule for certain features, such as RFM scores, is nothing without one of them
            return None

    def points_at_random(self, rng: np.random.Generator) -> np.ndarray:
        """Return the points of the consensus matrix, in the order of segments."""
        known = np.flatnonzero(self.labels != OUTSIDE)
        shares = self.crowd.weights[known] / self.crowd.weights[known].sum()
        drawn = rng.choice(known, min(SHOWN, len(known)), replace=False, p=shares)
        return drawn[np.lexsort((drawn, self.labels[drawn]))]

    def ids_of(self, points: np.ndarray) -> pd.Index:
        """Return a customer of each point."""
        first = np.full(len(self.crowd.points), -1)
        first[self.crowd.member_of[::-1]] = np.arange(len(self._index))[::-1]
        return self._index[first[points]]


def _majority(labels: np.ndarray, crowd: Compressed) -> np.ndarray:
    """Return the label that most customers of each point have; of equals the lower."""
    found, at = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(crowd.points), len(found)))
    np.add.at(counts, (crowd.member_of, at), 1)
    return found[counts.argmax(axis=1)]
