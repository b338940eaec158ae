"""Define a feature: its expression, unit and meaning in one place."""

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
from segkit.analyse.features.tables.registry import TABLES
from segkit.collect.read_events import check_zone
from segkit.core.checks import check_type
from segkit.core.messages import choose_from, in_words
from segkit.core.moments import read_span
from segkit.core.schema import BASES

RESERVED = re.compile(
    r"(customer_id|customer_code|snapshot)(_\d+)?|as_of|codes_met|.*_right", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Feature:
    """One number or one word about each customer.

    Attributes
    ----------
    name : str
        The name of its column.
    expr : callable
        Function of a table that returns one Ibis aggregate of it. The name of its parameter chooses the table:
        `orders` (`days_ago`, `amount`, `items`, `discount`), `gaps` (`days` between two orders),
        `purchases`, `lines` (purchases and returns), `products` and `categories` (`lines` of each),
        `visits`, `actions`, `events` and others. Keyword-only parameters receive settings.
    unit : str
        The unit of its values.
    doc : str
        Its meaning. What stands before the first colon, semicolon, bracket or full stop is its `label`.
    kinds : tuple of str
        Kinds of event that it uses; empty if it uses all.
    needs : tuple of str
        Those of `kinds` of which the log must have one for the feature to differ between customers; all by default.
        A rate of opens needs opens: without any it only says how much was sent.
    basis : {"behavioural", "demographic", "geographic", "psychographic"}
        The basis of segmentation that it belongs to.
    empty : float, optional
        Its value for a customer without such events: 0 for counts and totals. Missing by default.
    family : str
        The family that it belongs to.
    settings : tuple of (str, value) pairs
        Its settings, see :func:`with_settings`.
    purpose : str, default="segmentation"
        What it is computed for. Of events with consent, :func:`segkit.with_consent`, it is computed only where the
        customer consents to this purpose; ``dataclasses.replace(feature, purpose="advertising")`` is for another.
    synonyms : tuple of str
        Other words that people search for it by, such as "churn".

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
    needs: tuple[str, ...] = ()
    purpose: str = "segmentation"
    synonyms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(
                f"The name of a feature is {self.name!r}. It should be a word, the name of its column."
            )
        _check_name(self.name)
        if self.basis not in BASES:
            raise ValueError(
                f"{self.name}: basis={self.basis!r} is not a basis.{choose_from(self.basis, BASES)}"
            )
        object.__setattr__(self, "kinds", _checked_words(self.name, "kinds", self.kinds, "purchase"))
        object.__setattr__(self, "needs", _checked_words(self.name, "needs", self.needs, "purchase"))
        check_type(f"{self.name}: purpose", self.purpose, str, "It should be text, such as 'segmentation'.")
        object.__setattr__(self, "synonyms", _checked_words(self.name, "synonyms", self.synonyms, "churn"))
        _check_empty(self.name, self.empty)
        _check_settings(self.name, self.settings)
        for name, parameter in _parameters_of(self.name, self.expr).items():
            offered = SETTINGS if parameter.kind is parameter.KEYWORD_ONLY else (*TABLES, *LOG)
            what = "setting" if offered is SETTINGS else "table"
            if name not in offered:
                raise ValueError(
                    f"{self.name}: the parameter {name!r} of its expression is not the name of a {what}."
                    f"{choose_from(name, offered)}"
                )

    @property
    def label(self) -> str:
        """Its name for people: the beginning of `doc`, or else `name`."""
        return label_of(self.doc) or self.name

    @property
    def table(self) -> str:
        """The name of the table that it aggregates."""
        return next(iter(inspect.signature(self.expr).parameters))

    @property
    def depends_on(self) -> frozenset[str]:
        """The settings that its value depends on."""
        return settings_of(self.expr, TABLES)


def label_of(doc: str) -> str:
    """Return the beginning of a meaning: what stands before the first colon, semicolon, bracket or full stop.

    Examples
    --------
    >>> label_of("Irregularity of orders: 0 = always the same gap, 1 = random.")
    'Irregularity of orders'
    """
    return re.split(r"[.:;](?:\s|$)|\s\(", doc.strip(), maxsplit=1)[0]


def _check_name(name: str) -> None:
    if not name.isprintable():
        raise ValueError(
            f"The name of a feature is {name!r}. It is printed in tables and charts: leave out tabs, line breaks and "
            "other invisible characters."
        )
    if RESERVED.fullmatch(name):
        raise ValueError(
            f"A feature cannot be called {name!r}: the query itself uses customer_id, customer_code, snapshot, the "
            "same with a number, as_of, codes_met, and names that end in _right. Choose another name, "
            f"such as {'my_' + name.lower().removesuffix('_right') + '_feature'!r}."
        )


def _checked_words(name: str, field: str, value: Any, example: str) -> tuple[str, ...]:
    listed = isinstance(value, Iterable) and not isinstance(value, str)
    words = tuple(value) if listed else (None,)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"{name}: {field}={value!r} should be a tuple of words, such as ({example!r},).")
    return words


def _check_empty(name: str, empty: Any) -> None:
    if not (empty is None or isinstance(empty, str) or (isinstance(empty, Real) and math.isfinite(empty))):
        raise TypeError(
            f"{name}: empty={empty!r} should be the value of a customer without such events, such as 0. Leave it out "
            "where that value is unknown: it is missing then."
        )


def _check_settings(name: str, settings: Any) -> None:
    pairs = settings if isinstance(settings, tuple) else (settings,)
    if not all(isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in pairs):
        raise TypeError(
            f"{name}: settings={settings!r} is not a tuple of pairs (name, value). Leave it out and use "
            'with_settings(features, timezone="Europe/London").'
        )


def _parameters_of(name: str, expr: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of an expression, exactly one of which is a table."""
    example = "Write a function of one table, such as lambda orders: orders.amount.max()."
    if not callable(expr):
        raise TypeError(f"{name}: its expression {expr!r} is not a function. {example}")
    parameters = inspect.signature(expr).parameters
    tables = [p for p, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    if len(tables) != 1:
        raise ValueError(
            f"{name}: its expression is a function of {', '.join(tables) or 'no table'}. {example}"
        )
    return parameters


def family(name: str, *features: Feature) -> tuple[Feature, ...]:
    """Put features into a family, which groups them in pickers and catalogues.

    Parameters
    ----------
    name : str
        The name of the family.
    *features : Feature
        Its members.

    Returns
    -------
    tuple of Feature
        Families add with ``+``.
    """
    wanted = "family(name, *features) takes features, such as family('VALUE', *RFM)."
    check_type("name", name, str, wanted)
    for feature in features:
        check_type("A feature", feature, Feature, wanted)
    return tuple(dataclasses.replace(feature, family=name) for feature in features)


def with_settings(
    features: Iterable[Feature],
    *,
    timezone: str | None = None,
    visit_gap: str | timedelta | None = None,
    dwell_cap: str | timedelta | None = None,
) -> tuple[Feature, ...]:
    """Return features with other settings, such as another time zone.

    Parameters
    ----------
    features : iterable of Feature
        Such as ``WEB``.
    timezone : str, optional
        Zone in which hours and weekdays are counted, such as ``"Europe/London"``; that of
        ``read_events(…, timezone=…)`` by default.
    visit_gap : str or timedelta, optional
        Time without a click after which a visit is over; 30 minutes by default.
    dwell_cap : str or timedelta, optional
        Longest time that counts for one page; 30 minutes by default.

    Returns
    -------
    tuple of Feature
        The same features. Those that do not depend on a setting are unchanged.

    Raises
    ------
    ValueError
        If a value cannot be used, or none of the features depends on it.

    Examples
    --------
    >>> import segkit as sg
    >>> sg.with_settings(sg.WEB, visit_gap="45 minutes")[0].settings
    (('visit_gap', 2700.0),)
    """
    features = distinct_features(features)
    settings: dict[str, Any] = {} if timezone is None else {"timezone": check_zone(timezone)}
    for name, span in (("visit_gap", visit_gap), ("dwell_cap", dwell_cap)):
        if span is not None:
            settings[name] = read_span(span, name).total_seconds()
    for name in settings:
        if not any(name in feature.depends_on for feature in features):
            raise ValueError(
                f"None of these {len(features)} features depends on {name}. Pass features that do, such as "
                f"{'CONTEXT' if name == 'timezone' else 'WEB'}."
            )
    return tuple(_set(feature, settings) for feature in features)


def _set(feature: Feature, settings: Mapping[str, Any]) -> Feature:
    own = {**dict(feature.settings), **{n: v for n, v in settings.items() if n in feature.depends_on}}
    return dataclasses.replace(feature, settings=tuple(sorted(own.items())))


def distinct_features(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the features without repetitions.

    Raises
    ------
    ValueError
        If there are none, or the names of two different features are equal or differ only by capitals.
    TypeError
        If one is not a Feature.
    """
    if isinstance(features, Feature):
        features = (features,)
    wanted = (
        "Pass features such as RFM + CADENCE, or picker.features; by name: select_features('recency', …)."
    )
    no_list = isinstance(features, (str, type)) or hasattr(features, "columns")
    if no_list or not isinstance(features, Iterable):
        raise TypeError(f"features is {in_words(features)}. {wanted}")
    chosen: dict[str, Feature] = {}
    lower_case: dict[str, str] = {}
    for feature in features:
        if not isinstance(feature, Feature):
            raise TypeError(f"features holds {in_words(feature)}, which is not a Feature. {wanted}")
        if chosen.setdefault(feature.name, feature) != feature:
            raise ValueError(f"Two different features are called {feature.name!r}. Rename one of them.")
        same = lower_case.setdefault(feature.name.lower(), feature.name)
        if same != feature.name:
            raise ValueError(
                f"The names {same!r} and {feature.name!r} differ only by capitals, which databases ignore. Rename "
                "one of the features."
            )
    if not chosen:
        raise ValueError("No feature was chosen. Choose at least one, such as RFM.")
    return tuple(chosen.values())
