"""Charts, by their Vega-Lite: what is drawn, how many marks, in which colours and under which titles."""

import json

import numpy as np
import pandas as pd
import pytest
import vl_convert
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import EVIL, ODD_NAMES, oddly_named, three_groups

import segkit as sg
from segkit.show.plots.distributions import _decades
from segkit.show.plots.theme import GREY, OKABE_ITO, TINTS, segment_colors
from segkit.trust.assess import Trust


def mapped(customers, k=3, **said):
    result = sg.segment(customers, **({"n_segments": k} | said))
    return result.with_embedding(sg.project(result))


def with_units(customers):
    customers.attrs["segkit"] = {"units": {"visits": "visits a year", "spend": "currency"}}
    return customers


def scan(customers=None, k=(2, 3, 4)):
    return sg.scan_clusters(
        three_groups() if customers is None else customers, k=k, resamples=2, progress=False
    )


def specs(chart):
    """The whole specification, and each part of it that is a dictionary."""
    return specs_in(chart.to_dict())


def specs_in(part):
    found, left = [], [part]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            found.append(part)
            left += part.values()
        elif isinstance(part, list):
            left += part
    return found


def titles(chart, *channels):
    """What axes and legends are called."""
    encodings = [part["encoding"] for part in specs(chart) if "encoding" in part]
    return {e[c]["title"] for e in encodings for c in channels if e.get(c, {}).get("title")}


def marks(chart):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def said(chart):
    title = chart.to_dict()["title"]
    subtitle = title["subtitle"] if isinstance(title, dict) else ""
    return subtitle if isinstance(subtitle, str) else " ".join(subtitle)


def colors(chart):
    """The colour of each segment, as the chart's scale says it."""
    scales = [
        part["scale"]
        for part in specs(chart)
        if "domain" in part.get("scale", {}) and "range" in part["scale"]
    ]
    pairs = {pair for s in scales for pair in zip(s["domain"], s["range"], strict=True)}
    assert len({name for name, _ in pairs}) == len(pairs), "one segment in two colours"
    return dict(pairs)


def drawn(chart):
    """The chart as SVG: Vega itself has read the specification and found nothing wrong."""
    return vl_convert.vegalite_to_svg(chart.to_json())


def every_chart(result):
    frame = result.to_frame()
    numbers = list(result.customers.select_dtypes(["number", "bool"]))
    return {
        "sizes": sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        "profile": sg.plot_profile(sg.profile(result, minimum=1)),
        "map": sg.plot_map(frame, minimum=1),
        **{f"map by {c}": sg.plot_map(frame, color=c, minimum=1) for c in result.customers},
        "distributions": sg.plot_distributions(frame, numbers, minimum=1),
        "cross": sg.plot_cross(sg.cross_segments(result, frame["segment"].astype("str"), minimum=1)),
        "scan": sg.plot_scan(scan(result.customers), chosen=3),
    }


# --- all of them -------------------------------------------------------------------------------------


def test_a_segment_has_one_colour_in_all_charts():
    """Okabe and Ito's, in their order; grey for those outside."""
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    result = mapped(customers, k=None, model=HDBSCAN(copy=True)).with_names({1: "Regulars"})
    charts = every_chart(result)
    names = ["Segment 0", "Regulars", "Segment 2"]
    expected = dict(zip(names, OKABE_ITO, strict=False)) | {"Outside": GREY}
    for name in ("sizes", "map", "distributions"):
        assert colors(charts[name]) == expected


def test_many_segments_keep_their_own_colours():
    names = [f"Segment {i}" for i in range(14)]
    assert len(set(segment_colors(names))) == 14
    assert segment_colors(names) == [*OKABE_ITO, *TINTS]
    assert segment_colors([*names, "one more", "Outside"])[-2:] == [OKABE_ITO[0], GREY]
    assert OKABE_ITO[:3] == ("#0072B2", "#E69F00", "#009E73")


