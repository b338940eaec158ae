"""The service over real HTTP: who is let in, what is answered, and that nothing brings it down."""

import http.client
import json
import random
import socket
import time
import urllib.parse

import pytest
from tables import order, weekly_and_once

import segkit as sg
from segkit.show.service import app

pytest.importorskip("uvicorn")
TOKEN = "an-open-secret-of-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    events = sg.read_events(weekly_and_once(12, once="once/{}?"))
    features = sg.select_features("recency", "frequency")
    result = sg.segment(sg.customer_features(events, features, as_of="2024-04-01"), n_segments=2)
    regular = result.labels["often 0"]
    result = result.with_names({regular: "Regular", 1 - regular: "Rare"})
    with sg.live_segments(result, events, features, folder=tmp_path_factory.mktemp("live")) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(live):
    with sg.serve(live, port=0, token=TOKEN) as running:
        yield running


@pytest.fixture
def ask(service):
    """Send a request and return the status, the headers and the text of the answer."""
    address = urllib.parse.urlsplit(service.url)
    opened = []

    def send(path, headers=BEARER, method="GET", **more):
        opened.append(http.client.HTTPConnection(address.hostname, address.port, timeout=60))
        opened[-1].putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            opened[-1].putheader(name, value)
        opened[-1].endheaders()
        answer = opened[-1].getresponse()
        if more.get("stream"):
            return answer
        return answer.status, answer.headers, answer.read().decode()

    send.port = address.port
    yield send
    for connection in opened:
        connection.close()


def test_nobody_is_let_in_without_the_token(ask):
    for path in ("/", "/segments", "/customers/often%200", "/map", "/moves", "/live_map.js", "/nowhere"):
        for headers in (
            {},
            {"Authorization": "Bearer guess"},
            {"Cookie": f"segkit_{ask.port}=guess"},
            {"Cookie": ";=é"},
        ):
            status, _, text = ask(path, headers)
            assert status == 401 and "The token is missing or wrong" in text
    assert ask("/?token=wrong", {})[0] == 401
    assert ask(f"/segments?token={TOKEN}", {})[0] == 401  # only the page takes it from the URL
    assert ask("/segments")[0] == 200


def test_the_token_goes_into_a_cookie(ask):
    status, headers, _ = ask(f"/?token={TOKEN}", {})
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and f"segkit_{ask.port}=" in cookie
    status, headers, text = ask("/", {"Cookie": cookie.partition(";")[0]})
    assert status == 200 and "<title>Live segments</title>" in text
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert TOKEN not in text and headers["Server"] is None


def test_it_is_of_this_machine_only(ask, service):
    for host in ("evil.example", "evil.example:80", f"127.0.0.1.evil.example:{ask.port}", "127.0.0.1:1", ""):
        assert ask("/segments", {**BEARER, "Host": host})[0] in (400, 421)
    assert ask("/segments", {**BEARER, "Host": f"localhost:{ask.port}"})[0] == 200
    listening = service._server.servers[0].sockets[0].getsockname()
    assert listening[0] == "127.0.0.1"
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert ask("/segments", BEARER, method)[0] == 405


def test_segments_and_customers(ask, live):
    said = json.loads(ask("/segments")[2])
    counts = live.current()["segment"].value_counts().to_dict()
    assert {s["segment"]: s["customers"] for s in said["segments"] if s["customers"]} == counts
    assert said["as_of"] == f"{live.current()['as_of'].max().isoformat()}Z"
    status, _, text = ask("/customers/" + urllib.parse.quote("once/3?", safe=""))
    there, answer = live.at("once/3?"), json.loads(text)
    assert status == 200 and answer["features"]["frequency"] == 1.0
    assert (answer["segment"], answer["segment_id"], answer["confidence"]) == (
        "Rare",
        there.segment_id,
        there.confidence,
    )
    assert (answer["customer_id"], answer["as_of"], answer["corrected"]) == (
        "once/3?",
        f"{there.as_of.isoformat()}Z",
        None,
    )
    status, _, text = ask("/customers/nobody")
    assert status == 404 and "no customer 'nobody'" in json.loads(text)["error"]


