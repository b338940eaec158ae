"""What holds whichever defensible choices are made: who always travels together, and who does not."""

from __future__ import annotations

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
LOWEST, HIGHEST = 0.75, 0.95  # between which the level of the core lies
BY_CHANCE = 0.95  # quantile of togetherness in one crowd that the core must reach
CROWD = 20_000  # customers of a crowd without groups
SHOWN = 70  # customers in the co-association matrix
SCANNED = range(2, 9)


@dataclass(frozen=True, eq=False)
class Multiverse:
    """Segments under many defensible pipelines, and what they have in common.

    Made by :func:`multiverse`.

    Attributes
    ----------
    customers : DataFrame of shape (n_customers, 3)
        On the index of the customers that were passed: `group` (0 is the largest), `togetherness` (0 to 1: in
        which share of the pipelines the customer is in one segment with another of the group, on average) and
        `core` (whether that reaches ``facts["level"]``).
    groups : DataFrame
        Indexed by `group`: `customers`, `share`, `core_share` (of its customers), `inside` (mean co-association
        of its pairs), `nearest` (the group that is most often in one segment with it) and `between` (mean
        co-association with that one).
    pipelines : DataFrame of shape (n_pipelines, 10)
        The choices `transform`, `scaling`, `left_out`, `method`, `k`, the `seed`; then `segments` found, the share
        of customers in the `smallest` one and in `tiny` ones (under 2 %), and `agreement`: the mean adjusted Rand
        index with the other pipelines.
    choices : DataFrame
        Indexed by `choice`, the weightiest first: `levels` tried; mean adjusted Rand index of pairs of pipelines
        that agree in the choice (`same`) and that `differ`; `cost`, how much agreement is lost by differing in
        this choice alone (least squares over all pairs), and its standard `error` (jackknife over pipelines).
    together : DataFrame of shape (n_shown, n_shown)
        Co-association of customers drawn by lot, in the order of groups: the share of pipelines that put two
        of them into one segment.
    facts : dict
        `pipelines` that were fitted, `level`, `by_chance` (for each crowd without groups, which share of it would be
        core), `beyond_chance` (the core share above which the verdict calls it more than that), `k`, `looked_at`,
        `random_state` and more.
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
        """What it comes to, in a sentence."""
        core, level, chance = self.core_share, self.facts["level"], self.facts["by_chance"]
        told = f"{core:.0%} of the customers travel together (in {level:.0%} of the pipelines or more)"
        if not chance:
            return f"{told}; not compared with crowds without groups."
        crowds = f"crowds without groups, of the same margins and correlations: {min(chance):.0%} to {max(chance):.0%}"
        if core > self.facts["beyond_chance"]:
            return f"{told}, whatever is chosen. In {crowds}."
        return f"Who is with whom depends on what is chosen. {told}, as may be by chance. In {crowds}."

    def __repr__(self) -> str:
        n = self.facts["pipelines"]
        return f"Multiverse of {n} pipelines, {len(self.groups)} groups. {self.verdict}"


def multiverse(
    customers: pd.DataFrame,
    *,
    n_segments: int | Iterable[int] | None = None,
    pipelines: int = 50,
    crowds: int = 3,
    random_state: int = 0,
    progress: bool = True,
) -> Multiverse:
    """Segment in many ways that could each be defended, and see which customers stay together.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    n_segments : int or iterable of int, optional
        About how many segments: one fewer and one more are tried too. Several numbers: exactly these. By
        default the defensible ones of :func:`segkit.scan_clusters` between 2 and 8.
    pipelines : int, default=50
        How many to draw; all there are, where there are fewer.
    crowds : int, default=3
        Crowds without groups that are put through the same pipelines, to say how many customers would
        travel together by chance. 0 does without.
    random_state : int, default=0
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Multiverse
        Stopped half way, of the pipelines that are done.

    Raises
    ------
    ValueError
        If fewer than two pipelines are asked for, or too few customers differ for so many segments.

    Notes
    -----
    The choices [1]_ are

    * transform: logarithms of all skewed features, or only of those so heavy-tailed that more than 5 % of
      the customers would otherwise lie beyond the clip;
    * scaling: robust or standard;
    * left out: no feature, one, or two (never more than a third of them; none of fewer than three);
    * method: k-means, bisecting k-means, Gaussian mixture, Ward. The last two see 2,000 customers drawn by lot,
      and the others are placed by what was learnt from these;
    * k.

    They are drawn so that every level of a choice, and every pair of levels, comes about equally often.
    Each pipeline has a seed of its own.

    Groups are an average-linkage cut of the co-association matrix at 0.5 [2]_: customers who are in one
    segment in at least half of the pipelines, on average. Groups under 2 % are dealt out to the others.

    **Some travel together by chance**: any way of cutting a crowd keeps apart those who are farthest apart.
    So the same pipelines also cut crowds of one population that keep each feature's distribution and the
    rank correlations (a Gaussian copula), and a customer is core only if more together than 95 % of such a
    crowd (the level is at least 0.75 and at most 0.95). So about 5 % of a crowd without groups are core, though not
    evenly: of 40 such shops (600 customers, 5 features, ``crowds=4``), 32 had nobody in the core and 8 had 24 % to
    42 %. The verdict therefore speaks of more than chance only beyond three standard deviations of what the crowds
    have (0 of those 40). It is no test that groups exist, and misses weak ones; :func:`segkit.structure_test` asks
    that. Where groups show in single features' distributions, the crowds inherit them, and the comparison is severe.

    Where there are more than 3,000 customers, they are looked at as 3,000 micro-clusters.

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
    >>> told = sg.multiverse(customers, n_segments=[3], pipelines=12, crowds=0, progress=False)
    >>> told.groups["customers"].to_list()
    [20, 20, 20]
    """
    _check_numbers(pipelines, crowds)
    check_seed(random_state)
    ordered = checked_customers(customers).sort_index()
    ordered = ordered[[c for c in ordered if ordered[c].nunique(dropna=False) > 1]]
    rng = np.random.default_rng(random_state)
    with threadpool_limits(limits=1):
        prepared = _prepared(ordered)
        different = len(pd.DataFrame(prepared).drop_duplicates())
        ks = _numbers(ordered, n_segments, different, random_state, progress)
        transforms = log_variants(ordered)
        space = ChoiceGrid(tuple(transforms), tuple(ordered.columns), ks)
        planned = balanced_design(space, pipelines, rng)
        seeds = [int(s) for s in rng.integers(2**31, size=len(planned))]
        crowd = compress(prepared, rng)
        bench = PreparedVariants(ordered, crowd, transforms, rng)
        with tqdm(
            total=len(planned) * (1 + crowds),
            desc="Segmenting in many ways",
            disable=not progress,
            leave=False,
        ) as bar:
            labels = _fitted(bench, planned, seeds, bar, least=2)
            if len(labels) < len(planned):
                tqdm.write(f"Stopped after {len(labels)} of {len(planned)} pipelines; these are kept.")
                crowds = 0
            alone = _in_crowds(ordered, transforms, planned, seeds, crowds, rng, bar)
        together = _co_association(labels)
        group = _groups(together, crowd.weights)
        close = _togetherness(together, crowd.weights, group)
    level = _level(alone)
    told = pd.DataFrame({"group": group, "togetherness": close, "core": close >= level})
    told = told.iloc[crowd.member_of].set_axis(ordered.index)
    agreement = _agreement(labels, crowd.weights)
    chance = [float((c >= level).mean()) for c in alone]
    facts = {
        "pipelines": len(labels),
        "level": level,
        "by_chance": chance,
        "beyond_chance": _beyond(chance),
        "k": list(ks),
        "customers": len(customers),
        "points": len(crowd.points),
        "looked_at": min(SAMPLE, len(customers)),
        "random_state": random_state,
    }
    return Multiverse(
        told.loc[customers.index],
        _group_table(together, crowd.weights, group, told),
        _pipeline_table(planned[: len(labels)], seeds, labels, crowd.weights, agreement),
        _choice_table(planned[: len(labels)], agreement),
        _shown(together, crowd, group, close, ordered.index, rng),
        facts,
    )


def _check_numbers(pipelines: int, crowds: int) -> None:
    check_count("pipelines", pipelines, 2, ": one alone has nothing to agree with")
    check_count("crowds", crowds, 0)


def _prepared(customers: pd.DataFrame) -> np.ndarray:
    if not len(customers.columns):
        raise ValueError(
            "Every feature is the same for all customers, so they cannot be told apart. Choose features that vary."
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
            f"{2 * wanted[-1]} or more should: ask for fewer segments, or choose features that vary."
        )
    if n_segments is not None:
        return tuple(wanted)
    scan = scan_clusters(customers, k=wanted, resamples=10, random_state=random_state, progress=progress)
    return tuple(defensible_k(scan))


def _fitted(
    bench: PreparedVariants, planned: list[Pipeline], seeds: list[int], bar: tqdm, *, least: int
) -> list[np.ndarray]:
    """Return the labels under each pipeline; stopped after the least that are of use, of those that are done."""
    labels: list[np.ndarray] = []
    try:
        for pipeline, seed in zip(planned, seeds, strict=True):
            labels.append(bench.labels(pipeline, seed))
            bar.update()
    except KeyboardInterrupt:
        if len(labels) < least:
            raise
    return labels


def _in_crowds(
    customers: pd.DataFrame,
    transforms: dict[str, list[str]],
    planned: list[Pipeline],
    seeds: list[int],
    crowds: int,
    rng: np.random.Generator,
    bar: tqdm,
) -> list[np.ndarray]:
    """Return how much together the customers of each crowd without groups are, under the same pipelines."""
    if not crowds:
        return []
    looked = customers
    if len(customers) > CROWD:
        looked = customers.iloc[np.sort(rng.choice(len(customers), CROWD, replace=False))]
    model, alone = CopulaNull(looked, make_preparer().fit(looked), rng), []
    try:
        for _ in range(crowds):
            # Looked at through micro-clusters where the customers are: means scatter less than customers do.
            drawn = model.draw_customers(rng)
            crowd = compress(make_preparer().fit_transform(drawn), rng)
            labels = _fitted(
                PreparedVariants(drawn, crowd, transforms, rng), planned, seeds, bar, least=len(planned)
            )
            together = _co_association(labels)
            close = _togetherness(together, crowd.weights, _groups(together, crowd.weights))
            alone.append(close[crowd.member_of])
    except KeyboardInterrupt:
        tqdm.write(f"Stopped after {len(alone)} of {crowds} crowds without groups; these are kept.")
    return alone


def _level(alone: list[np.ndarray]) -> float:
    """Return the togetherness that 95 % of the crowds' customers do not reach, within limits."""
    return (
        float(np.clip(np.quantile(np.concatenate(alone), BY_CHANCE), LOWEST, HIGHEST)) if alone else HIGHEST
    )


