"""Choose the cells of a table to hide, so that small ones do not follow from totals, by linear programmes."""

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
    """

    values: np.ndarray
    equations: sp.csr_matrix
    costs: np.ndarray

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
        return cls(grid.ravel().astype(float), equations, costs.ravel())


class HiddenCells:
    """Hide small cells, and others until nobody can bound a small one more tightly than [0, minimum - 1].

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
        self.small = sums.values < minimum
        self.hidden = self.small | first
        self.low, self.high = sums.values.copy(), sums.values.copy()

    def protect(self) -> np.ndarray:
        """Hide further cells until all hidden ones are protected, and return which are hidden."""
        self._move_together()
        while (exposed := self._exposed()).any():
            at = int(np.argmax(exposed))
            before = self.hidden.sum()
            if self.small[at] and self.low[at] > 0:
                self._move(at, 0.0)
            else:
                self._move(at, self.room if self.small[at] else self.low[at] + self.room)
            if self.hidden.sum() > before:
                self._move_together()
        return self.hidden

    def _short(self, way: str) -> np.ndarray:
        """Return the small cells that are not yet known to reach `minimum - 1` ("up"), or 0 ("down")."""
        return self.small & ((self.high < self.room) if way == "up" else (self.low > 0))

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
        known = -(self.sums.equations @ np.where(self.hidden, 0.0, self.sums.values))
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
                    most = np.r_[np.full(len(hidden), np.inf), np.full(wanted.sum(), self.room)]
                else:
                    matrix, reward = parts, wanted.astype(float)
                    most = np.full(len(hidden), np.inf)
                found = _solved(reward, matrix, known, most)
                cells = self.sums.values.copy()
                cells[hidden] = found[: len(hidden)]
                if way == "up":
                    cells[hidden[wanted]] += found[len(hidden) :]
                self._seen(cells)
                if self._short(way).sum() == exposed.sum():
                    break

    def _move(self, at: int, value: float) -> None:
        """Hide the cheapest cells that let one cell have another value."""
        n = len(self.sums.values)
        free = self.hidden.copy()
        free[at] = False
        # A hidden cell can have any value; a published one moves up or down, at its cost.
        low = np.where(free, 0.0, self.sums.values)
        low[at] = value
        up_to = np.where(free | ~self.hidden, np.inf, 0.0)
        down_to = np.where(self.hidden, 0.0, self.sums.values)
        matrix = sp.hstack([self.sums.equations, -self.sums.equations])
        costs = np.r_[np.where(self.hidden, 0.0, self.sums.costs), self.sums.costs]
        found = _solved(costs, matrix, -(self.sums.equations @ low), np.r_[up_to, down_to])
        change = found[:n] - found[n:]
        self.hidden |= np.abs(change) > WHOLE
        self._seen(low + change)


def _solved(costs: np.ndarray, matrix: sp.spmatrix, known: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return the cheapest numbers from 0 to `most` for which the matrix gives what is known."""
    found = linprog(costs, A_eq=matrix, b_eq=known, bounds=np.c_[np.zeros(len(most)), most])
    if found.status != 0:
        raise RuntimeError(f"The linear programme was not solved: {found.message}")
    return found.x
