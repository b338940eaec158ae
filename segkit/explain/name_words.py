"""Words of marketers for the high and low ends of features, as data for :mod:`segkit.explain.names`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class End:
    """What customers at one end of a feature are called.

    Attributes
    ----------
    adjective, noun : str
        "lapsed", "lapsed customers".
    at_least, at_most : float
        The segment's median, in the feature's own unit, from or up to which the words are true.
    very : str
        The noun for those who lie even farther out than others of the same name.
    """

    adjective: str
    noun: str
    at_least: float = float("-inf")
    at_most: float = float("inf")
    very: str = ""


@dataclass(frozen=True)
class Words:
    """How to speak of a feature.

    Attributes
    ----------
    theme : str
        Features of one theme say much the same: a name uses one of them.
    says : str
        What "they" do, with ``{}`` for a number with its unit.
    low, high : tuple of End
        The first whose bounds hold is used; none where the end has no good word.
    below : str
        What they do where the number is below 0; its sign is then left out.
    weight : float
        Of two equally strong effects, that of the greater weight is named.
    """

    theme: str
    says: str
    low: tuple[End, ...] = ()
    high: tuple[End, ...] = ()
    weight: float = 1.0
    below: str = ""


THEMES = (
    *(
        "email",
        "push",
        "sms",
        "ad",
        "discount",
        "returns",
        "social",
        "opinion",
        "value",
        "frequency",
        "variety",
    ),
    *(
        "basket",
        "price",
        "cart",
        "web",
        "browsing",
        "support",
        "loyalty",
        "rhythm",
        "income",
        "age",
        "channel",
        "device",
    ),
    *("place", "daytime", "weekend", "tenure", "trend", "activity"),
)
"""Of two themes the first gives the noun of a name, the other the adjective: "Weekend bargain hunters"."""

BIG = End("big-spending", "big spenders", very="very big spenders")
SMALL = End("low-spending", "small spenders", very="very small spenders")
FREQUENT = End("frequent", "frequent buyers", very="very frequent buyers")
NOT_YET = End("not-yet-buying", "customers without orders", at_most=0)
ONE_TIME = End("one-time", "one-time buyers", at_least=1, at_most=1)
RARE = End("occasional", "occasional buyers", very="rare buyers")
ACTIVE = End("active", "recently active customers")
LAPSED = End("lapsed", "lapsed customers", very="long-lapsed customers")
BARGAIN = End("bargain-hunting", "bargain hunters", very="keen bargain hunters")
FULL_PRICE = End("full-price", "full-price buyers")
GROWING = End("growing", "growing customers", at_least=0.1)
FADING = End("fading", "fading customers", at_most=-0.1)
VARIED = End("wide-ranging", "wide-ranging buyers")
NARROW = End("narrow-range", "narrow-range buyers")
ONLINE = End("online", "online visitors")
HAPPY, UNHAPPY = End("happy", "happy customers"), End("unhappy", "unhappy customers")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _within(end: End, **bounds: float) -> tuple[End, ...]:
    return (End(end.adjective, end.noun, very=end.very, **bounds),)


WORDS: dict[str, Words] = {
    # RFM
    "recency": Words(
        "activity", "last bought {} ago", _within(ACTIVE, at_most=90), _within(LAPSED, at_least=30), 1.2
    ),
    "frequency": Words(
        "frequency", "have placed {}", (NOT_YET, ONE_TIME, RARE), _within(FREQUENT, at_least=2), 1.2
    ),
    "monetary": Words("value", "have spent {}", (NOT_YET, SMALL), (BIG,), 1.2),
    "tenure": Words(
        "tenure",
        "first bought {} ago",
        (End("new", "new customers", at_most=183), End("newer", "newer customers")),
        (End("long-standing", "long-standing customers", at_least=183),),
    ),
    # CADENCE
    "gap_mean": Words("frequency", "leave {} between orders", (FREQUENT,), (RARE,), 0.9),
    "gap_median": Words("frequency", "usually leave {} between orders", (FREQUENT,), (RARE,), 0.9),
    "gap_std": Words(
        "rhythm",
        "order with a spread of {} around their usual gap",
        (End("steady", "steady buyers"),),
        (End("irregular", "irregular buyers"),),
        0.7,
    ),
    "gap_cv": Words(
        "rhythm",
        "order with an irregularity of {}",
        (End("steady", "steady buyers", at_most=0.5),),
        (End("irregular", "irregular buyers", at_least=0.7),),
        0.9,
    ),
    "gap_max": Words(
        "rhythm", "once left {} between orders", (), (End("on-and-off", "on-and-off buyers"),), 0.7
    ),
    "overdue": Words(
        "activity",
        "are at {} times their usual gap since the last order",
        (),
        (End("overdue", "overdue customers", at_least=1.5),),
    ),
    "next_order_due": Words(
        "activity",
        "are due to order in {}",
        (End("overdue", "overdue customers", at_most=-1),),
        (),
        0.9,
        "were due to order {} ago",
    ),
    "regularity": Words(
        "rhythm",
        "order with a regularity of {}",
        (End("irregular", "irregular buyers", at_most=0.5),),
        (End("clockwork", "clockwork buyers", at_least=0.7),),
        0.9,
    ),
    "weekend_order_share": Words(
        "weekend",
        "place {} of their orders at weekends",
        (End("weekday", "weekday shoppers", at_most=0.15),),
        (End("weekend", "weekend shoppers", at_least=0.4),),
        1.1,
    ),
    # BASKET
    "average_order_value": Words(
        "basket",
        "spend {} an order",
        (End("small-basket", "small-basket shoppers"),),
        (End("big-basket", "big-basket shoppers"),),
    ),
    "order_value_max": Words(
        "basket",
        "spent {} on their largest order",
        (End("small-basket", "small-basket shoppers"),),
        (End("big-ticket", "big-ticket buyers"),),
        0.7,
    ),
    "order_value_min": Words(
        "basket", "spent {} on their smallest order", (), (End("big-basket", "big-basket shoppers"),), 0.6
    ),
    "order_value_spread": Words(
        "rhythm",
        "vary their orders by a factor of {}",
        (End("steady-basket", "steady-basket shoppers"),),
        (End("mixed-basket", "mixed-basket shoppers"),),
        0.7,
    ),
    "items_per_order": Words(
        "basket",
        "put {} in an order",
        (End("small-basket", "small-basket shoppers"),),
        (End("stocking-up", "stock-up shoppers"),),
        0.9,
    ),
    "lines_per_order": Words(
        "basket",
        "put {} in an order",
        (End("small-basket", "small-basket shoppers"),),
        (End("full-basket", "full-basket shoppers"),),
        0.9,
    ),
    "single_item_order_share": Words(
        "basket",
        "order a single item in {} of their orders",
        (),
        (End("single-item", "single-item buyers", at_least=0.5),),
        0.9,
    ),
    "variety": Words("variety", "have bought {}", (NARROW,), (VARIED,), 0.8),
    "category_count": Words("variety", "have bought from {}", (NARROW,), (VARIED,), 0.8),
    "category_entropy": Words("variety", "have a variety of categories of {}", (NARROW,), (VARIED,), 0.8),
    "top_category_share": Words(
        "variety",
        "make {} of their purchases in their main category",
        (VARIED,),
        (End("one-category", "one-category buyers", at_least=0.5),),
        0.8,
    ),
    "discount_share": Words(
        "discount",
        "get {} off the full price",
        _within(FULL_PRICE, at_most=0.05),
        _within(BARGAIN, at_least=0.1),
        1.2,
    ),
    "discounted_order_share": Words(
        "discount",
        "use a discount in {} of their orders",
        _within(FULL_PRICE, at_most=0.2),
        _within(BARGAIN, at_least=0.4),
        1.2,
    ),
    "return_rate": Words(
        "returns",
        "send back {} of what they buy",
        (),
        (End("often-returning", "frequent returners", at_least=0.08),),
        1.1,
    ),
    # TREND
    "orders_30d": Words(
        "activity", "placed {} in the last {days} days", (End("quiet", "quiet customers"),), (ACTIVE,), 0.9
    ),
    "spend_30d": Words(
        "activity", "spent {} in the last {days} days", (End("quiet", "quiet customers"),), (ACTIVE,), 0.8
    ),
    "orders_change": Words(
        "trend", "have an order trend of {} on a scale from −1 to 1", (FADING,), (GROWING,), 1.1
    ),
    "spend_change": Words(
        "trend", "have a spend trend of {} on a scale from −1 to 1", (FADING,), (GROWING,), 1.1
    ),
    "spend_slope": Words(
        "trend",
        "raised their weekly spend by {} each week",
        _within(FADING, at_most=-1e-9),
        _within(GROWING, at_least=1e-9),
        1.0,
        "lowered their weekly spend by {} each week",
    ),
    "order_trend": Words(
        "trend", "have a pace trend of {}", _within(FADING, at_most=-1), _within(GROWING, at_least=1)
    ),
    # PREFERENCE
    "top_product_share": Words(
        "loyalty",
        "make {} of their purchases in one product",
        (),
        (End("one-product", "one-product buyers", at_least=0.5),),
        0.8,
    ),
    "product_entropy": Words("variety", "have a variety of products of {}", (NARROW,), (VARIED,), 0.8),
    "repeat_product_share": Words(
        "loyalty",
        "buy {} of their products again",
        (),
        (End("habitual", "habitual buyers", at_least=0.3),),
        0.9,
    ),
    "novelty": Words(
        "loyalty",
        "had never bought {} of their recent products before",
        (End("habitual", "habitual buyers", at_most=0.5),),
        (End("curious", "novelty seekers", at_least=0.5),),
        0.9,
    ),
    "top_brand_share": Words(
        "loyalty",
        "make {} of their purchases in one brand",
        (End("brand-switching", "brand switchers", at_most=0.4),),
        (End("brand-loyal", "brand loyalists", at_least=0.6),),
    ),
    "price_level": Words(
        "price", "pay {}", (End("low-price", "low-price buyers"),), (End("premium", "premium buyers"),)
    ),
    "price_spread": Words("price", "pay prices that vary by a factor of {}", weight=0.5),
    # WEB
    "visits": Words(
        "web",
        "have made {}",
        (End("rarely visiting", "rare visitors"),),
        (End("browsing", "frequent visitors"),),
    ),
    "visits_30d": Words(
        "web",
        "made {} in the last {days} days",
        (End("rarely visiting", "rare visitors"),),
        (End("browsing", "frequent visitors"),),
        0.9,
    ),
    "visit_recency": Words(
        "activity", "last visited {} ago", _within(ACTIVE, at_most=90), _within(LAPSED, at_least=30), 0.9
    ),
    "pages_per_visit": Words(
        "browsing",
        "view {} in a visit",
        (End("quick-visit", "quick visitors"),),
        (End("in-depth", "in-depth browsers"),),
        0.9,
    ),
    "visit_depth": Words(
        "browsing",
        "view {} in a visit",
        (End("quick-visit", "quick visitors"),),
        (End("in-depth", "in-depth browsers"),),
        0.8,
    ),
    "deepest_visit": Words(
        "browsing", "viewed {} in their longest visit", (), (End("in-depth", "in-depth browsers"),), 0.7
    ),
    "time_on_site": Words(
        "browsing",
        "stay {} on the site",
        (End("quick-visit", "quick visitors"),),
        (End("in-depth", "in-depth browsers"),),
        0.9,
    ),
    "time_on_page": Words(
        "browsing",
        "stay {} on a page",
        (End("quick-visit", "quick visitors"),),
        (End("in-depth", "careful readers"),),
        0.8,
    ),
    "bounce_rate": Words(
        "browsing",
        "leave after one page in {} of their visits",
        (),
        (End("quick-visit", "quick visitors", at_least=0.4),),
        0.8,
    ),
    "searches": Words("browsing", "have made {}", (), (End("searching", "keen searchers"),), 0.9),
    "cart_adds": Words(
        "cart", "have put something in the cart {}", (), (End("cart-filling", "cart fillers"),), 0.8
    ),
    "cart_abandonment": Words(
        "cart",
        "leave a filled cart in {} of their visits with one",
        (),
        (End("cart-abandoning", "cart abandoners", at_least=0.5),),
        1.1,
    ),
    "conversion_rate": Words(
        "web",
        "order in {} of their visits",
        (End("browsing", "window shoppers", at_most=0.25),),
        (End("decisive", "decisive shoppers"),),
    ),
    "view_to_order": Words(
        "browsing",
        "take {} from first view to order",
        (End("fast-deciding", "quick deciders"),),
        (End("slow-deciding", "slow deciders"),),
        0.9,
    ),
    # FEEDBACK
    "survey_count": Words("support", "were sent {}", weight=0.6),
    "survey_response_rate": Words(
        "opinion",
        "answer {} of their surveys",
        (),
        (End("survey-answering", "survey fans", at_least=0.3),),
        0.8,
    ),
    "survey_rating_mean": Words("opinion", "rate {} in surveys", (UNHAPPY,), (HAPPY,)),
    "survey_rating_last": Words("opinion", "last rated {} in a survey", (UNHAPPY,), (HAPPY,), 0.9),
    "review_count": Words(
        "opinion", "have written {}", (), (End("reviewing", "keen reviewers", at_least=1),), 0.9
    ),
    "review_rating_mean": Words(
        "opinion", "give {} in reviews", _within(UNHAPPY, at_most=3.4), _within(HAPPY, at_least=3.6)
    ),
    "review_rating_last": Words(
        "opinion",
        "last gave {} in a review",
        _within(UNHAPPY, at_most=3.4),
        _within(HAPPY, at_least=3.6),
        0.9,
    ),
    "chat_count": Words(
        "support", "have had {}", (), (End("support-seeking", "support seekers", at_least=1),), 0.9
    ),
    "feedback_sentiment_mean": Words(
        "opinion", "write in a tone of {}", _within(UNHAPPY, at_most=-0.05), _within(HAPPY, at_least=0.05)
    ),
    "feedback_sentiment_last": Words(
        "opinion",
        "last wrote in a tone of {}",
        _within(UNHAPPY, at_most=-0.05),
        _within(HAPPY, at_least=0.05),
        0.9,
    ),
    "negative_share": Words(
        "opinion", "complain in {} of their feedback", (), _within(UNHAPPY, at_least=0.4)
    ),
    "complaint_recency": Words("opinion", "last complained {} ago", weight=0.6),
    # SOCIAL
    **{
        name: Words("social", says, (), (End("social", "social media fans", at_least=1),), weight)
        for name, says, weight in (
            ("social_likes", "gave {} on social media", 0.8),
            ("social_shares", "made {} on social media", 0.8),
            ("social_comments", "wrote {} on social media", 0.8),
            ("social_mentions", "made {} of the shop", 0.8),
            ("social_count", "have had {} on social media", 1.0),
            ("social_reach", "have reached {} on social media", 0.7),
        )
    },
    "social_recency": Words("social", "last reacted on social media {} ago", weight=0.6),
    "social_sentiment_mean": Words(
        "opinion",
        "comment in a tone of {}",
        _within(UNHAPPY, at_most=-0.05),
        _within(HAPPY, at_least=0.05),
        0.8,
    ),
    # CONTEXT
    "night_share": Words(
        "daytime", "act at night {} of the time", (), (End("late-night", "night owls", at_least=0.25),), 0.9
    ),
    "morning_share": Words(
        "daytime",
        "act in the morning {} of the time",
        (),
        (End("morning", "morning shoppers", at_least=0.4),),
        0.9,
    ),
    "afternoon_share": Words(
        "daytime",
        "act in the afternoon {} of the time",
        (),
        (End("afternoon", "afternoon shoppers", at_least=0.5),),
        0.9,
    ),
    "evening_share": Words(
        "daytime",
        "act in the evening {} of the time",
        (),
        (End("evening", "evening shoppers", at_least=0.4),),
        0.9,
    ),
    "weekend_share": Words(
        "weekend",
        "act at weekends {} of the time",
        (End("weekday", "weekday shoppers", at_most=0.15),),
        (End("weekend", "weekend shoppers", at_least=0.4),),
    ),
    "device_count": Words(
        "device", "use {}", (), (End("many-device", "many-device users", at_least=2),), 0.7
    ),
    "mobile_share": Words(
        "device",
        "are on a phone {} of the time",
        (End("desktop", "desktop shoppers", at_most=0.3),),
        (End("mobile", "mobile shoppers", at_least=0.6),),
    ),
    "channel_count": Words(
        "channel", "use {}", (), (End("multichannel", "multichannel shoppers", at_least=2),), 0.9
    ),
    "online_share": Words(
        "channel",
        "place {} of their orders online",
        (End("in-store", "in-store shoppers", at_most=0.4),),
        (End("online", "online shoppers", at_least=0.6),),
    ),
    "place_count": Words(
        "place", "were seen in {}", (), (End("travelling", "customers on the move", at_least=2),), 0.7
    ),
    "top_place_share": Words("place", "act at their main place {} of the time", weight=0.6),
    # Attributes that most shops know
    "income": Words(
        "income",
        "have an income of {}",
        (End("lower-income", "lower-income customers"),),
        (End("high-income", "high-income customers"),),
    ),
    "birth_year": Words(
        "age", "were born in {}", (End("older", "older customers"),), (End("younger", "younger customers"),)
    ),
    "age": Words(
        "age", "are aged {}", (End("younger", "younger customers"),), (End("older", "older customers"),)
    ),
}

_MEDIA = {
    "email": ("e-mail", "e-mails", "open", "opened"),
    "push": ("push", "push messages", "open", "opened"),
    "sms": ("text-message", "text messages", "read", "read"),
    "ad": ("ad", "ads", "view", "viewed"),
}
for _medium, (_one, _many, _open, _opened) in _MEDIA.items():
    _fan = End(f"{_one}-loving", f"{_one} fans")
    _cold = End(f"{_one}-shy", f"{_one} ignorers")
    WORDS |= {
        f"{_medium}_sent": Words(_medium, "were sent {}", weight=0.5),
        f"{_medium}_opened": Words(_medium, f"have made {{}} of {_many}", (_cold,), (_fan,), 0.8),
        f"{_medium}_clicked": Words(_medium, f"have made {{}} on {_many}", (_cold,), (_fan,), 0.8),
        f"{_medium}_open_rate": Words(_medium, f"{_open} {{}} of their {_many}", (_cold,), (_fan,)),
        f"{_medium}_click_rate": Words(_medium, f"click {{}} of their {_many}", (_cold,), (_fan,)),
        f"{_medium}_click_to_open_rate": Words(
            _medium, f"click {{}} of the {_many} that they {_open}", (_cold,), (_fan,), 0.9
        ),
        f"{_medium}_open_recency": Words(_medium, f"last {_opened} {_many} {{}} ago", (_fan,), (_cold,), 0.7),
        f"{_medium}_click_recency": Words(_medium, f"last clicked {_many} {{}} ago", (_fan,), (_cold,), 0.7),
        f"{_medium}_unsubscribed": Words(
            _medium,
            f"have unsubscribed from {_many}",
            (),
            (End("unsubscribed", f"{_one} unsubscribers", at_least=0.5),),
        ),
        f"{_medium}_best_hour": Words("daytime", f"{_open} most {_many} at {{}} o'clock", weight=0.5),
    }

SINGLE_ORDER = ("gap_mean", "gap_median", "gap_max", "overdue", "next_order_due")
"""Features that are missing for customers with a single order."""

CATEGORIES = {
    "top_category": ("category", "", "{} buyers", "buy {} most often"),
    "top_product": ("product", "", "{} buyers", "buy {} most often"),
    "top_brand": ("loyalty", "", "{} fans", "buy {} most often"),
    "top_device": ("device", "{}", "{} users", "mostly use: {}"),
    "top_channel": ("channel", "{}", "{} shoppers", "mostly use: {}"),
    "top_place": ("place", "", "{} customers", "are mostly at {}"),
    "top_hour_band": ("daytime", "{}", "{} shoppers", "are mostly active in the {}"),
    "nps_class": ("opinion", "", "{}s", "are {}s"),
}
"""Theme, adjective, noun and clause for the word that most have; of other features they are "Mostly Lisbon"."""

ALSO_CALLED = {
    "recency": "days_since_last_order days_since_last_purchase recency_days last_purchase_days",
    "frequency": "orders order_count n_orders num_orders number_of_orders n_purchases purchase_count "
    "transactions n_transactions",
    "monetary": "spend total_spend spending revenue total_revenue total_spent amount_spent monetary_value turnover",
    "average_order_value": "aov avg_order_value basket_value",
    "tenure": "customer_age_days days_since_first_order",
    "visits": "web_visits sessions visit_count",
    "income": "annual_income yearly_income household_income",
    "age": "age_years customer_age",
    "birth_year": "year_birth year_of_birth yob",
    "discount_share": "discount_rate",
    "return_rate": "returns_share returned_share",
}
"""Other usual names of the same features."""

PAIRS = {
    ("lapsed", "big-spending"): "Lapsing big spenders",
    ("lapsed", "frequent"): "Lapsing regulars",
    ("overdue", "frequent"): "Overdue regulars",
    ("quiet", "frequent"): "Quiet regulars",
    ("long-standing", "frequent"): "Loyal regulars",
    ("long-standing", "active"): "Active long-standing customers",
    ("active", "frequent"): "Active regulars",
    ("steady", "frequent"): "Steady regulars",
    ("clockwork", "frequent"): "Clockwork regulars",
    ("new", "active"): "New customers",
    ("new", "one-time"): "New first-time buyers",
    ("new", "low-spending"): "New small buyers",
    ("newer", "low-spending"): "Newer small buyers",
    ("new", "occasional"): "New occasional buyers",
    ("big-basket", "big-spending"): "Big-basket spenders",
    ("small-basket", "low-spending"): "Small-basket spenders",
    ("one-time", "low-spending"): "Small one-time buyers",
    ("one-time", "big-spending"): "Big one-time buyers",
    ("online", "browsing"): "Online browsers",
}
"""Names of two traits, by their adjectives, where adjective and noun would read worse."""

MEASURES = _set(
    "age amount average balance budget count distance duration expenditure fee frequency gap height hours income index "
    "interest length level limit load margin number percentage points price profit rank rate rating ratio recency "
    "salary satisfaction score share size speed spend spending tenure time trend usage use value volume wealth weight "
    "width years"
)
"""Last words of a feature that are "high" or "low": "High credit score". Of other things there is more or less."""

ABBREVIATED = _set("mnt amt amount avg mean sum total tot pct perc qty")
COUNTED = _set("num nr nbr number n cnt count")
"""Words of a feature's name that are left out when it is read aloud; of what is counted there are many or few."""

UNSAID = frozenset(
    ["", "currency", "ratio", "factor", "hour", "bits", "sentiment", "standard deviations", "0 or 1"]
)
"""Units that are not said after a number."""

YES, NO = frozenset(["yes", "true", "y", "1"]), frozenset(["no", "false", "n", "0"])

TYPICAL = ("Typical customers", "Middle of the road", "Average customers")
"""Names of segments that nothing sets clearly apart."""

FEW = "Small group"
"""Name of a segment that may lie far apart, and has too few customers to be sure."""

SUPERLATIVES = _set("best biggest greatest highest largest longest lowest smallest top worst")
"""Words that a writer may not use: the summary tells how a segment differs from the others, not that it leads."""

NUMBER_WORDS = {
    "half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2, "twice": 2, "double": 2, "triple": 3, "two": 2,
    "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "dozen": 12,
    "twenty": 20, "hundred": 100, "thousand": 1000, "million": 1e6,
}  # fmt: skip
"""Numbers in words, in a writer's sentence."""
