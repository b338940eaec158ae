"""Segment customers by rules that are written by hand: the first that holds."""

from __future__ import annotations

import ast
import json
import keyword
import re
import unicodedata
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.analyse.prepare import make_preparer
from segkit.core.checks import check_type
from segkit.core.messages import did_you_mean, listed
from segkit.methods.assignment import OUTSIDE

COMPARE = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
NODES = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub),
    *(ast.Compare, *COMPARE, ast.In, ast.NotIn, ast.Is, ast.IsNot),
    *(ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List, ast.Set),
)
"""All that a rule may consist of."""
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`((?:[^`]|``)+)`""")
"""Words in quotes, and names in backticks; a backtick within a name is doubled."""
ALLOWED = (
    "A rule compares features with numbers or words (<, <=, >, >=, ==, !=, in, not in, is None), joined by and, or, "
    "not: "
    '\'monetary > 1000 and channel in ("web", "app")\'.'
)


def rules_segmenter(rules: Mapping[str, str]) -> Pipeline:
    """Make a model of segments that are described by rules, for ``segment(customers, model=…)``.

    Parameters
    ----------
    rules : mapping of str to str
        A rule for each segment, by its name. A customer is in the first segment whose rule holds, and outside (−1) if
        none does. A rule compares features with numbers or words: ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``,
        ``in``, ``not in``, ``is None`` (missing), joined by ``and``, ``or``, ``not`` and brackets. The name of a
        feature with blanks, or a word of Python such as class, stands in backticks: "`top category` == 'GROCERY'".
        ``True`` holds for everyone, which makes a last rule of it, and ``False`` for no one.

    Returns
    -------
    Pipeline
        Not fitted yet. Segments are numbered and named in the order of the rules.

    Raises
    ------
    ValueError
        If a rule cannot be read, or holds anything else. It is parsed and never run as code.

    Notes
    -----
    A comparison with a missing value is unknown, and so is its opposite: neither "monetary > 9" nor "not monetary > 9"
    holds for a customer whose spend is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame(
    ...     {"recency": [3, 200, 9, 80], "monetary": [2000.0, 1500, 20, 90]}, index=["ada", "bob", "cy", "dan"]
    ... )
    >>> model = sg.rules_segmenter({"VIP": "monetary > 1000 and recency < 30", "Sleeping": "recency >= 90"})
    >>> sg.segment(customers, model=model).named_labels.to_dict()
    {'ada': 'VIP', 'bob': 'Sleeping', 'cy': 'Outside', 'dan': 'Outside'}
    """
    check_type("rules", rules, Mapping, 'It should be a rule for each name: {"VIP": "monetary > 1000"}.')
    if not rules:
        raise ValueError('There are no rules. Say {"VIP": "monetary > 1000"}, for instance.')
    for name, rule in rules.items():
        check_type("The name of a rule", name, str, "It should be text.")
        check_type(f"The rule {name!r}", rule, str, ALLOWED)
        parsed_rule(name, rule)
    return make_pipeline(RulePreparer(dict(rules)), FirstRule(tuple(rules)))


class RulePreparer(TransformerMixin, BaseEstimator):
    """Say which rules hold for a customer, beside the prepared features that distances are measured in.

    Parameters
    ----------
    rules : dict of str to str
        As of :func:`segkit.rules_segmenter`.

    Attributes
    ----------
    preparer_ : Preparer
        Of the features.
    """

    def __init__(self, rules=None):
        self.rules = rules

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None):
        """Check that the features of the rules are there, and learn how to prepare all features.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)
        y : ignored

        Returns
        -------
        RulePreparer

        Warns
        -----
        UserWarning
            If a rule holds for no customer.
        """
        self.preparer_ = make_preparer().fit(X)
        self.n_features_in_ = self.preparer_.n_features_in_
        if hasattr(self.preparer_, "feature_names_in_"):
            self.feature_names_in_ = self.preparer_.feature_names_in_
        held = self._holds(X).any(axis=0)
        pairs = zip(self._rules(), held, strict=True)
        rules = [f"{name!r} ({rule})" for (name, rule), ever in pairs if not ever and rule.strip() != "False"]
        if rules:
            warnings.warn(
                f"No customer fulfils the rule {listed(rules, 3)}. Check its numbers, and the spelling of its words.",
                stacklevel=2,
            )
        return self

    def transform(self, X):
        """Return a column of 0 and 1 for each rule, and the prepared features.

        Parameters
        ----------
        X : DataFrame or array of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_rules + n_prepared)
        """
        check_is_fitted(self)
        prepared = self.preparer_.matrix(X)
        return np.concatenate([self._holds(X).astype(float), prepared], axis=1)

    def get_feature_names_out(self, input_features=None):
        """Name the columns: "rule VIP", then those of the preparer."""
        check_is_fitted(self)
        names = [f"rule {name}" for name, _ in self._rules()]
        return np.array([*names, *self.preparer_.get_feature_names_out()], dtype=object)

    def _rules(self):
        return list((self.rules or {}).items())

    def _holds(self, X):
        if not isinstance(X, pd.DataFrame):
            X = np.asarray(X)
            X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).infer_objects()
        return rules_that_hold(self.rules or {}, X)


class FirstRule(BaseEstimator):
    """Put each row into the segment of its first column that is 1, of those that stand for rules.

    Parameters
    ----------
    names : tuple of str
        Names of the rules, whose columns are the first ones.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_rows,)
    names_ : dict of int to str
        Name of each segment.
    n_features_in_ : int
    """

    def __init__(self, names=("first",)):
        self.names = names

    def fit(self, X, y=None):
        """Label the rows; there is nothing to learn."""
        X = validate_data(self, X, dtype=float)
        self.names_ = dict(enumerate(self.names))
        self.labels_ = self._labels(X)
        return self

    def predict(self, X):
        """Return the position of the first rule that holds, −1 where none does."""
        check_is_fitted(self)
        return self._labels(validate_data(self, X, dtype=float, reset=False))

    def _labels(self, X):
        holds = X[:, : len(self.names)] > 0.5
        return np.where(holds.any(axis=1), holds.argmax(axis=1), OUTSIDE).astype("int64")


def rules_that_hold(rules: Mapping[str, str], customers: pd.DataFrame) -> np.ndarray:
    """Return which rules hold for which customers, one column a rule."""
    answers = [_Reader(name, customers).answer(parsed_rule(name, rule)).true for name, rule in rules.items()]
    return np.array(answers, dtype=bool).reshape(-1, len(customers)).T


class _Answer(NamedTuple):
    """For which customers something is true, and for which it is false; for others it is unknown."""

    true: np.ndarray
    false: np.ndarray


class _Value(NamedTuple):
    """A feature or a constant of a rule: its numbers or words, and where they are missing."""

    shown: str
    is_number: bool
    values: np.ndarray
    missing: np.ndarray


def quoted_name(feature: str) -> str:
    """Return a feature as a rule names it: in backticks, unless it reads as itself.

    Examples
    --------
    >>> [quoted_name(name) for name in ("age", "top category", "class")]
    ['age', '`top category`', '`class`']
    """
    as_read = unicodedata.normalize("NFKC", feature)  # by Python, of names without backticks
    plain = feature == as_read and feature.isidentifier() and not keyword.iskeyword(feature)
    plain = plain and not feature.startswith("ticked_")  # which stand for names in backticks
    return feature if plain else "`" + feature.replace("`", "``") + "`"


