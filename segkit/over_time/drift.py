"""Say for each period whether something drifts, and what: the feed, the customers, a season, or what features mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from segkit.collect.events import Events, checked_events
from segkit.collect.quality.findings import day
from segkit.core.messages import counted, joined
from segkit.methods.partition import Partition, check_segments
from segkit.over_time.feeds import LogGaps, Usual, empty_features
from segkit.over_time.outcomes import FEW, outcome_column, outcome_distances, outcomes_after
from segkit.over_time.periods import checked_periods, no_wobble, reference_periods, warn_of_endless_windows
from segkit.over_time.places import Places, measure_places, middle_distances, share_distances, shifts
from segkit.over_time.usual import CALM, Distances

REFERENCE, UNKNOWN, NONE = "reference", "unknown", "none"
FEED, POPULATION, SEASON, CONCEPT = "feed", "population", "season", "concept"
YEAR = pd.Timedelta("365.25 days")
SAME_TIME = pd.Timedelta("16 days")  # about a year ago may be this much off
ALIKE = 0.7  # least correlation of a move with that of a year ago
TOLD = 2  # segments and features that evidence names
WORDS = {
    FEED: "data missing",
    CONCEPT: "customers who do something else next",
    POPULATION: "other customers",
    SEASON: "a season",
    UNKNOWN: "too few customers to tell",
}
OPEN = " Less than a year of tables before it: a season cannot be ruled out until it comes back."


def drift(
    result: Partition, tables: pd.DataFrame, events: Events | None = None, outcome: str | None = None
) -> pd.DataFrame:
    """Say for each period whether customers differ from what is usual, and why.

    Parameters
    ----------
    result : Segmentation
    tables : DataFrame
        From :func:`segkit.snapshots`, with the features of `result`, best with ``window=``: without, features such as
        `tenure` only grow. The periods up to the moment of `result` say what is usual; the first half, where that
        is not known or none follows; at least 8.
    events : Events, optional
        The log: gaps in it are then found as by :func:`segkit.check_events`.
    outcome : str, optional
        What customers do next, in numbers: a feature, whose value in the next table counts; or another column, with
        what came after each moment. By default the next `monetary`, or `frequency`.

    Returns
    -------
    DataFrame
        Indexed by `as_of`, a row for each period:

        * `verdict`: "feed" (data are missing), "concept" (the same customers do something else next), "season" (a move
          that comes back), "population" (other customers, who stay), "none", "reference" or "unknown" (too few periods,
          or fewer than 30 customers).
        * `effect`: the largest of the three below, in wobbles of the reference beyond the usual; 5 or more is drift.
        * `shares`: share of the customers in another segment than usual; `middles`: how far the middles of segments
          moved, in spreads; `outcome`: how far outcomes are from what features said, in spreads. Missing where unknown.
        * `customers`, and the `evidence` in words.

        ``.attrs["segkit"]`` has the number of `reference` periods, the `outcome` that was looked at, and a `sentence`.

    Raises
    ------
    TypeError, ValueError
        If `result` is no segmentation or has no segment, the tables are not of its features, or there is no such
        outcome.

    Warns
    -----
    UserWarning
        If the features look back on all events, or customers have words that were unseen when the segments were made.

    Notes
    -----
    The model stays frozen. Each distance is compared with those of the reference periods from each other (median, and
    median deviation) and with chance in so few customers; there is no test and no p-value. A move lasts until its
    effect is below 2.5.

    *Feed*: a gap in the log, a feature that is empty or of new words for almost everyone at once, one that never was
    missing and is for one in twenty, half of the customers gone, or up to half of the features a fifth lower in all
    segments alike while the others stay. It is looked for first.

    *Season*: a move that is over within a year, or one in the same direction as a year ago. So the last months of less
    than a year of tables are called "population" or "concept", with a note, until the move comes back.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_shop_over_time(500, n_periods=14, changes="feed gap")
    >>> first = shop.tables.loc[shop.tables.index[0][0]]
    >>> sg.drift(sg.segment(first, n_segments=4), shop.tables)["verdict"].to_list()[8:]
    ['none', 'none', 'none', 'none', 'feed', 'feed']
    """
    periods = checked_periods(result, tables)
    warn_of_endless_windows(tables)
    check_segments(result, "drift needs some")
    column = outcome_column(result, tables, outcome)
    gaps = None if events is None else LogGaps(checked_events(events))
    moments = list(periods)
    n = reference_periods(result, periods)
    missing = _missing(gaps, moments)
    if not n:
        return _unknown(periods, missing)
    first = np.arange(len(moments)) < n
    # A period without data says nothing of what is usual.
    reference = first & ~np.array([bool(text) for text in missing])
    reference = reference if reference.any() else first
    places = measure_places(result, periods, reference)
    measures = {
        "shares": share_distances(places, reference),
        "middles": middle_distances(places, reference),
    }
    after = None if column is None else outcomes_after(result, periods, column)
    of_outcome = None if after is None else outcome_distances(result, periods, after, reference)
    if of_outcome is not None:
        measures["outcome"] = of_outcome
    faults = _faults(result, periods, reference, measures, gaps, missing, tables)
    names = [result.name_of(segment) for segment in places.segments]
    rows = [
        _verdict(t, moments, first, faults, measures, places, reference, column, names)
        for t in range(len(moments))
    ]
    effects = np.array([measure.effects for measure in measures.values()])
    table = pd.DataFrame(
        {
            "verdict": [verdict for verdict, _ in rows],
            "effect": np.fmax.reduce(effects),
            "shares": measures["shares"].sizes,
            "middles": measures["middles"].sizes,
            "outcome": np.nan if of_outcome is None else of_outcome.sizes,
            "customers": places.sizes,
            "evidence": [evidence for _, evidence in rows],
        },
        index=pd.DatetimeIndex(moments, name="as_of"),
    ).astype({"verdict": "str", "evidence": "str"})
    table.attrs["segkit"] = {
        "reference": n,
        "outcome": None if of_outcome is None else column,
        "sentence": in_a_sentence(table, None if of_outcome is None else column),
    }
    return table


def _missing(gaps: LogGaps | None, moments: list[pd.Timestamp]) -> list[str]:
    """Return what the log lacks between each moment and the one before, in words."""
    if gaps is None:
        return [""] * len(moments)
    steps = pd.Series(moments).diff().dropna()
    before = moments[0] - (steps.median() if len(steps) else pd.Timedelta("1 day"))
    return [gaps.between(start, end) for start, end in zip([before, *moments[:-1]], moments, strict=True)]


def _unknown(periods: Mapping[pd.Timestamp, pd.DataFrame], missing: list[str]) -> pd.DataFrame:
    """Return the table where too few periods are there: only gaps in the log can be known."""
    said = no_wobble(len(periods))
    table = pd.DataFrame(
        {
            "verdict": [FEED if text else UNKNOWN for text in missing],
            **{name: np.full(len(periods), np.nan) for name in ("effect", "shares", "middles", "outcome")},
            "customers": [len(rows) for rows in periods.values()],
            "evidence": [f"{text}." if text else f"{said[0].upper()}{said[1:]}." for text in missing],
        },
        index=pd.DatetimeIndex(list(periods), name="as_of"),
    ).astype({"verdict": "str", "evidence": "str"})
    table.attrs["segkit"] = {
        "reference": 0,
        "outcome": None,
        "sentence": f"Whether anything drifts is not known: {said}.",
    }
    return table


def _faults(
    result: Partition,
    periods: Mapping[pd.Timestamp, pd.DataFrame],
    reference: np.ndarray,
    measures: dict[str, Distances],
    gaps: LogGaps | None,
    missing: list[str],
    tables: pd.DataFrame,
) -> list[str]:
    """Return what is wrong with the data of each period, in words; "" where nothing is known to be."""
    features = list(result.customers.columns)
    empty = empty_features([table[features] for table in periods.values()], reference)
    moved = np.any([measure.moved for measure in measures.values()], axis=0)
    window = (tables.attrs.get("segkit") or {}).get("window") or result.provenance.get("window")
    first = [table for table, usual in zip(periods.values(), reference, strict=True) if usual]
    usual = Usual(result, first) if moved.any() else None
    said: list[str] = []
    sound = first[-1]  # the latest table without a fault, which is in the same season
    for t, (moment, table) in enumerate(periods.items()):
        fault = missing[t] or empty[t]
        if not fault and moved[t] and gaps is not None and window:
            fault = gaps.between(moment - pd.Timedelta(window), moment)
            back = counted(max(pd.Timedelta(window).days, 1), "day")
            fault = f"{fault}, within the {back} that features look back" if fault else ""
        if not fault and moved[t] and usual is not None:
            fault = usual.falls(table) or Usual(result, [sound]).falls(table)
        sound = sound if fault else table
        said.append(fault)
    return said


def _verdict(
    t: int,
    moments: list[pd.Timestamp],
    first: np.ndarray,
    faults: list[str],
    measures: dict[str, Distances],
    places: Places,
    reference: np.ndarray,
    column: str | None,
    names: list[str],
) -> tuple[str, str]:
    """Return the verdict of a period, and the evidence."""
    if faults[t]:
        return FEED, f"{faults[t][0].upper()}{faults[t][1:]}."
    if first[t]:
        return REFERENCE, "Says what is usual."
    if places.sizes[t] < FEW:
        return (
            UNKNOWN,
            f"Only {counted(int(places.sizes[t]), 'customer')}: fewer than {FEW} tell nothing of all.",
        )
    usable = np.array([not fault for fault in faults])
    seasons = []
    for group, kind in ((("outcome",), CONCEPT), (("shares", "middles"), POPULATION)):
        moved = [name for name in group if name in measures and measures[name].moved[t]]
        if not moved:
            continue
        said = (
            f"Given their features, customers' next {column} differs by {measures['outcome'].sizes[t]:.2f} spreads "
            f"(usual {measures['outcome'].usual:.2f})"
            if kind == CONCEPT
            else _who(t, places, names, reference)
        )
        why = [_comes_back(measures[name], t, moments, usable, reference) for name in moved]
        if all(why):
            seasons.append(f"{said}; {why[0]}.")
            continue
        young = moments[t] - moments[0] < YEAR
        return kind, f"{said}.{OPEN if young else ''}"
    return (SEASON, " ".join(seasons)) if seasons else (NONE, "Within the usual wobble.")


def _who(t: int, places: Places, names: list[str], reference: np.ndarray) -> str:
    """Return which segments grew or shrank most, and which middles moved most, in words."""
    usual = places.shares[reference].mean(axis=0)
    change = places.shares[t] - usual
    most = [k for k in np.argsort(-np.abs(change), kind="stable")[:TOLD] if abs(change[k]) >= 0.01]
    said = [f"{names[k]} {usual[k]:.0%} → {places.shares[t, k]:.0%}" for k in most]
    moved = shifts(places, reference)[t] * (places.shares[t] > 0)[:, None]
    together = moved.T @ usual
    largest = np.argsort(-np.abs(together), kind="stable")[:TOLD]
    said += [
        f"{places.features[j]} {together[j]:+.1f} spreads".replace("-", "−")
        for j in largest
        if abs(together[j]) >= 0.1
    ]
    return f"Other than usual: {joined(said)}" if said else "Many small differences from the usual"


def _comes_back(
    measure: Distances, t: int, moments: list[pd.Timestamp], usable: np.ndarray, reference: np.ndarray
) -> str:
    """Return why a move is a season: it is over within a year, or was there a year ago; else ""."""
    usable = usable & np.isfinite(measure.effects)
    calm = usable & (measure.effects <= CALM)
    start = next((i for i in range(t, -1, -1) if not measure.moved[i] and usable[i]), 0)
    end = next((i for i in range(t, len(moments)) if not measure.moved[i] and usable[i]), None)
    if end is not None and moments[end] - moments[start] <= YEAR:
        return f"it was over by {day(moments[end])}"
    ago = np.array([abs(moments[t] - moment - YEAR) / SAME_TIME for moment in moments])
    at = int(ago.argmin())
    if ago[at] > 1 or not usable[at] or not calm[at:t].any():
        return ""
    now, then = measure.offsets[t], measure.offsets[at]
    known = np.isfinite(now) & np.isfinite(then)
    sizes = np.linalg.norm(now[known]), np.linalg.norm(then[known])
    if min(sizes) < 0.4 * max(sizes) or now[known] @ then[known] < ALIKE * sizes[0] * sizes[1]:
        return ""
    return f"the same as a year ago, on {day(moments[at])}"


def in_a_sentence(table: pd.DataFrame, column: str | None) -> str:
    """Return what a table of drift comes to, in words."""
    watched = table[table["verdict"] != REFERENCE]
    counts = watched["verdict"].value_counts()
    told = [verdict for verdict in WORDS if verdict in counts]
    said = (
        f"Of {counted(len(watched), 'period')}: "
        + joined([f"{WORDS[verdict]} in {counts[verdict]}" for verdict in told])
        + "."
        if told
        else f"Nothing drifts in {counted(len(watched), 'period')}."
    )
    return said if column else f"{said} What customers do next was not looked at: no outcome is known."
