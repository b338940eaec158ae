"""Two segmentations crossed, by hand and against published numbers."""

import re

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats
from tables import EVIL, three_groups

import segkit as sg
from segkit.explain.cross import cramers_v


def groups(words, **more):
    """A group for each customer, by one letter each."""
    return pd.Series(list(words), index=[f"c{i:04}" for i in range(len(words))], **more)


def facts(table):
    return table.attrs["segkit"]


def test_cells_by_hand():
    """Ten customers: of six A, four are x; of four B, one is. Of x are five, so three A are expected."""
    table = sg.cross_segments(groups("AAAAAABBBB"), groups("xxxxyyxyyy"), minimum=1).set_index(
        ["first", "second"]
    )
    row = table.loc[("A", "x")]
    assert row[["customers", "share", "of_first", "of_second", "expected"]].to_list() == [
        4,
        0.4,
        4 / 6,
        4 / 5,
        3,
    ]
    assert row["lift"] == pytest.approx(4 / 3)
    # (4 − 3) / √(3 × (1 − 0.6) × (1 − 0.5))
    assert row["residual"] == pytest.approx(1 / np.sqrt(0.6))
    assert table["customers"].to_list() == [4, 2, 1, 3] and table["share"].sum() == pytest.approx(1)


def test_residuals_match_chi_square():
    table = sg.cross_segments(groups("AAAAAABBBB"), groups("xxxxyyxyyy"), minimum=1)
    chi2 = stats.chi2_contingency([[4, 2], [1, 3]], correction=False).statistic
    assert (table["residual"] ** 2).to_list() == pytest.approx([chi2] * 4)


def test_association_as_published():
    """ClickHouse's documentation: the remainders of 0 to 149 by 10 and by 4, with correction."""
    n = np.arange(150)
    counts = pd.crosstab(n % 10, n % 4).to_numpy()
    assert cramers_v(counts) == pytest.approx(0.5305112825189074)


@pytest.mark.parametrize(
    ("second", "expected"), [("AABBCC" * 50, 1.0), ("ABABAB" * 50, 0.0), ("AABBAA" * 50, 1.0)]
)
def test_association_is_none_or_all(second, expected):
    """Of each pair one is x and one y; the last has two groups only, and the first tells which."""
    first = groups("AABBCC" * 50)
    assert facts(sg.cross_segments(first, groups(second), minimum=1))["association"] == pytest.approx(
        expected, abs=0.01
    )


def test_association_by_chance_is_small():
    """Without correction it would be 0.21 on average here: 8 × 8 groups of 160 customers."""
    rng = np.random.default_rng(0)
    tables = [
        facts(
            sg.cross_segments(
                groups(rng.choice(list("ABCDEFGH"), 160)),
                groups(rng.choice(list("STUVWXYZ"), 160)),
                minimum=1,
            )
        )
        for _ in range(20)
    ]
    assert np.mean([f["association"] for f in tables]) < 0.06


@pytest.mark.parametrize(("first", "second"), [("A", "x"), ("AAAA", "xyxy"), ("ABCD", "wxyz")])
def test_association_may_be_missing(first, second):
    """One customer; one group only; as many groups as customers."""
    table = sg.cross_segments(groups(first), groups(second), minimum=1)
    assert np.isnan(facts(table)["association"])
    assert table["customers"].sum() == len(first)
    assert sg.plot_cross(table).to_dict()


def test_customers_of_one_are_counted():
    first = pd.Series(["A", "A", "B", None], index=list("abcd"))
    second = pd.Series(["x", "y", "x"], index=list("cbz"))
    table = sg.cross_segments(first, second, minimum=1)
    assert {k: facts(table)[k] for k in ("customers", "only_first", "only_second")} == {
        "customers": 2, "only_first": 1, "only_second": 1
    }  # fmt: skip
    assert table["customers"].sum() == 2


