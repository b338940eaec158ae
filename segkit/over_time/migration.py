"""Count who moved from which segment to which, and how much of that is the customers' doing or the model's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.collect.events import Events, checked_events
from segkit.core.disclosure import is_few, said_from
from segkit.core.engine.connection import locked_engine, run_with_progress
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.over_time.steps import BACK, BEHAVIOUR, BOTH, MODEL, STAYED, Steps, steps_between

CAME, GONE = "(came)", "(gone)"
NOWHERE = -(2**40)  # the place of those who come or go, while flows are counted
LAST = 2**62  # above any id
REASONS = (STAYED, BEHAVIOUR, MODEL, BOTH, "came", "gone")
SENT = "_sent"  # the end of kinds of event that the shop does, not the customer


def migration(previous: Segmentation, current: Segmentation, events: Events | None = None) -> pd.DataFrame:
    """Count the customers who moved from each segment to each, and split them by the reason.

    Parameters
    ----------
    previous, current : Segmentation
        An earlier and a later one, from the same features.
    events : Events, optional
        The log. Adds who did nothing between the two moments: time alone moved them. Without it, they count as moved by
        behaviour.

    Returns
    -------
    DataFrame
        A row for each flow that has customers:

        * `from_id`, `from`, `to_id`, `to`: the segments. Ids are those of `previous`; a new segment has an id that it
          does not know. Customers outside (−1) are a segment of their own. Those in one of the two only come from
          "(came)" or go to "(gone)", without an id.
        * `customers`, `share` of all, and `of_from`, their share of the segment they come from.
        * `stayed`, `behaviour`, `model`, `both`, `came`, `gone`: these add up to `customers`. By behaviour moved whom
          the old model itself puts elsewhere by today's features; by the model, whom only the new one does; by both,
          whom the old model puts elsewhere and the new one elsewhere again.
        * `back`: of those who stayed, whom the old model would have moved and the new one put back.
        * with events, `did_nothing`: customers without an event between the two moments (messages sent to them do not
          count); and `by_time`: those of them in `behaviour`.

        ``.attrs["segkit"]`` has the `sentence` that sums it up, the `ids` here of the segments of `current`, and the
        two moments `as_of`.

    Raises
    ------
    TypeError
        If they are no segmentations, or no events.
    ValueError
        If no customer is in both, `current` lacks features of `previous` or they have another window, `previous` is
        later than `current`, or with events, the moments are not known or the events end before the first.

    Notes
    -----
    It is arithmetic: old model on old features, old model on today's, new model on today's. By `from` the table adds up
    exactly to the sizes of `previous`, by `to` to those of `current`. With the same model nobody moves by the model,
    with the same features nobody by behaviour.

    The ids are those that ``segment(…, previous=previous)`` keeps. Where `current` was fitted without it, segments are
    matched as in :func:`segkit.match_segments`; bands of value and named rules keep theirs.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> before = sg.segment(may, n_segments=2).with_names({0: "Regular", 1: "Rare"})
    >>> flows = sg.migration(before, sg.segment(june, n_segments=2, previous=before))
    >>> flows[["from", "to", "customers", "behaviour", "model"]]
          from       to  customers  behaviour  model
    0  Regular  Regular          3          0      0
    1  Regular   (gone)          1          0      0
    2     Rare  Regular          1          1      0
    3     Rare     Rare          3          0      0
    4   (came)     Rare          1          0      0
    >>> flows.attrs["segkit"]["sentence"].split(". ")[0]
    '14% of 7 customers changed segment: 14% by their behaviour'
    """
    if events is not None:
        checked_events(events)
    steps = steps_between(previous, current)
    flows = _flows(steps, None if events is None else _active(events, steps))
    flows.attrs["segkit"] = {
        "sentence": " ".join(in_sentences(flows)),
        "ids": steps.ids,
        "as_of": [None if moment is None else moment.isoformat() for moment in steps.as_of],
        "badge": current.badge,
    }
    return flows


def _flows(steps: Steps, active: pd.Index | None) -> pd.DataFrame:
    """Return the counts of each flow by its reason, in the order of segments."""
    inside, came, gone = steps.customers, steps.came, steps.gone
    every = pd.DataFrame(
        {
            "from_id": np.concatenate([inside["before"], np.full(len(came), NOWHERE), gone]),
            "to_id": np.concatenate([inside["now"], came, np.full(len(gone), NOWHERE)]),
            "customers": 1,
        },
        index=[*inside.index, *came.index, *gone.index],
    )
    why = np.concatenate([inside["why"].astype(object), np.repeat(["came", "gone"], [len(came), len(gone)])])
    for reason in (*REASONS, BACK):
        every[reason] = why == reason
    every[STAYED] |= every[BACK]
    if active is not None:
        every["did_nothing"] = ~every.index.isin(active)
        every["by_time"] = every["did_nothing"] & every[BEHAVIOUR]
    flows = every.groupby(["from_id", "to_id"], as_index=False).sum()
    # Segments by id, then those outside, then who come or go.
    flows = flows.sort_values(
        ["from_id", "to_id"], key=lambda ids: ids.where(ids >= 0, LAST - ids), ignore_index=True
    )
    for side in ("from_id", "to_id"):
        flows[side] = flows[side].astype("Int64").mask(flows[side] == NOWHERE)
    names = {"from": [_name(s, steps.names_before, CAME) for s in flows["from_id"]]}
    names["to"] = [_name(s, steps.names_now, GONE) for s in flows["to_id"]]
    flows.insert(1, "from", pd.Series(names["from"], dtype="str"))
    flows.insert(3, "to", pd.Series(names["to"], dtype="str"))
    flows.insert(5, "share", flows["customers"] / flows["customers"].sum())
    of_from = flows["customers"] / flows.groupby("from_id", dropna=False)["customers"].transform("sum")
    flows.insert(6, "of_from", of_from)
    return flows


def _name(segment: int, names: dict[int, str], nowhere: str) -> str:
    return nowhere if pd.isna(segment) else names[int(segment)]


@locked_engine
def _active(events: Events, steps: Steps) -> pd.Index:
    """Return the customers who did something between the two moments."""
    first, end = steps.as_of
    if first is None or end is None:
        said = "previous does not say" if first is None else "current does not say"
        raise ValueError(
            f"{said} as of which moment it was made, so what customers did between is not known. Segment customers "
            "from customer_features(events, …, as_of=…), or leave events out."
        )
    if pd.isna(events.last) or events.last < first:
        raise ValueError(
            f"The events end at {events.last}, before the previous segmentation, as of {first}. Pass the whole log, up "
            f"to {end}."
        )
    t = events.table
    done = t.filter((t.timestamp >= first) & (t.timestamp < end) & ~t.kind.endswith(SENT))
    done = done.select("customer_id").distinct()
    return pd.Index(
        run_with_progress(done, done.to_pandas, "Looking for events between")["customer_id"], dtype="str"
    )


def in_sentences(flows: pd.DataFrame, minimum: int = 1) -> list[str]:
    """Return what a table of flows comes to, in words; counts below the minimum are not said."""
    inside = flows[flows["from_id"].notna() & flows["to_id"].notna()]
    total = inside[["customers", BEHAVIOUR, MODEL, BOTH, BACK]].sum()
    n, moved = int(total["customers"]), int(total[[BEHAVIOUR, MODEL, BOTH]].sum())
    reasons = {BEHAVIOUR: "by their behaviour", MODEL: "by the new model alone", BOTH: "by both"}
    split = ", ".join(
        f"{f'fewer than {minimum}' if is_few(total[r], minimum) else share(total[r], n)} {words}"
        for r, words in reasons.items()
        if total[r]
    )
    parts = []
    if is_few(moved, minimum):
        parts.append(f"Fewer than {minimum} of {counted(n, 'customer')} changed segment.")
    elif moved:
        parts.append(f"{share(moved, n)} of {counted(n, 'customer')} changed segment: {split}.")
    elif n:
        parts.append(f"None of {counted(n, 'customer')} changed segment.")
    if total[BACK]:
        put_back = share(total[BACK], n)
        another = "another " if moved else ""
        parts.append(
            f"By the old model {another}{put_back} would have moved; the new one keeps them in place."
        )
    if "by_time" not in flows and moved > total[MODEL]:
        parts.append("Behaviour includes what time alone does, such as a longer tenure.")
    if "by_time" in flows and total[BEHAVIOUR]:
        alone = share(inside["by_time"].sum(), total[BEHAVIOUR])
        parts.append(
            f"Of those who moved by behaviour, {alone} did nothing in between: time alone moved them."
        )
    if flows["came"].sum() or flows["gone"].sum():
        came, gone = (said_from(n, minimum) for n in flows[["came", "gone"]].sum())
        parts.append(f"{came} came, {gone} gone.")
    return parts


def share(part: float, whole: float) -> str:
    """Return a share in per cent, as people say it."""
    said = f"{part / whole:.0%}"
    return {"0%": "under 1%", "100%": "over 99%"}.get(said, said) if 0 < part < whole else said
