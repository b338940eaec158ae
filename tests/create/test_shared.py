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


def arrays_of(part):
    """All arrays in a model, however deep."""
    if isinstance(part, np.ndarray):
        return [part]
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else ()
    if hasattr(part, "get_params") or "segkit" in type(part).__module__:
        inner = vars(part).values()
    return [array for one in inner for array in arrays_of(one)]


def test_merged_and_split_segments_are_shared_without_their_customers(tmp_path):
    result = sg.segment(people(900), n_segments=2)
    edited = sg.split_segment(sg.split_segment(result, 0), 1, names=["Few", "Many"])
    edited = sg.merge_segments(edited, edited.segments[:2], name="Both")
    shared = sg.SharedSegmentation.load(edited.save(tmp_path / "shared", share=True))
    assert_series_equal(shared.assign(people(50, seed=1)), edited.assign(people(50, seed=1)))
    assert set(shared.names.values()) == {"Few", "Many", "Both"}
    longest = [max(len(v) for v in arrays_of(model) if v.ndim) for model in (edited.model, shared.model)]
    assert longest[0] == 900 and longest[1] < 100


def test_small_groups_of_earlier_edits_are_not_shared(tmp_path):
    """A part of 50 customers is merged away, and the model has its mean all the same."""
    visits = np.repeat([5.0, 10.0, 60.0], [50, 400, 450]) + np.arange(900) % 7 / 20
    customers = pd.DataFrame({"visits": visits}, index=[f"c{i:03}" for i in range(900)])
    result = sg.segment(customers, n_segments=2)
    away = sg.split_segment(result, result.labels.iloc[0])
    small = min(away.segments, key=lambda s: (away.labels == s).sum())
    assert (away.labels == small).sum() == 50
    merged = sg.merge_segments(away, [small, next(s for s in away.segments if s > 1 and s != small)])
    with pytest.raises(ValueError, match=f"means of Segment {small}, 1 segment of too few"):
        merged.save(tmp_path / "a", share=True)
    made = sg.make_segment(result, customers.index[:200], "Mine")
    with pytest.raises(ValueError, match="customers, cannot be shared without them"):
        made.save(tmp_path / "a", share=True)
    assert not (tmp_path / "a").exists()


def test_folders_with_customers_are_not_read_as_shared(tmp_path):
    folder = sg.segment(people(), n_segments=2).save(tmp_path / "all")
    with pytest.raises(ValueError, match="with its customers"):
        sg.SharedSegmentation.load(folder)
