"""Imitate segments by a small decision tree that is written as one short rule for each segment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from segkit.methods.rules import numbers_of, quoted_name, written_number, written_word

WORDS = 12  # of a feature, the most frequent ones, that a rule may name
LEAVES = 16  # of a tree, at least, before it is pruned
WORTH = 0.002  # share of all customers that a condition must set right
DIGITS = range(1, 18)  # of a number
REST = "\0"  # stands for all words that are not listed


class Question(NamedTuple):
    """A question to one feature: is a number above a cut, or up to it; is a word one of some?"""

    name: str
    missing: bool  # whether a missing value passes
    above: bool = False
    cut: float = np.inf  # then all known numbers are on one side
    words: frozenset[str] | None = None  # that pass
    listed: frozenset[str] = frozenset()  # words that a rule may name
    others: bool = False  # whether all other words pass
    flag: bool = False  # whether the feature is True or False

    def implies(self, other: Question) -> bool:
        """Return whether all who pass this pass the other."""
        if self.name != other.name or (self.missing and not other.missing):
            return False
        if self.words is not None and other.words is not None:
            return self.words <= other.words and self.others <= other.others
        if math.isinf(other.cut):
            return not other.missing or self == other
        if math.isinf(self.cut):
            return self.missing
        return self.above == other.above and (self.cut >= other.cut if self.above else self.cut <= other.cut)

    def holds(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Return for which rows of a table it holds."""
        if self.words is None:
            numbers = table.numbers[self.name][rows]
            gone = np.isnan(numbers)
            if math.isinf(self.cut):
                return gone if self.missing else ~gone
            return (numbers > self.cut if self.above else numbers <= self.cut) | (gone & self.missing)
        levels = table.levels[self.name]
        passes = [
            self.missing if v is None else self.others if v == REST else v in self.words for v in levels
        ]
        return np.array(passes)[table.codes[self.name][rows]]

    @property
    def conditions(self) -> list[str]:
        """The conditions of which one should hold."""
        name = quoted_name(self.name)
        found = [f"{name} is None"] if self.missing else []
        if self.flag and not math.isinf(self.cut):
            found.insert(0, name if self.above else f"not {name}")
        elif self.words is None and not math.isinf(self.cut):
            found.insert(0, f"{name} {'>' if self.above else '<='} {written_number(self.cut)}")
        elif self.words is not None and (self.words or self.others):
            left_out = self.listed - self.words
            if not self.others:
                found.insert(0, _among(name, sorted(self.words), "==", "in"))
            elif left_out:
                found.insert(0, _among(name, sorted(left_out), "!=", "not in"))
            else:
                found.insert(0, f"{name} is not None")
        return found or [f"{name} is not None"]


def _among(name: str, words: list[str], one: str, several: str) -> str:
    if len(words) == 1:
        return f"{name} {one} {written_word(words[0])}"
    return f"{name} {several} ({', '.join(map(written_word, words))})"