def test_every_chart_has_tooltips_a_title_and_a_clear_page():
    for name, chart in every_chart(mapped(three_groups())).items():
        spec = chart.to_dict()
        assert any("tooltip" in part.get("encoding", {}) for part in specs_in(spec)), name
        assert spec["title"], name
        assert spec["config"]["background"] == "transparent", name


def test_names_that_every_object_has_are_drawn():
    customers = pd.DataFrame(
        {"constructor": [1.0, 2, 50, 51], "toString": [4.0, 2, 9, 1]}, index=list("abcd")
    )
    result = sg.segment(customers, n_segments=2).with_names({0: "valueOf", 1: "__proto__"})
    for chart in (sg.plot_profile(sg.profile(result, minimum=1)), sg.plot_trust(result.trust)):
        drawn(chart)
    drawn(
        sg.plot_profile(
            sg.profile(result.with_names({0: "Frequent visitors, big on constructor"}), minimum=1)
        )
    )
    frame = result.with_embedding(sg.project(result)).to_frame()
    words = pd.Series(["hasOwnProperty", "constructor"] * 2, index=list("abcd"))
    repeated = sg.stability(result, resamples=2, progress=False)
    for chart in (
        sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        sg.plot_map(frame, minimum=1),
        sg.plot_map(frame.assign(word=words), color="word", minimum=1),
        sg.plot_distributions(frame, ["toString", "constructor"], minimum=1),
        sg.plot_cross(sg.cross_segments(result, words, names=("constructor", "toString"), minimum=1)),
        sg.plot_confidence(result),
        sg.plot_stability(repeated),
        sg.plot_consensus(repeated),
    ):
        drawn(chart)


def test_charts_take_a_segmentation():
    """What a chart needs is computed from it, and drawn as if it had been passed."""
    result = sg.segment(three_groups(), n_segments=3).with_names(["A", "B", "C"])
    frame = mapped(three_groups()).with_names(["A", "B", "C"]).to_frame()
    trust = result.trust
    pairs = {
        "sizes": (sg.plot_sizes(result, minimum=1), sg.plot_sizes(sg.segment_sizes(result, minimum=1))),
        "dendrogram": (sg.plot_dendrogram(result), sg.plot_dendrogram(sg.dendrogram(result))),
        "profile": (sg.plot_profile(result, minimum=1), sg.plot_profile(sg.profile(result, minimum=1))),
        "map": (sg.plot_map(result, minimum=1), sg.plot_map(frame, minimum=1)),
        "distributions": (
            sg.plot_distributions(result, ["spend"], minimum=1),
            sg.plot_distributions(frame, ["spend"], minimum=1),
        ),
        "confidence": (sg.plot_confidence(result), sg.plot_confidence(result.place(result.customers))),
        "trust": (sg.plot_trust(result), sg.plot_trust(trust)),
        "structure": (sg.plot_structure(result), sg.plot_structure(trust.structure)),
        "stability": (sg.plot_stability(result), sg.plot_stability(trust.stability)),
        "consensus": (sg.plot_consensus(result), sg.plot_consensus(trust.stability)),
    }
    for name, (short, long) in pairs.items():
        assert short.to_dict() == long.to_dict(), name


def test_charts_show_suggested_names():
    """Segments without a name get one that says so, and what was computed on the way is kept."""
    result = sg.segment(three_groups(), n_segments=3).with_names({1: "Regulars"})
    drawn_names = {
        row["segment"]
        for rows in sg.plot_sizes(result, minimum=1).to_dict()["datasets"].values()
        for row in rows
    }
    suggested = sg.suggest_names(result)["name"]
    assert drawn_names == {f"{suggested[0]} (suggested)", "Regulars", f"{suggested[2]} (suggested)"}
    sg.plot_trust(result)
    assert result.assessment is not None and result.names == {1: "Regulars"}


