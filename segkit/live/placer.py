"""Place customers whom events, late events or time alone move, within a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.live.feature_reader import FeatureReader
from segkit.live.history import History
from segkit.live.placing import Answer, Asked, Placement, answers, newly_asked
from segkit.live.store import Event

CHUNK = 20_000  # customers that are read at once, which bounds the memory


@dataclass(frozen=True)
class Placer:
    """What the model says of customers, beside what was said of them before."""

    result: Segmentation
    reader: FeatureReader
    history: History

    def place(self, due: list[Event]) -> list[Placement]:
        """Place the customers of events that count from now on; correct what late ones change."""
        new, late = newly_asked(due, self.history.last)
        older = self.history.after(late)
        said = answers(self.result, self.reader, [*older, *((a.customer_id, a.moment) for a in new)])
        placed, shown = [], {name: self.history.last[name].shown for name in late}
        coming = {asked.customer_id for asked in new}
        for (customer, moment), old in older.items():
            answer, is_last = said[customer, moment], moment == self.history.last[customer].as_of
            if answer != old.answer or (is_last and customer not in coming):
                cause = [event_id for event_id, time in late[customer] if time < moment][-1]
                placed.append(self.placement(Asked(customer, moment, cause, late=True), answer, old.shown))
                if is_last:
                    shown[customer] = placed[-1].shown
        for asked in new:
            before = self.history.last.get(asked.customer_id)
            was = shown.get(asked.customer_id, None if before is None else before.shown)
            placed.append(self.placement(asked, said[asked.customer_id, asked.moment], was))
        return placed

    def placement(self, asked: Asked, answer: Answer, was: int | None) -> Placement:
        """Return the next placement, with the segment that is shown."""
        customer, moment = asked.customer_id, asked.moment
        shown = self.history.shown(customer, moment, answer)
        number = self.history.number()
        return Placement(number, customer, moment, answer, shown, was, asked.event_id, asked.late)

    def moved(self, moment: pd.Timestamp) -> list[Placement]:
        """Place the customers whose segment at a moment is another one than in their last placement."""
        last = self.history.last
        customers = sorted(name for name, placed in last.items() if placed.as_of <= moment)
        moved = []
        for name, answer in self.said(customers, moment):
            if answer.segment_id != last[name].answer.segment_id:
                moved.append(self.placement(Asked(name, moment, None), answer, last[name].shown))
        return moved

    def said(self, customers: list[str], moment: pd.Timestamp) -> Iterator[tuple[str, Answer]]:
        """Yield what the batch says of customers, in alphabetical order, at a moment."""
        for start in range(0, len(customers), CHUNK):
            pairs = [(name, moment) for name in customers[start : start + CHUNK]]
            for (name, _), answer in answers(self.result, self.reader, pairs).items():
                yield name, answer