def _beyond(chance: list[float]) -> float:
    """Return the core share beyond which it is more than a crowd's: three standard deviations, and twice as much."""
    if not chance:
        return float("nan")
    spread = float(np.std(chance, ddof=1)) if len(chance) > 1 else 0.0
    return float(max(np.mean(chance) + 3 * spread, 2 * np.mean(chance)))


def _co_association(labels: list[np.ndarray]) -> np.ndarray:
    """Return in which share of the pipelines each two points are in one segment."""
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
    """Return each point's mean co-association with the others of its group; alone, it is with nobody."""
    same = (group[:, None] == group) * weights
    others = same.sum(axis=1) - 1
    total = (together * same).sum(axis=1) - 1
    return np.divide(total, others, out=np.zeros(len(group)), where=others > 0)


def _group_table(
    together: np.ndarray, weights: np.ndarray, group: np.ndarray, told: pd.DataFrame
) -> pd.DataFrame:
    by_group = told.groupby("group")
    members = np.eye(group.max() + 1)[group] * weights[:, None]
    size = members.sum(axis=0)
    between = members.T @ together @ members / np.outer(size, size)
    np.fill_diagonal(between, -np.inf)
    alone = len(size) == 1
    return pd.DataFrame(
        {
            "customers": by_group.size(),
            "share": by_group.size() / len(told),
            "core_share": by_group["core"].mean(),
            "inside": by_group["togetherness"].mean(),
            "nearest": pd.array([pd.NA] if alone else between.argmax(axis=1), dtype="Int64"),
            "between": [np.nan] if alone else between.max(axis=1),
        }
    )


