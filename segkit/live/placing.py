"""Say whom a batch of events places, at which moments, and what the model says of them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.live.context import Context
from segkit.live.feature_reader import FeatureReader
from segkit.live.store import Event

INSTANT = pd.Timedelta(1, "us")  # after an event, so that the event itself counts

Pair = tuple[str, pd.Timestamp]


@dataclass(frozen=True)
class Answer:
    """What the model says of a customer; nothing where no event counts, or the model cannot place the features."""

    segment_id: int | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Placement:
    """An answer at a moment, with the segment that is shown, which an analyst may have corrected."""

    placement_id: int
    customer_id: str
    as_of: pd.Timestamp
    answer: Answer
    shown: int | None
    was: int | None = None
    event_id: str | None = None
    late: bool = False

    @property
    def order(self) -> tuple[pd.Timestamp, int]:
        """Later moments come last; of the same moment, what was written last."""
        return self.as_of, self.placement_id


@dataclass(frozen=True)
class CustomerAt:
    """A customer at a moment, as the batch sees it; made by :meth:`Live.at`.

    Attributes
    ----------
    customer_id : str
    as_of : Timestamp
    segment_id : int or None
        What the model says; None where no event of the customer counts at that moment.
    segment : str or None
        The name that is shown: an analyst's correction, or else the name of `segment_id`.
    confidence : float or None
        How sure `segment_id` is, see :attr:`Segmentation.confidence`.
    features : DataFrame of shape (1, n_features)
        The features that the answer follows from; without a row where no event counts.
    corrected : dict or None
        The correction that is shown: `segment`, `why`, `who` and `as_of`.
    context : Context
        The hour, place and device, the current visit, and the last feedback.
    """

    customer_id: str
    as_of: pd.Timestamp
    segment_id: int | None
    segment: str | None
    confidence: float | None
    features: pd.DataFrame = field(repr=False)
    corrected: dict[str, Any] | None
    context: Context


@dataclass(frozen=True)
class Asked:
    """A customer to place as of a moment, because of an event; `late` where it was placed for that moment before."""

    customer_id: str
    moment: pd.Timestamp
    event_id: str | None
    late: bool = False


def newly_asked(events: list[Event], last: dict[str, Placement]) -> tuple[list[Asked], dict[str, list[Pair]]]:
    """Return whom events place at a new moment, and whose older placements late events change.

    A customer's new moment is a microsecond after the last of its events. An event is late where the customer was
    placed for a later moment already.

    Returns
    -------
    new : list of Asked
    late : dict of str to list of (str, Timestamp)
        For each such customer its late events in their order: id and time.
    """
    new: list[Asked] = []
    late: dict[str, list[tuple[str, pd.Timestamp]]] = {}
    by_customer: dict[str, list[tuple[pd.Timestamp, str]]] = {}
    for event_id, customer, time in events:
        by_customer.setdefault(customer, []).append((time, event_id))
    for customer in sorted(by_customer):
        own, placed = sorted(by_customer[customer]), last.get(customer)
        time, event_id = own[-1]
        if placed is None or time >= placed.as_of:
            new.append(Asked(customer, time + INSTANT, event_id))
        if placed is not None and own[0][0] < placed.as_of:
            late[customer] = [(event_id, time) for time, event_id in own if time < placed.as_of]
    return sorted(new, key=lambda asked: (asked.moment, asked.customer_id)), late


def answers(result: Segmentation, reader: FeatureReader, asked: Iterable[Pair]) -> dict[Pair, Answer]:
    """Return what the batch says of customers, each as of its own moment."""
    pairs = sorted(set(asked))
    if not pairs:
        return {}
    return answers_from(result, read_features(reader, pairs), pairs)


def answers_from(result: Segmentation, features: pd.DataFrame, pairs: list[Pair]) -> dict[Pair, Answer]:
    """Return what the batch says of customers at moments, from the features that were read."""
    if features.empty:
        return dict.fromkeys(pairs, Answer())
    rows = features.reset_index(drop=True)
    try:
        segments, confidence = _placed(result, rows)
    except ValueError:
        segments, confidence = _placed_one_by_one(result, rows)
    found = {
        (str(customer), moment): Answer(segment, sure)
        for (customer, moment), segment, sure in zip(features.index, segments, confidence, strict=True)
    }
    return {pair: found.get(pair, Answer()) for pair in pairs}


def read_features(reader: FeatureReader, pairs: list[Pair]) -> pd.DataFrame:
    """Return features by customer and moment; customers without an event before it have no row."""
    asked = pd.DataFrame(pairs, columns=["customer_id", "moment"])
    asked = asked.astype({"customer_id": "str", "moment": "datetime64[us]"})
    features = reader.read(asked)
    return features.reorder_levels(["customer_id", "as_of"])


def _placed(result: Segmentation, rows: pd.DataFrame) -> tuple[list[int | None], list[float | None]]:
    placed = result.place(rows)
    return placed["segment_id"].tolist(), placed["confidence"].tolist()


def _placed_one_by_one(
    result: Segmentation, rows: pd.DataFrame
) -> tuple[list[int | None], list[float | None]]:
    """Place the customers that the model can place: features of one must not stop the others."""
    each: list[tuple[list[int | None], list[float | None]]] = []
    why = ""
    for i in range(len(rows)):
        try:
            each.append(_placed(result, rows.iloc[[i]]))
        except ValueError as error:
            each.append(([None], [None]))
            why = str(error)
    failed = sum(segments == [None] for segments, _ in each)
    warnings.warn(
        f"The model cannot place {counted(failed, 'customer')}, who are in no segment until it can. The last "
        f"one: {why}",
        stacklevel=2,
    )
    segments, confidence = (list(itertools.chain(*parts)) for parts in zip(*each, strict=True))
    return segments, confidence


def as_table(placements: list[Placement], name_of: Callable[[int], str]) -> pd.DataFrame:
    """Return placements as a table, with the names of the segments."""
    columns = {
        "customer_id": pd.array([p.customer_id for p in placements], dtype="str"),
        "as_of": np.array([p.as_of for p in placements], dtype="datetime64[us]"),
        "segment_id": pd.array([p.answer.segment_id for p in placements], dtype="Int64"),
        "segment": pd.array([_name(p.shown, name_of) for p in placements], dtype="str"),
        "confidence": np.array([p.answer.confidence for p in placements], dtype=float),
        "was": pd.array([_name(p.was, name_of) for p in placements], dtype="str"),
        "event_id": pd.array([p.event_id for p in placements], dtype="str"),
        "late": np.array([p.late for p in placements], dtype=bool),
    }
    return pd.DataFrame(columns)


def _name(segment: int | None, name_of: Callable[[int], str]) -> str | None:
    return None if segment is None else name_of(segment)
