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
from segkit.methods.assignment import preparer_and_clusterer


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
        "as_of": _moment_of(origin.get("as_of")),
        "window": origin.get("window"),
        "sources": list(origin.get("sources") or []),
        "refused": dict(origin.get("refused") or {}),
        "units": {c: units.get(c, "") for c in customers.columns},
        "meanings": {c: meanings.get(c, "") for c in customers.columns},
        "features": list(customers.columns),
        "n_customers": len(customers),
        "n_sampled": getattr(preparer_and_clusterer(model)[1], "n_sampled_", len(customers)),
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


def _moment_of(as_of: object) -> str | None:
    """Return the moment of a table as text; None of one moment of many, such as ``snapshots(…).loc[date]``."""
    if isinstance(as_of, (list, tuple)):
        as_of = as_of[0] if len(as_of) == 1 else None
    return None if as_of is None else str(as_of)


def hash_of(customers: pd.DataFrame, labels: pd.Series) -> str:
    """Return a SHA-256 of customers and labels, both in the order of ids.

    Every column is hashed with its name, its type and its values, each text with its length, so that different tables
    have different hashes: 0 is not False, and a missing word is not an empty one.
    """
    digest = hashlib.sha256()
    columns = [("", pd.Series(customers.index)), *customers.items(), ("", labels)]
    for name, column in columns:
        kind, parts = _bytes_of(column)
        for part in (str(name).encode("utf-8", "surrogatepass"), kind.encode(), *parts):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def _bytes_of(column: pd.Series) -> tuple[str, list[bytes]]:
    """Return the type of a column, and its values and missing values as bytes."""
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype):
        values = column.fillna(False).to_numpy(dtype=np.uint8)
        return "bool", [values.tobytes(), np.packbits(missing).tobytes()]
    if pd.api.types.is_integer_dtype(column.dtype):
        wide = "uint64" if pd.api.types.is_unsigned_integer_dtype(column.dtype) else "int64"
        return "int", [column.fillna(0).to_numpy(dtype=wide).tobytes(), np.packbits(missing).tobytes()]
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=float, na_value=np.nan) + 0.0  # −0.0 becomes 0.0
        return "float", [np.where(missing, 0.0, values).tobytes(), np.packbits(missing).tobytes()]
    if isinstance(column.dtype, pd.StringDtype) and not missing.any():
        words = column.to_list()
        text = "\0" + "\0".join(words) if words else ""
        joined = text.encode("utf-8", "surrogatepass")
        plain = words if text.isascii() else [word.encode("utf-8", "surrogatepass") for word in words]
        lengths = np.fromiter(map(len, plain), np.int64, len(words)) + 1
        return "text", [lengths.tobytes(), joined, np.packbits(missing).tobytes()]
    texts = [b"" if gone else _typed(value) for value, gone in zip(column, missing, strict=True)]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    return "text", [lengths.tobytes(), b"".join(texts), np.packbits(missing).tobytes()]


def _typed(value: object) -> bytes:
    kind = "" if isinstance(value, str) else type(value).__name__
    return f"{kind}\0{value}".encode("utf-8", "surrogatepass")
