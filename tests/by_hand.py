"""What the tests of feature families begin with: Ada, looked at on one day."""

import pandas as pd
import pytest
from tables import purchases

import segkit as sg

AS_OF = pd.Timestamp("2024-07-01")  # a Monday


def days_before(days):
    return AS_OF - pd.Timedelta(days=days)


def log(*rows, **said):
    """Events of Ada, (kind, days before AS_OF, columns) each, read."""
    lines = [
        {"customer_id": "ada", "kind": kind, "timestamp": days_before(d), **more} for kind, d, more in rows
    ]
    return sg.read_events(pd.DataFrame(lines), **said)


def bought(*lines, **more):
    """Purchases of Ada, (days before AS_OF, amount) each."""
    return purchases(*(("ada", days_before(days), amount) for days, amount in lines), **more)


def ada(events, features=None, **said):
    """Ada's features; all that these events can give, where none are named."""
    if features is None:
        catalogue = sg.feature_catalogue(events=events)
        features = sg.select_features(*catalogue.loc[catalogue["needs"] == "", "name"])
    return sg.customer_features(events, features, **({"as_of": AS_OF} | said)).loc["ada"].to_dict()


def one(events, name, **said):
    return ada(events, sg.select_features(name), **said)[name]


def exactly(expected):
    """A word as it is; a number to nine digits, missing where it is missing."""
    return expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
