"""The report stands alone, says what was looked at, and shows every name as text."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from sklearn.cluster import HDBSCAN, KMeans
from tables import EVIL, ODD_NAMES, oddly_named, purchases, three_groups

import segkit as sg
from segkit.privacy.data_sheet import DataSheet
from segkit.show.report import pdf
from segkit.show.report.facts import Card, Facts
from segkit.show.report.markdown import markdown


class Page(HTMLParser):
    """What a browser would find in a page: elements, their attributes and texts, the parts by name."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)
        self.close()
        self.parts = re.findall(r'<div class="part[^"]*" id="(\w+)">', text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def report(result, folder, **said):
    return Page(sg.report(result, folder / "segments.html", **said).read_text(encoding="utf-8"))


@pytest.fixture
def only_words(monkeypatch):
    """Leave out the pictures, which take most of the time, for what a page says beside them."""
    monkeypatch.setattr("segkit.show.report.figures._picture", lambda *_: Markup(""))


@pytest.fixture(scope="module")
def scan():
    return sg.scan_clusters(oddly_named(), k=[2, 3], resamples=2, progress=False)


@pytest.fixture(scope="module")
def evil(tmp_path_factory, scan):
    """A report in which every name tries to break out, as HTML and as Markdown."""
    customers = oddly_named()
    customers.attrs["segkit"] = {
        "as_of": "2024-01-01T00:00:00", "window": None, "sources": [EVIL],
        "units": dict.fromkeys(customers, EVIL), "meanings": dict.fromkeys(customers, EVIL),
    }  # fmt: skip
    result = sg.segment(customers, n_segments=3).with_names(
        {0: EVIL, 1: "line\u2028break & 'quotes' \"too\""}
    )
    folder = tmp_path_factory.mktemp("report")
    plays = pd.DataFrame({"segment": [EVIL], "strategy": [EVIL]})
    said = {"scan": scan, "title": EVIL, "playbook": plays}
    return [
        sg.report(result, folder / f"segments.{suffix}", **said).read_text(encoding="utf-8")
        for suffix in ("html", "md")
    ]


def test_no_name_becomes_markup(evil):
    page = Page(evil[0])
    forbidden = {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "a",
        "foreignobject",
        "use",
    }
    assert not forbidden & {tag.lower() for tag in page.tags}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"(?<!\\)<", evil[1].split("```json")[0].replace("\\<", ""))


def test_every_name_is_shown_as_it_is(evil):
    page = Page(evil[0])
    assert page.text.replace("\u200b", "").count(EVIL) > 10
    for name in ODD_NAMES:
        assert " ".join(name.split()) in page.text


def test_nothing_is_fetched_or_run(evil):
    page = Page(evil[0])
    assert not {"src", "href", "srcset", "action", "data", "xlink:href"} & {
        name for name, _ in page.attributes
    }
    assert not re.search(r"url\((?!#)|@import", evil[0])
    assert set(re.findall(r"https?://[^\"<> ]*", evil[0])) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in evil[0]


def test_no_customer_is_in_the_file_unless_asked_for(tmp_path, scan):
    customers = three_groups()
    customers.index = [f"secret-{i:03}" for i in range(len(customers))]
    result = sg.segment(customers, n_segments=3)
    for suffix in ("html", "md"):
        assert "secret-" not in sg.report(result, tmp_path / f"r.{suffix}", scan=scan).read_text(
            encoding="utf-8"
        )
    shown = report(result, tmp_path, scan=scan, show_ids=True)
    assert "typical" in shown.parts and "secret-" in shown.text


