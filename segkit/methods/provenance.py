"""Record how a segmentation was made, so that it can be repeated, and hash it."""

from __future__ import annotations

import hashlib
import platform
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.base import BaseEstimator

from segkit import __version__


def describe_fit(
    customers: pd.DataFrame,
    labels: pd.Series,
    model: BaseEstimator,
    method: str,
    n_segments: int | None,
    random_state: int,
) -> dict[str, Any]:
    """Describe the data, parameters and versions of a fit.

    Parameters
    ----------
    customers, labels
        In the order of ids.
    model : estimator
        Fitted.
    method, n_segments, random_state
        As passed.

    Returns
    -------
    dict
        Its values can be stored as JSON.
    """
    origin = customers.attrs.get("segkit") or {}
    units, meanings = origin.get("units") or {}, origin.get("meanings") or {}
    return {
        "as_of": None if origin.get("as_of") is None else str(origin["as_of"]),
        "window": origin.get("window"),
        "sources": list(origin.get("sources") or []),
        "units": {c: units.get(c, "") for c in customers.columns},
        "meanings": {c: meanings.get(c, "") for c in customers.columns},
        "features": list(customers.columns),
        "n_customers": len(customers),
        "method": method,
        "n_segments": None if n_segments is None else int(n_segments),
        "random_state": random_state if isinstance(random_state, (int, type(None))) else repr(random_state),
        "model": " ".join(repr(model).split()),
        "versions": {
            "segkit": __version__,
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
        "hash": hash_of(customers, labels),
    }


def hash_of(customers: pd.DataFrame, labels: pd.Series) -> str:
    """Return a SHA-256 of customers and labels, both in the order of ids."""
    digest = hashlib.sha256()
    for column in (pd.Series(customers.index), *(customers[c] for c in customers.columns), labels):
        if pd.api.types.is_numeric_dtype(column.dtype):
            digest.update(column.to_numpy(dtype=float, na_value=np.nan).tobytes())
        else:
            digest.update("\x1f".join(column.astype("str").fillna("\x1e")).encode())
        digest.update(b"\x1d")
    digest.update("\x1f".join(customers.columns).encode())
    return digest.hexdigest()