def test_odd_names_are_only_text_in_every_chart():
    """Dots, brackets, quotes, backslashes and markup: Vega reads each chart, and marks have their values."""
    result = mapped(oddly_named()).with_names({0: EVIL, 1: "a.b['x']"})
    for name, chart in every_chart(result).items():
        svg = drawn(chart)
        assert not any(wrong in svg for wrong in ("<script", "<img", "NaN", "Infinity")), name
    for name in ODD_NAMES:
        chart = sg.plot_map(result.to_frame(), color=name, minimum=1)
        field = chart.to_dict()["encoding"]["color"]["field"]
        assert sorted(row[field] for row in marks(chart)) == pytest.approx(sorted(result.customers[name]))


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3] * 20, dtype="Int64"),
        pd.array([True, None, False] * 20, dtype="boolean"),
        [True, False] * 30,
        [np.nan] * 60,
        [5.0] * 60,
    ],
)
def test_columns_of_every_type_can_be_drawn(column):
    model = make_pipeline(
        sg.make_preparer(), KMeans(3, n_init=2, random_state=0)
    )  # which constants are not dropped for
    result = mapped(three_groups(extra=column), n_segments=None, model=model)
    for color in ("segment", "extra"):
        drawn(sg.plot_map(result.to_frame(), color=color, minimum=1))
    drawn(sg.plot_profile(sg.profile(result, minimum=1)))
    json.dumps(sg.plot_distributions(result.to_frame(), ["extra", "visits"], minimum=1).to_dict())


def test_charts_leave_the_callers_table_as_it_was():
    frame = mapped(three_groups()).to_frame()
    before = frame.copy()
    sg.plot_map(frame, color="visits", minimum=1).to_dict()
    sg.plot_distributions(frame, ["visits"], minimum=1).to_dict()
    pd.testing.assert_frame_equal(frame, before)


# --- sizes -------------------------------------------------------------------------------------------


def test_sizes_are_bars_with_their_share():
    chart = sg.plot_sizes(
        pd.DataFrame({"segment": ["B", "A"], "customers": [3000, 1000], "share": [0.75, 0.25]}), minimum=1
    )
    assert [row["label"] for row in marks(chart)] == ["3,000  (75%)", "1,000  (25%)"]
    assert titles(chart, "x") == {"Customers"}
    assert all(
        part["encoding"]["y"]["sort"] == ["B", "A"]
        for part in specs(chart)
        if "y" in part.get("encoding", {})
    )


# --- profile -----------------------------------------------------------------------------------------


def test_a_profile_shows_natural_units_on_hover():
    result = mapped(with_units(three_groups(word=pd.Categorical(["x", "y"] * 30))))
    rows = {
        (row["segment"], row["feature"]): row for row in marks(sg.plot_profile(sg.profile(result, minimum=1)))
    }
    cell = rows[("Segment 0", "visits")]
    assert cell["here"].endswith(" visits a year") and cell["elsewhere"].endswith(" visits a year")
    assert rows[("Segment 0", "word = y")]["here"].endswith("% of customers")
    mostly_zero = pd.DataFrame({"late": [0] * 40 + [0, 1, 3, 4] * 5}, index=result.customers.index)
    rows = {row["segment"]: row for row in marks(sg.plot_profile(sg.profile(result, mostly_zero, minimum=1)))}
    assert rows[result.name_of(result.labels.iloc[-1])]["here"] == "75% of customers above 0"


