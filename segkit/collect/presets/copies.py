"""Rows that an export holds twice: which copy counts, and which are refused."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.collect.presets.helper_columns import HAS_ESSENTIALS, REFUSED
from segkit.collect.presets.rows import Rows
from segkit.collect.presets.sql import NO_TEXT, as_text, coalesced
from segkit.core.engine.connection import quoted

LACKING = "copy that lacks what an event needs"
COPY_KEY, N_COPIES, NTH_COPY = "segkit_copy_key", "segkit_n_copies", "segkit_nth_copy"


def refuse_copies(
    rows: Rows, key: str, reason: str, first: Sequence[str], *, usable: str = HAS_ESSENTIALS
) -> Rows:
    """Mark the copies of a row under `REFUSED`, in whatever order they stand in the export.

    Parameters
    ----------
    rows : Rows
        Rows that have a reason under `REFUSED` already are no copies.
    key : str
        SQL of what copies have in common. Rows without a key are no copies of each other.
    reason : str
        Why copies are refused.
    first : sequence of str
        Which of the usable copies counts: the first by these expressions of SQL, then by what it says.
    usable : str
        SQL of whether a copy can be used.

    Returns
    -------
    Rows
    """
    rows = rows.with_columns({COPY_KEY: f"CASE WHEN {refusal(rows)} IS NULL THEN {as_text(key)} END"})
    rows = rows.with_columns({N_COPIES: f"count(*) OVER (PARTITION BY {COPY_KEY})"})
    is_copy = f"{COPY_KEY} IS NOT NULL AND {N_COPIES} > 1"
    values = (rows.value(spec) for spec in rows.standard.values())
    content = [f"CAST({value.sql} AS VARCHAR)" for value in values if value is not None]
    # Rows without copies, which are most, need not be sorted by what they say.
    order = ", ".join(_only_where(is_copy, one) for one in (f"NOT ({usable})", *first, *content))
    nth = f"row_number() OVER (PARTITION BY {COPY_KEY} ORDER BY {order})"
    rows = rows.with_columns({NTH_COPY: f"CASE WHEN {is_copy} THEN {nth} ELSE 1 END"})
    return rows.with_columns({REFUSED: coalesced(refusal(rows), reason_of_copy(NTH_COPY, usable, reason))})


def _only_where(condition: str, ordering: str) -> str:
    bare = ordering.removesuffix(" DESC")
    return f"CASE WHEN {condition} THEN {bare} END{ordering[len(bare) :]}"


def reason_of_copy(nth: str, usable: str, reason: str) -> str:
    """Return why a copy is refused, in SQL; missing for the first."""
    return f"CASE WHEN {nth} > 1 THEN CASE WHEN {usable} THEN {quoted(reason)} ELSE {quoted(LACKING)} END END"


def refusal(rows: Rows) -> str:
    """Return why a row was refused before, in SQL; missing where it was not."""
    return REFUSED if REFUSED in rows.types else NO_TEXT
