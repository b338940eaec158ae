"""Stills of widgets in saved notebooks, and errors of callbacks shown in the widget."""

import pandas as pd
import pytest
import traitlets as t
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from ipywidgets import HTML, Button, VBox
from markupsafe import Markup

import segkit as sg
from segkit.show.widgets.stills import HTML as HTML_TYPE
from segkit.show.widgets.stills import VIEW, WithStill, shows_errors


class Counter(WithStill, VBox):
    code = t.Unicode("count = 0")

    def __init__(self):
        super().__init__([HTML("<b>a &lt; b</b>")])

    @shows_errors
    def divide(self, by):
        return 12 // by


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_still_stands_beside_the_view():
    data, _ = Counter()._repr_mimebundle_()
    assert {VIEW, HTML_TYPE, "text/plain"} == set(data)
    assert "<b>a &lt; b</b>" in data[HTML_TYPE] and "Run the cell again" in data[HTML_TYPE]


def test_still_behind_follows_the_widget(shell):
    widget = Counter()
    with capture_output() as shown:
        widget._ipython_display_()
        widget.children = (HTML("changed"),)
        widget.code = "count = 1"
    view, behind, update = shown.outputs
    assert VIEW in view.data and VIEW not in behind.data
    assert 'class="segkit-still" hidden' in behind.data[HTML_TYPE] and "a &lt; b" in behind.data[HTML_TYPE]
    assert "changed" in update.data[HTML_TYPE] and "a &lt; b" not in update.data[HTML_TYPE]


def test_still_of_plan_and_audience():
    labels = pd.Series({f"c{n}": "Loyal & old" for n in range(30)})
    planner = sg.ExperimentPlanner(labels, baseline=0.1)
    said = planner._repr_mimebundle_()[0][HTML_TYPE]
    assert "Loyal &amp; old" in said and "<div>Hold out: 10%</div>" in said and "sg.plan_experiment" in said
    people = pd.DataFrame({"customer_id": labels.index, "email": [f"{c}@example.com" for c in labels.index]})
    said = sg.AudienceBuilder(labels, people)._repr_mimebundle_()[0][HTML_TYPE]
    assert "<div>☑ Loyal &amp; old, 30 customers (100%)</div>" in said and "c0@example.com" not in said
    assert (
        "<div>Hold out: 0%</div>" in said and "<div>File: </div>" not in said
    )  # not where nothing is written


def test_still_of_tuner_holds_the_numbers_of_its_charts():
    small = pd.DataFrame({"spend": [*range(60), *range(500, 560), 900, 901, 902]}, dtype=float)
    tuner = sg.ClusterTuner(small, k=(2, 3), method="kmeans")
    said = still_in(tuner)
    for k, row in tuner.scan.iterrows():
        few = row["smallest"] * len(small) < 9.5
        smallest = "fewer than 10" if few else f"{row['smallest']:.0%}"
        measures = [f"{row[name]:.2f}" for name in ("stability", "prediction_strength", "silhouette")]
        assert f">{k}</td><td>" + "</td><td>".join([*measures, smallest]) in said
    assert "fewer than 10" in said and "49%" in said


def test_error_is_shown_and_goes_on():
    widget = Counter()
    before = widget.children
    with pytest.raises(ZeroDivisionError):
        widget.divide(0)
    assert (
        "ZeroDivisionError: integer" in widget.children[0].value
        and 'role="alert"' in widget.children[0].value
    )
    with pytest.raises(ZeroDivisionError):
        widget.divide(0)
    assert len(widget.children) == 2
    assert widget.divide(3) == 4 and widget.children == before


def test_error_of_a_page_shows_by_its_trait():
    class Page(WithStill):
        error = t.Unicode()

        def still(self):
            return Markup("page")

        @shows_errors
        def work(self, fails):
            if fails:
                raise ValueError("No <customers>.")

    page = Page()
    with pytest.raises(ValueError, match="customers"):
        page.work(True)
    assert page.error == "ValueError: No <customers>."
    page.work(False)
    assert page.error == ""
    page.error = "Two segments would be called 'Loyal'."  # its own words stay
    page.work(False)
    assert page.error.startswith("Two segments")


def test_error_of_a_button_is_shown(caplog):
    class Pressed(WithStill, VBox):
        def __init__(self):
            self.button = Button(description="Go")
            self.button.on_click(self.press)
            super().__init__([self.button])

        @shows_errors
        def press(self, _button):
            raise RuntimeError("The disk is full.")

    widget = Pressed()
    widget.button.click()
    assert "RuntimeError: The disk is full." in caplog.text  # ipywidgets logs it, and goes on
    assert "The disk is full." in widget.children[0].value


def still_in(widget):
    return widget._repr_mimebundle_()[0][HTML_TYPE]


def test_picker_lists_what_is_chosen():
    orders = pd.DataFrame(
        {"customer_id": ["a", "b"], "timestamp": ["2024-01-01", "2024-01-02"], "amount": [1, 2]}
    )
    picker = sg.FeaturePicker(sg.read_events(orders, kind="purchase"), as_of="2024-02-01", offered=sg.RFM)
    picker.value = ["recency"]
    said = still_in(picker)
    assert "1 feature chosen" in said and "<li>recency: " in said and "<li>monetary" not in said
    assert "sg.customer_features(events, " in said


def test_timeline_hides_small_segments_and_ids():
    customers = pd.DataFrame({"orders": [1, 2] * 20 + [30, 31]}, index=[f"person{n}" for n in range(42)])
    months = pd.to_datetime(["2024-05-01", "2024-06-01"])
    result = sg.segment(customers, n_segments=2)
    tables = pd.concat([customers, customers], keys=months, names=["as_of", "customer_id"])
    said = still_in(sg.SegmentTimeline(result, tables))
    assert "1 Jun 2024" in said and "hidden" in said and ">40<" not in said and ">2<" not in said
    assert "person" not in said


def test_live_map_says_sizes_and_no_ids(tmp_path):
    events, _ = sg.datasets.make_events(60, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    live = sg.live_segments(sg.segment(customers, n_segments=3), events, sg.RFM, folder=tmp_path / "live")
    live_map = sg.LiveMap(live)
    said = still_in(live_map)
    live_map.close()
    live.close()
    assert "Segment 0" in said and not [c for c in customers.index if str(c) in said]
