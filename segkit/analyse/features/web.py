"""Behaviour on the site: visits, what is done in them, and whether they end in an order."""

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
    ),
    *(_visits_within(days) for days in (7, 30)),
    Feature(
        "visit_recency",
        lambda visits: visits.days_ago.min(),
        "days",
        "Time since the last visit began.",
        kinds=WEB_KINDS,
    ),
    Feature(
        "pages_per_visit",
        lambda visits: _mean(visits.pages, visits.count(where=visits.pages > 0)),
        "pages",
        "Mean number of page views in a visit, a page seen twice counting twice.",
        kinds=("page_view",),
    ),
    Feature(
        "visit_depth",
        lambda visits: _mean(visits.different_pages, visits.count(where=visits.different_pages > 0)),
        "pages",
        "Mean number of different pages seen in a visit.",
        kinds=("page_view",),
    ),
    Feature(
        "deepest_visit",
        lambda visits: visits.different_pages.max().nullif(0),
        "pages",
        "Most different pages seen in one visit.",
        kinds=("page_view",),
    ),
    Feature(
        "time_on_site",
        lambda visits: _mean(visits.time_on_site, visits.time_on_site.count()) / MICROSECONDS,
        "seconds",
        "Mean length of the visits in which more than one thing was done, or whose length the source says.",
        kinds=WEB_KINDS,
    ),
    Feature(
        "time_on_page",
        lambda visits: _mean(visits.time_on_pages, visits.timed_pages.sum()) / MICROSECONDS,
        "seconds",
        "Mean time on a page: as the source says, else until the next thing done in the visit.",
        kinds=("page_view",),
    ),
    Feature(
        "bounce_rate",
        lambda visits: share_of(visits.bounced),
        "share",
        "Part of the visits that saw one page and did nothing else.",
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
        "Number of times that something was put in the cart.",
        kinds=("cart_add",),
        empty=0,
    ),
    Feature(
        "cart_abandonment",
        lambda visits: share_of(~visits.ordered, of=visits.cart_adds > 0),
        "share",
        "Part of the visits with something put in the cart that ended without an order.",
        kinds=("cart_add", "purchase"),
    ),
    Feature(
        "conversion_rate",
        lambda visits: share_of(visits.ordered),
        "share",
        "Part of the visits in which an order was placed.",
        kinds=(*WEB_KINDS, "purchase"),
    ),
    Feature(
        "view_to_order",
        lambda first_views: first_views.days.min(),
        "days",
        "Time from the first page view to the first order that followed it.",
        kinds=("page_view", "purchase"),
    ),
)
