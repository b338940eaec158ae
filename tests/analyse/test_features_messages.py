"""E-mail, push, text messages and ads: each feature by hand, priors, leaving, and what cannot be known."""

import math

import pandas as pd
import pytest
from by_hand import AS_OF, ada, days_before, exactly, log, one

import segkit as sg
from segkit.analyse.features.messages import ADS, EMAIL, PUSH, SMS

MEDIA = {"email": EMAIL, "push": PUSH, "sms": SMS, "ad": ADS}
COUNTED = {"sent": 4.0, "opened": 3.0, "clicked": 2.0, "open_recency": 39.0, "click_recency": 19.5}
COUNTED |= {"unsubscribed": 1.0, "best_hour": 6.0}
RATES = {  # of 4 sent, 2 opened and 2 clicked: (opened, clicked, clicked of the opened)
    "email": ((2 + 2) / 14, (2 + 0.2) / 14, (2 + 1) / 12),
    "push": ((2 + 0.5) / 14, (2 + 0.2) / 14, (2 + 4) / 12),
    "sms": ((2 + 2) / 14, (2 + 0.5) / 14, (2 + 2.5) / 12),
    "ad": ((2 + 5) / 14, (2 + 0.05) / 14, (2 + 0.1) / 12),
}
BY_HAND = {f"{medium}_{name}": value for medium in MEDIA for name, value in COUNTED.items()}
BY_HAND |= {
    f"{medium}_{name}": rate
    for medium, rates in RATES.items()
    for name, rate in zip(("open_rate", "click_rate", "click_to_open_rate"), rates, strict=True)
}


def four_messages(medium):
    """The first is opened twice, and clicked; the third clicked though no open was seen; the fourth is the last.

    An open of what was sent before all of these is one, but of no message that is known.
    """
    rows = [
        ("open", 44.75, "c0"),
        ("sent", 40, "c1"),
        ("open", 39.75, "c1"),
        ("click", 39.7, "c1"),
        ("open", 39, "c1"),
        ("sent", 30, "c2"),
        ("sent", 20, "c3"),
        ("click", 19.5, "c3"),
        ("sent", 10, "c4"),
        ("unsubscribe", 9, "c4"),
    ]
    return [(f"{medium}_{what}", days, {"campaign": campaign}) for what, days, campaign in rows]


@pytest.fixture(scope="module")
def row():
    return ada(log(*(row for medium in MEDIA for row in four_messages(medium))), EMAIL + PUSH + SMS + ADS)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_by_hand(row, name):
    assert row[name] == exactly(BY_HAND[name])


@pytest.mark.parametrize("medium", MEDIA)
def test_media_are_apart(medium):
    events = log(*four_messages(medium))
    for other, features in MEDIA.items():
        if other != medium:
            row = ada(events, features)
            assert {row[f"{other}_{what}"] for what in ("sent", "opened", "clicked")} == {0}
            assert all(math.isnan(value) for value in row.values() if value != 0)


def test_one_of_one_is_not_all_of_them():
    """The prior is worth ten messages, of which two were opened."""
    once = log(("email_sent", 2, {}), ("email_open", 1, {}))
    assert one(once, "email_open_rate") == exactly(3 / 11)
    thousand = log(*(("email_sent", 2, {}), ("email_open", 1, {})) * 1000)
    assert one(thousand, "email_open_rate") == exactly(1002 / 1010)
    assert one(log(("email_sent", 2, {})), "email_open_rate") == exactly(2 / 11)


def test_nobody_mailed_has_no_open_rate():
    row = ada(log(("purchase", 5, {})), EMAIL)
    assert row.pop("email_sent") == row.pop("email_opened") == row.pop("email_clicked") == 0
    assert all(math.isnan(value) for value in row.values())
    opened = ada(log(("email_open", 5, {})), EMAIL)
    assert opened["email_opened"] == 1 and opened["email_unsubscribed"] == 0
    assert math.isnan(opened["email_open_rate"]) and math.isnan(opened["email_click_to_open_rate"])
    unread = ada(log(("email_sent", 5, {})), EMAIL)
    assert unread["email_click_rate"] == exactly(0.2 / 11)
    assert math.isnan(unread["email_click_to_open_rate"]) and math.isnan(unread["email_best_hour"])


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        ([{"campaign": "a"}, {"campaign": "b"}], (1 + 2) / 12),  # b was sent, a opened three times
        (
            [{"campaign": "a"}, {"campaign": "a"}],
            (2 + 2) / 12,
        ),  # sent twice; its three opens are of two at most
        ([{"campaign": None}, {"campaign": None}], (2 + 2) / 12),
        ([{}, {}], (2 + 2) / 12),
    ],
)
def test_a_message_opened_again_is_opened_once(said, rate):
    first, second = said
    opens = [("email_open", days, first) for days in (4, 3, 2)]
    events = log(("email_sent", 6, first), ("email_sent", 5, second), *opens)
    assert one(events, "email_open_rate") == exactly(rate)
    assert one(events, "email_opened") == 3


