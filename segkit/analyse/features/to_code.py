"""Python that gives features again, as a person would write it.

Features of one's own stand by their names, as variables; those whose names can be none are looked up in
`own_features`, a tuple of them.
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
    """Write features in their order: families and paths by name where they are whole, the others one by one."""
    calls: list[
        tuple[str, list[str], str]
    ] = []  # what opens a call, the features named in it, what closes it
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
    """Write the first features together, and say how many they are; none where they are not a whole."""
    code, members = path_of(left[0])
    ours = families.get(left[0].family, ())
    if _plain(left[0]) in ours:
        known = (feature for feature in left[: len(ours)] if _plain(feature) in ours)
        said = {name: value for feature in known for name, value in feature.settings}
        code, members = _with(f"sg.{left[0].family}", said), _set(ours, said)
    return (code, len(members)) if members and left[: len(members)] == members else ("", 0)


def _single(feature: Feature, families: Families) -> tuple[str, str, str]:
    """Write one feature: what opens the call, its name, what closes it."""
    code, members = path_of(feature)
    if members:
        return "sg.select_features(", repr(feature.name), f", offered={code})"
    plain, said = _plain(feature), dict(feature.settings)
    if plain in families.get(feature.family, ()) and _set((plain,), said) == (feature,):
        opens, _, closes = _with("sg.select_features(…)", said).partition("…")
        return opens, repr(feature.name), closes
    code = distance_code(feature)
    if not code and not _can_be_a_variable(feature.name):
        return "sg.select_features(", repr(feature.name), ", offered=own_features)"
    return "(", code or feature.name, ",)"


def _can_be_a_variable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and name != "sg"


def _plain(feature: Feature) -> Feature:
    return dataclasses.replace(feature, settings=())


def _set(features: tuple[Feature, ...], said: dict[str, Any]) -> tuple[Feature, ...]:
    spans = {name: timedelta(seconds=said[name]) for name in said if name in DEFAULTS}
    return with_settings(features, **(said | spans)) if said else features


def _with(code: str, said: dict[str, Any]) -> str:
    if not said:
        return code
    words = {name: span_in_words(value) if name in DEFAULTS else value for name, value in said.items()}
    return f"sg.with_settings({code}, {', '.join(f'{name}={words[name]!r}' for name in sorted(words))})"
