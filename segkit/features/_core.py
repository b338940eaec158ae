"""A feature as one line of data, and the single query that computes any choice of them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from segkit._cache import with_codes
from segkit._dialect import age_of, dialect_of
from segkit._engine import near, one_at_a_time
from segkit._standard import BASES, EXACT, STANDARD, TYPE_OF
from segkit._times import EARLIEST, LATEST
from segkit.events import Events, check_zone
from segkit.features._codes import answer, checks, customer_codes
from segkit.features._grains import GRAINS, LOG, SETTINGS, Grains, settings_of, who
from segkit.features._grains.shopping import MONEY, in_days
from segkit.features._own import check_aggregate, finite, is_own, mistaken

if TYPE_CHECKING:
    import ibis.expr.types as ir

SPANS = {"window": "365 days", "within": "7 days", "horizon": "90 days"}  # examples of what can be said
LONGEST = LATEST - EARLIEST
ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T]\d{2}.*)?)?)?")
RESERVED = re.compile(
    r"(customer_id|customer_code|snapshot)(_\d+)?|as_of|codes_met|.*_right", re.IGNORECASE | re.DOTALL
)
# Columns of a grain by the standard column that they are made of.
COMES_FROM = {"items": "quantity", "different_pages": "page"}


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
                    f"{self.name}: its expression asks for a {what} {name!r}.{near(name, offered)} "
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


@one_at_a_time
def customer_features(
    events: Events,
    features: Iterable[Feature],
    *,
    as_of: str | pd.Timestamp,
    window: str | timedelta | None = None,
) -> pd.DataFrame:
    """Compute features of each customer, as they stood at a moment.

    Parameters
    ----------
    events : Events
        What customers did.
    features : iterable of Feature
        What to compute, such as ``RFM + CADENCE``. Naming one twice is naming it once.
    as_of : str or Timestamp
        The moment the customers are looked at, in UTC where it has no zone. Only events before it count.
    window : str or timedelta, optional
        How far back to look, such as ``"365 days"``: events with as_of − window ≤ timestamp < as_of.
        `orders_change`, `spend_change` and `spend_slope` are known of who ordered before the last 182 days,
        so the window must be longer, such as 365 days; for `novelty` it must be longer than 90 days.

    Returns
    -------
    DataFrame of shape (n_customers, n_features)
        Indexed by `customer_id` (text, sorted): each customer with any event in the window.
        Numbers are float64, words are categories; what is undefined is missing, never 0.
        ``.attrs["segkit"]`` says units, as-of and sources.

    Raises
    ------
    ValueError
        If the events lack a column that a feature needs, the expression of a feature of your own is no
        aggregate of the table that it names, two features share a name, or no event lies before `as_of`.

    Notes
    -----
    All features compile into one query. Sums of money and items are exact to the millionth, so that
    the answer does not depend on the order of rows or the number of threads. Who asks again and again, of millions
    of events, keeps the log in the order of its customers first: ``events = events.cache()``.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "ada"], "timestamp": ["2024-01-01", "2024-01-11"],
    ...                        "amount": [30.0, 50.0]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> sg.customer_features(events, sg.RFM, as_of="2024-01-15")
                 recency  frequency  monetary  tenure
    customer_id
    ada              4.0        2.0      80.0    14.0
    """
    chosen = distinct_features(features)
    moment, span = read_moment(as_of), read_window(window)
    ask = functools.partial(feature_query, events, chosen, as_of=moment, window=span)
    frame = answer(ask, dialect_of(events.table))
    if frame.empty:
        raise ValueError(_nobody(events, moment, span))
    return _described(frame.set_index("customer_id"), chosen, events, moment.isoformat(), span)


@one_at_a_time
def snapshots(
    events: Events,
    features: Iterable[Feature],
    *,
    dates: Iterable[str | pd.Timestamp],
    window: str | timedelta | None = None,
) -> pd.DataFrame:
    """Compute features of each customer as they stood at several moments, each blind to its future.

    Parameters
    ----------
    events, features, window
        As in :func:`customer_features`.
    dates : iterable of str or Timestamp
        The moments, such as ``pd.date_range("2024-01-01", periods=12, freq="MS")``. In UTC where
        they have no zone.

    Returns
    -------
    DataFrame of shape (n_rows, n_features)
        Indexed by `as_of` (timestamp) and `customer_id`, sorted: at each moment the customers with any
        event before it. ``snapshots(…).loc["2024-03-01"]`` equals ``customer_features(…, as_of="2024-03-01")``.

    Raises
    ------
    ValueError
        If there is no date, one occurs twice, or no event lies before any of them.

    Notes
    -----
    One query for all: each event counts once for each moment that lies after it, so memory and time
    grow with the number of moments.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "ada"], "timestamp": ["2024-01-01", "2024-01-11"],
    ...                        "amount": [30.0, 50.0]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> sg.snapshots(events, sg.RFM, dates=["2024-01-10", "2024-01-15"])[["recency", "monetary"]]
                            recency  monetary
    as_of      customer_id
    2024-01-10 ada              9.0      30.0
    2024-01-15 ada              4.0      80.0
    """
    chosen = distinct_features(features)
    moments, span = _moments(dates), read_window(window)
    ask = functools.partial(snapshot_query, events, chosen, dates=moments, window=span)
    frame = answer(ask, dialect_of(events.table))
    if frame.empty:
        raise ValueError(_nobody(events, moments[-1], span))
    frame["snapshot"] = pd.DatetimeIndex(moments)[frame["snapshot"].to_numpy()]
    frame = frame.rename(columns={"snapshot": "as_of"}).set_index(["as_of", "customer_id"])
    return _described(frame, chosen, events, [moment.isoformat() for moment in moments], span)


def _moments(dates: Iterable[str | pd.Timestamp]) -> list[pd.Timestamp]:
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        raise TypeError(
            f"dates={dates!r} is no list of dates. Pass one, or use customer_features for a single date."
        )
    moments = sorted(read_moment(date) for date in dates)
    if not moments:
        raise ValueError("dates is empty. Say at least one, such as dates=['2024-01-01'].")
    twice = [a for a, b in itertools.pairwise(moments) if a == b]
    if twice:
        raise ValueError(f"dates has {twice[0]} more than once. Say each moment once.")
    return moments


def _described(
    frame: pd.DataFrame,
    chosen: tuple[Feature, ...],
    events: Events,
    as_of: str | list[str],
    window: pd.Timedelta | None,
) -> pd.DataFrame:
    """Return the frame sorted, with words as categories, and with what its columns mean."""
    frame = frame.sort_index()
    if frame.index.nlevels == 1:
        frame.index = frame.index.astype("str")
    for feature in chosen:
        if not pd.api.types.is_numeric_dtype(frame[feature.name]):
            frame[feature.name] = frame[feature.name].astype("category")
    frame.attrs["segkit"] = {
        "as_of": as_of,
        "window": None if window is None else str(window),
        "sources": list(events.sources),
        "units": {f.name: f.unit for f in chosen},
        "meanings": {f.name: f.doc for f in chosen},
        "bases": {f.name: f.basis for f in chosen},
        "settings": {f.name: {n: str(v) for n, v in f.settings} for f in chosen if f.settings},
    }
    return frame


def feature_query(
    events: Events,
    features: Iterable[Feature],
    *,
    as_of: pd.Timestamp,
    window: timedelta | None = None,
    dialect: str | None = None,
    coded: bool = False,
) -> ir.Table:
    """Compile features into one Ibis query.

    Parameters
    ----------
    events, features, as_of, window
        As in :func:`customer_features`.
    dialect : str, optional
        Engine that it is written for; that of the events where it is not said.
    coded : bool, default=False
        Group by codes of the ids, which DuckDB does sooner, and say in two more columns whether any met.

    Returns
    -------
    ibis Table
        `customer_id` and a column for each feature; one row a customer, in no order.
    """
    dialect = dialect or dialect_of(events.table)
    t = with_codes(events.table) if coded else events.table
    seen = t.filter(t.timestamp < as_of)
    if window is not None:
        seen = seen.filter(seen.timestamp >= as_of - window)
    age = functools.partial(_age_at, as_of, dialect)
    return _assembled(_aged(seen, age), age, features, events, dialect, coded)


def snapshot_query(
    events: Events,
    features: Iterable[Feature],
    *,
    dates: list[pd.Timestamp],
    window: timedelta | None = None,
    coded: bool = False,
) -> ir.Table:
    """Compile features at several moments into one Ibis query.

    Parameters
    ----------
    events, features, dates, window
        As in :func:`snapshots`; dates sorted.
    coded : bool, default=False
        As in :func:`feature_query`.

    Returns
    -------
    ibis Table
        `snapshot` (number of the date, from 0), `customer_id` and a column for each feature.
    """
    dialect = dialect_of(events.table)
    t = with_codes(events.table) if coded else events.table
    every = t.filter(t.timestamp < dates[-1]).mutate(snapshot=ibis.array(list(range(len(dates)))).unnest())
    seen = every.filter(every.timestamp < _moment_of(dates, every))
    age = functools.partial(_age_then, dates, dialect)
    aged = _aged(seen, age)
    if window is not None:
        aged = aged.filter(aged.age <= window // timedelta(microseconds=1))
    return _assembled(aged, age, features, events, dialect, coded)


def _age_at(moment: pd.Timestamp, dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, moment, dialect)


def _age_then(dates: list[pd.Timestamp], dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, _moment_of(dates, table), dialect)


def _moment_of(dates: list[pd.Timestamp], table: ir.Table) -> ir.Column:
    """Return the moment of each row's snapshot."""
    moments = (ibis.literal(date, type=TYPE_OF["time"]) for date in dates)
    return table.snapshot.cases(*enumerate(moments))


