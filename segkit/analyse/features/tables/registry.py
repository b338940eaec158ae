"""What a feature can be an aggregate of: orders, the gaps between them, visits, and so on.

Each grain is a function from the grains that its parameters name to a table that says whose each row
is (:func:`key_columns`); a feature asks for one in the same way, by the name of its own parameter. What can
be set, such as the gap that ends a visit, is a keyword-only parameter of either.
"""

from collections.abc import Callable
from typing import Any

from segkit.analyse.features.tables import (
    context,
    feedback,
    messages,
    paths,
)
from segkit.analyse.features.tables import (
    orders as shopping,
)
from segkit.analyse.features.tables import (
    visits as web,
)

GRAINS: dict[str, Callable[..., Any]] = {
    grain.__name__: grain
    for grain in (
        *shopping.GRAINS,
        *web.GRAINS,
        *context.GRAINS,
        *paths.GRAINS,
        *messages.GRAINS,
        *feedback.GRAINS,
    )
}
"""How each grain is made, by the name under which features ask for it."""
