"""Measure whether segments come back: on resampled customers, with another seed, without a feature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.cluster import KMeans
from tqdm.auto import tqdm

from segkit.analyse.prepare import Preparer
from segkit.core.checks import check_count, check_seed
from segkit.core.messages import counted
from segkit.methods.assignment import OUTSIDE, dense, preparer_and_clusterer
from segkit.methods.mixed_mixture import MixedMixture
from segkit.methods.partition import Partition, checked_result
from segkit.methods.value_bands import ValueBands, bands_of
from segkit.trust.micro_clusters import (
    MICRO,
    Compressed,
    adjusted_rand,
    compress,
    contingency,
    fit_weighted,
    jaccards,
    means_of,
    pair_recall,
    with_few_starts,
)

MOST = 5_000  # customers that methods without weights are refitted to
SHOWN = 200  # customers in the consensus matrix
SEEDS = 10
REPEATABLE = 0.75  # mean Jaccard similarity (Hennig 2007)
QUICK_RESAMPLES = 10
QUICK_POINTS = 1_000  # micro-clusters, or customers of methods without weights, of the quick check
LEVELS = (
    (0.85, "very stable"),
    (REPEATABLE, "stable"),
    (0.6, "stable core, moving edges"),
    (0.0, "dissolves"),
)
"""Hennig's reading of the mean Jaccard similarity: a cluster below 0.6 should not be trusted."""


@dataclass(frozen=True, eq=False)
class Stability:
    """Repeatability of each segment, with the evidence; made by :func:`stability`.

    Attributes
    ----------
    segments : DataFrame of shape (n_segments, 10)
        Indexed by segment id:

        * `name`, `share` of the customers;
        * `jaccard`, `low`, `high`: mean Jaccard similarity to the most similar segment of each bootstrap sample, and
          the 5 % and 95 % quantiles over the samples;
        * `recovered`: share of the samples with a similarity of 0.75 or more;
        * `prediction_strength`: share of its pairs that segments of the other half of the customers keep together;
        * `other_seeds`: mean Jaccard similarity with other seeds;
        * `without_feature`, `most_needed`: lowest similarity when one feature is left out, and that feature; missing
          and empty where no feature can be left out;
        * `verdict` in words.
    consensus : DataFrame of shape (n_shown, n_shown)
        For customers drawn at random, in the order of segments: the share of samples that put two of them into one
        segment, of the samples that hold both.
    facts : dict
        Resamples, customers looked at, seed.
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
        title = f"Stability over {self.facts['resamples']} bootstrap samples (mean Jaccard similarity)"
        return "\n".join([title, *lines])


def stability(
    result: Partition,
    *,
    resamples: int = 50,
    random_state: int = 0,
    progress: bool = True,
) -> Stability:
    """Refit the segments on bootstrap samples and measure which come back.

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
    >>> stable = sg.stability(sg.segment(customers, n_segments=2), resamples=10, progress=False)
    >>> stable.segments["jaccard"].to_list()
    [1.0, 1.0]
    """
    checked_result(result)
    if len(result.segments) < 2:
        raise ValueError(
            f"The result has {counted(len(result.segments), 'segment')}, and stability compares 2 or more. Ask for "
            "more segments."
        )
    check_count("resamples", resamples, 1)
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    bench = RefitBench(result, rng)
    jaccard, consensus = _resampled(bench, resamples, rng, progress)
    done = len(jaccard)
    halves = [bench.prediction_strength(rng) for _ in range(max(done // 5, 1))]
    seeds = [bench.with_seed(int(s)) for s in rng.integers(2**31, size=SEEDS)]
    without, most_needed = bench.without_each_feature()
    mean, (low, high) = jaccard.mean(axis=0), np.quantile(jaccard, [0.05, 0.95], axis=0)
    segments = pd.DataFrame(
        {
            "name": [result.name_of(s) for s in result.segments],
            "share": [float((result.labels == s).mean()) for s in result.segments],
            "jaccard": mean,
            "low": low,
            "high": high,
            "recovered": (jaccard >= REPEATABLE).mean(axis=0),
            "prediction_strength": np.mean(halves, axis=0),
            "other_seeds": np.mean(seeds, axis=0),
            "without_feature": without,
            "most_needed": most_needed,
            "verdict": [in_words(j) for j in mean],
        },
        index=pd.Index(result.segments, name="segment"),
    )
    consensus.attrs["segments"] = [result.name_of(int(s)) for s in consensus.attrs["segments"]]
    facts = {"resamples": done, "looked_at": bench.compressed.n_customers, "random_state": random_state}
    return Stability(segments, consensus, facts)


def _resampled(
    bench: RefitBench, resamples: int, rng: np.random.Generator, progress: bool
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return each segment's similarity in each bootstrap sample, and the consensus matrix of some customers."""
    shown = bench.points_at_random(rng)
    jaccard = []
    together, both_drawn = np.zeros((len(shown),) * 2), np.zeros((len(shown),) * 2)
    bar = tqdm(range(resamples), desc="Refitting the segments", disable=not progress, leave=False)
    try:
        for _ in bar:
            weights, labels = bench.refit(rng)
            jaccard.append(bench.similarity(labels))
            drawn = (weights > 0)[shown]
            both = np.outer(drawn, drawn)
            both_drawn += both
            together += both & (labels[shown][:, None] == labels[shown][None, :])
    except KeyboardInterrupt:
        if not jaccard:
            raise
        tqdm.write(f"Stopped after {len(jaccard)} of {resamples} bootstrap samples; these are kept.")
    ids = bench.ids_of(shown)
    share = np.divide(together, both_drawn, out=np.full(together.shape, np.nan), where=both_drawn > 0)
    consensus = pd.DataFrame(share, ids, ids)
    consensus.attrs["segments"] = bench.labels[shown]
    return np.array(jaccard), consensus


