"""Segment customers so that the segments differ in a stated outcome: a small decision tree, written as rules."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from segkit.core.checks import check_count, check_seed, check_type, checked_customers
from segkit.core.messages import counted, did_you_mean
from segkit.core.order import by_id
from segkit.methods.rules import quoted_name, rules_segmenter, written_number

DIGITS = range(2, 18)  # that a cut is rounded to
NUMBERS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal"}  # of pandas' infer_dtype
WORDS = {"string", "categorical"}


def target_tree(
    customers: pd.DataFrame,
    outcome: str | pd.Series,
    *,
    n_segments: int = 5,
    min_share: float = 0.05,
    random_state: int = 0,
) -> Pipeline:
    """Make a model of segments that differ most in an outcome, for ``segment(customers, model=…)``.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    outcome : Series of shape (n_customers,), or str
        What the segments should differ in, such as next quarter's spend, on the index of `customers`, or the name of a
        column. Customers whose outcome is missing are left out.
    n_segments : int, default=5
        Most segments; fewer where nothing more can be told apart.
    min_share : float, default=0.05
        Least share of the customers in a segment, in (0, 0.5].
    random_state : int, default=0
        Seed for ties between features.

    Returns
    -------
    Pipeline
        As from :func:`segkit.rules_segmenter`: each segment is a rule, and its name. The first segment has the highest
        mean outcome (of words: the most of the first in the alphabet).

    Raises
    ------
    ValueError
        If the outcome does not fit the customers, or no feature tells it apart.

    Notes
    -----
    The rules are those of a decision tree (CART). They do not change any more, so the confidence of such segments does
    not say whether other customers would give the same rules. The outcome itself is in no rule: drop its column before
    you make the segments, or new customers need it too.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 3, 9, 10, 11], "age": [30, 50, 30, 50, 30, 50]})
    >>> later = pd.Series([0, 0, 1, 20, 22, 21], index=customers.index)
    >>> model = sg.target_tree(customers, later, n_segments=2, min_share=0.3)
    >>> sg.segment(customers, model=model).names
    {0: 'visits > 6', 1: 'visits <= 6'}
    """
    customers = checked_customers(customers)
    check_count("n_segments", n_segments, 2)
    check_seed(random_state)
    if isinstance(min_share, bool) or not isinstance(min_share, (int, float)) or not 0 < min_share <= 0.5:
        raise ValueError(f"min_share={min_share!r} is not the share of a smallest segment. Say 0.05.")
    goal = _outcome_of(customers, outcome)
    features = by_id(customers.drop(columns=outcome) if isinstance(outcome, str) else customers)
    goal = goal.loc[features.index]
    known = goal.notna().to_numpy(dtype=bool)
    features, goal = features[known], goal[known]
    if goal.nunique() < 2:
        raise ValueError(
            f"The outcome of {counted(len(goal), 'customer')} with one does not vary, so that no segments differ in "
            "it. Choose another outcome."
        )
    target = _target(goal)
    kind = DecisionTreeRegressor if target.dtype == float else DecisionTreeClassifier
    columns = _columns(features)
    tree = kind(
        max_leaf_nodes=n_segments,
        min_samples_leaf=math.ceil(min_share * len(goal)),
        random_state=random_state,
    ).fit(
        np.column_stack([_ranked(values) for *_, values in columns]),
        target,
    )
    if tree.tree_.node_count < 2:
        raise ValueError(
            f"No feature tells the outcome apart in segments of at least {min_share:.0%} of the customers. Lower "
            "min_share, or add features."
        )
    return rules_segmenter({rule: rule for rule in _rules(tree.tree_, columns)})


def _outcome_of(customers: pd.DataFrame, outcome: str | pd.Series) -> pd.Series:
    wanted = "It should be a column of customers, or a Series on their index."
    check_type("outcome", outcome, (str, pd.Series), wanted)
    if isinstance(outcome, str):
        if outcome not in customers:
            hint = did_you_mean(outcome, customers.columns)
            raise ValueError(f"outcome={outcome!r} is no column of customers.{hint} {wanted}")
        if customers.shape[1] < 2:
            raise ValueError(f"There is no feature besides the outcome {outcome!r}. Add some.")
        return customers[outcome]
    lacking = customers.index.difference(outcome.index)
    if len(lacking) or not outcome.index.is_unique:
        example = f": {lacking[0]!r} is not in it" if len(lacking) else ", once for each customer"
        raise ValueError(f"The outcome is not on the index of customers{example}. {wanted}")
    return checked_customers(outcome.to_frame("outcome"))["outcome"]


def _target(goal: pd.Series) -> np.ndarray:
    """Return a known outcome as the tree takes it: numbers of a size whose squares do not overflow, or words.

    Raises
    ------
    ValueError
        If it is neither.
    """
    kind = pd.api.types.infer_dtype(goal)
    if kind in NUMBERS:
        numbers = goal.astype(float).to_numpy()
        return np.ldexp(numbers, -int(np.frexp(np.abs(numbers).max())[1]))
    if kind not in WORDS:
        raise ValueError(
            f"The outcome holds {kind} values ({goal.iloc[0]!r}). It should be numbers, yes and no, or words."
        )
    words = goal.astype(str).to_numpy(dtype=object)
    if len(set(words)) > len(words) / 2:
        raise ValueError(
            f"The outcome holds {len(set(words)):,} words for {counted(len(words), 'customer')}, such as {words[0]!r}. "
            "It should be numbers, yes and no, or a few words."
        )
    return words


def _ranked(values: np.ndarray) -> np.ndarray:
    """Return 0, 1, 2, … in place of numbers, in their order: the tree rounds numbers, but not these."""
    different = np.unique(values[~np.isnan(values)])
    return np.where(np.isnan(values), np.nan, np.searchsorted(different, values))


Column = tuple[str, "str | None", bool, np.ndarray]
"""The feature as a rule names it, its word (or None for a number), whether it is missing for some, and the values."""


def _columns(features: pd.DataFrame) -> list[Column]:
    """Return the columns that the tree splits: each number, and a 0/1 column for each word."""
    columns: list[Column] = []
    for feature, column in features.items():
        name = quoted_name(str(feature))
        missing = bool(column.isna().any())
        if pd.api.types.is_numeric_dtype(column.dtype):
            columns.append((name, None, missing, column.to_numpy(dtype=float, na_value=np.nan)))
            continue
        words = column.astype(object).where(column.notna(), None)
        for word in sorted({str(w) for w in words if w is not None}):
            hot = np.array([w is not None and str(w) == word for w in words], dtype=float)
            columns.append((name, word, missing, hot))
    return columns


def _rules(tree: Tree, columns: list[Column]) -> list[str]:
    """Return the rule of each leaf, the highest outcome first."""
    leaves: list[tuple[float, str]] = []

    def walk(node: int, conditions: dict[tuple[int, bool, bool], str], known: frozenset[str]) -> None:
        if tree.children_left[node] < 0:
            leaves.append((float(tree.value[node].ravel()[0]), " and ".join(conditions.values())))
            return
        at, cut = int(tree.feature[node]), float(tree.threshold[node])
        to_left = bool(tree.missing_go_to_left[node])
        for left, child in ((True, tree.children_left[node]), (False, tree.children_right[node])):
            name, word, missing, _ = columns[at]
            missing = missing and name not in known and (left if word is not None else to_left == left)
            # A later cut of the same feature to the same side is within the earlier one.
            here = {(at, left, bool(np.isinf(cut))): _condition(columns[at], cut, left, missing)}
            walk(child, conditions | here, known if missing else known | {name})

    walk(0, {}, frozenset())
    return [rule for _, rule in sorted(leaves, key=lambda leaf: -leaf[0])]


def _condition(column: Column, cut: float, left: bool, or_missing: bool) -> str:
    """Return one condition, with the cut of ranks as a number, rounded as far as the customers stay on their sides."""
    name, word, _, values = column
    if word is not None:
        condition = f"{name} {'!=' if left else '=='} {word!r}"
        return f"({condition} or {name} is None)" if or_missing else condition
    if np.isinf(cut):  # the missing ones on one side, all others on the other
        return f"{name} is {'' if or_missing else 'not '}None"
    known = values[~np.isnan(values)]
    below, above = np.unique(known)[int(cut) : int(cut) + 2]
    cut = below / 2 + above / 2
    cut = float(cut if below <= cut < above else below)
    rounded = (float(f"{cut:.{digits}g}") for digits in DIGITS)
    cut = next((r for r in rounded if ((known <= r) == (known <= cut)).all()), cut)
    condition = f"{name} {'<=' if left else '>'} {written_number(cut)}"
    return f"({condition} or {name} is None)" if or_missing else condition
