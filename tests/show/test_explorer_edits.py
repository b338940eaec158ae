"""SegmentExplorer without a browser: a second selection, edits, undo, what a page asks, audiences."""

import base64
import zlib

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from pandas.testing import assert_frame_equal, assert_series_equal
from tables import EVIL, three_groups

import segkit as sg
from segkit.show.widgets.map_colors import packed


@pytest.fixture
def explorer():
    customers = three_groups(30).assign(gap=[np.nan, 1.0, 100.0] * 30, word=["a", "b", EVIL] * 30)
    result = sg.segment(customers[["visits", "spend"]], n_segments=3)
    return sg.SegmentExplorer(result)


def bits(explorer, positions):
    return packed(np.isin(np.arange(len(explorer.result.labels)), positions))


def run(code, **names):
    """Execute the code that a widget shows; return what it made, and the value of its last line."""
    space = {"sg": sg, **names}
    *lines, last = code.split("\n")
    exec("\n".join(lines), space)
    return space, eval(last, space)


def ids(*positions):
    return [f"c{i:03}" for i in positions]


def test_two_selections_are_compared(explorer):
    explorer.group_a, explorer.group_b = bits(explorer, range(30)), bits(explorer, range(20, 60))
    assert explorer.other == ids(*range(30, 60))  # who is in both is in the first
    expected = sg.compare(explorer.result, ids(*range(30)), ids(*range(30, 60)))
    assert_frame_equal(explorer.comparison, expected)
    assert (explorer.group["count"], explorer.group["against"]) == (30, "30")
    _, value = run(explorer.code, result=explorer.result, explorer=explorer)
    assert_frame_equal(value, expected)
    explorer.other = []
    assert explorer.group["against"] == "" and explorer.comparison.attrs["segkit"]["others"] == 60


def test_what_was_kept_out_is_tested(explorer):
    index = explorer.result.customers.index
    later = pd.DataFrame({"bought": np.arange(90) < 40, "noise": np.arange(90) % 7}, index)
    tested = sg.SegmentExplorer(explorer.result, held_out=later)
    assert tested.evidence is None
    tested.chosen = ids(*range(30))
    found = tested.evidence.set_index("feature")
    assert found.loc["bought", "verdict"] == "more often than others"
    assert found.loc["noise", "verdict"] == "no difference shown"
    assert [row[0] for row in tested.group["evidence"]] == list(tested.evidence["feature"])
    tested.other = ids(*range(60, 90))  # none of them bought
    assert tested.evidence.set_index("feature").loc["bought", "others"] == 0
    assert explorer.evidence is None and "evidence" not in explorer.group


def test_overlapping_and_small_selections_say_nothing(explorer):
    explorer.chosen, explorer.other = ids(*range(30)), ids(*range(35))  # five are left
    assert explorer.comparison is None and explorer.group["rows"] == []
    explorer.other = ids(*range(30))
    assert (explorer.other, explorer.comparison) == ([], None)


@pytest.mark.parametrize("chosen", [[], [5], list(range(90))])
def test_nobody_one_and_all_can_be_chosen(explorer, chosen):
    explorer.group_a = bits(explorer, chosen)
    assert (
        explorer.chosen == ids(*chosen)
        and explorer.comparison is None
        and len(explorer.selected) == len(chosen)
    )


def test_bits_of_other_customers_are_refused(explorer):
    with pytest.raises(t.TraitError, match="of other customers than the map shows"):
        explorer.group_b = b"123"


def test_edits_read_back_as_code(explorer):
    given = explorer.result
    explorer.wanted_names = {"0": "Loyal"}
    explorer.wanted = {"do": "merge", "segments": [0, 1]}
    explorer.group_a = bits(explorer, range(15))
    explorer.wanted = {"do": "make", "name": "Mine"}
    explorer.wanted = {"do": "split", "segment": 2}
    explorer.wanted = {"do": "pin", "segments": [explorer.result.segments[-1]]}
    assert (explorer.error, explorer.wanted) == ("", {})
    assert [s["pinned"] for s in explorer.segments] == [False, False, False, True]
    assert list(explorer.groups["Mine"]) == ids(*range(15))
    space, _ = run(explorer.code, result=given, explorer=explorer)
    assert_series_equal(space["result"].named_labels, explorer.result.named_labels)
    assert space["result"].hash == explorer.result.hash


