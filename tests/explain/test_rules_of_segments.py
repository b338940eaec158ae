"""Short rules for segments: planted ones are found, the texts say what the rules do, and fidelity holds for others."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import EVIL, ODD_NAMES, continuum, oddly_named, three_groups

import segkit as sg
from segkit.explain.rule_tree import Question, Rule, Table, both, either, rounded
from segkit.methods.rules import quoted_name, rules_that_hold, written_number, written_word

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)


def mixed(n=600, seed=0):
    """Numbers, words, yes and no, missing values: names that a rule could take for its own words."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "total spend": rng.exponential(1000, n),
            "and": rng.integers(0, 30, n),
            "in": rng.choice(["web", "shop's", 'say "hi"', "電話", "mail"], n),
            "member": rng.random(n) < 0.4,
            "a`ge": np.where(rng.random(n) < 0.2, np.nan, rng.integers(18, 80, n)),
        },
        index=pd.Index([f"c{i:04}" for i in range(n)], name="customer_id"),
    )
    table["in"] = table["in"].where(rng.random(n) > 0.1, None)
    return table


PLANTED = {
    "VIP": "`total spend` > 1500 and `in` in ('web', '電話')",
    'the "members"': "member and `and` <= 20",
    "`unknown`": "`a``ge` is None or `in` is None",
    "rest": "True",
}


def replayed(table, customers):
    """The segment that the texts of the rules give each customer, as rules_segmenter reads them."""
    model = sg.rules_segmenter(dict(zip(table["segment"], table["rule"], strict=True)))
    return sg.segment(customers, model=model).named_labels.astype(str)


def test_planted_rules_are_found():
    customers = mixed(2000)
    result = sg.segment(customers, model=sg.rules_segmenter(PLANTED))
    table = sg.rules(result, minimum=1)
    facts = table.attrs["segkit"]
    assert facts["fidelity"] > 0.985 and facts["low"] < facts["fidelity"] < facts["high"]
    assert (replayed(table, customers) == result.named_labels.astype(str)).mean() > 0.99
    texts = " ".join(table["rule"])
    assert (
        "`total spend` > 1500" in texts
        and "`and` <= 20" in texts
        and "`a``ge` is None or `in` is None" in texts
    )
    assert '`in` in ("web", "電話")' in texts
    assert table["rule"].iloc[-1] == "True" and table["conditions"].max() <= 4
    assert table["customers"].sum() == len(customers)


@pytest.mark.parametrize("most", [1, 2, 4, 9])
def test_texts_say_what_the_rules_do(most):
    """Whoever reads the texts gets each customer's segment as the table says it: one, or none."""
    customers = mixed(300)
    result = sg.segment(customers, n_segments=4)
    table = sg.rules(result, max_conditions=most, minimum=1)
    assert table["conditions"].max() <= most
    given_by_text = replayed(table, customers)
    holds = rules_that_hold(dict(zip(table["segment"], table["rule"], strict=True)), customers)
    assert (given_by_text == table["segment"].to_numpy()[holds.argmax(axis=1)]).all() and holds.any(
        axis=1
    ).all()
    # They were learnt from these customers, so that they suit them better than chance.
    assert (given_by_text == result.named_labels.astype(str)).mean() > 0.5


def test_neither_the_order_of_rows_nor_the_call_changes_rules():
    result = sg.segment(mixed(300), n_segments=3)
    shuffled = sg.segment(mixed(300).sample(frac=1, random_state=1), n_segments=3)
    table = sg.rules(result, minimum=1)
    for other in (sg.rules(result, minimum=1), sg.rules(shuffled, minimum=1)):
        assert_frame_equal(table, other)
        assert table.attrs == other.attrs


def gap_of(seed, n, most):
    """How much higher the stated fidelity is than that of 5,000 new customers of the same population."""
    everyone = continuum(n + 5000, seed=seed)
    result = sg.segment(everyone[:n], n_segments=4)
    table = sg.rules(result, max_conditions=most, minimum=1)
    fresh = everyone[n:]
    holds = rules_that_hold(dict(zip(table["segment"], table["rule"], strict=True)), fresh)
    return table, table.attrs["segkit"]["fidelity"] - (
        table.index[holds.argmax(axis=1)] == result.assign(fresh)
    ).mean()


def test_fidelity_holds_for_new_customers(monkeypatch):
    """Of the same population: within two points, and on average where only a thousand were measured."""
    small = [gap_of(seed, 1000, 4)[1] for seed in range(3)]
    assert abs(np.mean(small)) < 0.03
    monkeypatch.setattr("segkit.explain.rules.LEARN", 1500)
    for seed in (0, 1):
        table, gap = gap_of(seed, 8000, 3)
        facts = table.attrs["segkit"]
        assert (
            abs(gap) < 0.02 and facts["measured"] == 6500 and facts["low"] < facts["fidelity"] < facts["high"]
        )
        assert list(facts["curve"]) == [1, 2, 3, 4, 5, 6] and facts["curve"][3] == facts["fidelity"]
        assert facts["curve"][6] > facts["curve"][1] and facts["rounding_cost"] < 0.02


