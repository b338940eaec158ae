"""Describe segments by one short rule for each, and measure how well the rules find them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segkit.core.checks import check_count, check_seed
from segkit.core.disclosure import MINIMUM, check_minimum, countable, rounded_shares
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import hidden_facts, is_described, segment_sizes
from segkit.explain.rule_tree import LEAVES, WORTH, Node, Rule, Table, grow, rounded, shorten
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import check_segments, checked_result
from segkit.methods.rules import rules_that_hold

LEARN = 6_000  # most customers that rules are learnt from
CHECK = 50_000  # most customers that they are measured on
FOLDS = (
    3  # of fewer customers: all of them are learnt from, and each third is measured with rules of the others
)
CURVE = range(1, 7)  # numbers of conditions whose fidelity is measured
ROUNDING = (
    0.002  # share of the customers that the rounding of a number may set wrong, among those learnt from
)
DIGITS = (1, 2, 3)  # that people say, few first


def rules(
    result: Segmentation, *, max_conditions: int = 4, random_state: int = 0, minimum: int = MINIMUM
) -> pd.DataFrame:
    """Describe each segment by one short rule, in numbers that a person would say.

    The rules apply in their order: a customer belongs to the first that holds.

    Parameters
    ----------
    result : Segmentation
        Of any model: the rules imitate its labels.
    max_conditions : int, default=4
        Most comparisons in a rule.
    random_state : int, default=0
        Seed of the customers that the rules are learnt from and measured on.
    minimum : int, default=10
        Segments of fewer customers have no rule, nor are rules learnt from them. 1 finds a rule for all.

    Returns
    -------
    DataFrame
        Indexed by `segment_id`, in the order in which the rules apply: `segment` (its name), `rule` (as
        :func:`segkit.rules_segmenter` reads it), `conditions` (how many), `customers` of the segment, `precision`
        (share of those whom the rule finds that are in the segment) and `recall` (share of the segment that it finds).

        "True" holds for everyone else. "False" holds for no one: no rule finds that segment with so few conditions, or
        it is hidden, as ``attrs["segkit"]["hidden"]`` says; `customers` is then missing, and also for one more segment,
        so that its size does not follow.
        Customers outside all segments (−1) are those for whom no rule holds.

        ``attrs["segkit"]`` holds the `fidelity` (share of customers whom the rules put where the model does) with its
        95 % interval (`low`, `high`), how many customers were `learnt` from and `measured`, the `curve` (fidelity by
        number of conditions), the numbers that were `rounded`, the `rounding_cost` in fidelity (below 0 where
        round numbers do better), and the `boolean` features. Fidelity, precision and recall are of customers from
        whom the rules were not learnt.

    Raises
    ------
    ValueError
        If there is no segment, or each has fewer customers than the minimum.

    Notes
    -----
    Explainable clustering [1]_ [2]_ describes clusters by a decision tree. Here each rule is a small tree that tells a
    segment from those that come later, the clearest segment first, so that later rules need not exclude earlier ones.

    Rules are learnt from at most 6,000 customers and measured on 50,000 others. Of fewer than 9,000, all are learnt
    from, and measured by three-fold cross-validation.

    References
    ----------
    .. [1] Moshkovitz, Dasgupta, Rashtchian & Frost (2020), Explainable k-means and k-medians clustering, ICML.
    .. [2] Frost, Moshkovitz & Rashtchian (2020), ExKMC: Expanding explainable k-means clustering, arXiv:2006.02399.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [*range(1, 21), *range(80, 90)]})
    >>> table = sg.rules(sg.segment(customers, n_segments=2).with_names({0: "Rare", 1: "Frequent"}))
    >>> table["rule"].to_list()
    ['frequency <= 50', 'True']
    """
    checked_result(result)
    check_count("max_conditions", max_conditions, 1)
    check_seed(random_state)
    check_segments(result, "rules describe segments")
    check_minimum(minimum)
    order = result.order[np.random.default_rng(random_state).permutation(len(result.labels))]
    order = order[is_described(result.labels, minimum)[order]]
    there = set(result.labels.iloc[order])
    if not len(order):
        raise ValueError(
            f"Every segment has fewer than {counted(minimum, 'customer')}, so no rule is learnt. Make fewer "
            "segments, or see everything by minimum=1."
        )
    most = int(max_conditions)
    if len(order) > 1.5 * LEARN:
        final = Imitation(result, order[:LEARN], random_state, there)
        parts = [(final, order[LEARN : LEARN + CHECK])]
    else:
        final = Imitation(result, order, random_state, there)
        fold = np.arange(len(order)) % FOLDS
        parts = [
            (Imitation(result, order[fold != at], random_state, there), order[fold == at])
            for at in range(FOLDS)
            if (fold == at).any() and (fold != at).any()
        ]
    measured = np.concatenate([rows for _, rows in parts] or [order[:0]])
    labels = result.labels.to_numpy()[measured]
    given = {
        size: np.concatenate([part.given(size, rows) for part, rows in parts] or [labels])
        for size in sorted({*CURVE, most})
    }
    exact = np.concatenate([part.given(most, rows, exact=True) for part, rows in parts] or [labels])
    table = _described(result, final.found(most), labels, given[most], minimum)

    def told(*shares: float) -> list[float]:
        return rounded_shares(np.array(shares), len(labels), minimum).tolist()

    fidelity, low, high = told(*share_with_interval(int((given[most] == labels).sum()), len(labels)))
    room = int(
        countable(result.labels.value_counts(), minimum).sum()
    )  # counts that tell of no hidden customer
    table.attrs["segkit"] = {
        "badge": result.badge,
        "max_conditions": most,
        "fidelity": fidelity,
        "low": low,
        "high": high,
        "customers": len(result.labels),
        "learnt": min(len(final.labels), room),
        "measured": min(len(labels), room),
        "curve": dict(zip(given, told(*(_share(found == labels) for found in given.values())), strict=True)),
        "rounded": [change for f in final.found(most).values() if f for change in f.changes],
        "rounding_cost": told(_share(exact == labels))[0] - fidelity,
        "boolean": list(result.customers.select_dtypes("bool")),
        **hidden_facts(result, minimum),
    }
    return table


def _described(
    result: Segmentation,
    found: dict[int, Found | None],
    labels: np.ndarray,
    given: np.ndarray,
    minimum: int,
) -> pd.DataFrame:
    found = found | dict.fromkeys(s for s in result.segments if s not in found)  # those that are hidden
    sizes = segment_sizes(result, minimum=minimum)["customers"]
    return pd.DataFrame(
        {
            "segment": [result.name_of(s) for s in found],
            "rule": [f.rule.text if f else "False" for f in found.values()],
            "conditions": [f.rule.conditions if f else 0 for f in found.values()],
            "customers": sizes[list(found)].array,
            "precision": [_told((labels == s)[given == s], minimum) for s in found],
            "recall": [_told((given == s)[labels == s], minimum) for s in found],
        },
        index=pd.Index(list(found), name="segment_id"),
    )


def _told(right: np.ndarray, minimum: int) -> float:
    return float(rounded_shares(np.array(_share(right)), len(right), minimum))


def _share(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else float("nan")


def share_with_interval(right: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval (Wilson 1927), which are unknown of no customers.

    Examples
    --------
    >>> [round(x, 3) for x in share_with_interval(80, 100)]
    [0.8, 0.711, 0.867]
    """
    if not n:
        return (float("nan"),) * 3
    share, z = right / n, 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return share, float(middle - half), float(middle + half)


