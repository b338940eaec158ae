"""Recommend a method and a preparation for these customers, and say what suits them less and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from segkit.analyse.check_features import no_difference, warn_of_features, without_constants
from segkit.analyse.preparation import preparation
from segkit.core.checks import checked_customers
from segkit.core.html import html_table, render
from segkit.core.messages import counted, joined, listed
from segkit.core.order import by_id
from segkit.methods.fitting import FIND_THE_NUMBER, METHODS, MOST_FOR_WARD, make_model, n_different
from segkit.methods.robust_linkage import RobustLinkage
from segkit.trust.borders import border_sparseness
from segkit.trust.segment_structure import SPARSE
from segkit.trust.structure import StructureTest, remembered_test

RECOMMENDED, SUITS, POSSIBLE, POOR, IMPOSSIBLE = "recommended", "suits", "possible", "poor", "impossible"
LOOKED = 5_000  # customers whose features are described; of more, as many at equal steps by id
MANY_WORDS = 0.5  # share of features of words or two values from which a mixture is recommended
MANY_TIES = (
    0.25  # share of numbers of which half the customers share a value, where a Gaussian mixture collapses
)
MANY_CUSTOMERS = 100_000  # from which the quicker k-means is worth its loss
NO_GROUPS, COMPACT, ANY_FORM, OVERLAP = "no groups", "compact", "any form", "overlap"
OF_PAIRS = (
    "ward",
    "average",
    "robust_linkage",
    "spectral",
    "hdbscan",
)  # of many customers they take a sample
START = ("recency", "frequency", "monetary")  # which say most about what customers do next
GROUPS = 6  # most groups that are tried to see their form
CLEARLY = 0.15  # by how much sparser the borders of a linkage are where k-means only cuts groups into parts
SMALLEST = 0.05  # least share of the customers in each of them
OF_AMOUNTS = 0.8  # share of features with zeros from which a table is taken to hold counts and amounts
SOME_ZEROS = 0.1  # share of customers with 0 in each of these
FEW_PARTS = 10  # features, below which there are hardly parts that customers are mixes of
UNKNOWN = "too little data to tell whether there are any"
MANY_COLUMNS = 20  # prepared columns in which no place is much denser than another


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A method for customers, why, and what suits them less; made by :func:`recommend_method`.

    Attributes
    ----------
    method : str
        For ``segment(customers, n_segments=…, method=…)``.
    reason : str
        Why, in words.
    preparation : str
        What the default preparation does with these features; :func:`segkit.preparation` has the details.
    features : str
        Which features to start with, where they were computed from events and there are more; else "".
    table : DataFrame
        Indexed by `method`: `suits` ("recommended", "suits", "possible", "poor" or "impossible") and `why`.
    """

    method: str
    reason: str
    preparation: str
    features: str
    table: pd.DataFrame = field(repr=False)

    @property
    def ruled_out(self) -> dict[str, str]:
        """The methods that suit these customers badly or not at all, each with the reason."""
        return self.table.loc[self.table["suits"].isin([POOR, IMPOSSIBLE]), "why"].to_dict()

    def __repr__(self) -> str:
        out = [f"Not {method}: {why}" for method, why in self.ruled_out.items()]
        features = [f"Features: {self.features}"] if self.features else []
        return "\n".join(
            [f"{self.method}: {self.reason}", f"Preparation: {self.preparation}", *features, *out]
        )

    def _repr_html_(self) -> str:
        rows = self.table.reset_index().to_numpy().tolist()
        return render(
            "<p><b>{{ r.method }}</b>: {{ r.reason }}</p><p>Preparation: {{ r.preparation }}</p>"
            "{% if r.features %}<p>Features: {{ r.features }}</p>{% endif %}{{ table }}",
            r=self,
            table=html_table(["Method", "Suits", "Why"], rows, text=(0, 1, 2)),
        )


def recommend_method(customers: pd.DataFrame) -> Recommendation:
    """Recommend a method for these customers, in words, and say what it rules out.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.

    Returns
    -------
    Recommendation
        With `method`, `reason`, `preparation`, `features` and `table`.

    Raises
    ------
    ValueError
        If the customers cannot be segmented.

    Warns
    -----
    UserWarning
        As :func:`segkit.segment` does.

    Notes
    -----
    It looks at the number of customers, what the features are, how many customers share a value, copies, gaps, and
    :func:`segkit.structure_test`. Where there are groups, k-means and a robust linkage divide the customers of the test
    into 2 to 6 groups. Groups are of any form (long, curved, nested) if only the borders of the linkage run through
    sparse places, or through clearly sparser ones; compact if those of k-means do; and else they overlap. Columns of
    two values are left out of this: between two values there is always a gap.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> customers = pd.DataFrame(rng.lognormal(size=(300, 4)), columns=list("abcd"))
    >>> sg.recommend_method(customers).method
    'kmeans'
    """
    customers = without_constants(checked_customers(customers))
    warn_of_features(customers)
    return recommended(customers)


