"""What customers say: each feature by hand, scales, ties in time, and what counts as a complaint."""

import math

import pytest
from by_hand import ada, differences, each, exactly, log, one

from segkit.analyse.features.feedback import FEEDBACK
from segkit.analyse.features.social import SOCIAL

BY_HAND = {
    "survey_count": 4.0,
    "survey_response_rate": 3 / 4,
    "survey_rating_mean": 8.5,
    "survey_rating_last": 7.0,
    "nps_class": "passive",
    "review_count": 2.0,
    "review_rating_mean": 3.0,
    "review_rating_last": 2.0,
    "chat_count": 3.0,
    "feedback_sentiment_mean": (0.5 - 0.3 + 0.1) / 3,
    "feedback_sentiment_last": 0.1,
    "negative_share": 2 / 4,
    "complaint_recency": 15.0,
    "social_likes": 2.0,
    "social_shares": 1.0,
    "social_comments": 2.0,
    "social_mentions": 1.0,
    "social_count": 7.0,
    "social_recency": 2.0,
    "social_reach": 130.0,
    "social_sentiment_mean": (0.6 - 0.2) / 2,
}


COLUMNS = {"rating": None, "sentiment": None, "text": None}


def test_features_by_hand():
    said = [
        ("survey", 50, {"rating": 10}),
        ("survey", 40, {}),  # not answered
        ("survey", 30, {"rating": 7}),
        ("survey", 20, {"text": "No comment"}),
        ("review", 45, {"rating": 4, "sentiment": 0.5}),
        ("review", 15, {"rating": 2}),
        ("chat", 25, {"sentiment": -0.3}),
        ("chat", 12, {"sentiment": 0.1}),
        ("chat", 11, {}),
    ]
    posts = [
        ("social_like", 9, {}),
        ("social_like", 8, {}),
        ("social_share", 7, {"quantity": 120}),
        ("social_comment", 6, {"sentiment": 0.6, "quantity": 10}),
        ("social_comment", 5, {"sentiment": -0.2}),
        ("social_mention", 4, {}),
        ("social_follow", 2, {}),  # a kind of one's own
    ]
    assert differences(ada(log(*said, *posts), FEEDBACK + SOCIAL), BY_HAND) == {}


def test_promoters_begin_at_nine():
    detractors, passives, promoters = (0, 6, 6.9), (7, 8, 8.9), (9, 10)
    expected = dict.fromkeys(detractors, "detractor") | dict.fromkeys(passives, "passive")
    expected |= dict.fromkeys(promoters, "promoter") | dict.fromkeys((11, -1, 85), "unknown")
    surveys = {rating: [("survey", 5, {"rating": rating})] for rating in expected}
    surveys["off the scale"] = [("survey", 9, {"rating": 10}), ("survey", 5, {"rating": 99})]
    rows = each(surveys, "nps_class", "survey_rating_last")
    classes = rows["nps_class"].astype("object").fillna("unknown")  # and not taken from an older survey
    assert classes.to_list() == [*expected.values(), "unknown"]
    assert rows.loc["off the scale", "survey_rating_last"] == 99


def test_ratings_of_kinds_are_apart():
    ratings = [("survey", 9, {"rating": 10}), ("review", 5, {"rating": 1}), ("chat", 3, {"rating": 3})]
    at_once = [
        ("survey", 9, {"rating": 0}),
        ("survey", 5, {"rating": 8}),
        ("survey", 5, {"rating": 10}),
        ("survey", 5, {"rating": None}),
        ("survey", 4, {"rating": None}),
        ("review", 3, {"rating": 1, "sentiment": 0.5}),
        ("chat", 3, {"sentiment": -0.25}),
    ]
    rows = each({"kinds": ratings, "at once": at_once}, *FEEDBACK, columns=COLUMNS)
    kinds, last = rows.loc["kinds"], rows.loc["at once"]
    assert (kinds["survey_rating_mean"], kinds["survey_rating_last"], kinds["nps_class"]) == (
        10,
        10,
        "promoter",
    )
    assert kinds["review_rating_mean"] == kinds["review_rating_last"] == 1
    assert (last["survey_rating_last"], last["nps_class"]) == (9, "promoter")  # the mean of both
    assert last["feedback_sentiment_last"] == 0.125


def test_complaints():
    expected = [
        ("chat", {"sentiment": -0.05}, 1),
        ("chat", {"sentiment": -0.049999}, 0),
        ("chat", {"sentiment": None}, None),
        ("review", {"rating": 2}, 1),
        ("review", {"rating": 3}, 0),
        ("review", {"rating": 2, "sentiment": 0.9}, 1),
        ("review", {"rating": 5, "sentiment": -0.9}, 1),
        ("review", {"rating": 5, "sentiment": None}, 0),
        ("survey", {"rating": 1}, None),  # points, not stars
        ("survey", {"rating": 1, "sentiment": 0.0}, 0),
        ("social_mention", {"sentiment": -1.0}, None),  # not said to the shop
    ]
    scenarios = {i: [(kind, 5, said)] for i, (kind, said, _) in enumerate(expected)}
    rows = each(scenarios, "negative_share", "complaint_recency", columns=COLUMNS)
    known = [math.nan if complaint is None else complaint for *_, complaint in expected]
    assert rows["negative_share"].to_list() == exactly(known)
    assert rows["complaint_recency"].to_list() == exactly([5 if c == 1 else math.nan for c in known])


def test_complaints_need_one_column():
    assert one(log(("review", 5, {"rating": 2})), "negative_share") == 1
    assert one(log(("review", 5, {"sentiment": -1.0})), "negative_share") == 1
    with pytest.raises(ValueError, match="'negative_share' needs 'sentiment'"):
        one(log(("review", 5, {})), "negative_share")


@pytest.mark.parametrize("column", ["rating", "text", "sentiment"])
def test_answers_have_rating_or_text(column):
    answered = [("survey", 5, {column: 1}), ("survey", 4, {column: None}), ("review", 3, {column: 1})]
    surveys = {"half": answered, "none": [("survey", 5, {column: None})], "not asked": [("chat", 5)]}
    rows = each(surveys, "survey_response_rate", "survey_count", columns={column: None})
    assert rows["survey_response_rate"].to_list() == exactly([0.5, 0, math.nan])
    assert rows["survey_count"].to_list() == [2, 1, 0]


def test_means_are_exact_in_any_order():
    """Ten times 0.1 is 1, whatever is added between."""
    tones = [0.1] * 10 + [1.0, -1.0, 0.3, -0.3]
    orders = {
        i: [("chat", 5, {"sentiment": s}) for s in order] for i, order in enumerate((tones, tones[::-1]))
    }
    assert set(each(orders, "feedback_sentiment_mean")["feedback_sentiment_mean"]) == {1 / 14}


def test_reach_is_missing_where_unknown():
    shares = {
        name: [("social_share", 5, {"quantity": n})] for name, n in {"unknown": None, "none": 0.0}.items()
    }
    assert each(shares, "social_reach")["social_reach"].to_list() == exactly([math.nan, 0])
