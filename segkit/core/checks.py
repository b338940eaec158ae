"""Check arguments that several functions take, before any work begins."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from segkit.core.messages import counted, in_words
from segkit.core.written import are_bands, looks_like_dates, looks_like_numbers, nearly_all

SCALARS = (str, int, float, np.number, type(None))
BYTE_ORDER_MARK = "\ufeff"  # which some readers leave before the first name of a file
JOINERS = "\u200c\u200d"  # zero-width, but part of words in some scripts and of emoji


def check_count(name: str, value: object, least: int, why: str = "") -> None:
    """Check that an argument is a whole number of at least `least`.

    Raises
    ------
    ValueError
        Also for True and False.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        shown = f"{name}={value!r}" if isinstance(value, SCALARS) else f"{name} is {in_words(value)}: it"
        raise ValueError(f"{shown} should be a whole number, {least} or more{why}.")


def check_seed(value: object) -> None:
    """Check that `random_state` is a seed, so that random numbers are the same at each call.

    Raises
    ------
    ValueError
    """
    check_count("random_state", value, 0, ": a seed, so that the same call gives the same answer")


def check_level(value: object) -> None:
    """Check that `level`, the coverage of intervals, lies between 0 and 1.

    Raises
    ------
    ValueError
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value < 1:  # type: ignore[operator]
        raise ValueError(f"level={value!r} should lie between 0 and 1, such as 0.95.")


def check_type(name: str, value: object, types: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of an argument, so that no AttributeError comes from deep within.

    Parameters
    ----------
    name : str
        The argument.
    value : object
    types : type or tuple of types
    wanted : str
        A sentence on what it should be, and how to get that.

    Raises
    ------
    TypeError
    """
    if not isinstance(value, types):
        raise TypeError(f"{name} is {in_words(value)}. {wanted}")


def checked_path(path: str | Path, wanted: str = "It should be a path, such as 'segments'.") -> Path:
    """Check that an argument is a path, and return it.

    Raises
    ------
    TypeError
    """
    check_type("path", path, (str, os.PathLike), wanted)
    return Path(path)


def check_frame(name: str, value: object, wanted: str) -> None:
    """Check that an argument is a DataFrame of pandas; of another library, say how to turn it into one.

    Raises
    ------
    TypeError
    """
    if hasattr(value, "to_pandas") and not isinstance(value, type):
        wanted = (
            f"Turn it into a pandas one, with the ids as its index: "
            f"{name} = {name}.to_pandas().set_index('customer_id')."
        )
    check_type(name, value, pd.DataFrame, wanted)


def checked_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Check that a table of customers can be segmented, and return it.

    Raises
    ------
    TypeError, ValueError
    """
    check_frame(
        "customers",
        customers,
        "It should be a DataFrame with a row for each customer and a column for each feature, as from "
        "customer_features(events, …).",
    )
    if customers.empty:
        raise ValueError(
            f"customers has {counted(customers.shape[0], 'row')} and {counted(customers.shape[1], 'column')}. It "
            "should have a row for "
            "each customer and a column for each feature."
        )
    if not customers.index.is_unique:
        example = customers.index[customers.index.duplicated()][0]
        raise ValueError(
            f"The customer {example!r} has more than one row. Each customer should have one row; group them first."
        )
    kinds = pd.api.types.infer_dtype(customers.index, skipna=False)
    if customers.index.nlevels > 1 or customers.index.hasnans or kinds.startswith("mixed"):
        raise ValueError(
            "The index of customers has missing ids, or ids of different types. Ids should be all text or all numbers: "
            "customers.set_index('customer_id')."
        )
    if customers.columns.nlevels > 1:
        raise ValueError(
            f"The columns of customers have {customers.columns.nlevels} levels, such as {customers.columns[0]!r}. Join "
            "them: customers.columns = ['_'.join(map(str, c)) for c in customers.columns]."
        )
    if not customers.columns.is_unique:
        example = customers.columns[customers.columns.duplicated()][0]
        raise ValueError(f"There are two columns {example!r}. Drop or rename one of them.")
    unnamed = [c for c in customers.columns if not isinstance(c, str)]
    if unnamed:
        raise ValueError(
            f"The name of the column {unnamed[0]!r} is not text. Rename it: customers.rename(columns=str)."
        )
    taken = [c for c in customers.columns if c in ("segment_id", "segment", "trust", "x", "y")]
    if taken:
        raise ValueError(
            f"A feature is called {taken[0]!r}, a column that result.to_frame() adds. Rename the feature."
        )
    for name in customers.columns:
        check_visible(name)
    customers = with_pandas_types(customers)
    numbers = customers.select_dtypes("number", exclude="complex")
    infinite = [c for c in numbers if np.isinf(numbers[c].to_numpy(dtype=float, na_value=np.nan)).any()]
    if infinite:
        raise ValueError(
            f"The feature {infinite[0]!r} holds infinity. Replace it by a missing value, or drop the feature."
        )
    for name in customers.columns:
        _check_words(name, customers[name])
    return customers


def with_pandas_types(customers: pd.DataFrame) -> pd.DataFrame:
    """Return customers whose Arrow bools, half floats and dictionaries are of pandas' own types."""
    arrow = {c: _pandas_type(kind) for c, kind in customers.dtypes.items() if isinstance(kind, pd.ArrowDtype)}
    changed = {
        c: (customers[c].astype(object) if kind == "category" else customers[c]).astype(kind)
        for c, kind in arrow.items()
        if kind is not None
    }
    return customers.assign(**changed) if changed else customers


