"""Follow a Redis stream: what was read and not let go of comes again, and Redis may be out of reach."""

import time

import pytest
from brokers import free_port, redis_command, server

import segkit as sg
from segkit.live.sources.event_source import group_of

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def redis_at(tmp_path_factory):
    port = free_port()
    command = redis_command(port, tmp_path_factory.mktemp("redis"))
    with server(command, port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def client(redis_at):
    import redis

    with redis.Redis.from_url(redis_at) as client:
        client.flushall()
        yield client


@pytest.fixture
def source(redis_at, tmp_path):
    """Return a function that opens the stream as the next process would."""
    opened = []

    def open_it(folder="live", **options):
        (tmp_path / folder).mkdir(exist_ok=True)
        opened.append(sg.redis_source(redis_at, "events", **options))
        opened[-1].open(tmp_path / folder)
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def bodies(source, most=500, wait=0):
    return [message.body for message in source.read(most, wait)]


def test_what_was_not_let_go_of_comes_again_first(client, source, tmp_path):
    ours = source()
    assert bodies(ours) == []
    for i in range(6):
        client.xadd("events", {"event": f"{i}"})
    assert bodies(ours, 2) == [b"0", b"1"]
    ours.commit()
    assert bodies(ours, 3) == [b"2", b"3", b"4"]
    again = source()  # the process was killed before it let go
    assert [bodies(again, 2), bodies(again, 2), bodies(again, 2)] == [[b"2", b"3"], [b"4"], [b"5"]]
    again.commit()
    assert bodies(source()) == []
    assert client.xpending("events", group_of(tmp_path / "live"))["pending"] == 0
    assert bodies(source("other"), 1) == [b"0"]  # another live folder reads them all
    assert bodies(source("new", start="latest")) == []


def test_messages(client, source):
    client.xadd("events", {"event": '{"kind": "visit"}'})
    client.xadd("events", {"customer_id": "ada", "kind": "visit", "text": ""})
    client.xadd("events", {"kind": b"\xff"})
    messages = source().read(500, 0)
    assert [m.body for m in messages[:2]] == [
        b'{"kind": "visit"}',
        {"customer_id": "ada", "kind": "visit", "text": None},
    ]
    assert messages[2].problem == "message not UTF-8"
    assert all(abs(m.arrived - time.time()) < 60 for m in messages)
    client.xtrim("events", maxlen=0, approximate=False)
    assert {m.problem for m in source().read(500, 0)} == {"entry deleted from the stream before it was read"}
    client.delete("events")
    client.xadd("events", {"event": "early"}, id="5-1")
    assert [(m.body, m.arrived) for m in source("other").read(500, 0)] == [(b"early", None)]


def test_a_stream_that_is_gone_begins_again(client, source):
    ours = source()
    client.flushall()
    assert bodies(ours) == []
    client.xadd("events", {"event": "1"})
    assert bodies(ours, wait=5) == [b"1"]


def test_redis_is_out_of_reach_and_comes_back(tmp_path):
    import redis

    port = free_port()
    command = redis_command(port, tmp_path)
    ours = sg.redis_source(f"redis://:secret@127.0.0.1:{port}/0", "events", group="shop")
    assert repr(ours) == f"RedisSource: events at redis://127.0.0.1:{port}/0"
    with pytest.raises(
        ConnectionError, match=f"Redis does not answer at redis://127.0.0.1:{port}/0"
    ) as caught:
        ours.open(tmp_path)
    assert "secret" not in str(caught.value)
    ours = sg.redis_source(f"redis://127.0.0.1:{port}/0", "events", group="shop")
    with server(command, port):
        ours.open(tmp_path)
        with redis.Redis(port=port) as client:
            client.xadd("events", {"event": "1"})
            client.set("word", "text")
        assert bodies(ours) == [b"1"]
    for ask in (ours.commit, lambda: ours.read(1, 0)):
        with pytest.raises(ConnectionError, match="Start it, or mend the URL"):
            ask()
    with server(command, port):
        assert bodies(ours) == [b"1"]  # again, since it was not let go of
        ours.commit()
        assert bodies(ours) == []
        other = sg.redis_source(f"redis://127.0.0.1:{port}/0", "word")
        with pytest.raises(ValueError, match=r"'word' at redis.* is no stream"):
            other.open(tmp_path)
        other.close()
    ours.close()


def test_arguments():
    with pytest.raises(ValueError, match=r"stream is empty\. It should be the key"):
        sg.redis_source("redis://127.0.0.1", " ")
    with pytest.raises(TypeError, match="group is 5"):
        sg.redis_source("redis://127.0.0.1", "events", group=5)
    with pytest.raises(ValueError, match="should begin with redis://") as caught:
        sg.redis_source("http://:secret@127.0.0.1", "events")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="start='now' should be 'earliest' or 'latest'"):
        sg.redis_source("redis://127.0.0.1", "events", start="now")