def recommended(customers: pd.DataFrame) -> Recommendation:
    """Return the recommendation for customers whose features were checked."""
    facts = _facts_of(customers)
    method, reason = _choice(facts)
    rows = {name: _suits(name, customers, facts) for name in METHODS}
    rows = {method: (RECOMMENDED, rows[method][1])} | {n: row for n, row in rows.items() if n != method}
    order = [RECOMMENDED, SUITS, POSSIBLE, POOR, IMPOSSIBLE]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["suits", "why"]).rename_axis("method")
    table = table.sort_values("suits", key=lambda column: column.map(order.index), kind="stable")
    preparation_ = _preparation_in_words(facts.features, method)
    return Recommendation(method, reason, preparation_, _features_in_words(customers), table)


class _Facts(NamedTuple):
    """What the choice of a method depends on."""

    n: int
    features: pd.DataFrame  # from preparation()
    columns: int  # prepared, a word of a column each
    words: float  # share of the features that are words or have two values
    tied: float  # share of the numbers of which half the customers share a value
    zeros: float  # share of features in which some customers have 0
    test: StructureTest
    form: str  # of the groups
    groups: int  # that are most clearly apart

    @property
    def too_little(self) -> bool:
        return self.test.verdict == "too little"

    @property
    def has_words(self) -> bool:
        return bool(self.features["is"].isin(["words", "words in order"]).any())

    @property
    def gaps(self) -> bool:
        return bool((self.features["missing"] > 0).any())

    @property
    def counts(self) -> str:
        kinds = self.features["is"]
        parts = [
            counted(int(kinds.isin(["number", "count"]).sum()), "number"),
            counted(int((kinds == "two values").sum()), "feature of two values", "features of two values"),
            counted(
                int(kinds.isin(["words", "words in order"]).sum()), "feature of words", "features of words"
            ),
        ]
        return f"{counted(self.n, 'customer')} with {joined([p for p in parts if not p.startswith('0 ')])}"