def feature_influence(result: Partition, *, random_state: int = 0) -> pd.DataFrame:
    """Leave out one feature after the other, make the segments again, and measure how far they agree with the present.

    Parameters
    ----------
    result : Segmentation
        From :func:`segkit.segment`.
    random_state : int, default=0
        Seed of the customers looked at.

    Returns
    -------
    DataFrame of shape (n_features, 1)
        Indexed by `feature`, the most influential first. `agreement`: the adjusted Rand index [1]_ of the present
        segments and those without the feature: 1 = the same segments, 0 = as by chance. Missing where the method needs
        the feature, or there is no other.

    Notes
    -----
    k-means is refitted on 3,000 weighted micro-clusters, other methods on 5,000 customers or fewer. A copy of another
    feature has agreement 1, although the two together may matter: copies count as one feature.

    References
    ----------
    .. [1] Hubert & Arabie (1985), Comparing partitions, Journal of Classification 2.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"orders": [1, 2, 1, 30, 31, 29], "returns": [0, 1, 0, 1, 0, 1]}, index=list("abcdef"))
    >>> sg.feature_influence(sg.segment(customers, n_segments=2)).round(1)
             agreement
    feature
    orders        -0.1
    returns        1.0
    """
    checked_result(result)
    check_seed(random_state)
    bench = RefitBench(result, np.random.default_rng(random_state))
    features = list(result.customers.columns)
    refits = {f: bench.without(f) if len(features) > 1 else None for f in features}
    agreement = {
        f: np.nan
        if labels is None
        else adjusted_rand(contingency(bench.labels, labels, bench.compressed.weights))
        for f, labels in refits.items()
    }
    table = pd.Series(agreement, name="agreement", dtype=float).rename_axis("feature").to_frame()
    return table.sort_values("agreement", kind="stable")


def quick_stability(result: Partition) -> float:
    """Return the mean Jaccard similarity of the least stable segment, over ten refits.

    k-means is refitted on 1,000 weighted micro-clusters of all customers, other methods on at most 1,000 customers.
    """
    rng = np.random.default_rng(0)
    bench = RefitBench(result, rng, micro=QUICK_POINTS, most=QUICK_POINTS)
    jaccard = [bench.similarity(bench.refit(rng)[1]) for _ in range(QUICK_RESAMPLES)]
    return float(np.mean(jaccard, axis=0).min())


def in_words(jaccard: float) -> str:
    """Put a mean Jaccard similarity into words."""
    return next(word for least, word in LEVELS if jaccard >= least)


