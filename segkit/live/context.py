"""Say where customers are at a moment: the hour, place and device, the current visit, and the last feedback."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from segkit.analyse.features.feedback import KINDS as FEEDBACK_KINDS
from segkit.analyse.features.tables.context import ANSWERS, OURS
from segkit.analyse.features.tables.visits import WEB_KINDS

if TYPE_CHECKING:
    from segkit.live.store import Store

VISIT = pd.Timedelta("30 minutes")
SHOWN = 80  # characters of a text

_BY_SHOP = " OR ".join(["kind = 'outreach'", *(f"suffix(kind, '{ending}')" for ending in OURS)])
_UNANSWERED = " AND ".join(["kind = 'survey'", *(f"{column} IS NULL" for column in ANSWERS)])
_ON_SITE = f"kind IN {WEB_KINDS}"
_HIT = "{'timestamp': timestamp, 'kind': kind, 'product': product_id, 'category': category, 'page': page}"
_SAID = (
    "{'timestamp': timestamp, 'event_id': event_id, 'rating': rating, 'sentiment': sentiment, "
    f"'text': left(text, {10 * SHOWN})}}"
)
_KNOWN = ("zone", "place", "device", "channel")
# The last known value; of several at the same moment the last in the alphabet, whatever the order of rows.
_LAST = [
    f"max({{'timestamp': timestamp, 'value': {name}}}) FILTER ({name} IS NOT NULL AND acted)['value']"
    for name in _KNOWN
]
_FEEDBACK = [f"max({_SAID}) FILTER (kind = '{kind}' AND acted)" for kind in FEEDBACK_KINDS]
_CONTEXTS = f"""
    SELECT customer_id, {", ".join([*_LAST, *_FEEDBACK])},
        list_sort(list({_HIT}) FILTER (timestamp >= $since AND ({_ON_SITE} OR kind = 'purchase')))
    FROM (
        SELECT *, NOT ({_BY_SHOP} OR ({_UNANSWERED})) AS acted
        FROM log WHERE customer_id IN (SELECT unnest($customers)) AND timestamp < $moment
    ) GROUP BY customer_id
"""
_VISITORS = f"""
    SELECT DISTINCT customer_id FROM log WHERE timestamp >= $since AND timestamp < $moment AND {_ON_SITE}
    AND ($looked_at IS NULL OR lower($looked_at) IN (lower(product_id), lower(category), lower(page)))
"""


@dataclass(frozen=True)
class Visit:
    """What a customer has done on the site in the 30 minutes before a moment.

    Attributes
    ----------
    minutes : float
        Since the first event of these 30 minutes.
    page_views, searches, cart_adds : int
        Numbers of events.
    ordered : bool
        Whether there was a purchase too.
    products, categories, pages : tuple of str
        What was looked at, searched or put into the cart, each once, in the order of the first time.
    """

    minutes: float
    page_views: int
    searches: int
    cart_adds: int
    ordered: bool
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feedback:
    """The last chat, answered survey, review or correction of a customer.

    Attributes
    ----------
    kind : {"chat", "survey", "review", "correction"}
    as_of : Timestamp
        When.
    event_id : str or None
    rating, sentiment : float or None
        As the log has them: the sentiment from −1 (negative) to 1 (positive).
    text : str or None
        Its first words; the reason of a correction.
    """

    kind: str
    as_of: pd.Timestamp
    event_id: str | None
    rating: float | None = None
    sentiment: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class Context:
    """Where a customer is at a moment, from its own events before it; what the shop sent does not count.

    Attributes
    ----------
    hour : int
        The local hour, 0 to 23, in the zone of the customer's last event with one, or else that of the shop.
    zone : str
    place, device, channel : str or None
        The last known.
    visit : Visit or None
        The current visit; None where nothing was done on the site in the last 30 minutes.
    feedback : tuple of Feedback
        The last of each kind, the newest first.
    """

    hour: int
    zone: str
    place: str | None = None
    device: str | None = None
    channel: str | None = None
    visit: Visit | None = None
    feedback: tuple[Feedback, ...] = field(default=(), repr=False)

    @property
    def sentiment(self) -> float | None:
        """The sentiment of the newest feedback that has one."""
        return next((each.sentiment for each in self.feedback if each.sentiment is not None), None)

    def with_feedback(self, *more: Feedback) -> Context:
        """Return the context with more feedback, such as an analyst's correction."""
        return replace(self, feedback=_newest_first([*self.feedback, *more]))


