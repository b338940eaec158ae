"""Put off a grammar that jsonschema builds when Altair imports it: 0.8 s and 11 MB, and no chart needs it.

It is that of internet addresses (rfc3987_syntax), which JupyterLab brings along. It is built at the first check of an
address.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

GRAMMAR = "rfc3987_syntax"


def is_valid_syntax(term: str, value: str) -> bool:
    """Return what the grammar says, which is built at the first call."""
    import rfc3987_syntax

    return rfc3987_syntax.is_valid_syntax(term, value)


def import_jsonschema() -> None:
    """Import jsonschema, with :func:`is_valid_syntax` in place of the grammar's own."""
    if {GRAMMAR, "jsonschema"} & sys.modules.keys() or not all(map(find_spec, (GRAMMAR, "jsonschema"))):
        return
    stand_in = ModuleType(GRAMMAR)
    vars(stand_in)["is_valid_syntax"] = is_valid_syntax
    sys.modules[GRAMMAR] = stand_in
    try:
        import jsonschema  # noqa: F401
    finally:
        del sys.modules[GRAMMAR]
