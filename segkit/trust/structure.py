"""Test whether customers form distinct groups: their density valleys against those of null data sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.analyse.words import one_hot
from segkit.core.checks import check_count, check_seed, checked_customers
from segkit.core.messages import counted, joined
from segkit.core.order import by_id
from segkit.methods.assignment import preparer_and_clusterer
from segkit.methods.provenance import hash_of
from segkit.trust.density_valleys import deepest_valleys
from segkit.trust.groups_in_words import REFERENCES as WORD_REFERENCES
from segkit.trust.groups_in_words import groups_in_words
from segkit.trust.null_model import CopulaNull
from segkit.trust.unimodality import ENOUGH, features_in_groups

LOOKED = 1_000  # customers tested; of more a sample, since groups that a thousand do not show are too small to act on
FEWEST = 50  # customers
DIFFERENT = 10  # fewest different customers
GROUPS = 10  # most groups tried
# Level of the test. Not 5 %, since a copula only approximates features that follow from each other.
ALPHA = 0.02
HINT = 0.05  # p-values up to it are a hint of groups
REFERENCES = 99  # null data sets
FEWEST_REFERENCES = 62  # with fewer, no p-value could reach four fifths of the level
# Shares of the level for groups in single features, and in words alone; the rest is for all features together.
BY_ITSELF, BY_WORDS = 0.2, 0.2
FEWEST_WORDS = 3  # features with words, for groups in words alone
SENTENCES = {
    "structure": (
        "Your customers form distinct groups: the gap between them is deeper than in {less} of {n} null data sets, "
        "which have the same features but no groups (p = {p:.2g})."
    ),
    "hint": (
        "One continuum, with a hint of groups: {deeper} of {n} null data sets, which have no groups, show gaps as deep "
        "or deeper (p = {p:.2g}; groups need {alpha:.2g} or less)."
    ),
    "continuum": (
        "One continuum: {deeper} of {n} null data sets, which have the same features but no groups, show gaps as deep "
        "or deeper (p = {p:.2g})."
    ),
}
BY_THEMSELVES = (
    "Your customers form distinct groups: {features} {falls} into low and high values, with few between "
    "(p = {p:.2g})."
)
IN_WORDS = (
    "Your customers form distinct groups: by their words in {features}, they are told apart more surely than customers "
    "of {n} null data sets, which have the same words but no groups (p = {p:.2g})."
)
FEW_CUSTOMERS = "Only {n}: at least {least} are needed to tell groups from chance."
FEW_DIFFERENT = (
    "The features have only {n:,} different combinations of values: at least {least} are needed to tell groups from "
    "chance."
)
ONE_FEATURE = "At most one feature varies, with too few values to show groups."
REMEMBERED = 16  # tests that are kept

_remembered: dict[str, tuple[StructureTest, pd.DataFrame]] = {}


@dataclass(frozen=True, eq=False)
class StructureTest:
    """Test of whether customers form distinct groups, with the evidence; made by :func:`structure_test`.

    Attributes
    ----------
    p_value : float
        The share of null data sets with gaps at least as deep, these customers counted in, over 0.8; or that of flat
        features with gaps as deep as a single feature has, over 0.2, where that is less (Bonferroni's correction
        with weights). Missing where there is too little data.
    effect : float
        Distance of the deepest gap above those of the null data sets, in their standard deviations.
    verdict : {"structure", "continuum", "too little"}
        At a level of 2 %; a p-value between that and 5 % is a continuum with a hint of groups.
    sentence : str
        The verdict in words.
    observed : Series of shape (n_groups,)
        Indexed by number of groups: depth of the valley around the best separated one, in standard errors.
    references : DataFrame of shape (n_references, n_groups)
        The same of each null data set.
    facts : dict
        Customers, customers looked at, references, level, seed, the features that fall into groups
        `by_themselves` and the `values` of the first, and what the sentence `rests_on`: "gaps" between all features
        together, a single "feature", or "words" with their `word_scores`, the customers' before those of null data
        sets.
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
        """The statistic of the customers and of each null data set: the deepest gap over all numbers of groups.

        In standard deviations over all data sets, for each number of groups by itself.
        """
        together = np.vstack([self.observed.to_numpy(), self.references.to_numpy()])
        spread = np.maximum(together.std(axis=0), 1e-9)
        best = ((together - together.mean(axis=0)) / spread).max(axis=1)
        return float(best[0]), best[1:]

    def __repr__(self) -> str:
        return self.sentence


