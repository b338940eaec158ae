"""List the tables that features aggregate: orders, the gaps between them, visits, and others.

Each table is a function. Its parameters name the tables that it is made from, its keyword-only parameters what can be
set, such as the gap that ends a visit. A feature names its table in the same way.
"""

from collections.abc import Callable
from typing import Any

from segkit.analyse.features.tables import context, feedback, messages, orders, paths, visits

TABLES: dict[str, Callable[..., Any]] = {
    table.__name__: table
    for module in (orders, visits, context, paths, messages, feedback)
    for table in module.TABLES
}
"""The functions that make the tables, by the names that features use."""
