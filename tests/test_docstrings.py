"""The examples in docstrings run and give the results that they show."""

import doctest
import importlib
import pkgutil

import pandas as pd
import pytest

import segkit

NOT_MODULES = ("segkit.__main__", "segkit.datasets.__main__", "segkit.cli")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(segkit.__path__, "segkit.")
    if not module.name.startswith(NOT_MODULES)
)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.structure
@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    """Wide tables are shown whole, as in a notebook."""
    with pd.option_context("display.width", 200, "display.max_columns", 30):
        failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert failed == 0
