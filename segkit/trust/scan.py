"""How many segments: a range of answers with their uncertainty, and never one winning number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_samples
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit._fit import built_in, labels_of, rule_of
from segkit.prepare import make_preparer
from segkit.segmentation import checked_customers

MOST = 20_000  # customers that are looked at; above it, a sample that is stated
SILHOUETTE_SAMPLE = 2_000  # customers whose silhouettes are measured, each among all that are looked at
BLOCK = 500  # of them at once, which bounds the memory


def scan_clusters(
    customers: pd.DataFrame,
    *,
    k: int | Iterable[int] = range(2, 11),
    method: str = "kmeans",
    resamples: int = 10,
    random_state: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Segment with several numbers of segments and measure each: tight, separate, repeatable.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`. Of more than 20,000, a random sample of that size is looked at.
    k : int or iterable of int, default=range(2, 11)
        Numbers of segments.
    method : {"kmeans", "gaussian_mixture", "ward"}, default="kmeans"
    resamples : int, default=10
        Random halves of the customers on which the segments are made again.
    random_state : int, default=0
        Seed of samples and methods.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    DataFrame of shape (n_k, 6)
        Indexed by `k`. `inertia`: sum of squared distances to the segment's mean, in prepared units.
        `silhouette` (−1 to 1): how much nearer customers lie to their own segment than to the next one
        [1]_, measured for 2,000 customers drawn by lot where there are more, with its standard error `silhouette_error`
        (0 where it is exact). `stability` (up to 1): mean adjusted Rand index between the segments and
        those made again on half of the customers [2]_, with its standard deviation `stability_spread`.
        `smallest`: share of customers in the smallest segment. ``.attrs["segkit"]`` says of how many.

    Raises
    ------
    ValueError
        If a k exceeds the number of different customers.

    Notes
    -----
    Neither number says that segments exist: a silhouette is high on any long tail, and one population
    cut in two halves may be cut at the same place each time.

    References
    ----------
    .. [1] Rousseeuw (1987), Silhouettes, Journal of Computational and Applied Mathematics 20.
    .. [2] Ben-Hur, Elisseeff & Guyon (2002), A stability based method for discovering structure in
       clustered data, Pacific Symposium on Biocomputing 7.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 3, 30, 31, 29, 60, 61, 62]}, index=list("abcdefghi"))
    >>> scan = sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
    >>> int(scan["silhouette"].idxmax())
    3
    """
    wanted = sorted({int(n) for n in ([k] if isinstance(k, int) else k)})
    if not wanted:
        raise ValueError("k names no number of segments. Say k=range(2, 11), for instance.")
    if resamples < 1:
        raise ValueError(f"resamples={resamples!r} should be 1 or more: without any, stability is unknown.")
    customers = checked_customers(customers)
    looked = customers.sort_index()
    rng = np.random.default_rng(random_state)
    if len(looked) > MOST:
        looked = looked.iloc[np.sort(rng.choice(len(looked), MOST, replace=False))]
    prepared = make_preparer().fit_transform(looked)
    different = len(np.unique(prepared, axis=0))
    if wanted[-1] > different:
        raise ValueError(
            f"k goes up to {wanted[-1]}, and only {different:,} customers differ in these features. "
            f"Ask for at most {different}."
        )
    halves = [
        np.sort(rng.choice(len(looked), max(len(looked) // 2, 2), replace=False)) for _ in range(resamples)
    ]
    shown = np.sort(rng.choice(len(looked), min(len(looked), SILHOUETTE_SAMPLE), replace=False))
    rows = {}
    with threadpool_limits(limits=1):
        for n in tqdm(wanted, desc="Trying numbers of segments", unit="k", disable=not progress, leave=False):
            clusterer = built_in(method, n, len(looked), random_state)
            rows[n] = _measure(clusterer, prepared, halves, shown)
    scan = pd.DataFrame.from_dict(rows, orient="index").rename_axis("k")
    scan.attrs["segkit"] = {"customers": len(customers), "looked_at": len(looked), "resamples": resamples}
    return scan


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


def _measure(
    clusterer: BaseEstimator, prepared: np.ndarray, halves: list[np.ndarray], shown: np.ndarray
) -> dict[str, float]:
    fitted = clone(clusterer).fit(prepared)
    labels = labels_of(fitted, prepared)
    silhouette, silhouette_error = _silhouette(prepared, labels, shown)
    again = [adjusted_rand_score(labels, _made_on(clusterer, prepared, rows)) for rows in halves]
    _, counts = np.unique(labels, return_counts=True)
    return {
        "inertia": _inertia(prepared, labels),
        "silhouette": silhouette,
        "silhouette_error": silhouette_error,
        "stability": float(np.mean(again)),
        "stability_spread": float(np.std(again)),
        "smallest": counts.min() / len(labels),
    }


def _silhouette(prepared: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return the mean silhouette of some customers among all, and its standard error, 0 where they are all."""
    found, group = np.unique(labels, return_inverse=True)
    if not 2 <= len(found) < len(labels):
        return float("nan"), float("nan")
    if len(rows) == len(labels):
        return float(silhouette_samples(prepared, labels).mean()), 0.0
    members = np.eye(len(found))[group]
    sizes = members.sum(axis=0)
    scores = []
    for block in np.array_split(rows, max(len(rows) // BLOCK, 1)):
        total = pairwise_distances(prepared[block], prepared) @ members
        own, at = group[block], np.arange(len(block))
        inside = total[at, own] / np.maximum(sizes[own] - 1, 1)
        others = total / sizes
        others[at, own] = np.inf
        nearest = others.min(axis=1)
        apart = (nearest - inside) / np.maximum(np.maximum(nearest, inside), 1e-300)
        scores.append(np.where(sizes[own] > 1, apart, 0.0))
    values = np.concatenate(scores)
    unseen = 1 - len(rows) / len(labels)
    return float(values.mean()), float(np.sqrt(values.var(ddof=1) / len(values) * unseen))


def _made_on(clusterer: BaseEstimator, prepared: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Label everyone by segments that were made on some."""
    again = clone(clusterer)
    if isinstance(again, KMeans):
        again.set_params(n_init=3)
    parameters = again.get_params()
    size = "n_clusters" if "n_clusters" in parameters else "n_components"
    again.set_params(**{size: min(parameters[size], len(np.unique(prepared[rows], axis=0)))})
    half = prepared[rows]
    again.fit(half)
    return rule_of(again, half, labels_of(again, half))(prepared)


def _inertia(prepared: np.ndarray, labels: np.ndarray) -> float:
    groups = (prepared[labels == label] for label in np.unique(labels))
    return float(sum(((group - group.mean(axis=0)) ** 2).sum() for group in groups))
