"""Measure how well segments tell a protected attribute that they may not be meant to tell."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats

from segkit.core.checks import check_level, check_type
from segkit.core.disclosure import check_minimum
from segkit.core.html import html_table, render
from segkit.core.messages import counted, did_you_mean, joined
from segkit.create.segmentation import Segmentation
from segkit.explain.cross import cramers_v
from segkit.explain.profile import of_customers
from segkit.methods.partition import check_segments, checked_result

WEAK, CLEAR = 0.1, 0.3  # Cramér's V; a weak and a clear association by Cohen's words
MANY = 20  # groups at most
PROXY, NONE, UNCLEAR = "proxy", "none found", "too few to tell"

_SHOWN = """
<p><b>{{ verdict }}</b>. {{ sentence }}</p>{{ table }}
"""


@dataclass(frozen=True, eq=False)
class ProxyAudit:
    """How well segments tell a protected attribute.

    Attributes
    ----------
    attribute : str
    verdict : str
        "proxy" (an association that is more than weak, beyond chance), "none found", or "too few to tell".
    cramers_v, low, high : float
        Bias-corrected Cramér's V, from 0 to 1, and its interval.
    balanced_accuracy : float
        Share guessed right from the segment alone, as mean over the groups; each customer is guessed from the others.
    chance : float
        The same without the segment: one over the number of groups.
    segments : DataFrame
        Indexed by `segment_id`, the worst first: `segment`, `customers` whose attribute is known, the most
        over-represented `group`, its `share` inside and `share_of_all`, and `at_least`: whether more than that have it,
        so many that the rest are fewer than the minimum.
    known, missing : int
        Customers whose attribute is known, and all others.
    left_out : tuple of str
        Groups and segments of fewer than the minimum, which are not shown; those groups are not audited either.
    sentence : str
    """

    attribute: str
    verdict: str
    cramers_v: float
    low: float
    high: float
    balanced_accuracy: float
    chance: float
    segments: pd.DataFrame = field(repr=False)
    known: int
    missing: int
    left_out: tuple[str, ...]
    sentence: str

    def _repr_html_(self) -> str:
        rows = [
            (
                row.segment,
                f"{row.customers:,}",
                row.group,
                _share(row.share, row.at_least),
                f"{row.share_of_all:.0%}",
            )
            for row in self.segments.itertuples()
        ]
        head = ["segment", "customers", "most over-represented", "share", "share of all"]
        table = html_table(head, rows, text=(0, 2))
        return str(render(_SHOWN, verdict=self.verdict.capitalize(), sentence=self.sentence, table=table))


def proxy_audit(
    result: Segmentation, attribute: pd.Series | str, *, minimum: int = 10, level: float = 0.95
) -> ProxyAudit:
    """Measure how well segments tell a protected attribute, such as gender, that they were not meant to tell.

    Parameters
    ----------
    result : Segmentation
    attribute : Series or str
        The group of each customer, indexed by customer; or the name of a feature.
    minimum : int, default=10
        Groups and segments of fewer known customers are left out.
    level : float, default=0.95
        Coverage of the interval of Cramér's V.

    Returns
    -------
    ProxyAudit
        A verdict, balanced accuracy, Cramér's V with its interval, and each segment, the worst first.

    Raises
    ------
    TypeError, ValueError
        If `result` is no segmentation, the attribute is of other customers or has more than 20 groups, or fewer than
        two groups or segments have enough known customers.

    Warns
    -----
    UserWarning
        If the attribute is missing for half of the customers or more.

    Notes
    -----
    The verdict is "proxy" where the interval of Cramér's V is above 0.1, a weak association [1]_. It is "none found"
    where it reaches no more than 0.3, else "too few to tell". The interval inverts the noncentral chi-square
    distribution [2]_; it is rather wide where segments tell nearly all. Whether treating segments differently is unfair
    is for people to judge: an audit says only what they tell.

    References
    ----------
    .. [1] Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, 2nd ed., ch. 7.
    .. [2] Smithson (2003), Confidence Intervals, ch. 4.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> ids = [f"c{i}" for i in range(80)]
    >>> customers = pd.DataFrame({"visits": [1, 2, 3, 4] * 10 + [31, 32, 33, 34] * 10}, index=ids)
    >>> gender = pd.Series(["woman"] * 36 + ["man"] * 44, index=ids)
    >>> audit = sg.proxy_audit(sg.segment(customers, n_segments=2), gender.rename("gender"))
    >>> audit.verdict, round(audit.balanced_accuracy, 2), audit.chance
    ('proxy', 0.95, 0.5)
    """
    checked_result(result)
    check_segments(result, "proxy_audit asks what they tell")
    check_minimum(minimum)
    check_level(level)
    groups, name = _checked_attribute(result, attribute)
    missing = int(groups.isna().sum())
    if 2 * missing >= len(groups):
        warnings.warn(
            f"{name} is missing for {missing:,} of {counted(len(groups), 'customer')}. The audit holds for the others "
            "only, who may differ.",
            stacklevel=2,
        )
    every = pd.crosstab(result.labels, groups)
    counts = every.loc[:, every.sum() >= minimum]
    counts = counts[counts.sum(axis=1) > 0]
    rare = [str(group) for group in every if group not in counts]
    if min(counts.shape) < 2:
        raise ValueError(
            f"{name} has {counted(counts.shape[1], 'group')} of {minimum:,} or more known customers, in "
            f"{counted(len(counts), 'segment')}. An audit compares two groups or more in two segments or more."
        )
    table = counts.to_numpy()
    low, high = _interval(table, level)
    v = float(np.clip(np.nan_to_num(cramers_v(table)), low, high))
    verdict = PROXY if low > WEAK else NONE if high <= CLEAR else UNCLEAR
    segments, hidden = _segments(result, counts, minimum)
    accuracy, chance = _balanced_accuracy(table), 1 / table.shape[1]
    return ProxyAudit(
        attribute=name,
        verdict=verdict,
        cramers_v=v,
        low=low,
        high=high,
        balanced_accuracy=accuracy,
        chance=chance,
        segments=segments,
        known=int(table.sum()),
        missing=missing,
        left_out=(*rare, *hidden),
        sentence=_sentence(name, verdict, accuracy, chance, (v, low, high), segments)
        + f" {name} is one of the features that the segments were made from."
        * (name in result.customers.columns)
        + f" Left out, with fewer than {minimum:,} customers: {joined([*rare, *hidden])}."
        * bool(rare or hidden),
    )


def _checked_attribute(result: Segmentation, attribute: pd.Series | str) -> tuple[pd.Series, str]:
    if isinstance(attribute, str):
        if attribute not in result.customers.columns:
            raise ValueError(
                f"attribute is the text {attribute!r}, which is no feature of these customers."
                f"{did_you_mean(attribute, result.customers.columns)} Pass a Series of it, indexed by customer."
            )
        attribute = result.customers[attribute]
    wanted = "It should be a Series of the group of each customer, indexed by customer, such as their gender."
    check_type("attribute", attribute, pd.Series, wanted)
    name = "The attribute" if attribute.name is None else str(attribute.name)
    groups = of_customers(result, attribute.to_frame(name), "attribute")[name]
    n = groups.nunique()
    if n > MANY:
        raise ValueError(
            f"{name} has {n:,} different values, and an audit takes up to {MANY} groups. Divide it into bands: "
            "pd.cut(attribute, [0, 30, 50, 120])."
        )
    return groups, name


def _interval(table: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval of Cramér's V that inverts the noncentral chi-square distribution."""
    rows, columns = table.shape
    statistic, _, degrees, _ = scipy.stats.chi2_contingency(table, correction=False)
    largest = 4 * statistic + 1000

    def noncentrality(p: float) -> float:
        if scipy.stats.chi2.cdf(statistic, degrees) <= p:
            return 0.0
        return scipy.optimize.brentq(
            lambda noncentral: scipy.stats.ncx2.cdf(statistic, degrees, noncentral) - p, 1e-9, largest
        )

    most = table.sum() * (min(rows, columns) - 1)
    low, high = (noncentrality(p) for p in ((1 + level) / 2, (1 - level) / 2))
    return float(np.sqrt(low / most)), float(min(np.sqrt(high / most), 1.0))


