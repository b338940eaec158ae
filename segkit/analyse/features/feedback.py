"""Features of feedback: surveys, reviews and chats.

Ratings of different kinds are never mixed: reviews have 1 to 5 stars; `nps_class` takes the rating of a survey as the
likelihood to recommend, from 0 to 10. The last of several ratings of the same moment is their mean.
"""

import functools
import operator

import ibis

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import mean_of, share_of
from segkit.analyse.features.tables.context import ANSWERS

NEGATIVE = -0.05  # a text is negative up to this sentiment: Hutto & Gilbert (2014), VADER
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
    answers = [feedback[column].notnull() for column in ANSWERS if column in feedback.columns]
    answered = functools.reduce(operator.or_, answers) if answers else feedback.rating.notnull()
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
    """Whether a contact was negative; missing where neither sentiment nor stars are known."""
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
        "Number of surveys (answered or not).",
        ("survey",),
        empty=0,
    ),
    Feature(
        "survey_response_rate",
        _response_rate,
        "share",
        "Share of surveys that were answered (with a rating or text).",
        ("survey",),
    ),
    Feature(
        "survey_rating_mean",
        _mean_rating("survey"),
        "points",
        "Average rating in surveys (on their scale).",
        ("survey",),
        synonyms=("satisfaction", "CSAT"),
    ),
    Feature(
        "survey_rating_last",
        _last_rating("survey"),
        "points",
        "Rating in the last rated survey (on its scale).",
        ("survey",),
    ),
    Feature(
        "nps_class",
        _nps_class,
        "class",
        "Net Promoter class: by the last survey's rating from 0 to 10, promoter from 9, passive from 7, else "
        "detractor. Leave it out if your surveys have another scale, such as 1 to 5.",
        ("survey",),
        synonyms=("NPS", "recommendation", "loyal", "satisfaction"),
    ),
    Feature(
        "review_count", _number_of("review"), "reviews", "Number of reviews written.", ("review",), empty=0
    ),
    Feature(
        "review_rating_mean",
        _mean_rating("review"),
        "stars",
        "Average rating in reviews (1 to 5 stars).",
        ("review",),
        synonyms=("satisfaction",),
    ),
    Feature(
        "review_rating_last",
        _last_rating("review"),
        "stars",
        "Rating in the last rated review (1 to 5 stars).",
        ("review",),
    ),
    Feature(
        "chat_count",
        _number_of("chat"),
        "chats",
        "Number of chats with the shop's support.",
        ("chat",),
        empty=0,
        synonyms=("support", "contacts", "tickets"),
    ),
    Feature(
        "feedback_sentiment_mean",
        lambda feedback: mean_of(feedback.sentiment),
        "sentiment",
        "Average sentiment of feedback: surveys, reviews and chats, from −1 (negative) to 1 (positive).",
        KINDS,
    ),
    Feature(
        "feedback_sentiment_last",
        lambda last_sentiments: mean_of(last_sentiments.sentiment),
        "sentiment",
        "Sentiment of the last feedback: survey, review or chat with a known one, from −1 (negative) to 1 (positive).",
        KINDS,
    ),
    Feature(
        "negative_share",
        lambda feedback: share_of(_is_negative(feedback)),
        "share",
        f"Share of complaints: of surveys, reviews and chats, those with a sentiment up to {NEGATIVE}, or a review of "
        f"{FEW_STARS} stars or fewer.".replace("-", "−"),
        KINDS,
        synonyms=("complaints", "dissatisfied", "churn"),
    ),
    Feature(
        "complaint_recency",
        lambda feedback: feedback.days_ago.min(where=_is_negative(feedback)),
        "days",
        "Time since the last complaint: a survey, review or chat that is negative, as in negative_share.",
        KINDS,
        synonyms=("dissatisfied", "churn"),
    ),
)
