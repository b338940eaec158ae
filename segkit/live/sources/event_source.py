"""What a source of events is to :func:`segkit.follow`."""

from __future__ import annotations

import abc
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from segkit.core.checks import check_type

NAME = "follower"  # the file in a live folder that holds the name of its consumer group
START, STARTS = "earliest", ("earliest", "latest")


@dataclass(frozen=True)
class Message:
    """One message as it came.

    Parameters
    ----------
    body : bytes or mapping
        A JSON object, or the columns of an event.
    arrived : float, optional
        When the broker had it, in seconds since 1970; unknown by default.
    problem : str, default=""
        Why it cannot be read, where the source knows.
    """

    body: bytes | Mapping[str, Any]
    arrived: float | None = None
    problem: str = ""


class EventSource(abc.ABC):
    """A queue of messages that keeps what was read until it is committed.

    `read` and `commit` raise a ConnectionError where the queue is out of reach; the next `read` tries again. What was
    read and not committed is read again: in the next process, or after a ConnectionError.
    """

    @abc.abstractmethod
    def open(self, folder: Path) -> None:
        """Reach the queue for a live folder, each of which has a place of its own in it."""

    @abc.abstractmethod
    def read(self, most: int, wait: float) -> list[Message]:
        """Return the next messages, at most so many, or none where none arrives within some seconds."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Let go of all messages that were read: they are in the log."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


def group_of(folder: Path) -> str:
    """Return the name of a live folder's consumer group, drawn when it first follows a queue.

    A folder that was begun anew reads a queue from its beginning, and two folders never share the messages of one.
    """
    path = folder / NAME
    if not path.exists():
        written = path.with_name(f"{NAME}.new")
        written.write_text(f"segkit-{uuid.uuid4().hex[:16]}", encoding="utf-8")
        written.replace(path)
    return path.read_text(encoding="utf-8").strip()


def check_name(name: str, value: str, wanted: str) -> None:
    """Check a name that a broker knows something by.

    Raises
    ------
    TypeError, ValueError
    """
    check_type(name, value, str, wanted)
    if not value.strip():
        raise ValueError(f"{name} is empty. {wanted}")


def check_start(start: str) -> str:
    """Return where a new consumer group begins.

    Raises
    ------
    ValueError
    """
    if start not in STARTS:
        raise ValueError(f"start={start!r} should be 'earliest' or 'latest'.")
    return start


def without_password(url: str) -> str:
    """Return a URL as messages may show it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
