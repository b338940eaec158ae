"""Gather what the report says."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from segkit.collect.events import Events
from segkit.core.disclosure import hidden_in_words, is_few
from segkit.core.messages import joined
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.explain.names import suggest_names
from segkit.explain.profile import profile
from segkit.privacy.data_sheet import DataSheet, data_sheet
from segkit.show.report.cards import cards_of
from segkit.show.report.facts import Facts
from segkit.show.report.looks import liked_products, look_at
from segkit.show.report.proof import prove
from segkit.show.report.sentences import sentences_on
from segkit.tailor.plays.segment_worth import Worth

SUGGESTED = (
    "A name with a star is suggested, from what sets the segment apart. Give names of your own by "
    "result.with_names()."
)

UNCOUNTED = "The size of {} is not shown, since those of the hidden would follow from it."


def gather(
    result: Segmentation,
    *,
    title: str,
    events: Events | None,
    scan: pd.DataFrame | None,
    value: pd.Series | None,
    forecast: Mapping[int, Worth],
    value_name: str,
    playbook: pd.DataFrame | None,
    products: Mapping[str, str] | None,
    minimum: int,
    show_ids: bool,
    sheet: DataSheet | None,
) -> Facts:
    """Gather what the report of a segmentation says; the arguments are those of :func:`segkit.report`."""
    sizes = result.labels.value_counts()
    shown = [s for s in result.segments if not is_few(sizes[s], minimum)]
    given, suggestions = set(result.names), None
    if shown and result.labels.nunique() > 1:
        suggestions = suggest_names(result, minimum=minimum)
        result = result.with_names({**suggestions["name"].to_dict(), **result.names})
    if result.embedding is None:
        result = result.with_embedding(project(result))
    table = None
    if suggestions is not None:
        table = profile(result, minimum=minimum)
        table = table[table["segment_id"].isin(shown)]
    liked = liked_products(result, events, shown, minimum, products)
    cards = cards_of(
        result,
        shown,
        suggestions,
        given,
        value=value,
        forecast=forecast,
        liked=liked,
        playbook=playbook,
        minimum=minimum,
    )
    notes = []
    small = [result.name_of(s) for s in result.segments if s not in shown]
    notes += [hidden_in_words(small, minimum)] if small else []
    uncounted = [card.name for card in cards if not card.size]
    notes += [UNCOUNTED.format(joined(uncounted))] if uncounted else []
    if any(card.suggested for card in cards):
        notes.append(SUGGESTED)
    said_elsewhere = {"units", "meanings", "features", "kind"}
    facts = {k: v for k, v in result.provenance.items() if k not in said_elsewhere}
    return Facts(
        title,
        sentences_on(result, events),
        notes,
        cards,
        look_at(result, events, shown, table, liked, minimum),
        prove(result, scan, shown, table, show_ids=show_ids, minimum=minimum),
        json.dumps(facts, indent=2, ensure_ascii=False),
        sheet if sheet is not None else data_sheet(result, minimum=minimum),
        value_name,
    )