def test_undo_and_redo_return_to_each_state(explorer):
    seen = [(explorer.result, explorer.chosen, explorer.code)]
    for step in (
        lambda: setattr(explorer, "group_a", bits(explorer, range(12))),
        lambda: setattr(explorer, "wanted", {"do": "make", "name": "Mine"}),
        lambda: setattr(explorer, "wanted_names", {"1": "Loyal"}),
        lambda: setattr(explorer, "wanted", {"do": "merge", "segments": [1, 2]}),
    ):
        step()
        seen.append((explorer.result, explorer.chosen, explorer.code))
    assert explorer.steps == {"undo": 4, "redo": 0}
    for before in reversed(seen[:-1]):
        explorer.wanted = {"do": "undo"}
        assert (explorer.result, explorer.chosen, explorer.code) == before
    explorer.wanted = {"do": "undo"}  # nothing is left to undo
    assert explorer.steps == {"undo": 0, "redo": 4}
    for after in seen[1:]:
        explorer.wanted = {"do": "redo"}
        assert (explorer.result, explorer.chosen, explorer.code) == after
    explorer.wanted = {"do": "undo"}
    explorer.chosen = ids(3)
    assert explorer.steps["redo"] == 0


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"do": "merge", "segments": [0]}, "merging takes two or more"),
        ({"do": "merge", "segments": [0, 1, 2]}, "These are all 3 segments"),
        ({"do": "split", "segment": 9}, "There is no segment 9"),
        ({"do": "make", "name": " "}, "The selection has no name"),
        ({"do": "make", "name": "Mine"}, "holds 0 of 90 customers"),
        ({"do": "audience", "name": "Mine"}, "Nobody is chosen"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(explorer, wanted, said):
    before = (explorer.result, explorer.code)
    explorer.wanted = wanted
    assert said in explorer.error
    assert (explorer.result, explorer.code, explorer.wanted, explorer.groups) == (*before, {}, {})
    explorer.wanted = {"do": "merge", "segments": [0, 1]}
    assert explorer.error == ""


def test_a_selection_is_saved_as_an_audience(explorer):
    explorer.group_a = bits(explorer, range(25, 40))
    explorer.wanted = {"do": "audience", "name": "  Spring \n sale "}
    saved = explorer.audiences["Spring sale"]
    assert list(saved.table["customer_id"]) == list(explorer.groups["Spring sale"]) == ids(*range(25, 40))
    assert set(saved.table["segment"]) == set(explorer.selected["segment"].astype(str))
    assert explorer.done.startswith("Saved 15 as explorer.audiences['Spring sale']")
    explorer.wanted = {"do": "audience", "name": "Spring sale"}
    assert "is called 'Spring sale' already" in explorer.error


def asked(explorer, **question):
    """What Python answers to a page."""
    sent = []
    explorer.send = lambda said, buffers=None: sent.append((said, buffers))
    explorer._on_question(explorer, question, [])
    [(said, buffers)] = sent
    assert said["asked"] == question
    return said, buffers


def test_a_page_asks_for_a_customer_and_why_she_is_there(explorer):
    said, _ = asked(explorer, ask="customer", at=3)
    assert (said["card"]["customer"], len(said["card"]["features"])) == ("c003", 2)
    found, _ = asked(explorer, ask="why", text=" c003 ")
    reasons = sg.why(explorer.result, "c003")
    assert found["card"]["sentence"] == reasons.attrs["segkit"]["sentence"]
    assert [row[0] for row in found["card"]["rows"]] == list(reasons.index)
    assert "There is no customer 'c03'" in asked(explorer, ask="why", text="c03")[0]["error"]
    assert "no answer to 'magic'" in asked(explorer, ask="magic")[0]["error"]


def test_a_page_asks_for_steps_of_a_feature_and_for_map_trust(explorer):
    assert explorer.histograms == ["visits", "spend"] or explorer.histograms == ["spend", "visits"]
    said, [steps] = asked(explorer, ask="column", name="visits")
    codes = np.frombuffer(steps, "uint8")
    sorted_codes = codes[np.argsort(explorer.result.customers["visits"].to_numpy())]
    assert (np.diff(sorted_codes.astype(int)) >= 0).all() and (codes.min(), codes.max()) == (1, 255)
    assert len(said["ends"]) == 2
    _, [trust] = asked(explorer, ask="trust")
    expected = sg.make_map(explorer.result).trust
    assert np.abs(np.frombuffer(trust, "uint8") / 255 - expected).max() < 0.01
    assert asked(explorer, ask="picture")[1][0].startswith(b"\x89PNG")


def test_confidence_and_map_trust_colour_the_map(explorer):
    assert explorer.color_options[-2:] == ["confidence", "map trust"]
    for name, column in (
        ("confidence", explorer.result.confidence),
        ("map trust", sg.make_map(explorer.result).trust),
    ):
        explorer.color_by = name
        codes = np.frombuffer(explorer.shade_codes, "uint8")
        assert np.abs((codes - 1) / 254 - column.to_numpy()).max() < 0.01
        assert explorer.ramp["ends"] == ["0%", "100%"]
        run(explorer.code + "\n1", result=explorer.result, explorer=explorer)


@pytest.mark.parametrize("n", [2, 12])
def test_two_customers_and_identical_ones_have_a_map(n):
    customers = pd.DataFrame({"visits": [1.0] * (n - 1) + [2.0]}, index=range(n))
    explorer = sg.SegmentExplorer(sg.segment(customers, n_segments=2))
    assert len(explorer.places) == 4 * n and len(explorer.label_codes) == n
    explorer.color_by = "visits"
    explorer.chosen = [0]
    assert explorer.comparison is None
    assert ("<img" in explorer.still()) == (n == 12) and "hidden" in explorer.still()


def test_a_name_never_comes_to_mean_other_customers(explorer):
    """One name for two groups, the second after the result was set from Python; then undo goes back to the first."""
    given = explorer.result
    explorer.chosen = ids(*range(15))
    explorer.wanted = {"do": "make", "name": "Mine"}
    made = explorer.result
    explorer.result = given
    explorer.chosen = ids(*range(40, 60))
    explorer.wanted = {"do": "make", "name": "Mine"}
    assert explorer.result.names == {3: "Mine"} and list(explorer.groups["Mine 2"]) == ids(*range(40, 60))
    assert "make_segment(result, explorer.groups['Mine 2'], 'Mine')" in explorer.code
    while explorer.result is not made:
        explorer.wanted = {"do": "undo"}
    space, _ = run(explorer.code, result=given, explorer=explorer)
    assert_series_equal(space["result"].named_labels, made.named_labels)


def test_a_group_that_is_gone_says_what_to_do(explorer):
    with pytest.raises(KeyError, match=r"No group 'Mine' was chosen here.*Choose these customers again"):
        explorer.groups["Mine"]


def test_a_feature_that_is_gone_is_said(explorer):
    explorer.color_by = "spend"
    other = explorer.result.customers.rename(columns={"spend": "sales"})
    explorer.result = sg.segment(other, n_segments=2)
    assert (explorer.color_by, explorer.error) == (
        "segment",
        "This result has no feature 'spend', so the map shows segments.",
    )


def test_the_explorer_leaves_a_still(explorer):
    explorer.chosen = ids(*range(30))
    still = str(explorer.still())
    png = base64.b64decode(still.split("base64,")[1].split('"')[0])
    picture = np.frombuffer(zlib.decompress(png[41 : png.index(b"IEND") - 8]), "uint8").reshape(420, -1)[
        :, 1:
    ]
    inks = picture.reshape(420, 420, 4)
    shown = {tuple(color) for color in inks[inks[..., 3] > 0][:, :3].tolist()}
    assert shown == {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00), (0x00, 0x9E, 0x73)}
    assert "What sets 30 chosen customers apart" in still and "sg.compare" in still
    few = sg.SegmentExplorer(sg.segment(three_groups().iloc[:45], n_segments=3, random_state=0))
    assert "hidden" in str(few.still()) and "5 (" not in str(few.still())


def test_an_error_of_a_callback_is_shown(explorer, monkeypatch):
    monkeypatch.setattr(explorer, "_draw", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explorer.chosen = ids(1)
    assert explorer.error == "ZeroDivisionError: division by zero"
