"""Everything that shows groups of customers goes through the gate: no count of few leaves, and no e-mail address."""

import dataclasses
import inspect
import json

import numpy as np
import pandas as pd
import pytest
from artefacts import contacts_in, few_in

import segkit as sg
from segkit.core.disclosure import MINIMUM

# What has no argument `minimum`, and why.
WITHOUT = {
    "reads, checks, or prepares the analyst's own data": """
        Attributes Events EventCheck FeaturePicker Preparer Region Scale SharesPreparer MixturePreparer
        available_features bases check_events customer_features distance_feature family feature_catalogue feature_sql
        make_preparer path_feature preparation preset_catalogue read_attributes read_events
        select_features snapshots with_attributes with_settings Feature pseudonymise with_consent""",
    "fits, places or judges models of everyone": """
        BehaviourParts MixedMixture RFMSegmenter RobustLinkage SpectralGraph ValueBands Segmentation SharedSegmentation
        Trust assess multiverse outcome_scoreboard recommend_method rules_segmenter scan_clusters segment
        segment_structure stability structure_test target_tree value_bands ClusterTuner dendrogram refit_advice
        match_segments merge_segments split_segment make_segment pin_segments drift recommendation_scoreboard
        score_next ExperimentPlanner effect_sizes feature_influence""",
    "draws what a gated table says, or what is of everyone": """
        plot_consensus plot_cross plot_drift plot_evidence plot_multiverse
        plot_next plot_playbook plot_power plot_privacy plot_qini plot_recommendations plot_rules plot_scoreboard
        plot_stability plot_structure plot_trust plot_value plot_why""",
    "is of single customers, whom the analyst asks for": """
        CustomerMap make_map project membership plot_membership moves moves_over_time next_segment customer_value
        recommend assign_arms live_segments LiveMap""",
    "writes for a tool that needs ids, or rules": """
        Audience audience audience_formats export_audience arms_sql to_sql message_templates Play
        WebhookInbox file_source follow kafka_source redis_source serve""",
    "has a rule of its own against small groups, or noise": """
        PrivacyBudget private_profile private_sizes k_anonymity erase""",
    "counts flows, arms or newcomers: shared only after suppress_small": """
        migration emerging lift check_experiment policy_value targeting playbook""",
}


def public():
    names = [name for name in sg.__all__ if callable(getattr(sg, name))]
    return {name: inspect.signature(getattr(sg, name)).parameters for name in names}


def test_every_public_name_has_a_minimum_or_a_reason():
    reasons = [name for names in WITHOUT.values() for name in names.split()]
    assert len(reasons) == len(set(reasons))
    gated = {name for name, parameters in public().items() if "minimum" in parameters}
    assert set(public()) - gated - set(reasons) == set(), "say `minimum`, or why not"
    assert set(reasons) & gated == set() and set(reasons) <= set(public())


def test_the_minimum_is_the_same_everywhere():
    for name, parameters in public().items():
        if "minimum" in parameters:
            assert parameters["minimum"].default == MINIMUM == 10, name


@pytest.fixture(scope="module")
def result():
    """Segments of 120, 60 and 4 customers, whose ids are e-mail addresses; one has a name that no page may say."""
    sizes = (120, 60, 4)
    group = np.repeat(range(3), sizes)
    within = np.arange(sum(sizes))
    customers = pd.DataFrame(
        {
            "visits": 100.0 * (group + 1) + within % 7,
            "spend": 1000.0 * (group + 1) + within % 11,
            "contact": np.where(within % 2, "by ann@example.com", "by bo@example.com"),
        },
        index=[f"c{i:03}@example.com" for i in within],
    )
    rules = {"Many": "visits < 150", "Some": "visits < 250", "Friends of ann@example.com": "True"}
    made = sg.segment(customers, model=sg.rules_segmenter(rules))
    return made.with_embedding(pd.DataFrame({"x": customers["visits"], "y": customers["spend"]}))


@pytest.fixture(scope="module")
def later():
    return pd.DataFrame(
        {"opened": np.arange(184) % 3 == 0}, index=[f"c{i:03}@example.com" for i in range(184)]
    )


def tables(result, later):
    yield "sizes", sg.segment_sizes(result, "spend")
    yield "profile", sg.profile(result)
    yield "evidence", sg.evidence(result, later)
    yield "rules", sg.rules(result)
    yield "cross", sg.cross_segments(result, later["opened"].map({True: "yes", False: "no"}))
    yield "names", sg.suggest_names(result)