class RefitBench:
    """The customers of a segmentation as points, and refits of its clusterer on them."""

    def __init__(self, result: Partition, rng: np.random.Generator, *, micro: int = MICRO, most: int = MOST):
        ordered = result.prepared.iloc[result.order]
        self._preparer, clusterer = preparer_and_clusterer(result.model)
        weighted = isinstance(clusterer, KMeans)
        if not weighted and len(ordered) > most:
            ordered = ordered.iloc[np.sort(rng.choice(len(ordered), most, replace=False))]
        self._index = ordered.index
        self._customers = result.customers
        self._segments = result.segments
        self.clusterer = with_few_starts(clusterer)
        self.compressed = compress(ordered.to_numpy(), rng, most=micro if weighted else len(ordered))
        own = result.labels.loc[self._index].to_numpy()
        self.labels = _majority(own, self.compressed) if weighted else own

    def refit(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of a bootstrap sample, and the label of each point when refitted to it."""
        weights = self.compressed.bootstrap_weights(rng)
        return weights, self._fit(weights, int(rng.integers(2**31)))

    def _fit(self, weights: np.ndarray, seed: int) -> np.ndarray:
        return fit_weighted(self.clusterer, self.compressed.points, weights, seed)

    def similarity(self, labels: np.ndarray) -> np.ndarray:
        """Return each segment's Jaccard similarity to the most similar segment among other labels."""
        inside = labels != OUTSIDE  # noise is no segment, so it is similar to none
        table = contingency(self.labels, np.where(inside, labels, labels.max() + 1), self.compressed.weights)
        if not inside.all():
            table[:, -1] = 0
        return self._by_segment(jaccards(table), np.unique(self.labels), 0.0)

    def _by_segment(self, values: np.ndarray, labels: np.ndarray, absent: float) -> np.ndarray:
        """Return the values of labels in the order of segments."""
        return pd.Series(values, labels).reindex(self._segments).fillna(absent).to_numpy()

    def prediction_strength(self, rng: np.random.Generator) -> np.ndarray:
        """Return the share of each segment's pairs in one half that segments of the other half keep together."""
        train, test = self.compressed.split_half_weights(rng)
        labels, tested = self._fit(train, int(rng.integers(2**31))), test > 0
        own = self.labels[tested]
        recall = pair_recall(contingency(labels[tested], own, test[tested]))
        return self._by_segment(recall, np.unique(own), np.nan)

    def with_seed(self, seed: int) -> np.ndarray:
        """Return each segment's similarity when refitted with another seed; 1 for methods without seeds."""
        if "random_state" not in self.clusterer.get_params():
            return np.ones(len(self._segments))
        return self.similarity(self._fit(self.compressed.weights, seed))

    def without_each_feature(self) -> tuple[np.ndarray, list[str]]:
        """Return each segment's lowest similarity when one feature is left out, and that feature."""
        features = list(self._customers.columns)
        refits = {f: self.without(f) for f in features} if len(features) > 1 else {}
        rows = {f: self.similarity(labels) for f, labels in refits.items() if labels is not None}
        if not rows:
            return np.full(len(self._segments), np.nan), [""] * len(self._segments)
        table = np.array(list(rows.values()))
        return table.min(axis=0), [list(rows)[i] for i in table.argmin(axis=0)]

    def without(self, feature: str) -> np.ndarray | None:
        """Return the labels of a refit without a feature; None where the model needs it."""
        clusterer = self.clusterer
        if isinstance(self._preparer, Preparer) and not isinstance(clusterer, ValueBands):
            points = self.compressed.points * self._preparer.factors_without(feature)
            return fit_weighted(clusterer, points, self.compressed.weights)
        fewer = self._customers.loc[self._index].drop(columns=feature)
        try:
            if self._preparer is None:
                prepared = fewer.to_numpy(dtype=float)
            else:
                preparer = clone(self._preparer).fit(fewer)
                prepared = dense(preparer.transform(fewer))
                if isinstance(clusterer, MixedMixture):
                    clusterer = clone(clusterer).set_params(layout=preparer.layout_)
                if isinstance(clusterer, ValueBands):
                    by = str(self._preparer.get_feature_names_out()[clusterer.column])
                    if by == feature:
                        return None
                    clusterer = bands_of(preparer, fewer, by, clusterer.n_bands)
            return fit_weighted(clusterer, means_of(prepared, self.compressed), self.compressed.weights)
        except ValueError:  # RFM scores need all three features, for instance, and rules those that they name
            return None

    def points_at_random(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the points of the consensus matrix, in the order of segments."""
        inside = np.flatnonzero(self.labels != OUTSIDE)
        shares = self.compressed.weights[inside] / self.compressed.weights[inside].sum()
        drawn = rng.choice(inside, min(SHOWN, len(inside)), replace=False, p=shares)
        return drawn[np.lexsort((drawn, self.labels[drawn]))]

    def ids_of(self, points: np.ndarray) -> pd.Index:
        """Return the first customer of each point."""
        first = np.unique(self.compressed.member_of, return_index=True)[1]
        return self._index[first[points]]


def _majority(labels: np.ndarray, compressed: Compressed) -> np.ndarray:
    """Return the most frequent label of each point's customers; of equally frequent ones the lower."""
    different, at = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(compressed.points), len(different)))
    np.add.at(counts, (compressed.member_of, at), 1)
    return different[counts.argmax(axis=1)]
