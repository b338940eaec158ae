"""E-mail, push, text messages and ads: each feature by hand, priors, leaving, and what cannot be known."""

import itertools
import math

import pandas as pd
from by_hand import ada, days_before, differences, each, exactly, log, one

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


def test_features_by_hand():
    rows = [row for medium in MEDIA for row in four_messages(medium)]
    assert differences(ada(log(*rows), EMAIL + PUSH + SMS + ADS), BY_HAND) == {}


def test_media_are_apart():
    rows = each({medium: four_messages(medium) for medium in MEDIA}, *EMAIL, *PUSH, *SMS, *ADS)
    for medium, other in itertools.permutations(MEDIA, 2):
        row = rows.loc[medium, [f.name for f in MEDIA[other]]]
        counts = [f"{other}_{what}" for what in ("sent", "opened", "clicked")]
        assert (row[counts] == 0).all() and row.drop(counts).isna().all()


def test_rates_need_many_messages():
    """The prior is worth ten messages, of which two were opened."""
    once = [("email_sent", 2), ("email_open", 1)]
    scenarios = {
        "one of one": once,
        "a thousand": once * 1000,
        "not opened": once[:1],
        "not mailed": [("purchase", 5)],
        "only opened": once[1:],
    }
    rows = each(scenarios, *EMAIL)
    rates = [3 / 11, 1002 / 1010, 2 / 11, math.nan, math.nan]
    assert rows["email_open_rate"].to_list() == exactly(rates)
    counts = ["email_sent", "email_opened", "email_clicked"]
    nobody, opened, unread = (rows.loc[name] for name in ("not mailed", "only opened", "not opened"))
    assert (nobody[counts] == 0).all() and nobody.drop(counts).isna().all()
    assert (opened["email_opened"], opened["email_unsubscribed"]) == (1, 0)
    assert math.isnan(opened["email_click_to_open_rate"]) and unread["email_click_rate"] == exactly(0.2 / 11)
    assert unread[["email_click_to_open_rate", "email_best_hour"]].isna().all()


def test_repeated_opens_count_once():
    a, b, unknown = {"campaign": "a"}, {"campaign": "b"}, {"campaign": None}
    expected = {  # of two messages: the rate of three opens of the first one
        "two campaigns": (a, b, (1 + 2) / 12),
        "sent twice": (a, a, (2 + 2) / 12),
        "no campaign": (unknown, unknown, (2 + 2) / 12),
    }
    scenarios = {
        name: [
            ("email_sent", 6, first),
            ("email_sent", 5, second),
            *(("email_open", d, first) for d in (4, 3, 2)),
        ]
        for name, (first, second, _) in expected.items()
    }
    rows = each(scenarios, "email_open_rate", "email_opened")
    assert rows["email_open_rate"].to_list() == exactly([rate for *_, rate in expected.values()])
    assert (rows["email_opened"] == 3).all()
    without = [(kind, days) for kind, days, *_ in scenarios["no campaign"]]  # nor a column of them
    assert one(log(*without), "email_open_rate") == exactly((2 + 2) / 12)


def test_only_subscribing_undoes_unsubscribing():
    scenarios = [
        ([("sent", 9)], 0),
        ([("unsubscribe", 9), ("open", 8), ("click", 7), ("sent", 6)], 1),
        ([("unsubscribe", 9), ("subscribe", 8)], 0),
        ([("subscribe", 9), ("unsubscribe", 8)], 1),
        ([("unsubscribe", 9), ("subscribe", 8), ("unsubscribe", 7)], 1),
        ([("unsubscribe", 9), ("subscribe", 9)], 1),
        ([("subscribe", 9)], 0),
    ]
    events = {i: [(f"sms_{what}", days) for what, days in rows] for i, (rows, _) in enumerate(scenarios)}
    assert each(events, "sms_unsubscribed")["sms_unsubscribed"].to_list() == [gone for _, gone in scenarios]


def opens(*moments, **columns):
    """Return one open at each of these times of June 2024."""
    return [("ad_open", f"2024-06-{moment}", columns) for moment in moments]


def test_the_best_hour_is_the_earliest_of_equal_ones():
    scenarios = {
        21: opens("03 21:00", "04 21:59", "05 07:00"),
        7: opens("03 21:00", "04 07:59", "05 07:00", "06 21:30"),
        0: opens(*[f"{d:02} 08:00" for d in range(1, 10)], *["01 00:10"] * 10),
        23: opens("03 23:59:59.9"),
    }
    assert each(scenarios, "ad_best_hour")["ad_best_hour"].to_list() == list(scenarios)


def test_the_best_hour_is_local():
    """Midnight in London in June is 23:00 UTC."""
    scenarios = {
        "shop": opens("03 23:10", "04 09:00", "05 23:10"),
        "own": opens("03 23:10", zone="Asia/Tokyo"),
    }
    in_london = sg.with_settings(sg.select_features("ad_best_hour"), timezone="Europe/London")
    assert each(scenarios, "ad_best_hour", columns={"zone": None})["ad_best_hour"].to_list() == [23, 8]
    assert each(scenarios, *in_london, columns={"zone": None})["ad_best_hour"].to_list() == [0, 8]
    same_clock = each(scenarios, "ad_best_hour", columns={"zone": None}, timezone="Asia/Tokyo")
    assert same_clock.loc["shop", "ad_best_hour"] == 23


def test_opens_of_older_messages_do_not_count():
    """A message that was sent before the window is not known."""
    rows = [("email_sent", 31, {"campaign": "a"}), ("email_open", 29, {"campaign": "a"})]
    row = ada(log(*rows, ("email_sent", 20, {"campaign": "b"})), EMAIL, window="30 days")
    assert (row["email_sent"], row["email_opened"]) == (1, 1)
    assert row["email_open_rate"] == exactly(2 / 11)


def test_unknown_campaigns_may_be_any():
    expected = [
        ({"news": 20}, {None: 20}, 20),
        ({None: 20}, {"news": 20}, 20),
        ({"news": 20}, {"sale": 20}, 0),  # sent before the log begins
        ({"news": 20}, {"news": 15, None: 10}, 20),
        ({"news": 2, "sale": 3}, {"news": 5, None: 1}, 3),  # two of them repeatedly, and one unknown
        ({"news": 2, None: 3}, {"sale": 9, None: 1}, 4),
        ({"news": 2, None: 3}, {"news": 1, "sale": 2, None: 1}, 4),
    ]
    scenarios, rates = {}, []
    for i, (sent, opened, of_them) in enumerate(expected):
        rows = [("email_sent", 9, {"campaign": c}) for c, n in sent.items() for _ in range(n)]
        for kind, days in (("email_open", 8), ("email_click", 7)):
            rows += [(kind, days, {"campaign": c}) for c, n in opened.items() for _ in range(n)]
        scenarios |= {f"{i}": rows, f"{i} reversed": rows[::-1]}
        total = sum(sent.values()) + 10
        rates += [((of_them + 2) / total, (of_them + 0.2) / total)] * 2
    rows = each(scenarios, "email_open_rate", "email_click_rate")
    assert rows["email_open_rate"].to_list() == exactly([opened for opened, _ in rates])
    assert rows["email_click_rate"].to_list() == exactly([clicked for _, clicked in rates])


def test_other_customers_change_nothing():
    table = pd.DataFrame(
        [("ada", "email_sent", days_before(3)), *[("bob", "email_open", days_before(2))] * 5],
        columns=["customer_id", "kind", "timestamp"],
    )
    alone = one(sg.read_events(table.head(1)), "email_open_rate")
    assert one(sg.read_events(table), "email_open_rate") == alone