@dataclass(frozen=True)
class Rule:
    """Tests and rules of which all should hold (or one, if `some`); empty for all customers."""

    parts: tuple[Question | Rule, ...] = ()
    some: bool = False

    @property
    def everyone(self) -> bool:
        """Whether it holds for all customers."""
        return not self.parts

    @property
    def conditions(self) -> int:
        """The number of comparisons in its text."""
        return sum(len(p.conditions) if isinstance(p, Question) else p.conditions for p in self.parts)

    def holds(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Return for which rows of a table it holds."""
        if self.everyone:
            return np.ones(len(rows), dtype=bool)
        combine = np.logical_or.reduce if self.some else np.logical_and.reduce
        return combine([part.holds(table, rows) for part in self.parts])

    def cuts(self) -> list[tuple[str, float]]:
        """Return the numbers that it names, with their features."""
        found: list[tuple[str, float]] = []
        for part in self.parts:
            if isinstance(part, Rule):
                found += part.cuts()
            elif part.words is None and not math.isinf(part.cut):
                found.append((part.name, part.cut))
        return list(dict.fromkeys(found))

    def with_cut(self, name: str, cut: float, number: float) -> Rule:
        """Return the rule with another number in place of a cut."""
        parts: list[Question | Rule] = []
        for part in self.parts:
            if isinstance(part, Rule):
                parts.append(part.with_cut(name, cut, number))
            else:
                same = part.words is None and (part.name, part.cut) == (name, cut)
                parts.append(part._replace(cut=number) if same else part)
        return Rule(tuple(parts), self.some)

    @property
    def text(self) -> str:
        """The rule as segkit.rules_segmenter reads it."""
        if self.everyone:
            return "True"
        texts = []
        for part in self.parts:
            some = part.some if isinstance(part, Rule) else len(part.conditions) > 1
            text = part.text if isinstance(part, Rule) else " or ".join(part.conditions)
            texts.append(f"({text})" if some and not self.some and len(self.parts) > 1 else text)
        return (" or " if self.some else " and ").join(texts)


def both(test: Question, rule: Rule) -> Rule:
    """Return the rule for those who pass a test and fulfil a rule."""
    kept: list[Question | Rule] = []
    for part in (rule,) if rule.some else rule.parts:
        if isinstance(part, Question) and part.name == test.name and part.words is not None:
            words = part.words & (test.words or frozenset())
            missing, others = part.missing and test.missing, part.others and test.others
            part = part._replace(words=words, others=others, missing=missing)
        kept.append(part)
    if any(isinstance(part, Question) and part.implies(test) for part in kept):
        return Rule(tuple(kept))
    return Rule((test, *kept))


def either(one: Rule, other: Rule) -> Rule:
    """Return the rule for those who fulfil one of two rules."""
    parts = [
        p for rule in (one, other) for p in (rule.parts if rule.some or len(rule.parts) == 1 else (rule,))
    ]
    return Rule(tuple(parts), some=True)


class Table(NamedTuple):
    """Features as trees split them: ranks of numbers, and codes of words."""

    numbers: dict[str, np.ndarray]  # NaN where missing
    ranks: dict[str, np.ndarray]  # of the numbers
    values: dict[str, np.ndarray]  # the different numbers that are ranked
    codes: dict[str, np.ndarray]  # of words: position in `levels`
    levels: dict[str, list[str | None]]  # listed words, REST, and None where some are missing
    flags: set[str]  # features that are True or False

    @classmethod
    def of(cls, features: pd.DataFrame) -> Table:
        """Return the table of features, without those that are the same for all."""
        table = cls({}, {}, {}, {}, {}, set())
        for name, column in features.items():
            numbers = numbers_of(column)
            if numbers is not None:
                known = ~np.isnan(numbers)
                values, places = np.unique(numbers[known], return_inverse=True)
                if len(values) + (not known.all()) > 1:
                    ranks = np.full(len(numbers), np.nan)
                    ranks[known] = places
                    table.numbers[str(name)] = numbers
                    table.flags.update([str(name)] * (pd.api.types.is_bool_dtype(column.dtype)))
                    table.ranks[str(name)], table.values[str(name)] = ranks.astype("float32"), values
            else:
                codes, levels = _coded(column)
                if codes.min() < codes.max():
                    table.codes[str(name)], table.levels[str(name)] = codes, levels
        return table


def _coded(column: pd.Series) -> tuple[np.ndarray, list[str | None]]:
    """Return the level of each word, and the levels: the most frequent words, all others, and missing."""
    codes, words = pd.factorize(column)
    codes, gone = np.asarray(codes), bool((codes < 0).any())
    texts = [str(word) for word in words]
    counts = pd.Series(np.bincount(codes[codes >= 0], minlength=len(texts))).groupby(texts).sum()
    listed = sorted(counts.index, key=lambda word: (-counts[word], word))[:WORDS]
    levels: list[str | None] = [*listed, *[REST] * (len(listed) < len(counts)), *[None] * gone]
    place = {word: at for at, word in enumerate(listed)}
    return np.array([*(place.get(text, len(listed)) for text in texts), len(levels) - 1])[codes], levels


@dataclass
class Node:
    """A node of a tree: how many customers there are in the segment, and how they may be divided."""

    rows: np.ndarray  # positions of the customers
    inside: int  # how many of them are in the segment
    tests: tuple[Question, ...] = ()  # who goes to the left, who to the right
    children: tuple[Node, ...] = ()
    parent: Node | None = None
    is_open: bool = False  # whether it is divided
    rule: Rule | None = None  # for those of the node that are given the segment; None for no one

    @property
    def right(self) -> int:
        """How many customers a leaf is right about."""
        return max(self.inside, len(self.rows) - self.inside)

    @property
    def gain(self) -> int:
        """How many more customers are right if the node is divided once."""
        return sum(child.right for child in self.children) - self.right if self.children else -1

    def walk(self) -> Iterator[Node]:
        """Go through the node and all below it, the upper ones first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def turn(self, *, is_open: bool) -> None:
        """Divide the node, or make it a leaf, and write the rules of all nodes above it anew."""
        self.is_open = is_open
        node: Node | None = self
        while node is not None:
            node.write()
            node = node.parent

    def write(self) -> None:
        """Write the rule from those of the children."""
        if not self.is_open:
            self.rule = Rule() if 2 * self.inside > len(self.rows) else None
            return
        pairs = zip(self.tests, self.children, strict=True)
        sides = [(test, child.rule) for test, child in pairs if child.rule is not None]
        if len(sides) < 2:
            self.rule = both(*sides[0]) if sides else None
            return
        # What is said of the other side need not exclude a side that is all in the segment.
        (test, rule), (other_test, other_rule) = sorted(sides, key=lambda side: not side[1].everyone)
        if other_rule.everyone:
            self.rule = Rule()
        else:
            rest = other_rule if rule.everyone else both(other_test, other_rule)
            self.rule = either(both(test, rule), rest)

    @property
    def conditions(self) -> int:
        """The number of comparisons in the rule."""
        return self.rule.conditions if self.rule else 0


def grow(table: Table, rows: np.ndarray, inside: np.ndarray, leaves: int, random_state: int) -> Node:
    """Grow a tree that tells the customers of a segment from the others among some rows."""
    root = Node(rows, int(inside[rows].sum()))
    ranks = {name: column[rows] for name, column in table.ranks.items()}
    orders: dict[str, np.ndarray] = {}
    for name, codes in table.codes.items():
        orders[name] = _order(codes[rows], inside[rows], len(table.levels[name]))
        ranks[name] = np.argsort(orders[name])[codes[rows]].astype("float32")
    if ranks and 0 < root.inside < len(rows):
        names = list(ranks)
        tree = (
            DecisionTreeClassifier(
                max_leaf_nodes=leaves, min_samples_leaf=1 + len(rows) // 1000, random_state=random_state
            )
            .fit(np.column_stack(list(ranks.values())), inside[rows])
            .tree_
        )
        stack = [(root, 0, np.arange(len(rows)))]
        while stack:
            node, at, here = stack.pop()
            if tree.children_left[at] < 0:
                continue
            name, cut = names[tree.feature[at]], float(tree.threshold[at])
            values = ranks[name][here]
            gone = np.isnan(values)
            left = np.where(gone, bool(tree.missing_go_to_left[at]), values <= cut)
            missing = (bool((gone & left).any()), bool((gone & ~left).any()))
            if name in orders:
                node.tests = _word_tests(name, [table.levels[name][i] for i in orders[name]], cut)
            else:
                tests = _number_tests(name, table.values[name], values, left, missing)
                node.tests = tuple(test._replace(flag=name in table.flags) for test in tests)
            sides = (here[left], here[~left])
            node.children = tuple(
                Node(rows[side], int(inside[rows[side]].sum()), parent=node) for side in sides
            )
            below = (int(tree.children_left[at]), int(tree.children_right[at]))
            stack += zip(node.children, below, sides, strict=True)
    return root


def _order(codes: np.ndarray, inside: np.ndarray, n_levels: int) -> np.ndarray:
    """Return the levels in the order of their share in the segment, after which the best set is a cut.

    See Breiman et al. (1984), Classification and Regression Trees, section 4.2.
    """
    customers = np.bincount(codes, minlength=n_levels)
    found = np.bincount(codes, weights=inside, minlength=n_levels)
    return np.argsort((found + inside.mean()) / (customers + 1), kind="stable")


def _word_tests(name: str, order: list[str | None], cut: float) -> tuple[Question, Question]:
    """Return who goes to the left and to the right; words not seen so far go where more words go."""
    at = math.floor(cut) + 1
    sides = [set(order[:at]), set(order[at:])]
    listed = frozenset(word for word in order if word not in (None, REST))
    words = [listed & side for side in sides]
    rest = 1 - (len(words[0]) > len(words[1]))
    if REST in order:
        rest = 0 if REST in sides[0] else 1
    left, right = (
        Question(name, None in sides[i], words=words[i], listed=listed, others=rest == i) for i in (0, 1)
    )
    return left, right


def _number_tests(
    name: str, numbers: np.ndarray, ranks: np.ndarray, left: np.ndarray, missing: tuple[bool, bool]
) -> tuple[Question, Question]:
    known = ~np.isnan(ranks)
    lower, upper = ranks[left & known], ranks[~left & known]
    if not len(lower) or not len(upper):  # known and missing ones
        return Question(name, missing[0]), Question(name, missing[1])
    cut = _simplest(float(numbers[int(lower.max())]), float(numbers[int(upper.min())]))
    return Question(name, missing[0], False, cut), Question(name, missing[1], True, cut)


def _simplest(low: float, high: float) -> float:
    """Return a number of few digits from low on and below high."""
    middle = low / 2 + high / 2
    if low <= 0 < high:
        return 0.0
    candidates = (number for digits in DIGITS for number in rounded(middle, digits))
    return next((number for number in candidates if low <= number < high), low)


def rounded(number: float, digits: int) -> list[float]:
    """Return the two numbers of so many digits around a number, the nearer one first.

    Examples
    --------
    >>> rounded(347.5, 2), rounded(3.6, 1)
    ([350.0, 340.0], [4.0, 3.0])
    """
    if number == 0:
        return [0.0]
    power = math.floor(math.log10(abs(number))) - digits + 1
    near = round(number / 10.0**power)
    other = near + (1 if number / 10.0**power > near else -1)
    return [float(f"{n}e{power}") for n in (near, other)]


def shorten(root: Node, most: int, worth: float) -> Rule | None:
    """Return the rule of a tree with no more conditions than `most`, each of which sets some customers right.

    The divisions that are worth least are left out until the rule is short enough; then those come back that fit.
    """
    for node in [*root.walk()][::-1]:
        node.is_open = bool(node.children)
        node.write()
        node.is_open = node.rule is not None and not node.rule.everyone
    while True:
        ends = [n for n in root.walk() if n.is_open and not any(child.is_open for child in n.children)]
        least = min(ends, key=lambda node: node.gain, default=None)
        if least is None or (root.conditions <= most and least.gain >= worth):
            break
        least.turn(is_open=False)
    tried: set[int] = set()
    while True:
        ends = [
            node
            for node in root.walk()
            if not node.is_open
            and node.gain >= worth
            and (node.parent is None or node.parent.is_open)
            and id(node) not in tried
        ]
        if not ends:
            return root.rule
        node = max(ends, key=lambda node: node.gain)
        tried.add(id(node))
        node.turn(is_open=True)
        if root.conditions > most:
            node.turn(is_open=False)
