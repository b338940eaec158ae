"""Say in words what a segment is by one feature."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.words import MISSING, OTHER
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import SHARE_OF_CUSTOMERS, is_share
from segkit.explain.name_words import (
    ABBREVIATED,
    ALSO_CALLED,
    CATEGORIES,
    COUNTED,
    MEASURES,
    NO,
    ONE_TIME,
    SINGLE_ORDER,
    UNSAID,
    WORDS,
    YES,
    Words,
)

LETTERS = 24  # of a word from the data
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times", 7: "seven times"}
FEW = 0.2  # of the customers at most, who have any of what a name says is missing
MOST, CLEARLY = 0.5, 1.25  # least share of a word in a name, and how many times that of the others
OTHER_WORDS = 0.9  # weight of features without words of their own
_ALIASES = {alias: name for name, aliases in ALSO_CALLED.items() for alias in aliases.split()}
_UNITS = {feature.name: feature.unit for feature in FAMILIES} | {"birth_year": "year"}


@dataclass(frozen=True)
class Trait:
    """What a segment is by one feature.

    Attributes
    ----------
    column, feature, theme : str
        The prepared column, the feature that it comes from, and what it is about.
    strength : float
        The effect, weighed and bounded; 0 where it is not clear enough for a name.
    adjective, noun, very : str
        "lapsed", "lapsed customers", "long-lapsed customers"; empty where there is no such word.
    lead, what : str
        "mostly" and "Lisbon", where there is no noun, or no adjective.
    says : str
        The clause of a sentence, after "They"; or after "of them", with a share before it.
    """

    column: str
    feature: str
    theme: str
    strength: float
    adjective: str = ""
    noun: str = ""
    lead: str = ""
    what: str = ""
    very: str = ""
    says: str = ""

    @property
    def named(self) -> bool:
        return bool(self.strength and (self.noun or self.lead))


class Speaker:
    """Turn rows of a profile into traits."""

    def __init__(self, result: Segmentation):
        self._customers = result.customers
        self._words = {
            name: column.dropna().unique()
            for name, column in result.customers.items()
            if not pd.api.types.is_numeric_dtype(column.dtype)
        }

    def trait(self, row: Any, effect: float, others: float, strength: float) -> Trait | None:
        """Return what a segment is by a row of :func:`segkit.profile`; None where the figures do not tell it apart.

        Parameters
        ----------
        row : named tuple
            `feature`, `column`, `level`, `inside`, `unit`, `of_those`.
        effect, others : float
            Against whom: all other customers, or some other segments.
        strength : float
            Of the effect; 0 where it is not clear.
        """
        if not effect * (row.inside - others) > 0:  # also where one is missing, or mean and median disagree
            return None
        if row.level == MISSING:
            return self._missing(row, others, strength)
        if " with " in row.unit:  # a number of two values
            return self._of_two(row, effect, others, strength)
        if row.level:
            return self._word(row, others, strength)
        return self._number(row, effect, others, strength)

    def _of_two(self, row: Any, effect: float, others: float, strength: float) -> Trait | None:
        """Speak of a number of two values: by the more frequent one where it has words, else by a word for each."""
        values = self._customers[row.column]
        low, high = float(values.min()), float(values.max())
        if key_of(row.column) in WORDS:
            if (row.inside > MOST) == (others > MOST):
                return None
            here, there = (high, low) if row.inside > MOST else (low, high)
            return self._number(row._replace(inside=here, unit=""), effect, there, strength)
        self._words[row.column] = np.array([f"{low:g}", f"{high:g}"], dtype=object)
        return self._word(row._replace(level=f"{high:g}"), others, strength)

    def _missing(self, row: Any, others: float, strength: float) -> Trait | None:
        if row.inside < MOST or row.inside <= others:
            return None
        if row.column in SINGLE_ORDER:
            says = of_them(row.inside, others, "have ordered only once")
            return Trait(
                row.feature, row.column, "frequency", strength, ONE_TIME.adjective, ONE_TIME.noun, says=says
            )
        if key_of(row.column) in WORDS:
            return None  # how features of ours come to be missing is hard to say in plain words
        plain = readable(row.column)
        says = of_them(row.inside, others, f"have no known {plain}")
        return Trait(
            row.feature,
            row.column,
            row.column,
            strength * OTHER_WORDS**2,
            lead="unknown",
            what=plain,
            says=says,
        )

    def _word(self, row: Any, others: float, strength: float) -> Trait | None:
        inside, word, words = row.inside, str(row.level), [str(w) for w in self._words.get(row.column, ())]
        if len(words) == 2 and inside < others:
            word = words[int(words[0] == word)]
            inside, others = 1 - inside, 1 - others
        if inside <= others:
            return None
        plain, shown = readable(row.column), of_data(word)
        answer = word.strip().casefold()
        if answer in YES | NO or not any(c.isalpha() for c in shown):
            shown = f"{plain} {shown}"
        if len(words) == 2 and {w.strip().casefold() for w in words} <= YES | NO:
            lead, shown, said = (
                ("yes to" if answer in YES else "no to"),
                plain,
                f"have {word.strip()} for {plain}",
            )
        else:
            lead, said = "mostly", f"have {plain} {of_data(word)}"
        if row.column in CATEGORIES:
            said = CATEGORIES[row.column][-1].format(shown)
        says = of_them(inside, others, said)
        made = Trait(row.feature, row.column, row.column, strength * OTHER_WORDS, says=says)
        if word in (OTHER, MISSING) or inside < max(MOST, CLEARLY * others):
            return made
        if row.column not in CATEGORIES:
            return replace(made, lead=lead, what=shown)
        theme, adjective, noun = (text.format(shown) for text in CATEGORIES[row.column][:3])
        return replace(made, theme=theme, adjective=adjective, noun=noun, lead=lead, what=shown)

    def _number(self, row: Any, effect: float, others: float, strength: float) -> Trait:
        words, share = WORDS.get(key_of(row.column)), is_share(row.unit)
        made = Trait(row.feature, row.column, words.theme if words else row.column, strength)
        made = replace(made, says=says_number(row, words, others))
        if words is None:
            lead = plain_end(row, effect > 0)
            return replace(made, strength=strength * OTHER_WORDS, lead=lead, what=readable(row.column))
        ends = words.high if effect > 0 else words.low
        typical = row.inside if not share or row.unit == SHARE_OF_CUSTOMERS else usual_value(row)
        end = next((e for e in ends if e.at_least <= typical <= e.at_most), None)
        made = replace(made, strength=strength * words.weight)
        return replace(made, adjective=end.adjective, noun=end.noun, very=end.very) if end else made


def usual_value(row: Any) -> float:
    """Return the median of a segment where the profile says a share: of those beyond a value, or the value itself."""
    value = float(row.unit.rsplit(" ", 1)[-1].replace(",", ""))
    return row.of_those if row.inside > 0.5 and not np.isnan(row.of_those) else value


def says_number(row: Any, words: Words | None, others: float) -> str:
    """Return the clause about a number, with the others beside it."""
    days = "".join(re.findall(r"_(\d+)d$", row.column))
    unit = _UNITS.get(key_of(row.column), "") if is_share(row.unit) or not row.unit else row.unit
    plain = readable(row.column)
    if row.unit == SHARE_OF_CUSTOMERS:  # 0 or 1
        yes = f"say yes to {plain}" if not words else words.says.format(in_units(1, unit), days=days)
        return of_them(row.inside, others, yes)
    if is_share(row.unit):
        beyond = row.unit.removeprefix(SHARE_OF_CUSTOMERS).strip()
        if beyond.startswith("with "):  # one of two numbers
            value = beyond.removeprefix("with ")
            one = in_units(float(value.replace(",", "")), unit)
            said = words.says.format(one, days=days) if words else f"have {plain} {value}"
            return of_them(row.inside, others, said)
        if beyond == "above 0" and words:
            return of_them(row.inside, others, words.says.format(anything(unit), days=days))
        said = f"have any {plain}" if beyond == "above 0" else f"have {plain} {beyond}"
        return of_them(row.inside, others, said)
    if row.unit.startswith("rank"):
        return f"have {plain} {row.inside:.0f} on a scale {row.unit.removeprefix('rank, ')} (the others: {others:.0f})"
    template = words.says if words else their_usual(row.column, plain)
    inside = row.inside
    if words and words.below and inside < 0:
        return words.below.format(in_units(-inside, unit), days=days)
    here, there = in_units(inside, unit), in_units(others, unit)
    return template.format(here, days=days) + beside(inside, others, there, unit) if here != there else ""


def their_usual(feature: str, plain: str) -> str:
    """Return what is said of a number without words of its own."""
    plain = plain.replace("{", "{{").replace("}", "}}")
    return f"their usual {'number of ' if parts_of(feature) & COUNTED else ''}{plain} is {{}}"


def beside(inside: float, others: float, there: str, unit: str) -> str:
    """Return the others beside a number.

    Examples
    --------
    >>> beside(60, 20, "20", "currency"), beside(10, 20, "20", "currency")
    (' (three times the others)', ' (the others: 20)')
    """
    if unit not in ("days", "share") and inside > 0 and others > 0:
        nearest = round(inside / others)
        if nearest in TIMES and abs(inside / others / nearest - 1) <= 0.08:
            return f" ({TIMES[nearest]} the others)"
    return f" (the others: {there})"


def of_them(inside: float, others: float, said: str) -> str:
    """Return a clause about a share of the customers; empty where it is the same elsewhere."""
    here, there = _share(inside), _share(others)
    return f"{here} of them {said} (the others: {there})" if here != there else ""


def _share(share: float) -> str:
    if share in (0.0, 1.0):
        return "all" if share else "none"
    return {"0%": "hardly any", "100%": "nearly all"}.get(f"{share:.0%}", f"{share:.0%}")


def anything(unit: str) -> str:
    """Return what takes the place of a number that is above 0: "any orders"."""
    return {"share": "any", "currency": "anything"}.get(unit, f"any {unit}".strip())


def plain_end(row: Any, high: bool) -> str:
    """Return what stands before a feature without words of its own: "high" credit score, "big on" wines."""
    last = (_split(row.column) or [""])[-1].casefold()
    if row.unit == SHARE_OF_CUSTOMERS:  # 0 or 1
        ends = ("no to", "yes to")
    elif row.unit.endswith(" above 0") and (row.inside >= MOST if high else row.inside <= FEW):
        ends = ("without", "with")
    elif parts_of(row.column) & COUNTED:
        ends = ("few", "many")
    else:
        ends = ("low", "high") if last in MEASURES else ("light on", "big on")
    return ends[int(high)]


def unit_of(feature: str, unit: str) -> str:
    """Return the unit of a feature: the given one, or that of segkit's own feature."""
    return unit or _UNITS.get(key_of(feature), "")