def test_a_profile_of_unknown_and_far_values_is_drawn():
    """An attribute that is missing for all, and one that two groups without variation differ in."""
    result = mapped(three_groups())
    more = pd.DataFrame({"nothing": np.nan, "apart": np.arange(60) // 20}, index=result.customers.index)
    svg = drawn(sg.plot_profile(sg.profile(result, more, minimum=1)))
    assert "NaN" not in svg and "Infinity" not in svg


def test_a_profile_leaves_out_the_weakest_and_says_so():
    result = mapped(three_groups(noise=np.arange(60) % 7))
    chart = sg.plot_profile(sg.profile(result, minimum=1), most=2)
    assert {row["feature"] for row in marks(chart)} == {"visits", "spend"}
    assert "The 1 weakest features are left out" in said(chart)
    assert "left out" not in said(sg.plot_profile(sg.profile(result, minimum=1)))


def test_distributions_show_what_differs_the_most():
    result = mapped(three_groups(noise=np.arange(60) % 7, word=["x", "y"] * 30))
    by_name = sg.plot_distributions(
        result,
        [f for f in dict.fromkeys(sg.profile(result, minimum=1)["feature"]) if f != "word = y"],
        minimum=1,
    )
    assert sg.plot_distributions(result, minimum=1).to_dict() == by_name.to_dict()
    assert len(sg.plot_distributions(result.to_frame(), minimum=1).vconcat) == 3


# --- map ---------------------------------------------------------------------------------------------


def crowd(n, small=3):
    """A frame as from ``to_frame``: n customers, of whom a few are a segment of their own."""
    segment = pd.Categorical(["Small"] * small + ["Large"] * (n - small), categories=["Large", "Small"])
    columns = {
        "x": np.arange(n) % 100,
        "y": np.arange(n) // 100,
        "money": np.arange(n) ** 3.0,
        "segment": segment,
    }
    return pd.DataFrame(columns, index=[f"c{i}" for i in range(n)])


def test_a_map_of_few_shows_everyone():
    chart = sg.plot_map(crowd(5000), minimum=1)
    assert len(marks(chart)) == 5000 and said(chart).startswith("5,000 customers")


@pytest.mark.parametrize("n", [5001, 30_000])
def test_a_map_of_many_is_a_stratified_sample_that_says_so(n):
    chart = sg.plot_map(crowd(n, small=n // 10), minimum=1)
    shown = pd.DataFrame(marks(chart))
    assert 4900 <= len(shown) <= 5000
    assert said(chart) == f"{len(shown):,} of {n:,} customers. Close together = alike; the axes have no unit."
    assert (shown["segment"] == "Small").mean() == pytest.approx(0.1, abs=0.001)
    assert shown["customer"].is_unique


def test_the_smallest_segment_stays_on_the_map():
    assert "Small" in {row["segment"] for row in marks(sg.plot_map(crowd(100_000, small=1), minimum=1))}


def test_many_segments_of_one_customer_fit_on_the_map():
    frame = crowd(6000)
    frame["segment"] = pd.Categorical([f"s{i}" for i in range(100)] + ["rest"] * 5900)
    assert len(marks(sg.plot_map(frame, minimum=1))) <= 5000


def test_the_sample_repeats_itself():
    assert marks(sg.plot_map(crowd(6000), minimum=1)) == marks(sg.plot_map(crowd(6000), minimum=1))
    assert marks(sg.plot_map(crowd(6000), minimum=1)) != marks(
        sg.plot_map(crowd(6000), random_state=1, minimum=1)
    )


def test_a_map_by_feature_names_its_unit():
    frame = mapped(with_units(three_groups())).to_frame()
    assert titles(sg.plot_map(frame, color="visits", minimum=1), "color") == {"visits (visits a year)"}
    assert (
        sg.plot_map(crowd(500), color="money", minimum=1).to_dict()["encoding"]["color"]["scale"]["type"]
        == "symlog"
    )


@pytest.mark.parametrize(
    ("frame", "color", "message"),
    [
        (three_groups(), "segment", r"no columns 'x' and 'y'.*result.with_embedding\(project\(result\)\)"),
        (crowd(10), "colour", "no column 'colour' to colour by. There are x, y, money, segment"),
    ],
)
def test_what_cannot_be_mapped_is_explained(frame, color, message):
    with pytest.raises(ValueError, match=message):
        sg.plot_map(frame, color=color, minimum=1)


# --- distributions -----------------------------------------------------------------------------------


def test_distributions_of_small_segments_alone_are_empty():
    result = sg.segment(pd.DataFrame({"visits": [1, 2, 3, 30, 31, 35]}, index=list("abcdef")), n_segments=2)
    spec = sg.plot_distributions(result).to_dict()
    assert list(spec["datasets"].values()) == [[]]
    assert "Hidden are 2 segments" in " ".join(spec["title"]["subtitle"])


def test_distributions_are_quantiles_by_hand():
    """Of 0 … 100: 5, 25, 50, 75 and 95 lie at these shares."""
    frame = pd.DataFrame({"n": np.arange(101.0), "segment": pd.Categorical(["A"] * 101)})
    frame.attrs["segkit"] = {"units": {"n": "orders"}}
    chart = sg.plot_distributions(frame, ["n"], minimum=1)
    assert marks(chart) == [{"segment": "A", "low": 5, "lower": 25, "median": 50, "upper": 75, "high": 95}]
    assert titles(chart, "x") == {"n (orders)"}


def test_a_long_tail_has_a_logarithmic_axis():
    def scales(chart):
        return {
            part["scale"]["type"]
            for part in specs(chart)
            if "zero" in part.get("scale", {}) and "type" in part["scale"]
        }

    assert scales(
        sg.plot_distributions(crowd(500).assign(money=lambda f: 1.02 ** np.arange(500)), ["money"], minimum=1)
    ) == {"symlog"}
    assert scales(sg.plot_distributions(crowd(500), ["x"], minimum=1)) == {"linear"}


def test_a_long_tail_of_small_numbers_has_a_plain_axis():
    """A logarithmic axis from 0.4 to 2 would have the one round number 1."""
    frame = crowd(500).assign(ratio=lambda f: 0.4 + 1.6 * (np.arange(500) / 500) ** 6)
    types = {
        s["scale"]["type"]
        for s in specs(sg.plot_distributions(frame, ["ratio"], minimum=1))
        if "type" in s.get("scale", {})
    }
    assert types == {"linear"}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 120, [0, 1, 3, 10, 30, 100]), (40, 4000, [100, 300, 1000, 3000]), (40, 130, [50, 70, 100])],
)
def test_a_logarithmic_axis_begins_with_its_values_and_has_a_few_round_numbers(low, high, ticks):
    assert _decades(low, high) == ticks


@pytest.mark.parametrize(
    ("unit", "meaning", "title"),
    [
        ("ratio", "Irregularity: deviation of the gaps over their mean.", "gap_cv: irregularity (ratio)"),
        ("orders", "Number of orders, the first included.", "gap_cv: number of orders"),
        ("score", "NPS class, by the last answer.", "gap_cv: NPS class (score)"),
        ("days", "Long " * 20, "gap_cv (days)"),
        ("", "", "gap_cv"),
    ],
)
def test_an_axis_says_what_its_feature_means(unit, meaning, title):
    frame = crowd(10).rename(columns={"x": "gap_cv"})
    frame.attrs["segkit"] = {"units": {"gap_cv": unit}, "meanings": {"gap_cv": meaning}}
    assert titles(sg.plot_distributions(frame, ["gap_cv"], minimum=1), "x") == {title}


def test_one_feature_may_be_said_alone():
    assert len(sg.plot_distributions(crowd(10), "x", minimum=1).to_dict()["vconcat"]) == 1


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["monney"], "'monney' is no numeric feature.*There are money"),
        (["segment"], "'segment' is no"),
        ([], "No feature was named"),
    ],
)
def test_what_has_no_distribution_is_explained(features, message):
    with pytest.raises(ValueError, match=message):
        sg.plot_distributions(crowd(10), features, minimum=1)


