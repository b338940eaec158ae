"""Open live segments by their folder alone, without the code that began it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.features.feature import Feature
from segkit.collect.sentiment import Scorer, vader_scorer
from segkit.core.checks import checked_path
from segkit.core.messages import listed
from segkit.core.moments import read_window
from segkit.create.segmentation import Segmentation
from segkit.live.live import Live
from segkit.live.store import FILE, KEPT, Store

VADER = "vaderSentiment "
IN_PYTHON = (
    "Open it in Python, with live_segments(result, events, features, folder=…), and call sg.serve(live)."
)


def open_live(folder: str | Path) -> Live:
    """Open live segments by their folder alone.

    Parameters
    ----------
    folder : str or Path
        One that :func:`segkit.live_segments` began, with built-in features.

    Returns
    -------
    Live

    Raises
    ------
    FileNotFoundError
        If the folder holds no live segments.
    ValueError
        If it needs Python that the folder does not hold: own features, an own scorer of texts, or a model that cannot
        be saved.
    BlockingIOError
        If another process has the folder open.
    """
    path = checked_path(folder)
    if not (path / FILE).exists():
        raise FileNotFoundError(
            f"The folder {path} holds no live segments. Pass one that live_segments(…) began."
        )
    store = Store(path)
    try:
        facts = store.facts
        if not facts:  # whoever began it was killed before the end
            raise FileNotFoundError(
                f"The folder {path} holds no live segments yet: they were not begun to the end. Call "
                "live_segments(result, events, features, folder=…) again."
            )
        features = _features(path, facts)
        if not (path / KEPT).exists():
            raise ValueError(
                f"The folder {path} holds no segmentation: its model cannot be saved, or customers of it were erased. "
                f"{IN_PYTHON}"
            )
        result = Segmentation.load(path / KEPT)
        if result.hash != facts["segmentation"]:
            raise ValueError(
                f"The segmentation in {path / KEPT} is another than that of the folder. {IN_PYTHON}"
            )
        return Live(store, result, features, read_window(facts["window"]), _scorer(path, facts))
    except BaseException:
        store.close()
        raise


def _features(path: Path, facts: dict[str, Any]) -> tuple[Feature, ...]:
    own = [recipe["name"] for recipe in facts["recipes"] if not recipe["built_in"]]
    if own:
        raise ValueError(f"The segments in {path} use features of your own: {listed(own, 5)}. {IN_PYTHON}")
    by_name = {feature.name: feature for feature in FAMILIES}
    return tuple(
        dataclasses.replace(
            by_name[recipe["name"]], settings=tuple((name, value) for name, value in recipe["settings"])
        )
        for recipe in facts["recipes"]
    )


def _scorer(path: Path, facts: dict[str, Any]) -> Scorer | None:
    said = facts["sentiment"]
    if said is None:
        return None
    if not said.startswith(VADER):
        raise ValueError(f"The texts in {path} are scored by a function of your own, {said}. {IN_PYTHON}")
    return vader_scorer(said.removeprefix(VADER))
