"""Save and load a segmentation as a folder: Parquet for tables, JSON for words, skops for the model; no pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator

from segkit.core.files import write_files
from segkit.core.order import by_id
from segkit.methods.partition import Partition
from segkit.methods.provenance import hash_of
from segkit.trust.assess import Trust
from segkit.trust.confidence.voting import Ensemble, from_table, to_table

FORMAT = 2
WORDS, MODEL, TABLE = "segmentation.json", "model.skops", "customers.parquet"
ENSEMBLE, CLUSTERERS = "ensemble.parquet", "ensemble.skops"  # there if confidence was computed
EARLIER = ("panel.parquet", "panel.skops")  # the same by an earlier segkit, whose refits are not used
OURS = (
    "segkit.methods.value_bands.ValueBands",
    "segkit.methods.rfm.RFMSegmenter",
    "segkit.methods.rules.FirstRule",
    "segkit.methods.rules.RulePreparer",
    "segkit.methods.bisecting.RefinedBisectingKMeans",
    "segkit.methods.hierarchy.SampledHDBSCAN",
    "segkit.methods.hierarchy.SampledHierarchy",
    "segkit.methods.robust_linkage.RobustLinkage",
    "segkit.methods.spectral.SpectralGraph",
    "segkit.methods.behaviour_parts.BehaviourParts",
    "segkit.methods.behaviour_parts.SharesPreparer",
    "segkit.methods.mixed_mixture.MixedMixture",
    "segkit.methods.mixture_preparer.MixturePreparer",
    "segkit.methods.kmeans_of_many.KMeansOfMany",
    "segkit.methods.edited.EditedClusterer",
    "segkit.methods.edited.Merge",
    "segkit.methods.edited.Split",
    "segkit.methods.edited.Made",
    "segkit.analyse.prepare.Preparer",
)


def save(
    result: Partition,
    folder: Path,
    *,
    embedding: pd.DataFrame | None,
    assessment: Trust | None,
    ensemble: Ensemble | None,
    overwrite: bool,
) -> Path:
    """Write a segmentation, its map, its trust and the models of its confidence into a folder."""
    _check_free(folder, overwrite)
    # All are made before any is written, so that a failure leaves nothing behind.
    files = {MODEL: _model_file(result.model), TABLE: _table_of(result, embedding)}
    files |= {} if ensemble is None else _ensemble_files(ensemble)
    words = {
        "ensemble": ensemble and {"kind": ensemble.kind, "calibrated": ensemble.calibrated.tolist()},
        "index_name": result.customers.index.name,
        "names": {str(s): n for s, n in result.names.items()},
        "ids": {str(k): v for k, v in result.ids.items()},
        "attrs": result.customers.attrs.get("segkit", {}),
        "categories": _categories(result.customers),
        "sparse": _sparse(result.customers),
        "arrow": [c for c, k in result.customers.dtypes.items() if isinstance(k, pd.ArrowDtype)],
        "provenance": result.provenance,
        "trust": None if assessment is None else assessment.to_dict(),
    }
    return _write(folder, files, words)


def save_model(model: BaseEstimator, folder: Path, words: dict[str, Any], *, overwrite: bool) -> Path:
    """Write a model and words about it into a folder, without a table of customers."""
    _check_free(folder, overwrite)
    return _write(folder, {MODEL: _model_file(model)}, words)


def load_model(folder: Path, trusted: tuple[str, ...]) -> tuple[BaseEstimator, dict[str, Any]]:
    """Read a model and the words about it, without running code of the folder."""
    try:
        words = _checked_words(folder, (WORDS, MODEL))
        return _trusted_model(folder, trusted), words
    except (KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{folder} holds no complete model ({error!r}), so it is damaged. Save it again."
        ) from error


def _check_free(folder: Path, overwrite: bool) -> None:
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (overwrite and (folder / WORDS).exists())
    ):
        raise FileExistsError(
            f"{folder} is not empty. Choose another folder, or say overwrite=True if it holds an earlier segmentation."
        )


def _model_file(model: BaseEstimator) -> bytes:
    import skops.io

    try:
        return skops.io.dumps(model)
    except skops.io.exceptions.UnsupportedTypeException as error:
        raise ValueError(
            f"This model cannot be saved without pickle: {error} Use another clusterer."
        ) from error


def _write(folder: Path, files: dict[str, bytes], words: dict[str, Any]) -> Path:
    """Write files, and words with their hashes; files of an earlier segmentation that are not replaced go."""
    words = {"format": FORMAT, "files": {name: _sha256(content) for name, content in files.items()}} | words
    files[WORDS] = json.dumps(words, indent=2, ensure_ascii=False, default=str).encode()
    folder.mkdir(parents=True, exist_ok=True)
    write_files({folder / name: content for name, content in files.items()})
    for name in {TABLE, ENSEMBLE, CLUSTERERS, *EARLIER} - set(files):
        (folder / name).unlink(missing_ok=True)
    return folder


def _table_of(result: Partition, embedding: pd.DataFrame | None) -> bytes:
    """Return customers, labels and map as a Parquet file, or name the feature that it cannot hold."""
    table = result.customers
    table = table.astype({c: k.subtype for c, k in table.dtypes.items() if isinstance(k, pd.SparseDtype)})
    table.attrs = {}
    table.index = table.index.rename("customer_id")
    # copied, since pandas warns of a table that came to be column by column
    table = table.rename(columns=lambda c: f"feature {c}").copy().assign(label=result.labels)
    if embedding is not None:
        table = table.assign(x=embedding["x"], y=embedding["y"])
    try:
        return _parquet(table)
    except (pa.ArrowException, TypeError) as error:
        for feature, kind in result.customers.dtypes.items():
            if not _is_savable(table[[f"feature {feature}"]]):
                named = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
                raise ValueError(
                    f"The feature {feature!r} is of type {named}, which a Parquet file does not hold. Nothing was "
                    f"written. Turn it into words: customers[{feature!r}].astype(str).astype('category')."
                ) from error
        raise


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def _is_savable(column: pd.DataFrame) -> bool:
    try:
        _parquet(column)
    except (pa.ArrowException, TypeError):
        return False
    return True


def _sparse(customers: pd.DataFrame) -> dict[str, Any]:
    """Return the fill value of each sparse feature; Parquet holds them in full."""
    kinds = {c: k for c, k in customers.dtypes.items() if isinstance(k, pd.SparseDtype)}
    return {
        str(c): None if pd.isna(k.fill_value) else np.asarray(k.fill_value).item() for c, k in kinds.items()
    }


def _categories(customers: pd.DataFrame) -> dict[str, Any]:
    """Return the categories that are numbers; Parquet would return them without categories."""
    kinds = {c: k for c, k in customers.dtypes.items() if isinstance(k, pd.CategoricalDtype)}
    return {
        str(c): {"categories": k.categories.tolist(), "ordered": bool(k.ordered)}
        for c, k in kinds.items()
        if pd.api.types.is_numeric_dtype(k.categories.dtype)
    }


def _ensemble_files(ensemble: Ensemble) -> dict[str, bytes]:
    """Return the files of the models that give confidence."""
    import skops.io

    models = {CLUSTERERS: skops.io.dumps(ensemble.clusterers)} if ensemble.clusterers else {}
    return {ENSEMBLE: _parquet(to_table(ensemble)), **models}


def load(folder: Path, trusted: tuple[str, ...]) -> tuple[dict[str, Any], Ensemble | None]:
    """Read the fields of a segmentation and the models of its confidence, without running code of the folder."""
    try:
        return _load(folder, trusted)
    except (KeyError, AttributeError, TypeError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise ValueError(
            f"{folder} is no complete segmentation ({error!r}), so it is damaged. Save it again."
        ) from error


def _load(folder: Path, trusted: tuple[str, ...]) -> tuple[dict[str, Any], Ensemble | None]:
    words = _checked_words(folder)
    model = _trusted_model(folder, trusted)
    table = _read_table(folder / TABLE, words.get("arrow", []))
    table.index = table.index.rename(words["index_name"])
    customers = table[[c for c in table if c.startswith("feature ")]].rename(
        columns=lambda c: c.removeprefix("feature ")
    )
    kinds = {c: pd.CategoricalDtype(**kind) for c, kind in words.get("categories", {}).items()}
    customers = customers.astype(kinds) if kinds else customers
    for name, fill in words.get("sparse", {}).items():
        customers[name] = customers[name].astype(pd.SparseDtype(customers[name].dtype, fill))
    customers.attrs = {"segkit": words["attrs"]} if words["attrs"] else {}
    labels = table["label"].astype("int64").rename("segment")
    _check_hash(folder, customers, labels, words)
    fields = {
        "customers": customers,
        "model": model,
        "labels": labels,
        "ids": {int(k): v for k, v in words["ids"].items()},
        "names": {int(s): n for s, n in words["names"].items()},
        "embedding": table[["x", "y"]] if "x" in table else None,
        "provenance": words["provenance"],
        "assessment": None if words.get("trust") is None else Trust.from_dict(words["trust"]),
    }
    if not words.get("ensemble"):
        return fields, None
    n_prepared = Partition(customers, model, labels, fields["ids"]).prepared.shape[1]
    return fields, _load_ensemble(words["ensemble"], folder, n_prepared, trusted)


def _check_hash(folder: Path, customers: pd.DataFrame, labels: pd.Series, words: dict[str, Any]) -> None:
    """Refuse a table that is not the one that the segmentation and its trust were computed from."""
    content = hash_of(by_id(customers), by_id(labels))
    if content != words["provenance"].get("hash"):
        raise ValueError(
            f"The customers or labels in {folder} are not those that were saved: their hash differs from the one in "
            f"{WORDS}. Save the segmentation again."
        )
    of = (words.get("trust") or {"of": content}).get("of")
    if of != content:
        raise ValueError(
            f"The trust in {folder} is of another segmentation (hash {str(of)[:8]}), and this one is {content[:8]}. "
            "Save the segmentation again."
        )


def _read_table(path: Path, arrow: list[str]) -> pd.DataFrame:
    """Return the table, with Arrow types for the features that had one."""
    table = pd.read_parquet(path)
    names = [f"feature {c}" for c in arrow]
    columns = pq.read_table(path, columns=names)
    for name in names:
        table[name] = pd.arrays.ArrowExtensionArray(columns[name])
    return table


def _load_ensemble(
    facts: dict[str, Any], folder: Path, n_prepared: int, trusted: tuple[str, ...]
) -> Ensemble:
    clusterers = _trusted(folder, CLUSTERERS, trusted) if facts["kind"] == "own" else []
    return from_table(
        pd.read_parquet(folder / ENSEMBLE),
        facts["kind"],
        np.array(facts["calibrated"]),
        n_prepared,
        list(clusterers),
    )


def _checked_words(folder: Path, needed: tuple[str, ...] = (WORDS, MODEL, TABLE)) -> dict[str, Any]:
    """Return the JSON, once the files beside it are checked against its hashes."""
    missing = [name for name in needed if not (folder / name).exists()]
    if missing == [TABLE]:
        raise FileNotFoundError(
            f"{folder} holds no {TABLE}. If it was shared without customers, read it by SharedSegmentation.load(path)."
        )
    if missing:
        raise FileNotFoundError(
            f"{folder} holds no {missing[0]}. A saved segmentation is a folder with {WORDS}, {MODEL} and {TABLE}; "
            "check the path."
        )
    try:
        words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{WORDS} in {folder} is no JSON, so it is damaged: {error}. Save it again."
        ) from error
    if not isinstance(words, dict):
        raise ValueError(f"{WORDS} in {folder} holds no object, so it is damaged. Save it again.")
    if words.get("format") != FORMAT:
        raise ValueError(
            f"{folder} is of format {words.get('format')!r}, and this segkit reads format {FORMAT}. Use the segkit "
            f"that wrote it: version {words.get('provenance', {}).get('versions', {}).get('segkit', 'unknown')}."
        )
    for name in {*needed, *words.get("files", {})} - {WORDS}:
        if name not in (MODEL, TABLE, ENSEMBLE, CLUSTERERS, *EARLIER):
            raise ValueError(
                f"{WORDS} in {folder} names {name!r}, which is no file of a segmentation. Save it again."
            )
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} holds no {name}, which was saved with {WORDS}. Save it again.")
        if _digest(folder / name) != words.get("files", {}).get(name):
            raise ValueError(
                f"{name} in {folder} is not the file that was saved with {WORDS}: the hash differs. Save it again."
            )
    return words


def _trusted_model(folder: Path, trusted: tuple[str, ...]) -> BaseEstimator:
    """Return the model, if it is one and holds trusted types only."""
    model = _trusted(folder, MODEL, trusted)
    if not hasattr(model, "fit"):
        raise ValueError(
            f"{MODEL} in {folder} holds a {type(model).__name__} instead of a model. Save it again."
        )
    return model


def _trusted(folder: Path, name: str, trusted: tuple[str, ...]) -> Any:
    """Return the content of a skops file, if all its types are trusted."""
    import skops.io

    foreign = [t for t in skops.io.get_untrusted_types(file=folder / name) if t not in (*OURS, *trusted)]
    if foreign:
        raise ValueError(
            f"The model in {folder} holds {', '.join(foreign)}, which skops does not vouch for, "
            f"so it was not loaded. If you trust its author: load(path, trusted={tuple(foreign)!r})."
        )
    content = skops.io.load(folder / name, trusted=[*OURS, *trusted])
    for estimator in _estimators(content, set()):
        _disarm(estimator, folder, trusted)
    return content


def _estimators(content: Any, seen: set[int]) -> Iterator[BaseEstimator]:
    """Go through the estimators inside loaded content, however deep they are."""
    if id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, BaseEstimator):
        yield content
        content = vars(content)
    inside = content.values() if isinstance(content, dict) else content
    if isinstance(content, (dict, list, tuple, set)):
        for value in inside:
            yield from _estimators(value, seen)


def _disarm(estimator: BaseEstimator, folder: Path, trusted: tuple[str, ...]) -> None:
    """Drop the cache of a loaded estimator, which is read by pickle, and refuse parameters that could run code."""
    if getattr(estimator, "memory", None) is not None:
        estimator.memory = None
    for name, value in estimator.get_params(deep=False).items():
        full = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        is_path = isinstance(value, str) and (os.sep in value or "\\" in value or value.startswith("~"))
        if is_path or (callable(value) and not isinstance(value, np.ufunc) and full not in trusted):
            what = "a path" if is_path else f"a function, {full}"
            raise ValueError(
                f"The model in {folder} has {name}={value!r} in its {type(estimator).__name__}: {what}. A saved model "
                "holds neither, because either can run foreign code. Make the segments again without it, or, if you "
                f"trust the author of a function: load(path, trusted=({full!r},))."
            )


def _digest(path: Path) -> str:
    return _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