def test_numbers_are_rounded():
    """The cut lies at 1017, and 1000 says the same to all but one of 801 customers."""
    rng = np.random.default_rng(0)
    spend = np.concatenate([rng.uniform(0, 990, 400), [1005.5], rng.uniform(1020, 2000, 400)])
    customers = pd.DataFrame({"spend": spend, "noise": rng.normal(size=801)})
    result = sg.segment(customers, model=sg.rules_segmenter({"low": "spend <= 1017", "high": "True"}))
    table = sg.rules(result, minimum=1)
    assert table.loc[0, "rule"] in ("spend <= 1000", "spend > 1000")
    assert rounded(347.5, 2) == [350, 340] and rounded(-0.0123, 1) == [-0.01, -0.02]
    assert [written_number(x) for x in (1e6, -5.0, 0.25, 1e22)] == ["1000000", "-5", "0.25", "1e+22"]


def test_more_customers_than_are_learnt_from(monkeypatch):
    """The rules themselves are measured then, on others."""
    monkeypatch.setattr("segkit.explain.rules.LEARN", 200)
    monkeypatch.setattr("segkit.explain.rules.CHECK", 150)
    customers = three_groups(200)
    table = sg.rules(sg.segment(customers, n_segments=3), minimum=1)
    facts = table.attrs["segkit"]
    assert (facts["learnt"], facts["measured"], facts["customers"]) == (200, 150, 600)
    assert facts["fidelity"] == 1 and table["precision"].eq(1).all() and table["recall"].eq(1).all()
    assert sorted(table["rule"])[0] == "True" and table["conditions"].sum() == 2


def test_customers_outside_are_those_of_no_rule():
    near = three_groups(60)
    stray = pd.DataFrame(
        np.random.default_rng(0).uniform(-300, 400, (60, 2)), [f"s{i:02}" for i in range(60)], near.columns
    )
    customers = pd.concat([near, stray])
    result = sg.segment(customers, model=HDBSCAN(min_cluster_size=20, copy=True))
    table = sg.rules(result, minimum=1)
    assert len(table) == 3 and "True" not in set(table["rule"])
    outside = replayed(table, customers) == "Outside"
    assert (outside == (result.labels == -1)).mean() > 0.9


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_hard_cases(monkeypatch):
    """Segments too many or too small, two customers, features that say nothing."""
    monkeypatch.setattr("segkit.explain.rules.CURVE", (1, 2))
    many = sg.rules(sg.segment(continuum(200), n_segments=60), max_conditions=2, minimum=1)
    assert len(many) == 60 and many["conditions"].max() <= 2
    customers = three_groups(10, same=1.0, gone=np.nan)
    model = make_pipeline(sg.make_preparer(), KMeans(3, random_state=0, n_init=1))
    table = sg.rules(sg.segment(customers, model=model), minimum=1)
    assert not table["rule"].str.contains("same|gone").any() and table.attrs["segkit"]["fidelity"] == 1
    two = sg.segment(pd.DataFrame({"v": [1.0, 5.0]}, index=["p", "q"]), n_segments=2)
    assert (
        sorted(sg.rules(two, minimum=1)["rule"]) == ["True", "v > 3"]
        and sg.rules(two, minimum=1).attrs["segkit"]["fidelity"] == 0
    )
    alone = sg.segment(two.customers[:1], model=sg.rules_segmenter({"all": "v > 0"}))
    assert sg.rules(alone, minimum=1)["rule"].to_list() == ["True"] and np.isnan(
        sg.rules(alone, minimum=1).attrs["segkit"]["fidelity"]
    )
    rare = sg.rules_segmenter(
        {"one": "v == 50", "many": "True"}
    )  # within the other, so that no rule is worth it
    one = sg.segment(pd.DataFrame({"v": np.arange(2000) % 100, "w": np.arange(2000) == 50}), model=rare)
    assert set(sg.rules(one, minimum=1)["rule"]) <= {
        "v > 49 and v <= 50",
        "v <= 50 and v > 49",
        "True",
        "False",
    }
    odd = oddly_named()
    assert (replayed(sg.rules(sg.segment(odd, n_segments=3), minimum=1), odd) != "Outside").all()


