"""Keep the segmentation in the folder, and describe its features, so that the folder alone can be opened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.features.feature import Feature
from segkit.create.segmentation import Segmentation
from segkit.live.store import KEPT, Store


def keep_result(store: Store, result: Segmentation) -> None:
    """Save the segmentation in the folder; a model that cannot be saved without pickle is not kept."""
    drop_result(store.folder)
    try:
        result.save(store.folder / KEPT)
    except ValueError:
        drop_result(store.folder)


def drop_result(folder: Path) -> None:
    """Remove the segmentation from the folder."""
    if (folder / KEPT).exists():
        shutil.rmtree(folder / KEPT)


def recipes(features: tuple[Feature, ...]) -> list[dict[str, Any]]:
    """Describe features so that :func:`segkit.live.open_live.open_live` finds the built-in ones again."""
    built_in = {feature.name: (feature.expr, feature.purpose) for feature in FAMILIES}
    return [
        {
            "name": feature.name,
            "built_in": built_in.get(feature.name) == (feature.expr, feature.purpose),
            "settings": [
                [name, value] for name, value in feature.settings if isinstance(value, (str, float))
            ],
        }
        for feature in features
    ]
