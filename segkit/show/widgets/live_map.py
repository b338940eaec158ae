"""Widget of live segments: a map on which customers move, how many are in each segment, and who moved last."""

from __future__ import annotations

import anywidget
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.live.live import Live
from segkit.show.widgets.live_board import VIEW, LiveBoard
from segkit.show.widgets.parts import STYLE
from segkit.show.widgets.stills import WithStill, sizes_still


class LiveMap(WithStill, anywidget.AnyWidget):
    """Watch customers move between segments, a moment after each batch, sweep or correction.

    The map shows each customer in the colour of the segment that is shown of it. Whoever changes segment is ringed and
    moves to a new place; beside the map stand the customers of each segment, and the latest moves: from where to where,
    when, and whether an event or time alone did it. Press a customer to see the features that the answer follows from,
    or a segment to see its moves only.

    Parameters
    ----------
    live : Live
        From :func:`segkit.live_segments`.

    Attributes
    ----------
    moves : DataFrame
        The last 1,000 moves since the map was opened, the newest last: `customer_id`, `was`, `segment`, `when` in the
        shop's zone, `why` ("purchase" or another kind of event, "correction", "time alone"), `late`.
    chosen : str
        The id of the customer who is ringed, "" for none; set it to watch one.
    paused : bool
        Whether the page stands still; the segments do not.
    error : str
        Why the chosen customer cannot be shown, or "".

    Raises
    ------
    TypeError
        If `live` is no Live.
    TraitError
        If there is no customer of the id `chosen`.

    Notes
    -----
    Places are two principal components of those whom the segments were made from, and the map stays as it is. Of more
    than 8,000 customers a random sample is drawn, and besides it whoever moved, at most 2,000; numbers count everyone.
    The map follows in a thread of its own, twice a second at most, so that batches do not wait for it.

    The state that a notebook may be saved with holds the ids of the customers who moved last, and the features of the
    chosen one: remove it before you pass the notebook on, such as by nbstripout. The still holds sizes only.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(60, kinds="purchase")
    >>> customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    >>> result = sg.segment(customers, n_segments=3)
    >>> live = sg.live_segments(result, events, sg.RFM, folder=tempfile.mkdtemp())
    >>> live_map = sg.LiveMap(live)
    >>> placed = live.apply(pd.DataFrame({"event_id": ["e1"], "customer_id": ["ada"], "kind": ["purchase"],
    ...                                   "timestamp": ["2025-01-01 12:00"], "amount": [30.0]}))
    >>> live_map.refresh()
    >>> live_map.moves[["customer_id", "was", "when", "why"]]
      customer_id  was                  when       why
    0         ada  NaN  1 Jan 2025, 12:00:00  purchase
    >>> live_map.close()
    >>> live.close()
    """

    _esm = VIEW
    _css = STYLE
    state: t.Dict = t.Dict().tag(sync=True)
    paused = t.Bool(False).tag(sync=True)
    still_of = ()  # it is that of the moment when the cell ran
    chosen = t.Unicode("").tag(sync=True)
    card: t.Dict = t.Dict().tag(sync=True)
    error = t.Unicode("").tag(sync=True)

    def __init__(self, live: Live):
        self._board = LiveBoard(live, self._follow)
        super().__init__(state=self._board.state)

    def _follow(self) -> None:
        """Show what has changed, the chosen customer too."""
        if self.chosen:
            try:
                self._board.mark(self.chosen)
                self.card, self.error = self._board.card(self.chosen), ""
            except ValueError as error:  # she was erased meanwhile, or the folder closed
                self.card, self.error = {}, str(error)
        self.state = self._board.state

    @t.observe("chosen")
    def _on_choice(self, change: t.Bunch) -> None:
        if not change["new"]:
            self.card, self.error = {}, ""
            return
        self._board.refresh()
        self._board.mark(change["new"])
        self.card, self.error = self._board.card(change["new"]), ""
        self.state = self._board.state

    @t.validate("chosen")
    def _only_customers(self, proposal: t.Bunch) -> str:
        if proposal["value"]:
            try:
                self._board.card(proposal["value"])
            except ValueError as error:
                self.error = str(error)  # on the page too: a click there may meet a customer who was erased
                raise t.TraitError(str(error)) from error
        return str(proposal["value"])

    def still(self) -> Markup:
        """Return how many customers are in each segment now; nobody's place or id."""
        segments = self.state["segments"]
        return sizes_still(self.state["now"], [s["legend"] for s in segments], [s["size"] for s in segments])

    @property
    def moves(self) -> pd.DataFrame:
        """The last 1,000 moves since the map was opened, the newest last."""
        return self._board.table()

    def refresh(self) -> None:
        """Take in all that has happened so far; it happens by itself within about a second."""
        self._board.refresh()

    def close(self) -> None:
        """Stop following, and remove the map from the page."""
        if hasattr(self, "_board"):  # not where `live` was refused
            self._board.close()
        super().close()
