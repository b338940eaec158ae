"""What is happening, on one line."""

from __future__ import annotations

import sys
import time
from typing import TextIO

QUIET_SECONDS = 10.0


class Screen:
    """Steps that stay on the screen, and between them one line that is rewritten.

    Where the stream is not a terminal (a log, CI), the rewritten line is printed every ten seconds instead.

    Parameters
    ----------
    stream : text stream, default=sys.stderr
        Where to write; standard output stays free for results.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._started = self._last = time.monotonic()
        self._rewrites = self._stream.isatty()

    def step(self, text: str) -> None:
        """Print a line that stays, with the time since the start."""
        self._stream.write(f"{self._clear()}[{self._elapsed():>4}] {text}\n")
        self._stream.flush()
        self._last = time.monotonic()

    def now(self, text: str) -> None:
        """Show what is going on at this moment."""
        if self._rewrites:
            self._stream.write(f"{self._clear()}[{self._elapsed():>4}]   {text[:70]}")
            self._stream.flush()
        elif time.monotonic() - self._last >= QUIET_SECONDS:
            self.step(f"  {text}")

    def _clear(self) -> str:
        return "\r\x1b[K" if self._rewrites else ""

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.0f} s"