# --- scan --------------------------------------------------------------------------------------------


def test_a_scan_is_a_panel_for_each_measure_with_its_spread():
    table = scan()
    chart = sg.plot_scan(table, chosen=3)
    panels = chart.to_dict()["concat"]
    assert [p["title"]["text"].split("?")[0] for p in panels] == [
        "Repeatable",
        "Repeatable",
        "Separate",
        "Large enough",
        "Tight",
    ]
    assert titles(chart, "x") == {"Number of segments"}
    stability = next(
        row for row in marks(chart) if row["value"] == table.loc[2, "stability"] and row["k"] == 2
    )
    assert stability["high"] - stability["low"] == pytest.approx(2 * table.loc[2, "stability_spread"])
    assert "No curve shows that distinct groups exist" in said(chart)
    drawn(chart)


def test_panels_that_agree_are_told_as_one():
    table = pd.DataFrame(
        {"stability": [1.0, 0.5], "silhouette": [0.9, 0.1]}, index=pd.Index([2, 3], name="k")
    )
    table = table.assign(stability_spread=0.1, silhouette_error=0.1, inertia=1.0)
    assert said(sg.plot_scan(table)).startswith("Stability and silhouette agree on 2.")
    assert said(sg.plot_scan(table[["inertia"]])).startswith("There is too little")


