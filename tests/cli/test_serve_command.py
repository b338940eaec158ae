"""segkit serve opens a folder without Python, serves it, and follows a file."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from shared_data import CHECKOUT

import segkit as sg
from segkit.__main__ import main
from segkit.cli import command
from segkit.datasets import make_events
from segkit.live.store import Store

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    events, _ = make_events(60, kinds="purchase")
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2025-01-01"), n_segments=3)
    path = tmp_path_factory.mktemp("serve") / "live"
    sg.live_segments(result, events, sg.RFM, folder=path).close()
    return path


def test_sources_are_read_from_the_command_line(tmp_path):
    for arguments, kind in (
        (["--redis", "redis://127.0.0.1/0", "events"], "RedisSource"),
        (["--kafka", "127.0.0.1:9092", "events"], "KafkaSource"),
        (["--file", str(tmp_path)], "FileSource"),
    ):
        assert type(command._source(command.parse(["serve", "live", *arguments]))).__name__ == kind
    assert command._source(command.parse(["serve", "live"])) is None
    with pytest.raises(SystemExit):
        command.parse(["serve", "live", "--file", "a", "--redis", "b", "c"])


def test_what_cannot_be_served_is_said(tmp_path, capsys):
    assert main(["--ready", "serve", str(tmp_path / "none")]) == 2
    assert "holds no live segments" in capsys.readouterr().err
    (tmp_path / "live.duckdb").write_text("a note")
    assert main(["--ready", "serve", str(tmp_path)]) == 2
    assert "is not one of DuckDB, so no live segments" in capsys.readouterr().err
    (tmp_path / "live.duckdb").unlink()
    Store(tmp_path).close()  # as of a process that was killed while it began
    assert main(["--ready", "serve", str(tmp_path)]) == 2
    assert "not begun to the end" in capsys.readouterr().err


def test_the_address_is_asked_for_once_it_is_there(folder, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert main(["--ready", "serve", str(folder), "--port", str(taken.getsockname()[1])]) == 1
    said = capsys.readouterr().err
    assert "cannot be used" in said and "Open this address" not in said


@pytest.mark.skipif(os.name != "posix", reason="sends the signal of Ctrl-C")
def test_it_serves_and_follows_until_ctrl_c(folder, tmp_path):
    file = tmp_path / "new.jsonl"
    row = {"event_id": "e1", "customer_id": "ada", "timestamp": "2025-01-02", "kind": "purchase", "amount": 3}
    file.write_text(json.dumps({**row, "order_id": "e1"}) + "\n")
    code = (
        "import sys; from segkit.cli import command; from segkit.show.service import serve; serve.PORT = 0; "
    )
    run = [sys.executable, "-W", "ignore", "-c", f"{code}sys.exit(command.run(sys.argv[1:]))"]
    words = ["--ready", "serve", str(folder), "--file", str(file)]
    with subprocess.Popen(
        [*run, *words], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().partition(": ")[2].strip()
        base, _, token = url.partition("?token=")
        asked = urllib.request.Request(f"{base}customers/ada", headers={"Authorization": f"Bearer {token}"})
        said, until = None, time.monotonic() + 60
        while said is None and time.monotonic() < until:
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    said = json.load(answer)
            except urllib.error.HTTPError as error:
                assert error.code == 404  # the event was not read yet
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert said["features"]["frequency"] == 1.0
    assert process.returncode == 0 and "Traceback" not in err
