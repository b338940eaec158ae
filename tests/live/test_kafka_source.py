"""Follow a Kafka topic: what was read and not committed comes again, and the broker may be out of reach."""

import json
import time

import pytest
from brokers import create_topic, free_port, kafka_command, produce, server

import segkit as sg

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def servers():
    port = free_port()
    with server(kafka_command(port), port):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def source(servers, tmp_path):
    """Return a function that opens a topic as the next process would."""
    opened = []

    def open_it(topic, folder="live", **options):
        (tmp_path / folder).mkdir(exist_ok=True)
        opened.append(sg.kafka_source(servers, topic, **options))
        opened[-1].open(tmp_path / folder)
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def bodies(source, most=500, wait=0):
    return [message.body for message in source.read(most, wait)]


def test_what_was_not_committed_comes_again(servers, source):
    create_topic(servers, "one", 1)
    ours = source("one")
    assert bodies(ours) == []
    sent = [json.dumps({"a": i}).encode() for i in range(6)]
    produce(servers, "one", sent)
    assert bodies(ours, 1, 5) == sent[:1]
    ours.commit()
    assert bodies(ours, 1) == sent[1:2]
    again = source("one")  # the process was killed before it committed
    found = []
    while more := bodies(again, 2):
        assert len(more) <= 2
        found += more
    assert found == sent[1:]
    again.commit()
    assert bodies(source("one")) == []
    others = source("one", "other").read(500, 0)  # another live folder reads them all
    assert others[0].body == sent[0] and abs(others[0].arrived - time.time()) < 60
    produce(servers, "one", [None])
    (empty,) = source("one").read(500, 0)
    assert empty.problem == "message empty"


def test_begins_after_the_last_message_where_asked(servers, source):
    create_topic(servers, "two", 3)
    sent = [f"{i}".encode() for i in range(30)]
    produce(servers, "two", sent)
    source("two", start="latest")  # killed before it read anything
    produce(servers, "two", [b"new"])
    ours, found = source("two", start="latest"), []
    while more := bodies(ours):
        found += more
    assert found == [b"new"]
    every = source("two", "other")
    while more := bodies(every):
        found += more
    assert sorted(found[1:]) == sorted([*sent, b"new"])


def test_kafka_is_out_of_reach(servers, source, tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.live.sources.kafka_source.TIME_LIMIT", 0.5)
    with pytest.raises(ValueError, match=r"no topic 'sales' at 127\.0\.0\.1"):
        source("sales")
    port = free_port()
    with pytest.raises(ConnectionError, match=f"Kafka does not answer at 127.0.0.1:{port}. Start it"):
        sg.kafka_source(f"127.0.0.1:{port}", "events").open(tmp_path)
    with server(kafka_command(port), port):
        create_topic(f"127.0.0.1:{port}", "events", 1)
        ours = sg.kafka_source(f"127.0.0.1:{port}", "events")
        ours.open(tmp_path)
        assert bodies(ours) == []
    with pytest.raises(ConnectionError, match="Start it, or mend the address"):
        for _ in range(20):
            ours.read(1, 0.2)
    with pytest.raises(ConnectionError, match="Start it, or mend the address"):
        ours.read(1, 0.2)
    ours.close()
    with pytest.raises(ValueError, match=r"settings holds 'group\.id', which segkit sets"):
        sg.kafka_source("127.0.0.1:9092", "events", settings={"group.id": "shop"})


class Partitions:
    """A topic whose first message of each partition is at offset 8; the group had read partition 0 up to 5."""

    def __init__(self, *numbers):
        self.partitions = numbers
        self.topics, self.assigned, self.kept = {"events": self}, {}, {}

    def list_topics(self, *_, timeout):
        return self

    def committed(self, places, timeout):
        for place in places:
            place.offset = {0: 5, **self.kept}.get(place.partition, -1001)
        return places

    def get_watermark_offsets(self, place, timeout):
        return 8, 20

    def commit(self, offsets, asynchronous):
        self.kept |= {place.partition: place.offset for place in offsets}

    def assign(self, places):
        self.assigned = {place.partition: place.offset for place in places}


def test_deleted_messages_are_warned_of_and_new_partitions_read_whole():
    ours = sg.kafka_source("127.0.0.1:9092", "events", start="latest")
    ours._consumer = topic = Partitions(0, 1)
    with pytest.warns(UserWarning, match="3 messages of 'events' were deleted before they were read"):
        ours._assign()
    assert (topic.assigned, topic.kept) == ({0: 5, 1: 20}, {1: 20})
    topic.partitions = (0, 1, 2)
    ours._next = {0: 15, 1: 21}
    ours._assign()
    assert (topic.assigned, topic.kept) == ({0: 15, 1: 21, 2: 8}, {1: 20, 2: 8})
    topic.topics = {}
    with pytest.raises(ConnectionError, match="lost the topic"):
        ours._assign()


def test_arguments(tmp_path):
    with pytest.raises(ValueError, match="topic is empty"):
        sg.kafka_source("127.0.0.1:9", "")
    with pytest.raises(TypeError, match="settings is the text 'fast'"):
        sg.kafka_source("127.0.0.1:9", "events", settings="fast")
    with pytest.raises(ValueError, match=r"'group\.id', which segkit sets"):
        sg.kafka_source("127.0.0.1:9", "events", settings={"group.id": "a"})
    with pytest.raises(ValueError, match="refuses the settings: No such configuration property"):
        sg.kafka_source("127.0.0.1:9", "events", settings={"no.such": 1}).open(tmp_path)