def test_a_scan_of_a_sample_says_so(monkeypatch):
    monkeypatch.setattr("segkit.trust.scan.MOST", 30)
    sampled = sg.scan_clusters(three_groups(), k=[2], method="ward", resamples=2, progress=False)
    assert said(sg.plot_scan(sampled)).startswith("On a sample of 30 of 60 customers.")


def test_a_scan_with_nothing_to_say_is_drawn():
    """As many segments as customers: no silhouette."""
    drawn(sg.plot_scan(scan(three_groups(1), k=[3]), chosen=9))


# --- confidence --------------------------------------------------------------------------------------


def test_confidence_by_hand():
    """Of three in A one is decided, one leans, one is undecided; both in B are decided."""
    placed = pd.DataFrame(
        {
            "segment_id": [0, 0, 0, 1, 1],
            "segment": ["A", "A", "Undecided", "B", "B"],
            "confidence": [0.9, 0.6, 0.59, 1.0, 0.95],
        }
    )
    chart = sg.plot_confidence(placed, minimum=1)
    rows = {(r["name"], r["level"]): (r["customers"], round(r["share"], 3)) for r in marks(chart)}
    assert rows == {
        ("A", "Decided"): (1, 0.333),
        ("A", "Leaning"): (1, 0.333),
        ("A", "Undecided"): (1, 0.333),
        ("B", "Decided"): (2, 1.0),
    }
    assert "60% are decided" in chart.to_dict()["title"]["text"] and "less than 60% sure" in said(chart)
    assert colors(chart)["Undecided"] == GREY and len(set(colors(chart).values())) == 3
    assert titles(chart, "x") == {"Share of the segment's customers"}
    assert "Leaning" in drawn(chart)


def test_a_segment_of_undecided_customers_keeps_a_name():
    placed = pd.DataFrame({"segment_id": [2, -1], "segment": "Undecided", "confidence": [0.2, 0.3]})
    assert {r["name"] for r in marks(sg.plot_confidence(placed))} == {"Segment 2", "Outside"}


@pytest.mark.parametrize(
    ("placed", "level", "message"),
    [
        (pd.DataFrame({"segment_id": [0]}), 0.6, "no column 'segment'. Pass the table from result.place"),
        (pd.DataFrame({"segment_id": [], "segment": [], "confidence": []}), 0.6, "holds no customer"),
        (pd.DataFrame({"segment_id": [0], "segment": ["A"], "confidence": [1.0]}), 0.95, "between 0 and 0.9"),
    ],
)
def test_what_is_no_table_of_confidence_is_refused(placed, level, message):
    with pytest.raises(ValueError, match=message):
        sg.plot_confidence(placed, undecided_below=level)