@pytest.mark.parametrize(
    ("rows", "unsubscribed"),
    [
        ([("sent", 9)], 0),
        ([("unsubscribe", 9), ("open", 8), ("click", 7), ("sent", 6)], 1),
        ([("unsubscribe", 9), ("subscribe", 8)], 0),
        ([("subscribe", 9), ("unsubscribe", 8)], 1),
        ([("unsubscribe", 9), ("subscribe", 8), ("unsubscribe", 7)], 1),
        ([("unsubscribe", 9), ("subscribe", 9)], 1),
        ([("subscribe", 9)], 0),
    ],
)
def test_only_a_subscription_undoes_leaving(rows, unsubscribed):
    events = log(*((f"sms_{what}", days, {}) for what, days in rows))
    assert one(events, "sms_unsubscribed") == unsubscribed


def opened_at(*moments, **said):
    """One open at each of these times of June 2024."""
    rows = [
        ("ad_open", (AS_OF - pd.Timestamp(f"2024-06-{moment}")) / pd.Timedelta("1D"), {})
        for moment in moments
    ]
    return log(*rows, **said)


def test_the_best_hour_of_equals_is_the_earliest():
    assert one(opened_at("03 21:00", "04 21:59", "05 07:00"), "ad_best_hour") == 21
    assert one(opened_at("03 21:00", "04 07:59", "05 07:00", "06 21:30"), "ad_best_hour") == 7
    assert one(opened_at(*[f"{d:02} 08:00" for d in range(1, 10)], *["01 00:10"] * 10), "ad_best_hour") == 0
    assert one(opened_at("03 23:59:59.9"), "ad_best_hour") == 23


def test_the_best_hour_is_that_of_the_place_or_else_of_the_shop():
    """Midnight in London in June is 23:00 UTC."""
    events = opened_at("03 23:10", "04 09:00", "05 23:10")
    assert one(events, "ad_best_hour") == 23
    here = sg.with_settings(sg.select_features("ad_best_hour"), timezone="Europe/London")
    assert ada(events, here)["ad_best_hour"] == 0
    tokyo = opened_at("03 23:10").table.to_pandas().assign(zone="Asia/Tokyo")
    assert one(sg.read_events(tokyo), "ad_best_hour") == 8
    there = sg.read_events(opened_at("03 23:10").table.to_pandas(), timezone="Asia/Tokyo")
    assert one(there, "ad_best_hour") == 23  # read and told by the same clock


def test_the_window_forgets_what_was_sent_before_it():
    """What is opened in the window but was sent before is of no message that is known."""
    events = log(("email_sent", 31, {"campaign": "a"}), ("email_open", 29, {"campaign": "a"}))
    events += log(("email_sent", 20, {"campaign": "b"}))
    row = ada(events, EMAIL, window="30 days")
    assert (row["email_sent"], row["email_opened"]) == (1, 1)
    assert row["email_open_rate"] == exactly(2 / 11)


@pytest.mark.parametrize(
    ("sent", "opened", "of_them"),
    [
        ({"news": 20}, {None: 20}, 20),
        ({None: 20}, {"news": 20}, 20),
        ({"news": 20}, {"sale": 20}, 0),  # of what was sent before the log begins
        ({"news": 20}, {"news": 15, None: 10}, 20),
        ({"news": 2, "sale": 3}, {"news": 5, None: 1}, 3),  # two of them, again and again, and one unknown
        ({"news": 2, None: 3}, {"sale": 9, None: 1}, 4),
        ({"news": 2, None: 3}, {"news": 1, "sale": 2, None: 1}, 4),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_campaign_known_on_one_side_only_may_be_any(sent, opened, of_them, turned):
    rows = [("email_sent", 9, {"campaign": c}) for c, n in sent.items() for _ in range(n)]
    rows += [("email_open", 8, {"campaign": c}) for c, n in opened.items() for _ in range(n)]
    rows += [("email_click", 7, {"campaign": c}) for c, n in opened.items() for _ in range(n)]
    row = ada(log(*(rows[::-1] if turned else rows)), EMAIL)
    assert row["email_open_rate"] == exactly((of_them + 2) / (sum(sent.values()) + 10))
    assert row["email_click_rate"] == exactly((of_them + 0.2) / (sum(sent.values()) + 10))


def test_what_others_receive_changes_nothing():
    table = pd.DataFrame(
        [("ada", "email_sent", days_before(3)), *[("bob", "email_open", days_before(2))] * 5],
        columns=["customer_id", "kind", "timestamp"],
    )
    alone = one(sg.read_events(table.head(1)), "email_open_rate")
    assert one(sg.read_events(table), "email_open_rate") == alone