def _aged(seen: ir.Table, age: Callable[[ir.Table], ir.IntegerColumn]) -> ir.Table:
    """Say how old each event is at its moment; money and items become exact numbers."""
    aged = seen.mutate(age=age(seen))
    exact = {c: aged[c].cast(MONEY) for c in EXACT if c in aged.columns}
    return aged.mutate(days_ago=in_days(aged.age), **exact)


def _grains_of(seen: ir.Table, age: Callable[[ir.Table], Any], events: Events, dialect: str) -> Grains:
    return Grains(seen, GRAINS, {"timezone": events.timezone, "dialect": dialect, "age": age})


def _assembled(
    seen: ir.Table,
    age: Callable[[ir.Table], ir.IntegerColumn],
    features: Iterable[Feature],
    events: Events,
    dialect: str,
    coded: bool,
) -> ir.Table:
    """Aggregate each grain by customer, once for all features of the same settings, and join the answers.

    The log itself has rows of every customer, so that what is aggregated of it comes with the list of them.
    """
    grains = _grains_of(seen, age, events, dialect)
    parts: dict[tuple, dict[str, ir.Scalar]] = {}
    of_log: dict[str, ir.Scalar] = {}
    for feature in features:
        grain, settings = feature.grain, feature.settings
        part = of_log if grain in LOG else parts.setdefault((grain, settings), {})
        part[feature.name] = _expression(feature, grains, events)
    names = [name for name in ("snapshot", "customer_id") if name in seen.columns]
    query = seen.group_by(*names).agg(**of_log) if of_log else seen.select(*names).distinct()
    if coded:
        query = query.mutate(**customer_codes(query))
    keys = who(query)
    for i, ((grain, settings), expressions) in enumerate(parts.items()):
        part = grains.table(grain, settings).group_by(*keys).agg(**expressions)
        # All in one chain, without a step between: nested joins take three times as long to write as SQL.
        query = query.left_join(part, keys, rname=f"{{name}}_{i}")
    columns = {f.name: _finished(query[f.name], f) for f in features}
    if coded:
        columns |= checks(query, seen, grains)
    return query.select(*names, **columns)


