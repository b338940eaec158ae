"""Translate the rules of segments into conditions of SQL."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator, Mapping

import ibis
import ibis.expr.types as ir

from segkit.core.messages import choose_from
from segkit.explain.sql_parts import all_of, any_of, limit
from segkit.methods.rules import parsed_rule

COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def features_of_rules(rules: Mapping[str, str]) -> dict[str, str]:
    """Return the features that rules name, each with the type that it is compared as.

    Parameters
    ----------
    rules : mapping of str to str
        As of :func:`segkit.rules_segmenter`.

    Returns
    -------
    dict of str to str
        "string" for features that are compared with words, "float64" with numbers, and "" for those of which the rules
        only say whether they are missing.

    Raises
    ------
    ValueError
        If a rule cannot be read, or compares a feature with both.
    """
    compared = [part for name, rule in rules.items() for part in _compared(parsed_rule(name, rule))]
    types = {feature: "" for features, _ in compared for feature in features}
    for features, kind in sorted(compared, key=lambda part: not part[1]):  # those without a constant last
        kinds = {kind, *(types[feature] for feature in features)} - {""}
        if len(kinds) > 1:
            raise ValueError(
                f"The rules compare {features[0]!r} with numbers and with words. Compare it with one of them."
            )
        types |= dict.fromkeys(features, "".join(kinds))
    return types


def _compared(node: ast.expr) -> Iterator[tuple[list[str], str]]:
    """Yield the features that are compared with each other, and the type of the constants that they are compared to."""
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            yield from _compared(part)
    elif isinstance(node, ast.UnaryOp):
        yield from _compared(node.operand)
    elif isinstance(node, ast.Name):  # for yes or no
        yield [node.id], "float64"
    elif isinstance(node, ast.Compare):
        sides = [side for part in (node.left, *node.comparators) for side in _items(part)]
        kinds = {kind for side in sides if (kind := _kind(side))}
        if any(isinstance(sign, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for sign in node.ops):
            kinds.add("float64")
        features = [side.id for side in sides if isinstance(side, ast.Name)]
        for kind in (kinds or {""}) if features else ():
            yield features, kind


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]


def _kind(node: ast.expr) -> str:
    """Return the type of a constant; "" for a feature or None."""
    if isinstance(node, ast.UnaryOp):
        return "float64"
    if not isinstance(node, ast.Constant) or node.value is None:
        return ""
    return "string" if isinstance(node.value, str) else "float64"


def condition_of(name: str, rule: str, customers: ir.Table) -> ir.BooleanValue:
    """Translate one rule; unknown (NULL) where its answer is unknown.

    Parameters
    ----------
    name, rule : str
        As of :func:`segkit.rules_segmenter`.
    customers : ibis Table
        Features as columns: float64 or string, missing is NULL.

    Raises
    ------
    ValueError
        If the rule names no column, or compares a number with a word.
    """
    return _Translator(name, customers).answer(parsed_rule(name, rule))


class _Translator:
    """Translates the tree of one rule, as :mod:`segkit.methods.rules` answers it."""

    def __init__(self, name: str, customers: ir.Table):
        self._name, self._customers = name, customers

    def answer(self, node: ast.expr) -> ir.BooleanValue:
        if isinstance(node, ast.BoolOp):
            parts = [self.answer(part) for part in node.values]
            return all_of(parts) if isinstance(node.op, ast.And) else any_of(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.answer(node.operand)
        if isinstance(node, ast.Compare):
            left, answers = node.left, []
            for compare, right in zip(node.ops, node.comparators, strict=True):
                answers.append(self._compared(left, compare, right))
                left = right
            return all_of(answers)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return ibis.literal(node.value)
        yes = self._value(node)
        self._same_kind(yes, limit(1))
        return yes == limit(1)

    def _compared(self, left: ast.expr, compare: ast.cmpop, right: ast.expr) -> ir.BooleanValue:
        one = self._value(left)
        if isinstance(compare, ast.Is):
            return one.isnull()
        if isinstance(compare, ast.IsNot):
            return one.notnull()
        if isinstance(compare, (ast.In, ast.NotIn)):
            return self._among(
                one, [self._value(item) for item in _items(right)], isinstance(compare, ast.In)
            )
        return COMPARE[type(compare)](*self._same_kind(one, self._value(right)))

    def _among(self, one: ir.Value, others: list[ir.Value], wanted: bool) -> ir.BooleanValue:
        for other in others:
            self._same_kind(one, other)
        if all(
            isinstance(other.op(), (ibis.expr.operations.Literal, ibis.expr.operations.Cast))
            for other in others
        ):
            if not others:
                return one.isnull().ifelse(None, not wanted)
            return one.isin(others) if wanted else one.notin(others)
        # SQL would answer 1 IN (1, NULL) with true, and a rule cannot be answered where a value is missing.
        found = any_of([one == other for other in others])
        unknown = any_of([value.isnull() for value in (one, *others)])
        return unknown.ifelse(None, found if wanted else ~found)

    def _same_kind(self, one: ir.Value, other: ir.Value) -> tuple[ir.Value, ir.Value]:
        if one.type().is_string() != other.type().is_string():
            raise ValueError(
                f"The rule {self._name!r} compares a number with a word. Compare numbers with numbers, and words with "
                "words in quotes."
            )
        return one, other

    def _value(self, node: ast.expr) -> ir.Value:
        if isinstance(node, ast.Name):
            if node.id not in self._customers.columns:
                raise ValueError(
                    f"The rule {self._name!r} names {node.id!r}, which is no feature."
                    f"{choose_from(node.id, list(self._customers.columns))}"
                )
            return self._customers[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ibis.literal(node.value)
        sign, inner = (-1, node.operand) if isinstance(node, ast.UnaryOp) else (1, node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, (int, float)):
            return limit(sign * inner.value)
        raise ValueError(f"The rule {self._name!r} holds {ast.unparse(node)!r}, which has no place in SQL.")