def test_each_part_has_one_place_and_two_widths(evil):
    page = Page(evil[0])
    assert len(page.parts) == len(set(page.parts))
    assert {"map", "profile", "distributions", "trust", "structure", "scan", "rules", "numbers"} <= set(
        page.parts
    )
    widths = [float(value) for name, value in page.attributes if name == "width" and value.isdigit()]
    assert {w for w in widths if w > 300} and max(widths) <= 800
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.structure
def test_page_one_says_who_how_and_how_far_to_trust(tmp_path):
    customers = three_groups()
    customers.attrs["segkit"] = {
        "as_of": "2024-07-01T00:00:00", "sources": ["shop.csv"], "units": {"visits": "visits a year"},
    }  # fmt: skip
    result = sg.segment(customers, n_segments=3).with_names({0: "Browsers"})
    scan = sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
    plays = pd.DataFrame({"segment": ["Browsers"], "strategy": ["Show what is new"], "avoid": [None]})
    page = report(result, tmp_path, scan=scan, value="spend", playbook=plays)
    said = "We looked at 60 customers of shop.csv, and at what they did up to 30 June 2024. They are divided into 3 "
    assert said in page.text and result.kind_sentence in page.text
    assert page.text.partition("Data sheet")[0].count(result.kind_sentence) == 1
    assert "20 customers 33%" in page.text
    assert "Show what is new" in page.text and "Avoid" not in page.text
    assert "Share of value" in page.text and "A group of its own; found again" in page.text
    assert "3 segments agree with these by 1.00" in page.text
    assert result.provenance["hash"] in page.text


@pytest.mark.usefixtures("only_words")
def test_the_reason_for_the_number_of_segments_is_told(tmp_path, scan):
    result = sg.segment(three_groups(), n_segments="auto")
    why = result.provenance["choice"]["why"]
    assert why and " ".join(why.split()) in report(result, tmp_path, scan=scan).text


def test_suggested_names_are_marked_and_given_ones_are_not(tmp_path, scan):
    result = sg.segment(three_groups(), n_segments=3).with_names({0: "Browsers"})
    page = report(result, tmp_path, scan=scan)
    suggested = sg.suggest_names(result)["name"]
    assert "Browsers *" not in page.text and f"{suggested[1]} *" in page.text
    assert page.text.count("A name with a star is suggested") == 1


@pytest.mark.usefixtures("only_words")
def test_shares_of_value_are_those_of_hand(tmp_path, scan):
    customers = three_groups()
    result = sg.segment(customers, n_segments=3)
    worth = pd.Series(np.where(result.labels == 0, 4.0, 0.0), customers.index)
    cards = re.findall(r"Share of value</span><span>([^<]+)<", sg.report(
        result, tmp_path / "r.html", scan=scan, value=worth
    ).read_text(encoding="utf-8"))  # fmt: skip
    assert cards == ["100%", "0%", "0%"]
    with pytest.raises(ValueError, match="'profit' is no numeric feature"):
        sg.report(result, tmp_path / "r.html", value="profit")
    with pytest.raises(ValueError, match="None of the 60 customers is in value"):
        sg.report(result, tmp_path / "r.html", value=pd.Series([1.0], ["stranger"]))


def test_small_segments_are_counted_and_not_described(tmp_path, scan):
    customers = three_groups()
    few = pd.concat(
        [customers, pd.DataFrame({"visits": [4000.0] * 4, "spend": [9.0] * 4}, index=list("wxyz"))]
    )
    result = sg.segment(few, n_segments=4, random_state=1).with_names({3: "The four"})
    assert (result.labels == 3).sum() == 4
    value = pd.DataFrame(
        {"segment": [0, 1, 2, 3], "customers": [20, 20, 20, 4], "value": [400.0] * 3 + [44.0],
         "value_low": [200.0] * 3 + [40.0], "value_high": [600.0] * 3 + [48.0]}
    )  # fmt: skip
    page = report(result, tmp_path, scan=scan, value=value)
    assert "Hidden is 1 segment of fewer than 10 customers: The four." in page.text
    assert page.tags.count("article") == 3
    # 64 customers less 60 would be four, so that the size of one more is not shown, nor can it be computed.
    assert "We looked at 64 customers" in page.text
    assert "25 customers 39%" in page.text and "15 customers 23%" in page.text
    assert len(re.findall(r"The size of .* is not shown", page.text)) == 1
    assert page.text.count("Worth 400 (200 to 600); 20 a customer (10 to 30)") == 2
    assert page.text.count("Worth 20 a customer (10 to 30)") == 1
    assert page.text.count("Share of value 32%") == 2
    assert "55 customers. Close together" in page.text  # 24 are the last two's, less the 9 that may be hidden
    assert "The four" in report(result, tmp_path, scan=scan, minimum=4).text


@pytest.mark.structure
@pytest.mark.usefixtures("only_words")
def test_value_bands_need_no_scan(tmp_path):
    customers = three_groups()
    customers.attrs["segkit"] = {"units": {"spend": "share"}, "meanings": {"spend": "Part of <all>."}}
    result = sg.value_bands(customers.assign(spend=customers["spend"] / 1000), by="spend", n_bands=2)
    page = report(result, tmp_path)
    assert "scan" not in page.parts and "agree with these" not in page.text
    assert "the segments are tiers of spend" in page.text
    assert "Tiers of spend, from the highest to the lowest" in page.text


