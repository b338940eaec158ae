"""Events that are read once and then held in the engine, for data whose reading is work."""

from __future__ import annotations

from dataclasses import replace

from segkit.collect.events import Events
from segkit.core.engine.connection import materialise


def materialised(events: Events, name: str) -> Events:
    """Compute the table of some events now, so that each feature need not join and cast again.

    Parameters
    ----------
    events : Events
    name : str
        What to call the source from now on.

    Returns
    -------
    Events
        The same, in a temporary table of the engine, which spills to disk when memory is short.
    """
    table = materialise(events.table)
    return replace(events, table=table, sources=(name,))
