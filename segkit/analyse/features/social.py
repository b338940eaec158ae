"""What customers do with the shop on social media."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import mean_of

KINDS = ("social_like", "social_share", "social_comment", "social_mention")


def _number_of(kind, doc):
    return Feature(
        f"{kind}s",
        lambda social: social.count(where=social.kind == kind),
        f"{kind.removeprefix('social_')}s",
        doc,
        (kind,),
        empty=0,
    )


SOCIAL = family(
    "SOCIAL",
    _number_of("social_like", "How often they liked what the shop posted."),
    _number_of("social_share", "How often they shared what the shop posted."),
    _number_of("social_comment", "How often they commented on what the shop posted."),
    _number_of("social_mention", "How often they wrote of the shop themselves."),
    Feature(
        "social_count",
        lambda social: social.count(),
        "interactions",
        "Number of likes, shares, comments, mentions and other social interactions in all.",
        KINDS,
        empty=0,
    ),
    Feature(
        "social_recency",
        lambda social: social.days_ago.min(),
        "days",
        "Time since the last social interaction.",
        KINDS,
    ),
    Feature(
        "social_reach",
        lambda social: social.quantity.sum(),
        "people",
        "How many people their social interactions reached in all, where the source says so (as quantity).",
        KINDS,
    ),
    Feature(
        "social_sentiment_mean",
        lambda social: mean_of(social.sentiment),
        "sentiment",
        "Mean tone of their comments and mentions, from −1 (negative) to 1 (positive).",
        KINDS,
    ),
)
