"""Read which customers were chosen: by ids, or by True and False for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import counted


def chosen_rows(
    index: pd.Index, chosen: Any, name: str = "customers", wanted: str = "It should be a list of customers."
) -> np.ndarray:
    """Return which rows were chosen.

    Parameters
    ----------
    index : Index
        The ids of all customers.
    chosen : Index, Series, list, tuple or set of ids; boolean Series on the index; or True and False in its order
    name, wanted : str
        For the messages.

    Returns
    -------
    ndarray of bool, shape (n_customers,)

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If a customer is unknown, or a boolean array is of another length.

    Examples
    --------
    >>> chosen_rows(pd.Index(["ada", "bob", "cy"]), ["cy", "ada"]).tolist()
    [True, False, True]
    """
    check_type(name, chosen, (pd.Index, pd.Series, np.ndarray, list, tuple, set), wanted)
    if isinstance(chosen, pd.Series) and pd.api.types.is_bool_dtype(chosen.dtype):
        if chosen.hasnans:
            raise ValueError(
                f"{name} holds missing values beside True and False. Fill them in: fillna(False)."
            )
        chosen = chosen.astype(bool)
        if chosen.index is index:
            return chosen.to_numpy()
        return chosen.reindex(index, fill_value=False).to_numpy()
    if (
        isinstance(chosen, (list, tuple))
        and chosen
        and all(isinstance(one, (bool, np.bool_)) for one in chosen)
    ):
        chosen = np.array(chosen)
    if isinstance(chosen, np.ndarray) and chosen.dtype == bool:
        if len(chosen) != len(index):
            raise ValueError(
                f"{name} holds True or False for {counted(len(chosen), 'customer')} instead of {len(index):,}. Pass "
                "one for each, in the order of result.customers."
            )
        return chosen
    ids = pd.Index(list(chosen))
    unknown = ids.difference(index)
    if len(unknown):
        raise ValueError(
            f"{counted(len(unknown), 'customer is', 'customers are')} not in this segmentation, such as "
            f"{pd.Series(unknown).tolist()[0]!r}."
        )
    return index.isin(ids)
