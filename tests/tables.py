"""Small tables that several tests begin with."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import segkit as sg

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
ODD_NAMES = ["a.b[0]", "datum['x']", "back\\slash", 'q"uote:N', "line\nbreak", EVIL]


def order(event_id, customer, when, amount=20.0):
    """A table of one purchase, as live segments take it."""
    row = {"event_id": event_id, "customer_id": customer, "timestamp": pd.Timestamp(when), "kind": "purchase"}
    return pd.DataFrame([{**row, "amount": amount, "order_id": event_id}])


def weekly_and_once(weeks, *, apart="h", once="once {}"):
    """A table of ten customers with an order a week, and ten who came once, in January."""
    days = pd.date_range("2024-01-01", periods=weeks, freq="7D")
    often = [
        order(f"o{c}-{i}", f"often {c}", day + pd.Timedelta(c, apart))
        for c in range(10)
        for i, day in enumerate(days)
    ]
    rare = [order(f"s{c}", once.format(c), f"2024-01-{1 + c:02}", 5.0) for c in range(10)]
    return pd.concat(often + rare, ignore_index=True)


def orders(*lines, **more):
    """A table of orders: (customer, time, amount) each, and further columns."""
    return pd.DataFrame(lines, columns=["customer_id", "timestamp", "amount"]).assign(**more)


def purchases(*lines, **more):
    """The same, read."""
    return sg.read_events(orders(*lines, **more), kind="purchase")


def three_groups(n=20, **more):
    """Customers around (0, 0), (50, 0) and (0, 50), n of each, in this order."""
    rng = np.random.default_rng(0)
    centers = np.repeat([[10, 10], [60, 10], [10, 60]], n, axis=0)
    values = centers + rng.normal(size=(3 * n, 2))
    index = pd.Index([f"c{i:03}" for i in range(3 * n)], name="customer_id", dtype="str")
    return pd.DataFrame(values, index=index, columns=["visits", "spend"]).assign(**more)


def continuum(n=300, seed=0):
    """Customers without groups: log-normal, correlated."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.6 * np.eye(4) + 0.4)
    ids = pd.Index([f"c{i:04}" for i in range(n)], name="customer_id", dtype="str")
    return pd.DataFrame(np.exp(rng.normal(size=(n, 4)) @ root.T), ids, columns=["monetary", "b", "c", "d"])


def oddly_named(n=20):
    """Three groups of customers whose ids, features and words are all made to break a page."""
    customers = three_groups(n)
    for i, name in enumerate(ODD_NAMES):
        customers[name] = customers["visits"] * (i + 1)
    customers["word"] = pd.Categorical([EVIL, "plain", None] * n)
    return customers.set_axis([f"{i} {EVIL}" for i in range(3 * n)])


_WORDS = {
    "customer_id": ["ada", "bob", "Zoë", "<b>", "17850", "o'neil", "a,b"],
    "kind": [
        *("purchase", "purchase", "purchase", "purchase", "return", "visit"),
        *("page_view", "page_view", "page_view", "search", "cart_add", "cart_add"),
        *("email_sent", "email_open", "email_open", "email_click", "email_unsubscribe", "email_subscribe"),
        *("push_sent", "sms_click", "ad_open", "survey", "survey", "review", "chat"),
        *("social_like", "social_comment"),
    ],
    "order_id": [None, "1", "2", "3", "4"],
    "product_id": [None, "p1", "p2"],
    "category": [None, "A", "B", "C"],
    "brand": [None, "X", "é"],
    "campaign": [None, "spring", "autumn"],
    "text": [None, "Lovely"],
    "channel": [None, "web", "Store", "é"],
    "page": [None, "/", "/p/1"],
    "device": [None, "phone", "Desktop"],
    "place": [None, "North", "51.5, -0.1", "0,0", "-33.9, 151.2"],
    "zone": [None, "UTC", "Asia/Kolkata", "America/New_York"],
}
_NUMBERS = {
    "rating": [np.nan, 0.0, 1.0, 2.0, 3.3, 7.0, 9.0, 10.0],
    "sentiment": [np.nan, -1.0, -0.05, 0.1, 1 / 3, 0.7],
    "duration": [np.nan, 0.0, 0.3, 45.1, 4000.0],
}
_MINUTES = [0, 0, 0, 0.5, 3, 10, 29, 30, 31, 59]


def _event_table(n, seed):
    """Return n events, most of them on a few days: drawn from one number, so that tables can be large."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, rng.choice([6, 6, 60, 2000], n))  # of six hours
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(steps * 360 + rng.choice(_MINUTES, n), unit="min")
    table = pd.DataFrame(
        {name: rng.choice(np.array(words, dtype=object), n) for name, words in _WORDS.items()}
    )
    sign = np.where(table["kind"] == "return", -1, 1)
    return table.assign(
        timestamp=times.astype("datetime64[us]"),
        quantity=rng.integers(1, 6, n) * sign,
        amount=rng.integers(0, 10_001, n) * sign / 100,
        discount=rng.integers(0, 501, n) / 100,
        **{name: rng.choice(numbers, n) for name, numbers in _NUMBERS.items()},
    )


event_tables = st.builds(_event_table, st.integers(2, 30) | st.integers(300, 600), st.integers(0, 2**32 - 1))
"""Events of all families' kinds, of several customers, with ties in time and gaps in what is known."""
