"""What segments buy more often than others, against counts by hand and against shops without taste."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg


def shop(n=600, taste=1.0, seed=0, products=30):
    """Customers of two segments; the first product is bought `taste` times as often in the first."""
    rng = np.random.default_rng(seed)
    labels = pd.Series(rng.integers(0, 2, n), index=[f"c{i:04}" for i in range(n)])
    chance = np.full((n, products), 0.15)
    chance[labels.to_numpy() == 0, 0] *= taste
    who, what = np.nonzero(rng.random((n, products)) < chance)
    lines = pd.DataFrame(
        {
            "customer_id": labels.index[who],
            "product_id": [f"p{j:02}" for j in what],
            "timestamp": "2024-01-01",
            "amount": 1.0,
        }
    )
    return sg.read_events(lines, kind="purchase"), labels


def test_counts_are_those_of_hand():
    lines = pd.DataFrame(
        [
            ("a", "tea", "2024-01-01"),
            ("a", "tea", "2024-01-02"),
            ("b", "tea", "2024-01-01"),
            ("b", "rum", "2024-01-01"),
        ]
        + [(f"x{i}", "rum", "2024-01-01") for i in range(20)]
        + [(f"y{i}", "tea", "2024-01-01") for i in range(20)]
        + [("late", "tea", "2024-03-01"), ("nobody", "tea", "2024-01-01")],
        columns=["customer_id", "product_id", "timestamp"],
    )
    labels = pd.Series(
        {"a": "A", "b": "A"}
        | {f"y{i}": "A" for i in range(20)}
        | {f"x{i}": "B" for i in range(20)}
        | {"late": "B"}
    )
    events = sg.read_events(lines, kind="purchase")
    table = sg.segment_products(events, labels, as_of="2024-02-01", minimum=1).set_index(
        ["segment", "product_id"]
    )
    assert list(table.index) == [("A", "tea"), ("B", "rum")]
    assert table.loc[("A", "tea"), ["buyers", "share", "elsewhere"]].tolist() == [22, 1.0, 0.0]
    assert table.loc[("B", "rum"), ["buyers", "share"]].tolist() == [20, 1.0]
    assert table.loc[("B", "rum"), "elsewhere"] == pytest.approx(1 / 22)
    assert ((table["low"] < table["ratio"]) & (table["ratio"] < table["high"])).all()


def test_a_shop_without_taste_gives_almost_nothing():
    said = [len(sg.segment_products(*shop(seed=seed), as_of="2024-02-01", minimum=1)) for seed in range(8)]
    assert np.mean(said) / 60 < 0.025  # of 60 pairs of product and segment


def test_planted_tastes_are_found_and_their_intervals_hold():
    """Half of the products are liked more in one segment; the ratio of each product is known."""
    held = true = said = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = pd.Series(rng.integers(0, 2, 800), index=[f"c{i:04}" for i in range(800)])
        spread = np.exp(rng.normal(0, 0.5, 30))
        chance = np.where(labels.to_numpy()[:, None] == 0, 0.15 * spread, 0.15)
        who, what = np.nonzero(rng.random(chance.shape) < chance.clip(0, 0.9))
        lines = pd.DataFrame(
            {"customer_id": labels.index[who], "product_id": what.astype(str), "timestamp": "2024-01-01"}
        )
        table = sg.segment_products(
            sg.read_events(lines, kind="purchase"), labels, as_of="2024-02-01", n=30, minimum=1
        )
        ratio = spread[table["product_id"].astype(int)] ** np.where(table["segment"] == "0", 1, -1)
        held += ((table["low"] <= ratio) & (ratio <= table["high"])).sum()
        true += (ratio > 1).sum()
        said += len(table)
    assert said > 40 and true / said >= 0.97 and held / said >= 0.9


def test_segments_by_name_outside_and_categories():
    events, labels = shop(taste=3.0)
    customers = pd.DataFrame(
        {"age": labels.to_numpy() * 9.0 + np.arange(len(labels)) % 3}, index=labels.index
    )
    result = sg.segment(customers, n_segments=2).with_names({0: "Fans"})
    table = sg.segment_products(events, result, as_of="2024-02-01", n=1, minimum=1)
    assert set(table["segment"]) <= {"Fans", "Segment 1"} and "p00" in set(table["product_id"])
    outside = sg.segment_products(events, labels.replace(1, -1), as_of="2024-02-01", minimum=1)
    assert set(outside["segment_id"]) == {0}
    yes = sg.segment_products(events, labels == 0, as_of="2024-02-01", minimum=1)
    assert set(yes["segment"]) == {"True"} and yes["product_id"].tolist() == ["p00"]
    with pytest.raises(ValueError, match="hold no customer"):
        sg.segment_products(events, labels[:0], as_of="2024-02-01", minimum=1)
    with pytest.raises(ValueError, match="no category"):
        sg.segment_products(events, labels, as_of="2024-02-01", of="category", minimum=1)
    with pytest.raises(ValueError, match="Say a later as_of"):
        sg.segment_products(events, labels, as_of="2023-02-01", minimum=1)
    with pytest.raises(ValueError, match="Choose from product_id, category"):
        sg.segment_products(events, labels, as_of="2024-02-01", of="brand", minimum=1)
