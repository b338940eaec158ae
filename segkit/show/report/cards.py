"""Make a card for each segment: who they are, how many, what they bring, what they like, what to do."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.rfm import RFM
from segkit.collect.events import Events
from segkit.core.disclosure import hidden_in_words, is_few
from segkit.core.messages import counted, joined, listed
from segkit.create.segmentation import Segmentation
from segkit.explain.names import suggest_names
from segkit.explain.profile import segment_sizes, value_of
from segkit.show.plots.playbook import SAID
from segkit.show.plots.theme import segment_colors
from segkit.show.report.facts import Card
from segkit.tailor.plays.playbook import fact_by_segment
from segkit.tailor.plays.segment_worth import Worth

LIKED = 3  # products on a card
CLEARLY = 1.25  # least ratio of their share to the others' for the card
VALUE = "monetary"
UNCOUNTED = "The size of {} is not shown, since those of the hidden would follow from it."
VERDICTS = {
    "real and repeatable": "A group of its own; found again in other samples of customers.",
    "real, but its edges move": "A group of its own; its edges move from sample to sample.",
    "real, but it does not come back": "Looks like a group of its own, but other samples do not show it again.",
    "repeatable but arbitrary": "Found again in other samples of customers; where it ends is a choice.",
    "arbitrary, and its edges move": "A convenient slice; its edges move from sample to sample.",
    "neither real nor repeatable": "A convenient slice; other samples are cut elsewhere.",
}  # of trust, for people who do not know its words
PLAYED = {"goal": "Goal", **SAID}


def worth_of(result: Segmentation, value: str | pd.Series | None, events: Events | None) -> pd.Series | None:
    """Return what each customer is worth: as given, else `monetary`, else what they paid before `as_of`.

    Returns
    -------
    Series of shape (n_customers,), or None where nothing is known of money

    Raises
    ------
    TypeError, ValueError
        If `value` is no numeric feature and no Series of numbers of these customers.
    """
    customers = result.customers
    if value is not None:
        return value_of(result, value, "value")
    if VALUE in customers.columns and pd.api.types.is_numeric_dtype(customers[VALUE].dtype):
        return customers[VALUE]
    as_of = result.provenance.get("as_of")
    if events is not None and as_of and "amount" in events.columns:
        money = customer_features(events, [f for f in RFM if f.name == VALUE], as_of=as_of)[VALUE]
        return money.reindex(customers.index.astype("str")).set_axis(customers.index)
    return None


def value_title(value: object, forecast: Mapping[int, Worth]) -> str:
    """Return what shares of value are shares of, on the cards."""
    if value is None or (isinstance(value, str) and value == VALUE):
        return "Share of revenue"
    horizon = next((worth.horizon for worth in forecast.values()), "")
    return f"Share of value{f' in {horizon}' if horizon else ''}"


def shown_segments(result: Segmentation, minimum: int) -> list[int]:
    """Return the segments that have a card: those of enough customers."""
    sizes = result.labels.value_counts()
    return [s for s in result.segments if not is_few(sizes[s], minimum)]


def suggestions_of(result: Segmentation, minimum: int) -> pd.DataFrame | None:
    """Return suggested names and sentences; None where there is nobody to compare."""
    if not shown_segments(result, minimum) or result.labels.nunique() < 2:
        return None
    return suggest_names(result, minimum=minimum)


def with_suggested(result: Segmentation, suggestions: pd.DataFrame | None) -> Segmentation:
    """Return the segments under their names, and the suggested ones where they have none."""
    return (
        result
        if suggestions is None
        else result.with_names({**suggestions["name"].to_dict(), **result.names})
    )


def cards_of(
    result: Segmentation,
    suggestions: pd.DataFrame | None,
    *,
    value: pd.Series | None,
    forecast: Mapping[int, Worth],
    liked: pd.DataFrame | None,
    playbook: pd.DataFrame | None,
    minimum: int,
) -> list[Card]:
    """Return a card for each segment that is shown.

    Parameters
    ----------
    result : Segmentation
        With its own names; its trust is on the cards where it was assessed.
    suggestions : DataFrame or None
        From :func:`suggestions_of`.
    value, liked
        From :func:`worth_of` and :func:`segkit.show.report.looks.liked_products`.
    forecast : mapping of int to Worth
        What each segment will bring, where that is known.
    """
    given, result = set(result.names), with_suggested(result, suggestions)
    plays, tags = plays_of(result, playbook), tags_of(result, playbook)
    shown = shown_segments(result, minimum)
    names = [result.name_of(s) for s in result.segments]
    colors = dict(zip(result.segments, segment_colors(names), strict=True))
    verdicts = {} if result.assessment is None else result.assessment.segments["verdict"]
    sizes = segment_sizes(result, value, minimum=minimum).loc[shown]
    if forecast:
        totals = pd.Series({s: forecast[s].total for s in result.segments if s in forecast})
        # Above 0 in each, so that parts of a sum are shares of it.
        shares = totals / totals.sum() if (totals > 0).all() else totals * np.nan
        sizes["value_share"] = shares.where(sizes["customers"].notna())
    cards = []
    for s in shown:
        row = sizes.loc[s]
        card = Card(
            row["segment"],
            colors[s],
            "" if pd.isna(row["customers"]) else counted(int(row["customers"]), "customer"),
            float(row["share"]),
        )
        if suggestions is not None:
            card.suggested = s not in given
            card.sentence = str(suggestions.loc[s, "sentence"])
        if pd.notna(row.get("value_share")):
            card.value_share = float(row["value_share"])
        card.likes = _likes(liked, s)
        if s in forecast and forecast[s].known:
            # The sum and the share of a customer would tell how many customers there are.
            card.value = forecast[s].together() if card.size else forecast[s].per_customer()
        card.play, card.tags = plays.get(s, {}), tags.get(s, {})
        card.verdict = VERDICTS.get(str(verdicts.get(s, "")), str(verdicts.get(s, "")))
        cards.append(card)
    return cards


def _likes(liked: pd.DataFrame | None, segment: int) -> list[str]:
    if liked is None:
        return []
    rows = liked[(liked["segment_id"] == segment) & (liked["ratio"] >= CLEARLY)].head(LIKED)
    return [
        f"{row['named']} ({row['share']:.0%} buy it, of others {row['elsewhere']:.0%})"
        for _, row in rows.iterrows()
    ]


def notes_on(result: Segmentation, cards: list[Card], minimum: int, suggested: str) -> list[str]:
    """Return what is said below the cards: of hidden segments and sizes, and of suggested names."""
    shown = shown_segments(result, minimum)
    small = [result.name_of(s) for s in result.segments if s not in shown]
    notes = [hidden_in_words(small, minimum)] if small else []
    uncounted = [card.name for card in cards if not card.size]
    notes += [UNCOUNTED.format(joined(uncounted))] if uncounted else []
    return notes + [suggested] * any(card.suggested for card in cards)


def plays_of(result: Segmentation, playbook: pd.DataFrame | None) -> dict[int, dict[str, str]]:
    """Return the row of a playbook for each segment, by id or name, in the words of the cards.

    Raises
    ------
    ValueError
        If the playbook says nothing to do, or speaks of what is no segment, or of a segment twice.
    """
    if playbook is None:
        return {}
    said = [c for c in PLAYED if c in playbook]
    if not said:
        raise ValueError(
            f"playbook has the columns {listed(list(map(str, playbook.columns))) or 'none'}. It should have `segment`, "
            f"and any of {joined(list(PLAYED))}."
        )
    ids = _ids(result)
    plays: dict[int, dict[str, str]] = {}
    for segment, row in _rows(playbook):
        if segment not in ids or ids[segment] in plays:
            wrong = "twice" if segment in ids else "and there is no such segment"
            names = listed([f"{result.name_of(s)!r} ({s})" for s in result.segments])
            raise ValueError(f"playbook speaks of {segment!r}, {wrong}. The segments are {names}.")
        plays[ids[segment]] = {
            PLAYED[c]: str(row[c])
            for c in said
            if pd.api.types.is_scalar(row[c]) and pd.notna(row[c]) and str(row[c])
        }
    return plays


def tags_of(result: Segmentation, playbook: pd.DataFrame | None) -> dict[int, dict[str, str]]:
    """Return how far the lines of each segment are proven, by the words of the cards.

    A table without the grade of each line has one for the row, which stands at what to do.
    """
    if playbook is None:
        return {}
    graded = fact_by_segment(playbook, "evidence")
    tags = {}
    for segment, row in _rows(playbook):
        s = _ids(result)[segment]
        lines = graded.get(s) or {"strategy": row.get("evidence", "")}
        tags[s] = {
            PLAYED[c]: str(grade) for c, grade in lines.items() if c in PLAYED and pd.notna(grade) and grade
        }
    return tags


def _rows(playbook: pd.DataFrame) -> list[tuple[Hashable, pd.Series]]:
    """Return the rows of a playbook, each with the id or name of its segment."""
    keys = playbook.get("segment_id", playbook.get("segment", playbook.index))
    return list(zip(keys, (row for _, row in playbook.iterrows()), strict=True))


def _ids(result: Segmentation) -> dict[Hashable, int]:
    """Return the segment of each id and name."""
    ids: dict[Hashable, int] = {key: s for s in result.segments for key in (s, str(s))}
    return ids | {result.name_of(s): s for s in result.segments}
