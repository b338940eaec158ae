"""Orders of each customer as models of value read them, against counts by hand."""

import pandas as pd
import pytest

import segkit as sg
from segkit.tailor.value.order_history import order_history


def test_history_by_hand():
    """Two lines of an order are one; two orders at one moment are one event; returns and visits are no orders."""
    lines = pd.DataFrame(
        [
            ("ada", "2024-01-01", "purchase", "1", 10.0),
            ("ada", "2024-01-01", "purchase", "1", 20.0),
            ("ada", "2024-01-04", "purchase", "2", 5.0),
            ("ada", "2024-01-04", "purchase", "3", 7.0),
            ("ada", "2024-01-05", "return", "1", -10.0),
            ("cy", "2024-01-01", "visit", None, None),
            ("cy", "2024-01-11", "purchase", "5", 9.0),
        ],
        columns=["customer_id", "timestamp", "kind", "order_id", "amount"],
    )
    bob = pd.DataFrame({"customer_id": ["bob"], "timestamp": ["2024-01-03"]})
    events = sg.read_events(lines) + sg.read_events(bob, kind="purchase")  # whose amount is not known
    table = order_history(events, "2024-01-11")
    assert table.loc["ada"].to_list() == [3, 1, 3.0, 10.0, 42.0, 2]
    assert table.loc["bob"].to_dict() == pytest.approx(
        {"orders": 1, "x": 0, "t_x": 0, "T": 8, "spend": float("nan"), "paid": 0}, nan_ok=True
    )
    assert list(table.index) == ["ada", "bob"]
    with pytest.raises(ValueError, match="no purchases before as_of=2024-01-02 12:00:00"):
        order_history(sg.read_events(lines.iloc[4:]), "2024-01-02 12:00")
    with pytest.raises(ValueError, match="The log has no purchases: it holds return"):
        order_history(sg.read_events(lines[lines["kind"] == "return"]), "2024-01-11")
