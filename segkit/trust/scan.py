"""Compare numbers of segments: tightness, separation, stability and usefulness, with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.core.checks import check_count, check_seed, checked_customers
from segkit.core.order import by_id
from segkit.methods.assignment import dense, nearest, preparer_and_clusterer
from segkit.methods.fitting import make_model
from segkit.trust.micro_clusters import (
    Compressed,
    adjusted_rand,
    compress,
    contingency,
    fit_weighted,
    jaccards,
    pair_recall,
    with_few_starts,
)
from segkit.trust.outcome import leave_one_out_errors, share_explained

MOST = 5_000  # customers that methods without weights are fitted to
SILHOUETTE_SAMPLE = 2_000  # customers whose silhouettes are measured
AMONG = 50_000  # customers to whom their distances are measured
BLOCK = 50  # rows of distances at once, which bounds the memory: 20 MB where they are to AMONG


def scan_clusters(
    customers: pd.DataFrame,
    *,
    k: int | Iterable[int] = range(2, 11),
    method: str = "kmeans",
    resamples: int = 20,
    outcome: pd.Series | None = None,
    random_state: int = 0,
    progress: bool | Callable[[list[int]], Iterable[int]] = True,
) -> pd.DataFrame:
    """Segment customers into several numbers of segments and measure each.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    k : int or iterable of int, default=range(2, 11)
        Numbers of segments.
    method : str, default="kmeans"
        One of those of :func:`segkit.segment` that take a number of segments. Of more than 5,000 customers, all but
        k-means use a random sample of that size.
    resamples : int, default=20
        Bootstrap samples of the customers to refit the segments on.
    outcome : Series of shape (n_customers,), optional
        What customers did later, such as next quarter's spend, on the index of `customers`.
    random_state : int, default=0
        Seed of samples and methods.
    progress : bool or callable, default=True
        Whether to show a progress bar; or what shows one around the numbers of segments, such as
        ``tqdm.notebook.tqdm``.

    Returns
    -------
    DataFrame of shape (n_k, 10 or 12)
        Indexed by `k`.

        * `inertia`: sum of squared distances to the segment's mean, in prepared units.
        * `silhouette` (−1 to 1): how much nearer customers lie to their own segment than to the next one
          [1]_; of more than 2,000 customers a random sample, with its standard error `silhouette_error` (0 where it
          is exact).
        * `stability` (up to 1): mean adjusted Rand index between the segments and refits on bootstrap samples, with
          its standard deviation `stability_spread`.
        * `jaccard`, `weakest` (0 to 1): mean Jaccard similarity over the refits [2]_, on average of the segments and
          of the least stable one.
        * `prediction_strength` (0 to 1): segment one half of the customers and the other half; of the worst segment
          of the other half, the share of pairs that the first keeps together [3]_. With its standard deviation
          `prediction_spread`.
        * `smallest`: share of customers in the smallest segment.
        * `outcome`, `outcome_error`: share of the outcome's variance that the segments explain, for customers left
          out of their segment's mean; at 0 or below they explain nothing.

        ``.attrs["segkit"]`` counts customers, customers looked at, resamples and micro-clusters. When interrupted,
        it holds the numbers of segments that are done.

    Raises
    ------
    ValueError
        If a k exceeds the number of different customers, or the outcome is not one number for each customer.

    Notes
    -----
    None of these measures shows that segments exist: silhouettes are high on any long tail, and a continuum may be cut
    at the same place each time. :func:`segkit.structure_test` tests that.

    k-means is refitted on 3,000 weighted micro-clusters.

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
    numbers = _checked_k(k)
    check_count("resamples", resamples, 1, ": without any, stability is unknown")
    check_seed(random_state)
    looked = by_id(checked_customers(customers))
    later = None if outcome is None else _checked_outcome(outcome, looked.index)
    rng = np.random.default_rng(random_state)
    if method != "kmeans" and len(looked) > MOST:
        chosen = np.sort(rng.choice(len(looked), MOST, replace=False))
        looked, later = looked.iloc[chosen], None if later is None else later[chosen]
    _check_different(numbers, len(looked))
    preparer, _ = preparer_and_clusterer(make_model(method, numbers[0], looked, random_state))
    prepared = dense(preparer.fit_transform(looked))
    compressed = compress(prepared, rng, **({} if method == "kmeans" else {"most": len(prepared)}))
    _check_different(numbers, len(np.unique(compressed.points, axis=0)))
    resampling = _Resampling(compressed, resamples, rng)
    silhouettes = _Silhouettes(prepared, compressed, rng)
    rows: dict[int, dict[str, float]] = {}
    bar = (
        progress(numbers)
        if callable(progress)
        else tqdm(numbers, desc="Trying numbers of segments", unit="k", disable=not progress, leave=False)
    )
    try:
        for n in bar:
            clusterer = make_model(method, n, looked, random_state)[-1]
            labels = fit_weighted(clusterer, compressed.points, compressed.weights)
            rows[n] = _separation(compressed, labels, silhouettes) | resampling.measures(labels, clusterer)
            if later is not None:
                rows[n] |= explained_outcome(labels[compressed.member_of], later)
    except KeyboardInterrupt:
        if not rows:
            raise
        tqdm.write(f"Stopped after {len(rows)} of {len(numbers)} numbers of segments; these are kept.")
    scan = pd.DataFrame.from_dict(rows, orient="index").rename_axis("k")
    facts = {"customers": len(customers), "looked_at": len(looked), "resamples": resamples}
    scan.attrs["segkit"] = facts | {"micro_clusters": len(compressed.points)}
    return scan