def key_of(feature: str) -> str:
    """Return the name under which the words of a feature are kept: "spend_60d" is spoken of as "spend_30d"."""
    key = re.sub(r"_\d+d$", "_30d", "_".join(_split(feature)).casefold())
    return _ALIASES.get(key, key)


def parts_of(feature: str) -> set[str]:
    """Return the words of a feature's name."""
    return {part.casefold() for part in _split(feature)}


def _split(feature: str) -> list[str]:
    """Return the words of a feature's name: of NumDealsPurchases, num_deals, "Num deals"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", feature[:200])
    plain = re.sub(r"\([^()]*\)|\[[^][]*\]", " ", spaced)  # Annual income (k$), Score [1-100]
    return [word for word in re.split(r"[\W_]+", plain) if word] or [
        w for w in re.split(r"[\W_]+", spaced) if w
    ]


def readable(feature: str) -> str:
    """Return the name of a feature as it is read aloud.

    Examples
    --------
    >>> readable("MntWines"), readable("NumDealsPurchases"), readable("credit_score"), readable("NPS")
    ('wines', 'deals purchases', 'credit score', 'NPS')
    """
    parts = _split(feature)
    shouted = feature.isupper() and len(parts) > 1  # CASH_ADVANCE, unlike NPS
    words = [w if w.isupper() and len(w) <= 4 and not shouted else w.casefold() for w in parts]
    told = [w for w in words if w not in ABBREVIATED | COUNTED] or words
    return of_data(" ".join(told) or feature)


def of_data(word: str) -> str:
    """Return a word from the data as it can stand in a name: on one line, visible, not shouted, not too long."""
    word = word[: 4 * LETTERS]
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in word)
    text = " ".join(kept.split())
    if text.isupper() and len(text) > 4:
        text = text[:1] + text[1:].lower()
    if len(text) <= LETTERS:
        return text
    return (
        text[:LETTERS].rpartition(" ")[0] or text[: LETTERS - 1]
    ) + "…"  # between words where there are some


def in_units(value: float, unit: str) -> str:
    """Return a number with its unit as people say it.

    Examples
    --------
    >>> in_units(1234.5, "currency"), in_units(0.64, "share"), in_units(1, "orders"), in_units(2.345, "days")
    ('1,230', '64%', '1 order', '2.3 days')
    """
    if unit == "share":
        return f"{value:.0%}"
    if unit == "year":
        return f"{value:.0f}"
    text = spoken(value)
    if unit.startswith("currency "):
        return f"{text} {unit.removeprefix('currency ').replace('per item', 'an item').replace('per week', '')}".strip()
    if unit in UNSAID:
        return text
    one = text == "1" and unit.endswith("s")
    return f"{text} {re.sub('ies$', 'y', unit) if one and unit.endswith('ies') else unit[:-1] if one else unit}".strip()


def spoken(value: float) -> str:
    """Return a number as people say it: three digits at most."""
    if value < 0:
        return f"−{spoken(-value)}"
    size = abs(value)
    if size >= 1000:
        digits = int(np.floor(np.log10(size))) - 2
        return f"{round(value / 10**digits) * 10**digits:,.0f}"
    if size >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if size >= 1 else f"{value:.2g}"