@pytest.mark.parametrize("customers", [three_groups(), oddly_named()], ids=["plain", "odd"])
def test_confidence_of_real_segments_is_drawn(customers):
    result = sg.segment(customers, n_segments=3).with_names({0: EVIL})
    drawn(sg.plot_confidence(result.place(customers)))


def every_chart_of_parts(result):
    """Each chart that shows the parts of a result, by name."""
    frame, told = result.to_frame(), sg.assess(result, resamples=3, progress=False)
    return {
        "sizes": sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        "profile": sg.plot_profile(sg.profile(result, minimum=1)),
        "map": sg.plot_map(frame, minimum=1),
        "distributions": sg.plot_distributions(frame, ["spend"], minimum=1),
        "confidence": sg.plot_confidence(result.place(result.customers)),
        "trust": sg.plot_trust(told),
        "kept trust": sg.plot_trust(result.with_trust(told).with_names({0: "First"}).trust),
        "loaded trust": sg.plot_trust(Trust.from_dict(told.to_dict())),
        "stability": sg.plot_stability(told.stability),
        "consensus": sg.plot_consensus(told.stability),
    }


def test_every_chart_says_segments():
    customers = with_units(three_groups())
    bands = sg.value_bands(customers, by="spend", n_bands=2)
    for result in (bands, mapped(customers)):
        for name, chart in every_chart_of_parts(result.with_embedding(sg.project(result))).items():
            encodings = [s["encoding"] for s in specs(chart) if "encoding" in s]
            words = str([s.get("title") for e in encodings for s in specs_in(e)]).lower()
            assert "segment" in words and "band" not in words, (name, words)


def test_subtitles_carry_the_badge():
    result = mapped(three_groups())
    frame = result.to_frame()
    for chart in (
        sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        sg.plot_profile(sg.profile(result, minimum=1)),
        sg.plot_map(frame, minimum=1),
        sg.plot_distributions(frame, ["spend"], minimum=1),
    ):
        assert result.badge in chart.to_dict()["title"]["subtitle"]


def test_a_part_of_whom_all_are_undecided_keeps_its_name():
    result = sg.segment(three_groups(), n_segments=3).with_names({1: "Regulars"})
    placed = result.place(result.customers)
    nobody = placed.assign(segment="Undecided", confidence=0.1)
    assert {row["name"] for row in marks(sg.plot_confidence(nobody))} == {
        "Segment 0",
        "Regulars",
        "Segment 2",
    }


@pytest.mark.parametrize(
    ("draw", "made"),
    [
        (sg.plot_dendrogram, "dendrogram"),
        (sg.plot_sizes, "segment_sizes"),
        (sg.plot_profile, "profile"),
        (sg.plot_confidence, "result.place"),
    ],
)
def test_a_table_that_a_chart_is_not_of_is_refused(draw, made):
    result = sg.segment(three_groups(), n_segments=2)
    with pytest.raises(ValueError, match=rf"The table has no column '.*'\. Pass the table from {made}\("):
        draw(result.customers)
    with pytest.raises(TypeError, match=rf"The table is a list. Pass the segmentation, or {made}\("):
        draw([result])


def test_saved_charts_hold_no_foreign_script(tmp_path):
    """Altair writes texts into a script as they are."""
    customers = three_groups().rename(index=lambda i: f"{i}{EVIL}", columns={"spend": f"spend{EVIL}"})
    result = mapped(customers).with_names({0: EVIL})
    charts = {
        "sizes": sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        "dendrogram": sg.plot_dendrogram(result),
        "profile": sg.plot_profile(sg.profile(result, minimum=1)),
        "map": sg.plot_map(result.to_frame(), minimum=1),
        "distributions": sg.plot_distributions(result.to_frame(), [f"spend{EVIL}"], minimum=1),
        "confidence": sg.plot_confidence(result.place(customers)),
    }
    for name, chart in charts.items():
        chart.save(tmp_path / f"{name}.html", inline=True)
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page, name
        assert "\u200b" in chart.to_json(ensure_ascii=False), name
        drawn(chart)