def parsed_rule(name: str, rule: str) -> ast.expr:
    """Parse a rule, and refuse all that is not on the list.

    A name in backticks is taken as it is, unless it stands within a word in quotes.
    """
    ticked: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        return ticked.setdefault(found[1].replace("``", "`"), f"ticked_{len(ticked)}_")

    try:
        parsed = ast.parse(QUOTED.sub(stand_in, rule.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"The rule {name!r}, {rule[:80]!r}, cannot be read. {ALLOWED}") from error
    for node in ast.walk(parsed):
        if not isinstance(node, NODES):
            raise _refused(name, node)
        if isinstance(node, ast.Name):
            node.id = next((real for real, put in ticked.items() if put == node.id), node.id)
    return parsed


def _refused(name: str, node: ast.AST) -> ValueError:
    shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
    return ValueError(f"The rule {name!r} holds {shown[:60]!r}, which it may not. {ALLOWED}")


class _Reader:
    """Answers a parsed rule for a table of customers, from a list of things that it may hold."""

    def __init__(self, name: str, customers: pd.DataFrame):
        self._name, self._customers = name, customers

    def answer(self, node: ast.expr) -> _Answer:
        """Return for whom an expression is true."""
        if isinstance(node, ast.BoolOp):
            true, false = zip(*(self.answer(part) for part in node.values), strict=True)
            every, some = np.logical_and.reduce, np.logical_or.reduce
            if isinstance(node.op, ast.And):
                return _Answer(every(true), some(false))
            return _Answer(some(true), every(false))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inside = self.answer(node.operand)
            return _Answer(inside.false, inside.true)
        if isinstance(node, ast.Compare):
            left, answers = node.left, []
            for operator, right in zip(node.ops, node.comparators, strict=True):
                answers.append(self._compared(left, operator, right))
                left = right
            return _Answer(
                np.logical_and.reduce([a.true for a in answers]),
                np.logical_or.reduce([a.false for a in answers]),
            )
        if isinstance(node, ast.Name):
            return self._yes(self._value(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            everyone = np.full(len(self._customers), node.value)
            return _Answer(everyone, ~everyone)
        raise self._refusal(node)

    def _yes(self, value: _Value) -> _Answer:
        """Return for whom a feature of yes and no is yes."""
        known = value.values[~value.missing]
        if not value.is_number or not np.isin(known, (0.0, 1.0)).all():
            raise ValueError(
                f"The rule {self._name!r} takes {value.shown} for yes or no, and it holds other values. Compare it: "
                f"{value.shown} > 0, for instance."
            )
        yes = value.values == 1
        return _Answer(yes & ~value.missing, ~yes & ~value.missing)

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> _Answer:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self._refusal(right)
            missing = self._value(left).missing
            return _Answer(missing, ~missing) if isinstance(operator, ast.Is) else _Answer(~missing, missing)
        one = self._value(left)
        if isinstance(operator, (ast.In, ast.NotIn)):
            if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
                raise self._refusal(right)
            others = [self._value(item) for item in right.elts]
            equal = [self._by(np.equal, one, other) for other in others] or [np.zeros(len(one.values), bool)]
            true = np.logical_or.reduce(equal)
            known = ~np.logical_or.reduce([one.missing, *(other.missing for other in others)])
            true = true if isinstance(operator, ast.In) else ~true
            return _Answer(true & known, ~true & known)
        other = self._value(right)
        if type(operator) not in COMPARE:
            raise self._refusal(right)
        if not (one.is_number or isinstance(operator, (ast.Eq, ast.NotEq))):
            raise ValueError(
                f"The rule {self._name!r} compares the words of {one.shown} by size. Use == or in, or turn the words "
                "into numbers."
            )
        true = self._by(COMPARE[type(operator)], one, other)
        known = ~one.missing & ~other.missing
        return _Answer(true & known, ~true & known)

    def _by(self, compare: np.ufunc, one: _Value, other: _Value) -> np.ndarray:
        if one.is_number != other.is_number:
            number, word = (one, other) if one.is_number else (other, one)
            raise ValueError(
                f"The rule {self._name!r} compares {number.shown}, a number, with {word.shown}, a word. Compare "
                "numbers with numbers, and words with words in quotes."
            )
        return compare(one.values, other.values).astype(bool)

    def _value(self, node: ast.expr) -> _Value:
        n = len(self._customers)
        if isinstance(node, ast.Name):
            return self._feature(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._value(node.operand)
            if value.is_number and isinstance(node.operand, ast.Constant):
                return value._replace(values=-value.values, shown=f"-{value.shown}")
        if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str)):
            word = isinstance(node.value, str)
            constant: str | float = node.value
            if isinstance(constant, int):  # of so many digits it is infinite, as 1e999 is
                constant = float(f"{constant:d}")
            values = np.full(n, constant, dtype=object if word else float)
            return _Value(repr(node.value), not word, values, np.zeros(n, dtype=bool))
        raise self._refusal(node)

    def _feature(self, name: str) -> _Value:
        if name not in self._customers:
            known = [str(c) for c in self._customers]
            raise ValueError(
                f"The rule {self._name!r} names {name!r}, which is no feature.{did_you_mean(name, known)} The features "
                f"are {listed(known)}; words stand in quotes."
            )
        column = self._customers[name]
        missing = column.isna().to_numpy(dtype=bool)
        numbers = numbers_of(column)
        if numbers is not None:
            return _Value(name, True, numbers, missing)
        codes, words = pd.factorize(column)
        return _Value(name, False, np.array([*map(str, words), ""], dtype=object)[codes], missing)

    def _refusal(self, node: ast.AST) -> ValueError:
        return _refused(self._name, node)


def numbers_of(column: pd.Series) -> np.ndarray | None:
    """Return the numbers of a feature, NaN where missing; None if it holds words."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=float, na_value=np.nan)
    return None


def written_word(word: str) -> str:
    """Write a word in quotes, as rules take it."""
    return json.dumps(word, ensure_ascii=False) if word.isprintable() else repr(word)


def written_number(number: float) -> str:
    """Write a number as people do, 1000000 rather than 1e+06, where no digit is lost."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(float(number))
