"""Erasure: every place is searched, what is left is as if made without the customer, and the receipt names nobody."""

import bz2
import gzip
import html
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import pandas as pd
import pytest
from shared_data import CHECKOUT
from sklearn.cluster import DBSCAN
from tables import orders

import segkit as sg
from segkit.core.engine.connection import folder as process_folder
from segkit.live.open_live import open_live
from segkit.privacy.pseudonymise import pseudonyms

KEY = "0123456789abcdef"
HER = "customer 0042"
PSEUDONYM = pseudonyms([HER], KEY.encode())[0]
N = 300


def shop(n=N):
    """A log of customers around three ways to buy, one of them rare."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        orders_of, amount = ((2, 20.0), (8, 60.0), (20, 5.0))[0 if i % 10 < 6 else 1 if i % 10 < 9 else 2]
        for j in range(orders_of + i % 2):
            day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=(37 * i + 13 * j) % 330)
            rows.append((f"customer {i:04}", day, round(float(amount * rng.uniform(0.8, 1.2)), 2)))
    return orders(*rows).assign(event_id=[f"event {i:05}" for i in range(len(rows))])


LOG = shop()


def features(events):
    return sg.customer_features(events, sg.RFM, as_of="2025-01-01")


def read(log=LOG):
    return sg.read_events(log, kind="purchase")


@pytest.fixture(scope="module")
def events():
    return read()


@pytest.fixture(scope="module")
def customers(events):
    return features(events)


@pytest.fixture(scope="module")
def kmeans(customers):
    return sg.segment(customers, n_segments=2)


def traces(folder, *ids):
    """Return the files below a folder in whose bytes, or in whose values, one of the ids stands."""
    held = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += pd.read_parquet(path).reset_index().to_csv().encode()
            if any(text.encode() in content for text in ids):
                held.append(path.name)
    return held


def test_all_places_are_searched_and_nothing_is_found(events, customers, kmeans, tmp_path):
    ward = sg.segment(customers, n_segments=3, method="ward")
    kmeans.save(tmp_path / "saved")
    sg.segment(customers, n_segments=2).save(tmp_path / "shared", share=True, minimum=1)
    rows = events.table.to_pandas()
    rows.to_csv(tmp_path / "log.csv", index=False)
    rows.to_parquet(tmp_path / "log.parquet")
    rows.to_json(tmp_path / "log.jsonl", orient="records", lines=True, date_format="iso")
    sg.pseudonymise(events, key=KEY).table.to_pandas().to_parquet(tmp_path / "hidden.parquet")
    with duckdb.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE log AS SELECT * FROM rows")
    sg.live_segments(kmeans, events, sg.RFM, folder=tmp_path / "closed").close()
    live = sg.live_segments(kmeans, events, sg.RFM, folder=tmp_path / "open")
    kept = events.cache()
    assert len(traces(tmp_path, HER, PSEUDONYM)) == 10 and traces(process_folder(), HER)

    erased = sg.erase(
        [HER, "nobody"], events=events, results=[kmeans, ward], live=live, folders=[tmp_path], key=KEY
    )
    assert traces(tmp_path, HER, PSEUDONYM) == traces(process_folder(), HER, PSEUDONYM) == []
    receipt = erased.receipt
    assert receipt.complete
    assert [receipt.outcome(HER), receipt.outcome("nobody")] == ["erased", "was not here"]
    hers = (LOG["customer_id"] == HER).sum()
    said = receipt.places.set_index("place")["rows"]
    assert said[["events", "log.csv", "log.parquet", "log.jsonl", "hidden.parquet", "shop.db"]].eq(hers).all()
    assert HER not in sg.customer_features(kept, sg.RFM, as_of="2025-01-01").index

    without = read(LOG[LOG["customer_id"] != HER])
    pd.testing.assert_frame_equal(features(erased.events), features(without))
    pd.testing.assert_frame_equal(features(live.events()), features(without))
    assert live.result is erased.results[0]
    live.close()
    with sg.live_segments(erased.results[0], erased.events, sg.RFM, folder=tmp_path / "closed") as again:
        assert again.holds([HER]) == set()
    assert sg.SharedSegmentation.load(tmp_path / "shared").features == list(customers.columns)
    loaded = sg.Segmentation.load(tmp_path / "saved")
    pd.testing.assert_series_equal(loaded.labels, kmeans.labels.drop(HER))
    fresh = sg.segment(features(without), n_segments=3, method="ward")
    assert pd.crosstab(erased.results[1].labels, fresh.labels).gt(0).sum().tolist() == [1, 1, 1]


def test_the_receipt_holds_hashes_only(kmeans):
    receipt = sg.erase([HER], results=kmeans).receipt
    written = json.dumps(receipt.to_dict()) + repr(receipt) + receipt._repr_html_()
    assert HER not in written and "0042" not in written
    assert "1 customer erased. A search finds nothing." in repr(receipt)
    with pytest.raises(KeyError, match="not of this customer"):
        receipt.outcome("somebody else")
    assert sg.erase([HER], results=kmeans).receipt.salt != receipt.salt


def test_a_model_without_rows_of_large_segments_stays(kmeans):
    usual = next(
        name
        for name in kmeans.customers.index
        if not any(kmeans.customers.loc[name, f] in (c.min(), c.max()) for f, c in kmeans.customers.items())
    )
    erased = sg.erase([usual], results=kmeans)
    (result,) = erased.results
    assert usual not in result.customers.index and len(result.customers) == N - 1
    pd.testing.assert_series_equal(result.assign(result.customers), kmeans.labels.drop(usual))
    assert len(result.model[-1].labels_) == N - 1 == result.provenance["n_customers"]
    assert erased.receipt.places["action"][0].startswith("rows removed; model kept: it holds no rows")


def test_a_split_model_stays_where_all_that_she_was_in_is_large(kmeans):
    extremes = kmeans.customers.agg(["min", "max"])
    usual = kmeans.customers.index[~kmeans.customers.isin(extremes.to_numpy().ravel()).any(axis=1)]
    hers = kmeans.labels[usual[0]]
    split = sg.split_segment(kmeans, next(s for s in kmeans.segments if s != hers))
    erased = sg.erase([usual[0]], results=split)
    pd.testing.assert_series_equal(
        erased.results[0].assign(split.customers.drop(usual[0])), split.labels.drop(usual[0])
    )
    assert len(erased.results[0].model[-1].former.labels_) == N - 1
    assert "model kept" in erased.receipt.places["action"][0]
    small = split.labels.value_counts().idxmin()
    assert (split.labels == small).sum() < 100
    other = split.labels.index[split.labels == small][0]
    again = sg.erase([other], results=split).receipt.places["action"][0]
    assert re.search("made again: a segment had [0-9]+ customers, fewer than 100", again)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_segments": 3, "method": "ward"}, "AgglomerativeClustering keeps the rows"),
        ({"n_segments": 3}, r"a segment had [0-9]+ customers?, fewer than 100"),
        ({"model": DBSCAN(eps=500)}, "DBSCAN keeps the rows"),
    ],
)
def test_models_that_hold_something_are_made_again(customers, options, reason):
    result = sg.segment(customers, **options)
    her = result.labels.index[result.labels == result.labels.value_counts().index[-1]][3]
    result = result.with_names({int(result.labels[her]): "Hers"})
    erased = sg.erase([her], results=[result])
    assert erased.receipt.places["action"].str.contains(f"made again: {reason}").tolist() == [
        True,
        *[False] * (len(erased.receipt.places) - 1),
    ]
    (again,) = erased.results
    fresh = sg.segment(customers.drop(her), **options)
    joint = pd.crosstab(again.labels, fresh.labels)
    assert (joint.gt(0).sum(axis=0) == 1).all() and (joint.gt(0).sum(axis=1) == 1).all()
    assert "Hers" in again.names.values()


def test_an_end_of_a_scale_is_made_again(kmeans):
    her = kmeans.customers["monetary"].idxmax()
    erased = sg.erase([her], results=kmeans)
    action = erased.receipt.places["action"][0]
    assert action.startswith("made again: the end of the scale of") or "fewer than 100" in action


def test_value_bands_are_made_again(customers):
    bands = sg.value_bands(customers, n_bands=4)
    her = customers.index[7]
    (result,) = sg.erase([her], results=bands).results
    fresh = sg.value_bands(customers.drop(her), n_bands=4)
    pd.testing.assert_series_equal(result.labels, fresh.labels)
    assert result.names == bands.names


def test_what_cannot_be_erased_is_named(tmp_path):
    (tmp_path / "report.html").write_text(f"<td>{HER}</td>")
    (tmp_path / "export.csv.gz").write_bytes(gzip.compress(f"customer_id\n{HER}\n".encode()))
    (tmp_path / "wide.csv").write_bytes(f"customer_id\n{HER}\n".encode("utf-16"))
    (tmp_path / "friends.csv").write_text(f"Customer ID;friend\r\nann;{HER}\r\n{HER};ann\r\n", newline="")
    (tmp_path / f"{HER}.txt").write_text("a note")
    (tmp_path / "other.txt").write_text(f"{HER}1, my{HER}")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    receipt = sg.erase([HER], folders=[tmp_path]).receipt
    left = receipt.places.set_index("place")["left"]
    assert left[left > 0].index.tolist() == [
        "broken.parquet",
        "a file with an id in its name",
        "export.csv.gz",
        "friends.csv",
        "report.html",
        "wide.csv",
    ]
    assert receipt.outcome(HER) == "still found" and not receipt.complete
    assert "Look at 6 places yourself" in repr(receipt) and HER not in repr(receipt)
    assert (tmp_path / "friends.csv").read_bytes() == f"Customer ID;friend\r\nann;{HER}\r\n".encode()


def test_records_go_as_a_whole_and_others_stay_as_written(tmp_path):
    text = f'\ufeffuser_id,note\n{HER},"two\nlines"\n"ann","a ""b"", c"\n7,{"x" * 200_000}\n'
    (tmp_path / "notes.csv").write_text(text, encoding="utf-8", newline="")
    receipt = sg.erase([HER, "7"], folders=[tmp_path / "notes.csv"]).receipt
    assert receipt.complete
    assert (tmp_path / "notes.csv").read_text(encoding="utf-8") == '\ufeffuser_id,note\n"ann","a ""b"", c"\n'


def test_a_saved_segmentation_that_cannot_be_read_is_left_whole(customers, tmp_path):
    result = sg.segment(customers, n_segments=3)
    result.save(tmp_path)
    words = tmp_path / "segmentation.json"
    words.write_text(words.read_text().replace('"format": 2', '"format": 99'))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    receipt = sg.erase([HER], folders=[tmp_path]).receipt
    assert not receipt.complete
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_live_folder_that_is_open_elsewhere_is_left_whole(events, kmeans, tmp_path):
    with sg.live_segments(kmeans, events, sg.RFM, folder=tmp_path / "live") as live:
        kept = tmp_path / "live" / "segmentation"
        before = {path.name: path.read_bytes() for path in kept.iterdir()}
        receipt = sg.erase([HER], folders=[tmp_path]).receipt  # as from another process: live is not passed
        assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
        assert live.holds([HER]) == {HER} and not receipt.complete
        assert receipt.places["action"].str.contains("open elsewhere, so nothing was done").tolist() == [True]
    with open_live(tmp_path / "live") as live:
        assert HER in live.result.customers.index


def test_folders_of_killed_processes_are_deleted(tmp_path, monkeypatch):
    code = """
