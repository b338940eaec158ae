"""A saved segmentation comes back as it was, and loading runs no foreign code."""

import decimal
import hashlib
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, Birch, KMeans
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tables import EVIL, oddly_named, three_groups

import segkit as sg
from segkit.datasets import make_events
from segkit.methods.provenance import hash_of


@pytest.fixture
def saved(tmp_path):
    return sg.segment(three_groups(), n_segments=3).save(tmp_path / "segments")


def round_trip(result, folder):
    return sg.Segmentation.load(result.save(folder / "segments"))


def assert_same(left, right):
    assert_frame_equal(left.customers, right.customers)
    assert left.customers.attrs == right.customers.attrs
    assert_series_equal(left.labels, right.labels)
    assert (left.names, left.ids, left.provenance) == (right.names, right.ids, right.provenance)
    assert_frame_equal(left.prepared, right.prepared)
    assert_series_equal(left.assign(right.customers * 1.5), right.assign(right.customers * 1.5))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_round_trip_changes_nothing(method, tmp_path):
    result = sg.segment(three_groups(), n_segments=3, method=method).with_names({1: f"Ünï {EVIL}"})
    assert_same(round_trip(result, tmp_path), result)


def test_map_is_saved(tmp_path):
    result = sg.segment(three_groups(), n_segments=3)
    result = result.with_embedding(sg.project(result))
    assert_frame_equal(round_trip(result, tmp_path).embedding, result.embedding)


def test_units_are_saved(tmp_path):
    events, _ = make_events(60, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM + sg.select_features("top_category"), as_of="2025-01-01")
    result = sg.segment(customers, n_segments=3)
    again = round_trip(result, tmp_path)
    assert again.customers.attrs["segkit"]["units"]["recency"] == "days"
    assert_frame_equal(again.customers, customers)


@pytest.mark.parametrize(
    "customers",
    [
        oddly_named(),
        three_groups().set_axis(range(60)),
        three_groups().rename_axis("our own"),
        three_groups().where(three_groups() > 20),
        three_groups().rename(columns={"visits": "label", "spend": "customer_id"}),
        three_groups(
            n=20, a=pd.array([1, None] * 30, dtype="Int64"), b=pd.array([True, None] * 30, dtype="boolean")
        ),
    ],
    ids=["odd names", "numbers as ids", "named index", "missing", "our names", "nullable"],
)
def test_any_customers_come_back(customers, tmp_path):
    result = sg.segment(customers, n_segments=3)
    again = round_trip(result, tmp_path)
    assert_frame_equal(again.customers, customers)
    assert_series_equal(again.assign(customers), result.labels)


def test_passed_model_is_saved(tmp_path):
    result = sg.segment(three_groups(), model=make_pipeline(sg.make_preparer(), HDBSCAN(copy=True)))
    assert_same(round_trip(result, tmp_path), result)


# --- nothing foreign runs ----------------------------------------------------------------------------

ran = []


def spy(X):
    ran.append("the code that came with a model")
    return X


class Bomb:
    def __reduce__(self):
        return (ran.append, ("a pickle",))


def test_foreign_types_need_trust(tmp_path):
    model = make_pipeline(FunctionTransformer(spy), KMeans(3, n_init=1, random_state=0))
    folder = sg.segment(three_groups(), model=model).save(tmp_path / "segments")
    ran.clear()
    with pytest.raises(
        ValueError,
        match=r"holds test_storage.spy, which skops does not vouch for.*trusted=\('test_storage.spy',\)",
    ):
        sg.Segmentation.load(folder)
    assert not ran
    assert len(sg.Segmentation.load(folder, trusted=("test_storage.spy",)).labels) == 60


def rewritten(folder, name):
    """Update the hash of a file that was replaced, as an attacker would."""
    words = json.loads((folder / "segmentation.json").read_text())
    from segkit.create.storage import _digest

    words["files"][name] = _digest(folder / name)
    (folder / "segmentation.json").write_text(json.dumps(words))