class Found(NamedTuple):
    """A rule that was found, the same before its numbers were rounded, and which were."""

    rule: Rule
    exact: Rule
    changes: list[dict[str, Any]]


class Imitation:
    """Learn rules for the segments from some customers.

    Parameters
    ----------
    result : Segmentation
    rows : ndarray of int
        Positions of the customers to learn from.
    random_state : int
    there : set of int
        Segments to find a rule for, and whether customers are outside all.
    """

    def __init__(self, result: Segmentation, rows: np.ndarray, random_state: int, there: set[int]):
        self.result, self.random_state = result, random_state
        self.labels = result.labels.to_numpy()[rows]
        self.segments, self.outside = [s for s in result.segments if s in there], OUTSIDE in there
        self.table = Table.of(result.customers.iloc[rows])
        self._first: dict[tuple[int, int], Node] = {}  # trees of all customers
        self._learnt: dict[int, dict[int, Found | None]] = {}

    def found(self, most: int) -> dict[int, Found | None]:
        """Return the rule of each segment, in the order in which they apply; None where none is found.

        Parameters
        ----------
        most : int
            Most conditions in a rule.
        """
        if most not in self._learnt:
            found = self._learn(most)
            fewer = self.found(max(size for size in CURVE if size < most)) if most > min(CURVE) else found
            better = self._list_right(fewer) > self._list_right(found)  # as the order of segments may differ
            self._learnt[most] = fewer if better else found
        return self._learnt[most]

    def _list_right(self, found: dict[int, Found | None]) -> int:
        left, right = np.arange(len(self.labels)), 0
        for segment, one in found.items():
            if one is not None:
                holds = one.rule.holds(self.table, left)
                right += int((self.labels[left[holds]] == segment).sum())
                left = left[~holds]
        return right + int((self.labels[left] == OUTSIDE).sum())

    def given(self, most: int, rows: np.ndarray, *, exact: bool = False) -> np.ndarray:
        """Return the segment that the rules, read from their texts, give other customers.

        Parameters
        ----------
        most : int
        rows : ndarray of int
            Positions of the customers.
        exact : bool
            Whether numbers are as before rounding.
        """
        found = self.found(most)
        texts = {
            str(s): "False" if f is None else (f.exact if exact else f.rule).text for s, f in found.items()
        }
        holds = rules_that_hold(texts, self.result.customers.iloc[rows])
        return np.where(holds.any(axis=1), np.array(list(found))[holds.argmax(axis=1)], OUTSIDE)

    def _learn(self, most: int) -> dict[int, Found | None]:
        """Find the rule of the clearest segment, then that of the clearest among the other customers, and so on.

        Errors of a segment change little when others are gone, so a tree is grown anew only for the clearest one.
        """
        found: dict[int, Found | None] = {}
        left, todo = np.arange(len(self.labels)), list(self.segments)
        errors = dict.fromkeys(todo, -1.0)
        while len(todo) > (not self.outside):
            fresh: dict[int, Rule | None] = {}
            while (segment := min(todo, key=lambda s: (errors[s], s))) not in fresh:
                fresh[segment], errors[segment] = self._rule(segment, left, most)
            rule = fresh[segment]
            if rule is None:
                break  # and so for the others, whose errors are as large
            said = self._rounded(rule, left, self.labels[left] == segment)
            found[segment] = said
            todo.remove(segment)
            left = left[~said.rule.holds(self.table, left)]
        todo.sort(key=lambda s: (int((self.labels[left] == s).sum()), -s))
        found |= dict.fromkeys(todo)
        if todo and not self.outside:
            found[todo[-1]] = Found(Rule(), Rule(), [])
        return found

    def _rule(self, segment: int, left: np.ndarray, most: int) -> tuple[Rule | None, float]:
        """Return the rule of a segment among the customers that are left, and how many of them it sets wrong."""
        inside, leaves = self.labels == segment, max(LEAVES, 2 * most)
        if len(left) < len(inside):
            tree = grow(self.table, left, inside, leaves, self.random_state)
        else:
            if (segment, leaves) not in self._first:
                self._first[segment, leaves] = grow(self.table, left, inside, leaves, self.random_state)
            tree = self._first[segment, leaves]
        rule = shorten(tree, most, max(WORTH * len(inside), 1))
        if rule is None:
            return None, np.inf
        return rule, float(len(left) - self._right(rule, left, inside[left]))

    def _rounded(self, rule: Rule, left: np.ndarray, inside: np.ndarray) -> Found:
        """Round the numbers of a rule where that costs little."""
        found = Found(rule, rule, [])
        for name, cut in rule.cuts():
            allowed = self._right(found.rule, left, inside) - ROUNDING * len(self.labels)
            for digits in DIGITS:
                numbers = rounded(cut, digits)
                if cut in numbers:
                    break
                changed = [found.rule.with_cut(name, cut, number) for number in numbers]
                right = [self._right(one, left, inside) for one in changed]
                at = int(np.argmax(right))
                if right[at] >= allowed:
                    change = {"feature": name, "cut": cut, "rounded": numbers[at]}
                    found = Found(changed[at], rule, [*found.changes, change])
                    break
        return found

    def _right(self, rule: Rule, left: np.ndarray, inside: np.ndarray) -> int:
        return int((rule.holds(self.table, left) == inside).sum())