def _expression(feature: Feature, grains: Grains, events: Events) -> ir.Scalar:
    asked = _expression_or_lacking(feature, grains, events)
    if isinstance(asked, str):
        raise ValueError(
            f"The feature {feature.name!r} needs {asked!r}, which these events do not have. "
            f'Say which column holds it when reading: read_events(…, {asked}="…"), or leave '
            f"{feature.name!r} out."
        )
    return asked


def _expression_or_lacking(feature: Feature, grains: Grains, events: Events) -> ir.Scalar | str:
    """Return a feature's expression; where the events lack a column that it needs, the name of that column."""
    table = None
    try:
        table = grains.table(feature.grain, feature.settings)
        value = grains.supply(feature.expr, feature.settings)
    except Exception as error:  # an expression of one's own can raise anything
        column = _lacking(events, error)
        if column is None:
            if is_own(feature):
                raise mistaken(feature, table, error) from error
            raise
        return column
    if is_own(feature):
        value = value.resolve(table) if isinstance(value, ibis.Deferred) else value
        check_aggregate(feature, table, value)
    return value


def _lacking(events: Events, error: Exception) -> str | None:
    """Say which standard column that the events lack an expression asked for in vain."""
    if not isinstance(error, (AttributeError, ibis.common.exceptions.IbisTypeError)):
        return None
    for column in (*STANDARD, *COMES_FROM):
        if f"'{column}'" in str(error) and column not in events.columns:
            return COMES_FROM.get(column, column)
    return None


