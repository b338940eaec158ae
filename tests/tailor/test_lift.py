"""Lift by hand, on published results of Hillstrom's e-mails, and for data that cannot answer."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, norm, ttest_ind
from shared_data import shared

import segkit as sg
from segkit.tailor.experiments.intervals import newcombe
from segkit.tailor.experiments.pooling import cochran_q, partial_pooling, paule_mandel


def two_arms(treated, held_out):
    """Return arms and outcomes from the outcomes of each arm."""
    ids = [f"c{i:05}" for i in range(len(treated) + len(held_out))]
    arms = pd.Series(["treated"] * len(treated) + ["held out"] * len(held_out), index=ids)
    return arms, pd.Series([*treated, *held_out], index=ids, dtype=float)


def ones(n, of):
    return [1.0] * n + [0.0] * (of - n)


def first(table):
    return table.iloc[0].to_dict()


def test_shares_have_newcombes_interval():
    """Newcombe (1998), table II, method 10: 56/70 against 48/80, and 0/10 against 0/20."""
    row = first(sg.lift(*two_arms(ones(56, 70), ones(48, 80))))
    assert (row["treated"], row["held_out"], row["segment"]) == (70, 80, "all customers")
    assert (row["low"], row["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert row["lift"] == pytest.approx(0.2)
    low, high = newcombe(0.0, 10, 0.0, 20, norm.isf(0.025))
    assert (low, high) == pytest.approx((-0.1611, 0.2775), abs=5e-5)
    assert row["p"] == pytest.approx(
        chi2_contingency([[56, 14], [48, 32]], correction=False).pvalue, abs=0.003
    )
    assert row["verdict"].startswith("more: +20.0 points (5.2 to 33.4)")
    reached = newcombe(56 / 70, 70, 48 / 80, 80, norm.isf(row["p"] / 2))
    assert reached[0] == pytest.approx(0, abs=1e-9)


def test_means_have_welchs_interval():
    rng = np.random.default_rng(0)
    spent, less = rng.gamma(2, 5, 60), rng.gamma(2, 4, 40)
    row = first(sg.lift(*two_arms(spent, less)))
    theirs = ttest_ind(spent, less, equal_var=False)
    assert row["p"] == pytest.approx(theirs.pvalue) and row["lift"] == pytest.approx(
        spent.mean() - less.mean()
    )
    assert (row["low"], row["high"]) == pytest.approx(tuple(theirs.confidence_interval(0.95)))


def test_pooling_against_published_figures():
    """Eight schools (Rubin 1981): tau is 0 there; and Paule-Mandel of Q, which the estimate makes k - 1."""
    schools = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    errors = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    assert cochran_q(schools, errors) == pytest.approx((4.7, 0.69), abs=0.02)
    assert paule_mandel(schools, errors) == 0
    far = schools * 4
    between = paule_mandel(far, errors)
    assert cochran_q(far, np.sqrt(errors**2 + between))[0] == pytest.approx(7)
    pooled, spread = partial_pooling(schools, errors)
    mean = np.average(schools, weights=errors**-2.0)
    assert pooled == pytest.approx(mean + 2 / 7 * (schools - mean)) and (spread < errors).all()
    for k in (2, 3):  # the integral over tau lies between no pooling and full pooling
        own, other = schools[:k], partial_pooling(schools[:k], errors[:k])[0]
        centre = np.average(own, weights=errors[:k] ** -2.0)
        assert (np.abs(other - centre) < np.abs(own - centre) + 1e-9).all() and np.ptp(other) > 0.05 * np.ptp(
            own
        )


def test_segments_are_called_together():
    """Two questions: q is twice p; the interval of one that is called is that of 1 - 0.05 / 2 (FCR)."""
    arms, bought = two_arms(ones(560, 5000) + ones(1000, 5000), ones(500, 5000) + ones(1000, 5000))
    one = pd.Series((["A"] * 5000 + ["B"] * 5000) * 2, index=arms.index)
    table = sg.lift(arms, bought, by=one).set_index("segment")
    assert list(table.index) == ["all customers", "A", "B"]
    assert table.loc["A", "p"] < 0.1 and table.loc["A", "q"] == pytest.approx(2 * table.loc["A", "p"])
    assert table.loc["B", "verdict"].startswith("no difference found; we would have seen 2.3 points or more")
    assert np.isnan(table.loc["all customers", "pooled"]) and np.isnan(table.loc["all customers", "q"])
    strict = sg.lift(arms, bought, by=one, fdr=0.01).set_index("segment")
    assert (
        strict.loc["A", "verdict"].startswith("no difference found")
        and strict.loc["A", "smallest_lift"] > 0.02
    )
    called = sg.lift(arms, bought, by=one, fdr=0.2).set_index("segment")
    assert called.loc["A", "verdict"].startswith("more")
    wide = newcombe(0.112, 5000, 0.1, 5000, norm.isf(0.05 / 2 / 2))
    assert tuple(called.loc["A", ["low", "high"]]) == pytest.approx(wide)


def test_missing_outcomes_are_never_zero():
    arms, bought = two_arms(ones(50, 100), ones(40, 100))
    bought.iloc[:10] = np.nan
    bought = pd.concat([bought.iloc[:195], pd.Series({"stranger": 1.0})])
    by = pd.Series(["A"] * 150, index=arms.index[:150]).replace({"A": -1})
    table = sg.lift(arms, bought, by=by)
    known = table.attrs["segkit"]
    assert known["missing"] == {"held out": 5, "treated": 10} and known["without_an_arm"] == 1
    assert table.loc[0, ["treated", "held_out"]].tolist() == [90, 95]
    assert table.loc[0, "mean_treated"] == pytest.approx(40 / 90)
    assert set(table["segment"]) == {"all customers", "-1", "No segment"}


def test_outcomes_and_ids_of_any_type_are_read():
    arms, bought = two_arms(ones(50, 100), ones(40, 100))
    expected = sg.lift(arms, bought)
    numbers = pd.RangeIndex(len(arms))
    for outcomes in (
        bought.astype(bool),
        bought.astype(bool).astype(object),
        bought.astype("Int64"),
        bought.astype("boolean[pyarrow]"),
        pd.DataFrame({"customer_id": bought.index, "bought": bought.to_numpy()}),
        bought.set_axis(pd.CategoricalIndex(bought.index)),
    ):
        pd.testing.assert_frame_equal(sg.lift(arms, outcomes), expected)
    pd.testing.assert_frame_equal(sg.lift(arms.astype("category"), bought), expected)
    texts = numbers.astype(str)
    pd.testing.assert_frame_equal(sg.lift(arms.set_axis(numbers), bought.set_axis(texts)), expected)
    some = bought.astype(bool).astype(object)
    some.iloc[0] = None
    assert sg.lift(arms, some).loc[0, "treated"] == 99


def test_outside_and_undecided_have_rows_of_their_own():
    arms, bought = two_arms(ones(50, 100), ones(40, 100))
    words = pd.Series(["Undecided", "A", "Zen", "Outside"] * 50, index=arms.index)
    assert list(sg.lift(arms, bought, by=words)["segment"]) == [
        "all customers",
        "A",
        "Zen",
        "Outside",
        "Undecided",
    ]
    numbers = pd.Series([-1, 0, 10, 2] * 50, index=arms.index)
    assert list(sg.lift(arms, bought, by=numbers)["segment"]) == ["all customers", "0", "2", "10", "-1"]
    customers = pd.DataFrame({"visits": range(200)}, index=arms.index)
    result = sg.segment(customers, n_segments=2).with_names({0: "Zen", 1: "A"})
    table = sg.lift(arms, bought, by=result)
    assert list(table["segment"]) == ["all customers", "Zen", "A"]
    assert table["treated"].iloc[1:].sum() == 100


def test_peeking_widens_by_what_is_still_unknown():
    """When all is known, 3.03 standard errors instead of 1.96; when half is, a little more."""
    shop = sg.datasets.make_experiment(10_000, holdout=0.5)
    fixed = sg.lift(shop.arms, shop.outcomes["spend"], by=shop.segments)
    looked = sg.lift(shop.arms, shop.outcomes["spend"], by=shop.segments, peeking=True)
    width = [(table["high"] - table["low"]).iloc[0] for table in (looked, fixed)]
    assert width[0] / width[1] == pytest.approx(3.03 / 1.96, abs=0.01)
    assert (looked["p"] >= fixed["p"]).all() and (looked["smallest_lift"] > fixed["smallest_lift"]).all()
    half = shop.outcomes["spend"].where(np.arange(10_000) % 2 == 0)
    earlier = [sg.lift(shop.arms, half, peeking=peeking).iloc[0] for peeking in (True, False)]
    assert 1.55 < np.divide(*(row["high"] - row["low"] for row in earlier)) < 1.65


def test_events_without_an_event_are_zero():
    lines = pd.DataFrame(
        [
            ("a", "2024-02-02", 5.0),
            ("a", "2024-02-03", 2.0),
            ("b", "2024-01-20", 3.0),
            ("z", "2024-02-04", 1.0),
            ("c", "2024-03-20", 9.0),
        ],
        columns=["customer_id", "timestamp", "amount"],
    )
    events = sg.read_events(lines, kind="purchase")
    arms = pd.Series(["treated", "treated", "held out", "held out"], index=list("abcd"))
    when = {"start": "2024-02-01", "horizon": "30 days"}
    table = sg.lift(arms, events, **when)
    assert table.loc[0, ["mean_treated", "mean_held_out"]].tolist() == [0.5, 0.0]
    spend = sg.lift(arms, events, outcome="spend", **when)
    assert spend.loc[0, "mean_treated"] == 3.5 and "no interval" in spend.loc[0, "verdict"]
    before = sg.lift(arms, events, before=events, **when)
    assert before.attrs["segkit"]["before_saved"] > 0
    with pytest.raises(ValueError, match="need start= and horizon="):
        sg.lift(arms, events)
    with pytest.raises(ValueError, match="before the horizon does"):
        sg.lift(arms, events, start="2024-02-01", horizon="90 days")
    with pytest.raises(ValueError, match="hold no 'visit'"):
        sg.lift(arms, events, outcome="visit", **when)
    with pytest.raises(ValueError, match="start='soon'"):
        sg.lift(arms, events, start="soon", horizon="30 days")


def test_failed_sample_ratio_begins_each_verdict():
    arms, bought = two_arms(ones(100, 1000), ones(20, 200))
    table = sg.lift(arms, bought, shares={"treated": 0.9, "held out": 0.1})
    assert (
        table["verdict"].str.startswith("sample ratio failed (p = 1e-14), so arms may differ anyway: ").all()
    )
    assert table.loc[0, "lift"] == pytest.approx(0) and table.attrs["segkit"]["sample_ratio"] < 1e-13
    fair = sg.lift(arms, bought, shares={"treated": 5 / 6, "held out": 1 / 6})
    assert fair.loc[0, "verdict"].startswith("no difference found; we would have seen")
    assert fair.loc[0, "verdict"].endswith("only 20 of those held out responded")
    unknown = sg.lift(arms, bought).attrs["segkit"]["sample_ratio"]
    assert np.isnan(unknown)


def test_too_little_is_said():
    arms, spent = two_arms([1.0, 2.0, 3.0], [5.0])
    assert first(sg.lift(arms, spent))["verdict"].startswith("too few customers to compare")
    same = first(sg.lift(*two_arms([2.0] * 9, [2.0] * 5)))
    assert (
        "same outcome" in same["verdict"] and np.isnan([same["low"], same["p"]]).all() and same["lift"] == 0
    )
    two = first(sg.lift(*two_arms([1.0, 1.0, 0.0], [0.0, 1.0])))
    assert two["verdict"].startswith("no difference found; too few customers to see any lift")
    nobody = first(sg.lift(*two_arms([0.0] * 90, [0.0] * 10)))
    assert nobody["verdict"].startswith("no difference found; we would have seen") and nobody["high"] > 0.01


def test_what_was_before_is_checked_and_counted():
    rng = np.random.default_rng(0)
    arms, spent = two_arms(rng.normal(size=300), rng.normal(size=100))
    before = 0.8 * spent + 0.6 * rng.normal(size=400)
    table = sg.lift(arms, spent, before=before)
    assert table.attrs["segkit"]["before_saved"] == pytest.approx(0.64, abs=0.08)
    assert "before saved 69 %" in table.loc[0, "verdict"]
    plain = sg.lift(arms, spent)
    assert (table["high"] - table["low"]).iloc[0] < 0.7 * (plain["high"] - plain["low"]).iloc[0]
    arms, spent = two_arms(rng.normal(size=3000), rng.normal(size=1000))
    noise = pd.Series(rng.normal(size=4000), index=arms.index)
    assert "before saved under 1 %" in sg.lift(arms, spent, before=noise).loc[0, "verdict"]
    before = noise.copy()
    before.attrs["segkit"] = {"as_of": "2024-03-01"}
    with pytest.raises(ValueError, match="holds what the treatment did"):
        sg.lift(arms, spent, before=before, start="2024-02-01")
    with pytest.raises(ValueError, match="Say start="):
        sg.lift(arms, spent, before=before)
    assert len(sg.lift(arms, spent, before=before, start="2024-03-01"))
    with pytest.raises(ValueError, match="equal to the outcomes"):
        sg.lift(arms, spent, before=spent.copy())


def test_wrong_arguments_are_explained():
    arms, bought = two_arms(ones(5, 10), ones(3, 10))
    twice = pd.concat([arms, pd.Series({"c00000": "held out"})])
    of_many, many = two_arms(ones(10, 40), ones(5, 20))
    for wrong, message in [
        ({"arms": twice}, "arms holds 1 customer more than once, such as 'c00000'"),
        ({"arms": arms[:10]}, "All customers are in the arm 'treated'"),
        ({"arms": arms[10:]}, "All customers are in the arm 'held out'"),
        ({"arms": arms.where(arms != "treated")}, "10 of them without an arm"),
        ({"arms": arms.to_frame()}, "arms is a DataFrame"),
        ({"outcomes": pd.concat([bought, bought[:1]])}, "'c00000' occurs more than once in outcomes"),
        ({"outcomes": bought.astype(str)}, "should hold numbers"),
        ({"outcomes": bought.replace(1.0, np.inf)}, "holds infinity"),
        ({"outcomes": pd.DataFrame({"a": bought, "b": bought})}, "Say which one counts"),
        ({"outcomes": pd.DataFrame({"a": bought, "b": bought}), "outcome": "c"}, "no column 'c'"),
        ({"outcomes": [1.0]}, "outcomes is a list"),
        ({"shares": {"treated": 0.9, "other": 0.1}}, "no share of the arm 'held out'"),
        ({"by": pd.Series("A", index=["x"])}, "by knows none of the 20 customers, such as 'c00000'"),
        ({"outcomes": many, "arms": of_many, "before": 1 - 2 * many}, "moves exactly with them"),
        ({"before": pd.Series([1.0], index=["x"])}, "before knows none of the 20 customers"),
        ({"outcomes": pd.Series([1.0], index=["x"])}, "None of the 1 customers of outcomes is in arms"),
        ({"level": 95}, "level=95 should lie between 0 and 1"),
        ({"by": pd.Series("all customers", index=arms.index)}, "Rename it"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            sg.lift(**({"arms": arms, "outcomes": bought} | wrong))
    ids = pd.Index(arms.index + "@example.com")
    people, done = arms.set_axis(ids), bought.set_axis(ids)
    for wrong in (
        {"arms": pd.concat([people, people[:1]])},
        {"outcomes": pd.concat([done, done[:1]])},
        {"outcomes": bought},
        {"outcomes": pd.Series(ids, index=ids)},
        {"by": pd.Series("A", index=["x"])},
        {"before": pd.Series([1.0], index=["x"])},
    ):
        with pytest.raises(ValueError, match=r"'c\*\*\*@e\*\*\*.com'"):
            sg.lift(**({"arms": people, "outcomes": done} | wrong))
    assigned = arms.copy()
    assigned.attrs["segkit"] = {"experiment": "x", "shares": {"treated": 0.9, "held out": 0.1}}
    with pytest.raises(ValueError, match="An experiment keeps its shares"):
        sg.lift(assigned, bought, shares={"treated": 0.8, "held out": 0.2})


def test_rows_in_any_order_give_the_same():
    shop = sg.datasets.make_experiment(3000)
    arguments = {"outcome": "spend", "by": shop.segments, "before": shop.before}
    table = sg.lift(shop.arms, shop.outcomes, **arguments)
    mixed = sg.lift(shop.arms.sample(frac=1, random_state=1), shop.outcomes[::-1], **arguments)
    pd.testing.assert_frame_equal(table, mixed)


def test_a_simulated_experiment_has_its_effects():
    shop = sg.datasets.make_experiment(200_000, holdout=0.5)
    table = sg.lift(shop.arms, shop.outcomes, outcome="conversion", by=shop.segments).set_index("segment")
    truth = shop.effects["conversion"]
    assert (table["lift"] - truth).abs().max() < 0.012
    assert set(table.index[table["q"] <= 0.1]) == set(truth.index[truth > 0])
    nothing = sg.datasets.make_experiment(5000, effect=0)
    assert (nothing.effects == 0).all().all()


def test_hillstrom_gives_the_published_lifts():
    mails = pd.read_csv(shared("hillstrom") / "hillstrom.csv")
    bought = pd.Series(
        np.select([mails["mens"] + mails["womens"] == 2, mails["mens"] == 1], ["both", "mens"], "womens")
    )
    arms, known = mails["segment"], {"by": bought, "control": "No E-Mail"}
    visits = sg.lift(arms, mails, outcome="visit", **known).set_index(["arm", "segment"])
    for arm, lift, error in [("Mens E-Mail", 0.07659, 0.003386), ("Womens E-Mail", 0.045233, 0.003234)]:
        row = visits.loc[(arm, "all customers")]
        assert row["lift"] == pytest.approx(lift, abs=5e-6)
        assert (row["high"] - row["low"]) / 2 / norm.isf(0.025) == pytest.approx(error, rel=0.001)
    womens = visits.loc["Womens E-Mail", "lift"]
    assert womens.round(4).to_dict() == {
        "all customers": 0.0452,
        "both": 0.0711,
        "mens": 0.0111,
        "womens": 0.074,
    }
    assert 5e-22 < visits.attrs["segkit"]["segments_differ"]["Womens E-Mail"]["p"] < 9e-22
    assert "segments differ (p = 7e-22)" in visits.loc[("Womens E-Mail", "all customers"), "verdict"]
    spend = sg.lift(arms, mails["spend"], **known)
    row = spend.set_index(["arm", "segment"]).loc[("Womens E-Mail", "all customers")]
    assert "no difference between segments found (p = 0.34)" in row["verdict"]
    assert (row["high"] - row["low"]) / 2 / norm.isf(0.025) == pytest.approx(0.130333, rel=0.001)
    with_history = sg.lift(arms, mails["visit"], before=mails["history"], **known)
    assert 0 <= with_history.attrs["segkit"]["before_saved"] < 0.01
    assert "before saved under 1 % of the variance" in with_history.loc[0, "verdict"]


def test_arms_that_differed_before_have_no_lift():
    """A campaign that was sent to good customers is no experiment; figures are there, and nothing is called."""
    rng = np.random.default_rng(0)
    arms, _ = two_arms(np.zeros(300), np.zeros(300))
    before = pd.Series(rng.normal(10, 2, 600) + 3 * (arms == "treated").to_numpy(), arms.index)
    table = sg.lift(arms, before + rng.normal(5, 1, 600), before=before)
    assert table["verdict"].str.startswith("not called: the arms differed before").all()
    assert np.isfinite(table.loc[0, "lift"])
    never = before.where(arms == "treated", 0.0)  # nobody held out had bought
    held = sg.lift(arms, before + rng.normal(5, 1, 600), before=never)
    assert held["verdict"].str.startswith("not called: the arms differed before").all()
    alike = pd.Series(rng.normal(10, 2, 600), arms.index)
    assert "not called" not in sg.lift(arms, alike + rng.normal(5, 1, 600), before=alike).loc[0, "verdict"]
