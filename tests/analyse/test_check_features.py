"""Features that are no features: numbers and dates as text, ids, constants, and those of events that never occur."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from tables import orders, three_groups

import segkit as sg
from segkit.core.checks import checked_customers


def groups(**extra):
    """Sixty customers in three groups, with further features whose values are repeated."""
    return three_groups(**{name: (list(values) * 60)[:60] for name, values in extra.items()})


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (["$20,000", "$7,000"], "numbers as text, such as '$20,000'"),
        (["7,000", "12"], "numbers as text, such as '12'"),
        (["1000,50", "3,5"], "numbers as text, such as '1000,50'"),
        (["12%", "5%"], "numbers as text, such as '12%'"),
        (["50k", "7k"], "numbers as text, such as '50k'"),
        (["1e-05", "0.0002", "2.5E3"], "numbers as text, such as '0.0002'"),
        ([*map(str, range(120, 160)), *["prefer not to say"] * 20], "numbers as text, such as '120'"),
        (["12", "7.5"], "numbers as text, such as '12'"),
        (["01.03.2024", "02.03.2024"], "dates as text, such as '01.03.2024'"),
        (["3/1/2024"] * 39 + ["unknown"], "dates as text, such as '3/1/2024'"),
        (["2024-03-01", None], "dates as text, such as '2024-03-01'"),
    ],
)
def test_numbers_and_dates_as_text_are_refused(values, what):
    customers = groups(odd=values)
    for function in (sg.structure_test, sg.value_bands, lambda c: sg.segment(c, n_segments=3)):
        with pytest.raises(
            ValueError, match=f"'odd' holds {what.replace('$', '[$]')}.*read_attributes.*as a category"
        ):
            function(customers)
    assert checked_customers(customers.astype({"odd": "category"})) is not None  # said to be words


def test_bands_are_words():
    """As in read_attributes: few whole numbers with words among them are answers to choose from."""
    mostly = ["0"] * 29 + ["1"] * 29 + ["2", "9+"]
    read = sg.read_attributes(pd.DataFrame({"kids": mostly}), customer_id=None, demographic="kids").table[
        "kids"
    ]
    assert read.dtype == "category"
    assert sg.preparation(three_groups(kids=mostly)).loc["kids", "is"] == "words"
    with pytest.raises(ValueError, match="numbers as text"):
        checked_customers(three_groups(kids=["0"] * 59 + ["9"]))


@pytest.mark.parametrize(
    ("dates", "hint"),
    [
        (pd.date_range("2024-01-01", periods=60), "days before a moment"),
        (pd.date_range("2024-01-01", periods=60, tz="UTC"), "days before a moment"),
        (pd.period_range("2024-01", periods=60, freq="M"), "days before a moment"),
        (list(pd.date_range("2024-01-01", periods=60).date), "days before a moment"),
        (pd.to_timedelta(range(60), unit="D"), r"pd\.Timedelta\(days=1\)"),
    ],
)
def test_dates_are_refused(dates, hint):
    with pytest.raises(ValueError, match=f"'when' holds .*{hint}"):
        sg.segment(three_groups(when=dates), n_segments=3)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("index", range(60)),  # X.reset_index()
        ("position", range(1000, 1060)),
        ("customer_id", range(7, 607, 10)),
        ("CustomerID", np.arange(60.0) * 17),
        ("who", [f"C-{i}" for i in range(60)]),
        ("mail", ["a@example.com", "b@example.org"] * 30),
        ("mail", pd.Categorical(["a@example.com"] * 58 + ["b@example.org", "c@example.org"])),
    ],
)
def test_ids_and_emails_are_warned_of(name, ids):
    with pytest.warns(UserWarning, match=rf"1 feature looks like an id .*: {name} \(.*Ids form no segments"):
        result = sg.segment(three_groups(**{name: ids}), n_segments=3)
    assert name in result.customers


def test_features_are_not_taken_for_ids():
    features = {
        "cents": np.arange(60) ** 2, "rank": np.arange(60) / 2, "bid": np.arange(60) * 3,
        "price_index": np.arange(60) ** 2,
        "gap": [*range(50), *[None] * 10],
        "household_id": [1, 2, 3] * 20, "city": ["Rome", "Bern"] * 30, "days": [0, *range(59)],
    }  # fmt: skip
    assert set(features) < set(sg.segment(three_groups(**features), n_segments=3).customers)
    sg.segment(pd.DataFrame({"visits": range(30)}), n_segments=2)  # the only feature may run on


@pytest.mark.parametrize("parts", [[[1], [2, 3]], [{"a": 1}, {}], [np.ones(2), np.zeros(3)], "arrow"])
def test_collections_are_refused(parts):
    if parts == "arrow":
        parts = pd.array([[1], [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    with pytest.raises(ValueError, match=r"'odd' holds lists or other collections.*length"):
        sg.segment(groups(odd=parts), n_segments=3)


@pytest.mark.parametrize("name", ["odd\u200b", "o\u202edd"])
def test_names_with_invisible_characters_are_refused(name):
    with pytest.raises(ValueError, match=r"holds an invisible character, .* Write the name without it"):
        sg.segment(groups(**{name: [1, 2]}), n_segments=3)


def test_constants_are_left_out_and_named():
    plain = sg.segment(three_groups(), n_segments=3)
    customers = groups(one=[1.0], none=[np.nan], word=["x"])
    told = (
        r"3 features are the same for all customers and left out: one \(1\), none \(missing\), word \(x\)\."
    )
    for n_segments in (3, "auto"):
        with pytest.warns(UserWarning, match=told) as warned:
            result = sg.segment(customers, n_segments=n_segments)
        assert len(warned) == 1
    with pytest.warns(UserWarning, match=told):
        result = sg.segment(customers, n_segments=3)
    assert result.labels.equals(plain.labels) and list(result.customers) == list(plain.customers)
    assert result.assign(customers.assign(one=99.0)).equals(plain.labels)
    own = make_pipeline(sg.make_preparer(), KMeans(3, n_init=1, random_state=0))
    assert "one" in sg.segment(customers[["visits", "spend", "one"]], model=own).customers  # used as passed


def test_events_that_never_occur_are_named():
    n = 20
    log = orders(*((f"c{i}", "2024-01-01", 5.0) for i in range(n) for _ in range(1 + i % 4)), kind="bid")
    bids = sg.customer_features(sg.read_events(log, kinds={"bid": "bid"}), sg.RFM, as_of="2024-02-01")
    assert bids.attrs["segkit"]["absent"] == dict.fromkeys(bids, "purchase events")
    lacking = "The log has no purchase events, which recency, frequency, monetary and tenure would need"
    with (
        pytest.warns(UserWarning, match=lacking),
        pytest.raises(ValueError, match=f"do not differ.*{lacking}"),
    ):
        sg.segment(bids, n_segments=2)
    with pytest.warns(UserWarning, match=f"4 features are the same .*{lacking}"):
        sg.segment(bids.assign(bids=[1 + i % 4 for i in range(n)]), n_segments=2)


def test_a_rate_that_is_all_prior_is_named():
    """Without any open, the rate of opens only says how many messages were sent."""
    sent = orders(*((f"c{i}", "2024-01-01", None) for i in range(8) for _ in range(1 + i)), kind="email_sent")
    rates = [f for f in sg.EMAIL if f.name in ("email_sent", "email_open_rate")]

    def features(log):
        return sg.customer_features(sg.read_events(log), rates, as_of="2024-02-01")

    assert features(sent)["email_open_rate"].nunique() == 8
    with pytest.warns(
        UserWarning, match="The log has no email_open events, which email_open_rate would need"
    ):
        sg.segment(features(sent), n_segments=2)
    opened = pd.concat([sent, orders(("c1", "2024-01-02", None), kind="email_open")])
    assert "absent" not in features(opened).attrs["segkit"]
    sg.segment(features(opened), n_segments=2)
