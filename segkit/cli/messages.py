"""Every way of not getting started, said in one sentence: what came, what was expected, what to do now."""

from __future__ import annotations

import errno
import re


class CannotStart(Exception):
    """What came, what was expected and what to do now, for people; and an exit code for programs."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


def sentence(error: Exception) -> str:
    """Say an error in one line that a person can act on."""
    if not isinstance(error, OSError) or error.errno is None:
        return " ".join(str(error).split())
    where = error.filename or "the folder"
    if error.errno == errno.ENOSPC:
        return f"no space is left on the disk of {where}. Free some, and run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be written, and segkit needs to write there. "
            "Change its permissions, or use a folder of your own."
        )
    if error.errno == errno.ENOENT:
        return f"{where} was not found. Check the name, and the folder that the command is run in."
    return (
        f"{where}: {(error.strerror or str(error)).lower()}. Check the path, and run the same command again."
    )


def why(output: str, doing: str) -> str:
    """Return one sentence for why a tool failed, from all that it said."""
    if re.search(r"No space left on device|Errno 28|not enough space on the disk", output):
        return f"no space was left on the disk while {doing}. Free some, and run the same command again."
    if re.search(
        r"NewConnectionError|Failed to establish a new connection|NameResolutionError|ConnectTimeout|"
        r"Temporary failure in name resolution|Read timed out|ProxyError|SSLError|Could not fetch URL",
        output,
    ):
        return (
            f"the package index did not answer while {doing}; the first start needs a network. "
            "Check the connection (or pip's proxy settings), and run the same command again."
        )
    if re.search(r"Permission denied|Errno 13", output):
        return (
            f"a file could not be written while {doing}. Make the checkout's folder writable, and try again."
        )
    said = [line.strip() for line in output.splitlines() if re.match(r"\s*(ERROR|Error)\b", line)]
    reason = (said or output.strip().splitlines() or ["nothing was said"])[-1].removeprefix("ERROR: ")
    return f"{doing} failed: {reason.rstrip('.')}. Mend that, and run the same command again."
