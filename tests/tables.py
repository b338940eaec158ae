"""Small tables that several tests begin with."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import segkit as sg

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
ODD_NAMES = ["a.b[0]", "datum['x']", "back\\slash", 'q"uote:N', "line\nbreak", EVIL]


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


def oddly_named(n=20):
    """Three groups of customers whose ids, features and words are all made to break a page."""
    customers = three_groups(n)
    for i, name in enumerate(ODD_NAMES):
        customers[name] = customers["visits"] * (i + 1)
    customers["word"] = pd.Categorical([EVIL, "plain", None] * n)
    return customers.set_axis([f"{i} {EVIL}" for i in range(3 * n)])


_COLUMNS = {
    "customer_id": st.sampled_from(["ada", "bob", "Zoë", "<b>", "17850", "o'neil", "a,b"]),
    "hours": st.integers(0, 60) | st.integers(0, 2000),  # steps of six hours: ties are common
    "kind": st.sampled_from(
        [
            *("purchase", "purchase", "purchase", "purchase", "return", "visit"),
            *(
                "email_sent",
                "email_open",
                "email_open",
                "email_click",
                "email_unsubscribe",
                "email_subscribe",
            ),
            *("push_sent", "sms_click", "ad_open", "survey", "survey", "review", "chat"),
            *("social_like", "social_comment"),
        ]
    ),
    "order_id": st.sampled_from([None, "1", "2", "3", "4"]),
    "product_id": st.sampled_from([None, "p1", "p2"]),
    "category": st.sampled_from([None, "A", "B", "C"]),
    "brand": st.sampled_from([None, "X", "é"]),
    "quantity": st.integers(1, 5),
    "amount": st.integers(0, 10_000),
    "discount": st.integers(0, 500),
    "campaign": st.sampled_from([None, "spring", "autumn"]),
    "rating": st.sampled_from([None, 0.0, 1.0, 2.0, 3.3, 7.0, 9.0, 10.0]),
    "sentiment": st.sampled_from([None, -1.0, -0.05, 0.1, 1 / 3, 0.7]),
    "text": st.sampled_from([None, "Lovely"]),
}


def _frame(lines):
    table = pd.DataFrame(lines, columns=list(_COLUMNS))
    sign = np.where(table["kind"] == "return", -1, 1)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(table.pop("hours") * 6, unit="h")
    return table.assign(
        timestamp=times.astype("datetime64[us]"),
        quantity=table["quantity"] * sign,
        amount=table["amount"] * sign / 100,
        discount=table["discount"] / 100,
        rating=table["rating"].astype("float64"),
        sentiment=table["sentiment"].astype("float64"),
    )


event_tables = st.lists(st.tuples(*_COLUMNS.values()), min_size=2, max_size=50).map(_frame)
"""Events of several kinds and customers, with ties in time and gaps in what is known."""
