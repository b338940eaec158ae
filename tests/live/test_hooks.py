"""Hooks hear who enters a segment: at least once, in order, and never in the way of a batch."""

import http.server
import itertools
import json
import socket
import threading
import time

import pandas as pd
import pytest

import segkit as sg
from segkit.live import courier
from segkit.live.hooks import url_hook

NAMES = [f"{kind} {i}" for kind in ("often", "once") for i in range(6)]


@pytest.fixture(scope="module")
def shop():
    rows = [(name, day) for i, name in enumerate(NAMES) for day in range(i, 100, 9 if i < 6 else 101)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")
    frame = frame.assign(kind="purchase", amount=range(len(frame)), order_id=range(len(frame)))
    events = sg.read_events(frame)
    return sg.segment(sg.customer_features(events, sg.RFM, as_of="2024-05-01"), n_segments=2), events


@pytest.fixture
def opened(shop, tmp_path):
    lives = []

    def open_folder():
        lives.append(sg.live_segments(*shop, sg.RFM, folder=tmp_path / "live"))
        return lives[-1]

    yield open_folder
    for live in lives:
        live.close()


def move(live, *names):
    """Let customers enter segment 1, whom an analyst has held in segment 0."""
    for name in names:
        for segment in (0, 1):
            live.correct(name, segment, "a test")


def states(live):
    return live.outbox.set_index("state")["messages"].to_dict()


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_functions_are_told_of_entries_in_order(opened):
    live, heard, threads = opened(), [], set()

    def hook(message):
        threads.add(threading.current_thread())
        heard.append(message)

    live.on_enter(1, hook, name="mail")
    move(live, "often 1", "often 0")
    live.correct("often 0", 1, "it stays there")
    live.deliver()
    assert [(m["customer_id"], m["segment_id"], m["was"]) for m in heard] == [
        ("often 1", 1, "Segment 0"),
        ("often 0", 1, "Segment 0"),
    ]
    assert len({m["key"] for m in heard}) == 2 and threading.main_thread() not in threads
    assert states(live) == {"delivered": 2}
    live.on_enter(1, None, name="mail")
    move(live, "often 2")
    assert len(heard) == 2 and states(live) == {"delivered": 2}


def test_what_was_not_told_is_told_when_the_hook_comes_back(opened):
    live, heard = opened(), []
    live.on_enter(1, heard.append, name="mail")
    live.close()
    live = opened()
    move(live, "often 0")
    assert live.outbox.drop(columns="error").to_dict("records") == [
        {"hook": "mail on 1", "state": "waiting", "messages": 1}
    ]
    live.on_enter(1, heard.append, name="mail")
    wait_for(lambda: states(live) == {"delivered": 1})
    assert [m["customer_id"] for m in heard] == ["often 0"]
    move(live, "often 1")
    live.close()  # tells what waits
    assert [m["customer_id"] for m in heard] == ["often 0", "often 1"]


def test_a_message_that_fails_five_times_is_parked(opened, monkeypatch):
    monkeypatch.setattr(courier, "PAUSES", (60.0,) * 4)
    live, heard, keys = opened(), [], []

    def fail(message):
        keys.append(message["key"])
        raise OSError("the post is on strike")

    live.on_enter(1, fail, name="mail")
    move(live, "often 0", "often 1")
    wait_for(lambda: len(keys) == 1)
    for _ in range(4):
        assert states(live) == {"waiting": 2}
        live.deliver()
    assert len(keys) == 5 and len(set(keys)) == 1
    assert states(live) == {"parked": 1, "waiting": 1}
    assert live.outbox["error"].tolist()[0] == "OSError: the post is on strike"
    live.on_enter(1, heard.append, name="mail")
    wait_for(lambda: len(heard) == 1)
    assert live.retry_parked() == 1 and live.retry_parked() == 0
    wait_for(lambda: states(live) == {"delivered": 2})
    assert [m["customer_id"] for m in heard] == ["often 1", "often 0"] and heard[1]["key"] == keys[0]


def test_retries_come_by_themselves_after_growing_pauses(opened, monkeypatch):
    monkeypatch.setattr(courier, "PAUSES", (0.01, 0.02, 0.04, 0.08))
    live, times = opened(), []

    def fail(message):
        times.append(time.monotonic())
        raise OSError

    live.on_enter(1, fail)
    move(live, "often 0")
    wait_for(lambda: states(live) == {"parked": 1})
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert len(times) == 5 and all(p >= least for p, least in zip(pauses, courier.PAUSES, strict=True))


def test_a_hook_that_hangs_holds_nobody(opened, monkeypatch):
    monkeypatch.setattr(courier, "PAUSES", (60.0,) * 4)
    live, heard, calls, may_end = opened(), [], [], threading.Event()

    def hang(message):
        calls.append(message["customer_id"])
        may_end.wait(10)

    live.on_enter(1, hang, timeout=0.05)
    live.on_enter(1, heard.append, name="other")
    before = time.monotonic()
    move(live, "often 0", "often 1")
    wait_for(lambda: len(heard) == 2)
    live.deliver()
    assert live.at("often 0").segment == "Segment 1" and time.monotonic() - before < 5
    live.deliver()
    assert calls == ["often 0"]  # not a second time beside the call that hangs
    outbox = live.outbox.set_index(["hook", "state"])
    name = next(hook for hook, _ in outbox.index if "hang" in hook)
    assert outbox.loc[(name, "waiting"), "messages"] == 2
    assert outbox.loc[(name, "waiting"), "error"] == "An earlier call has not ended."
    may_end.set()
    live.deliver()
    assert calls == ["often 0", "often 0", "often 1"] and states(live) == {"delivered": 2}


def test_a_hook_may_use_the_folder(opened):
    live, said = opened(), []

    def hook(message):
        live.deliver()
        said.append(live.at(message["customer_id"]).segment)
        live.correct(message["customer_id"], 0, "was told")

    live.on_enter(1, hook)
    move(live, "often 0")
    live.deliver()
    assert said == ["Segment 1"] and live.at("often 0").segment == "Segment 0"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answer each post with the next status, and keep what came."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), json.loads(body)))
        status = self.server.answers.pop(0)
        if status == "hang":
            self.server.may_end.wait(10)
            status = 200
        self.send_response(status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.heard, server.answers, server.may_end = [], [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/enter?shop=1"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.may_end.set()
        server.shutdown()


def test_urls_are_posted_to(opened, receiver, monkeypatch):
    monkeypatch.setattr(courier, "PAUSES", (60.0,) * 4)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not used
    live, receiver.answers = opened(), [503, 302, "hang", 204]
    live.on_enter(1, receiver.url, timeout=0.2)
    move(live, "often 0")
    wait_for(lambda: "OSError: The answer was 503" in str(live.outbox["error"][0]))
    assert "OSError: The answer was 302" in live.deliver()["error"][0]
    late = live.deliver()["error"][0]
    assert "took longer than 0.2" in late or "TimeoutError" in late  # whoever notices first
    receiver.may_end.set()
    live.deliver()
    assert live.outbox.to_dict("records")[0]["hook"] == f"{receiver.url} on 1"
    assert states(live) == {"delivered": 1} and len(receiver.heard) == 4
    assert {path for path, *_ in receiver.heard} == {"/enter?shop=1"}
    _, headers, message = receiver.heard[-1]
    assert headers["Content-Type"] == "application/json"
    assert {headers["Idempotency-Key"] for _, headers, _ in receiver.heard} == {message["key"]}
    assert message["customer_id"] == "often 0" and message["was"] == "Segment 0"


def test_nobody_at_the_url(opened, receiver, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    live = opened()
    live.on_enter(1, f"http://127.0.0.1:{port}/")
    move(live, "often 0")
    wait_for(lambda: live.outbox["error"].str.contains("ConnectionRefusedError").all())
    assert states(live) == {"waiting": 1}


def resolving(monkeypatch, to):
    asked = []

    def getaddrinfo(host, port, *_, **__):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in to]

    monkeypatch.setattr("segkit.live.hooks.socket.getaddrinfo", getaddrinfo)
    return asked


def test_a_local_name_that_leads_elsewhere_is_not_used(receiver, monkeypatch):
    asked = resolving(monkeypatch, ["127.0.0.1", "192.0.2.7"])
    post = url_hook(receiver.url.replace("127.0.0.1", "localhost"), allow_network=False, timeout=1)
    with pytest.raises(OSError, match=r"localhost is 192\.0\.2\.7, another computer"):
        post({"key": "k"})
    assert asked == ["localhost"] and not receiver.heard


def test_other_computers_need_consent(receiver, monkeypatch):
    url = receiver.url.replace("127.0.0.1", "shop.example")
    with pytest.raises(ValueError, match=r"leads to another computer.* Pass allow_network=True"):
        url_hook(url, allow_network=False, timeout=1)
    resolving(monkeypatch, ["127.0.0.1"])
    receiver.answers = [200]
    url_hook(url, allow_network=True, timeout=1)({"key": "k"})
    assert [message for *_, message in receiver.heard] == [{"key": "k"}]
    assert receiver.heard[0][1]["Host"] == f"shop.example:{receiver.server_port}"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.localhost"]
)
def test_loopback_needs_no_consent(host):
    url_hook(f"https://{host}:80/", allow_network=False, timeout=1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://10.0.0.1/", "another computer"),
        ("http://0.0.0.0/", "another computer"),
        ("http://[::2]/", "another computer"),
        ("http://127.0.0.1.example/", "another computer"),
        ("http://localhost.example/", "another computer"),
        ("http://2130706433/", "another computer"),
        ("http://127.0.0.1@10.0.0.1/", "user name"),
        ("http://eva:secret@127.0.0.1/", "user name"),
        ("ftp://127.0.0.1/", "no http or https URL"),
        ("file:///etc/passwd", "no http or https URL"),
        ("127.0.0.1:80", "no http or https URL"),
        ("http://127.0.0.1:99999/", "is no URL: Port out of range"),
        ("http://[::1/", "is no URL"),
        ("http://127.0.0.1/\r\nX: y", "letters that a URL may not have"),
        ("http://127.0.0.1/ä", "letters that a URL may not have"),
    ],
)
def test_wrong_urls_are_explained(url, said):
    with pytest.raises(ValueError, match=said) as error:
        url_hook(url, allow_network=False, timeout=1)
    assert "secret" not in str(error.value)


def test_wrong_hooks_are_explained(opened):
    live = opened()
    with pytest.raises(ValueError, match="Pass name="):
        live.on_enter(1, lambda message: None)
    with pytest.raises(TypeError, match="should be a function that takes a dict, or a URL"):
        live.on_enter(1, 3, name="three")
    for timeout in (0, -1, float("nan"), float("inf"), True, "10"):
        with pytest.raises(ValueError, match=r"timeout=.* above 0 and at most 3,600"):
            live.on_enter(1, print, timeout=timeout)
    with pytest.raises(TypeError, match="name is 5"):
        live.on_enter(1, print, name=5)
    live.on_enter(1, print, name="mail")
    with pytest.raises(ValueError, match=r"No hook 'mial' is subscribed to 'Segment 1'.*: mail\."):
        live.on_enter(1, None, name="mial")
    live.on_enter(1, None, name="mail")
    assert live.outbox.empty
