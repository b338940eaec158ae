"""Count who bought what: a sparse matrix of customers and products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from scipy import sparse

from segkit.analyse.features.tables.orders import MICROSECONDS_A_DAY, is_bought
from segkit.collect.events import Events
from segkit.core.engine.connection import locked_engine, run_with_progress
from segkit.core.moments import read_moment, read_window

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, eq=False)
class PurchaseMatrix:
    """Who bought which product, in how many orders and how long ago.

    Attributes
    ----------
    customers, products : Index of str
        The rows and the columns, sorted: customers who bought anything known, and products that anybody bought.
    orders : csr_array of float, shape (n_customers, n_products)
        In how many orders a customer bought a product. A line without an order id is an order of its own.
    last : csr_array of float, same pattern
        Days before `as_of` of the last of them, above 0.
    """

    customers: pd.Index
    products: pd.Index
    orders: sparse.csr_array
    last: sparse.csr_array

    @property
    def bought(self) -> sparse.csr_array:
        """1 where a customer ever bought a product."""
        return like(self.orders, np.ones(self.orders.nnz, dtype=np.float32))

    def buyers(self, within: float | None = None) -> np.ndarray:
        """Count the customers who bought each product, ever or within the last days.

        Parameters
        ----------
        within : float, optional
            Days before `as_of`.

        Returns
        -------
        ndarray of int, shape (n_products,)
        """
        at = self.last.indices if within is None else self.last.indices[self.last.data <= within]
        return np.bincount(at, minlength=len(self.products))


def like(matrix: sparse.csr_array, values: np.ndarray) -> sparse.csr_array:
    """Return other values in the places of a matrix."""
    return sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def product_lines(events: Events, moment: pd.Timestamp) -> ir.Table:
    """Return the purchases of products before a moment: no returns, and no lines of quantity 0."""
    t = events.table
    return t.filter((t.kind == "purchase") & (t.timestamp < moment) & t.product_id.notnull() & is_bought(t))


@locked_engine
def purchase_matrix(
    events: Events, as_of: str | pd.Timestamp, *, window: str | timedelta | None = None
) -> PurchaseMatrix:
    """Count in how many orders each customer bought each product, and when last.

    Parameters
    ----------
    events : Events
    as_of : str or Timestamp
        Only purchases before it count. Returns, and lines of quantity 0, are no purchases.
    window : str or timedelta, optional
        How far back to look.

    Returns
    -------
    PurchaseMatrix
        The same for any order of the rows.

    Raises
    ------
    ValueError
        If events do not know products, or nobody bought any then.
    """
    moment, span = read_moment(as_of), read_window(window)
    if "product_id" not in events.columns:
        raise ValueError(
            "The events do not know what was bought: there is no product_id. Read them with product_id=, the name of "
            "its column."
        )
    lines = product_lines(events, moment)
    lines = lines if span is None else lines.filter(lines.timestamp >= moment - span)
    orders = lines.count()
    if "order_id" in lines.columns:
        orders = lines.order_id.nunique() + lines.count(where=lines.order_id.isnull())
    pairs = lines.group_by(["customer_id", "product_id"]).agg(orders=orders, last=lines.timestamp.max())
    rows = run_with_progress(pairs, pairs.to_pyarrow, "Counting who bought what")
    if not len(rows):
        when = (
            f"before {moment}"
            if span is None
            else f"in the {str(span).removesuffix(' 00:00:00')} before {moment}"
        )
        there = (
            "there are no events"
            if pd.isna(events.last)
            else f"events run from {events.first} to {events.last}"
        )
        raise ValueError(
            f"Nobody bought a product {when}; {there}. Choose another as_of, or check the kinds: only events of kind "
            "'purchase' that say what was bought count."
        )
    customers, row = _sorted_codes(rows["customer_id"])
    products, column = _sorted_codes(rows["product_id"])
    order = np.lexsort((column, row))
    start = np.searchsorted(row[order], np.arange(len(customers) + 1)).astype(np.int64)
    ages = (np.datetime64(moment, "us") - rows["last"].to_numpy().astype("datetime64[us]")).astype(np.int64)
    shape, at = (len(customers), len(products)), column[order]
    counts = rows["orders"].to_numpy()[order].astype(np.float64)
    days = ages[order] / MICROSECONDS_A_DAY
    return PurchaseMatrix(
        customers.rename("customer_id"),
        products.rename("product_id"),
        sparse.csr_array((counts, at, start), shape=shape),
        sparse.csr_array((days, at, start), shape=shape),
    )


def _sorted_codes(ids: object) -> tuple[pd.Index, np.ndarray]:
    """Return the distinct ids, sorted, and the place of each id among them."""
    coded = pc.dictionary_encode(ids).combine_chunks()
    known = pd.Index(coded.dictionary.to_pandas().astype("str"))
    order = known.argsort()
    place = np.empty(len(known), dtype=np.int32)
    place[order] = np.arange(len(known), dtype=np.int32)
    return known[order], place[coded.indices.to_numpy(zero_copy_only=False)]
