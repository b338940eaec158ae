"""A saved segmentation comes back as it was, and loading runs no foreign code."""

import decimal
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import HDBSCAN, Birch, KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tables import EVIL, oddly_named, three_groups

import segkit as sg
from segkit.datasets import make_events


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


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
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


@pytest.mark.parametrize("name", ["model.skops", "customers.parquet", "segmentation.json"])
def test_missing_files_are_explained(saved, name):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}"):
        sg.Segmentation.load(saved)


def test_other_formats_are_explained(saved):
    words = json.loads((saved / "segmentation.json").read_text()) | {"format": 99}
    (saved / "segmentation.json").write_text(json.dumps(words))
    with pytest.raises(
        ValueError, match=f"format 99, and this segkit reads format 1.*version {sg.__version__}"
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
