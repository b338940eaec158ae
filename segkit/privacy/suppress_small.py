"""Hide small counts of a table, and others from which they would follow."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from segkit.core.checks import check_count, check_frame
from segkit.core.disclosure import hidden_cells, hidden_sizes
from segkit.core.messages import counted, listed
from segkit.privacy.hidden_cells import HiddenCells, Sums


def suppress_small(
    table: pd.DataFrame | pd.Series,
    minimum: int = 10,
    *,
    totals: str = "All",
    earlier: pd.DataFrame | pd.Series | None = None,
) -> pd.DataFrame | pd.Series:
    """Suppress the small cells of a table of counts, and others so that no small one follows from totals.

    Whoever knows all that is left, all totals and this method cannot bound a small cell more tightly than
    1 to `minimum` − 1, and from the sums alone than 0 to `minimum` − 1: the complementary cells are chosen by linear
    programmes [1]_.

    Parameters
    ----------
    table : DataFrame or Series of int
        Numbers of customers, each customer in one cell: such as ``pd.crosstab(segment, region)``, or
        ``segment_sizes(result)["customers"]``.
    minimum : int, default=10
        The smallest count that is shown, besides 0. 1 hides nothing.
    totals : str, default="All"
        The name of the row, and of the column, that holds totals, as from ``pd.crosstab(…, margins=True)``.
        Totals that are not in the table count as known from elsewhere.
    earlier : DataFrame or Series of int, optional
        The counts that were last released. Where fewer than `minimum` customers came or left since, that release is
        returned again: the difference of the two would be a table of these few.

    Returns
    -------
    DataFrame or Series of Int64
        The table with ``<NA>`` in place of hidden cells. ``.attrs["segkit"]`` has the number of `hidden` cells, of all
        `cells`, the `minimum`, a `sentence`, `held` (whether it is the earlier release), and `hidden_totals`: names of
        totals that are not in the table and must not be published either.

    Raises
    ------
    TypeError
        If the table is no Series or DataFrame, or holds other things than numbers.
    ValueError
        If cells are missing, negative or no whole numbers, if totals are not the sums of the other cells, or if the
        rows or columns have several levels.

    Warns
    -----
    UserWarning
        If totals that are not in the table would give hidden cells away.

    Notes
    -----
    Sizes and totals are hidden as in :func:`segkit.segment_sizes`, and cells as in :func:`segkit.cross_segments`: if
    each table hid others beside the small ones, these would follow from the two. A complementary cell cannot be bounded
    more tightly than by `minimum` − 1 either.

    A 0 is shown, here as in other tables: it counts nobody. It says that nobody in a group is so; where that is
    sensitive by itself, such as an illness, join groups before.

    Tables that share customers, such as the same segments by region and by age, have totals in common. Each is safe by
    itself, but not against differences between tables of nearly the same customers. Where such tables are released
    often, spend a privacy budget instead.

    References
    ----------
    .. [1] Fischetti & Salazar (2001), Solving the cell suppression problem on tabular data with linear constraints,
       Management Science 47.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> table = pd.DataFrame({"north": [40, 25, 30], "south": [3, 60, 30], "west": [12, 30, 90]}, index=list("abc"))
    >>> sg.suppress_small(table)
       north  south  west
    a   <NA>   <NA>    12
    b   <NA>   <NA>    30
    c     30     30    90
    """
    check_count("minimum", minimum, 1)
    counts = _Counts(table, totals)
    held = earlier is not None and _few_changed(_Counts(earlier, totals, "earlier"), counts, minimum)
    if held:
        counts = _Counts(earlier, totals, "earlier")
    hidden = np.zeros(counts.grid.shape, dtype=bool)
    if minimum > 1 and counts.inside.size:
        first = counts.hidden_by_the_gate(minimum).ravel()
        cells = HiddenCells(Sums.of(counts.grid, counts.down, counts.across), minimum, first)
        hidden = cells.protect().reshape(counts.grid.shape)
    shown = counts.shown(hidden)
    elsewhere = counts.totals_elsewhere(hidden) if hidden.any() else []
    n = int(shown.isna().to_numpy().sum())
    shown.attrs["segkit"] = {
        "hidden": n,
        "cells": int(shown.size),
        "minimum": int(minimum),
        "held": held,
        "hidden_totals": elsewhere,
        "sentence": _sentence(n, shown.size, minimum, held),
    }
    if elsewhere:
        warnings.warn(
            f"Hidden cells would follow from totals that are not in this table: {listed(elsewhere, 5)}. Do not publish "
            "these totals anywhere, or join small rows and columns before.",
            stacklevel=2,
        )
    return shown


def _sentence(hidden: int, cells: int, minimum: int, held: bool) -> str:
    again = f" Fewer than {minimum} customers changed since the earlier release, so it is shown again." * held
    if not hidden:
        return f"No cell is hidden.{again}"
    return (
        f"{hidden:,} of {counted(cells, 'cell is', 'cells are')} hidden: those below {minimum}, and others from which "
        f"they would follow.{again}"
    )


class _Counts:
    """A table of counts with its totals last, and how to give it back as it came."""

    def __init__(self, table: pd.Series | pd.DataFrame, totals: str, name: str = "table"):
        self.table = table
        self.frame = frame = _checked(table, name)
        self.totals = totals
        self._rows = np.array([label == totals for label in frame.index], dtype=bool)
        self._columns = np.array([label == totals for label in frame.columns], dtype=bool)
        for axis, which in (("rows", self._rows), ("columns", self._columns)):
            if which.sum() > 1:
                raise ValueError(
                    f"{which.sum()} {axis} of {name} are called {totals!r}. Only one can hold totals."
                )
        self.inside = frame.loc[~self._rows, ~self._columns].astype("int64")
        self.down = bool(self._rows.any()) or len(self.inside) > 1
        self.across = bool(self._columns.any()) or self.inside.shape[1] > 1
        grid = self.inside.to_numpy()
        if self.down:
            grid = np.vstack([grid, grid.sum(axis=0)])
        if self.across:
            grid = np.column_stack([grid, grid.sum(axis=1)])
        self.grid = grid
        self._check_totals(name)

    @property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each row and each column of the table is in the grid."""
        return _places(self._rows), _places(self._columns)

    def _check_totals(self, name: str) -> None:
        right = self.grid[np.ix_(*self._places)]
        wrong = np.argwhere(right != self.frame.to_numpy(dtype="int64"))
        if len(wrong):
            row, column = wrong[0]
            raise ValueError(
                f"The total {self.totals!r} of {name} at {self.frame.index[row]!r}, {self.frame.columns[column]!r} is "
                f"{int(self.frame.iloc[row, column]):,}, and its cells sum to {right[row, column]:,}. Correct it, or, "
                "if this is no total, rename it or pass totals='…'."
            )

    def hidden_by_the_gate(self, minimum: int) -> np.ndarray:
        """Return which sizes are hidden in other tables: if another one were hidden here, small ones would follow."""
        hidden = np.zeros(self.grid.shape, dtype=bool)
        parts = slice(-1) if self.down else slice(None), slice(-1) if self.across else slice(None)
        if self.across and self.down:
            hidden[:-1, :-1] = hidden_cells(self.grid[:-1, :-1], minimum)
        if self.across or not self.down:
            at = -1 if self.down else 0
            hidden[at, parts[1]] |= hidden_sizes(self.grid[at, parts[1]], minimum)
        if self.down:
            at = -1 if self.across else 0
            hidden[parts[0], at] |= hidden_sizes(self.grid[parts[0], at], minimum)
        return hidden

    def shown(self, hidden: np.ndarray) -> pd.Series | pd.DataFrame:
        """Return the table without the hidden cells of the grid."""
        shown = self.frame.astype("Int64").mask(hidden[np.ix_(*self._places)])
        return shown.iloc[:, 0].rename(self.table.name) if isinstance(self.table, pd.Series) else shown

    def totals_elsewhere(self, hidden: np.ndarray) -> list[str]:
        """Return which totals are hidden and not in the table."""
        columns = self.down and not self._rows.any() and self.inside.shape[1] > 1
        rows = self.across and not self._columns.any() and len(self.inside) > 1
        found = [str(c) for c, gone in zip(self.inside.columns, hidden[-1], strict=False) if columns and gone]
        found += [str(r) for r, gone in zip(self.inside.index, hidden[:, -1], strict=False) if rows and gone]
        inside = (self._rows.any() or not self.down) and (self._columns.any() or not self.across)
        return found if inside or not hidden[-1, -1] else [*found, "the number of all customers"]


