"""The cards of a playbook: every word of the table is drawn, and how far each line is proven."""

import json

import pandas as pd
import pytest
from tables import EVIL

import segkit as sg
from segkit.tailor.plays.playbook import COLUMNS


@pytest.fixture(scope="module")
def plays():
    customers = pd.DataFrame({"recency": [3, 5, 8, 9] * 10 + [140, 150, 160, 170] * 10})
    result = sg.segment(
        customers, model=sg.rules_segmenter({"Active": "recency < 90", "Lapsed": "recency >= 90"})
    )
    return sg.playbook(result)


def words_of(chart):
    spec = chart.to_dict()
    rows = [row for data in spec["datasets"].values() for row in data if "text" in row]
    return rows, json.dumps(spec, ensure_ascii=False)


def test_every_word_is_drawn(plays):
    rows, spec = words_of(sg.plot_playbook(plays))
    drawn = " ".join(" ".join(str(row["text"]).split()) for row in rows)
    for column in ("strategy", "offer", "channel", "cadence", "avoid", "why", "measure"):
        for words in plays[column]:
            assert words in drawn
    tags = [row["text"] for row in rows if row["style"] == "tag"]
    assert tags == ["custom of the trade"] * 10  # five lines of advice a segment
    assert "Service is the same for all" in spec and plays.attrs["segkit"]["badge"] in spec


def test_cards_do_not_overlap_and_lines_follow_each_other(plays):
    rows, _ = words_of(sg.plot_playbook(plays))
    labels = [row["y"] for row in rows if row["style"] == "label"]
    assert labels == sorted(labels) and len(set(labels)) == len(labels)


def test_a_table_without_grades_of_lines_shows_that_of_the_row(plays):
    plain = pd.DataFrame(plays.to_dict("records"), columns=COLUMNS)
    rows, _ = words_of(sg.plot_playbook(plain))
    assert len([row for row in rows if row["style"] == "tag"]) == 2


def test_strange_words_are_drawn_as_they_are(plays):
    strange = plays.assign(segment=[EVIL, "line\nbreak"], strategy=EVIL, offer=[None, ""])
    rows, spec = words_of(sg.plot_playbook(strange))
    assert "</script" not in spec and not [row for row in rows if row["text"] == "Offer"]


def test_what_cannot_be_drawn_is_refused(plays):
    with pytest.raises(ValueError, match="has no column 'why'"):
        sg.plot_playbook(plays.drop(columns="why"))
    with pytest.raises(ValueError, match="no segment"):
        sg.plot_playbook(plays.head(0))
