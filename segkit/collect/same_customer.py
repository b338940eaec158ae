"""Read the events of a customer's aliases, such as the cookies before a sign-in, as those of the customer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segkit.collect.sources.open import open_source
from segkit.collect.values import no_id, read_id
from segkit.core.engine.connection import run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of
from segkit.core.messages import counted, in_words, listed

if TYPE_CHECKING:
    import ibis.expr.types as ir

NAMES = ("alias", "customer_id")


def read_aliases(source: Any) -> tuple[pd.Series, str]:
    """Return the customer of each alias, from a table with the columns `alias` and `customer_id`.

    An alias may point to another alias, in a chain that ends at the customer.

    Returns
    -------
    customers : Series of str
        Customer ids, indexed by `alias`, without those that are their own alias.
    unused : str
        How many rows have only one of the two ids and say nothing, in words; empty if none.

    Raises
    ------
    ValueError
        If the table lacks a column, an id cannot be one, aliases point to each other in a circle, or an alias leads
        to two customers.
    """
    if isinstance(source, (Mapping, pd.Series)):
        raise TypeError(
            f"same_customer is {in_words(source)}. It should be a table with the columns 'alias' and 'customer_id': "
            "pd.Series(same_customer, name='customer_id').rename_axis('alias').reset_index()."
        )
    opened = open_source(source)
    lacking = [name for name in NAMES if name not in opened.table.columns]
    if lacking:
        raise ValueError(
            f"same_customer has no column {' and no column '.join(map(repr, lacking))}; its columns are "
            f"{listed(opened.table.columns)}. It should be a table with the columns 'alias', such as the id of a "
            "cookie, and 'customer_id': rename its columns."
        )
    dialect = dialect_of(opened.table)
    ids = {name: read_id(opened.table[name], dialect) for name in NAMES}
    for name in NAMES:
        for when, why in no_id(opened.table[name], ids[name], dialect):
            n = int(opened.table.filter(when).count().to_pandas())
            if n:
                raise ValueError(
                    f"The column {name!r} of same_customer holds {counted(n, 'value')} that cannot be an id: {why}. "
                    "Write the ids as in the events, as text."
                )
    both = opened.table.select(**ids)
    both = both.group_by(*NAMES).agg(rows=both.count())
    pairs = run_with_progress(both, both.to_pandas, "Reading same_customer")
    known = pairs[list(NAMES)].notna().all(axis=1)
    n = int(pairs.loc[~known, "rows"].sum()) + opened.broken
    pairs = pairs.loc[known, list(NAMES)].astype("str")
    unused = f"{counted(n, 'row')} of same_customer without an alias or a customer not used" if n else ""
    return _ends(pairs[pairs["alias"] != pairs["customer_id"]]), unused


def aliases_of_export(pairs: pd.DataFrame) -> tuple[pd.Series, str]:
    """Return the customer of each alias that signed in as one customer only; see `read_aliases`.

    Parameters
    ----------
    pairs : DataFrame
        Columns `alias` and `customer_id`: which ids an export names together.
    """
    pairs = pairs[pairs["alias"] != pairs["customer_id"]].drop_duplicates()
    is_shared = pairs["alias"].duplicated(keep=False)
    n = pairs.loc[is_shared, "alias"].nunique()
    left = f"{counted(n, 'alias', 'aliases')} of several customers left as they are" if n else ""
    return _ends(pairs[~is_shared]), left


def _ends(pairs: pd.DataFrame) -> pd.Series:
    """Return the end of the chain that each alias begins."""
    if not len(pairs):
        return pd.Series(dtype="str", name="customer_id", index=pd.Index([], dtype="str", name="alias"))
    codes, names = pd.factorize(pd.concat([pairs["alias"], pairs["customer_id"]]), sort=True)
    alias, customer = codes[: len(pairs)], codes[len(pairs) :]
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (alias, customer)), shape=(len(names),) * 2)
    n_strong, strong = connected_components(graph, directed=True, connection="strong")
    if n_strong < len(names):
        circle = names[strong == np.argmax(np.bincount(strong) > 1)]
        raise ValueError(
            f"same_customer has a circle: {listed(circle, 5)} are aliases of each other, so none of them is the "
            "customer. Let each alias point to the customer."
        )
    n_groups, group = connected_components(graph, directed=False)
    is_end = ~np.isin(np.arange(len(names)), alias)
    n_ends = np.bincount(group[is_end], minlength=n_groups)
    if (n_ends > 1).any():
        # In such a group, some alias has two rows.
        rows = pairs[n_ends[group[alias]] > 1].sort_values(list(NAMES))
        first = rows.loc[rows["alias"].duplicated(), "alias"].iloc[0]
        two = listed(rows.loc[rows["alias"] == first, "customer_id"], 5)
        raise ValueError(
            f"In same_customer, {counted(int((n_ends > 1).sum()), 'group')} of aliases lead to several customers; for "
            f"example, {first!r} is an alias of {two}. Keep one customer for each alias, or leave out the aliases of "
            "shared devices."
        )
    end = np.empty(n_groups, dtype=np.int64)
    end[group[is_end]] = np.flatnonzero(is_end)
    aliases = np.unique(alias)
    return pd.Series(
        names[end[group[aliases]]],
        index=pd.Index(names[aliases], name="alias"),
        name="customer_id",
        dtype="str",
    )


def as_same_customer(table: ir.Table, customers: pd.Series, name: str) -> tuple[ir.Table, str]:
    """Return events with the customer's id in place of the alias, and what was changed, in words.

    Parameters
    ----------
    table : ibis Table
        Events, with `customer_id`.
    customers : Series of str
        As `read_aliases` returns it.
    name : str
        The name of the events' source.
    """
    ids = pa.table({"was": customers.index.to_list(), "becomes": customers.to_list()}, schema=_SCHEMA)
    known = table_of(ids) if dialect_of(table) == "duckdb" else ibis.memtable(ids)
    joined = table.left_join(known, table.customer_id == known.was)
    changed = joined.filter(joined.becomes.notnull())
    counts = changed.agg(
        events=changed.count(), aliases=changed.was.nunique(), customers=changed.becomes.nunique()
    )
    n = run_with_progress(counts, counts.to_pandas, f"Reading {name}").iloc[0].astype("int64")
    if not n["events"]:
        why = (
            f"none of its {counted(len(customers), 'alias', 'aliases')} is a customer_id of {name}. For example, "
            f"{customers.index[0]!r} is none. Write the ids as in the events."
            if len(customers)
            else "none of its rows has an alias and another customer. Leave it out, or check its columns."
        )
        warnings.warn(f"same_customer changed nothing: {why}", stacklevel=4)
        return table, ""
    columns = {column: joined[column] for column in table.columns}
    columns["customer_id"] = ibis.coalesce(joined.becomes, joined.customer_id)
    return joined.select(**columns), (
        f"{counted(n['events'], 'event')} of {counted(n['aliases'], 'alias', 'aliases')} read as events of "
        f"{counted(n['customers'], 'customer')}"
    )


_SCHEMA = pa.schema([("was", pa.string()), ("becomes", pa.string())])