def _places(total: np.ndarray) -> np.ndarray:
    """Return the place of each label when the total is moved to the end."""
    return np.where(total, (~total).sum(), np.cumsum(~total) - 1)


def _checked(table: object, name: str) -> pd.DataFrame:
    if isinstance(table, pd.Series):
        frame = table.to_frame()
    else:
        check_frame(
            name, table, "It should be a Series or DataFrame of counts, such as pd.crosstab(segment, region)."
        )
        frame = table
    for axis, labels in (("rows", frame.index), ("columns", frame.columns)):
        if labels.nlevels > 1:
            raise ValueError(
                f"The {axis} of {name} have {labels.nlevels} levels, and only tables of one or two ways are protected. "
                "Cross two columns at a time."
            )
        if not labels.is_unique:
            raise ValueError(
                f"{name} has two {axis} {labels[labels.duplicated()][0]!r}. Add them up, or rename one."
            )
    for column in frame.columns:
        numbers = frame[column]
        if not pd.api.types.is_numeric_dtype(numbers.dtype) or pd.api.types.is_bool_dtype(numbers.dtype):
            raise TypeError(
                f"The column {column!r} of {name} holds {numbers.dtype}, and counts are whole numbers. Pass the counts "
                'only, such as table["customers"].'
            )
        values = numbers.to_numpy(dtype=float, na_value=np.nan)
        wrong = ~((values >= 0) & (values == np.floor(values)) & np.isfinite(values))
        if wrong.any():
            raise ValueError(
                f"{name} holds {values[wrong][0]:g} in the column {column!r}. A cell should be a number of customers, "
                "whole, 0 or more."
            )
    return frame


def _few_changed(earlier: _Counts, now: _Counts, minimum: int) -> bool:
    """Return whether some customers came, left or moved between two tables, but fewer than `minimum`."""
    before, after = earlier.inside.align(now.inside, fill_value=0)
    change = (after - before).to_numpy()
    return bool(0 < max(change[change > 0].sum(), -change[change < 0].sum()) < minimum)
