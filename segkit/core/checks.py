"""Check arguments that many functions take, before any work begins."""

from __future__ import annotations

import numpy as np
import pandas as pd


def check_count(name: str, value: object, least: int, why: str = "") -> None:
    """Refuse what is no whole number of at least so many.

    Raises
    ------
    ValueError
        Also for a number that is not whole, and for True.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} should be a whole number, {least} or more{why}.")


def check_seed(value: object) -> None:
    """Refuse what is no seed that random numbers can be drawn from again.

    Raises
    ------
    ValueError
    """
    check_count("random_state", value, 0, ": a seed, so that the same call gives the same answer")


def checked_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Return the customers if they can be segmented, or say what is wrong with them."""
    if not isinstance(customers, pd.DataFrame):
        raise TypeError(
            f"customers is a {type(customers).__name__}. It should be a DataFrame with a row for each customer "
            "and a column for each feature, as from customer_features."
        )
    if customers.empty:
        raise ValueError(
            f"customers has {customers.shape[0]} rows and {customers.shape[1]} columns. It should have a row for "
            "each customer and a column for each feature."
        )
    if not customers.index.is_unique:
        example = customers.index[customers.index.duplicated()][0]
        raise ValueError(
            f"The customer {example!r} has more than one row. Each customer should have one; group them."
        )
    kinds = pd.api.types.infer_dtype(customers.index, skipna=False)
    if customers.index.nlevels > 1 or customers.index.hasnans or kinds.startswith("mixed"):
        raise ValueError(
            "The index of customers holds missing ids, or ids of several kinds. Each customer should have one id, "
            "all of them text or all numbers: customers.set_index('customer_id')."
        )
    if not customers.columns.is_unique:
        example = customers.columns[customers.columns.duplicated()][0]
        raise ValueError(f"The feature {example!r} stands twice among the columns. Drop one of them.")
    unnamed = [c for c in customers.columns if not isinstance(c, str)]
    if unnamed:
        raise ValueError(
            f"The column {unnamed[0]!r} is not named by text. Rename it: customers.rename(columns=str)."
        )
    taken = [c for c in customers.columns if c in ("segment_id", "segment", "trust", "x", "y")]
    if taken:
        raise ValueError(
            f"A feature is called {taken[0]!r}, which result.to_frame() adds itself. Rename the feature."
        )
    numbers = customers.select_dtypes("number", exclude="complex")
    infinite = [c for c in numbers if np.isinf(numbers[c].to_numpy(dtype=float, na_value=np.nan)).any()]
    if infinite:
        raise ValueError(
            f"The feature {infinite[0]!r} holds infinity. Features are finite or missing; mend or drop it."
        )
    return customers