@pytest.mark.usefixtures("only_words")
def test_parts_by_another_model_are_not_judged_by_the_scan_of_k_means(tmp_path, scan):
    page = report(sg.segment(three_groups(), model=HDBSCAN(copy=True)), tmp_path, scan=scan)
    assert "agree with these" not in page.text


@pytest.mark.usefixtures("only_words")
def test_customers_outside_have_no_card(tmp_path, scan):
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    page = report(sg.segment(customers, model=HDBSCAN(copy=True)), tmp_path, scan=scan)
    assert "We looked at 61 customers" in page.text and page.text.count("20 customers 33%") == 2
    assert page.tags.count("article") == 3


def test_small_groups_of_the_last_period_are_left_out(tmp_path, scan):
    """Of the long-standing, only four were so before the last period."""
    lines = [(f"c{i:02}", "2023-03-01" if i < 30 else "2023-08-01", 5.0) for i in range(60)]
    lines += [(f"c{i:02}", "2023-12-01", 5.0) for i in range(60)]
    lines += [(f"c{i:02}", "2022-11-20", 5.0) for i in range(4)]
    events = purchases(*lines)
    rules = sg.rules_segmenter({"Long": "tenure > 280", "Newer": "tenure <= 280"})
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2023-12-27"), model=rules)
    assert result.labels.value_counts().min() >= 20
    rows = {
        least: re.findall(
            r"^\| (\w+) \| (?:[0-9]|not shown)",
            text[text.index("What did they do next?") :].split("# How")[0],
            re.M,
        )
        for least in (4, 10)
        for text in [
            sg.report(result, tmp_path / "r.md", events=events, scan=scan, minimum=least).read_text(
                encoding="utf-8"
            )
        ]
    }
    assert rows == {4: ["Long", "Newer"], 10: ["Newer"]}


def test_a_share_of_few_customers_is_not_shown(tmp_path, scan):
    """One of the twenty has a card: 5 % of them, which would be her."""
    cards = pd.Series(False, three_groups().index)
    cards.iloc[[0, *range(20, 40)]] = True
    result = sg.segment(three_groups().assign(card=cards), n_segments=3)
    text = sg.report(result, tmp_path / "r.md", scan=scan).read_text(encoding="utf-8")
    rows = [
        line for line in text[text.index("## All numbers") :].splitlines() if line.startswith("|  | card")
    ]
    assert len(rows) == 3 and sum("| not shown | not shown | not shown |" in row for row in rows) == 2
    assert not any("| 5% |" in row or "| 100% |" in row for row in rows)


@pytest.fixture(scope="module")
def named():
    """Segments whose trust is assessed once for several reports."""
    return sg.segment(three_groups(), n_segments=3).with_names(["A", "B", "C"])