def test_tables_say_nothing_of_few(result, later):
    few = int(result.labels.value_counts().idxmin())
    for name, table in tables(result, later):
        assert few_in(table) == [], name
        own = table["segment_id"] if "segment_id" in table else table.get("first", table.index.to_series())
        rows = table[own.isin([few, result.name_of(few)])]
        numbers = rows.select_dtypes("number")
        numbers = numbers.drop(columns=["segment_id", "conditions", "expected"], errors="ignore")
        assert len(rows) and numbers.isna().all(axis=None), name
    assert few_in(str(result)) == few_in(result._repr_html_()) == []
    assert few not in set(sg.typical(result)["segment_id"])
    with pytest.raises(ValueError, match="fewer than 10 customers"):
        sg.compare(result, few)


def test_charts_hold_no_few_and_no_contact(result, later):
    charts = [
        sg.plot_sizes(result),
        sg.plot_profile(result),
        sg.plot_map(result),
        sg.plot_map(result, color="contact"),
        sg.plot_distributions(result, ["visits", "spend"]),
        sg.plot_rules(sg.rules(result)),
        sg.plot_evidence(sg.evidence(result, later)),
        sg.plot_why(sg.why(result, "c000@example.com")),
    ]
    for chart in charts:
        assert few_in(chart) == [] and contacts_in(chart.to_dict()) == []
    marks = [row for rows in charts[2].to_dict()["datasets"].values() for row in rows]
    assert len({row["customer"] for row in marks}) == len(marks) and marks[0]["customer"] == "customer 1"
    # Whoever counts the marks, and knows of 184 customers, cannot tell the 4 from any other number up to 9.
    assert len(marks) == 184 - (MINIMUM - 1)


def test_ids_are_drawn_where_asked_for(result):
    """Unless they are addresses."""
    plain = dataclasses.replace(
        result,
        customers=result.customers.set_axis([f"c{i}" for i in range(184)]),
        labels=result.labels.set_axis([f"c{i}" for i in range(184)]),
        embedding=result.embedding.set_axis([f"c{i}" for i in range(184)]),
    )
    marks = [row for rows in sg.plot_map(plain, show_ids=True).to_dict()["datasets"].values() for row in rows]
    assert {"c0", "c7"} <= {row["customer"] for row in marks}


def test_the_explorer_holds_no_few_and_no_contact(result):
    explorer = sg.SegmentExplorer(result)
    for at in (None, *result.segments):
        explorer.chosen = [] if at is None else list(result.labels.index[result.labels == at])
        explorer.color_by = "contact" if at == 0 else "segment"
        state = {k: v for k, v in explorer.get_state().items() if not k.startswith("_")}
        assert few_in(state) == [] and contacts_in(state) == []


def test_the_cards_hold_no_few_and_no_contact(result):
    cards = sg.SegmentCards(result)
    for at in (None, *result.segments):
        cards.chosen = at
        state = {k: v for k, v in cards.get_state().items() if not k.startswith("_")}
        assert few_in(state) == [] and contacts_in(state) == []
    assert len(cards.cards) == 2


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_the_report_holds_no_few_and_no_contact(result, tmp_path, suffix):
    scan = sg.scan_clusters(result.customers, k=[2, 3], resamples=2, progress=False)
    page = sg.report(result, tmp_path / f"r{suffix}", scan=scan).read_text(encoding="utf-8")
    assert few_in(page) == [] and contacts_in(page) == []


@pytest.mark.parametrize(
    ("artefact", "found"),
    [
        (pd.DataFrame({"customers": [12, 3]}), ["customers=3"]),
        ({"datasets": {"a": [{"customers": 9, "x": 1}, {"buyers": 0}]}}, ["customers=9"]),
        ("<table><tr><th>Customers</th></tr><tr><td>4 (1%)</td></tr></table>", ["Customers=4 (1%)"]),
        ("It holds 7 customers.", ["7 customers"]),
        ("Hidden is 1 segment of fewer than 10 customers: A. 17 customers", []),
        (json.dumps([{"size": "8 (2%)"}, {"size": 5}]), ["size=8 (2%)"]),
    ],
)
def test_the_crawler_finds_few(artefact, found):
    assert few_in(artefact) == found


def test_the_crawler_finds_contacts():
    assert contacts_in({"a": ["mail ann@example.com"]}) == ["ann@example.com"]
