"""The report stands alone, and shows every name as text."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import HDBSCAN, KMeans
from tables import EVIL, ODD_NAMES, oddly_named, three_groups

import segkit as sg
from segkit.datasets import make_events
from segkit.show.report.report import report_orders


class Page(HTMLParser):
    """What a browser would find in a page: elements, their attributes, scripts, and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.texts, self._inside = [], [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        (self.scripts if self._inside == "script" else self.texts).append(data)

    @property
    def text(self):
        return "".join(self.texts)

    @property
    def charts(self):
        """The specification of each chart, by its name."""
        calls = re.findall(r"vegaEmbed\('#chart-(\w+)', (\{.*\}), \{actions: false", self.scripts[-1])
        return {name: json.loads(spec) for name, spec in calls}


@pytest.fixture(scope="module")
def scan():
    return sg.scan_clusters(oddly_named(), k=[2, 3], resamples=2, progress=False)


@pytest.fixture(scope="module")
def evil(tmp_path_factory, scan):
    """A report in which every name tries to break out."""
    customers = oddly_named()
    customers.attrs["segkit"] = {
        "as_of": "2024-01-01T00:00:00", "window": None, "sources": [EVIL],
        "units": dict.fromkeys(customers, EVIL), "meanings": dict.fromkeys(customers, EVIL),
    }  # fmt: skip
    result = sg.segment(customers, n_segments=3).with_names(
        {0: EVIL, 1: "line\u2028break & 'quotes' \"too\""}
    )
    path = sg.report(result, tmp_path_factory.mktemp("report") / "segments.html", scan=scan, title=EVIL)
    return path.read_text(encoding="utf-8")


def report(result, folder, **said):
    return Page(sg.report(result, folder / "segments.html", **said).read_text(encoding="utf-8"))


def test_no_name_becomes_markup_or_script(evil):
    page = Page(evil)
    assert page.tags.count("script") == 2 and len(page.scripts) == 2
    assert not {"img", "iframe", "object", "embed", "link", "base", "form", "a"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "alert(1)" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", page.scripts[-1])  # outside of strings


def test_every_name_is_shown_as_it_is(evil):
    page = Page(evil)
    assert page.text.count(EVIL) > 10
    for name in ODD_NAMES:
        assert name in page.text


def test_nothing_is_fetched(evil):
    """No element or style has an address, and our own script asks for nothing."""
    page = Page(evil)
    assert not {"src", "href", "srcset", "action", "data"} & set(page.attributes)
    bundle, own = page.scripts
    markup = evil.replace(bundle, "").replace(own, "")
    assert not re.search(r"url\(|@import|https?://", markup)
    assert not re.search(r"\bimport\s*[({'\"]|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon", own)
    assert set(re.findall(r"https?://[^\"]*", own)) <= {chart["$schema"] for chart in page.charts.values()}
    assert not re.search(r"\bimport\s*\(|\bimport\s*['\"]|\bfrom\s*['\"]https?:|importScripts", bundle)


def test_no_chart_names_data_elsewhere(evil):
    charts = Page(evil).charts
    assert set(charts) == {"sizes", "scan", "trust", "structure", "profile", "map", "distributions"}
    for chart in charts.values():
        assert '"url"' not in json.dumps(chart)
        assert "href" not in json.dumps(chart)


def test_charts_keep_names_as_they_are(evil):
    rows = [row for rows in Page(evil).charts["map"]["datasets"].values() for row in rows]
    assert {row["segment"].replace("\u200b", "") for row in rows} >= {EVIL, "Segment 2"}
    assert rows[0]["customer"].replace("\u200b", "").endswith(EVIL)


def test_each_chart_has_its_place(evil):
    for name in Page(evil).charts:
        assert evil.count(f'id="chart-{name}"') == 1


def test_it_says_what_the_segments_are(tmp_path):
    customers = three_groups()
    customers.attrs["segkit"] = {
        "as_of": "2024-07-01T00:00:00",
        "sources": ["shop.csv"],
        "units": {"visits": "visits a year"},
    }
    result = sg.segment(customers, n_segments=3).with_names({0: "Browsers"})
    scan = sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
    text = report(result, tmp_path, scan=scan).text
    assert "60 customers in 3 segments as of 2024-07-01, from shop.csv." in text
    assert "Browsers" in text and "20 customers, 33%" in text
    assert re.search(r"visits (higher|lower): [\d.]+ visits a year, others [\d.]+", text)
    assert "3 segments agree with these by 1.00" in text
    assert result.provenance["hash"] in text


@pytest.mark.structure
def test_value_bands_need_no_scan(tmp_path):
    customers = three_groups()
    customers.attrs["segkit"] = {"units": {"spend": "share"}, "meanings": {"spend": "Part of <all>."}}
    result = sg.value_bands(customers.assign(spend=customers["spend"] / 1000), by="spend", n_bands=2)
    page = report(result, tmp_path)
    assert "Customer segments" in page.text and "Constructive segments" in page.text
    assert "scan" not in page.charts and "agree with these" not in page.text
    assert "the segments are tiers of spend" in page.text
    assert "Tiers of spend, from the highest to the lowest" in page.text
    assert re.search(r"spend higher: \d+%, others \d+%", page.text)


def test_headings_are_said_once(tmp_path, scan):
    page = report(sg.segment(three_groups(), n_segments=3), tmp_path, scan=scan)
    for heading in ("What sets them apart", "How large they are"):
        assert page.text.count(heading) == 1
    assert "sets them apart" not in json.dumps(page.charts) and "How many segments?" in json.dumps(
        page.charts
    )


def test_parts_by_another_model_are_not_judged_by_the_scan_of_k_means(tmp_path, scan):
    page = report(sg.segment(three_groups(), model=HDBSCAN(copy=True)), tmp_path, scan=scan)
    assert "agree with these" not in page.text


def test_the_scan_is_made_when_it_is_not_given(tmp_path):
    page = report(sg.segment(three_groups(2), n_segments=2), tmp_path)
    assert {row["k"] for rows in page.charts["scan"]["datasets"].values() for row in rows} == {2, 3, 4, 5, 6}


def test_customers_outside_have_a_place_but_no_card(tmp_path, scan):
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    page = report(sg.segment(customers, model=HDBSCAN(copy=True)), tmp_path, scan=scan)
    assert "61 customers in 3 segments" in page.text and "Outside" not in page.text
    assert "Outside" in {row["segment"] for rows in page.charts["map"]["datasets"].values() for row in rows}


def test_one_segment_is_reported_without_differences(tmp_path, scan):
    page = report(sg.segment(three_groups(), model=KMeans(1, n_init=1)), tmp_path, scan=scan)
    assert set(page.charts) == {"sizes", "scan", "trust", "structure", "map"}


def test_words_alone_are_reported(tmp_path):
    customers = pd.DataFrame({"word": pd.Categorical(["x", "y", "z"] * 10)})
    page = report(sg.segment(customers, n_segments=3), tmp_path)
    assert "distributions" not in page.charts


def test_giants_that_the_preparer_takes_for_equals_are_no_obstacle(tmp_path):
    """Ten different customers, of whom two are clipped to the same place."""
    customers = pd.DataFrame(
        {"profit": [-1.0, 0, 0.5, 1, 1.5, 2, 2.5, 3, 1e6, 1e7]}, index=list("abcdefghij")
    )
    assert report(sg.segment(customers, n_segments=2), tmp_path).charts["scan"]


def test_a_folder_that_is_not_there_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.* to write r.html into"):
        sg.report(sg.segment(three_groups(), n_segments=3), tmp_path / "nowhere" / "r.html")


# --- from orders -------------------------------------------------------------------------------------

COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}


def lines(folder, frame):
    frame.to_csv(folder / "orders.csv", index=False)
    return folder / "orders.csv"


def test_orders_become_a_report(tmp_path):
    table = make_events(80, kinds="purchase")[0].table.to_pandas()
    table = table[["customer_id", "timestamp", "amount"]].set_axis(["who", "when", "paid"], axis=1)
    path = report_orders(lines(tmp_path, table), tmp_path / "out.html", columns=COLUMNS)
    page = Page(path.read_text(encoding="utf-8"))
    assert "Customer segments of orders.csv" in page.text and "as of 2025-01-01" in page.text
    fixed = report_orders(
        lines(tmp_path, table), tmp_path / "out.html", columns=COLUMNS, as_of="2024-07-01", n_segments=4
    )
    said = Page(fixed.read_text(encoding="utf-8")).text
    assert "in 4 segments as of 2024-07-01" in said or "in 4 bands as of 2024-07-01" in said


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            pd.DataFrame({"who": ["a", "b"], "when": "2024-01-01", "paid": 1.0}),
            "do not differ in any feature",
        ),
        (pd.DataFrame({"who": ["a"], "when": ["2024-01-01"], "paid": [1.0]}), "do not differ in any feature"),
        (
            pd.DataFrame({"who": ["a"], "when": ["2024-01-01"], "pay": [1.0]}),
            "no column 'paid'. Its columns are who, when, pay",
        ),
        (pd.DataFrame({"who": ["a"], "when": ["01/02/2024"], "paid": [1.0]}), "timestamp not readable"),
    ],
)
def test_orders_that_cannot_be_reported_are_explained(tmp_path, frame, message):
    with pytest.raises(ValueError, match=message):
        report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS)