@pytest.mark.usefixtures("only_words")
def test_a_playbook_is_for_these_segments(tmp_path, scan, named):
    result = named
    said = {"scan": scan}
    for plays in (
        pd.DataFrame({"segment": ["C", 0, "1"], "goal": ["see", "zero", "one"]}),
        pd.DataFrame({"goal": ["zero", "one", "see"]}),
    ):
        page = report(result, tmp_path, playbook=plays, **said)
        goals = re.findall(r"Goal (\w+)", page.text)
        assert goals == ["zero", "one", "see"]
    for plays, message in (
        (
            pd.DataFrame({"segment": ["Nobody"], "goal": ["x"]}),
            r"speaks of 'Nobody', and there is no such segment",
        ),
        (
            pd.DataFrame({"segment": ["A", 0], "goal": ["x", "y"]}),
            r"speaks of 0, twice\. The segments are 'A' \(0\)",
        ),
        (
            pd.DataFrame({"segment": ["A"], "plan": ["x"]}),
            r"has the columns segment, plan\. It should have",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            report(result, tmp_path, playbook=plays, **said)


@pytest.mark.usefixtures("only_words")
def test_forecast_and_playbook_stand_on_the_cards(tmp_path, scan, named):
    value = pd.DataFrame(
        {"segment_id": [0, 1, 2], "segment": ["A", "B", "C"], "customers": [20] * 3, "value": [200.0, 600.0, 1200.0],
         "value_low": [100.0, 500.0, 1100.0], "value_high": [300.0, 700.0, 1300.0]}
    )  # fmt: skip
    value.attrs["segkit"] = {"horizon": "365 days"}
    plays = sg.playbook(named, value=value)
    page = report(named, tmp_path, scan=scan, value=value, playbook=plays)
    assert "200 in the next 365 days (100 to 300); 10 a customer (5 to 15)" in page.text
    assert re.findall(r"Share of value in 365 days (\d+%)", page.text) == ["10%", "30%", "60%"]
    assert "Service self-service" in page.text and "Service priority" in page.text
    assert plays["why"][0] in page.text
    assert f"Do {plays['strategy'][0]} custom of the trade" in page.text
    assert ("class", "tag custom") in page.attributes


def test_markdown_draws_no_picture(tmp_path, scan, named, monkeypatch):
    monkeypatch.setattr("segkit.show.report.figures._picture", None)
    path = sg.report(named, tmp_path / "r.md", scan=scan)
    assert "How many segments?" in path.read_text(encoding="utf-8")


def test_lines_of_a_play_are_tagged_in_markdown():
    card = Card(
        "A", "#000", "20 customers", 1.0, play={"Do": "Write.", "Why": "Late."}, tags={"Do": "measured lift"}
    )
    said = markdown(Facts("Segments", [], [], [card], [], [], "{}", DataSheet("Data sheet", {})))
    assert "- Do: Write. (measured lift)\n- Why: Late.\n" in said


@pytest.mark.usefixtures("only_words")
def test_the_last_page_is_a_data_sheet(tmp_path, scan, named):
    page = report(named, tmp_path, scan=scan)
    last = page.text.partition("Parameters and versions")[2]
    assert "Data sheet From what data" in last and "Not for decisions on one person" in last
    own = sg.data_sheet(named, minimum=1)
    assert own.sections["Of whom"][0] in report(named, tmp_path, scan=scan, sheet=own).text
    assert own.to_markdown() in sg.report(named, tmp_path / "r.md", scan=scan, sheet=own).read_text("utf-8")
    with pytest.raises(TypeError, match=r"sheet is the text 'x'. It should come from sg\.data_sheet"):
        report(named, tmp_path, scan=scan, sheet="x")


@pytest.mark.usefixtures("only_words")
def test_named_rules_are_reported(tmp_path, scan):
    """Their refits without a feature would lack what a rule names."""
    rules = sg.rules_segmenter({"High": "spend > 40", "Low": "spend <= 40"})
    assert "trust" in report(sg.segment(three_groups(), model=rules), tmp_path, scan=scan).parts


def test_one_segment_is_reported_without_differences(tmp_path, scan):
    page = report(sg.segment(three_groups(), model=KMeans(1, n_init=1)), tmp_path, scan=scan)
    assert not {"profile", "distributions", "rules", "numbers"} & set(page.parts)
    assert {"map", "scan", "trust"} <= set(page.parts)


def test_words_alone_are_reported(tmp_path):
    customers = pd.DataFrame({"word": pd.Categorical(["x", "y", "z"] * 10)})
    page = report(sg.segment(customers, n_segments=3), tmp_path)
    assert "distributions" not in page.parts and "profile" in page.parts


def test_giants_that_the_preparer_takes_for_equals_are_no_obstacle(tmp_path):
    """Ten different customers, of whom two are clipped to the same place."""
    customers = pd.DataFrame(
        {"profit": [-1.0, 0, 0.5, 1, 1.5, 2, 2.5, 3, 1e6, 1e7]}, index=list("abcdefghij")
    )
    assert "scan" in report(sg.segment(customers, n_segments=2), tmp_path, minimum=1).parts


@pytest.fixture(scope="module")
def shop():
    """A shop of 120 customers over a year: frequent ones buy tea, rare ones rum."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(120):
        often = i % 2 == 0
        for day in np.sort(rng.choice(360, 24 if often else 4, replace=False)):
            lines.append((f"c{i:03}", pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(day)), 10.0,
                          "tea" if rng.random() < (0.9 if often else 0.1) else "rum"))  # fmt: skip
    table = pd.DataFrame(lines, columns=["customer_id", "timestamp", "amount", "category"]).astype(
        {"customer_id": object}
    )
    table.loc[[3, 5], "customer_id"] = None
    return sg.read_events(table, kind="purchase")


@pytest.mark.usefixtures("only_words")
def test_events_give_the_period_refusals_products_and_what_came_next(tmp_path, shop):
    """At the log's end the last period is used, with customers placed as they were before it."""
    scan = None
    for as_of, began in (("2023-12-27", r"\d+ (?:September|October)"), ("2023-09-01", "1 September")):
        result = sg.segment(sg.customer_features(shop, sg.RFM, as_of=as_of), n_segments=2)
        scan = (
            sg.scan_clusters(result.customers, k=[2, 3], resamples=2, progress=False)
            if scan is None
            else scan
        )
        page = report(result, tmp_path, events=shop, scan=scan)
        assert "at what they did from 1 January 2023 to" in page.text
        assert "2 were refused (under 1%): customer_id missing." in page.text
        assert {"products", "next"} <= set(page.parts)
        assert re.search(r"Likes tea \(\d+% buy it, of others \d+%\)", page.text)
        assert "Share of revenue" in page.text
        assert re.search(rf"In the \d+ days from {began} 2023", page.text)
    assert "nobody's segment knows what came next" not in page.text


def test_a_folder_that_is_not_there_is_explained(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.* to write r.html into"):
        sg.report(sg.segment(three_groups(), n_segments=3), tmp_path / "nowhere" / "r.html")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PermissionError, match=r"may only be read\. Name another to write r\.html into"):
        sg.report(sg.segment(three_groups(), n_segments=3), tmp_path / "r.html")


def test_a_result_without_segments_is_not_reported(tmp_path):
    nobody = sg.segment(three_groups(), model=HDBSCAN(min_samples=60, copy=True))
    with pytest.raises(ValueError, match="No segment was found: all 60 customers are outside, and a report"):
        sg.report(nobody, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_wrong_arguments_are_explained(tmp_path):
    result = sg.segment(three_groups(), n_segments=3)
    with pytest.raises(
        ValueError, match=r"'x.docx' ends in '.docx'. Name it 'x.html', or end it in .md or .pdf"
    ):
        sg.report(result, tmp_path / "x.docx")
    with pytest.raises(TypeError, match=r"result is the text 'x.html'"):
        sg.report("x.html", result)
    with pytest.raises(TypeError, match="path is a Segmentation"):
        sg.report(result, result)
    with pytest.raises(ValueError, match="paper='A5' is not known"):
        sg.report(result, tmp_path / "x.pdf", paper="A5")
    with pytest.raises(TypeError, match="events is"):
        sg.report(result, tmp_path / "x.html", events=result.customers)
    with pytest.raises(TypeError, match=r"title is 5\. It should be a text"):
        sg.report(result, tmp_path / "x.html", title=5)
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Name a file in it: .*segments.html"):
        sg.report(result, tmp_path)


def test_events_of_others_are_explained(tmp_path, scan, shop):
    customers = sg.customer_features(shop, sg.RFM, as_of="2023-12-27")
    strange = sg.segment(customers.set_axis([f"z{i}" for i in range(len(customers))]), n_segments=2)
    with pytest.raises(ValueError, match="or pass the log of these customers: their ids look like 'z0'"):
        sg.report(strange, tmp_path / "x.html", events=shop, scan=scan)
    early = sg.segment(sg.customer_features(shop, sg.RFM, as_of="2023-12-27"), n_segments=2)
    early.provenance["as_of"] = "2022-01-01"
    with pytest.raises(
        ValueError, match="begin on 1 January 2023, after the moment of the segments, 1 January 2022"
    ):
        sg.report(early, tmp_path / "x.html", events=shop, scan=scan)


def test_a_pdf_without_a_browser_is_refused_and_nothing_written(tmp_path, scan, monkeypatch):
    monkeypatch.delenv("SEGKIT_CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(
        RuntimeError, match=r"none was found. Install one, or name its path .*SEGKIT_CHROMIUM"
    ):
        sg.report(sg.segment(three_groups(), n_segments=3), tmp_path / "r.pdf", scan=scan)
    assert not (tmp_path / "r.pdf").exists()
    with pytest.raises(RuntimeError, match="could not print the report"):
        pdf.print_pdf("<p>", str(tmp_path / "no-browser"))
