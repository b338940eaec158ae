"""Assign customers to the arms of an experiment by a hash of their ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import accumulate

import numpy as np
import pandas as pd
import sqlglot.expressions as sge

from segkit.analyse.features.sql import dialect_named
from segkit.core.messages import counted, in_words
from segkit.methods.partition import Partition
from segkit.tailor.audiences.contacts import shown
from segkit.tailor.audiences.customer_ids import customer_ids, segment_names

CONTROL = "held out"
SHARES = {"treated": 0.9, CONTROL: 0.1}
DIGITS = 8  # hex digits of the hash that decide: shares hold to one in four thousand million
_SHA256 = {
    "duckdb": "sha256({text})",
    "postgres": "encode(sha256(convert_to({text}, 'UTF8')), 'hex')",
    "snowflake": "sha2({text}, 256)",
    "bigquery": "to_hex(sha256({text}))",
    "databricks": "sha2({text}, 256)",
    "spark": "sha2({text}, 256)",
}


def assign_arms(
    customers: Iterable[object],
    *,
    experiment: str,
    shares: Mapping[str, float] = SHARES,
    by: Partition | pd.Series | None = None,
) -> pd.Series:
    """Assign each customer to an arm of an experiment, the same on any machine, in any order and in SQL.

    Parameters
    ----------
    customers : Index, Series or list of ids, or DataFrame with the ids as its index
        Each customer once. Ids are text or whole numbers.
    experiment : str
        Its name. Another name gives other arms, independent of these.
    shares : mapping of str to float, default={"treated": 0.9, "held out": 0.1}
        Share of the customers of each arm; they sum to 1. Keep them for as long as the experiment runs.
    by : Segmentation or Series, optional
        Segments to count the arms by. Arms never depend on it.

    Returns
    -------
    Series of str, named `arm`
        On the ids as given. ``attrs["segkit"]`` holds `experiment`, `shares`, and the number of customers in each arm,
        `customers`; with `by`, `customers_by_segment` too.

    Raises
    ------
    ValueError
        If shares do not sum to 1, there are fewer than two arms, or an id is missing, occurs twice or is a decimal
        number.

    Notes
    -----
    The first eight digits of the SHA-256 of ``experiment:id`` are a number that is as good as random. Each arm gets
    its share of the range, in the order of `shares`. Nothing else counts, so a new customer, another order or a new
    segmentation changes nobody's arm. :func:`segkit.arms_sql` writes the same in SQL.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.assign_arms(["cyd", "dan"], experiment="autumn", shares={"mail": 0.5, "held out": 0.5}).to_dict()
    {'cyd': 'mail', 'dan': 'held out'}
    """
    ids, text = customer_ids(customers, "customers")
    name, bounds = _checked_name(experiment), _bounds(shares)
    if not text.is_unique:
        raise ValueError(
            f"The customer {shown(text[text.duplicated()][0])} occurs more than once in customers. Pass each once."
        )
    start = f"{name}:".encode()
    sha256 = hashlib.sha256
    digests = b"".join([sha256(start + key.encode()).digest()[: DIGITS // 2] for key in text.to_list()])
    place = np.searchsorted(list(bounds.values()), np.frombuffer(digests, dtype=">u4"), side="right")
    arms = pd.Series(pd.array(list(bounds), dtype="str").take(place), index=ids, name="arm")
    known = {"experiment": name, "shares": {arm: float(share) for arm, share in shares.items()}}
    known["customers"] = dict(zip(bounds, np.bincount(place, minlength=len(bounds)).tolist(), strict=True))
    if by is not None:
        names = segment_names(by, text)
        cells = np.bincount(
            names.cat.codes * len(bounds) + place, minlength=len(names.cat.categories) * len(bounds)
        )
        known["customers_by_segment"] = {
            segment: dict(zip(bounds, row, strict=True))
            for segment, row in zip(
                names.cat.categories, cells.reshape(-1, len(bounds)).tolist(), strict=True
            )
        }
    arms.attrs["segkit"] = known
    return arms


def arms_sql(
    experiment: str,
    *,
    shares: Mapping[str, float] = SHARES,
    dialect: str = "duckdb",
    customer_id: str = "customer_id",
) -> str:
    """Write the arm of a customer as an expression in SQL, equal to :func:`segkit.assign_arms`.

    Parameters
    ----------
    experiment, shares
        As in :func:`segkit.assign_arms`.
    dialect : {"duckdb", "postgres", "snowflake", "bigquery", "databricks", "spark"}, default="duckdb"
        The engine.
    customer_id : str, default="customer_id"
        Name of the column of ids.

    Returns
    -------
    str
        An expression for a SELECT.

    Examples
    --------
    >>> import segkit as sg
    >>> print(sg.arms_sql("spring", shares={"mail": 0.5, "held out": 0.5}))
    CASE WHEN left(sha256('spring:' || CAST("customer_id" AS TEXT)), 8) < '80000000' THEN 'mail' ELSE 'held out' END
    """
    language = dialect_named(dialect).ibis
    name, bounds = _checked_name(experiment), _bounds(shares)
    if not isinstance(customer_id, str) or not customer_id:
        raise ValueError(f"customer_id is {in_words(customer_id)}. It should be the name of a column.")

    def written(part: sge.Expression) -> str:
        return part.sql(dialect=language)

    def literal(text: str) -> str:
        return written(sge.Literal.string(text))

    column = written(sge.cast(sge.column(customer_id, quoted=True), "text"))
    joined = (
        f"concat({literal(f'{name}:')}, {column})"
        if language in ("bigquery", "databricks", "pyspark")
        else f"{literal(f'{name}:')} || {column}"
    )
    start = f"left({_SHA256[dialect].format(text=joined)}, {DIGITS})"
    *first, last = bounds.items()
    whens = " ".join(f"WHEN {start} < '{bound:08x}' THEN {literal(arm)}" for arm, bound in first)
    return f"CASE {whens} ELSE {literal(last[0])} END"


def checked_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """Return shares as floats.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two arms, a share is not between 0 and 1, or they do not sum to 1.
    """
    if not isinstance(shares, Mapping):
        raise TypeError(f"shares is {in_words(shares)}. Say the share of each arm: {SHARES}.")
    for arm, share in shares.items():
        if not isinstance(arm, str) or not arm.strip():
            raise ValueError(f"The arm {arm!r} of shares should be named by text.")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ValueError(f"The share of {arm!r} is {share!r}. It should lie between 0 and 1.")
    total = sum(shares.values())
    if len(shares) < 2:
        raise ValueError(f"shares has {counted(len(shares), 'arm')}. A comparison needs 2 or more: {SHARES}.")
    if abs(total - 1) > 1e-9:
        raise ValueError(f"The shares {dict(shares)} sum to {total:.6g}. They should sum to 1.")
    return {arm: float(share) for arm, share in shares.items()}


def _bounds(shares: Mapping[str, float]) -> dict[str, int]:
    """Return the number below which each arm's hashes lie."""
    known = checked_shares(shares)
    ends = [round(end * 16**DIGITS) for end in accumulate(known.values())]
    return dict(zip(known, [*ends[:-1], 16**DIGITS], strict=True))


def _checked_name(experiment: str) -> str:
    if not isinstance(experiment, str) or not experiment.strip():
        raise ValueError(f"experiment is {in_words(experiment)}. Name the experiment, such as 'spring mail'.")
    return experiment