def test_pickle_is_not_run(saved):
    (saved / "model.skops").write_bytes(pickle.dumps(Bomb()))
    rewritten(saved, "model.skops")
    ran.clear()
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        sg.Segmentation.load(saved)
    assert not ran


def test_foreign_function_is_not_run(saved):
    """The schema inside is altered to call os.system."""
    path = saved / "model.skops"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    schema |= {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    files["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    rewritten(saved, "model.skops")
    with pytest.raises(ValueError, match=r"os.system.*so it was not loaded"):
        sg.Segmentation.load(saved)


def test_folder_holds_no_pickle(saved):
    assert {p.name for p in saved.iterdir()} == {"segmentation.json", "model.skops", "customers.parquet"}
    assert skops.io.get_untrusted_types(file=saved / "model.skops") == ["segkit.analyse.prepare.Preparer"]


# --- damage ------------------------------------------------------------------------------------------


def test_exchanged_model_is_noticed(saved, tmp_path):
    other = sg.segment(three_groups(), n_segments=2).save(tmp_path / "other")
    (saved / "model.skops").write_bytes((other / "model.skops").read_bytes())
    with pytest.raises(ValueError, match=r"model.skops .*is not the file that was saved"):
        sg.Segmentation.load(saved)


def test_changed_labels_are_noticed(saved):
    table = pd.read_parquet(saved / "customers.parquet")
    table.assign(label=np.roll(table["label"], 1)).to_parquet(saved / "customers.parquet")
    with pytest.raises(ValueError, match=r"customers.parquet .*is not the file that was saved"):
        sg.Segmentation.load(saved)


@pytest.mark.parametrize("name", ["model.skops", "customers.parquet", "segmentation.json"])
def test_damaged_files_are_explained(saved, name):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"{name} .*Save it again"):
        sg.Segmentation.load(saved)


def test_deep_json_is_damaged(saved):
    (saved / "segmentation.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match="is no JSON, so it is damaged"):
        sg.Segmentation.load(saved)


@pytest.mark.parametrize("name", ["model.skops", "customers.parquet", "segmentation.json"])
def test_missing_files_are_explained(saved, name):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}"):
        sg.Segmentation.load(saved)


def test_other_formats_are_explained(saved):
    words = json.loads((saved / "segmentation.json").read_text()) | {"format": 99}
    (saved / "segmentation.json").write_text(json.dumps(words))
    with pytest.raises(
        ValueError, match=f"format 99, and this segkit reads format 2.*version {sg.__version__}"
    ):
        sg.Segmentation.load(saved)


def test_overwrite_needs_to_be_set(saved, tmp_path):
    result = sg.segment(three_groups(), n_segments=2)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.save(saved)
    assert len(sg.Segmentation.load(result.save(saved, overwrite=True)).segments) == 2
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(FileExistsError):
        result.save(tmp_path / "thesis", overwrite=True)
    assert result.save(tmp_path / "deep" / "er").is_dir()


def test_unsavable_model_is_explained(tmp_path):
    result = sg.segment(three_groups(), model=Birch(n_clusters=3))
    with pytest.raises(ValueError, match=r"cannot be saved without pickle: .*Birch"):
        result.save(tmp_path / "segments")


def test_numeric_categories_are_saved(tmp_path):
    table = pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33]}, index=list("abcdef"))
    table["tier"] = pd.Categorical([1, 2, 1, 3, 3, 1], categories=[3, 1, 2], ordered=True)
    table["word"] = pd.Categorical(list("xyxzzx"))
    kept = sg.segment(table, n_segments=2)
    again = sg.Segmentation.load(kept.save(tmp_path / "kept"))
    assert_series_equal(again.customers["tier"], table["tier"])
    assert sg.segment(again.customers, n_segments=2).hash == kept.hash


