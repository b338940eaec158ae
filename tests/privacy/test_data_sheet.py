"""The data sheet says from what, of whom, what for, what it gives away and how far to trust it."""

import pandas as pd
import pytest

import segkit as sg

HEADINGS = [
    "From what data",
    "Of whom",
    "What for",
    "What it gives away",
    "How far to trust it",
    "Privacy budget",
]


@pytest.fixture(scope="module")
def result():
    """Segments of 65, 35 and 4 customers from a log with two rows that cannot be used."""
    often = {f"c{i:03}": 1 + (i >= 65) * 9 + (i >= 100) * 40 for i in range(104)}
    rows = [(c, f"2024-0{1 + i % 9}-0{1 + i % 7}", 10.0) for c, n in often.items() for i in range(n)]
    table = pd.DataFrame([*rows, (None, "2024-01-01", 1.0), ("c001", "soon", 1.0)])
    table.columns = ["customer_id", "timestamp", "amount"]
    events = sg.read_events(table, kind="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2024-12-01")
    return sg.segment(customers[["frequency"]], n_segments=3)


def test_sheet_in_plain_words(result):
    sections = sg.data_sheet(result).sections
    assert list(sections) == HEADINGS
    assert sections["From what data"][0].endswith(", as of 2024-12-01.")
    assert sections["From what data"][1] == "1 feature: frequency."
    assert sections["From what data"][2].startswith("2 rows were refused: ")
    assert sections["Of whom"][:2] == (
        "About 100 customers, in 3 segments.",
        "1 segment of fewer than 10 customers is never described.",
    )
    assert "Not for decisions on one person" in sections["What for"][1]
    assert sections["Privacy budget"] == ("None is kept: no table was released with noise.",)


def test_exact_numbers_are_asked_for(result):
    assert sg.data_sheet(result, minimum=1).sections["Of whom"][0] == "104 customers, in 3 segments."
    with pytest.raises(ValueError, match="minimum=0 should be a whole number"):
        sg.data_sheet(result, minimum=0)


def test_sheet_claims_no_more_than_the_gate_does(result):
    gated, every = (sg.data_sheet(result, minimum=m).sections["What it gives away"][0] for m in (10, 1))
    assert gated == (
        "Tables, charts and pages hide groups of fewer than 10 customers. Of fewer than 100 they show medians only, "
        "which give away as much as means do: where many features are described, small groups still hint at who "
        "is in them."
    )
    assert every == "Tables, charts and pages were asked to show everything, also of a single customer."


def test_sheet_says_what_was_spent(result, tmp_path):
    budget = sg.PrivacyBudget(tmp_path / "budget.sqlite", epsilon=1, delta=1e-6)
    budget.spend("Sizes of 3 segments", epsilon=0.3)
    budget.spend("Means", epsilon=0.4, delta=1e-7)
    assert sg.data_sheet(result, budget=budget).sections["Privacy budget"] == (
        "Epsilon 0.7 of 1 is spent, in 2 releases with noise: whatever is concluded is at most 2 times as "
        "likely with a customer among the data as without her, but for a chance of 1e-07.",
        "Sizes of 3 segments: epsilon 0.3.",
        "Means: epsilon 0.4.",
    )
    with pytest.raises(TypeError, match="Pass the budget"):
        sg.data_sheet(result, budget=0.7)


def test_audits_are_part_of_what_it_gives_away(result):
    women = pd.Series(["woman"] * 65 + ["man"] * 39, index=result.customers.index, name="gender")
    said = sg.data_sheet(result, audits=[sg.proxy_audit(result, women)]).sections["What it gives away"]
    assert said[-1].startswith(
        "The segments tell gender: from the segment alone it is guessed right for 100%"
    )
    with pytest.raises(TypeError, match=r"audits is the text 'gender'. It should come from sg\.proxy_audit"):
        sg.data_sheet(result, audits=["gender"])


def test_risk_is_said_in_its_words(result):
    risk = pd.DataFrame({"auc": [0.6]})
    with pytest.raises(ValueError, match=r"risk has no sentence. Pass the table from sg\.membership_risk"):
        sg.data_sheet(result, risk=risk)
    risk.attrs["segkit"] = {"sentence": "Most is given away of A."}
    assert sg.data_sheet(result, risk=risk).sections["What it gives away"][1] == "Most is given away of A."


def test_trust_as_far_as_assessed(result):
    plain = sg.data_sheet(result).sections["How far to trust it"]
    assert plain[0].startswith(result.badge)
    assert plain[1].startswith("Not assessed further")
    trust = sg.Trust("yes", "yes", "no", pd.DataFrame({"name": ["a"] * 3}), of=result.hash)
    told = sg.data_sheet(result.with_trust(trust)).sections["How far to trust it"]
    assert told[1] == "Real? yes. Repeatable? yes. Useful? no."


def test_all_forms_say_the_same(result):
    """Sources and features are text of others: nothing in them is a mark of HTML or Markdown."""
    customers = pd.DataFrame({"<b>a_b": [1, 2] * 20 + [8, 9] * 20})
    customers.attrs["segkit"] = {"sources": ["list of ann@example.com"]}
    sheet = sg.data_sheet(sg.segment(customers, n_segments=2))
    page, text, wiki = sheet._repr_html_(), repr(sheet), sheet.to_markdown()
    assert "&lt;b&gt;a_b" in page and "<b>a_b" not in page
    assert r"\<b\>a\_b" in wiki and wiki.count("\n## ") == len(HEADINGS)
    for form in (page, text, wiki):
        assert "ann@example.com" not in form and "e-mail" in form
    for heading in HEADINGS:
        assert heading in page and heading in text and heading in wiki
