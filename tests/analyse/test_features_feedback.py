"""What customers say: each feature by hand, scales, ties in time, and what counts as a complaint."""

import math

import pandas as pd
import pytest
from by_hand import ada, exactly, log, one

import segkit as sg
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


@pytest.fixture(scope="module")
def row():
    said = [
        ("survey", 50, {"rating": 10}),
        ("survey", 40, {}),  # asked, not answered
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
    return ada(log(*said, *posts), FEEDBACK + SOCIAL)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_by_hand(row, name):
    assert row[name] == exactly(BY_HAND[name])


@pytest.mark.parametrize(
    ("rating", "named"),
    [(0, "detractor"), (6, "detractor"), (6.9, "detractor"), (7, "passive"), (8, "passive"), (8.9, "passive"),
     (9, "promoter"), (10, "promoter"), (11, None), (-1, None), (85, None)],
)  # fmt: skip
def test_promoters_begin_at_9_of_10(rating, named):
    found = one(log(("survey", 5, {"rating": rating})), "nps_class")
    assert found == named or (named is None and pd.isna(found))


def test_a_class_off_its_scale_is_not_taken_from_an_older_survey():
    events = log(("survey", 9, {"rating": 10}), ("survey", 5, {"rating": 99}))
    assert pd.isna(one(events, "nps_class")) and one(events, "survey_rating_last") == 99


def test_stars_and_points_are_never_mixed():
    events = log(("survey", 9, {"rating": 10}), ("review", 5, {"rating": 1}), ("chat", 3, {"rating": 3}))
    row = ada(events, sg.select_features("survey_rating_mean", "survey_rating_last", "nps_class"))
    assert list(row.values()) == [10, 10, "promoter"]
    assert one(events, "review_rating_mean") == one(events, "review_rating_last") == 1


def test_the_last_is_the_mean_of_those_that_came_at_once():
    events = log(
        ("survey", 9, {"rating": 0}),
        ("survey", 5, {"rating": 8}),
        ("survey", 5, {"rating": 10}),
        ("survey", 5, {"rating": None}),
        ("survey", 4, {"rating": None}),
        ("review", 3, {"rating": 1, "sentiment": 0.5}),
        ("chat", 3, {"sentiment": -0.25}),
    )
    assert (one(events, "survey_rating_last"), one(events, "nps_class")) == (9, "promoter")
    assert one(events, "feedback_sentiment_last") == 0.125


@pytest.mark.parametrize(
    ("kind", "said", "complaint"),
    [
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
        ("social_mention", {"sentiment": -1.0}, None),  # said of the shop, not to it
    ],
)
def test_what_a_complaint_is(kind, said, complaint):
    events = log((kind, 5, {"sentiment": None, "rating": None} | said))
    share, recency = one(events, "negative_share"), one(events, "complaint_recency")
    assert share == exactly(math.nan if complaint is None else complaint)
    assert recency == exactly(5 if complaint else math.nan)


def test_a_complaint_is_known_from_either_column():
    assert one(log(("review", 5, {"rating": 2})), "negative_share") == 1
    assert one(log(("review", 5, {"sentiment": -1.0})), "negative_share") == 1
    with pytest.raises(ValueError, match="'negative_share' needs 'sentiment'"):
        one(log(("review", 5, {})), "negative_share")


@pytest.mark.parametrize("column", ["rating", "text", "sentiment"])
def test_an_answer_has_a_rating_or_words(column):
    events = log(("survey", 5, {column: 1}), ("survey", 4, {column: None}), ("review", 3, {column: 1}))
    assert one(events, "survey_response_rate") == 0.5
    assert one(events, "survey_count") == 2


def test_who_was_never_asked_has_no_response_rate():
    row = ada(log(("chat", 5, {"rating": None, "sentiment": None})), FEEDBACK)
    assert math.isnan(row["survey_response_rate"])
    assert one(log(("survey", 5, {"rating": None})), "survey_response_rate") == 0


def test_means_are_exact_in_any_order():
    """Ten times 0.1 is 1, whatever is added between."""
    tones = [0.1] * 10 + [1.0, -1.0, 0.3, -0.3]
    means = {one(log(*(("chat", 5, {"sentiment": s}) for s in order)), "feedback_sentiment_mean")
             for order in (tones, tones[::-1], sorted(tones))}  # fmt: skip
    assert means == {1 / 14}


def test_reach_is_known_where_the_source_says_so():
    assert math.isnan(one(log(("social_share", 5, {"quantity": None})), "social_reach"))
    assert one(log(("social_share", 5, {"quantity": 0.0})), "social_reach") == 0
