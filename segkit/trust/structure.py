"""Is there anything to find: the customers against shops of one population that look the same feature by feature."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.core.checks import check_count, check_seed, checked_customers
from segkit.core.messages import joined
from segkit.create.segmentation import Segmentation, checked_result
from segkit.methods.fitting import preparer_and_clusterer
from segkit.trust.density_valleys import deepest_valleys, separations
from segkit.trust.null_model import CopulaNull
from segkit.trust.unimodality import ENOUGH, features_in_groups

LOOKED = 1_000  # customers looked at, of more a sample; what a thousand do not show is no segment to act on
FEWEST = 50  # customers, without whom nothing can be said
DIFFERENT = 10  # different customers, likewise
GROUPS = 10  # tried, at the most
ALPHA = 0.02  # for groups at all; not 5 %, since a copula is only near where features follow from each other
HINT = 0.05  # above it, not even a hint
OF_SEGMENTS = 0.05  # for each segment, once there are groups
REFERENCES = 99  # shops of one population, where nothing else is said
FEWEST_SHOPS = 62  # with fewer, no p-value of four fifths of the level could be small enough
BY_ITSELF = 0.2  # of this level is spent on single features, the rest on how they stand together
SAID = {
    "structure": (
        "There are groups: the deepest gap between groups of these customers is deeper than in {less} of {n} "
        "made-up shops of one population with the same features (p = {p:.2g})."
    ),
    "hint": (
        "One continuum, with a hint of groups: {deeper} of {n} made-up shops of one population with the same features "
        "show gaps as deep as these customers do, or deeper (p = {p:.2g}, corrected for two tests, and {alpha:.2g} or "
        "less is asked for)."
    ),
    "continuum": (
        "One continuum: {deeper} of {n} made-up shops of one population with the same features show gaps as deep as "
        "these customers do, or deeper (p = {p:.2g}, corrected for two tests)."
    ),
}
BY_THEMSELVES = (
    "There are groups: {features} {shows} them by {self}, with a gap in the middle that one population hardly "
    "ever has (p = {p:.2g})."
)
CROWD = "Only {n:,} customers, and fewer than {least} cannot tell groups from chance."
ALIKE = "Only {n:,} different customers, and fewer than {least} cannot tell groups from chance."
LONE = "Fewer than two features vary, or one that has too few values to show groups by itself."


@dataclass(frozen=True, eq=False)
class StructureTest:
    """Whether customers fall into groups, and the evidence.

    Made by :func:`structure_test`.

    Attributes
    ----------
    p_value : float
        How seldom one population shows so much; missing where there is too little to tell. The share of reference
        shops, this one counted in, with gaps at least as deep, over 0.8; or that of flat features with gaps
        as deep as a single one has, over 0.2, where that is less: both are asked, so neither counts whole.
    effect : float
        How far the deepest gap lies above those of the reference shops, in their standard deviations.
    verdict : {"structure", "continuum", "too little"}
        At a level of 2 %; a p-value between that and 5 % is a continuum with a hint of groups.
    sentence : str
        The same in words.
    observed : Series of shape (n_groups,)
        Indexed by number of groups: depth of the valley around the best separated one, in standard errors.
    references : DataFrame of shape (n_references, n_groups)
        The same of each reference shop.
    facts : dict
        Customers, how many were looked at, references, level, seed, and which features fall into groups
        `by_themselves`.
    """

    p_value: float
    effect: float
    verdict: str
    sentence: str
    observed: pd.Series = field(repr=False)
    references: pd.DataFrame = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def scores(self) -> tuple[float, np.ndarray]:
        """What is compared: of the customers and of each reference shop, the deepest gap over all numbers of groups.

        In standard deviations of the shops, this one counted in, for each number of groups by itself.
        """
        together = np.vstack([self.observed.to_numpy(), self.references.to_numpy()])
        spread = np.maximum(together.std(axis=0), 1e-9)
        best = ((together - together.mean(axis=0)) / spread).max(axis=1)
        return float(best[0]), best[1:]

    def plot(self) -> Any:
        """Draw the customers among the reference shops: :func:`segkit.plot_structure`."""
        # By name, when it is asked for: what computes does not import what draws.
        return importlib.import_module("segkit.show.plots").plot_structure(self)

    def __repr__(self) -> str:
        return self.sentence


def structure_test(
    customers: pd.DataFrame, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> StructureTest:
    """Ask whether customers fall into groups, or are one continuum that any clusterer would cut.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`. Of more than 1,000, a random sample of that size is looked at.
    references : int, default=99
        Shops of one population to compare with; with 99 the least p-value is 0.0125.
    random_state : int, default=0
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    StructureTest

    Raises
    ------
    ValueError
        If the customers cannot be segmented at all, or there are fewer than 62 references.

    Notes
    -----
    A reference shop keeps every feature as it is, value by value (its ties, zeros, words, and who misses what),
    and, among those who miss the same features, the rank correlations of all pairs: a Gaussian copula, whose
    correlations are moved until the simulated rank correlations are the observed ones. All else is chance. What the
    reference shops show is what one population of customers with these features shows by itself.

    What is compared is the valley between groups: k-means makes 2 to 10 groups, customers of each two are laid on the
    line between the two centres, and the depth of the valley in their density is measured in standard
    errors. A group is separated as well as from the group that it is least separated from; of all groups the
    best is taken, over numbers of groups the most unusual one, in the same way for every shop. No distance
    enters, since a long tail alone puts the parts of a single crowd far apart: the silhouette, the gap statistic and
    Hopkins' test find groups in most shops that have none [1]_.

    Groups that a feature shows by itself are in the reference shops as well, so these are asked for first, at a
    fifth of the level: a gap in the middle of a feature's density, against flat densities, which have the deepest of
    all that have one mode [2]_. Where a feature has one, it is given one mode in the reference shops. Values
    that many customers share, such as 0, are no group: that some buy and some do not is known without a test.

    **What it does not see.** A group of under 30 of those looked at, and groups that only categories make. And a
    feature that is densest at both ends, as a coordinate of points on a ring is, counts as groups by itself.

    **How often it errs.** The level is 2 % and not 5 %, because a copula is only near where features follow from each
    other, as recency, tenure and gaps of the same orders do. Of 200 simulated shops each, false alarms in 0 to 2 %,
    and in 3.5 % where features follow from each other (at 5 %, these would be 13 %); four moderate groups found in
    94 %, and groups of which one is of 5 % in 95 % (``benchmarks/structure.py``).

    References
    ----------
    .. [1] Hennig & Lin (2015), Flexible parametric bootstrap for testing homogeneity against clustering and
       assessing the number of clusters, Statistics and Computing 25.
    .. [2] Hartigan & Hartigan (1985), The Dip Test of Unimodality, Annals of Statistics 13.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> crowd = pd.DataFrame(rng.lognormal(size=(300, 4)), columns=list("abcd"))
    >>> sg.structure_test(crowd, progress=False).verdict
    'continuum'
    >>> groups = crowd.add(np.array([[0, 9, 0, 9], [9, 0, 9, 0], [9, 9, 9, 9]])[np.arange(300) % 3])
    >>> sg.structure_test(groups, progress=False).verdict
    'structure'
    """
    return _run_test(
        checked_customers(customers), make_preparer(), GROUPS, references, random_state, progress
    )[0]


def segment_structure(
    result: Segmentation, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> pd.DataFrame:
    """Ask of each segment whether it is a group, or an arbitrary part of a continuum.

    Parameters
    ----------
    result : Segmentation
    references, random_state, progress
        As in :func:`structure_test`.

    Returns
    -------
    DataFrame
        Indexed by segment id: `name`; `nearest`, the id of the segment that it is least separated from;
        `separation`, the depth of the valley between the two in standard errors; `p_value`, the share of reference
        shops whose best separated of as many groups is separated as well; and `verdict`: "real",
        "arbitrary", or "too little". All are arbitrary where the customers are one continuum.

    Notes
    -----
    No segment is real where the test of the whole finds no groups. Where it does, the best group of a reference shop
    is the yardstick for each segment, at a level of 5 %. It is less powerful than the test of the whole: of four
    groups, those that are least apart may be called arbitrary.
    """
    checked_result(result)
    return test_partition(result, references=references, random_state=random_state, progress=progress)[1]


def test_partition(
    result: Segmentation, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> tuple[StructureTest, pd.DataFrame]:
    """Return both the test of the whole and of each segment, from the same reference shops."""
    preparer, most = test_settings(result.model, len(result.segments))
    test, points = _run_test(result.customers, preparer, most, references, random_state, progress)
    return test, _segments(result, test, points)


def test_settings(model: BaseEstimator | None, n_segments: int) -> tuple[Preparer, int]:
    """Return how customers divided by a model are prepared for the test, and how many groups are asked for."""
    preparer = None if model is None else preparer_and_clusterer(model)[0]
    return preparer if isinstance(preparer, Preparer) else make_preparer(), max(GROUPS, n_segments)


def prepared_test(customers: pd.DataFrame, preparer: Preparer, most: int) -> StructureTest:
    """Return the test of customers who are prepared in a certain way, as :func:`test_partition` does by default."""
    return _run_test(customers, preparer, most, REFERENCES, 0, False)[0]


def _run_test(
    customers: pd.DataFrame, preparer: Preparer, most: int, references: int, random_state: int, progress: bool
) -> tuple[StructureTest, pd.DataFrame]:
    """Return the test, and the prepared customers that were looked at."""
    check_count("references", references, FEWEST_SHOPS, ": with fewer no p-value can be below 2 %")
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    looked = customers.sort_index()
    if len(looked) > LOOKED:
        looked = looked.iloc[np.sort(rng.choice(len(looked), LOOKED, replace=False))]
    fitted = Preparer(**preparer.get_params()).fit(looked)
    points = pd.DataFrame(fitted.transform(looked), index=looked.index)
    facts: dict[str, Any] = {
        "customers": len(customers),
        "looked_at": len(looked),
        "references": references,
        "alpha": ALPHA,
        "random_state": random_state,
    }
    lacking = _lacking(looked, points)
    if lacking:
        return _too_little(lacking, facts), points
    with threadpool_limits(limits=1):
        p_alone, alone = features_in_groups(_known_numbers(looked, fitted, points), rng)
        alone = alone if p_alone <= BY_ITSELF * ALPHA + 1e-12 else []
        numbers = [c for i, c in enumerate(looked.columns) if i not in fitted.levels_]
        facts["by_themselves"] = [numbers[i] for i in alone]
        shop = CopulaNull(looked, fitted, rng, alone)
        found = _compared(shop, points.to_numpy(), min(most, len(looked) // 5), rng, facts, progress)
    return _judged(*found, p_alone if alone else 1.0, facts), points


def _known_numbers(customers: pd.DataFrame, preparer: Preparer, points: pd.DataFrame) -> list[np.ndarray]:
    """Return the prepared numbers, NaN where they are missing."""
    numbers = [i for i in range(customers.shape[1]) if i not in preparer.levels_]
    missing = customers.iloc[:, numbers].isna().to_numpy()
    return list(np.where(missing, np.nan, points.to_numpy()[:, : len(numbers)]).T)


def _lacking(looked: pd.DataFrame, points: pd.DataFrame) -> str:
    if len(looked) < FEWEST:
        return CROWD.format(n=len(looked), least=FEWEST)
    varied = [c for c in looked.columns if looked[c].nunique(dropna=False) > 1]
    if len(varied) < 2 and not (varied and looked[varied[0]].nunique() >= ENOUGH):
        return LONE
    different = len(np.unique(points.to_numpy(), axis=0))
    return ALIKE.format(n=different, least=DIFFERENT) if different < DIFFERENT else ""


def _too_little(sentence: str, facts: dict[str, Any]) -> StructureTest:
    nothing = pd.Series(dtype=float)
    return StructureTest(np.nan, np.nan, "too little", sentence, nothing, pd.DataFrame(), facts)


def _compared(
    shop: CopulaNull,
    points: np.ndarray,
    most: int,
    rng: np.random.Generator,
    facts: dict[str, Any],
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the valleys of the customers and of each reference shop; stopped half way, of those that are done."""
    observed = deepest_valleys(points, most, rng)
    drawn: list[np.ndarray] = []
    bar = tqdm(range(facts["references"]), desc="Simulating shops", disable=not progress, leave=False)
    try:
        for _ in bar:
            drawn.append(deepest_valleys(shop.draw(rng), most, rng))
    except KeyboardInterrupt:
        if len(drawn) < FEWEST_SHOPS:
            raise
        tqdm.write(f"Stopped after {len(drawn)} of {facts['references']} shops; these are kept.")
    facts["references"] = len(drawn)
    return observed, np.array(drawn)


def _judged(observed: np.ndarray, drawn: np.ndarray, p_alone: float, facts: dict[str, Any]) -> StructureTest:
    groups = pd.Index(range(2, len(observed) + 2), name="groups")
    told = StructureTest(
        np.nan, np.nan, "", "", pd.Series(observed, groups), pd.DataFrame(drawn, columns=groups), facts
    )
    ours, theirs = told.scores
    p_together = (1 + int((theirs >= ours - 1e-12).sum())) / (len(theirs) + 1)
    p = min(1.0, p_alone / BY_ITSELF, p_together / (1 - BY_ITSELF))  # Bonferroni, with weights
    verdict = "structure" if p <= ALPHA + 1e-12 else "continuum"
    told_as = "hint" if verdict == "continuum" and p <= HINT + 1e-12 else verdict
    effect = float((ours - theirs.mean()) / max(theirs.std(), 1e-9))
    deeper = int((theirs >= ours - 1e-12).sum())
    said = SAID[told_as].format(
        less=len(theirs) - deeper if deeper else "any", deeper=deeper, n=len(theirs), p=p, alpha=ALPHA
    )
    features = facts["by_themselves"]
    if features:
        many = len(features) > 1
        said = BY_THEMSELVES.format(
            features=_named_features(features),
            shows="show" if many else "shows",
            self="themselves" if many else "itself",
            p=p,
        )
    return StructureTest(p, effect, verdict, said, told.observed, told.references, facts)


def _named_features(words: list[str]) -> str:
    return joined(words if len(words) <= 4 else [*words[:3], f"{len(words) - 3} other features"])


def _segments(result: Segmentation, test: StructureTest, points: pd.DataFrame) -> pd.DataFrame:
    """Return how well each segment is separated, measured as the groups of the reference shops are."""
    ids = result.segments
    table = pd.DataFrame(
        {"name": [result.name_of(s) for s in ids], "nearest": pd.array([pd.NA] * len(ids), "Int64")},
        index=pd.Index(ids, name="segment"),
    )
    table["separation"], table["p_value"], table["verdict"] = np.nan, np.nan, "too little"
    labels = result.labels.loc[points.index]
    held = [s for s in ids if (labels == s).sum() > 0]
    if test.verdict == "too little" or len(held) < 2 or len(ids) not in test.observed.index:
        return table
    inside = labels.isin(held).to_numpy()
    rows, own = points.to_numpy()[inside], labels[inside].map({s: i for i, s in enumerate(held)}).to_numpy()
    centers = np.array([rows[own == i].mean(axis=0) for i in range(len(held))])
    with threadpool_limits(limits=1):
        depth, nearest = separations(rows, own, centers)
    best = test.references[len(ids)].to_numpy()
    for i, segment in enumerate(held):
        p = (1 + int((best >= depth[i] - 1e-12).sum())) / (len(best) + 1)
        table.loc[segment, ["separation", "p_value"]] = depth[i], p
        table.loc[segment, "nearest"] = held[int(nearest[i])]
        real = test.verdict == "structure" and p <= OF_SEGMENTS + 1e-12
        table.loc[segment, "verdict"] = "real" if real else "arbitrary"
    return table