def defensible_k(scan: pd.DataFrame, *, slack: float = 0.1, smallest: float = 0.02) -> list[int]:
    """Return the numbers of segments that can be defended: about as repeatable as the best, without tiny segments.

    Parameters
    ----------
    scan : DataFrame
        From :func:`scan_clusters`.
    slack : float, default=0.1
        How far stability and prediction strength may lie below the best, beyond their own spread.
    smallest : float, default=0.02
        Least share of customers in the smallest segment.

    Returns
    -------
    list of int
        At least one: where none is left, the most stable. The data do not favour one of them; choose by what the
        segments are for.
    """
    large = scan[scan["smallest"] >= smallest]
    if not len(large):
        return [int(scan["smallest"].idxmax())]
    floor_stable = (large["stability"] - large["stability_spread"]).max() - slack
    floor_strong = (large["prediction_strength"] - large["prediction_spread"]).max() - slack
    holding = large[(large["stability"] >= floor_stable) & (large["prediction_strength"] >= floor_strong)]
    defensible = holding if len(holding) else large.loc[[large["stability"].idxmax()]]
    return [int(k) for k in defensible.index]


def suggested_k(scan: pd.DataFrame, *, slack: float = 0.1, smallest: float = 0.05) -> int:
    """Return a number of segments to begin with: the largest that is still stable; a start, not a verdict.

    Parameters
    ----------
    scan : DataFrame
        From :func:`scan_clusters`.
    slack : float, default=0.1
        How far the stability may lie below the best.
    smallest : float, default=0.05
        Least share of customers in the smallest segment.

    Returns
    -------
    int
        The largest k of at least 3 that meets both; else the most stable one of at least 3, if there is any.
    """
    return suggestion(scan, slack=slack, smallest=smallest)[0]


def suggestion(scan: pd.DataFrame, *, slack: float = 0.1, smallest: float = 0.05) -> tuple[int, str]:
    """Return the number of :func:`suggested_k`, and why it is that one."""
    few = scan[scan.index >= 3] if (scan.index >= 3).any() else scan
    holding = few[(few["stability"] >= few["stability"].max() - slack) & (few["smallest"] >= smallest)]
    k = int(holding.index.max() if len(holding) else few["stability"].idxmax())
    reached, best, at_best = few.loc[k, "stability"], few["stability"].max(), few["stability"].idxmax()
    of = " of 3 or more" if (scan.index < 3).any() and (scan.index >= 3).any() else ""
    if not len(holding):
        return (
            k,
            f"the most stable{of} ({reached:.2f}), although a segment holds less than {smallest:.0%} of the customers",
        )
    if k == few.index.max():
        more = "no higher number was tried"
    elif few.loc[few.index > k, "smallest"].max() < smallest:
        more = f"with more, a segment holds less than {smallest:.0%} of the customers"
    else:
        more = f"with more, stability falls or a segment holds less than {smallest:.0%} of the customers"
    if k == at_best:
        return k, f"the most stable{of} ({reached:.2f}); {more}"
    return (
        k,
        f"the highest number whose stability ({reached:.2f}) is near the best{of}: {best:.2f} with {at_best}; {more}",
    )


