"""Methods that recommend products, against matrices by hand and against textbook formulas."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.tailor.products import methods
from segkit.tailor.products.methods import METHODS, fit_method
from segkit.tailor.products.purchase_matrix import purchase_matrix
from segkit.tailor.products.ranking import blocks, top_products

LINES = pd.DataFrame(
    [
        ("ada", "tea", "2024-01-01", "o1", 1, "purchase"),
        ("ada", "tea", "2024-01-01", "o1", 2, "purchase"),
        ("ada", "tea", "2024-01-11", "o2", 1, "purchase"),
        ("ada", "tea", "2024-01-12", None, 1, "purchase"),
        ("ada", "rum", "2024-01-11", "o2", 0, "purchase"),
        ("bob", "rum", "2024-01-21", "o2", 1, "purchase"),
        ("bob", "tea", "2024-01-21", "o3", -1, "return"),
        ("bob", None, "2024-01-22", "o4", 1, "purchase"),
        ("cyd", "oil", "2024-02-01", "o5", 1, "purchase"),
    ],
    columns=["customer_id", "product_id", "timestamp", "order_id", "quantity", "kind"],
)


def read(lines):
    return sg.read_events(lines, kind_column="kind" if "kind" in lines else None, **(
        {} if "kind" in lines else {"kind": "purchase"}
    ))  # fmt: skip


def shop(n=120, products=9, seed=0):
    """Customers who each buy about a third of the products, on days of January."""
    rng = np.random.default_rng(seed)
    who, what = np.nonzero(rng.random((n, products)) < 0.35)
    days = pd.to_timedelta(rng.integers(0, 31, len(who)), unit="D")
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:03}" for i in who],
            "product_id": [f"p{j}" for j in what],
            "timestamp": pd.Timestamp("2024-01-01") + days,
        }
    )


def test_matrix_counts_orders_by_hand():
    purchases = purchase_matrix(read(LINES), "2024-02-01")
    assert list(purchases.customers) == ["ada", "bob"] and list(purchases.products) == ["rum", "tea"]
    assert purchases.orders.toarray().tolist() == [[0, 3], [1, 0]]
    assert purchases.last.toarray().tolist() == [[0, 20], [11, 0]]
    assert purchases.buyers().tolist() == [1, 1] and purchases.buyers(within=15).tolist() == [1, 0]
    recent = purchase_matrix(read(LINES), "2024-02-01", window="15 days")
    assert list(recent.customers) == ["bob"] and list(recent.products) == ["rum"]


def test_nobody_bought_or_no_products():
    with pytest.raises(ValueError, match="Nobody bought a product before 2023"):
        purchase_matrix(read(LINES), "2023-02-01")
    with pytest.raises(ValueError, match="Nobody bought a product in the 1 days"):
        purchase_matrix(read(LINES), "2024-01-31", window="1 day")
    events = read(LINES)
    nothing = replace(events, table=events.table.filter(events.table.customer_id == "nobody"))
    with pytest.raises(
        ValueError, match="Nobody bought a product before 2024-02-01 00:00:00; there are no events"
    ):
        purchase_matrix(nothing, "2024-02-01")
    with pytest.raises(ValueError, match="Read them with product_id="):
        purchase_matrix(read(LINES.drop(columns="product_id")), "2024-02-01")


def test_order_of_rows_does_not_matter():
    lines = shop()
    one, two = (
        purchase_matrix(read(rows), "2024-02-01") for rows in (lines, lines.sample(frac=1, random_state=1))
    )
    rows = np.arange(len(one.customers))
    labels = pd.Series(rows % 3, one.customers)
    for name in METHODS:
        first = fit_method(name, one, labels)
        scores = first.scores(rows)
        assert np.array_equal(scores, fit_method(name, two, labels.sample(frac=1)).scores(rows)), name
        # an answer does not depend on the others that are asked about
        assert np.array_equal(first.scores(rows[7:8]), scores[7:8]), name


def test_ease_equals_its_textbook_formula(monkeypatch):
    """P = (X'X + λ)⁻¹, weights −P_ij / P_jj, none for a product of itself."""
    monkeypatch.setattr(methods, "COLUMNS", 4)  # so that three blocks are swept
    purchases = purchase_matrix(read(shop()), "2024-02-01")
    x = 0.5 ** (purchases.last.toarray() / methods.HALF_LIFE) * (purchases.orders.toarray() > 0)
    gram = x.T @ x
    inverse = np.linalg.inv(gram + methods.RIDGE * np.diag(gram).mean() * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = fit_method("EASE", purchases).scores(np.arange(len(x)))
    assert np.allclose(scores, x @ weights, atol=1e-5)
    monkeypatch.setattr(methods, "EASE_PRODUCTS", 6)  # the others are not scored
    few = fit_method("EASE", purchases).scores(np.arange(2))
    most = np.argsort(-purchases.buyers(), kind="stable")[:6]
    assert np.array_equal(np.isfinite(few[0]), np.isin(np.arange(9), most))


def test_long_work_shows_progress(monkeypatch):
    shown = []
    monkeypatch.setattr(methods, "COLUMNS", 4)
    monkeypatch.setattr(methods, "tqdm", lambda steps, desc, **_: shown.append((desc, len(steps))) or steps)
    purchases = purchase_matrix(read(shop()), "2024-02-01")
    fit_method("EASE", purchases)
    fit_method("item-kNN", purchases)
    assert shown == [("EASE, counting pairs", 3), ("EASE, solving", 3), ("Comparing products", 3)]


def test_item_knn_equals_cosines_by_hand(monkeypatch):
    monkeypatch.setattr(methods, "COLUMNS", 4)
    purchases = purchase_matrix(read(shop()), "2024-02-01")
    bought = (purchases.orders.toarray() > 0).astype(float)
    common = bought.T @ bought
    cosine = (
        common / np.sqrt(np.outer(np.diag(common), np.diag(common))) * common / (common + methods.SHRINKAGE)
    )
    np.fill_diagonal(cosine, 0)
    recent = bought * 0.5 ** (purchases.last.toarray() / methods.HALF_LIFE)
    rows = np.arange(len(bought))
    assert np.allclose(fit_method("item-kNN", purchases).scores(rows), recent @ cosine, atol=1e-5)
    monkeypatch.setattr(methods, "NEIGHBOURS", 2)
    third = -np.sort(-cosine, axis=1)[:, 2:3]
    nearest = np.where(cosine > third, cosine, 0)
    assert np.allclose(fit_method("item-kNN", purchases).scores(rows), recent @ nearest.T, atol=1e-5)


def test_popularity_of_shop_and_segment(monkeypatch):
    monkeypatch.setattr(methods, "PRIOR", 2.0)
    rows = [("a", "tea", "2024-01-30"), ("b", "tea", "2024-01-30"), ("c", "rum", "2024-01-30")]
    rows += [("d", "rum", "2023-10-01"), ("d", "oil", "2024-01-30")]
    lines = pd.DataFrame(rows, columns=["customer_id", "product_id", "timestamp"])
    purchases = purchase_matrix(read(lines), "2024-02-01")
    shop_shares = [0.25, 0.25, 0.5]  # oil, rum and tea; the rum of October is not recent
    rows = np.arange(4)
    assert fit_method("recent popularity", purchases).scores(rows).tolist() == [shop_shares] * 4
    now, october = 0.5 ** (2 / 91), 0.5 ** (123 / 91)
    lasting = [now / 4, (now + october) / 4, 2 * now / 4]
    assert np.allclose(fit_method("lasting popularity", purchases).scores(rows), [lasting] * 4)
    labels = pd.Series({"a": "A", "b": "A", "c": "B", "nobody": "C"})
    found = fit_method("segment popularity", purchases, labels).scores(rows)
    assert found[0].tolist() == found[1].tolist() == [0.5 / 4, 0.5 / 4, (2 + 1) / 4]
    assert np.allclose(found[2], [0.5 / 3, 1.5 / 3, 1 / 3])
    assert found[3].tolist() == shop_shares  # without a segment
    outside = fit_method("segment popularity", purchases, pd.Series({"a": -1, "b": 0})).scores(rows)
    assert outside[0].tolist() == shop_shares


def test_own_history_by_hand():
    more = pd.DataFrame({"customer_id": ["dan", "eve"], "product_id": "tea", "timestamp": "2024-01-05"})
    lines = pd.concat([LINES, more.assign(order_id=["o8", "o9"], quantity=1, kind="purchase")])
    found = fit_method("own history", purchase_matrix(read(lines), "2024-02-01")).scores(np.array([1, 0]))
    rum, tea = (1 + 1) / 4, (3 + 1) / 4  # buyers in the last 28 days, and one more, of four customers
    assert np.allclose(found[0], [0.5 ** (11 / 91) * rum**0.25, -np.inf])
    assert np.allclose(found[1], [-np.inf, 3 * 0.5 ** (20 / 91) * tea**0.25])


def test_unknown_method_and_missing_labels():
    purchases = purchase_matrix(read(shop()), "2024-02-01")
    with pytest.raises(ValueError, match="Did you mean 'EASE'"):
        fit_method("ESAE", purchases)
    with pytest.raises(ValueError, match="needs labels"):
        fit_method("segment popularity", purchases)


def test_one_product_and_one_customer():
    lines = pd.DataFrame({"customer_id": ["a"], "product_id": ["tea"], "timestamp": ["2024-01-30"]})
    purchases = purchase_matrix(read(lines), "2024-02-01")
    for name in METHODS:
        scores = fit_method(name, purchases, pd.Series({"a": 0})).scores(np.array([0]))
        assert scores.shape == (1, 1) and np.isfinite(scores).all(), name


def test_ties_go_to_the_first_product():
    scores = np.array([[1.0, 3, 3, 2, 3], [0, -np.inf, -np.inf, 5, 0], [-np.inf] * 5])
    assert top_products(scores, 2).tolist() == [[1, 2], [3, 0], [-1, -1]]
    assert top_products(scores, 9)[0].tolist() == [1, 2, 4, 3, 0, -1, -1, -1, -1]
    rng = np.random.default_rng(0)
    many = rng.integers(0, 5, (50, 40)).astype(float)
    assert np.array_equal(top_products(many, 7), np.argsort(-many, axis=1, kind="stable")[:, :7])


def test_blocks_hold_each_customer_once(monkeypatch):
    monkeypatch.setattr("segkit.tailor.products.ranking.CELLS", 30)
    rows = np.arange(10)[::-1]
    cut = list(blocks(rows, 10, "Scoring"))
    assert [len(block) for block in cut] == [3, 3, 3, 1] and np.array_equal(np.concatenate(cut), rows)
