"""Where customers go next: right probabilities, nothing known too early, and a fair yardstick."""

import functools

import numpy as np
import pandas as pd
import pytest
from shared_data import shared
from tables import three_groups

import segkit as sg
from segkit.datasets.complete_journey import CompleteJourney
from segkit.over_time.forecasters import Moved, _temperature, choose, fit_markov, fit_stays
from segkit.over_time.horizons import gaps, overlap, pairs_apart, read_horizon
from segkit.over_time.score_next import calibration_error, error_by_chance

MOVES = np.array([[0.80, 0.10, 0.05, 0.05], [0.20, 0.60, 0.10, 0.10], [0.10, 0.30, 0.50, 0.10]])
"""From each segment to each, and out of the shop; as many others come."""


def markov_shop(n=600, periods=6, seed=0, tells=False):
    """Monthly tables of a shop whose customers move as MOVES says; with `tells`, the fourth feature says where to."""
    rng = np.random.default_rng(seed)
    middles = np.array([[0, 0], [20, 0], [0, 20]])
    now, ids, tables = np.repeat([0, 1, 2], n // 3), np.arange(n), {}
    for moment in pd.date_range("2024-01-01", periods=periods, freq="MS"):
        later = (rng.random((n, 1)) > MOVES[now].cumsum(axis=1)).sum(axis=1)
        told = later + rng.normal(0, 0.3, n) if tells else rng.normal(0, 1, n)
        values = np.column_stack([middles[now] + rng.normal(size=(n, 2)), rng.normal(size=n), told])
        index = pd.Index([f"c{i:05}" for i in ids], name="customer_id", dtype="str")
        tables[moment] = pd.DataFrame(values, index, ["visits", "spend", "noise", "told"])
        gone = later == 3
        ids = np.where(gone, ids.max() + 1 + np.cumsum(gone), ids)
        now = np.where(gone, rng.integers(0, 3, n), later)
    return pd.concat(tables, names=["as_of", "customer_id"]).sort_index()


@functools.cache
def made(**of_the_shop):
    tables = markov_shop(**of_the_shop)
    first = tables.loc["2024-01-01"]
    model = sg.rules_segmenter({"B": "visits > 10", "C": "spend > 10", "A": "visits <= 10"})
    return sg.segment(first, model=model), tables


def loss(scores, method):
    return scores.loc[scores["method"] == method, "log_loss"].mean()


def test_probabilities_are_those_of_the_markov_chain():
    result, tables = made(n=1500)
    chances = sg.next_segment(result, tables)
    assert list(chances.index) == list(tables.loc["2024-06-01"].index) and chances.index.name == "customer_id"
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    assert (chances > 0).all(axis=None)
    now = result.assign(tables.loc["2024-06-01"]).map(result.name_of)
    mean = chances.groupby(now).mean().loc[["A", "B", "C"], ["A", "B", "C", "gone"]]
    np.testing.assert_allclose(mean, MOVES, atol=0.04)
    facts = chances.attrs["segkit"]
    assert facts["as_of"] == "2024-06-01T00:00:00" and facts["note"] == "" and len(facts["learnt_from"]) == 5
    assert facts["check"]["customers"] == 1500 and facts["check"]["period"][1] == "2024-06-01T00:00:00"
    again = sg.next_segment(result, tables.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(again, chances, check_exact=True)


def test_features_that_tell_are_used_and_others_do_no_harm():
    scores = sg.score_next(*made())
    assert loss(scores, "next_segment") <= 1.02 * loss(scores, "Markov chain")
    result, tables = made(tells=True)
    scores = sg.score_next(result, tables)
    assert loss(scores, "next_segment") < 0.6 * loss(scores, "Markov chain") < 0.6 * loss(scores, "stays")
    ours = scores[scores["method"] == "next_segment"]
    assert list(ours["start"].dt.month) == [3, 4, 5] and set(ours["verdict"]) == {"better"}
    assert (
        set(ours["customers"]) == {600} and ours["model"].isin(["logistic regression", "boosted trees"]).all()
    )
    assert "of 3 earlier periods" in scores.attrs["segkit"]["verdict"]
    chances = sg.next_segment(result, tables)
    told = tables.loc["2024-06-01", "told"]
    assert chances.loc[told > 3, "gone"].min() > 0.5 > chances.loc[told < 1.5, "gone"].max()


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(10))
def test_a_markov_shop_is_foretold_as_well_as_by_a_markov_chain(seed):
    for n in (150, 1200):
        scores = sg.score_next(*made(n=n, periods=9, seed=seed))
        assert loss(scores, "next_segment") <= 1.02 * loss(scores, "Markov chain")


def test_nothing_is_learnt_from_later_tables():
    result, tables = made()
    later = tables.index.get_level_values("as_of") == pd.Timestamp("2024-06-01")
    changed = tables.assign(
        visits=tables["visits"].where(~later, 0.0), spend=tables["spend"].where(~later, 0.0)
    )
    before, after = sg.score_next(result, tables), sg.score_next(result, changed)
    assert list(before["end"].unique()) == list(pd.date_range("2024-04-01", "2024-06-01", freq="MS"))
    untouched = before["end"] < "2024-06-01"
    pd.testing.assert_frame_equal(before[untouched], after[untouched], check_exact=True)
    assert (before["log_loss"] != after["log_loss"])[~untouched].all()


@pytest.mark.parametrize("tells", [False, True])
def test_an_answer_does_not_depend_on_the_others(tells):
    result, tables = made(tells=tells)
    chances = sg.next_segment(result, tables)
    last, before = tables.loc["2024-06-01"], tables.loc["2024-05-01"]
    new = last.index.difference(before.index)
    assert len(new) > 20  # from whom nothing could be learnt
    fewer = tables.drop(index=[("2024-06-01", i) for i in new[1:]])
    without = sg.next_segment(result, fewer)
    pd.testing.assert_frame_equal(without, chances.drop(index=new[1:]), check_exact=True)


def test_few_customers_get_the_markov_chain():
    """Also one alone, one of a segment that was never seen, and those who come and go."""
    result, tables = made()
    loyal = tables.groupby("customer_id").size().idxmax()
    one = tables[tables.index.get_level_values("customer_id") == loyal]
    periods = one.index.get_level_values("as_of")
    chances = sg.next_segment(result, one)
    assert chances.shape == (1, 4) and chances.attrs["segkit"]["model"] == "Markov chain"
    assert chances.attrs["segkit"]["why"] == "too few customers for more: 1 in the period of the check"
    assert periods[-1] == pd.Timestamp(chances.attrs["segkit"]["as_of"])
    only_a = tables[(tables["visits"] < 10) & (tables["spend"] < 10)]
    chances = sg.next_segment(result, only_a)  # customers come and go, but nobody is in B or C
    assert chances[["B", "C"]].max(axis=None) < 0.01 and 0.1 < chances["gone"].mean() < 0.3
    last = only_a.index.get_level_values("as_of") == pd.Timestamp("2024-06-01")
    surprise = only_a.assign(visits=only_a["visits"] + np.where(last & (only_a["noise"] > 1), 20, 0))
    assert np.isfinite(sg.next_segment(result, surprise)).all(axis=None)


def test_customers_outside_are_foretold():
    _, tables = made()
    result = sg.segment(tables.loc["2024-01-01"], model=sg.rules_segmenter({"B": "visits > 10"}))
    chances = sg.next_segment(result, tables)
    assert list(chances.columns) == ["Outside", "B", "gone"]
    np.testing.assert_allclose(chances.sum(axis=1), 1)


def test_missing_values_and_words_are_read():
    tables = made()[1].copy()
    tables["region"] = pd.Categorical(np.where(tables["noise"] > 0, "North", "South"))
    tables["told"] = tables["told"].where(tables["told"] > 0)
    result = sg.segment(tables.loc["2024-01-01"], n_segments=3)
    chances = sg.next_segment(result, tables)
    assert np.isfinite(chances).all(axis=None)
    tables["region"] = tables["region"].cat.rename_categories({"South": "West"})
    with pytest.warns(UserWarning, match="3,600 customers .* region 'West'") as told:
        sg.next_segment(result, tables)
    assert len(told) == 1  # not once a period


def test_what_cannot_be_foretold_is_refused():
    result, tables = made()
    three = tables.loc[:"2024-03-01"]
    for function, given, horizon, message in (
        (
            sg.next_segment,
            tables.loc[:"2024-02-01"],
            "1 month",
            r"Two pairs .* '1 month' apart .*found: 1 among 2 m",
        ),
        (
            sg.next_segment,
            tables,
            "2 years",
            r"'2 years' apart.*Pairs found: 0.*Choose among 1 month, 2 months, 3 m",
        ),
        (
            sg.next_segment,
            three,
            "10 days",
            r"found: 0.*Choose horizon='1 month', or compute tables of more moments",
        ),
        (
            sg.score_next,
            three,
            "1 month",
            r"and a third that begins .* to test on.*Compute tables of more moments",
        ),
        (sg.score_next, tables, "3 months", r"a third.*Pairs found: 3.*Choose among 1 month, 2 months"),
        (sg.score_next, tables, "soon", "horizon='soon' is not a span of time"),
        (sg.next_segment, tables, "0 months", "horizon='0 months' is not"),
        (sg.next_segment, tables.drop(columns="spend"), "1 month", "tables has no 'spend'"),
    ):
        with pytest.raises(ValueError, match=message):
            function(result, given, horizon)
    with pytest.raises(TypeError, match="horizon is missing"):
        sg.next_segment(result, tables, None)
    with pytest.raises(ValueError, match="A segment is called 'gone'"):
        sg.next_segment(result.with_names({result.segment_id("A"): "gone"}), tables)


def test_pairs_are_a_horizon_apart():
    months = list(pd.date_range("2024-01-01", periods=5, freq="MS"))
    for horizon, steps in (("1 month", 1), ("30 days", 1), ("8 weeks", 2), ("1 quarter", 3), ("6 weeks", 0)):
        found = pairs_apart(months, read_horizon(horizon))
        assert found == (list(zip(months, months[steps:], strict=False)) if steps else [])
    assert gaps(months) == ["1 month", "2 months", "3 months", "4 months"]
    longer = list(
        pd.date_range("2023-01-01", periods=18, freq="MS")
    )  # 11 months are no year where 12 are there
    assert pairs_apart(longer, read_horizon("1 year")) == list(zip(longer, longer[12:], strict=False))
    days = list(pd.date_range("2024-01-01", periods=40))
    assert pairs_apart(days, read_horizon("31 days")) == list(zip(days, days[31:], strict=False))
    weeks = list(pd.date_range("2024-01-01", periods=4, freq="7D"))
    assert pairs_apart(weeks, read_horizon("2 weeks")) == [(weeks[0], weeks[2]), (weeks[1], weeks[3])]
    assert gaps(weeks) == ["1 week", "2 weeks", "3 weeks"]
    assert overlap([(weeks[0], weeks[1])], pd.Timedelta("28 days")) == 0.75
    assert (
        overlap([(weeks[0], weeks[1])], pd.Timedelta("7 days")) == overlap([(weeks[0], weeks[1])], None) == 0
    )


@pytest.mark.parametrize("horizon", ["9999 years", "99999999999 weeks", "0 months"])
def test_horizons_that_no_calendar_has(horizon):
    with pytest.raises(ValueError, match=f"horizon='{horizon}' is not within 1 day and 300 years"):
        read_horizon(horizon)


def test_few_customers_whose_features_tell_nothing_get_the_markov_chain():
    """What a model gains by chance on the period of the check is lost on the next."""
    for seed in (0, 3):
        result, tables = made(n=150, seed=seed)
        scores = sg.score_next(result, tables)
        ours, chain = (
            scores.loc[scores["method"] == m, "log_loss"].to_numpy() for m in ("next_segment", "Markov chain")
        )
        assert (ours == chain).all()
        assert "as good as guessing" in scores.attrs["segkit"]["verdict"]


def test_that_nobody_was_ever_gone_is_said():
    """Tables of all events keep everybody."""
    months = pd.date_range("2024-01-01", periods=3, freq="MS")
    tables = pd.concat([three_groups()] * 3, keys=months, names=["as_of", "customer_id"])
    result = sg.segment(three_groups(), n_segments=3)
    assert sg.next_segment(result, tables).attrs["segkit"]["note"].startswith("Nobody was ever gone")


def test_the_error_that_chance_makes():
    """As much as drawn outcomes of true probabilities have; none where all are certain."""
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.3, 1, 900)
    drawn = [calibration_error(chance, rng.random(900) < chance) for _ in range(200)]
    assert error_by_chance(chance) == pytest.approx(np.mean(drawn), rel=0.05)
    assert error_by_chance(np.ones(5)) == 0


