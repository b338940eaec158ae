"""A small shop with a live folder, and messages of its customers, for tests that follow a queue."""

import functools
import json

import pandas as pd

import segkit as sg

BEGIN = pd.Timestamp("2025-01-01")
PACES = {"often": (5.5, 20), "seldom": (31.25, 5), "much": (13.5, 300)}
CUSTOMERS = [f"{pace} {n}" for pace in PACES for n in range(5)]


@functools.cache
def first():
    """Return the events before 2025."""
    rows = [
        {
            "event_id": f"{customer} {i}",
            "order_id": f"{customer} {i}",
            "customer_id": customer,
            "kind": "purchase",
            "timestamp": BEGIN - pd.Timedelta(days=PACES[customer.split()[0]][0] * i + 1 + int(customer[-1])),
            "amount": PACES[customer.split()[0]][1] + float(customer[-1]),
        }
        for customer in CUSTOMERS
        for i in range(2 + int(customer[-1]) % 3)
    ]
    return sg.read_events(pd.DataFrame(rows))


@functools.cache
def segments():
    """Return three segments of its customers."""
    return sg.segment(sg.customer_features(first(), sg.RFM, as_of=BEGIN), n_segments=3)


def opened(result, folder):
    """Open the live folder, or begin it."""
    return sg.live_segments(result, first(), sg.RFM, folder=folder)


def purchase(number, customer="often 0", *, after=0.0, **columns):
    """Return an event some seconds after 2025 began."""
    return {
        "event_id": f"n{number}",
        "order_id": f"n{number}",
        "customer_id": customer,
        "kind": "purchase",
        "timestamp": (BEGIN + pd.Timedelta(seconds=after)).isoformat(),
        "amount": 20.0,
        **columns,
    }


def as_lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)
