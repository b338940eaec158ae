"""Say why a command cannot start, in one line."""

from __future__ import annotations

import errno


class CannotStart(Exception):
    """A command cannot start: the message for people, the exit code for programs."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


def sentence(error: Exception) -> str:
    """Word an error in one line that says what to do."""
    if not isinstance(error, OSError) or error.errno is None:
        return " ".join(str(error).split())
    where = error.filename or "the folder"
    if error.errno == errno.ENOSPC:
        return f"no space is left on the disk of {where}. Free some, and run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} cannot be written. Change its permissions, or use a folder of your own."
    if error.errno == errno.ENOENT:
        return f"{where} was not found. Check the name, and the folder that the command runs in."
    return (
        f"{where}: {(error.strerror or str(error)).lower()}. Check the path, and run the same command again."
    )
