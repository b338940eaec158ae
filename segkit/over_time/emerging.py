"""Tell which segment is about to emerge, before it has fully emerged."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.messages import counted, listed
from segkit.methods.partition import Partition
from segkit.over_time.alarm_line import read_rate
from segkit.over_time.feeds import empty_features
from segkit.over_time.growth import Watch, watch
from segkit.over_time.micro_cells import WATCHED
from segkit.over_time.new_groups import NewGroup, least_added, new_groups
from segkit.over_time.periods import LEAST, checked_periods, reference_periods, warn_of_endless_windows

TOLD = 3  # features that set a group apart
APART = 0.5  # spreads; less than that is not told
COLUMNS = (
    "first_seen",
    "found",
    "customers",
    "share",
    "growth",
    "parent_id",
    "parent",
    "separate",
    "differs",
    "members",
)


def emerging(result: Partition, tables: pd.DataFrame, false_alarms: str = "1 in 20 years") -> pd.DataFrame:
    """Find groups that begin to grow within the segments, before they are segments.

    The first periods, the reference, say how many customers usually are in each corner of each segment. Where the
    number grows afterwards beyond its usual wobble, a candidate is reported. Seasons, which move whole segments, are
    taken out first: each period, each segment is moved and stretched to where it was in the reference.

    Parameters
    ----------
    result : Segmentation
    tables : DataFrame
        From :func:`segkit.snapshots`: the same features, at nine or more moments at equal distances. The reference is
        all moments up to the one that the segments were made as of, and at least the first eight; where no moment is
        later, or it is not known, the first half.
    false_alarms : str, default="1 in 20 years"
        How often an alarm may be raised although nothing grows: from "1 in 100 years" to "2 in 1 year".

    Returns
    -------
    DataFrame
        A row for each candidate, in order of the alarms; empty if there is none.

        * `first_seen`: the moment of the alarm.
        * `found`: "A group of its own in …" where there is a valley of density between it and the rest of the segment;
          "Something grows in …" where there is none (yet); "Grew in …, and is gone again".
        * `customers`, `share`: who belongs to it at the last moment. Without a valley, new ones and those who always
          were there cannot be told apart, and all in the corners that grew are counted.
        * `growth`: share of all customers that it gained a period since it began to grow.
        * `parent_id`, `parent`: the segment it grows in. `separate`: whether there is a valley.
        * `differs`: what sets it apart from the rest of the segment, in spreads within the segment.
        * `members`: ids of the `customers`, as a list.

        Drawn by :func:`segkit.plot_emerging`.

    Raises
    ------
    TypeError, ValueError
        If arguments are of the wrong kind, features are missing, moments are less than a day apart, or there are fewer
        than nine: the wobble of fewer than eight cannot be known.

    Warns
    -----
    UserWarning
        If data seem to be missing, moments are missing in between, segments have too few customers to be watched (fewer
        than 120), the features look back on all events, or customers have words that were unseen when the segments were
        made.

    Notes
    -----
    Each segment is divided into up to 24 micro-cells: directions from its middle, within reach and on the edge. The
    growth of the share of each within the segment, in standard errors (by chance, times the wobble seen in the
    reference), is accumulated by a one-sided CUSUM [1]_ with a slack of 0.75 (more, where customers stay). The alarm
    line is such that of all shops where nothing changes, as many raise an alarm within a year after the reference as
    `false_alarms` says, however many cells are watched; it is found by simulating quiet cells with the same number of
    reference periods, the same time between periods, and customers who stay as long. Growth is reported once it
    exceeds 1 % of all customers by its standard error. Look for gaps in the feed first, with
    :func:`segkit.check_events`: missing events look like growth. A season is told from growth by what it does to the
    middle and the spread of a segment; one that skews a segment may look like growth.

    References
    ----------
    .. [1] Page (1954), Continuous Inspection Schemes, Biometrika.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_shop_over_time
    >>> shop = make_shop_over_time(2000, n_periods=30, changes="newcomers", apart=5)
    >>> result = sg.segment(shop.tables.loc["2024-03-18"], n_segments=4)
    >>> list(sg.emerging(result, shop.tables)["separate"])
    [True]
    """
    rate = read_rate(false_alarms)
    periods = checked_periods(result, tables)
    warn_of_endless_windows(tables)
    moments = list(periods)
    if len(moments) <= LEAST:
        raise ValueError(
            f"tables has {counted(len(moments), 'moment')}. At least {LEAST + 1} are needed: {LEAST} to know how "
            "much shares wobble when nothing grows, and one to watch. Compute more with snapshots(…, dates=…)."
        )
    reference = reference_periods(result, periods)
    gaps = np.diff(np.array(moments, dtype="datetime64[s]")) / np.timedelta64(1, "D")
    days = float(np.median(gaps))
    if days < 1:
        raise ValueError(
            f"The moments of tables are {days * 24:.3g} hours apart. Growth is watched from day to day at most: keep "
            "one moment a day, or fewer."
        )
    _warn_of_gaps(moments, gaps, days)
    _warn_of_faults(result, periods, reference)
    seen = watch(result, periods, reference, rate, days)
    if seen.unwatched:
        names = listed([result.name_of(s) for s in seen.unwatched], 5)
        warnings.warn(
            f"These segments have too few customers to be watched, at least {WATCHED} are needed: {names}. Make fewer "
            "segments, or wait for more customers.",
            stacklevel=2,
        )
    groups = new_groups(seen)
    table = pd.DataFrame([_row(result, seen, group) for group in groups], columns=list(COLUMNS))
    table.index.name = "candidate"
    table["first_seen"] = pd.to_datetime(table["first_seen"]).astype("datetime64[us]")
    table = table.astype(
        {"customers": "int64", "share": float, "growth": float, "parent_id": "int64", "separate": bool}
    )
    table = table.astype({"found": "str", "parent": "str", "differs": "str"})
    table.attrs["segkit"] = {
        "false_alarms": false_alarms,
        "line": seen.line,
        "reference": reference,
        "days": days,
        "lasting": seen.lasting,
        "wobble": seen.wobble,
        "series": _series(result, seen, groups),
    }
    return table


def _warn_of_gaps(moments: list[pd.Timestamp], gaps: np.ndarray, days: float) -> None:
    wide = int(gaps.argmax())
    if gaps[wide] > 1.5 * days:
        warnings.warn(
            f"tables has no moment between {moments[wide]:%Y-%m-%d} and {moments[wide + 1]:%Y-%m-%d}, others are "
            f"{days:g} days apart. The rate of false alarms holds for equal distances: compute the missing ones.",
            stacklevel=3,
        )


def _warn_of_faults(result: Partition, periods: dict[pd.Timestamp, pd.DataFrame], reference: int) -> None:
    """Warn of moments whose data are missing, which look like growth."""
    tables = [table[list(result.customers.columns)] for table in periods.values()]
    said = empty_features(tables, np.arange(len(tables)) < reference)
    faults = [(moment, words) for moment, words in zip(periods, said, strict=True) if words]
    if faults:
        moment, words = faults[0]
        others = f" (and {counted(len(faults) - 1, 'later moment')})" if len(faults) > 1 else ""
        warnings.warn(
            f"Data seem to be missing at {moment:%Y-%m-%d}{others}: {words}. What seems to grow may be that. Mend the "
            "feed, and compute the tables again.",
            stacklevel=3,
        )


def _row(result: Partition, seen: Watch, group: NewGroup) -> tuple[Any, ...]:
    segment = group.growth.segment
    name = result.name_of(segment)
    found = f"A group of its own in {name}" if group.separate else f"Something grows in {name}"
    if not len(group.members):
        found = f"Grew in {name}, and is gone again"
    passed = len(seen.moments) - 1 - group.since
    return (
        seen.moments[group.first],
        found,
        len(group.members),
        len(group.members) / max(int(seen.sizes[-1]), 1),
        group.added / passed,
        segment,
        name,
        group.separate,
        _told(group.apart, [str(name) for name in result.prepared.columns]),
        list(group.members),
    )


def _told(apart: np.ndarray, features: list[str]) -> str:
    """Return the features that set a group apart, in words."""
    most = [i for i in np.argsort(-np.abs(apart), kind="stable")[:TOLD] if abs(apart[i]) >= APART]
    return ", ".join(_direction(features[i], float(apart[i])) for i in most)


def _direction(feature: str, apart: float) -> str:
    """Return where a group is along a prepared feature; words and missing values by how often they occur."""
    name, is_word, word = feature.partition(" = ")
    often = "more" if apart > 0 else "less"
    if is_word:
        return f"{name} {often} often {word}"
    if feature.endswith(" missing"):
        return f"{feature.removesuffix(' missing')} {often} often missing"
    return f"{feature} {abs(apart):.1f} spreads {'above' if apart > 0 else 'below'}"


def _series(result: Partition, seen: Watch, groups: list[NewGroup]) -> list[dict[str, Any]]:
    """Return the share of the cell of each candidate over time, with its alarm line; of the nearest one if none is."""
    watched = [(i, group.growth, group.leading, group.first) for i, group in enumerate(groups)]
    if not watched and seen.growths:
        nearest = max(seen.growths, key=lambda growth: growth.sums.max())
        watched = [(-1, nearest, int(nearest.sums.max(axis=0).argmax()), -1)]
    rows = []
    for candidate, growth, cell, first in watched:
        sizes = growth.counts.sum(axis=1)
        alone = np.arange(len(growth.usual)) == cell
        least = least_added(seen, growth, np.broadcast_to(alone, growth.counts.shape))
        floor = growth.usual[cell] + least * seen.sizes / np.maximum(sizes, 1)
        lines = np.maximum(growth.alarming_share(cell, seen.line), floor)
        for t, share in enumerate(growth.shares(np.array([cell]))):
            rows.append(
                {
                    "candidate": candidate,
                    "parent": result.name_of(growth.segment),
                    "as_of": seen.moments[t].isoformat(),
                    "share": None if np.isnan(share) else float(share),
                    "usual": float(growth.usual[cell]),
                    "alarm_line": None if t < seen.reference or np.isnan(lines[t]) else float(lines[t]),
                    "alarm": t == first,
                }
            )
    return rows
