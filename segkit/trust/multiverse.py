"""Segment customers by many defensible pipelines and find which customers stay together (multiverse analysis)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.prepare import make_preparer
from segkit.core.checks import check_count, check_seed, checked_customers
from segkit.core.order import by_id
from segkit.trust.micro_clusters import Compressed, adjusted_rand, compress, contingency
from segkit.trust.multiverse_pipelines import (
    CHOICES,
    SAMPLE,
    ChoiceGrid,
    Pipeline,
    PreparedVariants,
    balanced_design,
    log_variants,
)
from segkit.trust.null_model import CopulaNull
from segkit.trust.scan import defensible_k, scan_clusters

TOGETHER = 0.5  # mean co-association down to which customers are one group
TINY = 0.02  # share of customers below which a segment or group is tiny
LOWEST, HIGHEST = 0.75, 0.95  # bounds of the core's level
BY_CHANCE = 0.95  # quantile of togetherness in null data that the core must reach
MOST_NULL = 20_000  # customers of a null data set
SHOWN = 70  # customers in the co-association matrix
SCANNED = range(2, 9)


@dataclass(frozen=True, eq=False)
class Multiverse:
    """Segments under many defensible pipelines, and what they have in common; made by :func:`multiverse`.

    Attributes
    ----------
    customers : DataFrame of shape (n_customers, 3)
        On the customers' index: `group` (0 is the largest), `togetherness` (0 to 1: share of the pipelines that put the
        customer into one segment with another of the group, on average) and `core` (whether that reaches
        ``facts["level"]``).
    groups : DataFrame
        Indexed by `group`: `customers`, `share`, `core_share` (of its customers), `inside` (mean co-association of its
        pairs), `nearest` (the group that is most often in one segment with it) and `between` (mean co-association with
        that one).
    pipelines : DataFrame of shape (n_pipelines, 10)
        The choices `transform`, `scaling`, `left_out`, `method`, `k`, the `seed`; then `segments`, the share of
        customers in the `smallest` one and in `tiny` ones (under 2 %), and `agreement`: the mean adjusted Rand index
        with the other pipelines.
    choices : DataFrame
        Indexed by `choice`, the weightiest first: `levels` tried; mean adjusted Rand index of pairs of pipelines with
        the `same` level and with `different` ones; `cost`, the agreement lost by differing in this choice alone (least
        squares over all pairs), and its standard `error` (jackknife over pipelines).
    together : DataFrame of shape (n_shown, n_shown)
        Co-association of customers drawn at random, in the order of groups: the share of pipelines that put two of
        them into one segment.
    facts : dict
        `pipelines` that were fitted, `level`, `by_chance` (core share of each null data set), `beyond_chance` (the core
        share above which the verdict says more than chance), `k`, `looked_at`, `random_state` and more.
    """

    customers: pd.DataFrame = field(repr=False)
    groups: pd.DataFrame = field(repr=False)
    pipelines: pd.DataFrame = field(repr=False)
    choices: pd.DataFrame = field(repr=False)
    together: pd.DataFrame = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def core_share(self) -> float:
        """Share of all customers that are core."""
        return float(self.customers["core"].mean())

    @property
    def verdict(self) -> str:
        """The result in a sentence or two."""
        core, level, chance = self.core_share, self.facts["level"], self.facts["by_chance"]
        sentence = f"{core:.0%} of the customers stay together (in {level:.0%} of the pipelines or more)"
        if not chance:
            return f"{sentence}; not compared with null data."
        null = f"In null data without groups: {min(chance):.0%} to {max(chance):.0%}."
        if core > self.facts["beyond_chance"]:
            return f"{sentence}, whatever is chosen. {null}"
        return f"The segments depend on the choices. {sentence}, as may happen by chance. {null}"

    def __repr__(self) -> str:
        n = self.facts["pipelines"]
        return f"Multiverse of {n} pipelines, {len(self.groups)} groups. {self.verdict}"


def multiverse(
    customers: pd.DataFrame,
    *,
    n_segments: int | Iterable[int] | None = None,
    pipelines: int = 50,
    null_sets: int = 3,
    random_state: int = 0,
    progress: bool = True,
) -> Multiverse:
    """Segment customers by many defensible pipelines and measure which customers stay together.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    n_segments : int or iterable of int, optional
        Approximate number of segments: one fewer and one more are tried too. Several numbers: exactly these. Default:
        the defensible ones of :func:`segkit.scan_clusters` between 2 and 8.
    pipelines : int, default=50
        Number of pipelines to draw; all of them, where there are fewer.
    null_sets : int, default=3
        Null data sets to segment by the same pipelines, which show how many customers stay together by chance. 0 for
        none.
    random_state : int, default=0
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Multiverse
        When interrupted, of the pipelines that are done.

    Raises
    ------
    ValueError
        If `pipelines` is below 2, or too few customers differ for so many segments.

    Notes
    -----
    The choices [1]_ are

    * transform: logarithms of all skewed features, or only of heavy-tailed ones (where more than 5 % of the customers
      would otherwise be outliers);
    * scaling: by default, or to a standard deviation of 1;
    * left out: no feature, one, or two (never more than a third of them; none of fewer than three);
    * method: k-means, bisecting k-means, Gaussian mixture, Ward. The last two are fitted to 2,000 customers drawn at
      random;
    * k.

    All levels of a choice, and all pairs of levels, are about as frequent. Each pipeline has its own seed.

    Groups are an average-linkage cut of the co-association matrix at 0.5 [2]_: customers who are in one segment in at
    least half of the pipelines, on average. Groups under 2 % join the others.

    Some customers stay together by chance, since any division separates those who are farthest apart. So the same
    pipelines divide null data sets, which keep each feature's distribution and the rank correlations and have no
    groups. A customer is core if more together than 95 % of the null customers (the level is at least 0.75 and at most
    0.95). The verdict speaks of more than chance beyond three standard deviations of the null data sets. It does not
    test whether groups exist: see :func:`segkit.structure_test`. False alarms are in ``benchmarks/README.md``.

    More than 3,000 customers are compressed into 3,000 micro-clusters.

    References
    ----------
    .. [1] Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Increasing transparency through a multiverse
       analysis, Perspectives on Psychological Science 11.
    .. [2] Fred & Jain (2005), Combining multiple clusterings using evidence accumulation, IEEE
       Transactions on Pattern Analysis and Machine Intelligence 27.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> places = np.repeat([[0, 0, 0], [9, 9, 0], [9, 0, 9]], 20, axis=0) + rng.normal(size=(60, 3))
    >>> customers = pd.DataFrame(places, columns=list("abc"), index=[f"c{i:02}" for i in range(60)])
    >>> result = sg.multiverse(customers, n_segments=[3], pipelines=12, null_sets=0, progress=False)
    >>> result.groups["customers"].to_list()
    [20, 20, 20]
    """
    check_count("pipelines", pipelines, 2, ": one alone has nothing to agree with")
    check_count("null_sets", null_sets, 0)
    check_seed(random_state)
    ordered = by_id(checked_customers(customers))
    ordered = ordered[[c for c in ordered if ordered[c].nunique(dropna=False) > 1]]
    rng = np.random.default_rng(random_state)
    with threadpool_limits(limits=1):
        prepared = _prepared(ordered)
        different = len(pd.DataFrame(prepared).drop_duplicates())
        ks = _numbers(ordered, n_segments, different, random_state, progress)
        plan = _Plan.drawn(ordered, ks, pipelines, rng)
        compressed = compress(prepared, rng)
        variants = PreparedVariants(ordered, compressed, plan.transforms, rng)
        total = len(plan.pipelines) * (1 + null_sets)
        with tqdm(total=total, desc="Segmenting in many ways", disable=not progress, leave=False) as bar:
            labels = plan.fit(variants, bar, least=2)
            if len(labels) < len(plan.pipelines):
                tqdm.write(f"Stopped after {len(labels)} of {len(plan.pipelines)} pipelines; these are kept.")
                null_sets = 0
            by_chance = _null_togetherness(ordered, plan, null_sets, rng, bar)
        together = _co_association(labels)
        group = _groups(together, compressed.weights)
        close = _togetherness(together, compressed.weights, group)
    level = _level(by_chance)
    table = pd.DataFrame({"group": group, "togetherness": close, "core": close >= level})
    table = table.iloc[compressed.member_of].set_axis(ordered.index)
    agreement = _agreement(labels, compressed.weights)
    chance = [float((null >= level).mean()) for null in by_chance]
    facts = {
        "pipelines": len(labels),
        "level": level,
        "by_chance": chance,
        "beyond_chance": _beyond(chance),
        "k": list(ks),
        "customers": len(customers),
        "points": len(compressed.points),
        "looked_at": min(SAMPLE, len(customers)),
        "random_state": random_state,
    }
    return Multiverse(
        table.loc[customers.index],
        _group_table(together, compressed.weights, group, table),
        _pipeline_table(plan, labels, compressed.weights, agreement),
        _choice_table(plan.pipelines[: len(labels)], agreement),
        _shown(together, compressed, group, close, ordered.index, rng),
        facts,
    )


@dataclass(frozen=True)
class _Plan:
    """The pipelines to fit, with their seeds and the features that each transform takes logarithms of."""

    transforms: dict[str, list[str]]
    pipelines: list[Pipeline]
    seeds: list[int]

    @classmethod
    def drawn(
        cls, customers: pd.DataFrame, ks: tuple[int, ...], pipelines: int, rng: np.random.Generator
    ) -> _Plan:
        transforms = log_variants(customers)
        drawn = balanced_design(ChoiceGrid(tuple(transforms), tuple(customers.columns), ks), pipelines, rng)
        return cls(transforms, drawn, [int(s) for s in rng.integers(2**31, size=len(drawn))])

    def fit(self, variants: PreparedVariants, bar: tqdm, *, least: int) -> list[np.ndarray]:
        """Return the labels under each pipeline; when interrupted, of those that are done, if at least so many."""
        labels: list[np.ndarray] = []
        try:
            for pipeline, seed in zip(self.pipelines, self.seeds, strict=True):
                labels.append(variants.labels(pipeline, seed))
                bar.update()
        except KeyboardInterrupt:
            if len(labels) < least:
                raise
        return labels


def _prepared(customers: pd.DataFrame) -> np.ndarray:
    if not len(customers.columns):
        raise ValueError(
            "Every feature is the same for all customers, so there is nothing to segment. Choose features that vary."
        )
    return make_preparer().fit_transform(customers)


def _numbers(
    customers: pd.DataFrame,
    n_segments: int | Iterable[int] | None,
    different: int,
    random_state: int,
    progress: bool,
) -> tuple[int, ...]:
    """Return the numbers of segments to try, if there are customers enough for them."""
    if n_segments is None:
        wanted = [k for k in SCANNED if 2 * k <= different] or [2]
    elif isinstance(n_segments, (int, np.integer)):
        wanted = [k for k in (n_segments - 1, n_segments, n_segments + 1) if k >= 2 or k == n_segments]
    else:
        wanted = sorted({int(k) for k in n_segments})
    if not wanted or wanted[0] < 2:
        raise ValueError(
            f"n_segments={n_segments!r} should be a whole number, 2 or more, or several of them."
        )
    if 2 * wanted[-1] > different:
        raise ValueError(
            f"Up to {wanted[-1]} segments are tried, and only {different:,} customers differ in these features. "
            f"{2 * wanted[-1]} or more should: try fewer segments, or choose features that vary."
        )
    if n_segments is not None:
        return tuple(wanted)
    scan = scan_clusters(customers, k=wanted, resamples=10, random_state=random_state, progress=progress)
    return tuple(defensible_k(scan))


def _null_togetherness(
    customers: pd.DataFrame, plan: _Plan, null_sets: int, rng: np.random.Generator, bar: tqdm
) -> list[np.ndarray]:
    """Return the togetherness of the customers of each null data set, under the same pipelines."""
    if not null_sets:
        return []
    looked = customers
    if len(customers) > MOST_NULL:
        looked = customers.iloc[np.sort(rng.choice(len(customers), MOST_NULL, replace=False))]
    model, by_chance = CopulaNull(looked, make_preparer().fit(looked), rng), []
    try:
        for _ in range(null_sets):
            drawn = model.draw_customers(rng)
            # Compressed as the customers are, since means scatter less than customers do.
            compressed = compress(make_preparer().fit_transform(drawn), rng)
            variants = PreparedVariants(drawn, compressed, plan.transforms, rng)
            together = _co_association(plan.fit(variants, bar, least=len(plan.pipelines)))
            close = _togetherness(together, compressed.weights, _groups(together, compressed.weights))
            by_chance.append(close[compressed.member_of])
    except KeyboardInterrupt:
        tqdm.write(f"Stopped after {len(by_chance)} of {null_sets} null data sets; these are kept.")
    return by_chance


def _level(by_chance: list[np.ndarray]) -> float:
    """Return the togetherness that 95 % of the null customers do not reach, within bounds."""
    if not by_chance:
        return HIGHEST
    return float(np.clip(np.quantile(np.concatenate(by_chance), BY_CHANCE), LOWEST, HIGHEST))


def _beyond(chance: list[float]) -> float:
    """Return the core share beyond chance: three standard deviations above null data, and twice as much."""
    if not chance:
        return float("nan")
    spread = float(np.std(chance, ddof=1)) if len(chance) > 1 else 0.0
    return float(max(np.mean(chance) + 3 * spread, 2 * np.mean(chance)))


def _co_association(labels: list[np.ndarray]) -> np.ndarray:
    """Return the share of the pipelines that put each two points into one segment."""
    ones = np.hstack([np.eye(at.max() + 1, dtype=np.float32)[at] for at in labels])
    return (ones @ ones.T).astype(float) / len(labels)


def _groups(together: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the group of each point; 0 is the largest."""
    apart = 1 - together
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), method="average")
    raw = fcluster(tree, 1 - TOGETHER, criterion="distance") - 1
    size = np.bincount(raw, weights=weights)
    large = np.flatnonzero(size >= TINY * weights.sum())
    large = large if len(large) else np.array([size.argmax()])
    large = large[np.argsort(-size[large], kind="stable")]
    members = (raw[:, None] == large) * weights[:, None]
    to_each = together @ members / members.sum(axis=0)
    inside = members.any(axis=1)
    return np.where(inside, members.argmax(axis=1), to_each.argmax(axis=1))


