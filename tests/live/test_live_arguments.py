"""What cannot be, in arguments and in rows, is said in words, changes nothing, and holds up nobody."""

import duckdb
import pandas as pd
import pytest
from followed import BEGIN, CUSTOMERS, opened, purchase, segments

import segkit as sg


@pytest.fixture(scope="module")
def result():
    return segments()


@pytest.fixture
def live(result, tmp_path):
    with opened(result, tmp_path / "live") as live:
        yield live


def test_ids_are_a_list_and_never_the_letters_of_a_text(live):
    live.apply(pd.DataFrame([purchase(i, letter) for i, letter in enumerate("abo")]))
    for wrong in ("boa", None, 5):
        with pytest.raises(TypeError, match=r"customers is .* Pass the ids of customers"):
            live.erase(wrong)
        with pytest.raises(TypeError, match=r"customers is .* Pass the ids of customers"):
            live.holds(wrong)
    for wrong in ([None], [1.5]):
        with pytest.raises(ValueError, match="customers"):
            live.erase(wrong)
    assert live.holds([*"abo", "nobody"]) == set("abo")
    live.apply(pd.DataFrame([purchase(9, 7)]))
    assert live.holds([7]) == {"7"} and live.erase(name for name in ["a", "7"]) > 0
    assert live.holds([*"abo", "7"]) == {"b", "o"}


def test_rows_without_a_standard_column_each_count(live):
    live.apply(pd.DataFrame({"Kunde": ["ada", "bob", "ada"], "Betrag": [1, 2, 3]}))
    assert live.refused.to_dict("records") == [
        {"reason": "customer_id missing", "count": 3, "example": live.refused["example"].item()}
    ]


def test_moments_are_in_microseconds(live):
    fine = BEGIN + pd.Timedelta(days=40, nanoseconds=123)
    assert live.at("often 1", as_of=fine).as_of == BEGIN + pd.Timedelta(days=40)
    placed = live.apply(pd.DataFrame([purchase(1, after=5)]), as_of=fine)
    assert len(placed) == 1 and live.sweep(as_of=fine)["as_of"].eq(BEGIN + pd.Timedelta(days=40)).all()
    with pytest.raises(TypeError, match="as_of is missing"):
        live.sweep()


def test_a_closed_folder_says_so(live):
    live.close()
    for ask in (
        lambda: live.refused,
        lambda: live.waiting,
        lambda: live.outbox,
        lambda: live.deliver(),
        lambda: live.current(),
    ):
        with pytest.raises(ValueError, match=r"live is closed\. Open it again"):
            ask()
    assert repr(live).startswith("Live: 15 customers")


def test_tables_that_are_no_placements(live):
    with pytest.raises(TypeError, match=r"placed is a list.*as from live\.current"):
        live.features([1])
    with pytest.raises(ValueError, match="placed has no column 'event_id'"):
        live.causes(pd.DataFrame({"as_of": []}))
    with pytest.raises(ValueError, match="placed has no column 'customer_id'"):
        live.features(pd.DataFrame({"as_of": []}))


def test_reasons_of_corrections_are_text_of_some_length(live):
    for why, who, said in (
        ("x" * 100_001, "eva", "why has 100,001 characters"),
        ("\ud83d", "eva", "why has half a character"),
        ("moved", "e" * 300, "who has 300 characters"),
    ):
        with pytest.raises(ValueError, match=said):
            live.correct("often 1", 0, why, who=who)
    with pytest.raises(TypeError, match="who is 5"):
        live.correct("often 1", 0, "moved", who=5)
    assert live.corrections().empty


def test_nobody_is_left(live):
    live.erase(CUSTOMERS)
    assert live.where().empty and live.current().empty and live.placements().empty
    assert live.where(in_shop=True, looked_at="prams").columns.tolist() == live.where().columns.tolist()
    assert live.apply(pd.DataFrame([purchase(1, "new 1")]))["customer_id"].tolist() == ["new 1"]
    assert live.where()["customer_id"].tolist() == ["new 1"]


def test_a_folder_that_is_none_of_live_segments(result, tmp_path):
    file = tmp_path / "file"
    file.write_text("notes")
    with pytest.raises(ValueError, match=r"folder=.* is a file\. Pass a folder"):
        opened(result, file)
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "live.duckdb").write_text("notes " * 1000)
    with pytest.raises(ValueError, match=r"live\.duckdb is not one of DuckDB"):
        opened(result, tmp_path / "live")


@pytest.mark.parametrize("kept", [True, False])
def test_an_erasure_that_is_cut_short_leaves_no_segmentation_of_theirs(result, tmp_path, monkeypatch, kept):
    live = opened(result, tmp_path / "live")
    customer = result.customers.index[0] if kept else "new 1"
    live.apply(pd.DataFrame([purchase(1, customer)]))
    assert (live.folder / "segmentation").exists()
    monkeypatch.setattr(live._watchers, "tell", lambda _: 1 / 0)  # the first thing after the file is written
    with pytest.raises(ZeroDivisionError):
        live.erase([customer])
    live.close()
    assert (live.folder / "segmentation").exists() is not kept


def test_what_a_killed_process_left_beside_the_file_is_removed(result, tmp_path):
    live = opened(result, tmp_path / "live")
    live.close()
    (live.folder / ".live.duckdb.4711").write_text("often 1")  # of an erasure
    (live.folder / "live.duckdb.tmp").mkdir()
    (live.folder / "live.duckdb.tmp" / "spilled").write_text("often 1")
    opened(result, live.folder).close()
    assert sorted(path.name for path in live.folder.iterdir()) == ["live.duckdb", "lock", "segmentation"]
    with duckdb.connect(live.folder / "live.duckdb") as connection:
        assert connection.execute("SELECT count(DISTINCT customer_id) FROM log").fetchone() == (15,)


def test_refused_rows_of_the_erased_go_however_they_were_cut(live):
    customer = "alexandra.long-name@example.com"
    longest = f"{'x' * 80} of {customer}"
    live.apply(pd.DataFrame([purchase(1, "often 1", event_id=longest)]))
    live.apply(pd.DataFrame([purchase(1, customer, event_id=longest)]))  # refused: the id of another one
    body = f'{{"kind": "purchase", "amount": "x", "customer_id": "{customer}"}}'
    assert "alex" in body[:60] and customer not in body[:60]
    live.refuse([("k1", "message not JSON", body[:60]), ("k2", "message not JSON", "of alex")])
    live.apply(pd.DataFrame([purchase(2, customer)]))
    live.erase([customer])
    assert live.refused["example"].tolist() == ["of alex"]
    live.close()
    assert b"alexandra" not in (live.folder / "live.duckdb").read_bytes().replace(longest.encode(), b"")


def test_rows_of_a_file_with_other_separators_each_count(live, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "event_id;customer_id;timestamp;kind\n" + "".join(f"e{i};ada;2025-01-01;visit\n" for i in range(5))
    )
    table = sg.follow(live, sg.file_source(path), until="caught up", sweep_every=None)
    assert table["refused"].tolist() == [5]
    assert live.refused.set_index("reason")["count"].to_dict() == {"customer_id missing": 5}
