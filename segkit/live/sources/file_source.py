"""Read events from files that grow, or that appear in a folder."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segkit.core.checks import checked_path
from segkit.core.messages import counted, in_words, listed
from segkit.live.sources.event_source import EventSource, Message

LINES, TABLES = (".jsonl", ".ndjson", ".json"), (".csv",)
LONGEST_LINE = 16 << 20  # bytes
KNOWN = (
    256  # bytes, at the beginning and before the place where reading stopped, by which a file is known again
)
PAUSE = 0.1  # seconds between two looks
POSITIONS = "positions.json"
UNFINISHED = b""  # stands for a line that has no end yet


def file_source(path: str | Path) -> FileSource:
    """Follow events in files: one that grows, or those that appear in a folder.

    Parameters
    ----------
    path : str or Path
        A file, or a folder whose files are read in the order of their names. Files that end in ``.csv`` have standard
        columns in their first line; in ``.jsonl``, ``.ndjson`` or ``.json`` each line is a JSON object of one event.
        Other files of a folder, and hidden ones, are left alone.

    Returns
    -------
    FileSource
        For :func:`follow`.

    Raises
    ------
    ValueError
        If the file ends in something else.

    Notes
    -----
    How far each file was read is kept in the live folder. A line counts once it has its end; one of JSON also at the
    end of its file, where it is whole. A file that is replaced or shortened is read from its beginning; events that are
    in the log already are not counted again, by their `event_id`. The lag of an event is the time since its file was
    last written to.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.file_source("events.jsonl")
    FileSource: events.jsonl
    """
    return FileSource(checked_path(path, "It should be a file, such as 'events.jsonl', or a folder."))


class FileSource(EventSource):
    """Files of events; made by :func:`file_source`."""

    def __init__(self, path: Path):
        self._path = path
        if not path.is_dir() and path.suffix.lower() not in LINES + TABLES:
            raise ValueError(
                f"path is {in_words(str(path))}. It should end in {listed(LINES + TABLES)}, which says "
                "how to read it. Rename it, or pass a folder with such files."
            )
        self._kept = Path(POSITIONS)
        self._files: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"FileSource: {self._path}"

    def open(self, folder: Path) -> None:
        """Go on where the live folder stopped."""
        name = hashlib.sha256(str(self._path.resolve()).encode()).hexdigest()[:16]
        self._kept = folder / f"{name}.{POSITIONS}"
        self._files = _kept_files(self._kept)
        if not self._path.exists():
            warnings.warn(
                f"There is no file {self._path} yet. It is read once it appears. Check its name if it should be there.",
                stacklevel=3,
            )

    def read(self, most: int, wait: float) -> list[Message]:
        """Return the next lines."""
        end = time.monotonic() + wait
        while True:
            messages: list[Message] = []
            paths = self._paths()
            for path in paths:
                with contextlib.suppress(FileNotFoundError):  # it went away since
                    messages += self._read_file(path, most - len(messages))
                if len(messages) >= most:
                    break
            if messages or time.monotonic() >= end:
                return messages
            time.sleep(min(PAUSE, max(0, end - time.monotonic())))

    def commit(self) -> None:
        """Keep how far the files were read, all or nothing; files that are gone are forgotten."""
        there = {path.name for path in self._paths()}
        self._files = {name: at for name, at in self._files.items() if name in there}
        written = self._kept.with_name(f"{self._kept.name}.new")
        written.write_text(json.dumps({"source": str(self._path), "files": self._files}), encoding="utf-8")
        written.replace(self._kept)

    def close(self) -> None:
        """Warn of lines that have no end."""
        unread = [path.name for path in self._paths() if _size(path) > self._at(path)["offset"]]
        if unread:
            warnings.warn(
                f"Not read to the end: {listed(unread, 5)}. Follow {self._path} again to go on; a last line counts "
                "once it ends in a line break.",
                stacklevel=3,
            )

    def _paths(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path] if self._path.exists() else []
        found = (path for path in self._path.iterdir() if path.suffix.lower() in LINES + TABLES)
        return sorted(path for path in found if path.is_file() and not path.name.startswith("."))

    def _at(self, path: Path) -> dict[str, Any]:
        """Return how far a file was read: from its beginning where it is another one than it was."""
        at = self._files.get(path.name)
        return at if at and _known_by(path, at["offset"]) == at["known_by"] else {"offset": 0}

    def _read_file(self, path: Path, most: int) -> list[Message]:
        at = self._at(path)
        status = path.stat()
        if status.st_size <= at["offset"]:
            return []
        read = _json_lines if path.suffix.lower() in LINES else _csv_rows
        messages, offset = [], at["offset"]
        with path.open("rb") as file:
            for body, problem, end in read(file, offset):
                offset = end
                if body or problem:
                    messages.append(Message(body, status.st_mtime, problem))
                if len(messages) >= most or offset - at["offset"] > LONGEST_LINE:
                    break
        self._files[path.name] = {"offset": offset, "known_by": _known_by(path, offset)}
        return messages


def _kept_files(path: Path) -> dict[str, Any]:
    """Return how far files were read; from their beginning where that was not kept whole, as the log has the rest."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except (FileNotFoundError, ValueError):
        return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _known_by(path: Path, offset: int) -> str:
    """Return a hash of the beginning and the end of what was read of a file."""
    with path.open("rb") as file:
        begins = file.read(min(KNOWN, offset))
        file.seek(max(0, offset - KNOWN))
        return hashlib.sha256(begins + file.read(min(KNOWN, offset))).hexdigest()


