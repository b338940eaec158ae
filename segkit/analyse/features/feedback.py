"""What customers say to the shop, in surveys, reviews and chats.

Ratings have the scale of their kind, and are never mixed: stars from 1 to 5 in reviews, and in surveys, for
`nps_class`, how likely they are to recommend, from 0 to 10. Where several came at the same instant, the last
is their mean.
"""

import functools
import operator

import ibis

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import mean_of, share_of
from segkit.analyse.features.tables.context import ANSWERS

NEGATIVE = -0.05  # sentiment from which VADER's authors call a text negative: Hutto & Gilbert (2014)
FEW_STARS = 2
PROMOTER, PASSIVE = 9, 7  # of 10: Reichheld (2003), The One Number You Need to Grow
KINDS = ("survey", "review", "chat")


def _number_of(kind):
    return lambda feedback: feedback.count(where=feedback.kind == kind)


def _mean_rating(kind):
    return lambda feedback: mean_of(feedback.rating, feedback.kind == kind)


def _last_rating(kind):
    return lambda last_ratings: mean_of(last_ratings.rating, last_ratings.kind == kind)


def _response_rate(feedback):
    said = [feedback[column].notnull() for column in ANSWERS if column in feedback.columns]
    answered = functools.reduce(operator.or_, said) if said else feedback.rating.notnull()
    return share_of(answered, of=feedback.kind == "survey")


def _nps_class(last_ratings):
    rating = _last_rating("survey")(last_ratings)
    return ibis.cases(
        ((rating < 0) | (rating > 10), ibis.null("string")),
        (rating >= PROMOTER, "promoter"),
        (rating >= PASSIVE, "passive"),
        (rating >= 0, "detractor"),
    )


def _is_negative(feedback):
    """Whether a contact was a negative one; missing where nothing tells its tone."""
    signs = []
    if "sentiment" in feedback.columns or "rating" not in feedback.columns:
        signs.append(feedback.sentiment <= NEGATIVE)
    if "rating" in feedback.columns:
        signs.append((feedback.kind == "review").ifelse(feedback.rating <= FEW_STARS, None))
    return functools.reduce(operator.or_, (sign.fill_null(False) for sign in signs)).ifelse(
        True, ibis.coalesce(*signs)
    )


FEEDBACK = family(
    "FEEDBACK",
    Feature(
        "survey_count",
        _number_of("survey"),
        "surveys",
        "Number of surveys, answered or not.",
        ("survey",),
        empty=0,
    ),
    Feature(
        "survey_response_rate",
        _response_rate,
        "share",
        "Part of the surveys that was answered: one with neither rating nor text was only sent.",
        ("survey",),
    ),
    Feature(
        "survey_rating_mean",
        _mean_rating("survey"),
        "points",
        "Mean rating in surveys, on their scale.",
        ("survey",),
    ),
    Feature(
        "survey_rating_last",
        _last_rating("survey"),
        "points",
        "Rating in the last survey that has one, on its scale.",
        ("survey",),
    ),
    Feature(
        "nps_class",
        _nps_class,
        "class",
        "By the last survey's rating from 0 to 10: promoter from 9, passive from 7, else detractor; missing where it "
        "lies off that scale. One rating does not say its scale: leave it out where surveys run to 5 or to 100.",
        ("survey",),
    ),
    Feature(
        "review_count", _number_of("review"), "reviews", "Number of reviews written.", ("review",), empty=0
    ),
    Feature(
        "review_rating_mean",
        _mean_rating("review"),
        "stars",
        "Mean rating in reviews, from 1 to 5.",
        ("review",),
    ),
    Feature(
        "review_rating_last",
        _last_rating("review"),
        "stars",
        "Rating in the last review that has one, from 1 to 5.",
        ("review",),
    ),
    Feature(
        "chat_count",
        _number_of("chat"),
        "chats",
        "Number of talks with the shop's support.",
        ("chat",),
        empty=0,
    ),
    Feature(
        "feedback_sentiment_mean",
        lambda feedback: mean_of(feedback.sentiment),
        "sentiment",
        "Mean tone of surveys, reviews and chats, from −1 (negative) to 1 (positive).",
        KINDS,
    ),
    Feature(
        "feedback_sentiment_last",
        lambda last_sentiments: mean_of(last_sentiments.sentiment),
        "sentiment",
        "Tone of the last survey, review or chat that has one, from −1 (negative) to 1 (positive).",
        KINDS,
    ),
    Feature(
        "negative_share",
        lambda feedback: share_of(_is_negative(feedback)),
        "share",
        f"Part of the contacts whose tone is known that was a complaint: sentiment up to {NEGATIVE}, "
        f"or a review of {FEW_STARS} stars or fewer.".replace("-", "−"),
        KINDS,
    ),
    Feature(
        "complaint_recency",
        lambda feedback: feedback.days_ago.min(where=_is_negative(feedback)),
        "days",
        "Time since the last complaint: a contact of negative tone, as in negative_share.",
        KINDS,
    ),
)