def test_two_customers_are_enough(tmp_path):
    frame = pd.DataFrame(
        {"who": ["a", "b", "b"], "when": ["2024-01-01", "2024-01-02", "2024-02-01"], "paid": [1.0, 2.0, 3.0]}
    )
    page = Page(
        report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS).read_text(
            encoding="utf-8"
        )
    )
    assert "2 customers in 2 segments" in page.text


def test_more_segments_than_customers_is_explained(tmp_path):
    frame = pd.DataFrame({"who": list("abc"), "when": "2024-01-01", "paid": np.arange(3.0)})
    with pytest.raises(ValueError, match="n_segments=9 is more than 3 customers"):
        report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS, n_segments=9)


def test_the_command_line_of_the_readme_writes_a_report(tmp_path):
    lines = pd.DataFrame(
        {
            "CustomerID": [f"c{i % 20}" for i in range(200)],
            "InvoiceDate": pd.date_range("2024-01-01", periods=200, freq="D"),
            "InvoiceNo": [f"o{i}" for i in range(200)],
            "Quantity": [1 + i % 7 for i in range(200)],
            "UnitPrice": [1.0 + i % 20 for i in range(200)],
        }
    )
    lines.to_parquet(tmp_path / "orders.parquet")
    said = ["--customer-id", "CustomerID", "--timestamp", "InvoiceDate", "--order-id", "InvoiceNo"]
    said += ["--quantity", "Quantity", "--price", "UnitPrice"]
    command = [sys.executable, "-m", "segkit", "--ready", "report", str(tmp_path / "orders.parquet"), *said]
    done = subprocess.run([*command, "-o", str(tmp_path / "segments.html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "segments.html").read_text(encoding="utf-8").startswith("<!doctype html>")

    over = subprocess.run([*command, "-o", str(tmp_path / "orders.parquet")], capture_output=True, text=True)
    assert over.returncode == 2
    assert "written over the orders" in over.stderr
    assert len(pd.read_parquet(tmp_path / "orders.parquet")) == 200


def test_a_result_without_segments_is_not_reported(tmp_path):
    nobody = sg.segment(three_groups(), model=HDBSCAN(min_samples=60, copy=True))
    with pytest.raises(ValueError, match="No segment was found: all 60 customers are outside, and a report"):
        sg.report(nobody, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_the_report_is_html_and_says_so(tmp_path):
    result = sg.segment(three_groups(), n_segments=3)
    with pytest.raises(
        ValueError, match=r"'x.pdf' ends in '.pdf'. Name it 'x.html'; for a PDF, open it in a browser"
    ):
        sg.report(result, tmp_path / "x.pdf")
    with pytest.raises(TypeError, match=r"result is the text 'x.html'"):
        sg.report("x.html", result)
    with pytest.raises(TypeError, match="path is a Segmentation"):
        sg.report(result, result)


def test_the_report_tells_of_refused_rows(tmp_path):
    table = pd.DataFrame(
        {"customer_id": [f"c{i % 20}" for i in range(60)], "amount": [1.0 + i % 7 for i in range(60)]}
    )
    table = table.assign(timestamp=pd.date_range("2024-01-01", periods=60)).astype({"customer_id": object})
    table.loc[[3, 5], "customer_id"] = None
    events = sg.read_events(table, kind="purchase")
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2024-04-01"), n_segments=2)
    assert result.provenance["refused"] == {"customer_id missing": 2}
    page = sg.report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Of the source, 2 rows refused: customer_id missing." in page
