"""A feature as one line of data, and the single query that computes any choice of them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from segkit._engine import near, one_at_a_time
from segkit._standard import EXACT, STANDARD, TYPE_OF
from segkit.events import Events
from segkit.features._grains import GRAINS, MONEY, Grains

if TYPE_CHECKING:
    import ibis.expr.types as ir

BASES = ("demographic", "geographic", "psychographic", "behavioural")
MICROSECONDS_A_DAY = 86_400_000_000
ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T]\d{2}.*)?)?)?")
COMES_FROM = {"items": "quantity"}  # columns of a grain by the standard column that they are made of


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
        `purchases` and `lines` (those and returns), `categories` (`category`, `lines`) or `events`.
    unit : str
        What it is measured in.
    doc : str
        What it means, in one sentence.
    kinds : tuple of str
        Kinds of event that it looks at.
    basis : {"behavioural", "demographic", "geographic", "psychographic"}
        What it segments by.
    empty : float, optional
        Its value for a customer without such events: 0 for counts and totals. Missing otherwise.
    family : str
        The family that it belongs to.

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

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"A feature's name is a word, got {self.name!r}. It becomes a column's name.")
        if self.basis not in BASES:
            raise ValueError(
                f"{self.name}: basis={self.basis!r} is none of {', '.join(BASES)}. Say which it is."
            )
        for grain in inspect.signature(self.expr).parameters:
            if grain not in (*GRAINS, "events"):
                raise ValueError(
                    f"{self.name}: its expression asks for a table {grain!r}.{near(grain, GRAINS)} "
                    f"There are {', '.join(GRAINS)} and events; name its parameter after one of them."
                )

    @property
    def grain(self) -> str:
        """The table that it is an aggregate of."""
        return next(iter(inspect.signature(self.expr).parameters))


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
        Features of :data:`TREND` compare two quarters and need 182 days.

    Returns
    -------
    DataFrame of shape (n_customers, n_features)
        Indexed by `customer_id` (text, sorted): each customer with any event in the window.
        Numbers are float64, words are categories; what is undefined is missing, never 0.
        ``.attrs["segkit"]`` says units, as-of and sources.

    Raises
    ------
    ValueError
        If the events lack a column that a feature needs, two features share a name, or no event lies
        before `as_of`.

    Notes
    -----
    All features compile into one query. Sums of money and items are exact to the millionth, so that
    the answer does not depend on the order of rows or the number of threads.

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
    frame = feature_query(events, chosen, as_of=moment, window=span).to_pyarrow().to_pandas()
    if frame.empty:
        raise ValueError(_nobody(events, moment, span))
    frame = frame.set_index("customer_id").sort_index()
    frame.index = frame.index.astype("str")
    for feature in chosen:
        if not pd.api.types.is_numeric_dtype(frame[feature.name]):
            frame[feature.name] = frame[feature.name].astype("category")
    frame.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "window": None if span is None else str(span),
        "sources": list(events.sources),
        "units": {f.name: f.unit for f in chosen},
        "meanings": {f.name: f.doc for f in chosen},
    }
    return frame


def feature_query(
    events: Events, features: Iterable[Feature], *, as_of: pd.Timestamp, window: timedelta | None = None
) -> ir.Table:
    """Compile features into one Ibis query.

    Parameters
    ----------
    events, features, as_of, window
        As in :func:`customer_features`.

    Returns
    -------
    ibis Table
        `customer_id` and a column for each feature; one row a customer, in no order.
    """
    seen = _seen(events, as_of, window)
    grains = Grains(seen)
    by_grain: dict[str, dict[str, ir.Scalar]] = {}
    for feature in features:
        by_grain.setdefault(feature.grain, {})[feature.name] = _expression(feature, grains, events)
    query = seen.select("customer_id").distinct()
    for grain, expressions in by_grain.items():
        part = grains[grain].group_by("customer_id").agg(**expressions)
        query = query.left_join(part, "customer_id").drop("customer_id_right")
    return query.select("customer_id", **{f.name: _finished(query[f.name], f) for f in features})


def _seen(events: Events, as_of: pd.Timestamp, window: timedelta | None) -> ir.Table:
    """Keep what counts at that moment, with its age; money and items become exact numbers."""
    t = events.table
    seen = t.filter(t.timestamp < as_of)
    if window is not None:
        seen = seen.filter(seen.timestamp >= as_of - window)
    moment = ibis.literal(as_of, type=TYPE_OF["time"])
    days_ago = moment.delta(seen.timestamp, unit="microsecond").cast("float64") / MICROSECONDS_A_DAY
    return seen.mutate(days_ago=days_ago, **{c: seen[c].cast(MONEY) for c in EXACT if c in seen.columns})


def _expression(feature: Feature, grains: Grains, events: Events) -> ir.Scalar:
    try:
        return grains.supply(feature.expr)
    except (AttributeError, ibis.common.exceptions.IbisTypeError) as error:
        column = _lacking(events, error)
        if column is None:
            raise
        raise ValueError(
            f"The feature {feature.name!r} needs {column!r}, which these events do not have. "
            f'Say which column holds it when reading: read_events(…, {column}="…"), or leave '
            f"{feature.name!r} out."
        ) from error


def _lacking(events: Events, error: Exception) -> str | None:
    """Say which standard column that the events lack an expression asked for in vain."""
    for column in (*STANDARD, *COMES_FROM):
        if f"'{column}'" in str(error) and column not in events.columns:
            return COMES_FROM.get(column, column)
    return None


def missing_columns(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Say of each feature which column it needs that the events lack; empty where it has what it needs."""
    grains = Grains(_seen(events, pd.Timestamp("2000-01-01"), None))
    needs = {}
    for feature in features:
        try:
            grains.supply(feature.expr)
            needs[feature.name] = ""
        except (AttributeError, ibis.common.exceptions.IbisTypeError) as error:
            column = _lacking(events, error)
            if column is None:
                raise
            needs[feature.name] = column
    return needs


def _finished(column: ir.Column, feature: Feature) -> ir.Column:
    if column.type().is_numeric() or column.type().is_boolean():
        column = column.cast("float64")
    return column if feature.empty is None else column.fill_null(feature.empty)


def distinct_features(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the features, each once.

    Raises
    ------
    ValueError
        If there are none, or two different ones share a name.
    TypeError
        If one is not a Feature.
    """
    if isinstance(features, Feature):
        features = (features,)
    chosen: dict[str, Feature] = {}
    for feature in features:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"{feature!r} is not a Feature. Pass features such as RFM + CADENCE, or picker.features."
            )
        if chosen.setdefault(feature.name, feature) != feature:
            raise ValueError(f"Two different features are called {feature.name!r}. Rename one of them.")
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
    """Return a span of time."""
    if window is None:
        return None
    try:
        if isinstance(window, (int, float)) or (isinstance(window, str) and window.strip().isdigit()):
            raise TypeError("pandas would count it in nanoseconds")
        span = pd.Timedelta(window)
    except (ValueError, TypeError) as error:
        raise ValueError(f"window={window!r} is not a span of time. Write it as '365 days'.") from error
    if not span > pd.Timedelta(0):
        raise ValueError(f"window={window!r} is not longer than nothing. Write it as '365 days'.")
    return span


def _nobody(events: Events, as_of: pd.Timestamp, window: pd.Timedelta | None) -> str:
    looked = f"before {as_of}" if window is None else f"in the {window} before {as_of}"
    return (
        f"No event lies {looked}; the events run from {events.first} to {events.last}. "
        f"Look at a later moment, such as as_of='{(events.last + pd.Timedelta(days=1)):%Y-%m-%d}'."
    )
