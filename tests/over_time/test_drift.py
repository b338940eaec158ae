"""What drifts and what to do about it, in shops where the cause is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

import segkit as sg
from segkit.datasets import make_shop_over_time
from segkit.over_time.drift import drift
from segkit.over_time.periods import reference_periods
from segkit.over_time.places import Places, share_distances
from segkit.over_time.usual import distances, offsets_from

CAUSES = {
    "none": "none",
    "population": "population",
    "feed gap": "feed",
    "concept": "concept",
    "season": "season",
}


@pytest.fixture(scope="module")
def result():
    """Four groups, as every shop has them."""
    return sg.segment(
        make_shop_over_time(600, n_periods=1, random_state=99).tables.droplevel(0), n_segments=4
    )


def at(result, moment):
    """The same segmentation, made at a moment."""
    result.provenance["as_of"] = None if moment is None else str(moment)
    return result


def watched(result, cause, *, customers=400, periods=26, **more):
    """The drift of a shop in which one thing changes after 12 periods."""
    changes = () if cause == "none" else cause
    shop = make_shop_over_time(customers, n_periods=periods, changes=changes, **more)
    tables = shop.tables.assign(bought=shop.outcomes)
    return drift(at(result, tables.index.levels[0][11]), tables, outcome="bought")


def most_frequent(found):
    """The verdict of most periods that drift."""
    drifts = found["verdict"][~found["verdict"].isin(["none", "reference"])]
    return "none" if drifts.empty else drifts.mode()[0]


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_named(result, cause):
    found = watched(result, cause, periods=104 if cause == "season" else 26, random_state=1)
    verdicts, known = found["verdict"], CAUSES[cause]
    assert set(verdicts[:12]) == {"reference"} and found.attrs["segkit"]["reference"] == 12
    assert set(verdicts[12:]) == ({known} if cause == "concept" else {known, "none"})
    if cause == "feed gap":
        assert list(found.index[verdicts == "feed"]) == list(found.index[12:16])
        assert (
            "visits at 5" in found["evidence"].iloc[12]
            and "in all segments alike" in found["evidence"].iloc[12].lower()
        )
        assert found.attrs["segkit"]["sentence"] == "Of 14 periods: data missing in 4."
    if cause == "population":
        assert "Segment 0 " in found["evidence"].iloc[-1]
        assert "a season cannot be ruled out" in found["evidence"].iloc[-1]
    if cause == "concept":
        assert (
            "next bought differs by" in found["evidence"].iloc[12] and found["outcome"].iloc[12:].min() > 0.3
        )


def test_a_season_hides_no_gap_in_the_feed(result):
    shop = make_shop_over_time(400, n_periods=70, changes="season", random_state=5)
    moments = shop.tables.index.levels[0]
    shop.tables.loc[moments[20] : moments[22], "visits"] *= 0.5
    found = drift(at(result, moments[11]), shop.tables)
    assert list(found.index[found["verdict"] == "feed"]) == list(moments[20:23])


def test_the_next_table_is_the_outcome_of_a_feature(result):
    shop = make_shop_over_time(200, n_periods=16, same_customers=True, random_state=2)
    tables, moments = shop.tables.copy(), shop.tables.index.levels[0]
    found = drift(at(result, None), tables)
    assert found.attrs["segkit"] == {
        "reference": 8,
        "outcome": "monetary",
        "sentence": "Nothing drifts in 8 periods.",
    }
    assert np.isnan(found["outcome"].iloc[-1]) and found["outcome"].iloc[:-1].notna().all()
    tables.loc[moments[12] :, "monetary"] *= 0.4  # all spend less from one table to the next
    told = drift(at(result, None), tables)["verdict"]
    assert told.iloc[11] in ("feed", "season", "concept") and told.iloc[12] == "feed"
    strangers = tables.rename(index=lambda i: f"{i}", level=1)
    strangers.index = pd.MultiIndex.from_arrays(
        [tables.index.get_level_values(0), [f"s{i}" for i in range(len(tables))]], names=tables.index.names
    )
    alone = drift(at(result, None), strangers)  # nobody is in two tables
    assert alone["outcome"].isna().all()
    assert alone.attrs["segkit"]["sentence"].endswith("not looked at: no outcome is known.")


def test_too_few_periods_have_no_wobble(result):
    tables = make_shop_over_time(50, n_periods=8).tables
    found = drift(result, tables)
    assert set(found["verdict"]) == {"unknown"} and found["effect"].isna().all()
    said = "no wobble can be known: 8 earlier periods are needed, there are 7"
    assert said in found["evidence"].iloc[0].lower() and said in found.attrs["segkit"]["sentence"]
    assert reference_periods(at(result, "2023-01-01"), dict(list(tables.groupby(level=0)))) == 0
    longer = {
        moment: rows.droplevel(0)
        for moment, rows in make_shop_over_time(50, n_periods=20).tables.groupby(level=0)
    }
    moments = list(longer)
    numbers = [
        reference_periods(at(result, when), longer) for when in (None, *(moments[i] for i in (2, 9, 19)))
    ]
    assert numbers == [10, 8, 10, 10]  # unknown; too few before; those up to it; none after
    assert reference_periods(sg.value_bands(longer[moments[11]].sample(frac=1), by="monetary"), longer) == 12


def test_a_period_of_one_customer_or_none_of_whom_did_anything(result):
    tables = make_shop_over_time(60, n_periods=12, random_state=4).tables
    moments = tables.index.levels[0]
    alone = pd.concat([tables.loc[: moments[9]], tables.loc[[moments[10]]].iloc[:1]])
    found = drift(at(result, None), alone)
    assert (
        found["verdict"].iloc[-1] == "feed" and "Only 1 customer, at least 60" in found["evidence"].iloc[-1]
    )
    empty = tables.copy()
    empty.loc[moments[11], "visits"] = 0.0
    found = drift(at(result, None), empty)
    assert found["evidence"].iloc[-1] == "Visits: 0 or missing for 100% of the customers."


def test_few_customers_tell_nothing(result):
    tables = make_shop_over_time(29, n_periods=12).tables
    found = drift(at(result, None), tables)
    assert list(found["verdict"]) == ["reference"] * 8 + ["unknown"] * 4
    assert found["evidence"].iloc[-1] == "Only 29 customers: fewer than 30 tell nothing of all."
    assert found.attrs["segkit"]["sentence"].startswith("Of 4 periods: too few customers to tell in 4.")
    assert "too few for another fit" in sg.refit_advice(result, tables)["reasons"].item()


def test_one_customer_in_an_empty_segment_is_no_move():
    """All were in one segment in the reference; now 1, then 10 of 50 are in the other."""
    shares = np.array([[1.0, 0.0]] * 8 + [[0.98, 0.02], [0.8, 0.2]])
    middles = np.zeros((10, 2, 1))
    places = Places([], [0, 1], ["x"], np.full(10, 50), shares, middles, np.ones(1))
    found = share_distances(places, np.arange(10) < 8)
    assert found.effects[8] == pytest.approx(0) and found.effects[9] == pytest.approx((0.2 - 0.02) / 0.005)
    assert found.moved.tolist() == [False] * 9 + [True]


def test_values_that_were_never_missing_are_the_feed(result):
    tables = make_shop_over_time(100, n_periods=12, random_state=4).tables
    late = tables.index.get_level_values(0) >= tables.index.levels[0][10]
    some = np.arange(len(tables)) % 10 == 0
    lost = tables.assign(visits=tables["visits"].mask(late & some))
    found = drift(at(result, None), lost)
    assert list(found["verdict"].iloc[8:]) == ["none", "none", "feed", "feed"]
    assert found["evidence"].iloc[-1] == "Visits: missing for 10% of the customers, never before."
    few = tables.assign(visits=tables["visits"].mask(late & (np.arange(len(tables)) % 25 == 0)))
    usual = tables.assign(visits=tables["visits"].mask(some))  # as before
    for table in (few, usual):
        assert "feed" not in set(drift(result, table)["verdict"])


def test_unseen_words_and_endless_windows_are_told_once():
    tables = make_shop_over_time(200, n_periods=12, random_state=4).tables
    first = tables.index.get_level_values(0) < tables.index.levels[0][9]
    tables["channel"] = np.where(first, np.where(tables["visits"] > 12, "web", "shop"), "tv")
    segments = sg.segment(tables.loc[tables.index[0][0]], n_segments=2)
    for what in (drift, sg.refit_advice):
        with pytest.warns(UserWarning, match=r"channel 'tv' \(600 customers") as told:
            what(segments, tables)
        assert len(told) == 1
    with pytest.warns(UserWarning, match="unseen words"):
        found = drift(segments, tables)
    assert found["evidence"].iloc[-1] == ("Channel: missing or of new words for 100% of the customers.")
    with pytest.warns(UserWarning) as told:
        sg.emerging(segments, tables)
    assert sum("channel 'tv'" in str(warning.message) for warning in told) == 1
    tables = tables.loc[first.nonzero()[0].size * [True] + (~first).nonzero()[0].size * [False]]
    tables.attrs["segkit"] = {"as_of": ["2024-01-01"], "window": None}
    with pytest.warns(UserWarning, match="look back on all events, so features such as tenure only grow"):
        drift(segments, tables)


def test_gaps_in_the_log_are_the_feed():
    days = pd.date_range("2024-01-01", "2024-06-30")
    days = days[(days < "2024-05-10") | (days > "2024-05-17")]
    rng = np.random.default_rng(0)
    log = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 60, 30 * len(days)).astype(str),
            "timestamp": days.repeat(30) + pd.to_timedelta(rng.integers(0, 86_000, 30 * len(days)), unit="s"),
            "amount": rng.lognormal(2, 0.5, 30 * len(days)),
        }
    )
    events = sg.read_events(log, kind="purchase")
    dates = pd.date_range("2024-03-01", "2024-07-15", freq="7D")
    tables = sg.snapshots(events, sg.RFM, dates=dates, window="28 days")
    result = sg.segment(tables.loc[dates[0]], n_segments=2)
    found = drift(result, tables, events)
    said = found.loc[found["verdict"] == "feed", "evidence"]
    assert said["2024-05-17"] == "The log has no purchase from 2024-05-10 to 2024-05-17."
    assert said["2024-05-31"].endswith("within the 28 days that features look back.")
    assert said.iloc[-1] == "The log has no event from 2024-07-05 to 2024-07-12."
    few = drift(result, tables.loc[dates[9] : dates[13]], events)
    assert list(few["verdict"]) == ["unknown", "unknown", "feed", "feed", "unknown"]


def test_distances_from_the_usual():
    values = np.array([[0.0], [1.0], [2.0], [5.0]])
    first = np.array([True, True, True, False])
    assert offsets_from(values, first).ravel().tolist() == [-1.5, 0.0, 1.5, 4.0]
    sizes = np.array([1.0, 2.0, 3.0, 12.0, 6.0, 2.0, np.nan])
    first = np.arange(7) < 3
    found = distances(sizes[:, None], sizes, np.zeros(7), first, 0.5)
    assert found.usual == 2 and found.effects[3] == pytest.approx(10 / 1.4826)
    assert found.moved.tolist() == [False, False, False, True, True, False, False]  # 6 is not yet calm
    assert not distances(sizes[:, None], sizes, np.zeros(7), first, 20).moved.any()
    assert not distances(
        sizes[:, None], sizes, np.full(7, 9.0), first, 0.5
    ).moved.any()  # chance alone gives 9


def test_bad_input(result):
    tables = make_shop_over_time(30, n_periods=3).tables
    for wrong, words in (
        ({"outcome": "visit"}, "no column 'visit'. Did you mean 'visits'"),
        ({"tables": tables.drop(columns="visits")}, "tables has no 'visits'"),
        ({"tables": tables.assign(w="a"), "outcome": "w"}, "outcome 'w' is not of numbers"),
        ({"tables": tables.assign(w=np.inf), "outcome": "w"}, "outcome 'w' holds infinity"),
    ):
        with pytest.raises(ValueError, match=words):
            drift(result, **({"tables": tables} | wrong))
    with pytest.raises(TypeError):
        drift(tables, tables)
    with pytest.raises(TypeError):
        drift(result, tables, events=tables)
    with pytest.raises(TypeError, match="should name one column"):
        drift(result, tables, outcome=["visits"])


def scaled(tables, factors):
    """Tables whose later half is times something."""
    moments = tables.index.levels[0]
    tables = tables.copy()
    for name, factor in factors.items():
        tables.loc[moments[len(moments) // 2] :, name] *= factor
    return tables


def test_advice(result):
    tables = make_shop_over_time(400, n_periods=18, random_state=3).tables
    at(result, tables.index.levels[0][8])
    alike = {"frequency": 1.6, "monetary": 1.9, "average_order": 1.3, "visits": 1.7}
    quiet, moved, gone = (
        sg.refit_advice(result, t).iloc[0]
        for t in (tables, scaled(tables, alike), scaled(tables, {"visits": 0.5}))
    )
    assert (quiet["advice"], quiet["call"]) == ("keep", "result.assign(now)") and np.isnan(quiet["frozen"])
    assert (moved["advice"], moved["verdict"]) == ("recentre", "population")
    assert moved["recentred"] > moved["line"] > moved["frozen"] and "all moved alike" in moved["reasons"]
    assert gone["advice"] == "keep" and gone["verdict"] == "feed" and "Mend the feed first" in gone["reasons"]
    unknown = sg.refit_advice(result, tables.loc[: tables.index.levels[0][5]]).iloc[0]
    assert (unknown["advice"], unknown["verdict"]) == ("keep", "unknown")
    assert f"agrees with the segments ({unknown['frozen']:.2f}) as well as fits to re" in unknown["reasons"]
    # Who had many visits has few, so the groups lie elsewhere.
    new = tables.copy()
    late = tables.index.levels[0][9]
    new.loc[late:, "visits"] = 150 / new.loc[late:, "visits"]
    advised = sg.refit_advice(result, new).iloc[0]
    assert advised["advice"] == "refit"
    assert advised["call"] == "segment(now, n_segments=4, method='kmeans', previous=result)"


def test_advice_where_outcomes_change(result):
    shop = make_shop_over_time(300, n_periods=16, changes="concept")
    tables = shop.tables.assign(bought=shop.outcomes)
    advised = sg.refit_advice(at(result, None), tables, outcome="bought").iloc[0]
    assert advised["advice"] == "refit" and "foretell something else" in advised["reasons"]
    moments = tables.index.levels[0]
    new = sg.refit_advice(at(result, None), tables.loc[: moments[13]], outcome="bought").iloc[0]
    assert new["advice"] == "keep" and "wait until it has lasted 3 periods, now 2" in new["reasons"]
    few = sg.refit_advice(
        at(result, None), tables.groupby(level=0).head(10)[lambda t: t["visits"] > 0].iloc[:50]
    )
    assert few["advice"].item() == "keep" and "too few for another fit" in few["reasons"].item()


def test_recentred_segments_follow_their_customers(result):
    before = result.with_names({0: "Regulars"})
    now = before.customers * [1.0, 2.0, 3.0, 1.5, 2.0, 1.0]
    after = sg.segment(now.sample(frac=1, random_state=0), previous=before, refit="recentre")
    assert (after.labels.sort_index() == before.labels.sort_index()).mean() > 0.99
    assert after.name_of(0) == "Regulars" and after.ids == before.ids
    assert after.assign(now.iloc[:5]).equals(after.labels.loc[now.index[:5]])
    assert after.provenance["refit"] == "recentre" and after.provenance["previous"] == before.hash
    assert (sg.migration(before, after)["model"]).sum() >= 0  # the two can be compared
    for more in ({"n_segments": 3}, {"previous": None}):
        with pytest.raises(ValueError, match="nothing else"):
            sg.segment(now, **({"previous": before, "refit": "recentre"} | more))
    with pytest.raises(ValueError, match="neither 'full' nor"):
        sg.segment(now, n_segments=2, refit="again")
    bands = sg.value_bands(now, by="monetary")
    bare = sg.segment(now, model=KMeans(2, n_init=1, random_state=0))
    for fixed in (bands, bare):
        with pytest.raises(ValueError, match="cannot be recentred"):
            sg.segment(now, previous=fixed, refit="recentre")
    with pytest.raises(ValueError, match=r"39 customers do not show .* at least 40 are needed, 10 for each"):
        sg.segment(now.iloc[:39], previous=before, refit="recentre")


def test_segments_are_not_recentred_on_other_words_or_missing_values(result):
    """The number of prepared columns may be the same although they mean something else."""
    web = result.customers.assign(channel=np.resize(["web", "shop", "app"], len(result.customers)))
    segments = sg.segment(web, n_segments=2)
    with pytest.raises(
        ValueError, match=r"otherwise now \('channel = tv', 'channel = web'\): words or missing"
    ):
        sg.segment(web.replace({"web": "tv"}), previous=segments, refit="recentre")
    lost = result.customers.assign(visits=result.customers["visits"].mask(np.arange(len(web)) % 5 == 0))
    with pytest.raises(ValueError, match="'visits missing'"):
        sg.segment(lost, previous=result, refit="recentre")


@pytest.mark.simulation
@pytest.mark.parametrize("cause", CAUSES)
def test_triage_of_100_shops(result, cause):
    """At least 85 % right, and none on at least 95 % of quiet shops."""
    periods = 104 if cause == "season" else 38
    named = [
        most_frequent(watched(result, cause, customers=1000, periods=periods, random_state=seed))
        for seed in range(100)
    ]
    assert named.count(CAUSES[cause]) >= (95 if cause == "none" else 85)