def structure_test(
    customers: pd.DataFrame, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> StructureTest:
    """Test whether customers form distinct groups, or one continuum.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`. Of more than 1,000, a random sample of that size is tested.
    references : int, default=99
        Null data sets to compare with; with 99 the least p-value is 0.0125.
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
    The statistic is the depth of the deepest valley in the density between 2 to 10 groups of k-means, in standard
    errors. A null data set keeps each feature's values, the patterns of missing values and zeros, and the rank
    correlations (a Gaussian copula), and has no groups otherwise. Distances are not used: a long tail alone separates
    the parts of a continuum [1]_. Groups that one feature shows by itself are tested separately, at a fifth of the
    level [2]_.

    Groups that words form (three or more categories or two-valued features) are tested separately too: are latent
    classes surer than in one population with the same words and pairwise associations?

    It does not see groups of fewer than 30 of the customers tested. The level is 2 %; false alarms and power are in
    ``benchmarks/README.md``.

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
    >>> continuum = pd.DataFrame(rng.lognormal(size=(300, 4)), columns=list("abcd"))
    >>> sg.structure_test(continuum, progress=False).verdict
    'continuum'
    >>> groups = continuum.add(np.array([[0, 9, 0, 9], [9, 0, 9, 0], [9, 9, 9, 9]])[np.arange(300) % 3])
    >>> sg.structure_test(groups, progress=False).verdict
    'structure'
    """
    return run_test(
        checked_customers(customers), make_preparer(), GROUPS, references, random_state, progress
    )[0]


def test_settings(model: BaseEstimator | None, n_segments: int) -> tuple[Preparer, int]:
    """Return the preparer of the test for customers divided by a model, and the most groups to try."""
    preparer = None if model is None else preparer_and_clusterer(model)[0]
    return preparer if isinstance(preparer, Preparer) else make_preparer(), max(GROUPS, n_segments)


def remembered_test(
    customers: pd.DataFrame, model: BaseEstimator | None = None, n_segments: int = 0
) -> tuple[StructureTest, pd.DataFrame]:
    """Return the test by default settings and the prepared customers that it used; the same customers are tested once.

    Parameters
    ----------
    customers : DataFrame
        In the order of ids.
    model : estimator, optional
        Model of their segments; its preparer is used where it is segkit's.
    n_segments : int, default=0
        Number of groups to try; at least 10 are tried.
    """
    preparer, most = test_settings(model, n_segments)
    looked = _sample(customers, np.random.default_rng(0))
    same = hash_of(looked, pd.Series(np.zeros(len(looked)), looked.index))
    key = f"{same} {len(customers)} {most} {preparer.get_params()}"
    if key not in _remembered:
        test, points = run_test(customers, preparer, most, REFERENCES, 0, False, in_order=True)
        if test.facts.get("references", REFERENCES) < REFERENCES:
            raise KeyboardInterrupt  # an interrupted test is not remembered
        while len(_remembered) >= REMEMBERED:
            _remembered.pop(next(iter(_remembered)))
        _remembered[key] = test, points
    return _remembered[key]


def structure_summary(test: StructureTest) -> dict[str, Any]:
    """Return the result of a test as JSON can hold it: `verdict`, `p_value`, `effect`, `sentence`."""
    return {
        "verdict": test.verdict,
        "p_value": None if np.isnan(test.p_value) else float(test.p_value),
        "effect": None if np.isnan(test.effect) else float(test.effect),
        "sentence": test.sentence,
    }


def run_test(
    customers: pd.DataFrame,
    preparer: Preparer,
    most: int,
    references: int,
    random_state: int,
    progress: bool,
    *,
    in_order: bool = False,
) -> tuple[StructureTest, pd.DataFrame]:
    """Return the test, and the prepared customers that it used; `in_order` are customers in the order of ids."""
    check_count("references", references, FEWEST_REFERENCES, ": with fewer no p-value can be below 2 %")
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    looked = _sample(customers if in_order else by_id(customers), rng)
    looked = looked[sorted(looked.columns)]  # so that their order does not change what is drawn
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
        facts["by_themselves"] = [looked.columns[fitted.positions_[i]] for i in alone]
        if alone:
            facts["values"] = looked.iloc[:, fitted.positions_[alone[0]]].dropna().to_numpy(dtype=float)
        words = word_codes(looked, fitted)
        tested = len(words) >= FEWEST_WORDS
        p_words, classes, scores = (
            groups_in_words(np.column_stack(list(words.values())), rng) if tested else (1.0, None, None)
        )
        facts["words"], facts["p_words"] = list(words) if tested else [], p_words
        if p_words <= BY_WORDS * ALPHA:
            facts["classes"], facts["word_scores"] = classes, scores
        null = CopulaNull(looked, fitted, rng, alone)
        valleys = _compared(null, points.to_numpy(), min(most, len(looked) // 5), rng, facts, progress)
    return _verdict(*valleys, p_alone if alone else 1.0, facts), points


def _sample(ordered: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if len(ordered) <= LOOKED:
        return ordered
    return ordered.iloc[np.sort(rng.choice(len(ordered), LOOKED, replace=False))]


def word_codes(customers: pd.DataFrame, preparer: Preparer) -> dict[str, np.ndarray]:
    """Return the words of each category or two-valued feature as 0, 1, 2, …; missing ones are a word of their own."""
    codes: dict[str, np.ndarray] = {}
    for i, name in enumerate(customers.columns):
        column = customers.iloc[:, i]
        if i in preparer.levels_ and not preparer.levels_[i]:
            continue  # all are missing
        if i in preparer.levels_:
            column = pd.Series(one_hot(column.array, preparer.levels_[i]).argmax(axis=1))
        elif column.nunique() != 2:
            continue
        codes[name] = np.unique(pd.factorize(column, sort=True)[0], return_inverse=True)[1]
    return {name: found for name, found in codes.items() if found.any()}


def _known_numbers(customers: pd.DataFrame, preparer: Preparer, points: pd.DataFrame) -> list[np.ndarray]:
    """Return the prepared numbers, NaN where they are missing."""
    missing = np.isnan(preparer.numbers(customers))
    return list(np.where(missing, np.nan, points.to_numpy()[:, : missing.shape[1]]).T)


def _lacking(looked: pd.DataFrame, points: pd.DataFrame) -> str:
    if len(looked) < FEWEST:
        return FEW_CUSTOMERS.format(n=counted(len(looked), "customer"), least=FEWEST)
    varied = [c for c in looked.columns if looked[c].nunique(dropna=False) > 1]
    if len(varied) < 2 and not (varied and looked[varied[0]].nunique() >= ENOUGH):
        return ONE_FEATURE
    different = len(np.unique(points.to_numpy(), axis=0))
    return FEW_DIFFERENT.format(n=different, least=DIFFERENT) if different < DIFFERENT else ""


def _too_little(sentence: str, facts: dict[str, Any]) -> StructureTest:
    nothing = pd.Series(dtype=float)
    return StructureTest(np.nan, np.nan, "too little", sentence, nothing, pd.DataFrame(), facts)


def _compared(
    null: CopulaNull,
    points: np.ndarray,
    most: int,
    rng: np.random.Generator,
    facts: dict[str, Any],
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the valleys of the customers and of each null data set; when interrupted, of those that are done."""
    observed = deepest_valleys(points, most, rng)
    drawn: list[np.ndarray] = []
    bar = tqdm(
        range(facts["references"]), desc="Comparing with null data sets", disable=not progress, leave=False
    )
    try:
        for _ in bar:
            drawn.append(deepest_valleys(null.draw(rng), most, rng))
    except KeyboardInterrupt:
        if len(drawn) < FEWEST_REFERENCES:
            raise
        tqdm.write(f"Stopped after {len(drawn)} of {facts['references']} null data sets; these are kept.")
    facts["references"] = len(drawn)
    return observed, np.array(drawn)


def _verdict(observed: np.ndarray, drawn: np.ndarray, p_alone: float, facts: dict[str, Any]) -> StructureTest:
    groups = pd.Index(range(2, len(observed) + 2), name="groups")
    valleys = pd.Series(observed, groups), pd.DataFrame(drawn, columns=groups)
    ours, theirs = StructureTest(np.nan, np.nan, "", "", *valleys, facts).scores
    deeper = int((theirs >= ours - 1e-12).sum())
    p_together = (1 + deeper) / (len(theirs) + 1)
    rest = 1 - BY_ITSELF - (BY_WORDS if facts["words"] else 0)
    p_numbers = min(1.0, p_alone / BY_ITSELF, p_together / rest)  # Bonferroni, with weights
    in_words = bool(facts["words"]) and facts["p_words"] / BY_WORDS < p_numbers
    p = facts["p_words"] / BY_WORDS if in_words else p_numbers
    verdict = "structure" if p <= ALPHA + 1e-12 else "continuum"
    wording = "hint" if verdict == "continuum" and p <= HINT + 1e-12 else verdict
    effect = float((ours - theirs.mean()) / max(theirs.std(), 1e-9))
    sentence = SENTENCES[wording].format(
        less=len(theirs) - deeper if deeper else "any", deeper=deeper, n=len(theirs), p=p, alpha=ALPHA
    )
    features = facts["by_themselves"]
    facts["rests_on"] = "gaps"
    if in_words and verdict == "structure":
        facts["rests_on"] = "words"
        sentence = IN_WORDS.format(features=_few(facts["words"]), n=WORD_REFERENCES, p=p)
    elif features:
        facts["rests_on"] = "feature"
        falls = "fall" if len(features) > 1 else "falls"
        sentence = BY_THEMSELVES.format(features=_few(features), falls=falls, p=p)
    return StructureTest(p, effect, verdict, sentence, *valleys, facts)


def _few(features: list[str]) -> str:
    shown = features if len(features) <= 4 else [*features[:3], f"{len(features) - 3} other features"]
    return joined(shown)
