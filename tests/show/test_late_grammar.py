"""The grammar of internet addresses: not built for charts, and there for whoever checks one."""

import json
import subprocess
import sys

import pytest

CHECK = """
import json, sys
import segkit as sg
sg.plot_sizes
before = "altair" in sys.modules, "lark" in sys.modules, "rfc3987_syntax" in sys.modules
from jsonschema import FormatChecker
right = [FormatChecker().conforms(text, "iri") for text in ("https://exämple.org/a", "no address")]
import rfc3987_syntax
print(json.dumps([before, right, "lark" in sys.modules, rfc3987_syntax.is_valid_syntax("iri", "http://a.b")]))
"""


def test_grammar_waits_for_a_check():
    pytest.importorskip("rfc3987_syntax", reason="comes with JupyterLab")
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[True, False, False], [True, False], True, True]
