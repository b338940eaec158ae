"""Features of messages: e-mails, push messages, text messages and ads that were sent, opened and clicked.

Rates compare opens and clicks with the messages of the same campaign, see :func:`mailings`. Opens are those in the
log: some mail programs open every message, and text messages are rarely known to have been read.
"""

from typing import NamedTuple

from segkit.analyse.features.feature import Feature, family

WEIGHT = 10  # messages that the prior of a rate is worth
LAST_HOUR = 23


class Medium(NamedTuple):
    """Words and usual rates of a medium.

    Attributes
    ----------
    name : str
        The beginning of its kinds.
    things, sent, opened : str
        Its words, such as "e-mails", "sent", "opened".
    opens, clicks, clicks_of_opened : float
        Prior means of its rates. They are the same for everyone, so that no rate depends on other customers.
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
            f"How often {things} were {opened}; repeated opens count.",
            (open_kind,),
            empty=0,
        ),
        Feature(
            f"{name}_clicked",
            lambda messages: messages.count(where=messages.kind == click_kind),
            "clicks",
            f"How often {things} were clicked; repeated clicks count.",
            (click_kind,),
            empty=0,
        ),
        Feature(
            f"{name}_open_rate",
            lambda mailings: _rate(mailings, name, mailings.opened, mailings.sent, medium.opens),
            "share",
            f"Share of {things} {sent} that were {opened}{_prior(medium.opens)}",
            every_kind,
            needs=(open_kind, click_kind),
            synonyms=("engagement",),
        ),
        Feature(
            f"{name}_click_rate",
            lambda mailings: _rate(mailings, name, mailings.clicked, mailings.sent, medium.clicks),
            "share",
            f"Share of {things} {sent} that were clicked{_prior(medium.clicks)}",
            every_kind,
            needs=(click_kind,),
            synonyms=("engagement", "CTR", "click-through rate"),
        ),
        Feature(
            f"{name}_click_to_open_rate",
            lambda mailings: _rate(
                mailings, name, mailings.clicked, mailings.opened, medium.clicks_of_opened
            ),
            "share",
            f"Share of {things} {opened} that were clicked{_prior(medium.clicks_of_opened)}",
            every_kind,
            needs=(click_kind,),
            synonyms=("CTOR",),
        ),
        Feature(
            f"{name}_open_recency",
            lambda messages: messages.days_ago.min(where=messages.kind == open_kind),
            "days",
            f"Time since {things} were last {opened}.",
            (open_kind,),
        ),
        Feature(
            f"{name}_click_recency",
            lambda messages: messages.days_ago.min(where=messages.kind == click_kind),
            "days",
            f"Time since {things} were last clicked.",
            (click_kind,),
        ),
        Feature(
            f"{name}_unsubscribed",
            lambda messages: _unsubscribed(messages, name),
            "0 or 1",
            f"Unsubscribed from {things}: 1 = yes, 0 = no, or subscribed again later ({name}_subscribe).",
            (*every_kind, left_kind, f"{name}_subscribe"),
            synonyms=("churn", "opt-out"),
        ),
        Feature(
            f"{name}_best_hour",
            lambda open_hours: _best_hour(open_hours, name),
            "hour",
            f"Best hour for {things}: 0 to 23 local time, in which most were {opened}; the earliest of equal ones.",
            (open_kind,),
        ),
    )


def _prior(mean: float) -> str:
    return f". With few messages it is pulled towards the usual {100 * mean:g} %."


def _rate(mailings, name, part, whole, prior):
    """Return the posterior mean of a rate with a Beta prior; missing where there are no messages."""
    total = whole.sum(where=mailings.medium == name)
    rate = (part.sum(where=mailings.medium == name).cast("float64") + WEIGHT * prior) / (total + WEIGHT)
    return (total > 0).ifelse(rate, None)


def _unsubscribed(messages, name):
    """Whether the customer unsubscribed last, also if both came at the same moment; missing without any message."""
    unsubscribed = messages.age.min(where=messages.kind == f"{name}_unsubscribe")
    subscribed = messages.age.min(where=messages.kind == f"{name}_subscribe")
    known = messages.count(where=messages.medium == name) > 0
    gone = (unsubscribed <= subscribed).fill_null(unsubscribed.notnull())
    return known.ifelse(gone.ifelse(1, 0), None)


def _best_hour(open_hours, name):
    """Rank hours by opens, then by earliness, in one number, so that the largest number has the best hour."""
    ranked = open_hours.opens * (LAST_HOUR + 1) + (LAST_HOUR - open_hours.hour)
    return LAST_HOUR - ranked.max(where=open_hours.medium == name) % (LAST_HOUR + 1)


EMAIL = _template(Medium("email", "e-mails", "sent", "opened", 0.2, 0.02, 0.1))
PUSH = _template(Medium("push", "push messages", "sent", "opened", 0.05, 0.02, 0.4))
SMS = _template(Medium("sms", "text messages", "sent", "read", 0.2, 0.05, 0.25))
ADS = _template(Medium("ad", "ads", "shown", "viewed", 0.5, 0.005, 0.01))
