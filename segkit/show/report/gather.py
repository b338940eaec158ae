"""Gather what the report says."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from segkit.collect.events import Events
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.explain.profile import profile
from segkit.privacy.data_sheet import DataSheet, data_sheet
from segkit.show.report.cards import cards_of, notes_on, shown_segments, suggestions_of, with_suggested
from segkit.show.report.facts import Facts
from segkit.show.report.looks import liked_products, look_at
from segkit.show.report.proof import prove
from segkit.show.report.sentences import sentences_on
from segkit.tailor.plays.segment_worth import Worth

SUGGESTED = (
    "A name with a star is suggested, from what sets the segment apart. Give names of your own by "
    "result.with_names()."
)


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
    shown, suggestions = shown_segments(result, minimum), suggestions_of(result, minimum)
    named = with_suggested(result, suggestions)
    liked = liked_products(named, events, shown, minimum, products)
    cards = cards_of(
        result,
        suggestions,
        value=value,
        forecast=forecast,
        liked=liked,
        playbook=playbook,
        minimum=minimum,
    )
    result = named
    if result.embedding is None:
        result = result.with_embedding(project(result))
    table = None
    if suggestions is not None:
        table = profile(result, minimum=minimum)
        table = table[table["segment_id"].isin(shown)]
    said_elsewhere = {"units", "meanings", "features", "kind"}
    facts = {k: v for k, v in result.provenance.items() if k not in said_elsewhere}
    return Facts(
        title,
        sentences_on(result, events),
        notes_on(result, cards, minimum, SUGGESTED),
        cards,
        look_at(result, events, shown, table, liked, minimum),
        prove(result, scan, shown, table, show_ids=show_ids, minimum=minimum),
        json.dumps(facts, indent=2, ensure_ascii=False),
        sheet if sheet is not None else data_sheet(result, minimum=minimum),
        value_name,
    )
