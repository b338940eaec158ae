"""Follow files: each line once, whole, whenever it is written, and again where the file is another one."""

import csv
import io
import json
import os
import time

import pandas as pd
import pytest
from followed import BEGIN, as_lines, opened, purchase, segments
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.live.sources import file_source as file_module
from segkit.live.sources.file_source import FileSource


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "live").mkdir()
    return tmp_path / "live"


def bodies(source, most=500):
    messages = source.read(most, 0)
    return [m.problem or (json.loads(m.body) if isinstance(m.body, bytes) else m.body) for m in messages]


def started(path, folder):
    source = FileSource(path)
    source.open(folder)
    return source


def test_what_was_kept_of_the_places_may_be_broken(tmp_path, folder):
    path = tmp_path / "rows.jsonl"
    path.write_text(as_lines([purchase(1), purchase(2)]))
    source = started(path, folder)
    assert len(bodies(source)) == 2
    source.commit()
    for kept in folder.glob("*positions.json"):
        kept.write_text("")  # as after a power cut
    assert [body["event_id"] for body in bodies(started(path, folder))] == ["n1", "n2"]


def test_a_file_that_is_not_there_is_warned_of(tmp_path, folder):
    path = tmp_path / "rows.jsonl"
    with pytest.warns(UserWarning, match=r"no file .*rows\.jsonl yet"):
        source = started(path, folder)
    assert bodies(source) == []
    path.write_text(as_lines([purchase(1), purchase(2)]))
    assert len(bodies(source, most=1)) == 1
    path.unlink()
    assert bodies(source) == []
    source.close()


def test_a_list_of_events_is_refused_and_not_waited_for(tmp_path, folder):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([purchase(1), purchase(2)]))
    source = started(path, folder)
    assert [len(body) for body in bodies(source)] == [2]
    source.close()


CELLS = st.text("ab,\"\n\r'é ", max_size=6)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2).filter(any), max_size=8),
    cuts=st.lists(st.integers(0, 200), max_size=4),
    most=st.integers(1, 4),
)
def test_rows_of_a_growing_csv_come_once_whole(tmp_path_factory, rows, cuts, most):
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["text", "kind"], *rows])
    raw, path = written.getvalue().encode(), tmp_path_factory.mktemp("csv") / "rows.csv"
    came = []
    for cut in [*sorted(cuts), len(raw)]:
        path.write_bytes(raw[:cut])
        source = started(path, path.parent)  # as in a new process
        while found := bodies(source, most):
            assert len(found) <= most
            came += found
            source.commit()
    source.close()
    assert came == [
        {name: cell for name, cell in zip(["text", "kind"], row, strict=True) if cell} for row in rows
    ]


def test_lines_count_once_they_end(tmp_path, folder):
    path = tmp_path / "events.jsonl"
    path.touch()
    source = started(path, folder)
    assert bodies(source) == []  # there is no file yet
    path.write_bytes(b'{"a": 1}\n\n  \r\n{"a": 2}\r\n{"a"')
    assert bodies(source) == [{"a": 1}, {"a": 2}]
    with pytest.warns(UserWarning, match=r"Not read to the end: events\.jsonl"):
        source.close()
    path.write_bytes(path.read_bytes() + b": 3}")  # whole, though without an end
    assert bodies(source) == [{"a": 3}]
    path.write_bytes(path.read_bytes() + b'\n{"a": 4}\n')
    assert bodies(source) == [{"a": 4}]
    source.close()
    assert len(bodies(started(path, folder))) == 4  # nothing was committed


def test_what_cannot_be_read_is_set_aside(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(file_module, "LONGEST_LINE", 1 << 20)
    path = tmp_path / "rows.csv"
    rows = [
        b"\xef\xbb\xbfkind,text",
        b"a,b",
        b"a",
        b"a,b,c",
        b"\xff,b",
        b'a,"b"c',
        b'a,"' + b"x" * 200_000,
        b",",
        b"d,e",
    ]
    path.write_bytes(b"\n".join([*rows, b"y" * (3 << 20), b"f,g", b'h,"i']))
    source = started(path, folder)
    assert bodies(source) == [
        {"kind": "a", "text": "b"},
        "1 cell where the header has 2",
        "3 cells where the header has 2",
        "line not UTF-8",
        "line not CSV",
        "line not CSV",
        {"kind": "d", "text": "e"},
        "line longer than 1 MB",
    ]
    assert bodies(source) == [{"kind": "f", "text": "g"}]  # a batch is bounded in bytes too
    path.write_bytes(path.read_bytes() + b'\nj"\n')
    assert bodies(source) == [{"kind": "h", "text": "i\nj"}]
    twice = tmp_path / "twice.csv"
    twice.write_text("kind,text,kind\na,b,c\n")
    assert bodies(started(twice, folder)) == ["column 'kind' twice in the header"]
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"z" * (3 << 20) + b'\n{"a": 1}\n')
    source = started(lines, folder)
    assert [bodies(source), bodies(source)] == [["line longer than 1 MB"], [{"a": 1}]]