def test_one_customer_takes_little_time(ask):
    ask("/customers/often%200")
    took = []
    for _ in range(9):
        began = time.process_time()  # of this process, which holds the server too
        ask("/customers/often%200")
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def read_event(stream):
    """Return the next event of a stream as a dict of its fields."""
    fields = {}
    while True:
        line = stream.readline().decode().rstrip("\n")
        if not line and fields:
            return fields
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def test_moves_are_sent_as_they_happen(ask, live):
    heard = ask("/moves", stream=True)
    assert heard.headers["Content-Type"].startswith("text/event-stream")
    seen = ask("/map", stream=True)
    before = json.loads(read_event(seen)["data"])
    live.apply(order("n1", "ada", "2024-04-02"))
    event = read_event(heard)
    move = json.loads(event["data"])
    assert (event["event"], event["id"]) == ("move", str(move["n"]))
    assert (move["customer"], move["from"], move["to"], move["why"]) == ("ada", None, "Regular", "purchase")
    assert move["as_of"] == "2024-04-02T00:00:00.000001Z"
    after = json.loads(read_event(seen)["data"])
    size = {s["name"]: s["size"] for s in after["segments"]}
    assert size["Regular"] == {s["name"]: s["size"] for s in before["segments"]}["Regular"] + 1
    live.apply(order("n2", "bob", "2024-04-03"))
    assert json.loads(read_event(heard)["data"])["customer"] == "bob"
    again = ask("/moves", {**BEARER, "Last-Event-ID": str(move["n"])}, stream=True)
    assert json.loads(read_event(again)["data"])["customer"] == "bob"


def test_others_are_answered_while_the_map_waits_for_a_sweep(ask, service):
    with service._board._turn:  # as while the map looks at a large sweep
        heard = ask("/moves", stream=True)
        assert heard.status == 200 and ask("/customers/often%200")[0] == 200


def test_a_slow_reader_is_told_what_it_missed():
    class Board:
        counted = 9

        def moves_after(self, n):
            return [{"n": i} for i in range(max(n + 1, 7), 10)]

    class Request:
        headers = {"last-event-id": "2"}  # noqa: RUF012

    messages = app._new_moves(Board(), Request)()
    assert [m.strip().splitlines()[-1] for m in messages] == [
        'data: {"moves": 4}',
        'data: {"n": 7}',
        'data: {"n": 8}',
        'data: {"n": 9}',
    ]


def test_it_survives_a_thousand_malformed_requests(ask):
    rng = random.Random(0)
    heads = [
        b"GET / HTTP/1.1\r\n",
        b"GET /customers/%ff%00 HTTP/1.1\r\n",
        b"GET " + b"a" * 70_000,
        b"\x16\x03\x01",
        b"",
    ]
    good = f"Host: 127.0.0.1:{ask.port}\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    for i in range(1000):
        parts = [
            rng.choice(heads),
            rng.choice([b"", good]),
            rng.randbytes(rng.randrange(200)),
            rng.choice([b"", b"\r\n\r\n"]),
        ]
        with socket.create_connection(("127.0.0.1", ask.port), timeout=60) as raw:
            try:
                raw.sendall(b"".join(parts))
                if i % 50 == 0:
                    raw.shutdown(socket.SHUT_WR)
                    assert b" 200 " not in raw.recv(65536).split(b"\r\n")[0]
            except (ConnectionResetError, BrokenPipeError):
                continue  # the server hung up, as it may
    odd = [
        "/segments?" + "&".join(f"a{i}=1" for i in range(100)),
        "/customers/" + "%00" * 50,
        "/customers/" + "x" * 5000,
        "/customers/",
        "//",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/?token=%ff%fe",
    ]
    for path in odd:
        assert ask(path)[0] in (200, 303, 400, 404), path
    assert ask("/segments")[0] == 200


def test_events_are_followed(live, tmp_path, capsys):
    file = tmp_path / "new.jsonl"
    event = {
        "event_id": "f1",
        "customer_id": "fay",
        "timestamp": "2024-04-04",
        "kind": "purchase",
        "amount": 3,
    }
    file.write_text(json.dumps({**event, "order_id": "f1"}) + "\n")
    with sg.serve(live, port=0, follow=sg.file_source(file)) as running:
        assert running.url in capsys.readouterr().out
        until = time.monotonic() + 60
        while "fay" not in running._board._last and time.monotonic() < until:
            time.sleep(0.05)
        assert "fay" in running._board._last
    assert "is closed" not in repr(live) and live.at("fay").segment_id is not None


def test_what_ends_the_following_is_said(live, tmp_path, capsys):
    class Broken(type(sg.file_source(tmp_path))):
        def read(self, most, wait):
            raise RuntimeError("the tape is torn")

    with sg.serve(live, port=0, follow=Broken(tmp_path)) as running:
        running._followers[0].join(60)
        assert running._board.state["error"] == "New events are not followed any more: the tape is torn"
    assert "the tape is torn" in capsys.readouterr().err


def test_arguments_are_checked(live, service):
    for token in ("short", "with spaces in it, and more", "ä" * 20):
        with pytest.raises(ValueError, match="token should be at least 16 letters"):
            sg.serve(live, token=token)
    with pytest.raises(OSError, match=r"Port \d+ of 127.0.0.1 cannot be used"):
        sg.serve(live, port=urllib.parse.urlsplit(service.url).port)
    with pytest.raises(OSError, match="Port 70000 of"):
        sg.serve(live, port=70_000)
    with pytest.raises(TypeError, match="live is the text"):
        sg.serve("live/")
    with pytest.raises(TypeError, match="follow is the text"):
        sg.serve(live, follow="redis://")
