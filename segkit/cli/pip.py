"""pip, told on one line while it works and in one sentence when it fails."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from segkit.cli.messages import CannotStart, why
from segkit.cli.progress import Screen


class PipStory:
    """Knows, from the lines that pip prints, what pip is doing.

    Attributes
    ----------
    to_install : int
        How many packages pip is putting in place; 0 while it only looks and downloads, touching nothing.
    """

    def __init__(self) -> None:
        self.to_install = 0
        self._found: set[str] = set()
        self._text = "starting pip"

    def read(self, line: str) -> None:
        """Take in one line."""
        line = line.strip()
        if found := re.match(r"Collecting ([\w.-]+)", line):
            self._found.add(found[1])
            self._text = f"finding packages: {len(self._found)} so far, {found[1]}"
        elif download := re.match(r"Downloading (\S+?)-\d\S* \((.+)\)", line):
            self._text = f"downloading {download[1].rpartition('/')[2]} ({download[2]})"
        elif "Retrying (" in line:
            self._text = "no answer from the package index yet; pip tries again"
        elif line.startswith("Installing collected packages:"):
            self.to_install = line.count(",") + 1

    def text(self, in_place: Callable[[], int]) -> str:
        """Say it in a few words; `in_place` counts the packages that are there."""
        if self.to_install:
            done = min(in_place(), self.to_install)  # what was there before counts too
            return f"installing {self.to_install} packages ({done} in place)"
        return self._text


def install(venv: Path, python: Path, extras: tuple[str, ...], screen: Screen, story: PipStory) -> None:
    """Install the checkout around `venv` into it, editable, in the versions of constraints.txt.

    Raises
    ------
    CannotStart
        If pip fails; the whole of what it said stays in ``.venv/segkit-pip.log``.
    """
    target = f".[{','.join(extras)}]" if extras else "."
    pip = [str(python), "-I", "-m", "pip"]
    log = venv / "segkit-pip.log"
    screen.step(f"installing segkit{target[1:]} in the versions of constraints.txt")
    with log.open("w", buffering=1, encoding="utf-8") as record:

        def heard(line: str) -> None:
            record.write(line)
            story.read(line)

        def tick() -> None:
            screen.now(story.text(lambda: _count_installed(venv)))

        def run(command: list[str]) -> int:
            return follow(command, folder=venv.parent, heard=heard, tick=tick)

        if subprocess.run([*pip, "--version"], cwd=venv.parent, capture_output=True).returncode:
            # Left out by other makers of environments, or by one that was interrupted.
            run([str(python), "-I", "-m", "ensurepip"])
        pip += ["install", "--disable-pip-version-check", "--no-input"]
        failed = run([*pip, "--editable", target, "--constraint", "constraints.txt"])
    if failed:
        said = log.read_text(encoding="utf-8")
        raise CannotStart(
            why(said, "installing segkit and what it needs") + f" All that pip said is in {log}."
        )


def follow(
    command: list[str], *, folder: Path, heard: Callable[[str], None], tick: Callable[[], None]
) -> int:
    """Run a command, hand on its lines as they come and a tick a second, and return its exit code."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        for line in _lines_or_ticks(process):
            if line is not None:
                heard(line)
            tick()
        return process.wait()
    except BaseException:
        # Ctrl-C, mostly. The command must not go on writing behind our back.
        process.terminate()
        process.wait()
        raise


def _lines_or_ticks(process: subprocess.Popen[str]) -> Iterator[str | None]:
    """Give each line of a process, and None for every second without one."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None  # for type checkers: it is a pipe
        with process.stdout as output:
            for line in output:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def _count_installed(venv: Path) -> int:
    return sum(1 for lib in ("lib/python3*", "Lib") for _ in venv.glob(f"{lib}/site-packages/*.dist-info"))