@pytest.mark.parametrize("same", [0, 3])
def test_another_file_is_read_from_its_beginning(tmp_path, folder, same):
    path, padded = tmp_path / "events.jsonl", "x" * 300
    rows = [{"a": i, "text": padded} for i in range(5)]
    path.write_text(as_lines(rows))
    source = started(path, folder)
    assert bodies(source) == rows
    source.commit()
    other = [*rows[:same], *({"a": -i, "text": padded} for i in range(1, 9))]
    path.write_text(as_lines(other))
    assert bodies(source) == other
    path.write_text(as_lines(rows[:1]))
    assert bodies(started(path, folder)) == rows[:1]


def test_files_of_a_folder_by_name(tmp_path, folder):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("b.jsonl", ".hidden.jsonl", "notes.txt", "a.ndjson"):
        (inbox / name).write_text(as_lines([{"a": name}, {"a": name}]))
    (inbox / "c.csv").write_text("kind,text\nc.csv,\n")
    source = started(inbox, folder)
    assert [row["a"] for row in bodies(source, 3)] == ["a.ndjson", "a.ndjson", "b.jsonl"]
    source.commit()
    (inbox / "a.ndjson").unlink()
    source = started(inbox, folder)
    assert bodies(source) == [{"a": "b.jsonl"}, {"kind": "c.csv"}]
    source.commit()
    kept = json.loads(next(folder.glob("*.positions.json")).read_text())
    assert sorted(kept["files"]) == ["b.jsonl", "c.csv"] and len(list(folder.iterdir())) == 1


def test_two_live_folders_follow_a_file(tmp_path, folder):
    path, other = tmp_path / "events.jsonl", tmp_path / "other"
    other.mkdir()
    path.write_text(as_lines([{"a": 1}]))
    for each in (folder, other):
        source = started(path, each)
        assert bodies(source) == [{"a": 1}]
        source.commit()
        assert bodies(started(path, each)) == []


def test_waits_for_what_is_written(tmp_path, folder):
    (tmp_path / "events.jsonl").touch()
    source = started(tmp_path / "events.jsonl", folder)
    begun = time.monotonic()
    assert source.read(500, 0.15) == [] and time.monotonic() - begun >= 0.15
    (tmp_path / "events.jsonl").write_text(as_lines([{"a": 1}]))
    (message,) = source.read(500, 60)
    assert abs(message.arrived - time.time()) < 60


@pytest.mark.filterwarnings("ignore:Events are applied")  # on a slow computer
def test_follow_goes_on_where_it_stopped(tmp_path):
    result = segments()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "1.jsonl").write_text(as_lines([purchase(1), purchase(2, "ada"), purchase(1)]) + "oops\n")
    event = purchase(3, "ben", amount="12.50")
    (inbox / "2.csv").write_text(f"{','.join(event)}\n{','.join(map(str, event.values()))}\n")
    arrived = time.time() - 4
    for path in inbox.iterdir():
        os.utime(path, (arrived, arrived))
    options = {"until": "caught up", "sweep_every": None, "now": lambda: BEGIN + pd.Timedelta(days=1)}
    with opened(result, tmp_path / "live") as live:
        table = sg.follow(live, sg.file_source(inbox), **options)
        counts = table.attrs["segkit"]
        assert (counts["events"], counts["appended"], counts["repeated"], counts["refused"]) == (5, 3, 1, 1)
        assert 3 < table["lag"].item() < 60
    (inbox / "1.jsonl").write_text((inbox / "1.jsonl").read_text() + as_lines([purchase(4)]))
    with opened(result, tmp_path / "live") as live:
        assert sg.follow(live, sg.file_source(inbox), **options)["events"].tolist() == [1]
        assert live.refused["reason"].tolist() == ["message not JSON"]
        assert live.events().table.to_pandas().set_index("event_id").loc["n3", "amount"] == 12.5
        with pytest.raises(ValueError, match=r"It should end in .*\.jsonl"):
            sg.file_source("events.txt")
        with pytest.raises(TypeError, match="path is "):
            sg.file_source(3)
