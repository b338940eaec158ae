"""Features of social media: likes, shares, comments, mentions."""

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
    _number_of("social_like", "How often the customer liked the shop's posts."),
    _number_of("social_share", "How often the customer shared the shop's posts."),
    _number_of("social_comment", "How often the customer commented on the shop's posts."),
    _number_of("social_mention", "How often the customer mentioned the shop (in their own posts)."),
    Feature(
        "social_count",
        lambda social: social.count(),
        "interactions",
        "Number of social interactions: likes, shares, comments, mentions and others.",
        KINDS,
        empty=0,
        synonyms=("engagement",),
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
        "Reach of social interactions: number of people, where the source has it (as quantity).",
        KINDS,
        synonyms=("influencer",),
    ),
    Feature(
        "social_sentiment_mean",
        lambda social: mean_of(social.sentiment),
        "sentiment",
        "Average sentiment of comments and mentions: from −1 (negative) to 1 (positive).",
        KINDS,
    ),
)