def test_overlapping_windows_are_said_and_the_longer_horizon_comes_first():
    result, tables = made(n=300, periods=9)
    tables = tables.copy()
    tables.attrs["segkit"] = {"as_of": ["2024-01-01"], "window": "60 days"}
    note = "Tables 1 month apart look back on 49% of the same days"
    assert sg.next_segment(result, tables).attrs["segkit"]["note"].startswith(note)
    scores = sg.score_next(result, tables)
    assert list(scores["horizon"].unique()) == ["2 months", "1 month"]
    verdicts = scores.attrs["segkit"]["verdicts"]
    assert note in verdicts["1 month"] and "same days" not in verdicts["2 months"]
    tables.attrs["segkit"]["window"] = None
    assert "nearly all the same days" in sg.next_segment(result, tables).attrs["segkit"]["note"]
    assert "too few tables to test a horizon" in sg.score_next(result, tables).attrs["segkit"]["verdict"]


def test_simple_forecasts_are_shares():
    seen = Moved(np.zeros((5, 1)), np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1]))
    share = np.array([3.5, 2.5]) / 6
    markov = fit_markov(seen, 2)(seen.inputs, np.array([0, 1]))
    np.testing.assert_allclose(markov, [(np.array([3, 1]) + share) / 5, (np.array([0, 1]) + share) / 2])
    np.testing.assert_allclose(
        fit_stays(seen, 2)(seen.inputs, np.array([0, 1])), [[0.75, 0.25], [0.25, 0.75]]
    )


