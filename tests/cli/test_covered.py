"""The tests fail where fewer lines of segkit ran than asked for, in all processes together."""

import json
from types import SimpleNamespace

import pytest

slipcover = pytest.importorskip("slipcover")
from covered import Coverage  # noqa: E402


def part(executed, missing):
    lines = {"executed_lines": executed, "missing_lines": missing}
    return {"meta": {"software": "slipcover", "branch_coverage": False}, "files": {"segkit/a.py": lines}}


@pytest.mark.parametrize(("percent", "status"), [(75, 0), (76, 1)])
def test_processes_are_added(percent, status):
    coverage, session = Coverage(SimpleNamespace(), percent), SimpleNamespace(exitstatus=0)
    coverage.lines = SimpleNamespace(get_coverage=lambda: part([], [1, 2, 3, 4]))
    for executed, missing in (([1, 2], [3, 4]), ([2, 3], [1, 4])):
        coverage.pytest_testnodedown(
            SimpleNamespace(workeroutput={"coverage": json.dumps(part(executed, missing))})
        )
    coverage.pytest_testnodedown(SimpleNamespace())  # it crashed
    coverage.pytest_sessionfinish(session)
    said = []
    coverage.pytest_terminal_summary(SimpleNamespace(write=said.append, write_line=said.append))
    assert (coverage.covered, session.exitstatus) == (75, status)
    assert said[-1] == f"75.0 % of the lines were run, and {percent} % are required."


def test_a_process_hands_its_lines_on():
    process, session = SimpleNamespace(workeroutput={}), SimpleNamespace(exitstatus=0)
    coverage = Coverage(process, 90)
    coverage.lines = SimpleNamespace(get_coverage=lambda: part([1], [2]))
    coverage.pytest_sessionfinish(session)
    assert json.loads(process.workeroutput["coverage"]) == part([1], [2]) and session.exitstatus == 0
