"""Widget of segments as cards: who they are, what they bring, what sets them apart, how sure, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_frame
from segkit.core.disclosure import MINIMUM, check_minimum, state_without_contacts
from segkit.core.html import html_table
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import check_segments, checked_result
from segkit.show.report.cards import (
    PLAYED,
    cards_of,
    notes_on,
    shown_segments,
    suggestions_of,
    value_title,
    with_suggested,
    worth_of,
)
from segkit.show.report.looks import liked_products
from segkit.show.report.sentences import percent
from segkit.show.widgets.card_details import apart_by_segment, moved_by_segment, people_by_segment, people_of
from segkit.show.widgets.parts import STYLE, code_line, note, script, scrolling
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.tailor.plays.segment_worth import worth_by_segment

DO = PLAYED["strategy"]  # stands on the card, and all else of a play below it
SUGGESTED = "A name with a star is suggested, from what sets the segment apart: keep it, or write your own."
OTHERS = "These are other segments than at first: what those will bring and what to do for them is left out."


class SegmentCards(WithStill, anywidget.AnyWidget):
    """Show each segment as a card; read back ``result`` with the names written here, and the ``chosen`` segment.

    A card holds the name and a sentence, the size and the share of revenue, what sets the segment apart, typical and
    borderline customers, how far to trust it, and what to do, as far as these are known. Customers stand there under
    pseudonyms; ``people`` has their ids.

    Parameters
    ----------
    result : Segmentation
    value : str, Series or DataFrame, optional
        What each customer is worth, as for :func:`segkit.report`; by default `monetary`, or what they paid. Or the
        table of :func:`segkit.segment_value`.
    events : Events, optional
        The log. With it the cards say what each segment buys more often than others.
    playbook : DataFrame or callable, optional
        What to do: from :func:`segkit.playbook`, or a function that is called with each result, as this one.
    tables : DataFrame
        From :func:`segkit.snapshots`. With them the cards say where customers came from and went, between the last two
        moments.
    minimum : int, default=10
        Segments of fewer customers are named and not described, and nothing is said that fewer have or lack. 1 shows
        everything.

    Attributes
    ----------
    result : Segmentation
        Set it to show other segments.
    chosen : int or None
        Id of the chosen segment.
    customers : DataFrame
        Its customers.
    people : DataFrame
        Typical and borderline customers, from :func:`segkit.typical`, and their `pseudonym`.
    code : str
        The same as Python.
    error : str
        Why something was refused, or "".

    Raises
    ------
    TypeError, ValueError
        If there is no segment, or a table is not of these segments.

    Notes
    -----
    The state that a notebook may be saved with holds the values of typical and borderline customers, under their
    pseudonyms; see :class:`segkit.SegmentExplorer`. The still holds no customers.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 2] * 10 + [30] * 20}, index=[f"c{i:02}" for i in range(60)])
    >>> cards = sg.SegmentCards(sg.segment(customers, n_segments=2))
    >>> [(card["name"], card["size"]) for card in cards.cards]
    [('Occasional buyers', '40 customers'), ('Frequent buyers', '20 customers')]
    >>> cards.chosen = 1
    >>> len(cards.customers)
    20
    """

    _esm = script("segment_cards")
    _css = STYLE
    result = t.Instance(Segmentation)
    chosen = t.Int(None, allow_none=True).tag(sync=True)
    cards: t.List = t.List(t.Dict()).tag(sync=True)
    notes: t.List = t.List(t.Unicode()).tag(sync=True)
    value_name = t.Unicode().tag(sync=True)
    tested = t.Bool(False).tag(sync=True)
    badge = t.Unicode().tag(sync=True)
    kind_sentence = t.Unicode().tag(sync=True)
    code = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)
    # What the page asks for.
    wanted_names: t.Dict = t.Dict().tag(sync=True)
    wanted_test = t.Bool(False).tag(sync=True)

    def __init__(
        self,
        result: Segmentation,
        *,
        value: str | pd.Series | pd.DataFrame | None = None,
        events: Events | None = None,
        playbook: pd.DataFrame | Callable[[Segmentation], pd.DataFrame] | None = None,
        tables: pd.DataFrame | None = None,
        minimum: int = MINIMUM,
    ):
        checked_result(result)
        check_segments(result, "cards describe segments")
        check_minimum(minimum)
        if events is not None:
            checked_events(events)
        if playbook is not None and not callable(playbook):
            check_frame(
                "playbook", playbook, "It should be the table of playbook(result, …), or this function."
            )
        self._minimum, self._value, self._events = minimum, value, events
        self._playbook, self._tables = playbook, tables
        self._first = result
        self._start(result)
        super().__init__(result=result)
        self.observe(self._on_result, "result")
        self.observe(self._on_chosen, "chosen")
        self._draw()

    def _start(self, result: Segmentation) -> None:
        """Remember the segments that the code begins with; a result is tested in place, so keep whether it was."""
        self._given, self._was_tested = result, result.assessment is not None

    def still(self) -> Markup:
        """Return the cards as a table, and the code; no customers."""
        return self.still_of_segments() + code_line(self.code)

    def still_of_segments(self) -> Markup:
        """Return name, size and sentence of each card, and what is hidden."""
        rows = [
            [
                card["name"],
                f"{card['size']} ({card['share_said']})" if card["size"] else "hidden",
                card["sentence"],
            ]
            for card in self.cards
        ]
        table = html_table(["Segment", "Customers", "Who they are"], rows, text=(0, 1, 2))
        notes = Markup("").join(note(words) for words in self.notes)
        return scrolling("Segments", table) + notes

    @property
    def customers(self) -> pd.DataFrame:
        """The customers of the chosen segment: their features, `segment_id` and `segment`; empty if none is chosen."""
        frame = self.result.to_frame()
        return frame[frame["segment_id"] == self.chosen] if self.chosen is not None else frame.iloc[:0]

    @property
    def people(self) -> pd.DataFrame:
        """Typical and borderline customers of each segment, from :func:`segkit.typical`, with their `pseudonym`."""
        return people_of(self.result, self._minimum)

    @t.validate("result")
    def _only_segments(self, proposal: t.Bunch) -> Segmentation:
        try:
            check_segments(proposal["value"], "cards describe segments")
        except ValueError as error:
            raise t.TraitError(str(error)) from error
        return proposal["value"]

    @t.validate("chosen")
    def _only_present(self, proposal: t.Bunch) -> int | None:
        if proposal["value"] is not None and proposal["value"] not in self.result.segments:
            raise t.TraitError(
                f"There is no segment {proposal['value']}. Choose from {', '.join(map(str, self.result.segments))}."
            )
        return proposal["value"]

    @shows_errors
    def _on_result(self, change: t.Bunch) -> None:
        if not change["new"].labels.equals(self._given.labels):
            self._start(change["new"])
        if self.chosen not in self.result.segments:
            self.chosen = None
        self._draw()

    @t.observe("wanted_names")
    @shows_errors
    def _on_names(self, change: t.Bunch) -> None:
        if not change["new"]:
            return
        try:
            self.result = self.result.with_names({int(s): name for s, name in change["new"].items()})
            self.error = ""
        except ValueError as error:
            self.error = str(error)
        self.wanted_names = {}  # done: the same name can be written again

    @t.observe("wanted_test")
    @shows_errors
    def _on_test(self, change: t.Bunch) -> None:
        if not change["new"]:
            return
        try:
            self.result, self.error = self.result.with_trust(self.result.trust), ""
        except ValueError as error:
            self.error = str(error)
        self.wanted_test = False

    def _draw(self) -> None:
        """Show the result; a forecast and a playbook are of the first segments only."""
        result, minimum = self.result, self._minimum
        same = result.labels.equals(self._first.labels)
        forecast, worth, title = self._worth(same)
        playbook = self._playbook(result) if callable(self._playbook) else self._playbook if same else None
        suggestions = suggestions_of(result, minimum)
        named = with_suggested(result, suggestions)
        liked = liked_products(named, self._events, shown_segments(result, minimum), minimum, None)
        cards = cards_of(
            result, suggestions, value=worth, forecast=forecast, liked=liked, playbook=playbook, minimum=minimum
        )  # fmt: skip
        apart = apart_by_segment(named, minimum)
        people = people_by_segment(named, people_of(named, minimum), apart)
        since, moved = ("", {}) if self._tables is None else moved_by_segment(named, self._tables, minimum)
        drawn = [
            {
                "id": s,
                "name": card.name,
                "given": not card.suggested,
                "color": card.color,
                "sentence": card.sentence,
                "size": card.size,
                "share": card.share if card.size else None,
                "share_said": percent(card.share) if card.size else "",
                "value_share": card.value_share,
                "value_said": "" if card.value_share is None else percent(card.value_share),
                "lines": [
                    [label, words, card.tags.get(label, "")]
                    for label, words in (
                        ("Likes", "; ".join(card.likes)),
                        ("Worth", card.value),
                        (DO, card.play.get(DO, "")),
                        ("Trust", card.verdict),
                        ("Moved", f"Since {since}: {moved[s]}." if s in moved else ""),
                    )
                    if words
                ],
                "play": [
                    [label, words, card.tags.get(label, "")]
                    for label, words in card.play.items()
                    if label != DO
                ],
                "apart": apart.get(s, []),
                "people": people.get(s, {"columns": [], "rows": []}),
            }
            for s, card in zip(shown_segments(result, minimum), cards, strict=True)
        ]
        of_first = self._is_forecast or isinstance(self._playbook, pd.DataFrame)
        left_out = [OTHERS] if of_first and not same else []
        with self.hold_sync():
            self.cards = state_without_contacts(drawn)
            self.notes = state_without_contacts([*notes_on(named, cards, minimum, SUGGESTED), *left_out])
            self.value_name = title
            self.tested = result.assessment is not None
            self.badge, self.kind_sentence = result.badge, result.kind_sentence
            self.code = self._written_code()

    @property
    def _is_forecast(self) -> bool:
        return isinstance(self._value, pd.DataFrame)

    def _worth(self, same: bool) -> tuple[dict[int, Any], pd.Series | None, str]:
        """Return what segments will bring, what customers are worth, and what shares are shares of."""
        if not self._is_forecast:
            return {}, worth_of(self.result, self._value, self._events), value_title(self._value, {})
        forecast = worth_by_segment(self.result, self._value) if same else {}
        return forecast, None, value_title(self._value, forecast)

    def _written_code(self) -> str:
        lines = []
        before, now = self._given.names, self.result.names
        renamed = {s: now.get(s, "") for s in sorted({*before, *now}) if now.get(s) != before.get(s)}
        if renamed:
            lines.append(f"result = result.with_names({renamed!r})")
        if self.tested and not self._was_tested:
            lines.append("result = result.with_trust(sg.assess(result))")
        least = "" if self._minimum == MINIMUM else f", minimum={self._minimum}"
        lines.append(f"sg.suggest_names(result{least})")
        if self.result.labels.nunique() > 1:
            lines.append(f"sg.profile(result{least})")
        lines.append(f"sg.typical(result{least})")
        if self._tables is not None:
            lines.append("sg.moves_over_time(result, tables)")
        if self.chosen is not None:
            lines.append(f"result.to_frame().query('segment_id == {self.chosen}')")
        return "\n".join(lines)

    @shows_errors
    def _on_chosen(self, _change: t.Bunch) -> None:
        self.code = self._written_code()