def _agreement(labels: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index of each two pipelines."""
    n = len(labels)
    found = np.eye(n)
    for i in range(n):
        for j in range(i):
            found[i, j] = found[j, i] = adjusted_rand(contingency(labels[i], labels[j], weights))
    return found


def _pipeline_table(
    planned: list[Pipeline],
    seeds: list[int],
    labels: list[np.ndarray],
    weights: np.ndarray,
    agreement: np.ndarray,
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
        for p, seed, share, row in zip(planned, seeds, shares, agreement, strict=False)
    ]
    return pd.DataFrame(rows).rename_axis("pipeline")


def _choice_table(planned: list[Pipeline], agreement: np.ndarray) -> pd.DataFrame:
    """Return what each choice costs: the agreement of pipelines that share it, and of those that differ in it."""
    n = len(planned)
    one, other = np.triu_indices(n, 1)
    levels = {c: len({getattr(p, c) for p in planned}) for c in CHOICES}
    tried = [c for c in CHOICES if levels[c] > 1]
    codes = {c: pd.factorize(pd.Series([getattr(p, c) for p in planned], dtype=object))[0] for c in tried}
    differ = np.stack([codes[c][one] != codes[c][other] for c in tried], axis=1).astype(float)
    alike = agreement[one, other]

    def costs(here: np.ndarray) -> np.ndarray:
        rows = np.column_stack([np.ones(here.sum()), differ[here]])
        return -np.linalg.lstsq(rows, alike[here], rcond=None)[0][1:]

    whole = costs(np.ones(len(one), dtype=bool))
    without = np.array([costs((one != i) & (other != i)) for i in range(n)] if n > 2 else [whole])
    error = np.sqrt((len(without) - 1) / len(without) * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    rows = {
        c: {
            "levels": levels[c],
            "same": _mean(alike[differ[:, i] == 0]),
            "different": _mean(alike[differ[:, i] == 1]),
            "cost": whole[i],
            "error": error[i] if n > 2 else np.nan,
        }
        for i, c in enumerate(tried)
    }
    rows |= {c: {"levels": levels[c]} for c in CHOICES if c not in tried}
    columns = ["levels", "same", "different", "cost", "error"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("choice")
    return table.sort_values("cost", ascending=False, kind="stable")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _shown(
    together: np.ndarray,
    crowd: Compressed,
    group: np.ndarray,
    close: np.ndarray,
    ids: pd.Index,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the co-association of some customers drawn by lot: by group, the closest first."""
    rows = rng.choice(len(ids), min(SHOWN, len(ids)), replace=False)
    at = crowd.member_of[rows]
    order = np.lexsort((rows, -close[at], group[at]))
    rows, at = rows[order], at[order]
    shown = pd.DataFrame(together[np.ix_(at, at)], ids[rows], ids[rows])
    shown.attrs["groups"] = [int(g) for g in group[at]]
    return shown