def _facts_of(customers: pd.DataFrame) -> _Facts:
    ordered = by_id(customers)
    if n_different(ordered.iloc[:: max(len(ordered) // LOOKED, 1)], 2) < 2:
        raise ValueError(no_difference(customers))
    looked = ordered.iloc[:: max(len(ordered) // LOOKED, 1)]
    features = preparation(looked)
    test, points = remembered_test(ordered)
    words = features["is"].isin(["words", "two values"])
    numbers = features.index[features["is"].isin(["number", "count"])]
    shared = [looked[c].value_counts(normalize=True).max() >= 0.5 for c in numbers]
    return _Facts(
        len(customers),
        features,
        points.shape[1],
        float(words.mean()),
        float(np.mean(shared)) if len(shared) else 0.0,
        float((looked.eq(0).mean() >= SOME_ZEROS).mean()),
        test,
        *_form(test, points),
    )


def _form(test: StructureTest, points: pd.DataFrame) -> tuple[str, int]:
    """Return the form of the groups, and how many are most clearly apart; 0 where there are none.

    Whose borders run through sparse places, those of k-means or of a linkage? Between two values there is always a gap,
    which says nothing about groups.
    """
    if test.verdict != "structure":
        return NO_GROUPS, 0
    measured = points.loc[:, points.nunique() > 2]
    values = (points if measured.empty else measured).to_numpy()
    with threadpool_limits(limits=1):
        clusterers = KMeans(n_init=3, random_state=0), RobustLinkage()
        (compact, k), (linked, k_linked) = (_sparsest(clusterer, values) for clusterer in clusterers)
    if linked >= SPARSE and (compact < SPARSE or linked > compact + CLEARLY):
        return ANY_FORM, k_linked
    return (COMPACT, k) if compact >= SPARSE else (OVERLAP, 0)


def _sparsest(clusterer: BaseEstimator, points: np.ndarray) -> tuple[float, int]:
    """Return the sparseness of the least sparse border, for the number of groups where it is highest, and that."""
    best = 0.0, 0
    for k in range(2, min(GROUPS, len(points) // 2) + 1):
        labels = clusterer.set_params(n_clusters=k).fit(points).labels_
        if np.bincount(labels).min() >= SMALLEST * len(points):
            best = max(best, (float(border_sparseness(points, labels).min()), k))
    return best


def _choice(facts: _Facts) -> tuple[str, str]:
    """Return the recommended method and the reason."""
    soft = "A mixture of distributions gives each customer a probability of each segment"
    divided = (
        " They form one continuum, so no method finds groups."
        if facts.test.verdict == "continuum"
        else " There is too little data to tell whether there are groups." * facts.too_little
    )
    if facts.words >= MANY_WORDS:
        return "mixed_mixture", (
            f"{facts.counts}. Most features are words or have two values, where distances say little. {soft}.{divided}"
        )
    if facts.form == ANY_FORM:
        return "robust_linkage", (
            f"{facts.counts}. There are groups, but long, curved or nested ones: borders of k-means cut through them, "
            f"and those of a robust linkage run between them, most clearly between {facts.groups}."
        )
    if facts.form == OVERLAP:
        return "mixed_mixture", f"{facts.counts}. There are groups, and they overlap. {soft}."
    if facts.form == NO_GROUPS and facts.test.verdict == "continuum":
        return "kmeans", (
            f"{facts.counts}.{divided} k-means divides them into compact "
            "segments, which are easy to describe."
        )
    if facts.form == NO_GROUPS:
        return "kmeans", (
            f"{facts.counts}: too little data to tell whether there are groups. k-means divides them into compact "
            "segments, which are easy to describe."
        )
    return "kmeans", (
        f"{facts.counts}. There are groups, and borders of k-means run between them, most clearly between "
        f"{facts.groups}."
    )


def _suits(method: str, customers: pd.DataFrame, facts: _Facts) -> tuple[str, str]:
    """Return how well a method suits, and why; what refuses these customers is impossible."""
    try:
        make_model(method, None if method in FIND_THE_NUMBER else 2, customers, 0)
    except ValueError as error:
        return IMPOSSIBLE, str(error)
    suits, why = _RULES[method](facts)
    if method in OF_PAIRS and facts.n > MOST_FOR_WARD:
        why += f" It looks at a sample of these {facts.n:,} customers."
    return suits, why


def _kmeans(facts: _Facts) -> tuple[str, str]:
    if facts.words >= MANY_WORDS:
        return POSSIBLE, "Compact segments; groups that only words make may be missed."
    return SUITS, "Compact segments of similar customers, quickly, of any number of customers."


def _mini_batch(facts: _Facts) -> tuple[str, str]:
    if facts.n >= MANY_CUSTOMERS:
        return SUITS, "As k-means, quicker and slightly less exact."
    return POSSIBLE, f"As k-means, less exact; worth it from {MANY_CUSTOMERS:,} customers on."


def _bisecting(_facts: _Facts) -> tuple[str, str]:
    return (
        POSSIBLE,
        "As k-means, steadier for many segments; an early division in two may cut through a group.",
    )


def _gaussian(facts: _Facts) -> tuple[str, str]:
    needed = 5 * facts.columns * (facts.columns + 1)  # ten customers for each entry of a covariance
    if facts.has_words:
        return POOR, "It treats columns of words as numbers; mixed_mixture has a distribution for words."
    if facts.words >= MANY_TIES:
        return POOR, "Features of two values do not spread around a mean, and it may collapse onto one value."
    if facts.tied >= MANY_TIES:
        return (
            POOR,
            "Half of the customers share one value of several features, and it may collapse onto that value.",
        )
    if facts.n < needed:
        return POOR, f"It learns {needed // 10:,} covariances a segment, too many for {facts.n:,} customers."
    if facts.form == OVERLAP:
        return SUITS, "Stretched groups that overlap, with probabilities."
    return POSSIBLE, "Stretched groups that overlap, which is not what these customers show."


def _mixed(facts: _Facts) -> tuple[str, str]:
    if facts.words >= MANY_WORDS:
        return SUITS, "A distribution for words and numbers together, with probabilities."
    if facts.form == OVERLAP:
        return SUITS, "Groups that overlap, with probabilities."
    if facts.has_words or facts.gaps:
        return SUITS, "Words and missing values as they are, with probabilities."
    return POSSIBLE, "Probabilities of each segment; made for words, gaps and groups that overlap."


def _parts(facts: _Facts) -> tuple[str, str]:
    if facts.zeros < OF_AMOUNTS or len(facts.features) < FEW_PARTS:
        return (
            POOR,
            "It needs many counts or amounts of one kind, such as visits to each page or spend by category.",
        )
    if facts.words >= MANY_WORDS:
        return POSSIBLE, "What a customer does as a mix of a few parts; most features are only yes or no."
    return (
        SUITS,
        "What a customer does, whatever the volume, as a mix of a few parts, with the share of each.",
    )


def _ward(facts: _Facts) -> tuple[str, str]:
    if facts.words >= MANY_WORDS:
        return POSSIBLE, "Compact segments that nest; groups that only words make may be missed."
    return SUITS, "Compact segments that nest, with a dendrogram."


def _average(facts: _Facts) -> tuple[str, str]:
    if facts.too_little:
        return POSSIBLE, f"Groups of unequal spread that nest; {UNKNOWN}."
    if facts.form == NO_GROUPS:
        return (
            POOR,
            "Without groups it leaves nearly all customers in one segment, and outliers in the others.",
        )
    return POSSIBLE, "Groups of unequal spread that nest; outliers may form segments of their own."


def _hdbscan(facts: _Facts) -> tuple[str, str]:
    if facts.too_little:
        return POSSIBLE, f"Dense groups of any form; {UNKNOWN}."
    if facts.form == NO_GROUPS:
        return POOR, "Without dense groups it leaves most customers outside all segments."
    if facts.columns > MANY_COLUMNS:
        return POOR, f"In {facts.columns} columns no place is much denser than others. Choose fewer features."
    if facts.form == OVERLAP:
        return (
            POSSIBLE,
            "Dense groups of any form; those that overlap become one. It chooses their number itself.",
        )
    return (
        SUITS,
        "Dense groups of any form; customers between them stay outside. It chooses their number itself.",
    )


def _any_form(facts: _Facts) -> tuple[str, str]:
    if facts.words >= MANY_WORDS:
        return POOR, "It follows gaps between customers, and words leave no gaps to follow."
    if facts.too_little:
        return POSSIBLE, f"Long, curved or nested groups; {UNKNOWN}."
    if facts.form == NO_GROUPS:
        return POOR, "It looks for groups with gaps between them, and there are none."
    if facts.form == ANY_FORM:
        return SUITS, "Long, curved or nested groups, as these customers have."
    return POSSIBLE, "Made for long, curved or nested groups, which these customers do not show."


_RULES: dict[str, Callable[[_Facts], tuple[str, str]]] = {
    "kmeans": _kmeans,
    "mini_batch_kmeans": _mini_batch,
    "bisecting_kmeans": _bisecting,
    "gaussian_mixture": _gaussian,
    "mixed_mixture": _mixed,
    "parts": _parts,
    "ward": _ward,
    "average": _average,
    "hdbscan": _hdbscan,
    "spectral": _any_form,
    "robust_linkage": _any_form,
}


def _preparation_in_words(features: pd.DataFrame, method: str) -> str:
    """Return what the default preparation does with these features."""
    if method == "mixed_mixture":
        numbers = features["is"].isin(["number", "count"])
        parts = [
            "skewed numbers by their logarithm" if features["logarithm"].any() else "",
            "numbers of which many customers share a value as words" if numbers.any() else "",
            "words and missing values as they are",
        ]
        said = ", ".join(filter(None, parts))
        return f"The method's own: {said}.{_copies(features, 'Leave one of each out.')}"
    logged = list(features.index[features["logarithm"]])
    fenced = list(features.index[features["low"].notna() | features["high"].notna()])
    gaps = list(features.index[features["missing"] > 0])
    parts = [
        f"Logarithms of {listed(logged, 5)}, which are skewed." if logged else "",
        f"Extremes of {listed(fenced, 5)} are pulled in." if fenced else "",
        f"A yes/no column for missing values of {listed(gaps, 5)}." if gaps else "",
        _copies(features, "Each counts once.").strip(),
    ]
    return " ".join(filter(None, parts)) or "The default one; no feature needs more than a common scale."


def _features_in_words(customers: pd.DataFrame) -> str:
    """Return which features to start with, of those that were computed from events; "" where there are no others."""
    computed = (customers.attrs.get("segkit") or {}).get("units") or {}
    core = [c for c in START if c in customers and c in computed]
    others = [c for c in customers.columns if c in computed and c not in START]
    if len(core) < 2 or not others:
        return ""
    return (
        f"Start with {joined(core)} alone. Segments with {listed(others, 5)} as well describe more, but seldom say "
        "more about what customers do next: keep those for which outcome_scoreboard finds more."
    )


def _copies(features: pd.DataFrame, advice: str) -> str:
    """Return which features say the same."""
    pairs: list[str] = []
    seen: set[str] = set()
    for feature, others in features["same_as"].items():
        same = [o for o in str(others).split(", ") if o in features.index]
        if same and feature not in seen:
            pairs.append(joined([str(feature), *same]))
            seen.update([str(feature), *same])
    return f" These say the same: {'; '.join(pairs)}. {advice}" if pairs else ""
