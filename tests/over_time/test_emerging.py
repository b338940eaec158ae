"""What emerges: alarms as rare as was asked for, new groups found early, and words where nothing can be known."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.datasets import make_shop_over_time
from segkit.over_time.alarm_line import (
    PATHS,
    accumulated,
    alarm_line,
    read_rate,
    share_in_wobble,
    slack_for,
    wobble,
)
from segkit.over_time.emerging import _told
from segkit.over_time.micro_cells import aligned, frame_of


def segmented(shop, at=11):
    """Segments of the last moment of the reference."""
    return sg.segment(shop.tables.loc[shop.tables.index.levels[0][at]], n_segments=4)


def watched(shop, **asked):
    return sg.emerging(segmented(shop), shop.tables, **asked)


def newcomers_among(shop, members):
    last = shop.truth.loc[shop.tables.index[-1][0]]
    return (last.loc[members] == "Newcomers").mean()


@pytest.fixture(scope="module")
def grown():
    shop = make_shop_over_time(2500, n_periods=30, changes="newcomers", apart=5, random_state=1)
    return shop, watched(shop)


def test_a_new_group_is_found(grown):
    shop, found = grown
    assert len(found) == 1
    row = found.iloc[0]
    moments = shop.tables.index.levels[0]
    assert (
        found["first_seen"].dtype == "datetime64[us]" and shop.since <= row["first_seen"] <= moments[12 + 11]
    )
    assert row["found"] == f"A group of its own in {row['parent']}" and row["separate"]
    assert len(row["members"]) == row["customers"] and row["share"] == row["customers"] / 2500
    assert newcomers_among(shop, row["members"]) >= 0.85
    assert row["differs"].startswith("visits ") and "spreads above" in row["differs"]
    assert 0 < row["growth"] < 0.01
    series = pd.DataFrame(found.attrs["segkit"]["series"])
    assert len(series) == 30 and series["alarm"].sum() == 1 and series["alarm_line"].isna().sum() == 12
    alarm = series[series["alarm"]].iloc[0]
    assert alarm["as_of"] == row["first_seen"].isoformat()


def test_rows_in_any_order_give_the_same(grown):
    shop, found = grown
    mixed = shop.tables.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(sg.emerging(segmented(shop), mixed), found)


def test_quiet_and_seasonal_shops_raise_no_alarm():
    for n, changes, same in ((1000, (), False), (3000, "season", False), (1000, (), True)):
        shop = make_shop_over_time(n, n_periods=30, changes=changes, same_customers=same, random_state=2)
        found = watched(shop)
        assert len(found) == 0
        assert list(found.dtypes.astype(str))[:4] == ["datetime64[us]", "str", "int64", "float64"]
        facts = found.attrs["segkit"]
        assert facts["reference"] == 12 and (facts["lasting"] > 0.3) == same
        assert {row["candidate"] for row in facts["series"]} == {-1}


def test_a_small_seasonal_shop_raises_no_alarm_for_growth_at_the_floor():
    """At 1,000 customers, 1 % are ten: a corner that swings by ten, give or take three, is no group."""
    assert watched(make_shop_over_time(1000, changes="season", random_state=9)).empty


def test_a_few_newcomers_do_not_move_all_others():
    """Where almost all have one value, it is the middle, however many others come or go."""
    points = np.column_stack([np.repeat([1.0, 0.0], [99, 1]), np.linspace(-1, 1, 100)])
    usual = frame_of(points)
    assert usual.middle.tolist() == pytest.approx([1, 0], abs=0.01) and usual.lumpy.tolist() == [True, False]
    more = np.vstack([points, np.tile([0.0, 0.0], (10, 1))])
    assert np.all(aligned(more, usual)[:99, 0] == aligned(points, usual)[:99, 0])


def test_words_and_missing_values_are_told_by_how_often_they_occur():
    names = ["visits", "channel = web", "rating missing"]
    assert _told(np.array([1.0, -2.0, 0.6]), names) == (
        "channel less often web, visits 1.0 spreads above, rating more often missing"
    )
    assert _told(np.array([0.4, 0.0, 0.0]), names) == ""


def test_missing_data_are_said_to_look_like_growth():
    shop = make_shop_over_time(1000, n_periods=16, random_state=1)
    late = shop.tables.index.get_level_values(0) >= shop.tables.index.levels[0][14]
    lost = shop.tables.assign(visits=shop.tables["visits"].mask(late & (np.arange(len(late)) % 10 == 0)))
    said = (
        r"missing at 2024-04-08 \(and 1 later moment\): visits: missing for 10% .*, never before\. What seems"
    )
    with pytest.warns(UserWarning, match=said) as told:
        sg.emerging(segmented(shop), lost)
    assert len(told) == 1


def test_segments_that_fill_after_the_reference_are_told():
    """Nobody has more than 500 visits until the reference is over."""
    tables = make_shop_over_time(600, n_periods=10, random_state=1).tables
    rules = sg.rules_segmenter({"Few": "visits < 10", "Many": "visits < 500", "Countless": "visits >= 500"})
    tables.iloc[-5:, tables.columns.get_loc("visits")] = 1000.0
    result = sg.segment(tables.loc[tables.index[-1][0]], model=rules)
    with pytest.warns(UserWarning, match=r"at least 120 are needed: Countless\."):
        sg.emerging(result, tables)


def test_moments_of_less_than_a_day_are_refused():
    tables = make_shop_over_time(50, n_periods=10, every="1 hour").tables
    with pytest.raises(ValueError, match=r"1 hours apart.*keep one moment a day"):
        sg.emerging(sg.segment(tables.loc[tables.index[0][0]], n_segments=2), tables)


def test_quiet_cells_are_simulated_in_little_memory():
    tracemalloc.start()
    lines = alarm_line(0.05, 3, 40, 9, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines > 10 and peak < 12 * 8 * PATHS  # a few numbers a path, not one a period


def test_a_group_that_left_again_is_said_to_be_gone():
    shop = make_shop_over_time(1200, n_periods=26, changes="newcomers", grows=2, apart=5, random_state=1)
    late = shop.tables.index.get_level_values(0) >= shop.tables.index.levels[0][17]
    stays = shop.tables[~(late & (shop.truth == "Newcomers").to_numpy())]
    found = sg.emerging(segmented(shop), stays)
    assert len(found) == 1
    row = found.iloc[0]
    assert row["found"] == f"Grew in {row['parent']}, and is gone again"
    assert row["customers"] == 0 and row["members"] == [] and row["differs"] == "" and row["growth"] == 0


def test_what_cannot_be_known_is_said():
    shop = make_shop_over_time(600, n_periods=12)
    result = segmented(shop, 5)
    moments = shop.tables.index.levels[0]
    with pytest.raises(
        ValueError, match=r"8 moments\. At least 9 are needed: 8 to know how much shares wobble"
    ):
        sg.emerging(result, shop.tables.loc[: moments[7]])
    with pytest.warns(
        UserWarning, match=r"no moment between 2024-02-05 and 2024-02-19, others are 7 days apart"
    ):
        sg.emerging(result, shop.tables.drop(moments[6]))
    few = shop.tables.groupby(level=0).head(60)
    with pytest.warns(
        UserWarning, match="too few customers to be watched, at least 120 are needed: Segment 0"
    ):
        assert sg.emerging(sg.segment(few.loc[moments[5]], n_segments=4), few).attrs["segkit"]["series"] == []
    one = shop.tables.groupby(level=0).head(1)
    with pytest.warns(UserWarning, match="too few customers"):
        assert sg.emerging(result, one).empty
    with pytest.raises(ValueError, match="has no 'visits'"):
        sg.emerging(result, shop.tables.drop(columns="visits"))


@pytest.mark.parametrize(
    ("as_of", "reference"),
    [(None, 12), ("2024-05-13", 10), ("2024-02-05", 8), ("2024-04-01", 14)],
)
def test_the_reference_ends_where_the_segments_were_made(as_of, reference):
    shop = make_shop_over_time(300, n_periods=20)
    table = shop.tables.loc["2024-03-18"]
    table.attrs["segkit"] = {"as_of": as_of} if as_of else {}
    found = sg.emerging(sg.segment(table, n_segments=2), shop.tables)
    assert found.attrs["segkit"]["reference"] == reference


def test_rates_are_read_as_text():
    for text, rate in (
        ("1 in 20 years", 0.05),
        ("1 in 5 years", 0.2),
        ("one in 10 years", 0.1),
        ("2 in 1 year", 2),
        ("once a year", 1),
        ("1 every 24 months", 0.5),
        ("2 per year", 2),
    ):
        assert read_rate(text) == pytest.approx(rate)
    for text in (
        "",
        "never",
        "0 in 5 years",
        "1 in 0 years",
        "1 in 20 days",
        "5 %",
        "1 in 500 years",
        "1 a week",
    ):
        with pytest.raises(ValueError, match="false_alarms="):
            read_rate(text)
    for other in (0.05, None, ["1 in 20 years"]):
        with pytest.raises(TypeError, match="Write it as '1 in 20 years'"):
            read_rate(other)


def test_growth_accumulates_beyond_the_slack():
    steps = np.array([[0.0, 1.75], [2.75, 1.75], [-1.0, -9.0], [0.75, 1.0]])
    assert accumulated(steps).tolist() == [[0, 1], [2, 2], [0.25, 0], [0.25, 0.25]]


def test_more_is_forgotten_where_counts_last():
    assert (slack_for(0.0), slack_for(0.6)) == pytest.approx((0.75, 1.5))
    steps = np.array([[2.0], [2.0]])
    assert accumulated(steps, slack_for(0.6)).ravel().tolist() == pytest.approx([0.5, 1.0])


def test_wobble_is_that_of_series_that_last():
    assert share_in_wobble(10, 0.0) == pytest.approx(0.9)
    each, pooled = wobble(np.array([0.9, 0.9]), 10, 0.0)
    assert pooled == 1 and each.tolist() == pytest.approx([1, 1])
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((10, 20_000)) * np.where(np.arange(10) == 0, 1, np.sqrt(1 - 0.8**2))[:, None]
    for t in range(1, 10):
        steps[t] += 0.8 * steps[t - 1]
    assert steps.var(axis=0).mean() == pytest.approx(share_in_wobble(10, 0.8), rel=0.03)


def test_the_alarm_line_holds_on_quiet_cells_of_other_seeds():
    """Of shops of 40 cells, 5 % alarm within a year at 1 in 20 years; more cells need a higher line."""
    rng = np.random.default_rng(5)
    for days, periods, lasting in ((7, 52, 0.0), (30.4, 12, 0.0), (7, 52, 0.6)):
        line = alarm_line(0.05, days, 40, 12, lasting)
        counts = rng.standard_normal((12 + periods, 600, 40))
        for t in range(1, len(counts)):
            counts[t] = lasting * counts[t - 1] + np.sqrt(1 - lasting**2) * counts[t]
        usual = counts[:12].mean(axis=0)
        own = ((counts[:12] - usual) ** 2).mean(axis=0) / share_in_wobble(12, lasting)
        spread = np.sqrt((own * 11 + 12) / 23)
        alarms = (
            accumulated((counts[12:] - usual) / spread, slack_for(lasting)).max(axis=(0, 2)) > line
        ).mean()
        assert alarms == pytest.approx(0.049, abs=0.03)
    lines = [
        alarm_line(*of) for of in ((0.2, 7, 40, 12, 0.0), (0.05, 7, 40, 12, 0.0), (0.05, 7, 80, 12, 0.0))
    ]
    assert lines == sorted(lines) and alarm_line(0.05, 7, 40, 12, 0.6) > lines[1]


CASES = {
    "quiet": {},
    "season": {"changes": "season"},
    "the same customers": {"same_customers": True},
    "the same customers, season": {"same_customers": True, "changes": "season"},
}


@pytest.mark.simulation
@pytest.mark.parametrize("case", CASES)
def test_at_most_one_shop_in_twenty_raises_a_false_alarm(case):
    alarms = sum(
        len(watched(make_shop_over_time(random_state=seed, **CASES[case]))) > 0 for seed in range(200)
    )
    assert alarms <= 10


@pytest.mark.simulation
@pytest.mark.parametrize(("customers", "least"), [(4_000, 180), (1_000, 160)])
def test_new_groups_are_found_early_in_most_shops(customers, least):
    shares, new = [], []
    for seed in range(200):
        shop = make_shop_over_time(customers, changes="newcomers", random_state=seed)
        found = watched(shop)
        pure = [newcomers_among(shop, members) for members in found["members"]]
        if pure and max(pure) > 0.3:
            row = found.iloc[int(np.argmax(pure))]
            there = shop.truth.loc[row["first_seen"]]
            shares.append((there == "Newcomers").mean())
            new += [max(pure)] if row["separate"] else []
    assert len(shares) >= least
    assert np.mean(new) >= 0.85
    if customers == 4_000:
        assert np.median(shares) <= 0.035