Row = tuple[Any, str, int]
"""What a line holds, why it cannot be read, and the byte after its end."""


def _line(file: io.BufferedReader) -> tuple[bytes, bool]:
    """Return a line, whole or as far as it may be long, and whether it was longer; without its end, nothing."""
    line = file.readline(LONGEST_LINE)
    last, is_long = line, False
    while len(last) == LONGEST_LINE and not last.endswith(b"\n"):
        last, is_long = file.readline(LONGEST_LINE), True
    return (line, is_long) if last.endswith(b"\n") else (UNFINISHED, False)


def _json_lines(file: io.BufferedReader, offset: int) -> Iterator[Row]:
    file.seek(offset)
    while True:
        line, is_long = _line(file)
        if line == UNFINISHED:
            break
        offset = file.tell()
        yield line.strip(), f"line longer than {LONGEST_LINE >> 20} MB" if is_long else "", offset
    file.seek(offset)
    rest = file.read(LONGEST_LINE)
    try:
        json.loads(rest)
    except (ValueError, RecursionError):
        return  # still being written
    if rest.strip().endswith((b"}", b"]")):  # and not the beginning of a number
        yield rest.strip(), "", offset + len(rest)


def _csv_rows(file: io.BufferedReader, offset: int) -> Iterator[Row]:
    """Yield the rows from a byte on; a cell in quotes may span lines."""
    file.seek(0)
    header, _ = _line(file)
    if header == UNFINISHED:
        return
    names = next(csv.reader([header.decode("utf-8-sig", "replace")]))
    twice = [name for name in names if names.count(name) > 1]
    offset = max(offset, file.tell())
    yield {}, "", offset
    while True:
        file.seek(offset)
        first, is_long = _line(file)
        if first == UNFINISHED:
            return
        after = file.tell()
        if is_long:
            yield first, f"line longer than {LONGEST_LINE >> 20} MB", after
            offset = after
            continue
        file.seek(offset)
        try:
            cells = next(csv.reader(_text_lines(file), strict=True), [])
        except UnicodeDecodeError:
            yield first, "line not UTF-8", after
            offset = after
            continue
        except csv.Error as error:
            if "unexpected end" in str(error):
                return  # a cell in quotes whose end is still to come
            yield first, "line not CSV", after
            offset = after
            continue
        offset = file.tell()
        if len(cells) == len(names):
            row = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
            yield row, f"column {twice[0]!r} twice in the header" if twice else "", offset
        else:
            why = f"{counted(len(cells), 'cell')} where the header has {len(names)}" if cells else ""
            yield first.strip(), why, offset


def _text_lines(file: io.BufferedReader) -> Iterator[str]:
    while (line := _line(file)[0]) != UNFINISHED:
        yield line.decode("utf-8")
