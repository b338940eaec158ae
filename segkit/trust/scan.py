"""How many segments: a range of answers with their uncertainty, and never one winning number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.prepare import make_preparer
from segkit.core.checks import check_count, check_seed, checked_customers
from segkit.methods.assignment import nearest
from segkit.methods.fitting import make_clusterer
from segkit.trust.micro_clusters import (
    Compressed,
    adjusted_rand,
    compress,
    contingency,
    fit_weighted,
    jaccards,
    pair_recall,
)

MOST = 5_000  # customers that are looked at by methods that cannot take weights; a sample that is stated
SILHOUETTE_SAMPLE = 2_000  # customers whose silhouettes are measured
AMONG = 50_000  # customers among whom they are measured
REFITS = 3  # starts of k-means on a resample
BLOCK = 500  # of them at once, which bounds the memory


def scan_clusters(
    customers: pd.DataFrame,
    *,
    k: int | Iterable[int] = range(2, 11),
    method: str = "kmeans",
    resamples: int = 20,
    outcome: pd.Series | None = None,
    random_state: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Segment with several numbers of segments and measure each: tight, separate, repeatable, useful.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    k : int or iterable of int, default=range(2, 11)
        Numbers of segments.
    method : {"kmeans", "gaussian_mixture", "ward"}, default="kmeans"
        Of more than 5,000 customers, the last two look at a random sample of that size.
    resamples : int, default=20
        Bootstrap samples of the customers on which the segments are made again.
    outcome : Series of shape (n_customers,), optional
        What customers did later, such as next quarter's spend, on the index of `customers`.
    random_state : int, default=0
        Seed of samples and methods.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    DataFrame of shape (n_k, 9 or 11)
        Indexed by `k`.

        * `inertia`: sum of squared distances to the segment's mean, in prepared units.
        * `silhouette` (−1 to 1): how much nearer customers lie to their own segment than to the next one
          [1]_; measured for 2,000 drawn by lot where there are more, with its standard error
          `silhouette_error` (0 where it is exact).
        * `stability` (up to 1): mean adjusted Rand index between the segments and those made again on
          bootstrap samples, with its standard deviation `stability_spread`.
        * `weakest` (0 to 1): the least stable segment's mean Jaccard similarity to its like in those [2]_.
        * `prediction_strength` (0 to 1): make segments on one half of the customers, and on the other; in
          the worst segment of the other, which share of pairs does the first keep together [3]_?
          With its standard deviation `prediction_spread`.
        * `smallest`: share of customers in the smallest segment.
        * `outcome`, `outcome_error`: share of the outcome's variance that the segment explains, for
          customers who were left out of their segment's mean; at 0 or below, it says nothing.

        ``.attrs["segkit"]`` says of how many. Stopped half way, it holds the numbers that are done.

    Raises
    ------
    ValueError
        If a k exceeds the number of different customers, or the outcome is not theirs.

    Notes
    -----
    None of them says that segments exist: a silhouette is high on any long tail, and one population
    cut in two halves may be cut at the same place each time. :func:`segkit.structure_test` asks that.

    k-means is made again on 3,000 weighted micro-clusters, so that a million customers take seconds.

    References
    ----------
    .. [1] Rousseeuw (1987), Silhouettes, Journal of Computational and Applied Mathematics 20.
    .. [2] Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data
       Analysis 52.
    .. [3] Tibshirani & Walther (2005), Cluster validation by prediction strength, Journal of
       Computational and Graphical Statistics 14.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 3, 30, 31, 29, 60, 61, 62]}, index=list("abcdefghi"))
    >>> scan = sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
    >>> int(scan["silhouette"].idxmax())
    3
    """
    wanted = _checked_k(k)
    check_count("resamples", resamples, 1, ": without any, stability is unknown")
    check_seed(random_state)
    looked = checked_customers(customers).sort_index()
    later = None if outcome is None else _checked_outcome(outcome, looked.index)
    rng = np.random.default_rng(random_state)
    if method != "kmeans" and len(looked) > MOST:
        chosen = np.sort(rng.choice(len(looked), MOST, replace=False))
        looked, later = looked.iloc[chosen], None if later is None else later[chosen]
    prepared = make_preparer().fit_transform(looked)
    crowd = compress(prepared, rng) if method == "kmeans" else compress(prepared, rng, most=len(prepared))
    different = len(np.unique(crowd.points, axis=0))
    if wanted[-1] > different:
        raise ValueError(
            f"k goes up to {wanted[-1]}, and only {different:,} customers differ in these features. "
            f"Ask for at most {different}."
        )
    bootstrap_weights = [crowd.bootstrap_weights(rng) for _ in range(resamples)]
    halves = [crowd.split_half_weights(rng) for _ in range(max(resamples // 4, 1))]
    seeds = [int(s) for s in rng.integers(2**31, size=resamples + len(halves))]
    shown = _Shown(prepared, crowd, rng)
    rows: dict[int, dict[str, float]] = {}
    bar = tqdm(wanted, desc="Trying numbers of segments", unit="k", disable=not progress, leave=False)
    try:
        for n in bar:
            clusterer = make_clusterer(method, n, len(looked), random_state)
            labels = fit_weighted(clusterer, crowd.points, crowd.weights)
            again = clusterer.set_params(n_init=REFITS) if isinstance(clusterer, KMeans) else clusterer
            rows[n] = _separation(crowd, labels, shown) | _repeats(
                crowd, labels, again, bootstrap_weights, halves, seeds
            )
            if later is not None:
                rows[n] |= explained_outcome(labels[crowd.member_of], later)
    except KeyboardInterrupt:
        if not rows:
            raise
        tqdm.write(f"Stopped after {len(rows)} of {len(wanted)} numbers of segments; these are kept.")
    scan = pd.DataFrame.from_dict(rows, orient="index").rename_axis("k")
    facts = {"customers": len(customers), "looked_at": len(looked), "resamples": resamples}
    scan.attrs["segkit"] = facts | {"micro_clusters": len(crowd.points)}
    return scan


def defensible_k(scan: pd.DataFrame, *, slack: float = 0.1, smallest: float = 0.02) -> list[int]:
    """Return the numbers of segments that can be defended: about as repeatable as the best, and none tiny.

    Parameters
    ----------
    scan : DataFrame
        From :func:`scan_clusters`.
    slack : float, default=0.1
        How far stability and prediction strength may lie below the best one, beyond their own spread.
    smallest : float, default=0.02
        Least share of customers in the smallest segment.

    Returns
    -------
    list of int
        At least one: where none is left, the most stable. Among them nothing is better than the rest by
        the data alone; choose by what the segments are for.
    """
    large = scan[scan["smallest"] >= smallest]
    if not len(large):
        return [int(scan["smallest"].idxmax())]
    floor_stable = (large["stability"] - large["stability_spread"]).max() - slack
    floor_strong = (large["prediction_strength"] - large["prediction_spread"]).max() - slack
    holding = large[(large["stability"] >= floor_stable) & (large["prediction_strength"] >= floor_strong)]
    found = holding if len(holding) else large.loc[[large["stability"].idxmax()]]
    return [int(k) for k in found.index]


def suggested_k(scan: pd.DataFrame, *, slack: float = 0.1, smallest: float = 0.05) -> int:
    """Return a number of segments to begin with: the most that still hold, a start and not a verdict.

    Parameters
    ----------
    scan : DataFrame
        From :func:`scan_clusters`.
    slack : float, default=0.1
        How far the stability may lie below the best one.
    smallest : float, default=0.05
        Least share of customers in the smallest segment.

    Returns
    -------
    int
        The largest k of at least 3 that meets both; else the most stable one of at least 3, if there is any.
    """
    few = scan[scan.index >= 3] if (scan.index >= 3).any() else scan
    holding = few[(few["stability"] >= few["stability"].max() - slack) & (few["smallest"] >= smallest)]
    return int(holding.index.max() if len(holding) else few["stability"].idxmax())


def _checked_k(k: object) -> list[int]:
    wanted = [k] if isinstance(k, (int, np.integer)) else k
    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Iterable):
        raise ValueError(f"k={k!r} names no number of segments. Say k=range(2, 11), for instance.")
    asked = list(wanted)
    if not asked:
        raise ValueError("k names no number of segments. Say k=range(2, 11), for instance.")
    for n in asked:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise ValueError(f"k holds {n!r}, which is no whole number of segments. Say k=range(2, 11).")
    return sorted({int(n) for n in asked})


def _checked_outcome(outcome: pd.Series, index: pd.Index) -> np.ndarray:
    if not isinstance(outcome, pd.Series) or not pd.api.types.is_numeric_dtype(outcome.dtype):
        held = f"of type {outcome.dtype}" if isinstance(outcome, pd.Series) else f"a {type(outcome).__name__}"
        raise TypeError(f"outcome is {held}. It should be a Series of numbers on the index of customers.")
    if not outcome.index.is_unique:
        example = outcome.index[outcome.index.duplicated()][0]
        raise ValueError(f"outcome says two things of {example!r}. It should have one number a customer.")
    missing = index.difference(outcome.index)
    if len(missing):
        raise ValueError(
            f"outcome says nothing of {len(missing):,} customers, such as {missing[0]!r}. It should be a Series on "
            "the index of customers; who did nothing has 0, not a missing value."
        )
    later = outcome.reindex(index).to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(later).all():
        raise ValueError("outcome holds missing or infinite values. Who did nothing later has 0.")
    return later


def explained_outcome(labels: np.ndarray, later: np.ndarray) -> dict[str, float]:
    """Return which share of an outcome's variance the means of the others in one's segment explain.

    Everyone is predicted by the mean of the rest of the segment, and compared with the mean of all the rest.
    """
    _, group = np.unique(labels, return_inverse=True)
    size, total = np.bincount(group), np.bincount(group, weights=later)
    rest = np.maximum(size[group] - 1, 1)
    n = len(later)
    overall = (later.sum() - later) / max(n - 1, 1)
    own = np.where(size[group] > 1, (total[group] - later) / rest, overall)
    by_none, by_segment = (later - overall) ** 2, (later - own) ** 2
    if by_none.sum() == 0:
        return {"outcome": float("nan"), "outcome_error": float("nan")}
    share = 1 - by_segment.sum() / by_none.sum()
    # Of a ratio of means, by the delta method.
    residual = by_segment - (1 - share) * by_none
    return {"outcome": float(share), "outcome_error": float(residual.std() / np.sqrt(n) / by_none.mean())}


def _repeats(
    crowd: Compressed,
    labels: np.ndarray,
    clusterer: BaseEstimator,
    bootstrap_weights: list[np.ndarray],
    halves: list[tuple[np.ndarray, np.ndarray]],
    seeds: list[int],
) -> dict[str, float]:
    agreement, likeness = [], []
    for weights, seed in zip(bootstrap_weights, seeds, strict=False):
        table = contingency(labels, fit_weighted(clusterer, crowd.points, weights, seed), crowd.weights)
        agreement.append(adjusted_rand(table))
        likeness.append(jaccards(table))
    strength = [
        prediction_strength(crowd, clusterer, *two, seed)
        for two, seed in zip(halves, seeds[len(bootstrap_weights) :], strict=True)
    ]
    _, group = np.unique(labels, return_inverse=True)
    return {
        "stability": float(np.mean(agreement)),
        "stability_spread": float(np.std(agreement)),
        "weakest": float(np.mean(likeness, axis=0).min()),
        "prediction_strength": float(np.mean(strength)),
        "prediction_spread": float(np.std(strength)),
        "smallest": float(np.bincount(group, weights=crowd.weights).min() / crowd.n_customers),
    }


def prediction_strength(
    crowd: Compressed, clusterer: BaseEstimator, train: np.ndarray, test: np.ndarray, seed: int
) -> float:
    """Return the share of pairs of the worst segment of one half that segments of the other keep together."""
    learnt = fit_weighted(clusterer, crowd.points, train, seed)
    found = fit_weighted(clusterer, crowd.points, test, seed + 1)
    here = test > 0
    return float(pair_recall(contingency(learnt[here], found[here], test[here])).min())


def _separation(crowd: Compressed, labels: np.ndarray, shown: _Shown) -> dict[str, float]:
    silhouette, error = shown.silhouette(labels)
    return {"inertia": _inertia(crowd, labels), "silhouette": silhouette, "silhouette_error": error}


def _inertia(crowd: Compressed, labels: np.ndarray) -> float:
    """Return the sum of squares within segments: between points, and of customers about their points."""
    total = crowd.within
    for label in np.unique(labels):
        points, weights = crowd.points[labels == label], crowd.weights[labels == label]
        apart = points - np.average(points, axis=0, weights=weights)
        total += float(weights @ np.einsum("ij,ij->i", apart, apart))
    return total


class _Shown:
    """Some customers whose silhouettes are measured, for every number of segments from the same distances.

    Members of a point share their segment whatever the number of segments is, so distances are summed by
    point once: each number then costs a small product, and the silhouettes are the same.
    """

    def __init__(self, prepared: np.ndarray, crowd: Compressed, rng: np.random.Generator):
        n = len(prepared)
        rows = np.sort(rng.choice(n, min(n, SILHOUETTE_SAMPLE), replace=False))
        among = np.sort(rng.choice(n, min(n, AMONG), replace=False)) if n > AMONG else np.arange(n)
        self._crowd, self._rows = crowd, prepared[rows]
        self._own, member = crowd.member_of[rows], crowd.member_of[among]
        self._is_among = np.isin(rows, among)
        self._unseen = 1 - len(rows) / n
        by_point = np.argsort(member, kind="stable")
        self._held, first, self._counts = np.unique(member[by_point], return_index=True, return_counts=True)
        self._sums = np.empty((len(rows), len(self._held)))
        others = prepared[among[by_point]]
        with threadpool_limits(limits=1):
            for start in range(0, len(rows), BLOCK):
                apart = pairwise_distances(prepared[rows[start : start + BLOCK]], others)
                np.add.reduceat(apart, first, axis=1, out=self._sums[start : start + BLOCK])

    def silhouette(self, labels: np.ndarray) -> tuple[float, float]:
        """Return the mean silhouette, and its standard error: 0 where everyone is shown."""
        found, group = np.unique(labels, return_inverse=True)
        members = np.eye(len(found))[group[self._held]]
        sizes = self._counts @ members
        if len(found) < 2 or len(found) >= self._counts.sum():
            return float("nan"), float("nan")
        with threadpool_limits(limits=1):
            total = self._sums @ members
        own, at = self._labelled(group), np.arange(len(self._own))
        rest = sizes[own] - (self._is_among & (group[self._own] == own))
        inside = total[at, own] / np.maximum(rest, 1)
        others = total / np.maximum(sizes, 1)
        others[:, sizes == 0] = np.inf
        others[at, own] = np.inf
        next_one = others.min(axis=1)
        apart = (next_one - inside) / np.maximum(np.maximum(next_one, inside), 1e-300)
        values = np.where(rest > 0, apart, 0.0)
        return float(values.mean()), float(np.sqrt(values.var(ddof=1) / len(values) * self._unseen))

    def _labelled(self, group: np.ndarray) -> np.ndarray:
        """Return the group of each who is shown: of the nearest mean, where their point stands for others too.

        A point at a border stands for customers on both sides. By its label alone, silhouettes of a crowd without
        groups came out 0.016 too low.
        """
        if len(self._crowd.points) == len(self._crowd.member_of):
            return group[self._own]
        members = np.eye(group.max() + 1)[group] * self._crowd.weights[:, None]
        return nearest(self._rows, (members.T @ self._crowd.points) / members.sum(axis=0)[:, None])
