"""Tables of what customers say: in surveys, reviews and chats, and on social media."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.analyse.features.tables.builder import key_columns

if TYPE_CHECKING:
    import ibis.expr.types as ir


def feedback(log: ir.Table) -> ir.Table:
    """Return the surveys, answered or not, the reviews and the chats."""
    return log.filter((log.kind == "survey") | (log.kind == "review") | (log.kind == "chat"))


def last_ratings(feedback: ir.Table) -> ir.Table:
    """Return the last ratings of each customer and kind: one, or several of the same moment."""
    rated = feedback.filter(feedback.rating.notnull())
    return _last(rated, [*key_columns(rated), "kind"])


def last_sentiments(feedback: ir.Table) -> ir.Table:
    """Return the last sentiments of each customer: one, or several of the same moment."""
    felt = feedback.filter(feedback.sentiment.notnull())
    return _last(felt, key_columns(felt))


def social(log: ir.Table) -> ir.Table:
    """Return the events whose kind begins with ``social_``, such as likes and shares."""
    return log.filter(log.kind.startswith("social_"))


def _last(table: ir.Table, keys: list[str]) -> ir.Table:
    youngest = table.mutate(youngest=table.age.min().over(group_by=keys))
    return youngest.filter(youngest.age == youngest.youngest).drop("youngest")


TABLES = (feedback, last_ratings, last_sentiments, social)
