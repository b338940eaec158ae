"""Join attributes to features, and list the columns of each basis."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.api.extensions import take

from segkit.collect.attributes.attributes import Attributes, check_bases, check_clash
from segkit.collect.attributes.column_types import words_of
from segkit.core.checks import check_frame, check_type
from segkit.core.messages import counted
from segkit.core.schema import BASES


def with_attributes(
    customers: pd.DataFrame, attributes: Attributes, *, bases: str | Iterable[str] | None = None
) -> pd.DataFrame:
    """Join attributes of customers to their features.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        Indexed by `customer_id`, as from :func:`segkit.customer_features`; or, as from
        :func:`segkit.snapshots`, by `as_of` and `customer_id`.
    attributes : Attributes
        From :func:`segkit.read_attributes`.
    bases : str or iterable of str, optional
        Bases to join, such as ``"demographic"``; all by default.

    Returns
    -------
    DataFrame of shape (n_customers, n_features + n_attributes)
        The same customers, in the same order; those without attributes have missing values.
        ``.attrs["segkit"]`` has the basis, unit and meaning of each column, and under ``"attributes"`` the
        numbers of `known` and `unknown` customers, and of rows of the attributes that are `unused` because
        their customers are not in the table.

    Raises
    ------
    ValueError
        If a column is in both, no customer is in both, or the attributes are as of a later moment than
        the features, so that the future would leak into the table.
    TypeError
        If `customers` is not a DataFrame, or `attributes` is not from :func:`segkit.read_attributes`.

    Warns
    -----
    UserWarning
        If fewer than half of the customers have attributes.

    See Also
    --------
    bases : the columns of each basis.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> people = pd.DataFrame({"customer_id": [1, 2, 3], "age": [36, 41, 50]})
    >>> customers = pd.DataFrame({"frequency": [2.0, 5.0]}, index=["1", "3"])
    >>> sg.with_attributes(customers, sg.read_attributes(people, demographic="age"))
       frequency   age
    1        2.0  36.0
    3        5.0  50.0
    """
    _check_customers(customers)
    _check_attributes(attributes)
    names = list(attributes.of(BASES if bases is None else bases))
    check_clash(customers.columns, names, "customers and attributes both have")
    facts = customers.attrs.get("segkit", {})
    _check_moment(attributes, facts.get("as_of"))
    ids = words_of(pd.Series(customers.index.get_level_values(-1)))
    place = attributes.table.index.get_indexer(pd.Index(ids))
    known = place >= 0
    if len(ids) and not known.any():
        raise ValueError(
            f"None of the {len(ids):,} customers is in the attributes. Their ids look like {ids.iloc[0]!r}, those "
            f"of the attributes like {attributes.table.index[0]!r}. Check read_attributes(…, customer_id=…)."
        )
    joined = customers.copy()
    for name in names:
        joined[name] = take(attributes.table[name].array, place, allow_fill=True)
    joined.attrs["segkit"] = facts | _facts_of_columns(customers, attributes, names)
    joined.attrs["segkit"]["attributes"] = {
        "known": len(np.unique(place[known])),
        "unknown": int(ids[~known].nunique()),
        "unused": len(attributes.table) - len(np.unique(place[known])),
    }
    _warn_if_few(joined.attrs["segkit"]["attributes"])
    return joined


def _check_customers(customers: pd.DataFrame) -> None:
    wanted = "It should be a DataFrame with a row for each customer, as from customer_features(events, …)."
    check_frame("customers", customers, wanted)


def _check_attributes(attributes: Attributes) -> None:
    wanted = (
        "It should be the result of read_attributes, which has the basis of each column: "
        "read_attributes(table, demographic=['age'])."
    )
    check_type("attributes", attributes, Attributes, wanted)


def _check_moment(attributes: Attributes, as_of: str | list[str] | None) -> None:
    moments = [as_of] if isinstance(as_of, str) else as_of or []
    first = min(map(pd.Timestamp, moments), default=None)
    if attributes.as_of is not None and first is not None and attributes.as_of > first:
        raise ValueError(
            f"The attributes are as of {attributes.as_of}, the customers as of {first}, so that ages and days would be "
            f"from the future. Read them at that moment: read_attributes(…, as_of='{first.isoformat()}')."
        )


def _facts_of_columns(customers: pd.DataFrame, attributes: Attributes, names: list[str]) -> dict:
    """Return sources, units, meanings and bases of the joined columns."""
    facts = customers.attrs.get("segkit", {})
    about = attributes.about.loc[names]
    return {
        "sources": [*facts.get("sources", []), *attributes.sources],
        "units": facts.get("units", {}) | about["unit"].to_dict(),
        "meanings": facts.get("meanings", {}) | about["meaning"].to_dict(),
        "bases": _bases_of(customers) | about["basis"].to_dict(),
    }


def _bases_of(customers: pd.DataFrame) -> dict[str, str]:
    known = customers.attrs.get("segkit", {}).get("bases", {})
    return {name: known.get(name, "behavioural") for name in customers.columns}


def _warn_if_few(counts: dict[str, int]) -> None:
    everyone = counted(counts["known"] + counts["unknown"], "customer")
    if counts["known"] < counts["unknown"]:
        warnings.warn(
            f"Only {counts['known']:,} of {everyone} have attributes; the others have missing values. Check that "
            "ids are spelt alike in both tables.",
            stacklevel=3,
        )


def bases(customers: pd.DataFrame, attributes: Attributes | None = None) -> dict[str, list[str]]:
    """List the columns of each basis.

    Parameters
    ----------
    customers : DataFrame
        As from :func:`with_attributes` or :func:`segkit.customer_features`.
    attributes : Attributes, optional
        Needed where the table has lost the bases of its columns: pandas keeps them when columns or rows are
        chosen, copied, sorted or computed with, and drops them in ``merge``, ``join`` and ``concat``.

    Returns
    -------
    dict of str to list of str
        The four bases, also those without columns, in this order: demographic, geographic, psychographic,
        behavioural. Columns without a known basis are behavioural.

    Warns
    -----
    UserWarning
        If the table has no bases, and no attributes are passed.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> people = pd.DataFrame({"customer_id": [1, 2], "age": [36, 41], "city": ["Rome", "Bern"]})
    >>> attributes = sg.read_attributes(people, demographic="age", geographic="city")
    >>> customers = sg.with_attributes(pd.DataFrame({"frequency": [2.0, 5.0]}, index=["1", "2"]), attributes)
    >>> sg.bases(customers)
    {'demographic': ['age'], 'geographic': ['city'], 'psychographic': [], 'behavioural': ['frequency']}
    >>> customers[sg.bases(customers)["demographic"]].columns.to_list()
    ['age']
    """
    _check_customers(customers)
    if attributes is not None:
        _check_attributes(attributes)
    if attributes is None and "segkit" not in customers.attrs:
        warnings.warn(
            "This table has lost the bases of its columns, as after merge, join or concat, so all columns count as "
            "behavioural. Pass the attributes too: bases(customers, attributes).",
            stacklevel=2,
        )
    basis_of = _bases_of(customers)
    if attributes is not None:
        basis_of |= {name: basis for name, basis in attributes.bases.items() if name in customers.columns}
    return {
        basis: [name for name in customers.columns if basis_of[name] == basis] for basis in check_bases(BASES)
    }
