"""Features of the website: visits, what happens in them, and whether they end in an order."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import share_of
from segkit.analyse.features.tables.visits import MICROSECONDS, WEB_KINDS


def _mean(total, number):
    return total.sum().cast("float64") / number.nullif(0)


def _visits_within(days):
    return Feature(
        f"visits_{days}d",
        lambda visits: visits.count(where=visits.days_ago <= days),
        "visits",
        f"Number of visits that began in the last {days} days.",
        kinds=WEB_KINDS,
        empty=0,
    )


WEB = family(
    "WEB",
    Feature(
        "visits",
        lambda visits: visits.count(),
        "visits",
        "Number of visits to the site.",
        kinds=WEB_KINDS,
        empty=0,
        synonyms=("sessions", "traffic"),
    ),
    *(_visits_within(days) for days in (7, 30)),
    Feature(
        "visit_recency",
        lambda visits: visits.days_ago.min(),
        "days",
        "Time since the last visit began.",
        kinds=WEB_KINDS,
        synonyms=("churn", "inactive"),
    ),
    Feature(
        "pages_per_visit",
        lambda visits: _mean(visits.pages, visits.count(where=visits.pages > 0)),
        "pages",
        "Average number of page views in a visit; a page that is viewed twice counts twice.",
        kinds=("page_view",),
        synonyms=("engagement",),
    ),
    Feature(
        "visit_depth",
        lambda visits: _mean(visits.different_pages, visits.count(where=visits.different_pages > 0)),
        "pages",
        "Average number of different pages viewed in a visit.",
        kinds=("page_view",),
    ),
    Feature(
        "deepest_visit",
        lambda visits: visits.different_pages.max().nullif(0),
        "pages",
        "Largest number of different pages viewed in one visit.",
        kinds=("page_view",),
    ),
    Feature(
        "time_on_site",
        lambda visits: _mean(visits.time_on_site, visits.time_on_site.count()) / MICROSECONDS,
        "seconds",
        "Average length of a visit; visits of a single click count only where the source has their length.",
        kinds=WEB_KINDS,
        synonyms=("session duration", "engagement"),
    ),
    Feature(
        "time_on_page",
        lambda visits: _mean(visits.time_on_pages, visits.timed_pages.sum()) / MICROSECONDS,
        "seconds",
        "Average time on a page: from the source, or else until the next click of the visit.",
        kinds=("page_view",),
    ),
    Feature(
        "bounce_rate",
        lambda visits: share_of(visits.bounced),
        "share",
        "Bounce rate: share of visits with one page view and nothing else.",
        kinds=("page_view",),
    ),
    Feature(
        "searches",
        lambda events: events.count(where=events.kind == "search"),
        "searches",
        "Number of searches on the site.",
        kinds=("search",),
        empty=0,
    ),
    Feature(
        "cart_adds",
        lambda events: events.count(where=events.kind == "cart_add"),
        "times",
        "Additions to the cart: how often the customer put something in it.",
        kinds=("cart_add",),
        empty=0,
    ),
    Feature(
        "cart_abandonment",
        lambda visits: share_of(~visits.ordered, of=visits.cart_adds > 0),
        "share",
        "Abandoned carts: share of visits with something in the cart that ended without an order.",
        kinds=("cart_add", "purchase"),
        synonyms=("abandonment",),
    ),
    Feature(
        "conversion_rate",
        lambda visits: share_of(visits.ordered),
        "share",
        "Conversion rate: share of visits in which the customer ordered.",
        kinds=(*WEB_KINDS, "purchase"),
    ),
    Feature(
        "view_to_order",
        lambda first_views: first_views.days.min(),
        "days",
        "Time from first page view to first order (the first after it).",
        kinds=("page_view", "purchase"),
        synonyms=("time to purchase",),
    ),
)
