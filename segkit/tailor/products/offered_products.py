"""Tell which products can be recommended: not those gone from the shop, and to nobody what came back from them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.collect.events import Events
from segkit.core.engine.connection import locked_engine, run_with_progress
from segkit.core.messages import counted, did_you_mean, in_words, listed
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, like, product_lines

SILENT = 0.1  # share of the log that a product is not bought in before it can be gone
MISSED = 5  # days with a purchase that it would have had since
SECONDS_A_DAY = 86_400


@locked_engine
def product_lives(events: Events, moment: pd.Timestamp, products: pd.Index) -> pd.DataFrame:
    """Return the number of `days` on which anybody bought each product, and the `first` and `last` as days of UTC."""
    lines = product_lines(events, moment)
    day = (lines.timestamp.epoch_seconds() / SECONDS_A_DAY).floor()
    lines = lines.select("product_id", day=day)
    query = lines.group_by("product_id").agg(
        days=lines.day.nunique(), first=lines.day.min(), last=lines.day.max()
    )
    found = run_with_progress(query, query.to_pandas, "Looking for products that are gone")
    return found.set_index("product_id").astype(float).reindex(products)


def gone_products(lives: pd.DataFrame) -> np.ndarray:
    """Return which products are gone from the shop.

    A product is gone if nobody bought it in the last tenth of the log, or longer, and its days with a purchase, spread
    evenly over the log, would have put five or more of them there. The log ends with its last purchase, so a moment
    long after that makes no product gone.

    Examples
    --------
    >>> gone_products(pd.DataFrame({"days": [50, 50, 2], "first": 0, "last": [60, 99, 60]})).tolist()
    [True, False, False]
    """
    start, end = lives["first"].min(), lives["last"].max()
    silent = (end - lives["last"]) / (end - start + 1)
    return ((silent > SILENT) & (lives["days"] * silent >= MISSED)).to_numpy()


def excluded_products(exclude: Iterable[object] | None, products: pd.Index) -> np.ndarray:
    """Return which products are not to be recommended.

    Raises
    ------
    TypeError
        If it is no list of ids.

    Warns
    -----
    UserWarning
        If nobody bought a product of the list: a misspelt id would exclude nothing.
    """
    if exclude is None:
        return np.zeros(len(products), dtype=bool)
    if isinstance(exclude, (str, bytes, dict, pd.DataFrame, type)) or not isinstance(exclude, Iterable):
        raise TypeError(f"exclude is {in_words(exclude)}. Pass a list of product ids: exclude=['85123A'].")
    ids = [str(product) for product in exclude]
    unknown = sorted(set(ids) - set(products))
    if unknown:
        warnings.warn(
            f"exclude has {counted(len(unknown), 'product')} that nobody bought: {listed(unknown, 5)}."
            f"{did_you_mean(unknown[0], products)} Correct the ids, or leave them out.",
            stacklevel=3,
        )
    return products.isin(ids)


@locked_engine
def without_returned(events: Events, moment: pd.Timestamp, bought: PurchaseMatrix) -> PurchaseMatrix:
    """Return the purchases without the products that a customer sent back entirely.

    What counts is the quantity, and 1 for each line without one: a product is sent back where returns are as many as
    purchases, or more. Rows and columns stay the same.
    """
    kinds = events.kinds()
    if not kinds.get("return", 0):
        return bought
    t = events.table
    known = t.filter(t.kind.isin(["purchase", "return"]) & (t.timestamp < moment) & t.product_id.notnull())
    pieces = known.quantity.fill_null(1).abs() if "quantity" in known.columns else known.timestamp.notnull()
    pieces = pieces.cast("decimal(18, 6)")  # sums of decimals do not depend on the order of rows
    back = known.kind == "return"
    pairs = known.group_by(["customer_id", "product_id"]).agg(
        net=back.ifelse(-pieces, pieces).sum(), returned=back.sum()
    )
    query = pairs.filter((pairs.returned > 0) & (pairs.net <= 0)).select("customer_id", "product_id")
    found = run_with_progress(query, query.to_pandas, "Looking for returns")
    row = bought.customers.get_indexer(found["customer_id"])
    column = bought.products.get_indexer(found["product_id"])
    there = (row >= 0) & (column >= 0)
    width = len(bought.products)
    sent_back = row[there].astype(np.int64) * width + column[there]
    at = np.repeat(np.arange(len(bought.customers)), np.diff(bought.orders.indptr)).astype(np.int64)
    kept = ~np.isin(at * width + bought.orders.indices, sent_back)
    return replace(bought, orders=_only(bought.orders, kept), last=_only(bought.last, kept))


def _only(matrix: sparse.csr_array, kept: np.ndarray) -> sparse.csr_array:
    """Return a sparse matrix with some of its places only."""
    some = like(matrix, np.where(kept, matrix.data, 0.0)).copy()
    some.eliminate_zeros()
    return some
