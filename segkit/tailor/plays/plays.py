"""Hold plays as data: what marketers usually do with customers who behave in some way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from segkit.core.checks import check_type

PROTECTED = re.compile(
    r"(^|_)(age|agegroup|birth|birthday|birthdate|dob|yob|sex|gender|race|ethnic|ethnicity|nationality|religion"
    r"|religious|faith|disability|disabled|health|pregnant|pregnancy|orientation|marital|married)(_|$)"
)
"""Names of attributes that the law protects in many countries: no play may depend on them."""


@dataclass(frozen=True)
class Play:
    """What to do with customers who behave in some way, in a marketer's words.

    A play fits a segment whose typical customer meets all conditions. Of plays that fit, the one of the highest
    `priority` is taken, then the one whose conditions together are met most clearly, then the last in the list.

    Attributes
    ----------
    name : str
        Such as "win back".
    when : mapping of str to float or str
        By feature, how far up or down the segment's median lies among all customers, as a quantile. From 0.5 on, it
        lies there or above; under 0.5, there or below. Of a feature of words, the word that most of the segment have.
        "orders_change or spend_change": either of them.
    goal, strategy, offer, channel, cadence, avoid : str
        What is wanted and what to do. Without `channel`, the one that the segment responds to, else e-mail.
    measure : str
        The outcome that proves it, such as "orders in the next 90 days".
    limits : mapping of str to (float, float), optional
        By feature, the least and the largest median, in its own unit: a high share of discounts is at least 10 %.
        Also of features that are no conditions, where they are known: customers to win back are overdue.
    sells : bool, default=True
        Whether products may be offered. Not where something has to be settled first.
    priority : int, default=0
        Above 0, it goes before plays that fit more clearly.

    Raises
    ------
    ValueError
        If there is no condition, a quantile is not between 0 and 1, limits are not two numbers, or a condition is about
        age, gender, religion or another protected attribute.

    Examples
    --------
    >>> import segkit as sg
    >>> tea = sg.Play(
    ...     "tea club", when={"tea_share": 0.7, "frequency": 0.6}, goal="More tea", strategy="Invite them to a club."
    ... )
    >>> plays = sg.PLAYS + (tea,)
    """

    name: str
    when: Mapping[str, float | str]
    goal: str = ""
    strategy: str = ""
    offer: str = ""
    channel: str = ""
    cadence: str = ""
    avoid: str = ""
    measure: str = "Orders in the next 90 days"
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sells: bool = True
    priority: int = 0

    def __post_init__(self) -> None:
        check_type("name", self.name, str, "It should be a text, such as 'win back'.")
        wanted = "It should say features and quantiles, such as {'recency': 0.65}."
        check_type("when", self.when, Mapping, wanted)
        if not self.when:
            raise ValueError(f"The play {self.name!r} has no condition. {wanted}")
        for key, said in self.when.items():
            check_type("when", key, str, wanted)
            for feature in features_of(key):
                _check_unprotected(self.name, feature)
            number = isinstance(said, (int, float)) and not isinstance(said, bool)
            if not (isinstance(said, str) or (number and 0 < said < 1)):
                raise ValueError(
                    f"The play {self.name!r} says {key}={said!r}. Say a quantile between 0 and 1, such as 0.65 for "
                    "high, or the word that most have."
                )
        for text in ("goal", "strategy", "offer", "channel", "cadence", "avoid", "measure"):
            check_type(text, getattr(self, text), str, "It should be a text, or empty.")
        wanted = "It should say the least and the largest median, such as {'recency': (0, 30)}."
        check_type("limits", self.limits, Mapping, wanted)
        for feature, ends in self.limits.items():
            if not isinstance(ends, (tuple, list)) or len(ends) != 2 or not ends[0] <= ends[1]:
                raise ValueError(f"The play {self.name!r} limits {feature!r} to {ends!r}. {wanted}")


def features_of(key: str) -> list[str]:
    """Return the features of a condition, any of which may meet it.

    Examples
    --------
    >>> features_of("orders_change or spend_change")
    ['orders_change', 'spend_change']
    """
    return key.split(" or ")


def _check_unprotected(name: str, feature: str) -> None:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", feature)
    if PROTECTED.search(re.sub(r"\W+", "_", spaced).casefold()):
        raise ValueError(
            f"The play {name!r} depends on {feature!r}. Treat people by what they do, not by what they are: choose a "
            "feature of their behaviour."
        )


LATE = (1.0, inf)  # times the usual gap since the last order
HIGH, LOW = 0.65, 0.35  # quantiles of all customers that the segment's median lies beyond
ABOVE, BELOW = 0.55, 0.45

PLAYS = (
    # Orders: how lately, how often, how much
    Play(
        "keep the best",
        {"recency": LOW, "frequency": HIGH, "monetary": HIGH},
        goal="Keep them",
        strategy="Thank them, show them new things first, and solve their problems fast.",
        offer="Early access, no discount",
        cadence="Once a week at most",
        avoid="Blanket discounts: they buy anyway.",
        measure="Orders and spend in the next 90 days",
    ),
    Play(
        "win back good customers",
        {"recency": HIGH, "frequency or monetary": ABOVE},
        limits={"overdue": LATE},
        goal="Win them back",
        strategy="Ask what went wrong; remind them of what they used to buy; make an offer only in the last message.",
        offer="What they bought before, then a voucher with an end",
        cadence="3 messages in 4 weeks, then stop",
        avoid="Starting with a discount, or writing on without an answer.",
    ),
    Play(
        "second order",
        {"tenure": LOW, "frequency": BELOW},
        limits={"frequency": (1, 2)},
        goal="Get the next order",
        strategy="Welcome them: show how to use what they bought, and what goes with it.",
        offer="What goes with the first order",
        cadence="2 or 3 messages in the first 30 days",
        avoid="The full newsletter from the first day.",
        measure="Share with another order within 60 days",
    ),
    Play(
        "new",
        {"tenure": LOW, "monetary": BELOW},
        limits={"tenure": (0, 183)},
        goal="Get the next orders",
        strategy="They are new, so they have spent little yet: show them the range, a category at a time.",
        offer="What others bought after the same first orders",
        cadence="Every 2 weeks in the first 3 months",
        avoid="Judging them by what they have spent so far.",
        measure="Orders in the next 90 days",
    ),
    Play(
        "last try",
        {"recency": HIGH, "frequency": BELOW},
        limits={"overdue": LATE},
        goal="Find out who is still there",
        strategy="Write once and ask whether they want to hear from you. Stop if they do not answer.",
        offer="One clear reason to return",
        cadence="1 or 2 messages, then none",
        avoid="Costly offers and frequent mail to people who do not answer.",
        measure="Share with an order in the next 90 days",
    ),
    Play(
        "come back",
        {"recency": HIGH},
        limits={"overdue": LATE},
        goal="Bring them back",
        strategy="Remind them of what they bought, and show what is new since then.",
        offer="What they bought before",
        cadence="2 messages in 4 weeks, then once a month",
        avoid="A discount in the first message.",
        measure="Share with an order in the next 90 days",
    ),
    Play(
        "keep regulars coming",
        {"recency": LOW, "frequency": HIGH},
        goal="Keep the habit",
        strategy="Make ordering easier: order again in one click, reminders, a loyalty scheme.",
        offer="A reward for orders, not for waiting",
        cadence="At their pace of ordering",
        avoid="Discounts on what they buy anyway.",
    ),
    Play(
        "bigger baskets",
        {"frequency": ABOVE, "average_order_value": LOW},
        goal="Larger orders",
        strategy="Show what goes together; offer bundles; set free delivery a little above their usual order.",
        offer="Bundles",
        cadence="With each order",
        avoid="More messages: they come often already.",
        measure="Average order value in the next 90 days",
    ),
    Play(
        "big, rare orders",
        {"frequency": BELOW, "average_order_value": HIGH},
        goal="One more large order a year",
        strategy="Advise them in person, and write at the occasions at which they buy.",
        offer="Advice, delivery and service in place of a lower price",
        cadence="Around the occasion, else once a quarter",
        avoid="Weekly mail.",
        measure="Orders in the next 180 days",
    ),
    Play(
        "frequent",
        {"frequency": HIGH},
        goal="Keep the habit",
        strategy="Reward loyalty, and make it easy to order again.",
        offer="A loyalty scheme",
        cadence="At their pace of ordering",
        avoid="Discounts on what they buy anyway.",
    ),
    Play(
        "big spenders",
        {"monetary": HIGH},
        goal="Keep them",
        strategy="Serve them well, and show the better lines first.",
        offer="Better lines and early access",
        cadence="Twice a month",
        avoid="Blanket discounts.",
        measure="Spend in the next 90 days",
    ),
    Play(
        "active",
        {"recency": LOW},
        goal="Get the next order",
        strategy="Follow up while they remember you: ask for a review, show what goes with the last order.",
        offer="What goes with the last order",
        cadence="Within 2 weeks of the last order",
        avoid="A discount right after a purchase at full price.",
    ),
    Play(
        "occasional",
        {"frequency": LOW},
        goal="One more order",
        strategy="Give one clear reason to order again: season, refill or news.",
        offer="Best sellers",
        cadence="Once a month",
        avoid="Costly offers to everyone.",
    ),
    Play(
        "small spenders",
        {"monetary": LOW},
        goal="Serve them at low cost",
        strategy="Automate the messages, and see who grows.",
        offer="Best sellers",
        cadence="Once a month",
        avoid="Vouchers that cost more than the order brings.",
        measure="Spend, less the cost of the messages, in the next 90 days",
    ),
    # Cadence
    Play(
        "overdue",
        {"overdue": HIGH},
        limits={"overdue": (1.5, inf)},
        goal="Get the late order",
        strategy="Remind them now: their usual time has passed. Make it easy to repeat the last order.",
        offer="The last order again",
        cadence="One reminder now, one after another usual gap",
        avoid="Waiting for the next general campaign.",
        measure="Orders within one usual gap",
    ),
    Play(
        "clockwork",
        {"regularity": HIGH},
        limits={"regularity": (0.65, 1)},
        goal="Never miss the next order",
        strategy="Write just before the next order is due, and offer a subscription.",
        offer="A subscription, or the last order again",
        cadence="A few days before the usual day",
        avoid="Messages right after an order.",
    ),
    # Trend
    Play(
        "fading",
        {"orders_change or spend_change": LOW},
        limits={"orders_change": (-1, -0.1), "spend_change": (-1, -0.1)},
        goal="Stop the decline",
        strategy="Ask early what has changed, and mend it before they are gone.",
        offer="News in what they used to buy",
        cadence="Now, then every 2 weeks for 2 months",
        avoid="Waiting until they have left.",
    ),
    Play(
        "growing",
        {"orders_change or spend_change": HIGH},
        limits={"orders_change": (0.1, 1), "spend_change": (0.1, 1)},
        goal="Let them grow",
        strategy="Show them more of the range while they like it.",
        offer="Neighbouring products",
        cadence="Twice a month",
        avoid="Discounts that end the growth in margin.",
    ),
    # Baskets and tastes
    Play(
        "bargain hunters",
        {"discount_share or discounted_order_share": HIGH},
        limits={"discount_share": (0.1, 1), "discounted_order_share": (0.4, 1)},
        goal="More margin",
        strategy="Keep discounts for clearance, and try smaller ones.",
        offer="End of season, multi-packs",
        cadence="With real sales only",
        avoid="A standing discount: it teaches them to wait.",
        measure="Margin in the next 90 days",
    ),
    Play(
        "full price",
        {"discounted_order_share or discount_share": LOW, "monetary": ABOVE},
        limits={"discount_share": (0, 0.02), "discounted_order_share": (0, 0.1)},
        goal="Keep the margin",
        strategy="Sell by news, quality and service.",
        offer="New and better lines at full price",
        cadence="Twice a month",
        avoid="Vouchers: they pay without.",
        measure="Margin in the next 90 days",
    ),
    Play(
        "frequent returns",
        {"return_rate": HIGH},
        limits={"return_rate": (0.08, inf)},
        goal="Fewer returns",
        strategy="Help them choose: sizes, pictures, reviews, and advice before the order.",
        offer="Advice before the order",
        cadence="At the order",
        avoid="Pushing more volume; making lawful returns hard.",
        measure="Spend less returns in the next 90 days",
    ),
    Play(
        "narrow range",
        {"variety or category_count": LOW, "frequency": ABOVE},
        goal="A second category",
        strategy="Introduce one neighbouring category with what they trust already.",
        offer="One neighbouring product beside the usual one",
        cadence="With each third order",
        avoid="The whole catalogue at once.",
        measure="Share who buy in another category in the next 90 days",
    ),
    Play(
        "curious",
        {"novelty": HIGH},
        limits={"novelty": (0.5, 1)},
        goal="First buyers of what is new",
        strategy="Tell them of launches first, and ask what they think.",
        offer="New products",
        cadence="At each launch",
        avoid="Showing again what they know.",
        measure="Share who buy a new product within 30 days of its launch",
    ),
    Play(
        "premium",
        {"price_level": HIGH},
        goal="More of the better lines",
        strategy="Lead with quality and provenance, not with price.",
        offer="The better lines",
        cadence="Twice a month",
        avoid="Price as the first word.",
        measure="Spend in the next 90 days",
    ),
    # Web
    Play(
        "filled carts",
        {"cart_abandonment": HIGH},
        limits={"cart_abandonment": (0.5, 1)},
        goal="Finish the order",
        strategy="Find what stops them (delivery cost, payment, doubt), and remind them of the cart.",
        offer="The cart as they left it",
        cadence="After some hours, and once more after 2 days",
        avoid="A discount for each cart left behind: people learn it.",
        measure="Carts that end in an order, in 30 days",
    ),
    Play(
        "window shoppers",
        {"visits": HIGH, "conversion_rate or frequency": BELOW},
        goal="Turn visits into orders",
        strategy="Help them decide: comparisons, reviews, questions answered at once.",
        offer="What they looked at last",
        channel="On the site, then e-mail to those who agreed",
        cadence="Within 2 days of a visit",
        avoid="Following them about with advertisements.",
        measure="Share of visits with an order, in 30 days",
    ),
    Play(
        "looking again",
        {"recency": HIGH, "visit_recency": LOW},
        goal="Meet renewed interest",
        strategy="They are looking again: greet them on the site with what they bought before and what is new.",
        offer="What they look at now",
        channel="On the site, then e-mail to those who agreed",
        cadence="Within 2 days of a visit",
        avoid="A win-back letter that does not know of the visit.",
        measure="Share with an order in the next 30 days",
    ),
    # Messages
    Play(
        "keen readers",
        {"email_click_rate or email_open_rate": HIGH},
        goal="Use their attention",
        strategy="Send them news first, and ask for their opinion.",
        offer="News and launches",
        cadence="Once a week",
        avoid="So many messages that they stop reading.",
        measure="Orders in the next 30 days",
    ),
    Play(
        "silent readers",
        {"email_click_rate or email_open_rate": LOW},
        goal="Reach them, or leave them in peace",
        strategy="Ask what they want to hear and how often, and write less.",
        offer="A choice of topics",
        cadence="Once a month; stop after 6 months without a click",
        avoid="More of the same e-mails.",
        measure="Clicks and orders in the next 90 days",
    ),
    Play(
        "unsubscribed",
        {"email_unsubscribed": HIGH},
        goal="Respect their choice",
        strategy="Write no advertising e-mail. Be good where they come by themselves: site, store, order papers.",
        channel="Site, store and order papers; no e-mail",
        cadence="When they come",
        avoid="E-mail: they said no.",
        priority=1,
    ),
    # Feedback
    Play(
        "mend first",
        {"negative_share": HIGH},
        limits={"negative_share": (0.3, 1)},
        goal="Make it good",
        strategy="Call or write in person, settle the complaint, and say what was changed. Sell later.",
        offer="Nothing to buy until it is settled",
        channel="A person, by the way that they complained",
        cadence="Within 2 days",
        avoid="Advertising while a complaint is open.",
        measure="Share with an order in the next 90 days, and the next rating",
        sells=False,
        priority=1,
    ),
    Play(
        "unhappy",
        {"nps_class": "detractor"},
        goal="Make it good",
        strategy="Ask each what went wrong, mend what many name, and tell them.",
        offer="Nothing to buy until it is settled",
        channel="A person, by the way that they answered",
        cadence="Within a week of the survey",
        avoid="Asking them to recommend you.",
        measure="The next rating, and orders in the next 90 days",
        sells=False,
        priority=1,
    ),
    Play(
        "recommend",
        {"nps_class": "promoter"},
        goal="Be recommended",
        strategy="Thank them, and ask for a review or a recommendation.",
        offer="A reward for both when a friend buys",
        cadence="Once, soon after a good rating",
        avoid="Paying for praise.",
        measure="New customers whom they bring in 90 days",
    ),
    # When and where
    Play(
        "weekend shoppers",
        {"weekend_order_share": HIGH},
        limits={"weekend_order_share": (0.4, 1)},
        goal="Meet them at the right time",
        strategy="Write on Friday evening, and have staff and stock ready at weekends.",
        offer="Weekend offers",
        cadence="Fridays",
        avoid="Monday mail.",
    ),
    Play(
        "on the phone",
        {"mobile_share": HIGH},
        limits={"mobile_share": (0.5, 1)},
        goal="An easy order on the phone",
        strategy="Design messages and the way to pay for the phone first.",
        offer="Ordering again in the app",
        channel="App and push messages, to those who agreed; short e-mails",
        cadence="Twice a month",
        avoid="Long newsletters.",
        measure="Share of visits on a phone with an order, in 30 days",
    ),
    Play(
        "shop on the spot",
        {"online_share": LOW},
        limits={"online_share": (0, 0.2)},
        goal="More visits to the store",
        strategy="Bring them to the store, and let the site help: stock, opening hours, collection.",
        offer="Collection and events in the store",
        channel="Store, receipts and post",
        cadence="Once a month",
        avoid="Offers that hold online only.",
        measure="Orders in the store in the next 90 days",
    ),
)
