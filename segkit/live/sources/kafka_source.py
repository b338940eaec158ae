"""Read events from a Kafka topic."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from segkit.core.checks import check_type
from segkit.core.messages import choose_from, counted
from segkit.live.sources.event_source import START, EventSource, Message, check_name, check_start, group_of

T = TypeVar("T")
TIME_LIMIT = 5.0  # seconds
LEAST_WAIT = 0.2  # seconds: an answer of the broker takes as long
PARTITIONS_EVERY = 30.0  # seconds between two looks for new partitions
OURS = ("bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset")


def kafka_source(
    servers: str,
    topic: str,
    *,
    group: str | None = None,
    start: str = "earliest",
    settings: Mapping[str, Any] | None = None,
) -> KafkaSource:
    """Follow events in a Kafka topic.

    Parameters
    ----------
    servers : str
        Brokers, such as ``"127.0.0.1:9092"``.
    topic : str
        Its messages are JSON objects with standard columns.
    group : str, optional
        The consumer group whose offsets say how far the topic was read; by default one for the live folder.
    start : {"earliest", "latest"}, default="earliest"
        Where a new group begins: at the first message that the topic has, or after its last.
    settings : mapping, optional
        Further settings of librdkafka, such as ``{"security.protocol": "SASL_SSL"}``.

    Returns
    -------
    KafkaSource
        For :func:`follow`.

    Raises
    ------
    ModuleNotFoundError
        If the package confluent-kafka is not installed.
    TypeError, ValueError
        If an argument is no such thing.

    Notes
    -----
    All partitions are read by this process, without a wait for the group to be balanced; new ones are looked for every
    half minute. Offsets are committed once a batch is in the log. Messages that the topic lets go of before they are
    read are lost.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.kafka_source("127.0.0.1:9092", "events")
    KafkaSource: events at 127.0.0.1:9092
    """
    check_name("servers", servers, "It should name brokers, such as '127.0.0.1:9092'.")
    check_name("topic", topic, "It should be the name of a topic, such as 'events'.")
    if group is not None:
        check_name("group", group, "It should be the name of a consumer group, or left out.")
    check_type("settings", settings or {}, Mapping, "It should map names of librdkafka's settings to values.")
    ours = [name for name in settings or {} if name in OURS]
    if ours:
        raise ValueError(
            f"settings holds {ours[0]!r}, which segkit sets. Pass it as an argument, or leave it out."
        )
    return KafkaSource(servers, topic, group, check_start(start), settings or {})


class KafkaSource(EventSource):
    """A Kafka topic; made by :func:`kafka_source`."""

    def __init__(self, servers: str, topic: str, group: str | None, start: str, settings: Mapping[str, Any]):
        try:
            import confluent_kafka
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "kafka_source needs the package confluent-kafka, which is not installed: pip install 'segkit[stream]'."
            ) from error
        self._kafka, self._servers, self._topic = confluent_kafka, servers, topic
        self._group, self._start, self._settings = group, start, settings
        self._consumer: Any = None
        self._next: dict[int, int] = {}  # the offset to commit, by partition
        self._partitions: list[int] = []
        self._look, self._down = 0.0, ""

    def __repr__(self) -> str:
        return f"KafkaSource: {self._topic} at {self._servers}"

    def open(self, folder: Path) -> None:
        """Go on at the offsets of the group."""
        self._group = self._group or group_of(folder)
        settings = {
            "error_cb": self._note,
            "log_level": 0,  # errors reach error_cb
            **self._settings,
            "bootstrap.servers": self._servers,
            "group.id": self._group,
            "enable.auto.commit": False,
            "auto.offset.reset": START,  # where the place to go on is gone
        }
        try:
            self._consumer, self._partitions, self._next = self._kafka.Consumer(settings), [], {}
        except self._kafka.KafkaException as error:
            raise ValueError(
                f"Kafka's library refuses the settings: {error.args[0].str()} Mend or leave out what it names."
            ) from error
        try:
            self._assign()
        except BaseException:
            self.close()
            raise

    def _note(self, error: Any) -> None:
        if error.code() == self._kafka.KafkaError._ALL_BROKERS_DOWN:
            self._down = error.str()

    def _reached(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except self._kafka.KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error

    def _unreachable(self, why: str) -> ConnectionError:
        return ConnectionError(
            f"Kafka does not answer at {self._servers}. Start it, or mend the address. {why}"
        )

    def _assign(self) -> None:
        """Read all partitions of the topic, from the offsets of the group on."""
        topics = self._reached(lambda: self._consumer.list_topics(self._topic, timeout=TIME_LIMIT)).topics
        found = sorted(topics[self._topic].partitions) if self._topic in topics else []
        if not found and self._partitions:
            raise self._unreachable("It has lost the topic.")
        if not found:
            every = self._reached(lambda: self._consumer.list_topics(timeout=TIME_LIMIT)).topics
            names = [name for name in every if name != self._topic]
            raise ValueError(
                f"There is no topic {self._topic!r} at {self._servers}.{choose_from(self._topic, names)}"
            )
        self._look, self._down = time.monotonic() + PARTITIONS_EVERY, ""
        if found != self._partitions:
            places = self._places(found)
            self._consumer.assign(places)
            self._partitions, self._next = found, {place.partition: place.offset for place in places}

    def _places(self, partitions: list[int]) -> list[Any]:
        """Return where to go on in each partition; a place that is new is committed at once."""
        asked = [self._kafka.TopicPartition(self._topic, number) for number in partitions]
        places = self._reached(lambda: self._consumer.committed(asked, timeout=TIME_LIMIT))
        fresh, lost = [], 0
        for place in places:
            low, high = self._extent(place.partition)
            if place.offset < 0:
                place.offset = low if self._start == START or self._partitions else high
                fresh.append(place)
            place.offset = self._next.get(place.partition, place.offset)
            lost += max(0, low - place.offset)
        if fresh:
            self._reached(lambda: self._consumer.commit(offsets=fresh, asynchronous=False))
        if lost:
            warnings.warn(
                f"{counted(lost, 'message')} of {self._topic!r} were deleted before they were read. Keep messages "
                "for longer (retention.ms), or pass the events to live.apply.",
                stacklevel=2,
            )
        return places

    def read(self, most: int, wait: float) -> list[Message]:
        """Return the next messages of all partitions."""
        if self._down or time.monotonic() >= self._look:
            self._assign()
        end = time.monotonic() + TIME_LIMIT
        first = self._consumer.poll(wait or LEAST_WAIT)
        while first is None and not wait and self._left() and time.monotonic() < end:
            first = self._consumer.poll(LEAST_WAIT)
        if first is None:
            return []
        found = [first, *(self._consumer.consume(most - 1, timeout=0) if most > 1 else [])]
        messages = []
        for each in found:
            error = each.error()
            if error is None:
                messages.append(self._message(each))
            elif error.code() != self._kafka.KafkaError._PARTITION_EOF:
                self._down = error.str()  # what it means is seen by the next read
        return messages

    def _extent(self, partition: int) -> tuple[int, int]:
        """Return the offset of the first message that a partition has, and the one after its last."""
        place = self._kafka.TopicPartition(self._topic, partition)
        return self._reached(lambda: self._consumer.get_watermark_offsets(place, timeout=TIME_LIMIT))

    def _left(self) -> int:
        """Return how many messages are still to be read."""
        return sum(max(0, self._extent(number)[1] - offset) for number, offset in self._next.items())

    def _message(self, message: Any) -> Message:
        self._next[message.partition()] = message.offset() + 1
        kind, milliseconds = message.timestamp()
        arrived = milliseconds / 1000 if kind != self._kafka.TIMESTAMP_NOT_AVAILABLE else None
        value = message.value()
        return Message(value or b"", arrived, "" if value else "message empty")

    def commit(self) -> None:
        """Commit the offsets of what was read."""
        if self._next:
            places = [self._kafka.TopicPartition(self._topic, *place) for place in sorted(self._next.items())]
            self._reached(lambda: self._consumer.commit(offsets=places, asynchronous=False))

    def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