def _checked_k(k: object) -> list[int]:
    wanted = [k] if isinstance(k, (int, np.integer)) else k
    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Iterable):
        raise ValueError(f"k={k!r} names no number of segments. Say k=range(2, 11), for instance.")
    numbers = list(wanted)
    if not numbers:
        raise ValueError("k names no number of segments. Say k=range(2, 11), for instance.")
    for n in numbers:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise ValueError(f"k holds {n!r}, which is no whole number of segments. Say k=range(2, 11).")
    return sorted({int(n) for n in numbers})


def _check_different(numbers: list[int], different: int) -> None:
    """Refuse more segments than there are different customers."""
    if numbers[-1] > different:
        raise ValueError(
            f"k goes up to {numbers[-1]}, and only {different:,} customers differ in these features. "
            f"Try at most {different} segments."
        )


def _checked_outcome(outcome: pd.Series, index: pd.Index) -> np.ndarray:
    if not isinstance(outcome, pd.Series) or not pd.api.types.is_numeric_dtype(outcome.dtype):
        kind = f"of type {outcome.dtype}" if isinstance(outcome, pd.Series) else f"a {type(outcome).__name__}"
        raise TypeError(f"outcome is {kind}. It should be a Series of numbers on the index of customers.")
    if not outcome.index.is_unique:
        example = outcome.index[outcome.index.duplicated()][0]
        raise ValueError(
            f"outcome has two values for {example!r}. It should have one number for each customer."
        )
    missing = index.difference(outcome.index)
    if len(missing):
        raise ValueError(
            f"outcome lacks {len(missing):,} customers, such as {missing[0]!r}. It should be a Series on the index of "
            "customers, with 0 for customers who did nothing."
        )
    later = outcome.reindex(index).to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(later).all():
        raise ValueError(
            "outcome holds missing or infinite values. It should be 0 for customers who did nothing."
        )
    return later


def explained_outcome(labels: np.ndarray, later: np.ndarray) -> dict[str, float]:
    """Return the share of an outcome's variance that segments explain, with its standard error.

    Each customer is predicted by the mean of the others in the segment, and compared with the mean of all others.
    """
    base = leave_one_out_errors(later, np.zeros(len(later), dtype=int))
    if base.sum() == 0:
        return {"outcome": float("nan"), "outcome_error": float("nan")}
    own = leave_one_out_errors(later, np.unique(labels, return_inverse=True)[1])
    share, error = share_explained(base - own, base)
    return {"outcome": share, "outcome_error": error}


