"""Tell functions of each batch after it is written."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pandas as pd

Watcher = Callable[[pd.DataFrame], object]


class Watchers:
    """Functions that hear of each batch; none of them can hold it up or undo it."""

    def __init__(self) -> None:
        self._watchers: dict[object, Watcher] = {}

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Call a function after each batch from now on; return a function that ends this."""
        key = object()  # the same function may watch twice
        self._watchers[key] = watcher

        def stop() -> None:
            self._watchers.pop(key, None)

        return stop

    def tell(self, placed: pd.DataFrame) -> None:
        """Call the functions with what a batch placed, each with a table of its own; one that raises is warned of."""
        for watcher in list(self._watchers.values()):
            try:
                watcher(placed.copy())
            except Exception as error:  # whatever it raises: the batch is written already
                name = getattr(watcher, "__qualname__", repr(watcher))
                warnings.warn(
                    f"{name}, which watches live segments, failed: {type(error).__name__}: {error}. The placements "
                    "are written; it is called again after the next batch.",
                    stacklevel=4,
                )