def missing_columns(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Say of each feature which column it needs that the events lack; empty where it has what it needs."""
    dialect = dialect_of(events.table)
    age = functools.partial(_age_at, pd.Timestamp("2000-01-01"), dialect)
    grains = _grains_of(_aged(events.table, age), age, events, dialect)
    needs = {}
    for feature in features:
        asked = _expression_or_lacking(feature, grains, events)
        needs[feature.name] = asked if isinstance(asked, str) else ""
    return needs


def what_is_lacking(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Say of each feature what these events lack for it: a column, or any event of its kinds; empty if nothing.

    For who chooses: a feature without events can be computed, but is 0 or unknown for everyone. Purchases
    count only for features that look at nothing else.
    """
    features = tuple(features)
    columns, present = missing_columns(events, features), set(events.kinds().index)
    return {f.name: columns[f.name] or _absent_kind(f.kinds, present) for f in features}


def _absent_kind(kinds: tuple[str, ...], present: set[str]) -> str:
    telling = [kind for kind in kinds if kind not in ("purchase", "return")] or list(kinds)
    return "" if not telling or present & set(telling) else f"{telling[0]} events"


def _finished(column: ir.Column, feature: Feature) -> ir.Column:
    number = column.type().is_numeric() or column.type().is_boolean()
    if number:
        column = column.cast("float64")
    if feature.empty is not None:
        column = column.fill_null(feature.empty)
    return finite(column) if number and is_own(feature) else column


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


def read_moment(as_of: str | pd.Timestamp) -> pd.Timestamp:
    """Return a moment as UTC without a zone."""
    try:
        if isinstance(as_of, (int, float)):
            raise TypeError("pandas would count it in nanoseconds")
        if isinstance(as_of, str) and not ISO.fullmatch(as_of.strip()):
            raise ValueError("only ISO 8601 means one day to everyone, and the clock is never asked")
        moment = pd.Timestamp(as_of)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"as_of={as_of!r} is not a moment. Write it as '2011-12-01' or '2011-12-01 18:00'."
        ) from error
    if moment is pd.NaT:
        raise ValueError(f"as_of={as_of!r} is no moment. Say when to look: as_of='2011-12-01'.")
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment


def read_window(window: str | timedelta | None) -> pd.Timedelta | None:
    """Return a span of time, or none where none was said."""
    return None if window is None else read_span(window, "window")


def read_span(said: str | timedelta, name: str) -> pd.Timedelta:
    """Return a span of time that a person said as `name`, in whole microseconds, as times are.

    Raises
    ------
    ValueError
        If it is no span of time, shorter than a microsecond, or longer than times can be apart.
    """
    example = SPANS.get(name, "30 minutes")
    try:
        if isinstance(said, (int, float)) or (isinstance(said, str) and said.strip().isdigit()):
            raise TypeError("pandas would count it in nanoseconds")
        span = pd.Timedelta(said)
        if span > LONGEST:
            raise pd.errors.OutOfBoundsTimedelta
    except pd.errors.OutOfBoundsTimedelta as error:
        raise ValueError(
            f"{name}={said!r} is longer than {LONGEST.days // 365} years, and no times are so far apart. Write it as "
            f"{example!r}{', or leave it out to look at all' if name == 'window' else ''}."
        ) from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}={said!r} is not a span of time. Write it as {example!r}.") from error
    if not span > pd.Timedelta(0):
        raise ValueError(f"{name}={said!r} is not longer than nothing. Write it as {example!r}.")
    if span < pd.Timedelta(1, "us"):
        raise ValueError(
            f"{name}={said!r} is shorter than a microsecond, to which times are known. Write it as {example!r}."
        )
    return span.floor("us")


def _nobody(events: Events, as_of: pd.Timestamp, window: pd.Timedelta | None) -> str:
    if pd.isna(events.last):
        return "There are no events. Look at the filter that they went through."
    looked = f"before {as_of}" if window is None else f"in the {window} before {as_of}"
    return (
        f"No event lies {looked}; the events run from {events.first} to {events.last}. "
        f"Look at a later moment, such as as_of='{(events.last + pd.Timedelta(days=1)):%Y-%m-%d}'."
    )