def test_row_order_changes_nothing():
    first, second = groups("AABBCCAABB"), groups("xyxyxyyxxx")
    assert_frame_equal(
        sg.cross_segments(first, second, minimum=1),
        sg.cross_segments(first.iloc[::-1], second.sample(frac=1, random_state=0), minimum=1),
    )


def test_swapped_tables_agree():
    first, second = groups("AABBCCAABB"), groups("xyxyxyyxxx")
    one, other = sg.cross_segments(first, second, minimum=1), sg.cross_segments(second, first, minimum=1)
    merged = one.merge(other, left_on=["first", "second"], right_on=["second", "first"])
    assert (merged["residual_x"] - merged["residual_y"]).abs().max() < 1e-12
    assert (merged["of_first_x"] == merged["of_second_y"]).all()
    assert facts(one)["association"] == pytest.approx(facts(other)["association"])


def test_segmentations_cross_by_name():
    customers = three_groups()
    one = sg.segment(customers[["visits"]], n_segments=2).with_names({1: "Many visits"})
    other = sg.segment(customers, n_segments=3)
    table = sg.cross_segments(one, other, names=("Visits", "Both"), minimum=1)
    assert list(table["first"].unique()) == ["Segment 0", "Many visits"]
    assert list(table["second"].unique()) == ["Segment 0", "Segment 1", "Segment 2"]
    assert facts(table)["association"] > 0.9 and facts(table)["names"] == ["Visits", "Both"]
    lone = table[(table["first"] == "Many visits") & (table["customers"] > 0)]
    assert lone["of_first"].to_list() == [1.0]


def test_two_bases_cross():
    """Attitude follows behaviour as strongly as simulated, with a noisy survey."""
    from segkit.datasets import BATTERY, make_attributes, make_events

    events, truth = make_events(300, kinds="purchase")
    people, _ = make_attributes(truth, strength=0.9, missing=0)
    attributes = sg.read_attributes(people, scales=BATTERY)
    customers = sg.with_attributes(sg.customer_features(events, sg.RFM, as_of="2025-01-01"), attributes)
    blocks = sg.bases(customers)
    attitude = sg.segment(customers[blocks["psychographic"]], n_segments=4)
    behaviour = sg.segment(customers[blocks["behavioural"]], n_segments=4)
    table = sg.cross_segments(attitude, behaviour, minimum=1)
    assert facts(table)["customers"] == 300 and 0.2 < facts(table)["association"] < 0.9


def test_groups_keep_their_order():
    numbers = sg.cross_segments(groups([10, 9, 10]), groups([True, False, True]), minimum=1)
    assert numbers["first"].to_list() == ["9", "9", "10", "10"]
    assert numbers["second"].to_list() == ["False", "True"] * 2
    kind = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    bands = sg.cross_segments(groups(["high", "low"], dtype=kind), groups("xx"), minimum=1)
    assert bands["first"].to_list() == ["low", "high"]  # nobody is in the middle


