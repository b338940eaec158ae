"""Say on a segment's card what sets it apart, who is typical of it, and where its customers came from and went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segkit.core.disclosure import is_few, pseudonyms
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import figure, is_share
from segkit.explain.profile import profile
from segkit.explain.typical import COLUMNS, typical
from segkit.over_time.moves_over_time import placed, several_periods
from segkit.show.report.sentences import day

APART = 3  # differences on a card
PEOPLE = 3  # customers of each role
FLOWS = 2  # segments named that customers came from, and went to


def apart_by_segment(result: Segmentation, minimum: int) -> dict[int, list[dict[str, Any]]]:
    """Return what sets each segment apart, the strongest first; nothing that few customers have or lack."""
    if result.labels.nunique() < 2:
        return {}
    table = profile(result, minimum=minimum)
    table = table[table["effect"].notna() & table["inside"].notna() & table["others"].notna()]
    found: dict[int, list[dict[str, Any]]] = {}
    for row in table.groupby("segment_id", sort=False).head(APART).itertuples():
        found.setdefault(int(row.segment_id), []).append(
            {
                "feature": row.feature,
                "column": row.column,
                "effect": float(row.effect),
                "inside": _value(row.inside, row.unit),
                "others": _value(row.others, row.unit),
                "unit": "" if row.unit == "share of customers" else row.unit,
            }
        )
    return found


def people_of(result: Segmentation, minimum: int) -> pd.DataFrame:
    """Return typical and borderline customers of each segment, as :func:`segkit.typical`, with their pseudonyms."""
    table = typical(result, PEOPLE, minimum=minimum)
    return table.assign(pseudonym=pd.array(pseudonyms(table["customer_id"]), dtype="str"))


def people_by_segment(
    result: Segmentation, people: pd.DataFrame, apart: dict[int, list[dict[str, Any]]]
) -> dict[int, dict[str, Any]]:
    """Return for each segment a table of its people under their pseudonyms, by the features that set it apart."""
    tables = {}
    for segment, group in people.groupby("segment_id", sort=False):
        columns = list(dict.fromkeys(row["column"] for row in apart.get(int(segment), [])))
        rows = [
            [
                person["pseudonym"],
                person["role"],
                "" if pd.isna(person["runner_up"]) else result.name_of(int(person["runner_up"])),
                *(_value(person[f"{c} (feature)" if c in COLUMNS else c], "") for c in columns),
            ]
            for _, person in group.iterrows()
        ]
        tables[int(segment)] = {"columns": columns, "rows": rows}
    return tables


def moved_by_segment(result: Segmentation, tables: pd.DataFrame, minimum: int) -> tuple[str, dict[int, str]]:
    """Return the last moment but one of tables, in words, and where customers of each segment came from and went since.

    Flows of fewer customers than the minimum are left out.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.moves_over_time`.
    """
    periods = several_periods(result, tables)
    before, now = placed(result, dict(list(periods.items())[-2:])).values()
    pairs = pd.concat([before.rename("was"), now.rename("is")], axis=1).astype("Int64")
    flows = pairs[pairs["was"].ne(pairs["is"]).fillna(True)].value_counts(dropna=False)
    flows = flows[~is_few(flows, minimum)].reset_index()
    moved = {}
    for segment in result.segments:
        came = flows[flows["is"].eq(segment).fillna(False)].head(FLOWS)
        went = flows[flows["was"].eq(segment).fillna(False)].head(FLOWS)
        said = [_flow(row, row["was"], "came from", "are new", result) for _, row in came.iterrows()]
        said += [_flow(row, row["is"], "went to", "are gone", result) for _, row in went.iterrows()]
        few = f" of {minimum:,} customers or more" if minimum > 1 else ""
        moved[segment] = ", ".join(said) or f"no moves{few}"
    return day(list(periods)[-2]), moved


def _flow(row: pd.Series, segment: Any, verb: str, nowhere: str, result: Segmentation) -> str:
    return f"{row['count']:,} {nowhere if pd.isna(segment) else f'{verb} {result.name_of(int(segment))}'}"


def _value(value: Any, unit: str) -> str:
    if pd.isna(value):
        return "unknown"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if not pd.api.types.is_number(value):
        return str(value)
    return f"{value:.0%}" if is_share(unit) else figure(float(value))
