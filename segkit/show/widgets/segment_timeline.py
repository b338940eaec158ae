"""Widget to drag through time: a map whose customers keep their places, and who moved from which segment to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.core.disclosure import MINIMUM, check_minimum, is_few, said_from, state_without_contacts
from segkit.core.messages import choose_from, counted
from segkit.core.moments import read_moment
from segkit.create.segmentation import Segmentation
from segkit.explain.map_layouts import principal_components
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import plain_preparer
from segkit.over_time.migration import CAME, GONE, share
from segkit.over_time.moves_over_time import moves_of, placed, several_periods
from segkit.over_time.periods import check_not_called
from segkit.show.widgets.map_colors import places_in_bytes
from segkit.show.widgets.parts import STYLE, code_line, described_segments, script
from segkit.show.widgets.stills import WithStill, sizes_still

LISTED = 100  # customers of a flow in the list
NOWHERE = -1  # the position of a segment where a customer is not there
MOVED = ["moved_1", "moved_2", "moved_3"]


class SegmentTimeline(WithStill, anywidget.AnyWidget):
    """Drag through the moments of a segmentation; read back the ``customers`` who went from one segment to another.

    The map shows the segment of each customer at the chosen date, by the frozen model. A customer keeps one place on
    it, and only the colour changes. Beside it stands who changed segment since the date before, who came and who is
    gone; press a flow to see its customers.

    It is about single customers: a notebook that is saved with the state of its widgets holds their places, their
    segments, and the ids of a chosen flow. Clear the outputs before you pass it on.

    Parameters
    ----------
    result : Segmentation
        Its model places customers at all dates.
    tables : DataFrame
        From :func:`segkit.snapshots`, at two dates or more.
    as_of : str or Timestamp, optional
        The date shown at first; the last by default.
    flow : pair of str or int, optional
        The segments, by name or id, between which customers are shown; "(came)" and "(gone)" are the first and the
        second of who came and who is gone. By default the largest flow between segments at `as_of`.
    minimum : int, default=10
        Flows of fewer customers are not listed; they can be chosen all the same, by `flow`. 1 lists all.

    Attributes
    ----------
    as_of : Timestamp
        The date shown; set it to move there, and to None for the last.
    flow : tuple of str or None
        The chosen flow, by name; it stays chosen from date to date. None: none.
    customers : DataFrame
        Those who took the chosen flow since the date before, from `moves`; all who moved, came or are gone if no flow
        is chosen.
    moves : DataFrame
        The moves of all dates, from :func:`segkit.moves_over_time`.
    code : str
        The same choice as Python.
    error : str
        Why customers cannot be shown, or "".

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.moves_over_time`.
    TraitError
        If there is no such date or segment.

    Notes
    -----
    Places are those of ``result.embedding``, where it has all customers of the tables. Else they are two principal
    components of the prepared features, each customer's at her last date. The page holds 4 bytes a
    customer for the place, and 1 byte for the segment at each date.

    The state that a notebook may be saved with holds these, and the ids of customers of the chosen flow: remove it
    before you pass the notebook on, such as by nbstripout. The still holds sizes only.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> result = sg.segment(may, n_segments=2).with_names({0: "Regular", 1: "Rare"})
    >>> months = pd.to_datetime(["2024-05-01", "2024-06-01"])
    >>> tables = pd.concat([may, june], keys=months, names=["as_of", "customer_id"])
    >>> timeline = sg.SegmentTimeline(result, tables, minimum=1)  # so few customers are not listed otherwise
    >>> timeline.flow
    ('Rare', 'Regular')
    >>> timeline.customers[["why", "changed"]]
                       why      changed
    customer_id
    c            behaviour  orders +1.9
    >>> print(timeline.code)
    moves = sg.moves_over_time(result, tables)
    now = moves.index.get_level_values("as_of") == "2024-06-01"
    customers = moves[now].droplevel("as_of").query("from_id == 1 and to_id == 0")
    """

    _esm = script("scatter", "segment_timeline")
    _css = STYLE
    as_of = t.Any()
    flow = t.Any(None, allow_none=True)
    # What the page shows, and what it asks for: positions in the lists of dates and of segments.
    dates: t.List = t.List().tag(sync=True)
    segments: t.List = t.List().tag(sync=True)
    places = t.Bytes().tag(sync=True)
    labels = t.Bytes().tag(sync=True)  # date after date; one more than all segments: not there
    sizes: t.List = t.List().tag(sync=True)
    flows: t.List = t.List().tag(sync=True)
    said: t.List = t.List().tag(sync=True)
    note = t.Unicode().tag(sync=True)
    badge = t.Unicode().tag(sync=True)
    at = t.Int().tag(sync=True)
    chosen: t.Dict = t.Dict().tag(sync=True)
    shown: t.Dict = t.Dict().tag(sync=True)
    code = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)

    def __init__(
        self,
        result: Segmentation,
        tables: pd.DataFrame,
        *,
        as_of: str | pd.Timestamp | None = None,
        flow: Sequence[str | int] | None = None,
        minimum: int = MINIMUM,
    ):
        check_minimum(minimum)
        periods = several_periods(result, tables)
        check_not_called(result, (CAME, GONE))
        labels = placed(result, periods)
        self._result, self._dates = result, list(periods)
        found = set(result.segments).union(*(here.unique().tolist() for here in labels.values()))
        self._order = sorted(found, key=lambda s: (s == OUTSIDE, s))  # of the segments on the page
        self.moves = moves_of(result, periods, labels)
        every = pd.Index(sorted(set().union(*(here.index for here in labels.values()))))
        places, said = _places(result, periods, every)
        nobody = len(self._order)
        there = np.full((len(periods), len(every)), nobody, dtype="u1" if nobody < 256 else "<u2")
        for row, here in zip(there, labels.values(), strict=True):
            row[every.get_indexer(here.index)] = pd.Index(self._order).get_indexer(here)
        flows = self._counted_flows(labels)
        super().__init__(
            dates=[_said(moment) for moment in self._dates],
            segments=described_segments(result, self._order),
            places=places_in_bytes(places),
            labels=there.tobytes(),
            sizes=[np.bincount(row, minlength=nobody + 1)[:nobody].tolist() for row in there],
            flows=[[flow for flow in here if flow["customers"] >= minimum] for here in flows],
            said=self._sentences(flows, labels, minimum),
            note=said,
            badge=result.badge,
        )
        self.as_of = self._dates[-1] if as_of is None else as_of
        self.flow = self._largest() if flow is None else flow
        self.observe(self._show, ["as_of", "flow"])
        self._show()

    @property
    def customers(self) -> pd.DataFrame:
        """The customers of the chosen flow, from the date before to this one, in the order of their ids."""
        now = self.moves.index.get_level_values("as_of") == self.as_of
        here = self.moves[now].droplevel("as_of")
        if self.flow is None:
            return here
        return here[(here["from"] == self.flow[0]) & (here["to"] == self.flow[1])]

    def still(self) -> Markup:
        """Return the sizes of the segments at the date shown, and the code; nobody's place or id."""
        names = [segment["legend"] for segment in self.segments]
        return sizes_still(self.dates[self.at], names, self.sizes[self.at]) + code_line(self.code)

    @t.validate("as_of")
    def _only_dates(self, proposal: t.Bunch) -> pd.Timestamp:
        try:
            moment = read_moment(proposal["value"])
        except (TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from error
        if moment not in self._dates:
            raise t.TraitError(
                f"as_of={str(proposal['value'])!r} is not a date of the tables. Choose from "
                f"{_code_of(self._dates[0])} to {_code_of(self._dates[-1])}, such as {self._nearest(moment)}."
            )
        return moment

    def _nearest(self, moment: pd.Timestamp) -> str:
        return _code_of(min(self._dates, key=lambda date: abs(date - moment)))

    @t.validate("flow")
    def _only_flows(self, proposal: t.Bunch) -> tuple[str, str] | None:
        asked = proposal["value"]
        if asked is None:
            return None
        if isinstance(asked, str) or not isinstance(asked, Sequence) or len(asked) != 2:
            raise t.TraitError(f"flow={asked!r} is no pair of segments. Say ('{CAME}', 'Regulars'), or None.")
        known = {self._result.name_of(s): s for s in self._order}
        pair = []
        for segment, nowhere in zip(asked, (CAME, GONE), strict=True):
            name = self._result.name_of(int(segment)) if isinstance(segment, (int, np.integer)) else segment
            if not isinstance(name, str) or (name not in known and name != nowhere):
                raise t.TraitError(
                    f"There is no segment {segment!r}.{choose_from(segment, [*known, nowhere])}"
                )
            pair.append(name)
        if pair[0] == pair[1] or pair == [CAME, GONE]:
            raise t.TraitError(f"flow={asked!r} leads nowhere: name two segments, or who came or is gone.")
        return pair[0], pair[1]

    @t.observe("at")
    def _on_slider(self, change: t.Bunch) -> None:
        if self.as_of and change["new"] != self._dates.index(self.as_of):
            self.as_of = self._dates[change["new"]]

    @t.validate("at")
    def _only_positions(self, proposal: t.Bunch) -> int:
        return min(max(proposal["value"], 0), len(self._dates) - 1)

    @t.observe("chosen")
    def _on_flow(self, change: t.Bunch) -> None:
        """Take over the flow that was pressed."""
        if not hasattr(self, "as_of") or change["new"] == self._pair():
            return
        pressed = change["new"]
        self.flow = (self._name(pressed["from"], CAME), self._name(pressed["to"], GONE)) if pressed else None

    def _name(self, position: int, nowhere: str) -> str:
        return nowhere if position == NOWHERE else self._result.name_of(self._order[position])

    def _pair(self) -> dict[str, int]:
        """Return the chosen flow as positions of segments; empty if there is none."""
        if self.flow is None:
            return {}
        at = {self._name(i, ""): i for i in range(len(self._order))}
        return {"from": at.get(self.flow[0], NOWHERE), "to": at.get(self.flow[1], NOWHERE)}

    def _largest(self) -> tuple[str, str] | None:
        """Return the flow between segments that most customers took to this date."""
        between = [
            f for f in self.flows[self._dates.index(self.as_of)] if NOWHERE not in (f["from"], f["to"])
        ]
        return (self._name(between[0]["from"], CAME), self._name(between[0]["to"], GONE)) if between else None

    def _counted_flows(self, labels: dict[pd.Timestamp, pd.Series]) -> list[list[dict[str, Any]]]:
        """Return the flows to each date, the largest first; those who came or are gone last."""
        at = {self._result.name_of(s): i for i, s in enumerate(self._order)}
        counts = self.moves.groupby(["as_of", "from", "to"]).size().reset_index(name="customers")
        before = dict(zip(self._dates[1:], labels.values(), strict=False))
        flows: dict[pd.Timestamp, list[dict[str, Any]]] = {moment: [] for moment in self._dates}
        sizes = {moment: here.value_counts() for moment, here in before.items()}
        for moment, source, to, n in counts.itertuples(index=False):
            place = at.get(source, NOWHERE)
            of = int(sizes[moment][self._order[place]]) if place != NOWHERE else 0
            flow = {"from": place, "to": at.get(to, NOWHERE), "customers": int(n)}
            flows[moment].append(flow | {"of_from": share(n, of) if of else ""})
        return [
            sorted(here, key=lambda f: (NOWHERE in (f["from"], f["to"]), f["to"] == NOWHERE, -f["customers"]))
            for here in flows.values()
        ]

    def _sentences(
        self, flows: list[list[dict[str, Any]]], labels: dict[pd.Timestamp, pd.Series], minimum: int
    ) -> list[str]:
        """Return what happened to each date, in a sentence."""
        said = [
            f"{counted(len(labels[self._dates[0]]), 'customer')}. The first date: drag on to see who moves."
        ]
        for i, here in enumerate(flows[1:], 1):
            came = sum(f["customers"] for f in here if f["from"] == NOWHERE)
            gone = sum(f["customers"] for f in here if f["to"] == NOWHERE)
            moved = sum(f["customers"] for f in here) - came - gone
            both = len(labels[self._dates[i]]) - came
            if both:
                part = "" if is_few(moved, minimum) else f" ({share(moved, both)})"
                first = f"{said_from(moved, minimum)} of {counted(both, 'customer')}{part} changed segment"
                first = first[:1].upper() + first[1:]
            else:
                first = "No customer was there before"
            came, gone = said_from(came, minimum), said_from(gone, minimum)
            said.append(f"{first}; {came} came, {gone} gone.")
        return said

    def _show(self, _change: t.Bunch | None = None) -> None:
        """Show the chosen date and flow, or the reason why not."""
        if self.as_of is None:  # as where none is passed
            self.as_of = self._dates[-1]
            return
        self.at, self.chosen = self._dates.index(self.as_of), self._pair()
        try:
            self.shown, self.error = self._listed(), ""
        except (TypeError, ValueError) as error:
            self.shown, self.error = {}, str(error)
        self.code = self._written_code()

    def _listed(self) -> dict[str, Any]:
        """Return the customers of the flow as rows, those first who changed most."""
        if self.flow is None:
            return {"at": self.at, "flow": {}, "count": 0, "rows": []}
        customers = self.customers
        moved = np.nan_to_num(customers[MOVED].to_numpy(dtype=float))
        first = customers.iloc[np.argsort(-(moved**2).sum(axis=1), kind="stable")]
        return {
            "at": self.at,
            "flow": self._pair(),
            "count": len(first),
            "rows": state_without_contacts(
                [[str(i), words] for i, words in first["changed"].head(LISTED).items()]
            ),
        }

    def _written_code(self) -> str:
        chosen = ""
        if self.flow is not None:
            ids = {self._result.name_of(s): s for s in self._order}
            tests = [
                {CAME: "why == 'came'", GONE: "why == 'gone'"}.get(name) or f"{side} == {ids[name]}"
                for side, name in zip(("from_id", "to_id"), self.flow, strict=True)
            ]
            chosen = f'.query("{" and ".join(tests)}")'
        return (
            "moves = sg.moves_over_time(result, tables)\n"
            f'now = moves.index.get_level_values("as_of") == "{_code_of(self.as_of)}"\n'
            f'customers = moves[now].droplevel("as_of"){chosen}'
        )


def _places(
    result: Segmentation, periods: dict[pd.Timestamp, pd.DataFrame], every: pd.Index
) -> tuple[pd.DataFrame, str]:
    """Return one place for each customer, and in words what it is."""
    embedding = result.embedding
    if embedding is not None:
        embedding = embedding.set_axis(embedding.index.astype("str"))
    if embedding is not None and every.isin(embedding.index).all():
        points = embedding.loc[every, ["x", "y"]].to_numpy()
        said = "Places are those of the segmentation's own map, and stay; colours change."
    else:
        features = list(result.customers.columns)
        rows = pd.concat([table[features].set_axis(table.index.astype("str")) for table in periods.values()])
        last = rows[~rows.index.duplicated(keep="last")].loc[every]
        points, facts = principal_components(plain_preparer(result).matrix(last))
        said = (
            "Each customer keeps one place, that of her last features; colours change. The map shows "
            f"{facts['variance_shown']:.0%} of their variance."
        )
    if not np.ptp(points[:, 1]):  # one feature: the height says nothing, and spreads the points
        points[:, 1] = np.random.default_rng(0).uniform(-0.2, 0.2, len(points)) * np.ptp(points[:, 0])
    return pd.DataFrame(points, index=every, columns=["x", "y"]), said


def _said(moment: pd.Timestamp) -> str:
    """Return a moment as people write it, without the time at midnight."""
    day = f"{moment.day} {moment:%b %Y}"
    return day if moment == moment.normalize() else f"{day}, {moment:%H:%M}"


def _code_of(moment: pd.Timestamp) -> str:
    return str(moment.date()) if moment == moment.normalize() else str(moment)