def test_attributes_are_saved(tmp_path):
    table = pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33]}, index=list("abcdef"))
    table.attrs["segkit"] = {"as_of": pd.Timestamp("2024-01-01"), "units": None}
    kept = sg.segment(table, n_segments=2)
    assert sg.Segmentation.load(kept.save(tmp_path / "kept")).provenance["as_of"] == "2024-01-01 00:00:00"


def beside(values):
    """Six customers with a further feature."""
    return pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33]}, index=list("abcdef")).assign(kind=values)


DECIMALS = [None, *(decimal.Decimal(n) / 4 for n in range(5))]


@pytest.mark.parametrize(
    "values",
    [
        pd.array(DECIMALS, dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
        pd.array(list("xyxyzz"), dtype=pd.ArrowDtype(pa.string())),
        pd.array([1, 2, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.int64())),
        pd.arrays.SparseArray([0.0, 0, 0, 2, 3, 0], fill_value=0),
        pd.arrays.SparseArray([np.nan, 0, 0, 2, 3, 0]),
        pd.arrays.SparseArray([0, 0, 1, 1, 0, 7]),
        pd.arrays.SparseArray([True, False, False, True, False, False]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_column_types_are_saved(values, tmp_path):
    table = beside(values)
    kept = sg.segment(table, n_segments=2)
    again = sg.Segmentation.load(kept.save(tmp_path / "kept"))
    assert_frame_equal(again.customers, table)
    assert_frame_equal(again.prepared, kept.prepared)
    assert_series_equal(again.assign(table), kept.assign(table))
    assert sg.segment(again.customers, n_segments=2).hash == kept.hash


@pytest.mark.parametrize(
    "kind", [pd.cut(range(6), 3), pd.Categorical(pd.period_range("2024-01", periods=6, freq="M"))]
)
def test_unsavable_feature_is_named(kind, tmp_path):
    result = sg.segment(beside(kind), n_segments=2)
    with pytest.raises(ValueError, match=r"The feature 'kind' is of type .* Nothing was written"):
        result.save(tmp_path / "segments")
    assert not (tmp_path / "segments").exists()
    words = result.customers["kind"].astype(str).astype("category")
    mended = sg.segment(beside(words), n_segments=2)
    assert sg.Segmentation.load(mended.save(tmp_path / "segments")).hash == mended.hash


def test_failed_save_keeps_the_former(saved):
    with pytest.raises(ValueError, match="Nothing was written"):
        sg.segment(beside(pd.cut(range(6), 3)), n_segments=2).save(saved, overwrite=True)
    with pytest.raises(ValueError, match="cannot be saved without pickle"):
        sg.segment(three_groups(), model=Birch(n_clusters=3)).save(saved, overwrite=True)
    assert len(sg.Segmentation.load(saved).segments) == 3


# --- safety ------------------------------------------------------------------------------------------


def with_caches(folder):
    steps = [("prepare", sg.make_preparer()), ("cluster", AgglomerativeClustering(3, memory=str(folder)))]
    return Pipeline(steps, memory=str(folder))


def test_no_refit_reads_a_cache(tmp_path):
    """joblib unpickles what it finds in such a folder."""
    result = sg.segment(three_groups(), model=with_caches(tmp_path / "cache"))
    assert result.model.memory is None and result.model[-1].memory is None
    assert len(result.confidence) == 60 and len(result.trust.segments) == 3
    assert not (tmp_path / "cache").exists()


def test_loaded_models_lose_their_cache(tmp_path):
    result = sg.segment(three_groups(), model=with_caches(tmp_path / "cache"))
    result.model.memory = result.model[-1].memory = str(tmp_path / "cache")
    again = round_trip(result, tmp_path)
    assert again.model.memory is None and again.model[-1].memory is None


def test_loaded_functions_and_paths_are_refused(tmp_path):
    for function, word in ((np.nan_to_num, "a function"), (np.log1p, "")):
        model = make_pipeline(FunctionTransformer(function), KMeans(3, n_init=1))
        folder = sg.segment(three_groups(), model=model).save(tmp_path / function.__name__)
        names = (f"{function.__module__}.{function.__qualname__}",) if word else ()
        if word:
            with pytest.raises(
                ValueError, match=rf"{word}.* can run foreign code|which skops does not vouch for"
            ):
                sg.Segmentation.load(folder)
        assert len(sg.Segmentation.load(folder, trusted=names).segments) == 3
    result = sg.segment(three_groups(), n_segments=3)
    result.model[-1].init = "/etc/passwd"
    with pytest.raises(ValueError, match="has init='/etc/passwd' in its KMeans: a path"):
        round_trip(result, tmp_path)


def forged(folder, change):
    """Change the table and the JSON of a saved segmentation, and forge the hash of the file."""
    table, words = (
        pd.read_parquet(folder / "customers.parquet"),
        json.loads((folder / "segmentation.json").read_text()),
    )
    table = change(table, words)
    table.to_parquet(folder / "customers.parquet")
    digest = hashlib.sha256((folder / "customers.parquet").read_bytes()).hexdigest()
    words["files"]["customers.parquet"] = digest
    (folder / "segmentation.json").write_text(json.dumps(words))


def test_changed_labels_are_refused(saved):
    forged(saved, lambda table, words: table.assign(label=table["label"].to_numpy()[::-1]))
    with pytest.raises(ValueError, match="are not those that were saved"):
        sg.Segmentation.load(saved)


def test_forged_hash_is_refused(saved):
    forged(saved, lambda table, words: words["provenance"].update(hash="0" * 64) or table)
    with pytest.raises(ValueError, match="are not those that were saved"):
        sg.Segmentation.load(saved)


def test_foreign_trust_is_refused(tmp_path):
    result = sg.segment(three_groups(), n_segments=3)
    folder = result.with_trust(sg.assess(result, resamples=2, progress=False)).save(tmp_path / "segments")
    forged(folder, lambda table, words: words["trust"].update(of="0" * 64) or table)
    with pytest.raises(ValueError, match=r"The trust in .* is of another segmentation"):
        sg.Segmentation.load(folder)


def test_full_disk_keeps_the_former(saved, monkeypatch):
    before = sg.Segmentation.load(saved)
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("segkit.core.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        sg.segment(three_groups(30), n_segments=3).save(saved, overwrite=True)
    assert_same(sg.Segmentation.load(saved), before)
    assert sorted(p.name for p in saved.iterdir()) == [
        "customers.parquet",
        "model.skops",
        "segmentation.json",
    ]


def test_links_are_replaced_not_followed(saved, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    (saved / "customers.parquet").unlink()
    (saved / "customers.parquet").symlink_to(precious)
    sg.segment(three_groups(30), n_segments=3).save(saved, overwrite=True)
    assert precious.read_text() == "mine" and not (saved / "customers.parquet").is_symlink()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0, 1], [False, True]),
        ([None, "x"], ["\x1e", "x"]),
        ([2**53, 1], [2**53 + 1, 1]),
        (["a\x1fb", "c"], ["a", "b\x1fc"]),
        (["1", "x"], [1, "x"]),
        ([1, 2], [1.0, 2.0]),
    ],
)
def test_hash_tells_values_apart(one, other):
    labels = pd.Series([0, 0])
    tables = [pd.DataFrame({"feature": pd.Series(values)}) for values in (one, other)]
    assert hash_of(tables[0], labels) != hash_of(tables[1], labels)
    assert hash_of(tables[0], labels) == hash_of(tables[0].copy(), labels)
    ids = [pd.DataFrame({"feature": [1, 2]}, index=pd.Index(values)) for values in (one, other)]
    assert hash_of(ids[0], labels) != hash_of(ids[1], labels)
