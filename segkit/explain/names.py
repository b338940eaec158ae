"""Suggest names for segments: who they are in marketers' words, never claiming more than the effect sizes do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, is_few, without_contacts
from segkit.core.messages import joined
from segkit.create.segmentation import Segmentation
from segkit.explain.name_words import FEW, PAIRS, THEMES, TYPICAL
from segkit.explain.name_writer import Told, Writer, written_names
from segkit.explain.profile import compared, profiled
from segkit.explain.traits import Speaker, Trait
from segkit.methods.partition import checked_result

CLEAR = 0.5  # least effect that a name rests on, in standard deviations
SURE = 0.2  # and what must be left of it after two standard errors
LARGE = 1.0  # effect at which a segment of too few customers to be sure is not called typical
SECOND = 0.4  # least strength of a second trait, as a share of the first
SAID = 3  # traits in a sentence
SUGGESTED = " (suggested)"
WORDS_OF_NAME = 5
AGAINST = {"big on": "more", "light on": "less"}  # where two features are named
ROUNDS = 3  # of setting apart segments that share a name

KEY = ["segment_id", "feature"]
TOO_FEW = "They are fewer than {:,} customers, of whom nothing is said."


def suggest_names(
    result: Segmentation, *, writer: Writer | None = None, minimum: int = MINIMUM
) -> pd.DataFrame:
    """Suggest a name and a sentence for each segment, from what sets it apart.

    Parameters
    ----------
    result : Segmentation
    writer : callable, optional
        Called for each segment with a summary, such as to ask a language model: a dict with `customers`, `share`,
        `features` (`feature`, `meaning`, `unit`, `here`, `others`, `times`), the suggested `name` and `sentence`. It
        returns a name and a sentence. The summary holds aggregates only, and none of fewer than 10 customers.
    minimum : int, default=10
        Segments of fewer customers are called "Small group", and nothing that fewer have, or lack, is said. 1 says all.

    Returns
    -------
    DataFrame of shape (n_segments, 4)
        Indexed by `segment_id`: `segment`, the present name; `name` and `sentence`, the suggestion; `features`, a list
        of those that the name rests on, the strongest first. ``.attrs["segkit"]["refused"]`` says why an answer of the
        writer was not taken.

    Warns
    -----
    UserWarning
        If an answer of the writer is refused: too long, with HTML or invisible characters, a name that another segment
        has, a superlative, or a number that the summary does not hold. The built-in name is kept.

    Notes
    -----
    A name rests on effects of at least half a standard deviation; a segment without one is called "Typical customers",
    and one that may differ much, but has too few customers to be sure, "Small group".
    Customers outside (−1) are not named.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame(
    ...     {"recency": [200, 210, 190, 200, 5, 6, 4], "monetary": [900, 950, 870, 900, 90, 95, 87]},
    ...     index=list("abcdefg"),
    ... )
    >>> result = sg.segment(customers, n_segments=2)
    >>> names = sg.suggest_names(result, minimum=1)
    >>> names["name"].to_list()
    ['Lapsing big spenders', 'Active small spenders']
    >>> names["sentence"][0]
    'They last bought 200 days ago (the others: 5 days) and have spent 900 (the others: 90).'
    >>> result = result.with_names(names["name"])
    """
    checked_result(result)
    check_minimum(minimum)
    columns = ["segment", "name", "sentence", "features"]
    if not result.segments:
        table = pd.DataFrame(columns=columns, index=pd.Index([], name="segment_id", dtype="int64"))
        table.attrs["segkit"] = {"badge": result.badge, "refused": {}}
        return table
    told = _suggestions(result, minimum)
    names = _unique({s: name for s, (name, _, _) in told.items()}, result)
    told = {s: (names[s], sentence, features) for s, (_, sentence, features) in told.items()}
    if minimum > 1:
        told = {
            s: (without_contacts(name), without_contacts(sentence), [without_contacts(f) for f in features])
            for s, (name, sentence, features) in told.items()
        }
    refused: dict[int, str] = {}
    if writer is not None:
        told, refused = written_names(result, told, writer)
    table = pd.DataFrame(
        [(result.name_of(s), *told[s]) for s in result.segments],
        columns=columns,
        index=pd.Index(result.segments, name="segment_id"),
    )
    table.attrs["segkit"] = {"badge": result.badge, "refused": refused}
    return table


def shown_names(result: Segmentation) -> dict[int, str]:
    """Return the name by which each segment is shown: the given one, or the suggested one marked "(suggested)"."""
    if "_shown" not in vars(result):
        segments = result.segments
        suggested = (
            {} if all(s in result.names for s in segments) else suggest_names(result)["name"].to_dict()
        )
        vars(result)["_shown"] = {s: result.names.get(s) or suggested[s] + SUGGESTED for s in segments}
    return dict(vars(result)["_shown"])


def with_shown_names(result: Segmentation) -> Segmentation:
    """Return the segments under the names by which they are shown."""
    return result.with_names(shown_names(result))


def _suggestions(result: Segmentation, minimum: int) -> dict[int, Told]:
    """Return the name, the sentence and the features of each segment, computed once, whatever names are given."""
    if result.labels.nunique() < 2:
        return {
            s: ("All customers", "There are no others to compare them with.", []) for s in result.segments
        }
    kept = vars(result).setdefault("_told", {})
    if minimum not in kept:
        rows = profiled(result)
        if minimum > 1:  # named by its effects as they are, told in numbers that may be said
            may = compared(result, minimum=minimum).dropna(subset="inside")
            rows = may.drop(columns="effect").merge(rows[[*KEY, "effect"]], on=KEY)
            order = rows["effect"].abs().sort_values(ascending=False, kind="stable").index
            rows = rows.loc[order].sort_values("segment_id", kind="stable", ignore_index=True)
        sizes = result.labels.value_counts()
        few: dict[int, Told] = {
            s: (FEW, TOO_FEW.format(minimum), []) for s in result.segments if is_few(sizes[s], minimum)
        }
        kept[minimum] = _told(result, rows) | few
    return kept[minimum]


def _told(result: Segmentation, rows: pd.DataFrame) -> dict[int, Told]:
    """Return the name, the sentence and the features of each segment."""
    counts = {int(s): int(n) for s, n in result.labels.value_counts().items()}
    speaker = Speaker(result)
    traits: dict[int, list[Trait]] = {s: [] for s in result.segments}
    unsure: dict[int, bool] = dict.fromkeys(result.segments, False)
    for row in rows.itertuples(index=False):
        strength = _strength(row.effect, counts[row.segment_id], len(result.labels) - counts[row.segment_id])
        trait = speaker.trait(row, row.effect, row.others, strength)
        if trait is not None:
            traits[row.segment_id].append(trait)
        unsure[row.segment_id] |= abs(row.effect) >= LARGE and not strength
    for found in traits.values():
        found.sort(key=lambda trait: -trait.strength)
    chosen = {s: _chosen(found) for s, found in traits.items()}
    for _ in range(ROUNDS):
        for alike in _alike({s: _name(picked) for s, picked in chosen.items()}):
            chosen |= _set_apart(alike, chosen, traits, rows, counts, speaker)
    return {
        s: (
            FEW if unsure[s] and not chosen[s] else _name(chosen[s]),
            _sentence(chosen[s], traits[s], unsure[s]),
            _features(chosen[s]),
        )
        for s in traits
    }


def _strength(effect: float, n: int, m: int) -> float:
    """Return how strongly an effect counts: 0 unless it is clear, and ever less above one standard deviation."""
    size = abs(effect)
    error = np.sqrt(1 / n + 1 / m + size**2 / (2 * (n + m)))
    return size / (1 + size / 5) if size >= CLEAR and size - 2 * error >= SURE else 0.0


def _set_apart(
    alike: list[int],
    chosen: dict[int, list[Trait]],
    said: dict[int, list[Trait]],
    rows: pd.DataFrame,
    counts: dict[int, int],
    speaker: Speaker,
) -> dict[int, list[Trait]]:
    """Return the traits of segments that share a name, with one more by which they differ from each other."""
    among = rows[rows["segment_id"].isin(alike)]
    effects = among.pivot_table(index="segment_id", columns="feature", values="effect").reindex(alike)
    medians = among.pivot_table(index="segment_id", columns="feature", values="inside").reindex(alike)
    found: dict[int, list[Trait]] = {}
    for segment in alike:
        rest = [s for s in alike if s != segment]
        apart = effects.loc[segment] - effects.loc[rest].mean()
        elsewhere = medians.loc[rest].mean()
        n, m = counts[segment], sum(counts[s] for s in rest)
        true = {trait.column for trait in said[segment] if trait.says}  # also against all other customers
        traits = [
            speaker.trait(
                row, apart[row.feature], elsewhere[row.feature], _strength(apart[row.feature], n, m)
            )
            for row in among[among["segment_id"] == segment].itertuples(index=False)
            if row.feature in true and row.effect * np.sign(apart[row.feature]) >= SURE
        ]
        found[segment] = _with_one_more(chosen[segment], [t for t in traits if t is not None and t.named])
    return found


def _with_one_more(chosen: list[Trait], more: list[Trait]) -> list[Trait]:
    """Return the traits of a name with the strongest new one: of another theme, or even farther out."""
    used = {trait.theme: trait for trait in chosen}
    for trait in sorted(more, key=lambda trait: -trait.strength):
        same = used.get(trait.theme)
        if same is None:
            return _short([*chosen, trait], [*chosen[:1], trait], [trait]) if len(chosen) < 3 else chosen
        if trait.very and trait.noun == same.noun:
            return [replace(t, noun=t.very, adjective="") if t is same else t for t in chosen]
    return chosen


def _features(traits: Sequence[Trait]) -> list[str]:
    return list(dict.fromkeys(trait.feature for trait in traits))


def _alike(names: dict[int, str]) -> list[list[int]]:
    """Return the segments that share a name, together."""
    groups: dict[str, list[int]] = {}
    for segment, name in names.items():
        groups.setdefault(name, []).append(segment)
    return [group for group in groups.values() if len(group) > 1]


def _unique(names: dict[int, str], result: Segmentation) -> dict[int, str]:
    """Number the names that are still shared, or that another segment was given; the largest segment has none."""
    counts = result.labels.value_counts()
    unique: dict[int, str] = {}
    for segment in sorted(names, key=lambda s: (-counts[s], s)):
        taken = {*unique.values(), *(name for s, name in result.names.items() if s != segment)}
        spare = TYPICAL if names[segment] == TYPICAL[0] else [names[segment]]
        numbered = (f"{names[segment]} {number}" for number in itertools.count(2))
        unique[segment] = next(name for name in itertools.chain(spare, numbered) if name not in taken)
    return unique


def _chosen(traits: Sequence[Trait]) -> list[Trait]:
    """Return the one or two traits that a name is made of, of different themes."""
    named = [trait for trait in traits if trait.named]
    if not named:
        return []
    first = named[0]
    others = [t for t in named if t.theme != first.theme and t.strength >= SECOND * first.strength]
    return _short([first, *others[:1]], [first])


def _rank(trait: Trait) -> int:
    """Return which of two traits gives the noun: the one of the lower rank."""
    return THEMES.index(trait.theme) if trait.theme in THEMES else len(THEMES)


def _name(traits: Sequence[Trait]) -> str:
    """Return a name made of up to three traits."""
    if not traits:
        return TYPICAL[0]
    return _capital(_of_nouns(traits) if any(trait.noun for trait in traits) else _of_leads(traits))


def _short(*candidates: list[Trait]) -> list[Trait]:
    """Return the first of several choices whose name is short enough, else the last."""
    short = (traits for traits in candidates if len(_name(traits).split()) <= WORDS_OF_NAME)
    return next(short, candidates[-1])


def _of_nouns(traits: Sequence[Trait]) -> str:
    """Join adjectives before one noun, and what has none after it: "lapsed bargain hunters, mostly Lisbon"."""
    words = sorted((trait for trait in traits if trait.noun), key=_rank)
    for one, other in itertools.permutations(words, 2):
        pair = PAIRS.get((one.adjective, other.adjective))
        if pair and len(traits) == 2:
            return pair
    adjectives = [trait.adjective for trait in reversed(words[1:]) if trait.adjective]
    rest = [t for t in traits if t.lead and (not t.noun or (t in words[1:] and not t.adjective))]
    return ", ".join([" ".join([*adjectives, words[0].noun]), *([_of_leads(rest)] if rest else [])])


def _of_leads(traits: Sequence[Trait]) -> str:
    """Join what has no noun: "more grocery and milk, less fresh"."""
    if len(traits) == 1:
        trait = traits[0]
        return f"{'customers ' if trait.lead.startswith('with') else ''}{trait.lead} {trait.what}"
    leads: dict[str, list[str]] = {}
    for trait in traits:
        leads.setdefault(AGAINST.get(trait.lead, trait.lead), []).append(trait.what)
    first = [lead for lead in AGAINST.values() if lead in leads]
    text = ", ".join(f"{lead} {_joined(leads[lead])}" for lead in dict.fromkeys([*first, *leads]))
    return f"customers {text}" if text.startswith("with") else text


def _joined(things: Sequence[str]) -> str:
    """Join by "and", a last word that all share said once: "store and web purchases"."""
    parts = [thing.split() for thing in things]
    if len(parts) > 1 and min(map(len, parts)) > 1 and len({part[-1] for part in parts}) == 1:
        things = [*(" ".join(part[:-1]) for part in parts[:-1]), things[-1]]
    return joined(things)


def _of_they(clause: str) -> bool:
    """Whether the subject of a clause is "they", left out."""
    return " of them " not in clause and not clause.startswith("their ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(chosen: Sequence[Trait], traits: Sequence[Trait], unsure: bool) -> str:
    """Return one sentence with numbers: first what the name rests on; `unsure` where there are too few customers."""
    by_column = {trait.column: trait for trait in traits}
    named = [by_column.get(trait.column, trait) for trait in chosen]
    clear = [t for t in traits if t.strength and t.theme not in {n.theme for n in named}]
    pool = [*named, *clear] if chosen else list(traits)
    said: dict[str, Trait] = {}
    for trait in pool:
        if trait.says and len(said) < (SAID if chosen else 2):
            said.setdefault(trait.theme, trait)
    clauses = sorted((trait.says for trait in said.values()), key=lambda text: not _of_they(text))
    if not clauses:
        return "Nothing sets them clearly apart from the others."
    lead = "they " if _of_they(clauses[0]) else ""
    text = lead + (", ".join(clauses[:-1]) + " and " if len(clauses) > 1 else "") + clauses[-1]
    if chosen:
        return f"{_capital(text)}."
    return f"They are too few to be sure: {text}." if unsure else f"Nothing sets them clearly apart: {text}."
