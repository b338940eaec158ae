"""Write Python code for features, as a person would write it.

Custom features are variables of their names. Those whose names cannot be variables are selected from `own_features`.
"""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from segkit.analyse.features.context import distance_code
from segkit.analyse.features.feature import Feature, with_settings
from segkit.analyse.features.paths import path_of, span_in_words
from segkit.analyse.features.tables.builder import DEFAULTS

Families = Mapping[str, tuple[Feature, ...]]


def code_of(features: tuple[Feature, ...], families: Families) -> str:
    """Write features in their order: whole families and paths by name, others one by one."""
    calls: list[tuple[str, list[str], str]] = []  # the beginning of a call, the features in it, its end
    left = tuple(features)
    while left:
        code, n = _whole(left, families)
        if n:
            calls.append((code, [], ""))
        else:
            n, (opens, name, closes) = 1, _single(left[0], families)
            if not (calls and calls[-1][::2] == (opens, closes)):
                calls.append((opens, [], closes))
            calls[-1][1].append(name)
        left = left[n:]
    return " + ".join(opens + ", ".join(names) + closes for opens, names, closes in calls)


def _whole(left: tuple[Feature, ...], families: Families) -> tuple[str, int]:
    """Write the first features as a whole family or path, and return their number; 0 where they are none."""
    code, members = path_of(left[0])
    ours = families.get(left[0].family, ())
    if _plain(left[0]) in ours:
        known = (feature for feature in left[: len(ours)] if _plain(feature) in ours)
        settings = {name: value for feature in known for name, value in feature.settings}
        code, members = _with(f"sg.{left[0].family}", settings), _set(ours, settings)
    return (code, len(members)) if members and left[: len(members)] == members else ("", 0)


def _single(feature: Feature, families: Families) -> tuple[str, str, str]:
    """Write one feature: the beginning of the call, its name, the end of the call."""
    code, members = path_of(feature)
    if members:
        return "sg.select_features(", repr(feature.name), f", offered={code})"
    plain, settings = _plain(feature), dict(feature.settings)
    if plain in families.get(feature.family, ()) and _set((plain,), settings) == (feature,):
        opens, _, closes = _with("sg.select_features(…)", settings).partition("…")
        return opens, repr(feature.name), closes
    code = distance_code(feature)
    if not code and not _can_be_a_variable(feature.name):
        return "sg.select_features(", repr(feature.name), ", offered=own_features)"
    return "(", code or feature.name, ",)"


def _can_be_a_variable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and name != "sg"


def _plain(feature: Feature) -> Feature:
    return dataclasses.replace(feature, settings=())


def _set(features: tuple[Feature, ...], settings: dict[str, Any]) -> tuple[Feature, ...]:
    spans = {name: timedelta(seconds=value) for name, value in settings.items() if name in DEFAULTS}
    return with_settings(features, **(settings | spans)) if settings else features


def _with(code: str, settings: dict[str, Any]) -> str:
    if not settings:
        return code
    words = {name: span_in_words(value) if name in DEFAULTS else value for name, value in settings.items()}
    return f"sg.with_settings({code}, {', '.join(f'{name}={words[name]!r}' for name in sorted(words))})"