def _balanced_accuracy(table: np.ndarray) -> float:
    """Return the mean recall when each customer is guessed from the others of the same segment.

    The guess is the group with the largest share of its members in the segment; ties count in part.
    """
    groups = table.shape[1]
    recall = np.zeros(groups)
    for group in range(groups):
        others = table - (np.arange(groups) == group)
        shares = others / np.maximum(others.sum(axis=0) + (len(table) - 1) * (np.arange(groups) == group), 1)
        best = np.isclose(shares, shares.max(axis=1, keepdims=True))
        recall[group] = (table[:, group] * best[:, group] / best.sum(axis=1)).sum() / table[:, group].sum()
    return float(recall.mean())


def _segments(result: Segmentation, counts: pd.DataFrame, minimum: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the most over-represented group of each segment that may be shown, and the names of the others."""
    table = counts.to_numpy(dtype=float)
    n, sizes, totals = table.sum(), table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(sizes, totals) / n
    residuals = (table - expected) / np.sqrt(expected * np.outer(1 - sizes / n, 1 - totals / n))
    residuals[table < minimum] = -np.inf
    rows, hidden = [], []
    for at, segment in enumerate(counts.index):
        group = int(residuals[at].argmax())
        having, size = table[at, group], sizes[at]
        if having < minimum:
            hidden.append(result.name_of(segment))
            continue
        # Of a share near 1, who lacks it would be few; at 1, it would be known of everyone.
        at_least = minimum > 1 and size - having < minimum
        rows.append(
            {
                "segment_id": segment,
                "segment": result.name_of(segment),
                "customers": int(size),
                "group": str(counts.columns[group]),
                "share": max(size - minimum, 0) / size if at_least else having / size,
                "share_of_all": totals[group] / n,
                "at_least": at_least,
                "residual": residuals[at, group],
            }
        )
    columns = ["segment_id", "segment", "customers", "group", "share", "share_of_all", "at_least", "residual"]
    found = pd.DataFrame(rows, columns=columns).set_index("segment_id")
    return found.sort_values("residual", ascending=False, kind="stable").drop(columns="residual"), hidden


def _sentence(
    name: str,
    verdict: str,
    accuracy: float,
    chance: float,
    association: tuple[float, float, float],
    segments: pd.DataFrame,
) -> str:
    v, low, high = association
    told = {
        PROXY: f"The segments tell {name}",
        NONE: f"The segments tell little or nothing of {name}",
        UNCLEAR: f"Too few customers to say whether the segments tell {name}",
    }[verdict]
    sentence = (
        f"{told}: from the segment alone it is guessed right for {accuracy:.0%} (guessing: {chance:.0%}, mean over the "
        f"groups), Cramér's V {v:.2f} ({low:.2f} to {high:.2f})."
    )
    if verdict == PROXY and len(segments):
        worst = segments.iloc[0]
        sentence += (
            f" Most of all {worst['segment']}: {_share(worst['share'], worst['at_least'])} of it are {worst['group']}, "
            f"and {worst['share_of_all']:.0%} of all customers."
        )
    return sentence


def _share(share: float, at_least: bool) -> str:
    return f"{'more than ' * bool(at_least)}{share:.0%}"
