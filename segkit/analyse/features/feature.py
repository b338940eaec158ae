"""A feature as one line of data."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import Any

from segkit.analyse.features.tables.builder import LOG, SETTINGS, settings_of
from segkit.analyse.features.tables.registry import GRAINS
from segkit.collect.events import check_zone
from segkit.core.messages import did_you_mean
from segkit.core.moments import read_span
from segkit.core.schema import BASES

RESERVED = re.compile(
    r"(customer_id|customer_code|snapshot)(_\d+)?|as_of|codes_met|.*_right", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Feature:
    """One number, or one word, about a customer.

    Attributes
    ----------
    name : str
        What the column is called.
    expr : callable
        From a table to one Ibis aggregate of it. The name of its parameter says which table:
        `orders` (`days_ago`, `amount`, `items`, `discount`), `gaps` (`days` between two orders),
        `purchases` and `lines` (those and returns), `products` and `categories` (`lines` of each),
        `visits`, `events` and others. What can be set is asked for by keyword-only parameters.
    unit : str
        What it is measured in.
    doc : str
        What it means, in one sentence.
    kinds : tuple of str
        Kinds of event that it looks at; none where it looks at all.
    basis : {"behavioural", "demographic", "geographic", "psychographic"}
        What it segments by.
    empty : float, optional
        Its value for a customer without such events: 0 for counts and totals. Missing otherwise.
    family : str
        The family that it belongs to.
    settings : tuple of (str, value) pairs
        What was set for it, see :func:`with_settings`.

    Examples
    --------
    >>> import segkit as sg
    >>> biggest = sg.Feature(
    ...     "biggest_order", lambda orders: orders.amount.max(), "currency", "Value of the biggest order."
    ... )
    >>> [f.name for f in sg.RFM + (biggest,)]
    ['recency', 'frequency', 'monetary', 'tenure', 'biggest_order']
    """

    name: str
    expr: Callable[..., Any] = dataclasses.field(repr=False)
    unit: str
    doc: str
    kinds: tuple[str, ...] = ("purchase",)
    basis: str = "behavioural"
    empty: float | None = None
    family: str = "own"
    settings: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"A feature's name is a word, got {self.name!r}. It becomes a column's name.")
        _check_name(self.name)
        if self.basis not in BASES:
            raise ValueError(
                f"{self.name}: basis={self.basis!r} is none of {', '.join(BASES)}. Say which it is."
            )
        object.__setattr__(self, "kinds", _checked_kinds(self.name, self.kinds))
        _check_empty(self.name, self.empty)
        _check_settings(self.name, self.settings)
        for name, parameter in _parameters_of(self.name, self.expr).items():
            offered = SETTINGS if parameter.kind is parameter.KEYWORD_ONLY else (*GRAINS, *LOG)
            what = "setting" if offered is SETTINGS else "table"
            if name not in offered:
                raise ValueError(
                    f"{self.name}: its expression asks for a {what} {name!r}.{did_you_mean(name, offered)} "
                    f"There are {', '.join(offered)}; name its parameter after one of them."
                )

    @property
    def grain(self) -> str:
        """The table that it is an aggregate of."""
        return next(iter(inspect.signature(self.expr).parameters))

    @property
    def depends_on(self) -> frozenset[str]:
        """The settings that its value depends on."""
        return settings_of(self.expr, GRAINS)


def _check_name(name: str) -> None:
    if not name.isprintable():
        raise ValueError(
            f"A feature's name is printed in tables and charts, got {name!r}. Leave out tabs, line breaks and "
            "whatever else cannot be seen."
        )
    if RESERVED.fullmatch(name):
        raise ValueError(
            f"A feature cannot be called {name!r}: customer_id, customer_code, snapshot, the same with a number, "
            f"as_of, codes_met, and what ends in _right are names that the query itself uses. Call it otherwise, "
            f"such as {'my_' + name.lower().removesuffix('_right') + '_feature'!r}."
        )


def _checked_kinds(name: str, kinds: Any) -> tuple[str, ...]:
    listed = isinstance(kinds, Iterable) and not isinstance(kinds, str)
    words = tuple(kinds) if listed else (None,)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"{name}: kinds={kinds!r} should list kinds of event, such as ('purchase',).")
    return words


def _check_empty(name: str, empty: Any) -> None:
    if not (empty is None or isinstance(empty, str) or (isinstance(empty, Real) and math.isfinite(empty))):
        raise TypeError(
            f"{name}: empty={empty!r} should be the number that stands for a customer without such events, such as "
            "0. Leave it out where that is unknown: it is missing then."
        )


def _check_settings(name: str, settings: Any) -> None:
    pairs = settings if isinstance(settings, tuple) else (settings,)
    if not all(isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in pairs):
        raise TypeError(
            f"{name}: settings={settings!r} is no tuple of pairs, (word, value) each. Leave it out, and set what "
            'features depend on by with_settings(features, timezone="Europe/London").'
        )


def _parameters_of(name: str, expr: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of an expression; one of them is a table."""
    example = "Write it as a function of one table, such as lambda orders: orders.amount.max()."
    if not callable(expr):
        raise TypeError(f"{name}: its expression {expr!r} cannot be called. {example}")
    parameters = inspect.signature(expr).parameters
    tables = [p for p, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    if len(tables) != 1:
        asked = ", ".join(tables) or "no table"
        raise ValueError(f"{name}: its expression asks for {asked}, and needs exactly one. {example}")
    return parameters


def family(name: str, *features: Feature) -> tuple[Feature, ...]:
    """Give features a family, under which pickers and catalogues show them.

    Parameters
    ----------
    name : str
        The family's name.
    *features : Feature
        Its members.

    Returns
    -------
    tuple of Feature
        Families add with ``+``.
    """
    return tuple(dataclasses.replace(feature, family=name) for feature in features)


def with_settings(
    features: Iterable[Feature],
    *,
    timezone: str | None = None,
    visit_gap: str | timedelta | None = None,
    dwell_cap: str | timedelta | None = None,
) -> tuple[Feature, ...]:
    """Return the same features, computed otherwise.

    Parameters
    ----------
    features : iterable of Feature
        Such as ``WEB``.
    timezone : str, optional
        Zone in which hours and weekdays are counted, such as ``"Europe/London"``. Where it is not said,
        that of the events: ``read_events(…, timezone=…)``.
    visit_gap : str or timedelta, optional
        Time without a click after which a visit is over; 30 minutes where it is not said.
    dwell_cap : str or timedelta, optional
        Longest time that anyone is taken to look at one page; 30 minutes where it is not said.

    Returns
    -------
    tuple of Feature
        Those that depend on what was said are set; the others are as they were.

    Raises
    ------
    ValueError
        If a value makes no sense, or none of the features depends on it.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.with_settings(sg.WEB, visit_gap="45 minutes")[0].settings
    (('visit_gap', 2700.0),)
    """
    features = distinct_features(features)
    said: dict[str, Any] = {} if timezone is None else {"timezone": check_zone(timezone)}
    for name, span in (("visit_gap", visit_gap), ("dwell_cap", dwell_cap)):
        if span is not None:
            said[name] = read_span(span, name).total_seconds()
    for name in said:
        if not any(name in feature.depends_on for feature in features):
            raise ValueError(
                f"None of these {len(features)} features depends on {name}. Pass those that do, such as "
                f"{'CONTEXT' if name == 'timezone' else 'WEB'}."
            )
    return tuple(_set(feature, said) for feature in features)


def _set(feature: Feature, said: Mapping[str, Any]) -> Feature:
    settings = {**dict(feature.settings), **{n: v for n, v in said.items() if n in feature.depends_on}}
    return dataclasses.replace(feature, settings=tuple(sorted(settings.items())))


def distinct_features(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the features, each once.

    Raises
    ------
    ValueError
        If there are none, or the names of two different ones differ by nothing, or by capitals only.
    TypeError
        If one is not a Feature.
    """
    if isinstance(features, Feature):
        features = (features,)
    chosen: dict[str, Feature] = {}
    in_small_letters: dict[str, str] = {}
    for feature in features:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"{feature!r} is not a Feature. Pass features such as RFM + CADENCE, or picker.features."
            )
        if chosen.setdefault(feature.name, feature) != feature:
            raise ValueError(f"Two different features are called {feature.name!r}. Rename one of them.")
        same = in_small_letters.setdefault(feature.name.lower(), feature.name)
        if same != feature.name:
            raise ValueError(
                f"The features {same!r} and {feature.name!r} differ by capitals only, which engines do not tell "
                "apart. Rename one of them."
            )
    if not chosen:
        raise ValueError("No feature was chosen. Choose at least one, such as RFM.")
    return tuple(chosen.values())
