"""Read purchases by product or by category."""

from __future__ import annotations

from dataclasses import replace

from segkit.collect.events import Events
from segkit.core.messages import choose_from

OF = ("product_id", "category")


def check_of(events: Events, of: str) -> None:
    """Check that events know what is to be compared.

    Raises
    ------
    ValueError
        If it is neither "product_id" nor "category", or events do not know it.
    """
    if of not in OF:
        raise ValueError(f"of={of!r} is not known.{choose_from(of, OF)}")
    if of not in events.columns:
        raise ValueError(
            f"The events do not know what was bought: there is no {of}. Read them with {of}=, the name of its column."
        )


def products_of(events: Events, of: str) -> Events:
    """Return events whose `product_id` is the category, where ``of="category"``; otherwise as they are.

    Raises
    ------
    ValueError
        As :func:`check_of`.
    """
    check_of(events, of)
    return (
        events
        if of == "product_id"
        else replace(events, table=events.table.mutate(product_id=events.table[of]))
    )
