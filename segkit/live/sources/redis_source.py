"""Read events from a Redis stream, through a consumer group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from segkit.core.checks import check_type
from segkit.core.messages import in_words
from segkit.live.sources.event_source import (
    START,
    EventSource,
    Message,
    check_name,
    check_start,
    group_of,
    without_password,
)

CONSUMER = "follow"
EVENT = "event"  # the field that holds a JSON object
TIME_LIMIT = 10.0  # seconds
SINCE_2001 = 10**12  # milliseconds: a smaller number in an entry's id is no time


def redis_source(url: str, stream: str, *, group: str | None = None, start: str = "earliest") -> RedisSource:
    """Follow events in a Redis stream.

    Parameters
    ----------
    url : str
        Where Redis is, such as ``"redis://127.0.0.1/0"`` or ``"rediss://:password@shop.example/0"``.
    stream : str
        Its key. An entry has one field `event`, a JSON object with standard columns, or a field for each column.
    group : str, optional
        The consumer group; by default one for the live folder. Two folders need two groups, since those of one group
        share its messages.
    start : {"earliest", "latest"}, default="earliest"
        Where a new group begins: at the first entry of the stream, or after its last.

    Returns
    -------
    RedisSource
        For :func:`follow`.

    Raises
    ------
    ModuleNotFoundError
        If the package redis is not installed.
    TypeError, ValueError
        If the URL is none of Redis, or an argument is no such thing.

    Notes
    -----
    Read with ``XREADGROUP``, and ``XACK`` once a batch is in the log; entries that a killed process had read come
    first. Entries that were trimmed from the stream before they were read, as with ``XADD … MAXLEN``, are lost; only
    those that had been delivered already are counted, in :attr:`Live.refused`.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.redis_source("redis://127.0.0.1/0", "events")
    RedisSource: events at redis://127.0.0.1/0
    """
    check_type("url", url, str, "It should be a URL, such as 'redis://127.0.0.1/0'.")
    check_name("stream", stream, "It should be the key of a stream, such as 'events'.")
    if group is not None:
        check_name("group", group, "It should be the name of a consumer group, or left out.")
    if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            f"url is {in_words(without_password(url))}. It should begin with redis://, such as 'redis://127.0.0.1/0'."
        )
    return RedisSource(url, stream, group, check_start(start))


class RedisSource(EventSource):
    """A Redis stream; made by :func:`redis_source`."""

    def __init__(self, url: str, stream: str, group: str | None, start: str):
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "redis_source needs the package redis, which is not installed: pip install 'segkit[stream]'."
            ) from error
        self._redis, self._shown, self._stream = redis, without_password(url), stream
        self._group, self._first = group or "", "0" if start == START else "$"
        # How often and when to try again is for follow to say.
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=TIME_LIMIT, socket_connect_timeout=TIME_LIMIT, retry=Retry(NoBackoff(), 0)
        )
        self._after: bytes | str | None = (
            None  # the last entry of those that are read again; None once all were
        )
        self._read: list[bytes] = []

    def __repr__(self) -> str:
        return f"RedisSource: {self._stream} at {self._shown}"

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Read again what was not let go of, once Redis is within reach again."""
        try:
            yield
        except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
            self._after, self._read = "0", []
            raise ConnectionError(
                f"Redis does not answer at {self._shown}. Start it, or mend the URL. {error}"
            ) from error

    def open(self, folder: Path) -> None:
        """Begin the group, or go on with what a process that was killed had read."""
        self._group = self._group or group_of(folder)
        with self._reached():
            self._create(self._first)
        self._after = "0"

    def _create(self, first: str) -> None:
        try:
            self._client.xgroup_create(self._stream, self._group, first, mkstream=True)
        except self._redis.ResponseError as error:
            if "BUSYGROUP" in str(error):
                return  # there is one
            if "WRONGTYPE" in str(error):
                raise ValueError(
                    f"{self._stream!r} at {self._shown} is no stream. Pass the key of one."
                ) from error
            raise

    def read(self, most: int, wait: float) -> list[Message]:
        """Return the next entries, those that were read before and not let go of first."""
        with self._reached():
            found = []
            if self._after is not None:
                found = self._ask(self._after, most, 0)
                self._after = found[-1][0] if found else None
            if not found:
                found = self._ask(">", most, wait)
        self._read += [number for number, _ in found]
        return [_message(number, fields) for number, fields in found]

    def _ask(self, after: bytes | str, most: int, wait: float) -> list[tuple[bytes, Any]]:
        block = max(1, int(1000 * wait)) if wait else None  # 0 would wait for ever
        try:
            answer = self._client.xreadgroup(
                self._group, CONSUMER, {self._stream: after}, count=most, block=block
            )
        except self._redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._create("0")  # the stream was deleted, and may have entries again
            return []
        return list(answer[0][1]) if answer else []

    def commit(self) -> None:
        """Acknowledge the entries that were read."""
        with self._reached():
            if self._read:
                self._client.xack(self._stream, self._group, *self._read)
            self._read = []

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _message(number: bytes, fields: dict[bytes, bytes] | None) -> Message:
    milliseconds = int(number.split(b"-")[0])
    arrived = milliseconds / 1000 if milliseconds > SINCE_2001 else None
    if not fields:
        return Message(number, arrived, "entry deleted from the stream before it was read")
    if set(fields) == {EVENT.encode()}:
        return Message(fields[EVENT.encode()], arrived)
    try:
        return Message({name.decode(): value.decode() or None for name, value in fields.items()}, arrived)
    except UnicodeDecodeError:
        return Message(repr(fields).encode(), arrived, "message not UTF-8")
