"""Write files beside their place and rename them, so that a failure leaves the earlier file whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import IO


def write_file(path: Path, content: bytes | str) -> None:
    """Write one file, or leave what was there.

    Parameters
    ----------
    path : Path
        If it is a symbolic link, the link is replaced; the file that it points to is never written.
    content : bytes or str
        Text is written as UTF-8.

    Raises
    ------
    OSError
        If it cannot be written; the earlier file is whole then.
    """
    write_files({path: content})


def write_files(contents: Mapping[Path, bytes | str]) -> None:
    """Write several files: all are written beside their places first, and then renamed one after the other.

    Raises
    ------
    OSError
        If one cannot be written, as on a full disk; the earlier files are whole then.
    """
    written: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
            written[beside] = path
            with beside.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        for beside, path in written.items():
            beside.replace(path)
    except BaseException:
        for beside in written:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
        raise


def take_lock(file: IO[str]) -> None:
    """Take an open file for this process alone; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    OSError
        If another process has it, or this one through another opened file.
    """
    if os.name == "nt":
        import msvcrt

        file.seek(1 << 20)  # far behind the text, which others may then still read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
