"""Segments that are shared without their customers place new ones, and hold nobody's id or features."""

import json

import numpy as np
import pandas as pd
import pytest
import skops.io
from pandas.testing import assert_series_equal

import segkit as sg


def people(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "visits": np.r_[rng.normal(10, 1, n // 2), rng.normal(30, 1, n - n // 2)],
            "plan": np.where(rng.random(n) < 0.5, "free", "paid"),
        },
        index=[f"secret-{i:04}" for i in range(n)],
    )


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture"])
def test_shared_segments_place_as_the_segments_do(tmp_path, method):
    result = sg.segment(people(), n_segments=2, method=method).with_names({0: "Regulars"})
    folder = result.save(tmp_path / "shared", share=True)
    shared = sg.SharedSegmentation.load(folder)
    assert_series_equal(shared.assign(people(50, seed=1)), result.assign(people(50, seed=1)))
    assert shared.names == {0: "Regulars", 1: "Segment 1"}
    assert shared.assign(people().iloc[:0]).empty


def test_shared_folders_hold_no_customer(tmp_path):
    result = sg.segment(people(), n_segments=2)
    folder = result.save(tmp_path / "shared", share=True)
    assert sorted(p.name for p in folder.iterdir()) == ["model.skops", "segmentation.json"]
    written = (folder / "segmentation.json").read_text(encoding="utf-8")
    assert "secret" not in written and not {"n_customers", "hash"} & set(json.loads(written)["provenance"])
    model = skops.io.load(folder / "model.skops", trusted=["segkit.analyse.prepare.Preparer"])
    kept = [v for step in model for v in vars(step).values() if isinstance(v, np.ndarray)]
    assert all(len(v) < len(result.labels) for v in kept if v.ndim)
    assert len(result.model[-1].labels_) == len(result.labels)  # the segmentation itself is as before


def test_sharing_leaves_no_file_of_an_earlier_segmentation(tmp_path):
    result = sg.segment(people(), n_segments=2)
    result.save(tmp_path / "it")
    result.save(tmp_path / "it", share=True, overwrite=True)
    assert not (tmp_path / "it" / "customers.parquet").exists()
    with pytest.raises(FileNotFoundError, match=r"SharedSegmentation\.load"):
        sg.Segmentation.load(tmp_path / "it")


def test_models_of_rows_or_of_few_are_not_shared(tmp_path):
    with pytest.raises(ValueError, match="by the rows of others"):
        sg.segment(people(), n_segments=2, method="ward").save(tmp_path / "a", share=True)
    few = sg.segment(people(150), n_segments=2)
    with pytest.raises(ValueError, match="2 segments of too few customers"):
        few.save(tmp_path / "a", share=True)
    assert not (tmp_path / "a").exists()
    assert sg.SharedSegmentation.load(few.save(tmp_path / "a", share=True, minimum=1)).names


def test_folders_with_customers_are_not_read_as_shared(tmp_path):
    folder = sg.segment(people(), n_segments=2).save(tmp_path / "all")
    with pytest.raises(ValueError, match="with its customers"):
        sg.SharedSegmentation.load(folder)