def test_arguments():
    result = sg.segment(three_groups(), n_segments=3)
    for wrong in (0, "4", True, 2.5, None):
        with pytest.raises(ValueError, match=r"max_conditions=.* should be a whole number, 1 or more"):
            sg.rules(result, max_conditions=wrong, minimum=1)
    noise = sg.segment(three_groups(3), model=HDBSCAN(min_cluster_size=9, copy=True))
    with pytest.raises(ValueError, match=r"No segment was found: .* and rules describe segments"):
        sg.rules(noise, minimum=1)
    with pytest.raises(TypeError, match="result is a DataFrame"):
        sg.rules(three_groups(), minimum=1)


@given(name=NAMES, word=st.text(max_size=6), number=st.floats(allow_nan=False, allow_infinity=False))
def test_any_name_word_and_number_is_read_back(name, word, number):
    customers = pd.DataFrame({name: [word, word + "x"], "ticked_0_ ": [number, number]})
    text = f"{quoted_name(name)} == {written_word(word)} and {quoted_name('ticked_0_ ')} == {written_number(number)}"
    assert rules_that_hold({"it": text}, customers)[:, 0].tolist() == [True, False]


@pytest.mark.parametrize(
    "name", [*ODD_NAMES, "and", "None", "True", "ﬁn", "ticked_0_", "`", "``", "a b", "1st"]
)
def test_odd_names_are_read_back(name):
    customers = pd.DataFrame({name: [1, 5]})
    assert rules_that_hold({"it": f"{quoted_name(name)} > 3"}, customers)[:, 0].tolist() == [False, True]


def test_rules_are_joined_as_people_would():
    """A tighter test replaces a wider one, sets of words are cut, and brackets stand where they are needed."""
    above = [Question("x", False, True, cut) for cut in (5.0, 9.0)]
    words = [
        Question("w", True, words=frozenset(w), listed=frozenset("abc"), others=False) for w in ("ab", "bc")
    ]
    tighter = both(above[0], Rule((above[1],)))
    one_of = both(words[0], Rule((words[1],)))
    assert (tighter.text, one_of.text) == ("x > 9", 'w == "b" or w is None') and one_of.conditions == 2
    nested = both(above[0], either(one_of, both(Question("y", False, False, 2.5), tighter)))
    assert nested.text == 'x > 5 and (w == "b" or w is None or y <= 2.5 and x > 9)' and nested.conditions == 5
    customers = pd.DataFrame({"x": [6, 10, 10, 4], "w": ["b", "a", None, "b"], "y": [9.0, 1, 9, 1]})
    table = Table.of(customers)
    assert nested.holds(table, np.arange(4)).tolist() == [True, True, True, False]
    assert rules_that_hold({"it": nested.text}, customers)[:, 0].tolist() == [True, True, True, False]


# --- the chart ---------------------------------------------------------------------------------------


def test_the_chart_shows_what_the_table_says():
    result = sg.segment(mixed(300), n_segments=3).with_names({0: "constructor", 1: EVIL})
    table = sg.rules(result, max_conditions=2, minimum=1)
    facts = table.attrs["segkit"]
    spec = sg.plot_rules(table).to_dict()
    assert spec == sg.plot_rules(sg.rules(result, max_conditions=2, minimum=1)).to_dict()
    assert (
        f"at most 2 conditions put {facts['fidelity']:.0%} of 300 customers" in spec["title"]["subtitle"][0]
    )
    drawn = vl_convert.vegalite_to_svg(sg.plot_rules(result).to_json())
    assert "<script" not in drawn and "NaN" not in drawn
    rows = [row for data in spec["datasets"].values() for row in data]
    curve = {row["conditions"]: row["fidelity"] for row in rows if "conditions" in row}
    assert curve == pytest.approx(facts["curve"])
    shares = sorted(row["share"] for row in rows if "share" in row)
    assert shares == pytest.approx(sorted([*table["precision"], *table["recall"]]))
    for lonely in (1, 2):  # nobody unseen to measure, or only one segment
        few = sg.segment(
            pd.DataFrame({"v": [2.0, 1.0]})[:lonely], model=sg.rules_segmenter({"a": "v > 1", "b": "True"})
        )
        vl_convert.vegalite_to_svg(sg.plot_rules(sg.rules(few, minimum=1)).to_json())
    with pytest.raises(ValueError, match=r"no column 'precision'. Pass the table from rules"):
        sg.plot_rules(table.drop(columns="precision"))


def test_sql_gives_the_same_segments():
    customers = mixed(300)
    result = sg.segment(customers, n_segments=4)
    table = sg.rules(result, minimum=1)
    people = pa.Table.from_pandas(customers.reset_index().astype({"member": float}))  # noqa: F841, read by DuckDB
    found = duckdb.sql(sg.to_sql(table, table="people")).df().set_index("customer_id")["segment"]
    assert (found.loc[customers.index] == replayed(table, customers)).all()
