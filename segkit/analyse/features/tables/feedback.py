"""What customers say: to the shop in surveys, reviews and chats, and of it on social media."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.analyse.features.tables.builder import key_columns

if TYPE_CHECKING:
    import ibis.expr.types as ir


def feedback(seen: ir.Table) -> ir.Table:
    """Return the surveys, answered or not, the reviews and the chats."""
    return seen.filter((seen.kind == "survey") | (seen.kind == "review") | (seen.kind == "chat"))


def last_ratings(feedback: ir.Table) -> ir.Table:
    """Return the ratings of each kind's last moment that has any: one, or several that came at once."""
    rated = feedback.filter(feedback.rating.notnull())
    return _last(rated, [*key_columns(rated), "kind"])


def last_sentiments(feedback: ir.Table) -> ir.Table:
    """Return the sentiments of the last moment that has any: one, or several that came at once."""
    felt = feedback.filter(feedback.sentiment.notnull())
    return _last(felt, key_columns(felt))


def social(seen: ir.Table) -> ir.Table:
    """Return the likes, shares, comments, mentions, and other kinds that begin with social."""
    return seen.filter(seen.kind.startswith("social_"))


def _last(table: ir.Table, keys: list[str]) -> ir.Table:
    youngest = table.mutate(youngest=table.age.min().over(group_by=keys))
    return youngest.filter(youngest.age == youngest.youngest).drop("youngest")


GRAINS = (feedback, last_ratings, last_sentiments, social)