import os, segkit as sg
from segkit.datasets import make_events
from segkit.core.engine.connection import folder
kept = make_events(20, kinds="purchase")[0].cache()
print(folder(), flush=True)
os.kill(os.getpid(), 9)
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    left = Path(told.stdout.strip())
    assert left.parent == tmp_path and any(left.glob("*.duckdb"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    receipt = sg.erase(["nobody"]).receipt
    assert not left.exists()
    assert receipt.places["action"].tolist() == ["deleted"]
    assert Path(process_folder()).exists()


def test_bad_arguments_erase_nothing(events, kmeans, tmp_path):
    (tmp_path / "log.csv").write_text(f"customer_id\n{HER}\n")
    for options, error, words in (
        ({"results": [kmeans.labels]}, TypeError, "results is a Series"),
        ({"events": LOG}, TypeError, "events is a DataFrame"),
        ({"folders": [tmp_path / "none"]}, ValueError, "There is no folder"),
        ({"key": "short"}, ValueError, "key has 5 bytes"),
    ):
        with pytest.raises(error, match=words):
            sg.erase([HER], **{"folders": [tmp_path], **options})
    with pytest.raises(TypeError, match="ids is the text"):
        sg.erase(HER, folders=[tmp_path])
    with pytest.raises(ValueError, match="no other customers"):
        sg.erase(list(kmeans.customers.index), results=kmeans, folders=[tmp_path])
    assert HER in (tmp_path / "log.csv").read_text()


@pytest.mark.parametrize("text", [HER, 'zoë & "co"', "7"])
def test_an_id_is_found_however_it_is_written(tmp_path, text):
    """In pages, JSON, addresses, Latin-1, packed, in lists and notes: where it stays, the receipt says so."""
    (tmp_path / "page.html").write_text(f"<td>{html.escape(text)}</td>")
    (tmp_path / "one.json").write_text(json.dumps([{"customer": text}]))
    (tmp_path / "link.txt").write_text(f"https://shop.example/?customer={quote(text)}")
    (tmp_path / "old.txt").write_bytes(f"Dear {text}!".encode("cp1252"))
    (tmp_path / "log.bz2").write_bytes(bz2.compress(f"customer_id\n{text}\n".encode()))
    others = {"customer_id": ["ann"], "list": [[text]], "note": [f"call {text} back"], "raw": [text.encode()]}
    for column in ("list", "note", "raw"):
        pd.DataFrame(others)[["customer_id", column]].to_parquet(tmp_path / f"{column}.parquet")
    for column in ("note", "list"):
        with duckdb.connect(tmp_path / f"{column}.db") as connection:
            connection.execute(f"CREATE TABLE t AS SELECT * FROM '{tmp_path / column}.parquet'")
    pd.DataFrame({"x": ["ann"]}).to_feather(tmp_path / "any.feather")
    receipt = sg.erase([text], folders=[tmp_path]).receipt
    assert receipt.outcome(text) == "still found"
    assert receipt.places["left"].gt(0).all() and len(receipt.places) == 11
    assert receipt.places.set_index("place").loc["any.feather", "action"].endswith("it is packed as Feather")


def test_rows_go_however_the_id_is_written(tmp_path):
    """As JSON escapes it, as a number with a point, and as a category, which stays in a file when no row has it."""
    (tmp_path / "log.jsonl").write_text('{"customer_id": "zo\\u00eb"}\n{"customer_id": "ann"}\n')
    pd.DataFrame({"customer_id": [7.0, 8.0, np.nan, np.inf]}).to_parquet(tmp_path / "numbers.parquet")
    words = pd.Categorical(["ann", HER, "ann"])
    pd.DataFrame({"customer_id": words, "friend": words[[0, 0, 0]]}).to_parquet(tmp_path / "words.parquet")
    receipt = sg.erase(["zoë", "7", HER], folders=[tmp_path]).receipt
    assert receipt.complete and receipt.places["rows"].tolist() == [1, 1, 1]
    assert (tmp_path / "log.jsonl").read_text() == '{"customer_id": "ann"}\n'
    assert pd.read_parquet(tmp_path / "numbers.parquet")["customer_id"].tolist()[0] == 8
    assert HER.encode() not in (tmp_path / "words.parquet").read_bytes()


def test_a_broken_csv_is_left_whole(tmp_path):
    """A quote that never ends would make all that follows one record, of hers."""
    text = f'customer_id,note\n{HER},"a note\nann,another\n'
    (tmp_path / "notes.csv").write_text(text)
    receipt = sg.erase([HER], folders=[tmp_path]).receipt
    assert not receipt.complete and (tmp_path / "notes.csv").read_text() == text


def test_linked_folders_are_searched_once(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / HER
    inside.mkdir()
    outside.mkdir()
    (outside / "log.csv").write_text(f"customer_id\n{HER}\n")
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(outside)
    receipt = sg.erase([HER], folders=[inside]).receipt
    assert receipt.complete and receipt.places["place"].tolist() == ["log.csv"]
    named = sg.erase([HER], folders=[tmp_path]).receipt.places
    assert named.loc[named["left"] > 0, "place"].tolist() == ["a folder with an id in its name"]


def test_segmentations_of_the_same_segments_keep_their_names_and_models(kmeans, tmp_path):
    """Names are not part of the hash: what is passed is not written over what is saved."""
    kmeans.with_names({0: "Saved"}).save(tmp_path)
    passed = [kmeans, kmeans.with_names({0: "Passed"})]
    plain, named = sg.erase([HER], results=passed, folders=[tmp_path]).results
    assert (plain.names, named.names[0]) == (kmeans.names, "Passed")
    assert sg.Segmentation.load(tmp_path).names[0] == "Saved"


def test_nobody_to_erase(kmeans):
    assert (
        repr(sg.erase([], results=kmeans).receipt)
        == "Receipt: No customer was to be erased. A search finds nothing."
    )
