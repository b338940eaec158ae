"""What is known of customers beside what they did: one table, whose blocks keep their names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.api.extensions import take

from segkit.collect.attributes.attributes import Attributes, check_bases, check_clash
from segkit.collect.attributes.column_types import words_of
from segkit.core.messages import counted
from segkit.core.schema import BASES


def with_attributes(
    customers: pd.DataFrame, attributes: Attributes, *, bases: str | Iterable[str] | None = None
) -> pd.DataFrame:
    """Join what is known of customers to what they did.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        Indexed by `customer_id`, as from :func:`segkit.customer_features`; or, as from
        :func:`segkit.snapshots`, by `as_of` and `customer_id`.
    attributes : Attributes
        From :func:`segkit.read_attributes`.
    bases : str or iterable of str, optional
        Which of the blocks to join, such as ``"demographic"``; all by default.

    Returns
    -------
    DataFrame of shape (n_customers, n_features + n_attributes)
        The same customers, in their order; those of whom nothing is known have missing values.
        ``.attrs["segkit"]`` has the basis, unit and meaning of each column, and under ``"attributes"`` how
        many customers are `known` and `unknown`, and how many rows of the attributes are `unused`, since
        there are no events of these customers.

    Raises
    ------
    ValueError
        If a column is in both, no customer is in both, or the attributes are as of a later moment than
        the customers, who would then be seen from their future.
    TypeError
        If `customers` is no DataFrame, or `attributes` did not come from :func:`segkit.read_attributes`.

    Warns
    -----
    UserWarning
        If less than half of the customers are known.

    See Also
    --------
    bases : the blocks of the table.

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
    wanted = list(attributes.of(BASES if bases is None else bases))
    check_clash(customers.columns, wanted, "customers and attributes both have")
    facts = customers.attrs.get("segkit", {})
    _check_moment(attributes, facts.get("as_of"))
    ids = words_of(pd.Series(customers.index.get_level_values(-1)))
    place = attributes.table.index.get_indexer(pd.Index(ids))
    known = place >= 0
    if len(ids) and not known.any():
        raise ValueError(
            f"None of the {len(ids):,} customers is in the attributes. Their ids are such as {ids.iloc[0]!r}, those "
            f"of the attributes such as {attributes.table.index[0]!r}. Check read_attributes(…, customer_id=…)."
        )
    joined = customers.copy()
    for name in wanted:
        joined[name] = take(attributes.table[name].array, place, allow_fill=True)
    joined.attrs["segkit"] = facts | _told(customers, attributes, wanted)
    joined.attrs["segkit"]["attributes"] = {
        "known": len(np.unique(place[known])),
        "unknown": int(ids[~known].nunique()),
        "unused": len(attributes.table) - len(np.unique(place[known])),
    }
    _say_if_few(joined.attrs["segkit"]["attributes"])
    return joined


def _check_customers(customers: pd.DataFrame) -> None:
    if not isinstance(customers, pd.DataFrame):
        raise TypeError(
            f"customers is {_a(customers)}. It should be a DataFrame with a row for each customer, as from "
            "customer_features(events, …)."
        )


def _check_attributes(attributes: Attributes) -> None:
    if not isinstance(attributes, Attributes):
        raise TypeError(
            f"attributes is {_a(attributes)}. It should be what read_attributes gives, which says the basis of each "
            "column: read_attributes(table, demographic=['age'])."
        )


def _a(thing: object) -> str:
    name = type(thing).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def _check_moment(attributes: Attributes, as_of: str | list[str] | None) -> None:
    moments = [as_of] if isinstance(as_of, str) else as_of or []
    first = min(map(pd.Timestamp, moments), default=None)
    if attributes.as_of is not None and first is not None and attributes.as_of > first:
        raise ValueError(
            f"The attributes are as of {attributes.as_of}, and the customers as of {first}: ages and days would be "
            f"seen from their future. Read them as of then: read_attributes(…, as_of='{first.isoformat()}')."
        )


def _told(customers: pd.DataFrame, attributes: Attributes, wanted: list[str]) -> dict:
    facts = customers.attrs.get("segkit", {})
    ours = _bases_of(customers)
    about = attributes.about.loc[wanted]
    return {
        "sources": [*facts.get("sources", []), *attributes.sources],
        "units": facts.get("units", {}) | about["unit"].to_dict(),
        "meanings": facts.get("meanings", {}) | about["meaning"].to_dict(),
        "bases": ours | about["basis"].to_dict(),
    }


def _bases_of(customers: pd.DataFrame) -> dict[str, str]:
    said = customers.attrs.get("segkit", {}).get("bases", {})
    return {name: said.get(name, "behavioural") for name in customers.columns}


def _say_if_few(counts: dict[str, int]) -> None:
    everyone = counted(counts["known"] + counts["unknown"], "customer")
    if counts["known"] < counts["unknown"]:
        warnings.warn(
            f"Attributes are known of {counts['known']:,} of {everyone}; "
            "the others have missing values. Check that ids are written alike in both.",
            stacklevel=3,
        )


def bases(customers: pd.DataFrame, attributes: Attributes | None = None) -> dict[str, list[str]]:
    """List the columns of each basis.

    Parameters
    ----------
    customers : DataFrame
        As from :func:`with_attributes` or :func:`segkit.customer_features`.
    attributes : Attributes, optional
        Where the table no longer says which columns came from there: pandas keeps such notes when columns
        or rows are chosen, copied, sorted or computed with, and drops them in ``merge``, ``join`` and
        ``concat``.

    Returns
    -------
    dict of str to list of str
        The four bases in their order, also those without columns: demographic, geographic, psychographic,
        behavioural. Columns of which nothing is said are behavioural.

    Warns
    -----
    UserWarning
        If the table says nothing of its columns, and no attributes were passed.

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
            "This table says nothing of the bases of its columns, as after merge, join or concat, so all are taken for "
            "behavioural. Pass attributes too: bases(customers, attributes).",
            stacklevel=2,
        )
    of = _bases_of(customers)
    if attributes is not None:
        of |= {name: basis for name, basis in attributes.bases.items() if name in customers.columns}
    return {basis: [name for name in customers.columns if of[name] == basis] for basis in check_bases(BASES)}
