"""Read ids of customers, and the segments of customers by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.core.messages import counted, in_words
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import UNDECIDED, Partition, labels_by_customer
from segkit.tailor.audiences.contacts import shown

LAST = (str(OUTSIDE), "Outside", UNDECIDED)
UNKNOWN = "No segment"  # customers that the segments do not know


def customer_ids(customers: object, name: str) -> tuple[pd.Index, pd.Index]:
    """Return ids as they are, and as text.

    Parameters
    ----------
    customers : Index, Series or list of ids, or DataFrame with the ids as its index
    name : str
        The argument, for errors.

    Raises
    ------
    TypeError, ValueError
        If these are no ids, or one is missing or a decimal number.
    """
    if isinstance(customers, pd.DataFrame):
        customers = customers.get("customer_id", customers.index)
    plain = isinstance(customers, (pd.Index, pd.Series, np.ndarray, list, tuple, range, set, frozenset))
    if not plain or isinstance(customers, pd.MultiIndex):
        raise TypeError(
            f"{name} is {in_words(customers)}. Pass the ids of customers: a list, or customers.index."
        )
    ordered = sorted(customers, key=str) if isinstance(customers, (set, frozenset)) else customers
    ids = pd.Index(ordered)
    missing = ids.isna()
    if missing.any():
        raise ValueError(
            f"{counted(int(missing.sum()), 'id')} of {name} {'is' if missing.sum() == 1 else 'are'} missing. Drop them."
        )
    return ids, text_of(ids, name)


def text_of(ids: pd.Index, name: str) -> pd.Index:
    """Return ids as text.

    Raises
    ------
    ValueError
        If ids are decimal numbers or no ids at all: 1.0 would be another customer than 1.
    """
    if isinstance(ids.dtype, pd.CategoricalDtype):
        ids = pd.Index(np.asarray(ids))
    if pd.api.types.infer_dtype(ids, skipna=False) not in ("string", "integer", "empty"):
        raise ValueError(
            f"The ids of {name} should be all text or all whole numbers, and begin with {in_words(ids.to_list()[0])}. "
            "Convert them first: .astype(int), or .astype(str)."
        )
    return ids if ids.dtype == "str" else ids.astype("str")


def segment_names(by: Partition | pd.Series, ids: pd.Index) -> pd.Series:
    """Return the name of each customer's segment, as a category in the order of segments, outside and undecided last.

    Parameters
    ----------
    by : Segmentation or Series
    ids : Index of str

    Returns
    -------
    Series of category, on `ids`
        Customers that `by` does not know are in "No segment".
    """
    labels = labels_by_customer(by, "by")
    if isinstance(by, Partition):
        labels = by.named_labels.set_axis(labels.index)
    codes, names = pd.factorize(labels, sort=True)
    if isinstance(labels.dtype, pd.CategoricalDtype):
        codes, names = labels.cat.codes.to_numpy(), labels.cat.categories
    order = sorted(range(len(names)), key=lambda i: str(names[i]) in LAST)  # stable: the others stay in order
    codes, names = np.argsort(order)[codes] if len(codes) else codes, [names[i] for i in order]
    if not labels.index.equals(ids):
        place = labels.index.get_indexer(ids)
        if len(ids) and not (place >= 0).any():
            raise ValueError(
                f"by knows none of the {counted(len(ids), 'customer')}, such as {shown(ids[0])}. Pass the segments of "
                "these customers, by the same ids."
            )
        codes = np.where(place >= 0, codes[place], -1) if len(codes) else place
    texts = [str(name) for name in names]
    if (codes < 0).any():
        codes, texts = np.where(codes < 0, len(texts), codes), [*texts, UNKNOWN]
    return pd.Series(pd.Categorical.from_codes(codes, texts), index=ids, name="segment")