def test_too_sure_forecasts_are_cooled():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20_000, 1))
    chance = 1 / (1 + np.exp(-inputs[:, 0]))
    seen = Moved(inputs, np.zeros(len(inputs), dtype=int), (rng.random(len(inputs)) < chance).astype(int))

    def twice_as_sure(x, _):
        sure = 1 / (1 + np.exp(-2 * x[:, 0]))
        return np.column_stack([1 - sure, sure])

    assert _temperature(twice_as_sure, seen) == pytest.approx(2, abs=0.1)
    assert calibration_error(chance, seen.later == 1) < 0.01
    assert calibration_error(twice_as_sure(inputs, None)[:, 1], seen.later == 1) > 0.05


def test_trees_only_where_they_win():
    """A product of two features, which neither they nor their squares tell alone."""
    rng = np.random.default_rng(0)

    def period(tells):
        inputs = rng.normal(size=(3000, 2))
        later = (inputs.prod(axis=1) > 0) if tells else (inputs[:, 0] + rng.normal(size=3000) > 0)
        return Moved(inputs, np.zeros(3000, dtype=int), later.astype(int))

    for tells, model in ((True, "boosted trees"), (False, "logistic regression")):
        assert choose([period(tells)], period(tells), [], 2, lambda: None).model == model


@pytest.mark.simulation
def test_complete_journey():
    events = CompleteJourney(shared("complete_journey"), "department").events
    dates = pd.date_range("2017-04-01", "2018-01-01", freq="MS")
    tables = sg.snapshots(events, sg.RFM + sg.CADENCE, dates=dates, window="90 days")
    result = sg.segment(tables.loc["2017-08-01"], n_segments=5)
    scores = sg.score_next(result, tables)
    mean = scores.pivot_table(index="horizon", columns="method", values="log_loss")
    gain = 1 - mean["next_segment"] / mean["Markov chain"]
    assert gain["1 month"] >= 0.20 and gain["3 months"] >= 0.07
    assert (mean["Markov chain"] < mean["stays"]).all()
    assert max(scores.attrs["segkit"]["calibration_error"].values()) <= 0.03
