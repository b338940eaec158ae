"""List the moves of customers from each of many moments to the next, by one frozen model."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from segkit.create.segmentation import Segmentation
from segkit.over_time.changes import what_changed
from segkit.over_time.migration import CAME, GONE
from segkit.over_time.periods import FROM, checked_periods, place_all
from segkit.over_time.steps import BEHAVIOUR

CAME_WHY, GONE_WHY = "came", "gone"


def moves_over_time(result: Segmentation, tables: pd.DataFrame) -> pd.DataFrame:
    """List who moved to another segment from each moment to the next, who came and who is gone.

    The model is frozen: it places customers at all moments, so nobody moves because of a new fit. To compare two fits,
    see :func:`segkit.moves` and :func:`segkit.migration`.

    Parameters
    ----------
    result : Segmentation
    tables : DataFrame
        From :func:`segkit.snapshots`, at two moments or more.

    Returns
    -------
    DataFrame
        Indexed by `as_of`, the moment at which the customer is elsewhere than at the one before, and `customer_id`;
        sorted. The columns are those of :func:`segkit.moves`; `why` is "behaviour", "came" or "gone". Who came has no
        `from_id`, who is gone no `to_id`, and neither has changes.

    Raises
    ------
    TypeError
        If they are no segmentation and no DataFrame.
    ValueError
        If there is one moment only, or the tables do not fit the segmentation: other features or windows, another
        index, or a customer twice at a moment.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> result = sg.segment(may, n_segments=2).with_names({0: "Regular", 1: "Rare"})
    >>> months = pd.to_datetime(["2024-05-01", "2024-06-01"])
    >>> tables = pd.concat([may, june], keys=months, names=["as_of", "customer_id"])
    >>> sg.moves_over_time(result, tables)[["from", "to", "why", "changed"]]
                               from       to        why      changed
    as_of      customer_id
    2024-06-01 c               Rare  Regular  behaviour  orders +1.9
               h            Regular   (gone)       gone
               i             (came)     Rare       came
    """
    periods = several_periods(result, tables)
    return moves_of(result, periods, placed(result, periods))


def several_periods(result: Segmentation, tables: pd.DataFrame) -> dict[pd.Timestamp, pd.DataFrame]:
    """Return the checked tables of two moments or more.

    Raises
    ------
    TypeError, ValueError
    """
    periods = checked_periods(result, tables)
    if len(periods) < 2:
        raise ValueError(f"tables has one moment, {next(iter(periods))}, and moves need two or more. {FROM}")
    return periods


def placed(result: Segmentation, periods: dict[pd.Timestamp, pd.DataFrame]) -> dict[pd.Timestamp, pd.Series]:
    """Return the segment of each customer at each moment, by the frozen model, with ids as text."""
    labels = place_all(result, periods)
    return {moment: here.set_axis(here.index.astype("str")) for moment, here in labels.items()}


def moves_of(
    result: Segmentation, periods: dict[pd.Timestamp, pd.DataFrame], labels: dict[pd.Timestamp, pd.Series]
) -> pd.DataFrame:
    """Return the moves between checked periods whose customers are placed."""
    moments = list(periods)
    steps = list(itertools.pairwise(moments))
    bar = tqdm(steps, desc="Comparing moments", unit="moment", delay=1, leave=False)
    tables = [
        _moves(result, periods[before], periods[now], labels[before], labels[now]) for before, now in bar
    ]
    moved = pd.concat(tables, keys=pd.DatetimeIndex(moments[1:]), names=["as_of", "customer_id"])
    moved.attrs["segkit"] = {"badge": result.badge}
    return moved


def _moves(
    result: Segmentation, before: pd.DataFrame, now: pd.DataFrame, was: pd.Series, is_: pd.Series
) -> pd.DataFrame:
    """Return the moves from one moment to the next, in the order of ids."""
    pairs = pd.DataFrame({"from_id": was.astype("Int64"), "to_id": is_.astype("Int64")})
    pairs = pairs.loc[sorted(pairs.index)]
    came, gone = pairs["from_id"].isna(), pairs["to_id"].isna()
    elsewhere = (pairs["from_id"] != pairs["to_id"]).fillna(False) & ~came & ~gone
    pairs = pairs[came | gone | elsewhere]
    ids = pairs.index
    names = {s: result.name_of(int(s)) for s in {*was.unique(), *is_.unique()}}
    why = np.select([came[ids], gone[ids]], [CAME_WHY, GONE_WHY], BEHAVIOUR)
    table = pd.DataFrame(
        {
            "from_id": pairs["from_id"],
            "from": pairs["from_id"].map(names).fillna(CAME).astype("str"),
            "to_id": pairs["to_id"],
            "to": pairs["to_id"].map(names).fillna(GONE).astype("str"),
            "why": pd.Series(why, ids, dtype="str"),
        }
    )
    movers = ids[why == BEHAVIOUR]
    changed = what_changed(
        result,
        before.iloc[was.index.get_indexer(movers)].set_axis(movers),
        now.iloc[is_.index.get_indexer(movers)].set_axis(movers),
    )
    table = table.join(changed)
    table["changed"] = table["changed"].fillna("")
    return table
