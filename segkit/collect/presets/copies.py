"""Refuse copies of rows that an export holds several times."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.collect.presets.helper_columns import HAS_ESSENTIALS, REFUSED
from segkit.collect.presets.rows import EXPORT, Rows
from segkit.collect.presets.sql import NO_TEXT, as_text
from segkit.core.engine.connection import quoted

LACKING = "copy without customer, time or amount"
COPY_KEY, IS_COPY, NTH_COPY = "segkit_copy_key", "segkit_is_copy", "segkit_nth_copy"


def refuse_copies(
    rows: Rows, key: str, reason: str, first: Sequence[str], *, usable: str = HAS_ESSENTIALS
) -> Rows:
    """Keep one copy of each row, and mark the others as `REFUSED`, whatever their order in the export.

    Parameters
    ----------
    rows : Rows
        Rows that are refused already are not compared.
    key : str
        SQL of what copies have in common, such as an id. Rows without it are not compared.
    reason : str
        Why copies are refused.
    first : sequence of str
        SQL that usable copies are sorted by, and then by all their columns. The first copy counts.
    usable : str
        SQL of whether a copy can be used.

    Returns
    -------
    Rows
    """
    again = f"SELECT {as_text(key)} FROM {EXPORT} GROUP BY 1 HAVING count(*) > 1"
    rows = rows.with_columns({COPY_KEY: as_text(key), REFUSED: refusal(rows)})
    rows = rows.with_columns({IS_COPY: f"{REFUSED} IS NULL AND coalesce({COPY_KEY} IN ({again}), false)"})
    # Most rows have no copies, and need no sorting.
    others, copies = rows.where(f"NOT {IS_COPY}"), rows.where(IS_COPY)
    order = ", ".join((f"NOT ({usable})", *first, f"CAST({copies.name} AS VARCHAR)"))
    copies = copies.with_columns({NTH_COPY: f"row_number() OVER (PARTITION BY {COPY_KEY} ORDER BY {order})"})
    copies = copies.with_columns({REFUSED: reason_of_copy(NTH_COPY, usable, reason)})
    return others.with_rows_of(copies)


def reason_of_copy(nth: str, usable: str, reason: str) -> str:
    """Return SQL of why a copy is refused; missing for the first."""
    return f"CASE WHEN {nth} > 1 THEN CASE WHEN {usable} THEN {quoted(reason)} ELSE {quoted(LACKING)} END END"


def refusal(rows: Rows) -> str:
    """Return SQL of why a row was refused before; missing where it was not."""
    return REFUSED if REFUSED in rows.types else NO_TEXT
