"""Make a card for each segment: who they are, how many, what they bring, what they like, what to do."""

from __future__ import annotations

import pandas as pd

from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.rfm import RFM
from segkit.collect.events import Events
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import segment_sizes, value_of
from segkit.show.plots.theme import segment_colors
from segkit.show.report.facts import Card

LIKED = 3  # products on a card
VALUE = "monetary"
VERDICTS = {
    "real and repeatable": "A group of its own; found again in other samples of customers.",
    "real, but its edges move": "A group of its own; its edges move from sample to sample.",
    "real, but it does not come back": "Looks like a group of its own, but other samples do not show it again.",
    "repeatable but arbitrary": "Found again in other samples of customers; where it ends is a choice.",
    "arbitrary, and its edges move": "A convenient slice; its edges move from sample to sample.",
    "neither real nor repeatable": "A convenient slice; other samples are cut elsewhere.",
}  # of trust, for people who do not know its words
PLAYED = {"goal": "Goal", "strategy": "Do", "offer": "Offer", "channel": "Channel", "avoid": "Avoid"}


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


def cards_of(
    result: Segmentation,
    shown: list[int],
    suggestions: pd.DataFrame | None,
    given: set[int],
    *,
    value: pd.Series | None,
    liked: pd.DataFrame | None,
    playbook: pd.DataFrame | None,
) -> list[Card]:
    """Return a card for each segment that is shown."""
    names = [result.name_of(s) for s in result.segments]
    colors = dict(zip(result.segments, segment_colors(names), strict=True))
    verdicts = result.trust.segments["verdict"]
    sizes = segment_sizes(result, value)
    cards = []
    for s in shown:
        row = sizes.loc[s]
        card = Card(
            row["segment"], colors[s], counted(int(row["customers"]), "customer"), float(row["share"])
        )
        if suggestions is not None:
            card.suggested = s not in given
            card.sentence = str(suggestions.loc[s, "sentence"])
        if pd.notna(row.get("value_share")):
            card.value_share = float(row["value_share"])
        card.likes = _likes(liked, s)
        card.play = _play(playbook, s, card.name)
        card.verdict = VERDICTS.get(str(verdicts.get(s, "")), str(verdicts.get(s, "")))
        cards.append(card)
    return cards


def _likes(liked: pd.DataFrame | None, segment: int) -> list[str]:
    if liked is None:
        return []
    rows = liked[liked["segment_id"] == segment].head(LIKED)
    return [
        f"{row['named']} ({row['share']:.0%} buy it, of others {row['elsewhere']:.0%})"
        for _, row in rows.iterrows()
    ]


def _play(playbook: pd.DataFrame | None, segment: int, name: str) -> dict[str, str]:
    """Return the row of a playbook for a segment, by its id or name, in the words of the card."""
    if playbook is None:
        return {}
    rows = (
        playbook[playbook["segment"] == name]
        if "segment" in playbook
        else playbook[playbook.index == segment]
    )
    rows = playbook[playbook.index == segment] if not len(rows) else rows
    if not len(rows):
        return {}
    row = rows.iloc[0]
    return {said: str(row[c]) for c, said in PLAYED.items() if c in row and pd.notna(row[c]) and str(row[c])}
