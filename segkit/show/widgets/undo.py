"""Undo and redo: the states of a widget, in the order in which they came."""

from __future__ import annotations

from typing import Generic, TypeVar

STEPS = 100  # back
State = TypeVar("State")


class History(Generic[State]):
    """The present state, those before it, and those that were undone.

    Examples
    --------
    >>> history = History("a")
    >>> history.add("b")
    >>> history.undo(), history.undo(), history.now
    (True, False, 'a')
    >>> history.steps
    {'undo': 0, 'redo': 1}
    >>> history.redo(), history.now
    (True, 'b')
    """

    def __init__(self, now: State):
        self.now = now
        self._past: list[State] = []
        self._future: list[State] = []

    @property
    def steps(self) -> dict[str, int]:
        """How often one can undo, and redo."""
        return {"undo": len(self._past), "redo": len(self._future)}

    def add(self, state: State) -> None:
        """Go on to another state; what was undone is forgotten."""
        self._past = [*self._past, self.now][-STEPS:]
        self._future, self.now = [], state

    def undo(self) -> bool:
        """Return to the state before; False where there is none."""
        return self._go(self._past, self._future)

    def redo(self) -> bool:
        """Return to the state that was undone last; False where there is none."""
        return self._go(self._future, self._past)

    def _go(self, back: list[State], forth: list[State]) -> bool:
        if not back:
            return False
        forth.append(self.now)
        self.now = back.pop()
        return True