def contexts(
    store: Store, customers: Iterable[str], moment: pd.Timestamp, timezone: str
) -> dict[str, Context]:
    """Return the context of each customer, as of a moment."""
    wanted = list(customers)
    values = {**_times(moment), "customers": wanted}
    rows = {row[0]: row[1:] for row in store.run(_CONTEXTS, values)} if wanted else {}
    nothing = (None,) * (len(_KNOWN) + len(FEEDBACK_KINDS) + 1)
    return {name: _context(rows.get(name, nothing), moment, timezone) for name in wanted}


def visitors(store: Store, moment: pd.Timestamp, looked_at: str | None = None) -> set[str]:
    """Return who is on a visit at a moment; with `looked_at`, who has looked at that product, category or page."""
    return {name for (name,) in store.run(_VISITORS, {**_times(moment), "looked_at": looked_at})}


def context_table(found: list[Context]) -> pd.DataFrame:
    """Return contexts as a table, with a row for each; counts are 0 where there is no visit."""
    visits = [context.visit for context in found]
    newest = [context.feedback[0] if context.feedback else None for context in found]

    def words(values: Iterable[str | None]) -> Any:
        return pd.array(list(values), dtype="str")

    columns = {
        "hour": pd.array([context.hour for context in found], dtype="int64"),
        **{
            name: words(getattr(context, name) for context in found)
            for name in ("place", "device", "channel")
        },
        "in_shop": pd.array([visit is not None for visit in visits], dtype="bool"),
        "minutes": pd.array([getattr(visit, "minutes", None) for visit in visits], dtype="float64"),
        **{
            name: pd.array([getattr(visit, name, 0) for visit in visits], dtype="int64")
            for name in ("page_views", "searches", "cart_adds")
        },
        "ordered": pd.array([getattr(visit, "ordered", False) for visit in visits], dtype="bool"),
        "categories": words(", ".join(getattr(visit, "categories", ())) or None for visit in visits),
        "feedback": words(getattr(said, "kind", None) for said in newest),
        "text": words(getattr(said, "text", None) for said in newest),
        "sentiment": pd.array([context.sentiment for context in found], dtype="float64"),
    }
    return pd.DataFrame(columns)


def first_words(text: str | None) -> str | None:
    """Return the first words of a text."""
    return None if text is None else textwrap.shorten(text, SHOWN, placeholder="…")


def _times(moment: pd.Timestamp) -> dict[str, Any]:
    return {"moment": moment.to_pydatetime(), "since": (moment - VISIT).to_pydatetime()}


def _context(row: tuple, moment: pd.Timestamp, timezone: str) -> Context:
    (zone, place, device, channel), said, hits = row[: len(_KNOWN)], row[len(_KNOWN) : -1], row[-1]
    zone = zone or timezone
    hour = moment.tz_localize("UTC").tz_convert(ZoneInfo(zone)).hour
    feedback = [
        Feedback(
            kind,
            pd.Timestamp(each["timestamp"]),
            each["event_id"],
            each["rating"],
            each["sentiment"],
            first_words(each["text"]),
        )
        for kind, each in zip(FEEDBACK_KINDS, said, strict=True)
        if each is not None
    ]
    return Context(hour, zone, place, device, channel, _visit(hits or [], moment), _newest_first(feedback))


def _visit(hits: list[dict[str, Any]], moment: pd.Timestamp) -> Visit | None:
    """Return the visit of hits in their order; orders alone are none."""
    on_site = [hit for hit in hits if hit["kind"] != "purchase"]
    if not on_site:
        return None
    kinds = [hit["kind"] for hit in on_site]
    products, categories, pages = (
        tuple(dict.fromkeys(hit[name] for hit in on_site if hit[name] is not None))
        for name in ("product", "category", "page")
    )
    return Visit(
        minutes=(moment - pd.Timestamp(on_site[0]["timestamp"])) / pd.Timedelta(1, "min"),
        page_views=kinds.count("page_view"),
        searches=kinds.count("search"),
        cart_adds=kinds.count("cart_add"),
        ordered=len(hits) > len(on_site),
        products=products,
        categories=categories,
        pages=pages,
    )


def _newest_first(feedback: list[Feedback]) -> tuple[Feedback, ...]:
    return tuple(sorted(feedback, key=lambda each: each.as_of, reverse=True))