class _Resampling:
    """Bootstrap samples and halves of the customers, the same for every number of segments."""

    def __init__(self, compressed: Compressed, resamples: int, rng: np.random.Generator):
        self._compressed = compressed
        self._samples = [compressed.bootstrap_weights(rng) for _ in range(resamples)]
        self._halves = [compressed.split_half_weights(rng) for _ in range(max(resamples // 4, 1))]
        self._seeds = [int(s) for s in rng.integers(2**31, size=resamples + len(self._halves))]

    def measures(self, labels: np.ndarray, clusterer: BaseEstimator) -> dict[str, float]:
        """Return stability, prediction strength and smallest share of segments with these labels."""
        clusterer = with_few_starts(clusterer)
        compressed, n = self._compressed, len(self._samples)
        tables = [
            contingency(labels, fit_weighted(clusterer, compressed.points, weights, seed), compressed.weights)
            for weights, seed in zip(self._samples, self._seeds[:n], strict=True)
        ]
        agreement = [adjusted_rand(table) for table in tables]
        strength = [
            self._prediction_strength(clusterer, *halves, seed)
            for halves, seed in zip(self._halves, self._seeds[n:], strict=True)
        ]
        _, group = np.unique(labels, return_inverse=True)
        similarity = np.mean([jaccards(table) for table in tables], axis=0)
        return {
            "stability": float(np.mean(agreement)),
            "stability_spread": float(np.std(agreement)),
            "jaccard": float(similarity.mean()),
            "weakest": float(similarity.min()),
            "prediction_strength": float(np.mean(strength)),
            "prediction_spread": float(np.std(strength)),
            "smallest": float(np.bincount(group, weights=compressed.weights).min() / compressed.n_customers),
        }

    def _prediction_strength(
        self, clusterer: BaseEstimator, train: np.ndarray, test: np.ndarray, seed: int
    ) -> float:
        """Return the share of pairs of one half's worst segment that segments of the other half keep together."""
        learnt = fit_weighted(clusterer, self._compressed.points, train, seed)
        own = fit_weighted(clusterer, self._compressed.points, test, seed + 1)
        tested = test > 0
        return float(pair_recall(contingency(learnt[tested], own[tested], test[tested])).min())


def _separation(compressed: Compressed, labels: np.ndarray, silhouettes: _Silhouettes) -> dict[str, float]:
    silhouette, error = silhouettes.mean(labels)
    return {"inertia": _inertia(compressed, labels), "silhouette": silhouette, "silhouette_error": error}


def _inertia(compressed: Compressed, labels: np.ndarray) -> float:
    """Return the sum of squares within segments: between points, and of customers about their points."""
    total = compressed.within
    for label in np.unique(labels):
        points, weights = compressed.points[labels == label], compressed.weights[labels == label]
        apart = points - np.average(points, axis=0, weights=weights)
        total += float(weights @ np.einsum("ij,ij->i", apart, apart))
    return total


class _Silhouettes:
    """Silhouettes of a sample of customers for every number of segments, from one computation of distances.

    Customers of one point share their segment, so distances are summed by point once: each number of segments then
    costs a small product.
    """

    def __init__(self, prepared: np.ndarray, compressed: Compressed, rng: np.random.Generator):
        n = len(prepared)
        rows = np.sort(rng.choice(n, min(n, SILHOUETTE_SAMPLE), replace=False))
        among = np.sort(rng.choice(n, min(n, AMONG), replace=False)) if n > AMONG else np.arange(n)
        self._compressed, self._rows = compressed, prepared[rows]
        self._own, member = compressed.member_of[rows], compressed.member_of[among]
        self._is_among = np.isin(rows, among)
        self._unseen = 1 - len(rows) / n
        by_point = np.argsort(member, kind="stable")
        self._points, first, self._counts = np.unique(member[by_point], return_index=True, return_counts=True)
        self._sums = np.empty((len(rows), len(self._points)), dtype=np.float32)  # half the memory; 7 digits
        others = prepared[among[by_point]]
        with threadpool_limits(limits=1):
            for start in range(0, len(rows), BLOCK):
                apart = pairwise_distances(prepared[rows[start : start + BLOCK]], others)
                self._sums[start : start + BLOCK] = np.add.reduceat(apart, first, axis=1)

    def mean(self, labels: np.ndarray) -> tuple[float, float]:
        """Return the mean silhouette, and its standard error: 0 where all customers are in the sample."""
        different, group = np.unique(labels, return_inverse=True)
        members = np.eye(len(different))[group[self._points]]
        sizes = self._counts @ members
        if len(different) < 2 or len(different) >= self._counts.sum():
            return float("nan"), float("nan")
        with threadpool_limits(limits=1):
            blocks = range(0, len(self._sums), BLOCK)
            total = np.concatenate([self._sums[at : at + BLOCK].astype(float) @ members for at in blocks])
        own, at = self._group_of_rows(group), np.arange(len(self._own))
        rest = sizes[own] - (self._is_among & (group[self._own] == own))
        inside = total[at, own] / np.maximum(rest, 1)
        others = total / np.maximum(sizes, 1)
        others[:, sizes == 0] = np.inf
        others[at, own] = np.inf
        nearest_other = others.min(axis=1)
        gain = (nearest_other - inside) / np.maximum(np.maximum(nearest_other, inside), 1e-300)
        values = np.where(rest > 0, gain, 0.0)
        return float(values.mean()), float(np.sqrt(values.var(ddof=1) / len(values) * self._unseen))

    def _group_of_rows(self, group: np.ndarray) -> np.ndarray:
        """Return the group of each sampled customer: that of the nearest mean, where points stand for several.

        A point at a border stands for customers on both sides, so its own label would make silhouettes too low.
        """
        if len(self._compressed.points) == len(self._compressed.member_of):
            return group[self._own]
        members = np.eye(group.max() + 1)[group] * self._compressed.weights[:, None]
        means = (members.T @ self._compressed.points) / members.sum(axis=0)[:, None]
        return nearest(self._rows, means)
