"""Small logs for the tests of feature families: Ada alone, or many scenarios, each of them a customer."""

import pandas as pd
import pytest
from tables import purchases

import segkit as sg

AS_OF = pd.Timestamp("2024-07-01")  # a Monday


def days_before(days):
    return AS_OF - pd.Timedelta(days=days)


def lines(rows, customer="ada", **columns):
    """Return events as dicts: (kind, time, more columns) each, the time in days before AS_OF or as text."""
    return [
        {
            "customer_id": customer,
            "kind": kind,
            "timestamp": time if isinstance(time, str) else str(days_before(time)),
            **columns,
            **(more[0] if more else {}),
        }
        for kind, time, *more in rows
    ]


def log(*rows, columns=None, **options):
    """Read events of Ada."""
    return sg.read_events(pd.DataFrame(lines(rows, **(columns or {}))), **options)


def scenarios_log(scenarios, columns=None, **options):
    """Read the events of several scenarios; each is a customer, numbered from 0."""
    numbered = enumerate(scenarios.values())
    events = [line for i, rows in numbered for line in lines(rows, str(i), **(columns or {}))]
    return sg.read_events(pd.DataFrame(events), **options)


def each(scenarios, *features, columns=None, as_of=AS_OF, **options):
    """Compute features, or those of these names, of several scenarios at once; one row for each."""
    chosen = [f for one in features for f in (sg.select_features(one) if isinstance(one, str) else (one,))]
    events = scenarios_log(scenarios, columns, **options)
    frame = sg.customer_features(events, chosen, as_of=as_of)
    return frame.reindex([str(i) for i in range(len(scenarios))]).set_axis(list(scenarios))


def bought(*lines, **more):
    """Read purchases of Ada, (days before AS_OF, amount) each."""
    return purchases(*(("ada", days_before(days), amount) for days, amount in lines), **more)


def ada(events, features=None, **options):
    """Compute Ada's features; all that these events allow by default."""
    if features is None:
        catalogue = sg.feature_catalogue(events=events)
        features = sg.select_features(*catalogue.loc[catalogue["needs"] == "", "name"])
    return sg.customer_features(events, features, **({"as_of": AS_OF} | options)).loc["ada"].to_dict()


def one(events, name, **options):
    return ada(events, sg.select_features(name), **options)[name]


def exactly(expected):
    """Return a word unchanged, and numbers to nine digits, missing where they are missing."""
    return expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def differences(values, expected):
    """Return the computed and the expected value of each feature that differs."""
    assert set(expected) <= set(values)
    return {name: (values[name], value) for name, value in expected.items() if values[name] != exactly(value)}