def _togetherness(together: np.ndarray, weights: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return each point's mean co-association with the others of its group; 0 for a point alone."""
    same = (group[:, None] == group) * weights
    others = same.sum(axis=1) - 1
    total = (together * same).sum(axis=1) - 1
    return np.divide(total, others, out=np.zeros(len(group)), where=others > 0)


def _group_table(
    together: np.ndarray, weights: np.ndarray, group: np.ndarray, customers: pd.DataFrame
) -> pd.DataFrame:
    by_group = customers.groupby("group")
    members = np.eye(group.max() + 1)[group] * weights[:, None]
    size = members.sum(axis=0)
    between = members.T @ together @ members / np.outer(size, size)
    np.fill_diagonal(between, -np.inf)
    alone = len(size) == 1
    return pd.DataFrame(
        {
            "customers": by_group.size(),
            "share": by_group.size() / len(customers),
            "core_share": by_group["core"].mean(),
            "inside": by_group["togetherness"].mean(),
            "nearest": pd.array([pd.NA] if alone else between.argmax(axis=1), dtype="Int64"),
            "between": [np.nan] if alone else between.max(axis=1),
        }
    )


def _agreement(labels: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index of each two pipelines."""
    agreement = np.eye(len(labels))
    for i, j in itertools.combinations(range(len(labels)), 2):
        agreement[i, j] = agreement[j, i] = adjusted_rand(contingency(labels[j], labels[i], weights))
    return agreement


def _pipeline_table(
    plan: _Plan, labels: list[np.ndarray], weights: np.ndarray, agreement: np.ndarray
) -> pd.DataFrame:
    shares = [np.bincount(at, weights=weights) / weights.sum() for at in labels]
    n = len(labels)
    rows = [
        {
            "transform": p.transform,
            "scaling": p.scaling,
            "left_out": ", ".join(p.left_out),
            "method": p.method,
            "k": p.k,
            "seed": seed,
            "segments": len(share),
            "smallest": float(share.min()),
            "tiny": float(share[share < TINY].sum()),
            "agreement": float((row.sum() - 1) / (n - 1)),
        }
        for p, seed, share, row in zip(plan.pipelines, plan.seeds, shares, agreement, strict=False)
    ]
    return pd.DataFrame(rows).rename_axis("pipeline")


def _choice_table(pipelines: list[Pipeline], agreement: np.ndarray) -> pd.DataFrame:
    """Return the cost of each choice: the agreement of pipelines with the same level, and with different ones."""
    one, other = np.triu_indices(len(pipelines), 1)
    levels = {c: len({getattr(p, c) for p in pipelines}) for c in CHOICES}
    tried = [c for c in CHOICES if levels[c] > 1]
    codes = {c: pd.factorize(pd.Series([getattr(p, c) for p in pipelines], dtype=object))[0] for c in tried}
    differ = np.stack([codes[c][one] != codes[c][other] for c in tried], axis=1)
    pairs = agreement[one, other]
    cost, error = _costs(pairs, differ.astype(float), one, other)
    rows: dict[str, dict[str, float]] = {
        c: {
            "levels": levels[c],
            "same": _mean(pairs[~differ[:, i]]),
            "different": _mean(pairs[differ[:, i]]),
            "cost": cost[i],
            "error": error[i],
        }
        for i, c in enumerate(tried)
    }
    rows |= {c: {"levels": levels[c]} for c in CHOICES if c not in tried}
    columns = ["levels", "same", "different", "cost", "error"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("choice")
    return table.sort_values("cost", ascending=False, kind="stable")


def _costs(
    pairs: np.ndarray, differ: np.ndarray, one: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the agreement lost by differing in each choice alone, and its jackknife error over pipelines."""

    def fit(rows: np.ndarray) -> np.ndarray:
        design = np.column_stack([np.ones(rows.sum()), differ[rows]])
        return -np.linalg.lstsq(design, pairs[rows], rcond=None)[0][1:]

    cost = fit(np.ones(len(one), dtype=bool))
    n = int(other.max()) + 1
    if n < 3:
        return cost, np.full(len(cost), np.nan)
    without = np.array([fit((one != i) & (other != i)) for i in range(n)])
    return cost, np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _shown(
    together: np.ndarray,
    compressed: Compressed,
    group: np.ndarray,
    close: np.ndarray,
    ids: pd.Index,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the co-association of customers drawn at random, ordered by group, the closest first."""
    rows = rng.choice(len(ids), min(SHOWN, len(ids)), replace=False)
    at = compressed.member_of[rows]
    order = np.lexsort((rows, -close[at], group[at]))
    rows, at = rows[order], at[order]
    shown = pd.DataFrame(together[np.ix_(at, at)], ids[rows], ids[rows])
    shown.attrs["groups"] = [int(g) for g in group[at]]
    return shown
