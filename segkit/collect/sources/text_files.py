"""Read text files block by block: UTF-8, whole lines, each ending in a line feed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from segkit.collect.sources.source import WRONG, check_expansion

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4 * 2**20  # bytes read at a time
LONGEST_LINE = 64 * 2**20  # bytes; a longer one is no text
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MARKING = "segkit-mark"


def text_blocks(path: str, encoding: str | None = None) -> Iterator[bytes]:
    """Read a text file, gzip and zstd included, as blocks of whole lines.

    Without `encoding`, UTF-16 and UTF-32 are recognised by their byte-order mark, or by a NUL in every other byte.
    Bytes that are not in the encoding are read as Latin-1, each after the mark `WRONG`. Line ends of every kind become
    a line feed.

    Raises
    ------
    ValueError
        If the file is compressed and incomplete or far larger than it seems, has a line of more than 64 MB, or a
        byte-order mark of another encoding.
    """
    rest = b""
    for chunk in _utf8_chunks(path, encoding):
        text = rest + chunk
        half = b"\r" if text.endswith(b"\r") else b""  # perhaps of a line end
        if b"\r" in text:
            text = text[: len(text) - len(half)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = text.rfind(b"\n") + 1
        rest = text[cut:] + half
        if cut:
            yield _marked(text[:cut])
        elif len(rest) > LONGEST_LINE:
            raise ValueError(
                f"{Path(path).name} has a line of more than {LONGEST_LINE / 2**20:.0f} MB. It should hold a line for "
                "each event; check that it is a text file."
            )
    if rest:
        yield _marked(rest.replace(b"\r", b"\n"))


def parse_lines(
    block: bytes, columns: Sequence[str], delimiter: str, quote: str | bool
) -> tuple[pa.Table, list[tuple[str, int]]]:
    """Split lines into columns of text, empty ones missing.

    Returns
    -------
    (pyarrow Table, list of (str, int))
        The rows, and the text and number of fields of each row that has too few or too many.
    """
    import pyarrow as pa
    import pyarrow.csv

    bad: list[tuple[str, int]] = []

    def skip(row: Any) -> str:
        bad.append((row.text, row.actual_columns))
        return "skip"

    options = pyarrow.csv.ParseOptions(
        delimiter=delimiter, quote_char=quote, newlines_in_values=bool(quote), invalid_row_handler=skip
    )
    # One thread, and all in one piece: bad rows come in order, and no row is too long.
    reading = pyarrow.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=columns)
    as_text = pyarrow.csv.ConvertOptions(
        check_utf8=False,
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    if not block:
        return pa.table({name: pa.array([], pa.string()) for name in columns}), bad
    table = pyarrow.csv.read_csv(
        pa.BufferReader(block), read_options=reading, parse_options=options, convert_options=as_text
    )
    return table, bad


def _utf8_chunks(path: str, encoding: str | None) -> Iterator[bytes]:
    """Read a file from beginning to end, and turn other encodings into UTF-8."""
    compression = {".gz": "gzip", ".zst": "zstd"}.get(Path(path).suffix.lower())
    try:
        with _opened(path, compression) as file:
            chunk = file.read(BLOCK)
            found = _encoding(chunk[:1000])
            if encoding is not None:
                _check_mark(Path(path).name, chunk, encoding)
                found = codecs.lookup(encoding).name
            decoder = codecs.getincrementaldecoder(found)(MARKING)
            chunk, size, packed = chunk.removeprefix(codecs.BOM_UTF8), 0, Path(path).stat().st_size
            while chunk:
                size += len(chunk)
                check_expansion(Path(path).name, packed, size)
                yield chunk if found == "utf-8" else decoder.decode(chunk).encode()
                chunk = file.read(BLOCK)
            yield decoder.decode(b"", final=True).encode() if found != "utf-8" else b""
    except OSError as error:
        if compression is None:
            raise
        raise ValueError(
            f"{Path(path).name} could not be unpacked: {error}. It should be a whole {compression} file; "
            "it may have been copied only in part, so fetch it again."
        ) from error


def _opened(path: str, compression: str | None) -> BinaryIO:
    import pyarrow as pa

    return pa.input_stream(path, compression=compression)


def _encoding(beginning: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if beginning.startswith(mark):
            return encoding
    if beginning[1::2].count(0) > len(beginning) / 4:
        return "utf-16-le"
    return "utf-16-be" if beginning[::2].count(0) > len(beginning) / 4 else "utf-8"


def _check_mark(name: str, beginning: bytes, encoding: str) -> None:
    """Refuse an encoding that the byte-order mark of a file contradicts."""
    marks = {codecs.BOM_UTF8: "utf-8", **BYTE_ORDER_MARKS}
    marked = next((found for mark, found in marks.items() if beginning.startswith(mark)), None)
    if marked is not None and not codecs.lookup(encoding).name.startswith(marked):
        raise ValueError(
            f"encoding={encoding!r} was said, and {name} begins with the mark of {marked}. Leave encoding out."
        )


def _marked(block: bytes) -> bytes:
    """Return valid UTF-8, with a mark before each byte that was not."""
    if block.isascii():
        return block
    try:
        block.decode()
        return block
    except UnicodeDecodeError:
        return block.decode("utf-8", MARKING).encode()


def mark_wrong_bytes(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are not UTF-8 as Latin-1, each after a mark; an error handler of codecs."""
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(WRONG + chr(byte) for byte in wrong), error.end


codecs.register_error(MARKING, mark_wrong_bytes)
