"""Read conversations with customer service, and their ratings."""

from __future__ import annotations

from segkit.collect.presets.copies import refusal, refuse_copies
from segkit.collect.presets.helper_columns import KIND, RATING, TEXT_SAID, TIME
from segkit.collect.presets.rows import Rows
from segkit.collect.presets.sql import NO_NUMBER, type_name

IS_RATING = "segkit_is_rating"


def refuse_older_copies(rows: Rows, thing: str, rating: str) -> Rows:
    """Refuse older copies of a conversation; of copies with the same last update, the rated one counts."""
    own = rows.at("id")
    if own is None:
        return rows
    reason = f"older copy of a {thing}: the latest counts"
    return refuse_copies(rows, own.sql, reason, [f"{rows.text('updated_at')} DESC", f"({rating}) IS NULL"])


def with_ratings(rows: Rows, rating: str, time: str, remark: str) -> Rows:
    """Add a review for each rating, at its own time: ratings are often given days later.

    Parameters
    ----------
    rows : Rows
        Conversations, with `KIND`, `TIME` and `TEXT_SAID`.
    rating, time, remark : str
        SQL of the rating, its time and its text.

    Returns
    -------
    Rows
        With `RATING`.
    """
    rated = f"({rating}) IS NOT NULL AND {refusal(rows)} IS NULL"
    rows = rows.with_columns({IS_RATING: f"unnest(CASE WHEN {rated} THEN [false, true] ELSE [false] END)"})
    time = f"TRY_CAST({time} AS {type_name(rows.types[TIME])})"
    return rows.with_columns(
        {
            RATING: f"CASE WHEN {IS_RATING} THEN {rating} ELSE {NO_NUMBER} END",
            KIND: f"CASE WHEN {IS_RATING} THEN 'review' ELSE {KIND} END",
            TIME: f"CASE WHEN {IS_RATING} THEN {time} ELSE {TIME} END",
            TEXT_SAID: f"CASE WHEN {IS_RATING} THEN {remark} ELSE {TEXT_SAID} END",
        },
        {TIME: rows.types[TIME]},
    )
