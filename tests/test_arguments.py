"""Every public function says in words what it got in place of what it takes."""

import functools
import inspect

import pandas as pd
import polars
import pytest
from sklearn.cluster import KMeans
from tables import purchases, three_groups

import segkit as sg
from segkit.live.live import Live

TYPES = {
    "Attributes",
    "Audience",
    "CustomerMap",
    "EventCheck",
    "Events",
    "Feature",
    "Play",
    "Region",
    "Scale",
    "Segmentation",
    "SharedSegmentation",
    "Trust",
}
ESTIMATORS = {
    "BehaviourParts",
    "MixedMixture",
    "MixturePreparer",
    "Preparer",
    "RFMSegmenter",
    "RobustLinkage",
    "SharesPreparer",
    "SpectralGraph",
    "ValueBands",
}  # which take any array, as those of scikit-learn do
NO_OBJECT = {
    "audience_formats",
    "distance_feature",
    "make_preparer",
    "path_feature",
    "preset_catalogue",
    "select_features",
}
SOURCES = {"read_attributes", "read_events"}  # which take a table of any library
WRONG = {
    "a DataFrame": pd.DataFrame({"x": [1.0, 2.0]}),
    "a polars DataFrame": polars.DataFrame({"x": [1.0, 2.0]}),
    "the text 'RFM'": "RFM",
    "the class KMeans": KMeans,
    "None": None,
}
TEXT = "the text 'RFM'"
FINE = {
    ("compare", "chosen", TEXT),
    ("report", "path", TEXT),
    ("export_audience", "path", TEXT),
    ("family", "name", TEXT),
    ("target_tree", "outcome", TEXT),
}
FINE |= {
    ("why", "customer_id", TEXT),
    ("plot_distributions", "features", TEXT),
    ("bases", "customers", "a DataFrame"),
}
SOURCE = ("servers", "stream", "topic")
FINE |= {("arms_sql", "experiment", TEXT), ("assign_arms", "customers", "a DataFrame")}
FINE |= {("pseudonymise", "data", "a DataFrame"), ("with_consent", "consent", "a DataFrame")}  # without ids
FINE |= {("suppress_small", "table", "a DataFrame")}  # of whole numbers
FINE |= {("k_anonymity", "table", "a DataFrame"), ("k_anonymity", "quasi", TEXT)}
FINE |= {(f"{name}_source", argument, TEXT) for name in ("kafka", "redis") for argument in SOURCE}
FINE |= {("PrivacyBudget", "path", TEXT)}  # an error of files: there is no such ledger
FINE |= {("make_segment", "name", TEXT), ("split_segment", "segment", TEXT)}
FINE |= {("split_segment", "segment", "None")}  # "There is no segment None."
FINE |= {("erase", "ids", "a DataFrame")}  # of customers
FINE |= {("AudienceBuilder", "contacts", "a DataFrame")}  # without a column of ids
MORE = {
    "as_of": "2024-02-01",
    "dates": ["2024-02-01"],
    "horizon": "1 day",
    "chosen": ["c001"],
    "baseline": 0.1,
    "path": "x.html",
    "url": "redis://127.0.0.1",
    "key": "0123456789abcdef",
}


@functools.cache
def right(argument):
    """Return what an argument takes."""
    if argument in ("result", "results", "previous", "current", "first", "second", "frame"):
        return sg.segment(three_groups(), n_segments=3)
    if argument == "events":
        return purchases(("a", "2024-01-01", 3.0), ("a", "2024-03-01", 3.0))
    if argument == "attributes":
        return sg.read_attributes(pd.DataFrame({"customer_id": ["a"], "age": [3]}), demographic="age")
    others = {
        "contacts": lambda: pd.DataFrame({"customer_id": ["c001"], "email": ["ann@example.com"]}),
        "arms": lambda: pd.Series(["treated", "held out"] * 2, index=list("abcd")),
        "audience": lambda: sg.audience(right("result").labels),
        "customers": three_groups,
        "table": three_groups,
        "features": lambda: sg.RFM,
        "labels": lambda: right("result").labels,
        "prepared": lambda: right("result").prepared,
        "outcomes": lambda: pd.Series(range(4), index=list("abcd")),
        "live": lambda: object.__new__(Live),
        "log": lambda: pd.DataFrame({"x": [1.0, 1.0, 1.0]}),
        "policy": lambda: pd.Series([1.0, 1.0, 1.0]),
    }
    return others[argument]() if argument in others else MORE.get(argument, "x")


def parameters_of(name):
    return inspect.signature(getattr(sg, name)).parameters.values()


def objects():
    """Return each public function with each argument that it needs, or its first."""
    for name in sorted(set(sg.__all__) - TYPES - ESTIMATORS - NO_OBJECT - SOURCES):
        if callable(getattr(sg, name)):
            every = [p for p in parameters_of(name) if p.kind is p.POSITIONAL_OR_KEYWORD]
            for p in [p for p in every if p.default is p.empty] or every[:1]:
                yield pytest.param(name, p.name, id=f"{name}-{p.name}")


def call(name, argument, value):
    needed = [p for p in parameters_of(name) if p.kind is not p.VAR_POSITIONAL]
    said = {p.name: right(p.name) for p in needed if p.default is p.empty or p.name in MORE}
    return getattr(sg, name)(**(said | {argument: value}))


@pytest.mark.parametrize(("name", "argument"), list(objects()))
def test_wrong_objects_are_named(name, argument):
    """In the error stand the type that came and what to pass; no AttributeError comes from deep within."""
    for words, value in WRONG.items():
        if (name, argument, words) in FINE:
            continue
        table = r"|The table (?:of rules )?has no column|A feature is called|same index|no feature"
        table += r"|None of the 2 customers|The index of tables is"
        with pytest.raises(
            (TypeError, ValueError), match=f"is {words}{table * (words == 'a DataFrame')}"
        ) as caught:
            call(name, argument, value)
        assert str(caught.value).endswith(".") and len(str(caught.value)) < 300
