"""How many lines of segkit the tests run, as SlipCover counts them.

SlipCover takes its own marks out of lines that have run, so that it costs a twentieth of the time and not half of it as
Python's tracer does before 3.12. Its own command line cannot say what several pytest-xdist processes cover together.
"""

import io
import json
from pathlib import Path

import pytest
import slipcover

PACKAGE = str(Path(__file__).parents[1] / "segkit")


class Coverage:
    """Count lines while tests run, and fail where fewer than `percent` ran: a plugin of pytest."""

    def __init__(self, config, percent: float):
        self.config, self.percent = config, percent
        self.lines, self.whole = slipcover.Slipcover(source=[PACKAGE], exclude_also=["@overload"]), None
        self.importing = slipcover.ImportManager(self.lines, slipcover.FileMatcher(sources=[PACKAGE]))

    def pytest_configure(self):
        self.importing.__enter__()

    def pytest_unconfigure(self):
        self.importing.__exit__()

    def add(self, part):
        self.whole = part if self.whole is None else slipcover.merge_coverage(self.whole, part)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        # A process that crashed has said nothing.
        if "coverage" in getattr(node, "workeroutput", {}):
            self.add(json.loads(node.workeroutput["coverage"]))

    @pytest.hookimpl(tryfirst=True)  # before pytest-xdist sends what a process has to say
    def pytest_sessionfinish(self, session):
        self.add(self.lines.get_coverage())
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["coverage"] = json.dumps(self.whole)
        elif self.covered < self.percent and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def covered(self) -> float:
        """Return the percentage of lines that ran."""
        return self.whole["summary"]["percent_covered"]

    def pytest_terminal_summary(self, terminalreporter):
        table = io.StringIO()
        slipcover.print_coverage(self.whole, outfile=table, missing_width=60, skip_covered=True)
        terminalreporter.write(table.getvalue())
        terminalreporter.write_line(
            f"{self.covered:.1f} % of the lines were run, and {self.percent:g} % are required."
        )
