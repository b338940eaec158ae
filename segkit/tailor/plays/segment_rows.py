"""Find the rows of each segment in a table about segments."""

from __future__ import annotations

import pandas as pd

from segkit.core.checks import check_frame
from segkit.core.messages import listed
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import UNDECIDED
from segkit.tailor.experiments.experiment_table import EVERYONE

NO_SEGMENT = {EVERYONE.casefold(), UNDECIDED.casefold(), "outside", str(OUTSIDE)}
"""What stands in the place of a segment in rows of everyone, of those between segments and of those outside."""


def segment_rows(
    result: Segmentation, table: pd.DataFrame, name: str, needed: tuple[str, ...], source: str
) -> dict[int, pd.DataFrame]:
    """Return the rows of each segment that a table speaks of, by `segment_id`, or else by name.

    Raises
    ------
    TypeError, ValueError
        If it is no table, lacks a column, or speaks of what is no segment of the result.
    """
    check_frame(name, table, f"It should be the table from {source}.")
    lacking = [c for c in ("segment", *needed) if c not in table.columns]
    if lacking:
        there = listed(list(map(str, table.columns))) or "none"
        raise ValueError(
            f"{name} has no column {lacking[0]!r}. Its columns are {there}. Pass the table from {source}."
        )
    ids: dict[object, int] = {key: s for s in result.segments for key in (s, str(s))}
    named: dict[object, int] = ids | {f"Segment {s}": s for s in result.segments}
    named |= {result.name_of(s): s for s in result.segments}
    keys = table["segment_id"].where(table["segment_id"].notna(), None) if "segment_id" in table else None
    place = []
    for at, said in enumerate(table["segment"]):
        key = None if keys is None else keys.iloc[at]
        found = named.get(said) if key is None else ids.get(key, named.get(said))
        if found is None and str(said).casefold() not in NO_SEGMENT and str(key) not in NO_SEGMENT:
            names = listed([f"{result.name_of(s)!r} ({s})" for s in result.segments])
            raise ValueError(
                f"{name} speaks of {said!r}, and there is no such segment. The segments are {names}. Make it of this "
                f"result: {source}."
            )
        place.append(found)
    if len(place) and not any(found is not None for found in place):
        raise ValueError(
            f"{name} has no row of a segment, only of all customers. Make it by segment: {source}."
        )
    found_in = pd.Series(place, index=table.index, dtype=object)
    return {s: rows for s in result.segments if len(rows := table[(found_in == s).to_numpy()])}