@pytest.mark.parametrize(
    ("first", "second", "arguments", "message"),
    [
        (
            groups("AB"),
            pd.Series(["x"], index=["z"]),
            {},
            "The two have no customer in common: 2 are in the first, 1 in",
        ),
        (pd.Series(["A", "B"], index=["a", "a"]), groups("xy"), {}, "The customer 'a' is twice in the first"),
        (groups("AB"), ["x", "y"], {}, "second is a list. Pass a Segmentation, or a Series"),
        (groups("AB"), groups("xy"), {"names": "ab"}, "should be two different words"),
        (groups("AB"), groups("xy"), {"names": None}, "names=None should be two different words"),
        (
            groups([1, "p"], dtype="object"),
            groups("xy"),
            {},
            "The groups of the first are int and str, which",
        ),
        (groups("AB"), groups([["x"], ["y"]]), {}, "The groups of the second are list, which"),
        (groups("AB"), groups("xy"), {"names": ("a", "a")}, "should be two different words"),
        (groups("AB"), groups([1, "1"], dtype=pd.CategoricalDtype([1, "1"])), {}, "would both be called '1'"),
    ],
)
def test_wrong_arguments_are_explained(first, second, arguments, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sg.cross_segments(first, second, **arguments, minimum=1)


# The chart


def cells(chart):
    spec = chart.to_dict()
    return next(iter(spec["datasets"].values())), spec


def test_chart_colours_clear_cells():
    first, second = groups("A" * 40 + "B" * 40), groups("x" * 30 + "y" * 10 + "x" * 10 + "y" * 30)
    drawn, spec = cells(
        sg.plot_cross(sg.cross_segments(first, second, names=("Attitude", "Behaviour"), minimum=1))
    )
    assert [cell["clear"] for cell in drawn] == [True] * 4
    assert [cell["label"] for cell in drawn] == ["75%", "25%", "25%", "75%"]
    assert drawn[0]["strength"] == pytest.approx(np.log2(1.5))
    tiles = spec["layer"][0]["encoding"]
    assert (tiles["x"]["title"], tiles["y"]["title"]) == ("Behaviour", "Attitude")
    assert "Association 0.49" in spec["title"]["subtitle"][1]
    drawn, _ = cells(sg.plot_cross(sg.cross_segments(first, groups("xy" * 40), minimum=1)))
    assert [cell["clear"] for cell in drawn] == [False] * 4


def test_chart_leaves_small_cells_plain():
    first, second = groups("A" * 2 + "B" * 98), groups("x" * 2 + "y" * 98)
    drawn, _ = cells(sg.plot_cross(sg.cross_segments(first, second, minimum=1)))
    assert [cell["clear"] for cell in drawn] == [False, False, False, True]


def test_chart_shows_largest_groups():
    first = groups([f"group {i % 30}" for i in range(900)])
    drawn, spec = cells(sg.plot_cross(sg.cross_segments(first, groups("xyz" * 300), minimum=1), most=5))
    assert len(drawn) == 15 and "The 25 smallest groups are left out." in spec["title"]["subtitle"]


def test_markup_stays_data():
    table = sg.cross_segments(
        groups([EVIL, "b"]), groups([EVIL, "line\nbreak"]), names=(EVIL, "a.b[0]"), minimum=1
    )
    drawn, _ = cells(sg.plot_cross(table))
    assert {cell["first"].replace("\u200b", "") for cell in drawn} == {EVIL, "b"}


def test_a_thousand_groups():
    table = sg.cross_segments(groups([f"g{i % 1000}" for i in range(3000)]), groups("xyz" * 1000), minimum=1)
    assert len(table) == 3000 and table["customers"].sum() == 3000
    assert len(cells(sg.plot_cross(table))[0]) == 60


@pytest.mark.parametrize(
    ("shown", "arguments", "message"),
    [
        (
            lambda t: t.set_index(["first", "second"]),
            {},
            "no column 'first'. It is in the index: table.reset_index()",
        ),
        (
            lambda t: t[["first", "second", "customers"]],
            {},
            "no column 'of_first'. Pass the table from cross_segments(first, sec",
        ),
        (
            lambda t: t["customers"],
            {},
            "The table is a Series. Pass the table from cross_segments(first, second)",
        ),
        (lambda t: t, {"most": 0}, "most=0 should be a whole number, 1 or more"),
        (lambda t: t, {"most": 2.5}, "most=2.5 should be a whole number, 1 or more"),
    ],
)
def test_wrong_tables_are_explained(shown, arguments, message):
    table = sg.cross_segments(groups("AB"), groups("xy"), minimum=1)
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sg.plot_cross(shown(table), **arguments)


def test_equal_names_may_cross():
    customers = three_groups()
    bands = sg.value_bands(customers, by="spend", n_bands=3)
    table = sg.cross_segments(bands, sg.segment(customers, n_segments=3).with_names({0: "Band 2"}), minimum=1)
    assert (len(table), table["customers"].sum()) == (9, 60)
    assert len(cells(sg.plot_cross(table))[0]) == 9
