"""Text files as the engine can read them: in UTF-8, with line ends of one kind, their lines counted."""

from __future__ import annotations

import codecs
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from segkit.collect.sources.paths import literal
from segkit.core.engine.connection import quoted

BLOCK = 8 * 2**20  # bytes read at a time
BEGINNING = 2**20  # bytes that a header fits into
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NOWHERE = "\x01\x02\x03\x04"  # what no line holds, so that a line stays whole


@dataclass(frozen=True)
class Text:
    """A text file that can be read.

    Attributes
    ----------
    name : str
        The file's name, for messages.
    path : str
        What to read: the file itself, or a copy where the file could not be read as it is.
    compression : {"none", "gzip", "zstd"}
        How it is packed.
    lines : int
        Number of its lines, blank ones and the header included.
    """

    name: str
    path: str
    compression: str
    lines: int

    def scan(self, *, skip: int = 0, longest: int = 2 * 2**20) -> str:
        """Return SQL for a table of its lines as they are, in the column `line`.

        Blank ones are missing there; those that are not UTF-8, or of more than `longest` bytes, are left out.
        """
        return (
            f"read_csv({literal(self.path)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, "
            f"header = false, skip = {skip}, delim = {quoted(NOWHERE)}, quote = '', escape = '', "
            f"max_line_size = {longest}, ignore_errors = true, compression = {quoted(self.compression)})"
        )

    def beginning(self) -> bytes:
        """Return the first megabyte, unpacked."""
        with _opened(self.path) as file:
            return file.read(BEGINNING)


@contextmanager
def as_text(path: str) -> Iterator[Text]:
    """Give a text file as the engine can read it; where it takes a copy for that, the copy is deleted again.

    UTF-16 and UTF-32 are known by their byte-order mark, or by a NUL in every other byte. Line ends of
    several kinds in one file all become a line feed.

    Raises
    ------
    ValueError
        If the file is packed, and broken off.
    """
    name = Path(path).name
    try:
        encoding = _encoding(path)
        lines, mixed = _line_ends(path) if encoding == "utf-8" else (0, True)
    except OSError as error:
        if compression_of(path) == "none":
            raise
        raise ValueError(
            f"{name} could not be unpacked: {error}. It should be a whole {compression_of(path)} file; "
            "it may have been copied only in part, so fetch it again."
        ) from error
    if not mixed:
        yield Text(name, path, compression_of(path), lines)
        return
    with tempfile.TemporaryDirectory(prefix="segkit-") as folder:
        copy = str(Path(folder) / "mended.txt")
        _mend(path, encoding, copy)
        yield Text(name, copy, "none", _line_ends(copy)[0])


def compression_of(path: str) -> str:
    """Return how a file is packed, by its ending."""
    return {".gz": "gzip", ".zst": "zstd"}.get(Path(path).suffix.lower(), "none")


def first_not_utf8(text: Text) -> str:
    """Return the first line that is not UTF-8, read as Latin-1, or nothing."""
    decoder, before = codecs.getincrementaldecoder("utf-8")(), b""
    with _opened(text.path) as file:
        while True:
            block = file.read(BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held = len(error.object) - len(block)  # what the decoder kept of the block before
                at = len(before) - held + error.start
                joined = before + block
                start = joined.rfind(b"\n", 0, at) + 1
                return joined[start : at + 80].partition(b"\n")[0].decode("latin-1").rstrip("\r")
            if not block:
                return ""
            before = block[-200:]


def _opened(path: str) -> BinaryIO:
    import pyarrow as pa

    packed = compression_of(path)
    return pa.input_stream(path, compression=None if packed == "none" else packed)


def _encoding(path: str) -> str:
    with _opened(path) as file:
        head = file.read(1000)
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if head[1::2].count(0) > len(head) / 4:
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > len(head) / 4 else "utf-8"


def _line_ends(path: str) -> tuple[int, bool]:
    """Return how many lines a file has, and whether they end in several ways, or as only old Macs did."""
    feeds = returns = both = 0
    last = b""
    with _opened(path) as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            feeds += block.count(b"\n")
            if b"\r" in block or last == b"\r":
                returns += block.count(b"\r")
                both += (last + block).count(b"\r\n")
            last = block[-1:]
    return feeds + (last not in (b"", b"\n")), returns > both or 0 < both < feeds


def _mend(path: str, encoding: str, copy: str) -> None:
    """Write a copy with line feeds, in UTF-8; a file that claims to be UTF-8 keeps its bytes, wrong ones too."""
    kept = encoding == "utf-8"
    with (
        _opened(path) as packed,
        io.TextIOWrapper(packed, "latin-1" if kept else encoding, "replace", newline=None) as lines,
        Path(copy).open("w", encoding="latin-1" if kept else "utf-8", newline="\n") as file,
    ):
        shutil.copyfileobj(lines, file, BLOCK)
