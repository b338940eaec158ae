"""The playbook says only what its tables say, and how far each line is proven."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import segkit as sg
from segkit.show.report.cards import tags_of
from segkit.tailor.messages.built_in_texts import asks_for_silence, kind_of
from segkit.tailor.plays.fitting_play import Describer, clauses, fitting_play
from segkit.tailor.plays.plays import features_of
from segkit.tailor.plays.segment_worth import Worth, service_levels

TEXTS = ["goal", "strategy", "offer", "channel", "cadence", "service_level", "avoid", "why", "measure"]


def customers_of(**columns):
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"c{i:03}" for i in range(n)])


def shop():
    """Forty regulars, forty lapsed big spenders and 120 who buy little."""
    return customers_of(
        recency=[2, 3, 4, 5] * 10 + [140, 150, 160, 170] * 10 + [30, 40, 50] * 40,
        frequency=[20, 22, 24, 26] * 10 + [9, 10, 11, 12] * 10 + [3, 4, 5] * 40,
        monetary=[900.0, 1000.0] * 20 + [700.0, 800.0] * 20 + [90.0, 100.0] * 60,
    )


RULES = {
    "Regulars": "frequency >= 20",
    "Lapsed": "recency >= 140",
    "Middle": "recency < 140 and frequency < 20",
}


@pytest.fixture(scope="module")
def result():
    return sg.segment(shop(), model=sg.rules_segmenter(RULES))


def products_of(**more):
    rows = {
        "segment_id": [0, 0, 1],
        "segment": ["Regulars", "Regulars", "Lapsed"],
        "product_id": ["tea", "rum", "ink"],
        "buyers": [38, 20, 30],
        "share": [0.95, 0.5, 0.75],
        "elsewhere": [0.05, 0.2, 0.7],
        "ratio": [15.0, 2.2, 1.05],
        "low": [8.0, 1.4, 1.01],
        "high": [30.0, 4.0, 1.1],
    }
    return pd.DataFrame(rows | more)


def value_of(lows, highs, *, verdict="checked on 4 earlier periods"):
    """The table of three segments of 40, 40 and 120 customers; ends are those of a customer."""
    n = np.array([40, 40, 120, 200])
    lows, highs = np.array([*lows, np.mean(lows)]) * n, np.array([*highs, np.mean(highs)]) * n
    table = pd.DataFrame(
        {
            "segment_id": pd.array([0, 1, 2, None], dtype="Int64"),
            "segment": ["Regulars", "Lapsed", "Middle", "All customers"],
            "customers": n,
            "orders": n * 3.0,
            "orders_low": n * 2.0,
            "orders_high": n * 4.0,
            "value": (lows + highs) / 2,
            "value_low": lows,
            "value_high": highs,
            "verdict": verdict,
        }
    )
    table.attrs["segkit"] = {"horizon": "365 days"}
    return table


def lift_of(*rows, unit="share"):
    """A row: arm, segment, lift, low, high, verdict."""
    table = pd.DataFrame(rows, columns=["arm", "segment", "lift", "low", "high", "verdict"])
    table.attrs["segkit"] = {"unit": unit}
    return table


HELPED = ("voucher", "Lapsed", 0.062, 0.019, 0.092, "more: +6.2 points (1.9 to 9.2)")
HARMED = ("calls", "Regulars", -0.04, -0.07, -0.01, "less: −4.0 points (−7.0 to −1.0)")
UNSEEN = (
    "voucher",
    "Middle",
    0.004,
    -0.01,
    0.02,
    "no difference found; we would have seen 2.1 points or more; only 7 of those held out responded",
)
EVERYONE = ("voucher", "all customers", 0.02, 0.01, 0.03, "more: +2.0 points (1.0 to 3.0)")


def test_each_segment_gets_the_play_that_fits(result):
    table = sg.playbook(result)
    assert table["segment"].to_list() == ["Regulars", "Lapsed", "Middle"]
    plays = table.attrs["segkit"]["play"]
    assert plays == {0: "keep the best", 1: "win back good customers", 2: "small spenders"}
    assert set(table["evidence"]) == {"custom of the trade"}
    assert table["why"][0] == (
        "They last bought 3.5 days ago (the others: 45 days); they have placed 23 orders (five times the others); they "
        "have spent 950 (the others: 100). The advice is custom of the trade: nobody has measured it here."
    )
    assert table["measure"].str.contains("against 10% held out: plan_experiment(", regex=False).all()
    assert set(table["service_level"]) == {"standard"}
    assert "pass value=" in table.attrs["segkit"]["service"]
    assert_frame_equal(table, sg.playbook(result))


def truths(result, segment, value, products, lift):
    """Every number that a sentence about a segment may hold, computed anew."""
    inside = (result.labels == segment).to_numpy()
    name = result.name_of(segment)
    numbers = [90.0, 365.0, 10.0]
    for column in result.customers:
        values = result.customers[column]
        numbers += [values[inside].median(), values[~inside].median()]
    worth = value[value["segment"] == name].iloc[0]
    numbers += list(worth[["value", "value_low", "value_high"]] / worth["customers"])
    liked = products[products["segment"] == name]
    numbers += [*(100 * liked["share"]), *(100 * liked["elsewhere"])]
    tried = lift[lift["segment"] == name]
    numbers += [*(100 * tried["lift"]), *(100 * tried["low"]), *(100 * tried["high"])]
    numbers += [float(n) for verdict in tried["verdict"] for n in re.findall(r"\d+\.?\d*", verdict)]
    return np.abs(np.array(numbers, dtype=float))


def test_each_number_is_in_the_tables(result):
    value, products = value_of([90, 20, 1], [110, 60, 2]), products_of()
    lift = lift_of(HELPED, HARMED, UNSEEN, EVERYONE)
    table = sg.playbook(result, value=value, products=products, lift=lift)
    for row in table.itertuples():
        known = truths(result, row.segment_id, value, products, lift)
        said = [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", row.why)]
        assert len(said) >= 7
        for number in said:
            # three digits are said
            assert np.isclose(known, number, rtol=0.005, atol=0.05).any(), (number, row.why)


def test_products_of_the_segment_are_seen_in_the_data(result):
    table = sg.playbook(result, products=products_of())
    assert table["offer"][0] == "tea and rum; early access, no discount"
    assert (
        "Of those who buy, 95% buy tea (the others: 5%) and 50% buy rum (the others: 20%)." in table["why"][0]
    )
    assert table["evidence"].to_list() == ["seen in the data", "custom of the trade", "custom of the trade"]
    assert table.attrs["segkit"]["evidence"][0]["strategy"] == "custom of the trade"
    assert table.attrs["segkit"]["evidence"][0]["offer"] == "seen in the data"
    assert "The rest of the advice is custom of the trade" in table["why"][0]
    assert "ink" not in table["offer"][1]  # bought 1.05 times as often: nothing to build on


def test_a_measured_gain_goes_before_the_play(result):
    table = sg.playbook(result, lift=lift_of(HELPED, UNSEEN, EVERYONE)).set_index("segment")
    assert table.loc["Lapsed", "strategy"] == "Do “voucher” again: it helped this segment."
    assert "“voucher” helped here: +6.2 points (1.9 to 9.2)." in table.loc["Lapsed", "why"]
    # No custom stands beside it that may contradict it, such as to avoid discounts.
    assert set(table.loc["Lapsed", ["offer", "channel", "cadence"]]) == {"As in “voucher”"}
    assert not table.loc["Lapsed", "avoid"] and "custom of the trade" not in table.loc["Lapsed", "why"]
    assert table["evidence"].to_dict() == {
        "Regulars": "custom of the trade", "Lapsed": "measured lift", "Middle": "custom of the trade"
    }  # fmt: skip
    # Of so few customers nothing is quoted.
    assert (
        "was tried here: no difference found; we would have seen 2.1 points or more. "
        in table.loc["Middle", "why"]
    )


def test_measured_harm_removes_the_play(result):
    usual = sg.playbook(result).loc[0]
    row = sg.playbook(result, lift=lift_of(HARMED), products=products_of()).loc[0]
    assert row["avoid"] == "“calls”: it harmed this segment."
    assert "“calls” did harm here: −4.0 points (−7.0 to −1.0)." in row["why"]
    assert (
        row["strategy"] != usual["strategy"]
        and "calls" not in row["strategy"]
        and "calls" not in row["offer"]
    )
    assert not row[["offer", "channel", "cadence"]].any() and row["goal"] == "Do no harm"


def test_harm_and_gain_stand_side_by_side(result):
    both = lift_of(HARMED, ("letter", "Regulars", 0.03, 0.01, 0.05, "more: +3.0 points (1.0 to 5.0)"))
    row = sg.playbook(result, lift=both).loc[0]
    assert "“letter”" in row["strategy"] and row["avoid"].startswith("“calls”")


@pytest.mark.parametrize(
    "verdict",
    [
        "not called: the arms differed before (p = 0.0002), so this is no lift",
        "sample ratio failed (p = 1e-05), so arms may differ anyway: more: +6.2 points (1.9 to 9.2)",
        "no difference found among several segments (alone it would be one, p = 0.03)",
    ],
)
def test_what_was_not_called_is_no_evidence(result, verdict):
    row = sg.playbook(result, lift=lift_of(("voucher", "Lapsed", 0.062, 0.019, 0.092, verdict))).loc[1]
    assert row["evidence"] == "custom of the trade" and "voucher" not in row["strategy"]
    assert verdict in row["why"]


@pytest.mark.parametrize(
    ("lows", "highs", "levels"),
    [
        ([90, 20, 1], [110, 60, 2], ["priority", "priority", "standard"]),
        ([90, 1, 20], [110, 2, 60], ["priority", "self-service", "standard"]),
        ([30, 50, 10], [70, 90, 35], ["standard", "standard", "standard"]),  # a chain of overlaps
    ],
)
def test_service_differs_only_where_intervals_are_apart(result, lows, highs, levels):
    table = sg.playbook(result, value=value_of(lows, highs))
    assert table["service_level"].to_list() == levels
    first = f"Worth {(lows[0] + highs[0]) / 2:.0f} a customer in the next 365 days ({lows[0]} to {highs[0]})."
    assert first in table["why"][0]


def test_two_levels_never_have_overlapping_intervals():
    rng = np.random.default_rng(0)
    for _ in range(200):
        low = rng.uniform(0, 100, 6)
        high = low + rng.exponential(15, 6)
        worth = {
            s: Worth(1, 1, 1, (low[s] + high[s]) / 2, low[s], high[s], False, True, int(rng.integers(1, 99)))
            for s in range(6)
        }
        levels = service_levels(worth)
        for a in worth:
            for b in worth:
                if levels[a] != levels[b]:
                    assert high[a] < low[b] or high[b] < low[a]


def test_intervals_that_were_not_checked_change_no_service(result):
    value = value_of([90, 20, 1], [110, 60, 2], verdict="not checked: the log is too short")
    table = sg.playbook(result, value=value)
    assert set(table["service_level"]) == {"standard"} and "not checked" in table["why"][0]
    assert "not checked" in table.attrs["segkit"]["service"]


def test_without_money_orders_are_said(result):
    value = value_of([90, 20, 1], [110, 60, 2])
    value[["value", "value_low", "value_high"]] = np.nan
    assert (
        "Worth 3 orders a customer in the next 365 days (2 to 4)."
        in sg.playbook(result, value=value)["why"][0]
    )


def test_a_segment_without_value_gets_the_standard_and_no_figure(result):
    value = value_of([90, 20, 1], [110, 60, 2])
    value.loc[1, ["value", "value_low", "value_high"]] = np.nan
    table = sg.playbook(result, value=value)
    assert "Worth" not in table["why"][1] and table["service_level"].to_list() == [
        "priority",
        "standard",
        "standard",
    ]


def test_the_channel_comes_from_what_they_respond_to():
    customers = shop().assign(
        email_click_rate=[0.19, 0.2, 0.2, 0.21] * 10 + [0.01] * 40 + [0.03, 0.04] * 60,
        push_open_rate=[0.1, 0.11] * 20 + [0.3, 0.31] * 20 + [0.1, 0.11] * 60,
    )
    table = sg.playbook(sg.segment(customers, model=sg.rules_segmenter(RULES)))
    assert table["channel"].to_list() == [
        "E-mail, to those who agreed", "Push messages, to those who agreed", "E-mail, to those who agreed"
    ]  # fmt: skip
    assert "click 20% of their e-mails (the others: 3%)" in table["why"][0]
    grades = table.attrs["segkit"]["evidence"]
    assert [grades[s]["channel"] for s in range(3)] == ["seen in the data"] * 2 + ["custom of the trade"]


def test_random_slices_are_treated_as_everyone():
    """Of 32 slices at random by eight features, no one gets a play, and hardly one is thought to be different."""
    rng = np.random.default_rng(0)
    names = [
        "recency",
        "frequency",
        "monetary",
        "tenure",
        "average_order_value",
        "visits",
        "regularity",
        "variety",
    ]
    quarters = sg.rules_segmenter({f"S{i}": f"slice == {i}" for i in range(4)})
    goals, whys = [], []
    for n in [100, 400] * 4:
        drawn = customers_of(
            **{name: rng.lognormal(3, 1, n).round() for name in names}, slice=rng.integers(0, 4, n)
        )
        table = sg.playbook(_with_customers(sg.segment(drawn, model=quarters), drawn.assign(slice=0)))
        goals += [*table["goal"]]
        whys += [*table.loc[table["goal"] == "Treat as everyone", "why"]]
        assert not any(table.attrs["segkit"]["play"].values())
    assert goals.count("Treat as everyone") >= 30
    assert all(
        why.startswith(("Nothing sets them clearly apart", "They are too few to be sure")) for why in whys
    )
    one = sg.segment(shop(), model=sg.rules_segmenter({"All": "recency >= 0"}))
    assert sg.playbook(one).loc[0, ["goal", "evidence"]].to_list() == [
        "Treat as everyone",
        "seen in the data",
    ]


def _with_customers(result, customers):
    """The same labels on other features."""
    return dataclasses.replace(result, customers=customers)


def test_what_no_play_speaks_of_is_not_invented():
    customers = customers_of(
        shoe_size=[38, 39, 40] * 20 + [44, 45, 46] * 20, age=[20, 21] * 30 + [70, 71] * 30
    )
    table = sg.playbook(sg.segment(customers, n_segments=2))
    assert set(table["goal"]) == {"Understand them first"}
    assert table["strategy"].str.startswith("No play fits").all() and not table["offer"].any()
    assert "shoe size is 45" in table["why"][0] and "(the others: 39)" in table["why"][0]


def test_handfuls_and_customers_outside_get_no_play():
    customers = shop()
    customers.loc["c000", ["recency", "frequency"]] = [900, 50]
    rules = {"One": "recency == 900", "Lapsed": "recency >= 140 and recency < 900"}
    result = sg.segment(customers, model=sg.rules_segmenter(rules))
    table = sg.playbook(result)
    assert -1 in set(result.labels) and table["segment"].to_list() == ["One", "Lapsed"]
    assert table.attrs["segkit"]["play"] == {0: "", 1: "win back good customers"}


def test_plays_of_ones_own():
    customers = shop().assign(
        tea_share=[0.9] * 40 + [0.1] * 160, nps_class=["promoter"] * 120 + ["detractor"] * 80
    )
    result = sg.segment(customers, model=sg.rules_segmenter(RULES))
    tea = sg.Play("tea", when={"tea_share": 0.7}, goal="More tea", priority=1)
    table = sg.playbook(result, plays=(*sg.PLAYS, tea))
    assert table["goal"].to_list() == ["More tea", "Win them back", "Make it good"]
    assert table.loc[2, "offer"] == "Nothing to buy until it is settled"
    assert "67% of them are detractors" in table.loc[2, "why"]
    assert set(sg.playbook(result, plays=())["goal"]) == {"Understand them first"}


@pytest.mark.parametrize(
    "feature", ["age", "customer_age", "Gender", "religion", "birth_year", "CustomerAge", "sex"]
)
def test_no_play_depends_on_what_people_are(feature):
    with pytest.raises(ValueError, match="Treat people by what they do"):
        sg.Play("x", when={feature: 0.7})


def test_behaviour_is_not_taken_for_a_protected_attribute():
    for feature in ("average_order_value", "page_views", "percentage", "agent_calls", "sextant"):
        sg.Play("x", when={feature: 0.7})


def test_a_constructive_segmentation_claims_no_natural_types():
    rng = np.random.default_rng(0)
    plane = customers_of(recency=rng.uniform(0, 300, 400), monetary=rng.uniform(0, 900, 400))
    result = sg.segment(plane, n_segments=4)
    assert result.kind != "natural"
    table = sg.playbook(result, products=products_of(segment_id=[0, 1, 2], segment=["a", "b", "c"]))
    claims = r"\b(natural\w*|types?|kinds?|groups?|born|personas?|tribes?|clusters?|breeds?|species)\b"
    words = " ".join(table[TEXTS].to_numpy().ravel())
    plays = " ".join(
        " ".join(getattr(p, f) for f in ("goal", "strategy", "offer", "avoid")) for p in sg.PLAYS
    )
    assert not re.findall(claims, words + plays, re.IGNORECASE)


def test_tables_of_other_segments_are_refused(result):
    value = value_of([90, 20, 1], [110, 60, 2])
    for said, message in (
        ({"value": value.drop(columns="value_low")}, r"value has no column 'value_low'\. Its columns are"),
        ({"value": pd.concat([value, value])}, r"value speaks of 'Regulars' 2 times"),
        (
            {"lift": lift_of(("x", "Nobody", 0, -1, 1, ""))},
            r"lift speaks of 'Nobody', and there is no such segment",
        ),
        ({"plays": [1]}, r"plays holds 1"),
        ({"plays": sg.PLAYS[0]}, r"It should be plays"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            sg.playbook(result, **said)
    for when, message in (({}, "has no condition"), ({"recency": 1.5}, "Say a quantile between 0 and 1")):
        with pytest.raises(ValueError, match=message):
            sg.Play("x", when=when)


def test_renamed_segments_are_still_known(result):
    renamed = result.with_names({0: "Best"})
    table = sg.playbook(renamed, products=products_of(), value=value_of([90, 20, 1], [110, 60, 2]))
    assert table["offer"][0].startswith("tea and rum") and table["segment"][0] == "Best"


def test_plays_speak_of_features_that_there_are():
    known = {feature.name for feature in sg.FAMILIES}
    for play in sg.PLAYS:
        conditions = {f for key in play.when for f in features_of(key)}
        assert conditions | set(play.limits) <= known, play.name
        assert all(getattr(play, said) for said in ("goal", "strategy", "cadence", "avoid", "measure")), (
            play.name
        )
    assert len({play.name for play in sg.PLAYS}) == len(sg.PLAYS)


def test_each_play_fits_somebody_and_not_those_in_the_middle():
    """Half of the customers lie beyond each condition, within its limits, and half on its other side."""
    for play in sg.PLAYS:
        columns = {"who": [0] * 30 + [1] * 30}
        for key, wanted in play.when.items():
            feature = features_of(key)[0]
            low, high = play.limits.get(feature, (0.0, 100.0))
            inside, far = max(low, min(high, (low + min(high, low + 100)) / 2)), 1000.0
            other = far if not isinstance(wanted, str) and wanted < 0.5 else -far
            columns[feature] = (
                [wanted] * 30 + ["other"] * 30 if isinstance(wanted, str) else [inside] * 30 + [other] * 30
            )
        halves = sg.rules_segmenter({"Fits": "who == 0", "Others": "who == 1"})
        described = Describer(sg.segment(customers_of(**columns), model=halves))
        fit = fitting_play(described, 0, [play])
        assert fit is not None and fit.play is play, play.name
        assert fitting_play(described, 1, [play]) is None, play.name
        said = clauses(described, 0, fit)
        assert said and all(re.search(r"\d|\ball\b|\bnone\b", clause) for clause in said), (play.name, said)


def test_each_goal_has_a_message_or_asks_for_silence():
    for play in sg.PLAYS:
        assert kind_of(play.goal) or asks_for_silence(play.goal, play.channel), play.name


@pytest.mark.parametrize("known", ["overdue", "frequency"])
def test_who_is_in_time_is_not_asked_back(known):
    """Half order twice a month, half once a month and last 16 days ago: late among all, and in time for them."""
    spread = np.arange(60) / 100
    columns = {"recency": [2.0] * 30 + [16.0] * 30 + spread, "frequency": [24.0] * 30 + [10.0] * 30}
    columns["tenure"] = [350.0] * 60
    columns["overdue"] = [0.2] * 30 + [0.5] * 30
    rarely = sg.rules_segmenter({"Often": "frequency >= 20", "Rarely": "frequency < 20"})
    for late in (1.0, 5.0):
        table = {name: np.array(values) for name, values in columns.items()}
        table["recency"], table["overdue"] = table["recency"] * late, table["overdue"] * late
        if known == "frequency":
            table.pop("overdue")
        plays = sg.playbook(sg.segment(customers_of(**table), model=rarely)).set_index("segment")
        goals = {"Find out who is still there", "Bring them back", "Win them back"}
        assert (plays.loc["Rarely", "goal"] in goals) == (late == 5.0), plays.loc["Rarely", "goal"]


def test_measured_harm_is_found_whatever_segments_are_called(result):
    """Ids go before names, also ids as text beside names that look like them; a verdict of less is harm."""
    named = result.with_names({0: "1", 1: "Segment 2", 2: "0"})
    for keys in ([0, 1], ["0", "1"], [0.0, 1.0]):
        lift = lift_of(
            ("calls", "1", -0.04, -0.07, -0.01, "less"), ("calls", "Segment 2", -0.04, -0.07, 0.0, "less")
        )
        table = sg.playbook(named, lift=lift.assign(segment_id=keys))
        assert (table["goal"] == "Do no harm").tolist() == [True, True, False]
        assert not table["offer"][:2].any() and not table["channel"][:2].any()
    by_name = sg.playbook(named, lift=lift_of(("calls", "1", -0.04, -0.07, -0.01, "less")))
    assert (by_name["goal"] == "Do no harm").tolist() == [True, False, False]


def test_a_table_of_everyone_alone_is_refused(result):
    """Harm that was measured for all customers together is not lost silently."""
    harmed = ("calls", "all customers", -0.04, -0.07, -0.01, "less")
    with pytest.raises(ValueError, match="lift has no row of a segment, only of all customers"):
        sg.playbook(result, lift=lift_of(harmed))


def test_numbers_of_two_values_are_said_as_numbers():
    """Not "all of them have recency with 50", nor "say yes to frequency"."""
    customers = customers_of(
        recency=[1.0] * 40 + [50.0] * 40, frequency=[1] * 40 + [0] * 40, shoes=[2] * 40 + [3] * 40
    )
    result = sg.segment(customers, model=sg.rules_segmenter({"A": "shoes == 2", "B": "shoes == 3"}))
    assert sg.playbook(result)["why"][0].startswith("None of them last bought 50 days ago (the others: all)")
    plays = (sg.Play("orders", {"frequency": 0.6}), sg.Play("shoes", {"shoes": 0.6}))
    assert sg.playbook(result, plays=plays)["why"].str.split(".").str[0].to_list() == [
        "All of them have placed 1 order (the others: none)",
        "All of them have shoes 3 (the others: none)",
    ]


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (
            {"limits": {"recency": 5}},
            r"limits 'recency' to 5. It should say the least and the largest median",
        ),
        ({"limits": {"recency": (9, 1)}}, r"limits 'recency' to \(9, 1\)"),
        ({"limits": [1]}, "limits is a list"),
        ({"offer": 10}, "offer is 10"),
    ],
)
def test_a_play_that_cannot_be_read_is_refused(said, match):
    with pytest.raises((TypeError, ValueError), match=match):
        sg.Play("mine", {"recency": 0.6}, **said)


def test_a_play_without_a_measure_has_none(result):
    table = sg.playbook(result, plays=(sg.Play("mine", {"recency": 0.6}, goal="G", measure=""),))
    assert table["measure"][1] == ""


def test_a_saved_playbook_keeps_its_grades(result, tmp_path):
    """Parquet makes text of the ids in attrs."""
    table = sg.playbook(result, products=products_of())
    table.to_parquet(tmp_path / "plays.parquet")
    again = pd.read_parquet(tmp_path / "plays.parquet")
    assert sg.plot_playbook(again).to_dict() == sg.plot_playbook(table).to_dict()
    assert tags_of(result, again) == tags_of(result, table)
    assert tags_of(result, again)[0]["Offer"] == "seen in the data"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"customers": np.nan}, "value says of 'Regulars': customers=nan, value="),
        ({"value": "many"}, None),
        ({"value_high": 0.0}, "numbers within their interval"),
    ],
)
def test_values_that_cannot_be(result, more, said):
    value = value_of([90, 20, 1], [110, 60, 2]).assign(**more)
    if said:
        with pytest.raises(ValueError, match=said):
            sg.playbook(result, value=value)
    else:
        assert "known of less than two" in sg.playbook(result, value=value).attrs["segkit"]["service"]


def test_why_service_is_the_same_is_true(result):
    """Unknown, known of one segment, and not checked are no overlap."""
    value = value_of([90, 20, 1], [110, 60, 2])
    unknown = value.assign(value=np.nan, value_low=np.nan, value_high=np.nan, orders=np.nan)
    for table in (value[:0], value[:1], unknown):
        assert "known of less than two" in sg.playbook(result, value=table).attrs["segkit"]["service"]
    value.loc[1:, "verdict"] = "not checked: the log is too short"
    assert "not checked" in sg.playbook(result, value=value).attrs["segkit"]["service"]


def test_random_slices_with_ties_and_words_get_no_play():
    """Also where most have spent nothing, half have unsubscribed, or a handful are promoters by luck."""
    rng = np.random.default_rng(0)
    quarters = sg.rules_segmenter({f"S{i}": f"slice == {i}" for i in range(6)})
    for n in (36, 600, 600):
        customers = customers_of(
            frequency=rng.geometric(0.7, n),
            monetary=np.where(rng.random(n) < 0.6, 0, rng.gamma(1, 50, n)),
            email_unsubscribed=rng.random(n) < 0.52,
            nps_class=rng.choice(["promoter", "detractor"], n),
        )
        drawn = customers.assign(slice=np.arange(n) % 6)
        table = sg.playbook(_with_customers(sg.segment(drawn, model=quarters), customers))
        assert not any(table.attrs["segkit"]["play"].values())
