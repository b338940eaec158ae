"""E-mail, push messages, text messages and ads: one template for what was sent, opened, clicked and left.

Rates set opens and clicks against what was sent of the same campaign; where the campaign is known of the one
and not of the other, against the messages of the medium that may be meant.

Opens are those that were logged: some mail programs open all that they receive, and text messages are
seldom known to have been read.
"""

from typing import NamedTuple

from segkit.analyse.features.feature import Feature, family

WEIGHT = 10  # messages that a prior is worth
LAST_HOUR = 23


class Medium(NamedTuple):
    """How a medium is spoken of, and which rates are taken for granted of who is not known yet.

    Attributes
    ----------
    name : str
        What its kinds begin with.
    things, sent, opened : str
        "e-mails", "sent", "opened".
    opens, clicks, clicks_of_opened : float
        Prior means: of a size that is usual, and the same for everyone, so that nobody's rate depends on
        other customers.
    """

    name: str
    things: str
    sent: str
    opened: str
    opens: float
    clicks: float
    clicks_of_opened: float


def _template(medium: Medium) -> tuple[Feature, ...]:
    """Return the features of a medium."""
    name, things, sent, opened, *_ = medium
    sent_kind, open_kind, click_kind, left_kind = (
        f"{name}_{what}" for what in ("sent", "open", "click", "unsubscribe")
    )
    every_kind = (sent_kind, open_kind, click_kind)
    return family(
        "ADS" if name == "ad" else name.upper(),
        Feature(
            f"{name}_sent",
            lambda messages: messages.count(where=messages.kind == sent_kind),
            things,
            f"Number of {things} {sent}{' (impressions)' if name == 'ad' else ''}.",
            (sent_kind,),
            empty=0,
        ),
        Feature(
            f"{name}_opened",
            lambda messages: messages.count(where=messages.kind == open_kind),
            "opens",
            f"How often {things} were {opened}, each time counted.",
            (open_kind,),
            empty=0,
        ),
        Feature(
            f"{name}_clicked",
            lambda messages: messages.count(where=messages.kind == click_kind),
            "clicks",
            f"How often {things} were clicked, each time counted.",
            (click_kind,),
            empty=0,
        ),
        Feature(
            f"{name}_open_rate",
            lambda mailings: _rate(mailings, name, mailings.opened, mailings.sent, medium.opens),
            "share",
            f"Part of the {things} {sent} that was {opened}, {_prior(sent, opened, medium.opens)}.",
            every_kind,
        ),
        Feature(
            f"{name}_click_rate",
            lambda mailings: _rate(mailings, name, mailings.clicked, mailings.sent, medium.clicks),
            "share",
            f"Part of the {things} {sent} that was clicked, {_prior(sent, 'clicked', medium.clicks)}.",
            every_kind,
        ),
        Feature(
            f"{name}_click_to_open_rate",
            lambda mailings: _rate(
                mailings, name, mailings.clicked, mailings.opened, medium.clicks_of_opened
            ),
            "share",
            f"Part of the {things} {opened} that was clicked, {_prior(opened, 'clicked', medium.clicks_of_opened)}.",
            every_kind,
        ),
        Feature(
            f"{name}_open_recency",
            lambda messages: messages.days_ago.min(where=messages.kind == open_kind),
            "days",
            f"Time since one of the {things} was last {opened}.",
            (open_kind,),
        ),
        Feature(
            f"{name}_click_recency",
            lambda messages: messages.days_ago.min(where=messages.kind == click_kind),
            "days",
            f"Time since one of the {things} was last clicked.",
            (click_kind,),
        ),
        Feature(
            f"{name}_unsubscribed",
            lambda messages: _unsubscribed(messages, name),
            "0 or 1",
            f"1 if they wanted no more {things} and no {name}_subscribe came later: opening does not undo it.",
            (*every_kind, left_kind, f"{name}_subscribe"),
        ),
        Feature(
            f"{name}_best_hour",
            lambda open_hours: _best_hour(open_hours, name),
            "hour",
            f"Hour of the day, 0 to 23 where they were, in which most {things} were {opened}; of equals, the earliest.",
            (open_kind,),
        ),
    )


def _prior(of: str, what: str, mean: float) -> str:
    return f"as if {WEIGHT} more had been {of}, {100 * mean:g} % of them {what}"


def _rate(mailings, name, part, whole, prior):
    """Return the mean of a Beta distribution: the prior's, and what was seen; missing where nothing was."""
    seen = whole.sum(where=mailings.medium == name)
    rate = (part.sum(where=mailings.medium == name).cast("float64") + WEIGHT * prior) / (seen + WEIGHT)
    return (seen > 0).ifelse(rate, None)


def _unsubscribed(messages, name):
    """Whether the last word was to leave; missing where no message is known. At the same instant, leaving wins."""
    left = messages.age.min(where=messages.kind == f"{name}_unsubscribe")
    back = messages.age.min(where=messages.kind == f"{name}_subscribe")
    known = messages.count(where=messages.medium == name) > 0
    return known.ifelse((left <= back).fill_null(left.notnull()).ifelse(1, 0), None)


def _best_hour(open_hours, name):
    """The number of opens stands before the hour counted from the end, so that the largest is the answer."""
    ranked = open_hours.opens * (LAST_HOUR + 1) + (LAST_HOUR - open_hours.hour)
    return LAST_HOUR - ranked.max(where=open_hours.medium == name) % (LAST_HOUR + 1)


EMAIL = _template(Medium("email", "e-mails", "sent", "opened", 0.2, 0.02, 0.1))
PUSH = _template(Medium("push", "push messages", "sent", "opened", 0.05, 0.02, 0.4))
SMS = _template(Medium("sms", "text messages", "sent", "read", 0.2, 0.05, 0.25))
ADS = _template(Medium("ad", "ads", "shown", "viewed", 0.5, 0.005, 0.01))
