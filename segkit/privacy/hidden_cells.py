"""Choose the cells of a table to hide, so that small ones do not follow from totals, by linear programmes.

Zeros are shown, so a hidden cell is known to hold 1 or more, and a total as many as it has such parts. Two attackers
are kept off: one who knows that, and one who knows the sums only, to whom a hidden cell may hold 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

WHOLE = 0.5  # solutions are whole numbers but for rounding: sums of rows and columns form a network


@dataclass(frozen=True)
class Sums:
    """A table of counts as a list of cells, row by row, with the sums that everybody knows.

    Attributes
    ----------
    values : ndarray of float, shape (n_cells,)
        Counts and their totals.
    equations : sparse matrix of shape (n_sums, n_cells)
        Times the cells, it is 0: parts less their total.
    costs : ndarray of float, shape (n_cells,)
        What hiding a cell costs.
    parts : ndarray of float, shape (n_cells,)
        Of how many cells with customers it is the sum.
    """

    values: np.ndarray
    equations: sp.csr_matrix
    costs: np.ndarray
    parts: np.ndarray

    @classmethod
    def of(cls, grid: np.ndarray, down: bool, across: bool) -> Sums:
        """Return the sums of a table whose last row (`down`) and last column (`across`) are totals."""
        rows, columns = grid.shape
        # 1 for a part, -1 for a total, along each way that has totals.
        along = np.r_[np.ones(columns - 1), -1.0] if across else np.empty(0)
        below = np.r_[np.ones(rows - 1), -1.0] if down else np.empty(0)
        of_rows = sp.kron(sp.eye(rows), along[None, :]) if across else sp.csr_matrix((0, grid.size))
        of_columns = sp.kron(below[None, :], sp.eye(columns)) if down else sp.csr_matrix((0, grid.size))
        costs = 1.0 + grid
        inside = costs[: rows - down, : columns - across].sum()
        # Hide a total only where hiding counts does not help: it costs more than all counts together.
        if down:
            costs[-1, :] = inside
        if across:
            costs[:, -1] = inside
        equations = sp.vstack([of_rows, of_columns]).tocsr()
        parts = (grid[: rows - down, : columns - across] > 0).astype(float)
        if down:
            parts = np.vstack([parts, parts.sum(axis=0)])
        if across:
            parts = np.column_stack([parts, parts.sum(axis=1)])
        return cls(grid.ravel().astype(float), equations, costs.ravel(), parts.ravel())


class HiddenCells:
    """Hide small cells, and others until nobody can bound a small one more tightly than what "hidden" says.

    That is from 1 to `minimum` - 1, or from 0 for who does not know that zeros are shown.

    Parameters
    ----------
    sums : Sums
    minimum : int
    first : ndarray of bool, shape (n_cells,)
        Cells to hide in any case.

    Attributes
    ----------
    hidden : ndarray of bool, shape (n_cells,)
    low, high : ndarray of float, shape (n_cells,)
        Values that cells have in some table with the same published cells: they cannot be bounded more tightly.
    """

    def __init__(self, sums: Sums, minimum: int, first: np.ndarray):
        self.sums, self.room = sums, minimum - 1.0
        self.least = sums.parts  # that hidden cells may hold
        self.small = (sums.values > 0) & (sums.values < minimum)
        self.hidden = self.small | first
        self.low, self.high = sums.values.copy(), sums.values.copy()

    def protect(self) -> np.ndarray:
        """Hide further cells until all hidden ones are protected, and return which are hidden."""
        for least in (self.sums.parts, np.zeros_like(self.sums.parts)):
            self.least = least
            self._move_together()
            while (exposed := self._exposed()).any():
                at = int(np.argmax(exposed))
                before = self.hidden.sum()
                if not self.small[at]:
                    lower = self.high[at] - self.room
                    self._move(at, self.low[at] + self.room, *([lower] if lower >= self.least[at] else []))
                elif self.low[at] > self.least[at]:
                    self._move(at, self.least[at])
                else:
                    self._move(at, self.room)
                if self.hidden.sum() > before:
                    self._move_together()
        return self.hidden

    def _short(self, way: str) -> np.ndarray:
        """Return the small cells that are not yet known to reach `minimum - 1` ("up"), or the least ("down")."""
        return self.small & ((self.high < self.room) if way == "up" else (self.low > self.least))

    def _exposed(self) -> np.ndarray:
        """Return the hidden cells that are not yet known to be protected."""
        narrow = self.hidden & ~self.small & (self.high - self.low < self.room)
        return self._short("up") | self._short("down") | narrow

    def _seen(self, cells: np.ndarray) -> None:
        """Take note of a table that could be the one behind what is published."""
        self.low = np.minimum(self.low, np.round(cells))
        self.high = np.maximum(self.high, np.round(cells))

    def _move_together(self) -> None:
        """Move all exposed small cells at once, within what is hidden, for as long as that protects one more."""
        hidden = np.flatnonzero(self.hidden)
        parts = self.sums.equations[:, hidden]
        # What hidden cells hold beyond the least.
        known = -(self.sums.equations @ np.where(self.hidden, self.least, self.sums.values))
        for way in ("up", "down"):
            while True:
                exposed = self._short(way)
                if not exposed.any():
                    break
                wanted = exposed[hidden]
                if way == "up":
                    # A cell is a part of up to `minimum - 1`, which is rewarded, and the rest.
                    matrix = sp.hstack([parts, parts[:, wanted]])
                    reward = np.r_[np.zeros(len(hidden)), -np.ones(wanted.sum())]
                    most = np.r_[np.full(len(hidden), np.inf), (self.room - self.least[hidden])[wanted]]
                else:
                    matrix, reward = parts, wanted.astype(float)
                    most = np.full(len(hidden), np.inf)
                found = _solved(reward, matrix, known, most)
                cells = self.sums.values.copy()
                cells[hidden] = self.least[hidden] + found[: len(hidden)]
                if way == "up":
                    cells[hidden[wanted]] += found[len(hidden) :]
                self._seen(cells)
                if self._short(way).sum() == exposed.sum():
                    break

    def _move(self, at: int, *to: float) -> None:
        """Hide the cheapest cells that let one cell have another value, the cheapest of some."""
        cells = min((self._moved(at, value) for value in to), key=self._cost)
        self.hidden |= np.abs(cells - self.sums.values) > WHOLE
        self._seen(cells)

    def _cost(self, cells: np.ndarray) -> float:
        return float((np.abs(cells - self.sums.values) * self.sums.costs)[~self.hidden].sum())

    def _moved(self, at: int, value: float) -> np.ndarray:
        """Return the cells of a table with another value of one, by the cheapest change of published cells."""
        values = self.sums.values
        free = self.hidden.copy()
        free[at] = False
        # A hidden cell can have any value; a published one moves up or down, at its cost; a zero stays.
        low = np.where(free, self.least, values)
        low[at] = value
        up_to = np.where(values > 0, np.where(free | ~self.hidden, np.inf, 0.0), 0.0)
        down_to = np.where(self.hidden, 0.0, np.maximum(values - self.least, 0.0))
        matrix = sp.hstack([self.sums.equations, -self.sums.equations])
        costs = np.r_[np.where(self.hidden, 0.0, self.sums.costs), self.sums.costs]
        found = _solved(costs, matrix, -(self.sums.equations @ low), np.r_[up_to, down_to])
        return low + found[: len(values)] - found[len(values) :]


def _solved(costs: np.ndarray, matrix: sp.spmatrix, known: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return the cheapest numbers from 0 to `most` for which the matrix gives what is known."""
    found = linprog(costs, A_eq=matrix, b_eq=known, bounds=np.c_[np.zeros(len(most)), most])
    if found.status != 0:
        raise RuntimeError(f"The linear programme was not solved: {found.message}")
    return found.x