def _pandas_type(kind: pd.ArrowDtype) -> str | None:
    import pyarrow as pa

    arrow = kind.pyarrow_dtype
    if pa.types.is_boolean(arrow):
        return "boolean"
    if pa.types.is_float16(arrow):
        return "float64"
    if pa.types.is_dictionary(arrow):
        words = pa.types.is_string(arrow.value_type) or pa.types.is_large_string(arrow.value_type)
        return "category" if words else "float64"
    return None


def _check_words(name: str, column: pd.Series) -> None:
    """Refuse dates, and text that is numbers or dates, which would become a category for each.

    Columns of pandas' type "category" may hold any words.
    """
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind.startswith(("datetime", "date", "period")):
        raise ValueError(
            f"The feature {name!r} holds dates, and features are numbers or categories. Turn it into days before a "
            f"moment: (pd.Timestamp('2024-07-01') - pd.to_datetime(customers[{name!r}])).dt.days, or leave it out."
        )
    if kind.startswith("timedelta"):
        raise ValueError(
            f"The feature {name!r} holds spans of time, and features are numbers or categories. Turn it into days: "
            f"customers[{name!r}] / pd.Timedelta(days=1)."
        )
    if _holds_collections(column):
        raise ValueError(
            f"The feature {name!r} holds lists or other collections, and features are numbers or categories. Compute a "
            f"number of each, such as its length, customers[{name!r}].map(len), or a column for each of its parts."
        )
    if kind != "string":
        return
    words = column.dropna().astype("str").str.strip()
    for what, looks_like, how in (
        ("numbers", looks_like_numbers, "decimal='.'"),
        (
            "dates",
            looks_like_dates,
            "as_of='2024-07-31', and date_format='%d.%m.%Y' unless they are ISO dates",
        ),
    ):
        alike = looks_like(words)
        if nearly_all(words, alike) and not (what == "numbers" and are_bands(words)):
            raise ValueError(
                f"The feature {name!r} holds {what} as text, such as {min(words[alike])!r}. Convert it before: with "
                f"pandas, or with read_attributes(…, {how}). To keep it as a category: "
                f"customers[{name!r}].astype('category')."
            )


def _holds_collections(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.ArrowDtype):
        import pyarrow as pa

        return pa.types.is_nested(column.dtype.pyarrow_dtype)
    return column.dtype == object and not column.map(pd.api.types.is_hashable).all()


def check_visible(name: str) -> None:
    """Refuse a name with characters that cannot be seen, which let two names look alike or turn text around.

    Raises
    ------
    ValueError
    """
    for at, character in enumerate(name):
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs") or character.isspace():
            continue
        around = name[at - 1 : at] + name[at + 1 : at + 2]
        if character in JOINERS and len(around) == 2 and not any(c.isascii() for c in around):
            continue  # as Persian, Hindi and emoji need them
        what = unicodedata.name(
            character, "a half character" if "\ud800" <= character <= "\udfff" else "a control"
        )
        of_file = " Of a file, it is a byte-order mark: read it with encoding='utf-8-sig'."
        raise ValueError(
            f"The name {name.encode('ascii', 'backslashreplace').decode()!r} holds an invisible character, "
            f"{what.lower()} (U+{ord(character):04X}). Write the name without it."
            f"{of_file if name[0] == BYTE_ORDER_MARK else ''}"
        )
