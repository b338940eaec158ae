"""Write the assignment to segments as one statement of SQL, from raw events or from a table of customers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta

import ibis
import ibis.expr.types as ir
import pandas as pd
from sklearn.pipeline import Pipeline

from segkit import __version__
from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.sql import (
    check_names,
    columns_in_words,
    dialect_named,
    features_of_table,
    unbound_table,
    window_in_words,
)
from segkit.collect.events import Events
from segkit.core.engine.connection import locked_engine
from segkit.core.messages import counted, did_you_mean, in_words, joined, listed
from segkit.core.moments import read_moment, read_window
from segkit.explain.model_sql import ids_by_model, ids_by_rules
from segkit.explain.rule_sql import features_of_rules
from segkit.explain.sql_parts import CUSTOMER, Statement
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.partition import Partition
from segkit.methods.rules import RulePreparer, rules_segmenter

WANTED = (
    "It should be a Segmentation, a table from sg.rules(result), a rule for each name ({'VIP': 'monetary > 1000'}), or "
    "a rules_segmenter."
)


@locked_engine
def to_sql(
    result_or_rules: Partition | pd.DataFrame | Mapping[str, str] | Pipeline,
    *,
    dialect: str = "duckdb",
    events: Events | Iterable[str] | None = None,
    table: str | None = None,
    features: Iterable[Feature] | None = None,
    as_of: str | pd.Timestamp | None = None,
    window: str | timedelta | None = None,
) -> str:
    """Write the assignment to segments as one SQL statement: from raw events, or from a table of customers.

    Parameters
    ----------
    result_or_rules : Segmentation, DataFrame, mapping of str to str, or Pipeline
        The segments: a result, whose model is written exactly; or rules, from ``sg.rules(result)`` (columns `segment`
        and `rule`, indexed by segment id), by name as for :func:`segkit.rules_segmenter`, or that model.
    dialect : {"duckdb", "postgres", "snowflake", "bigquery", "databricks", "spark"}, default="duckdb"
        The SQL dialect.
    events : Events or iterable of str, optional
        The log, or the names of the standard columns that the table there has: the statement then computes the features
        as :func:`segkit.feature_sql` does. Without it, it starts from a table of customers with the features as
        columns.
    table : str, optional
        The name of the table there. Default: "events", or "customers" without `events`. A part with blanks stands in
        double quotes: ``'shop."raw events"'``.
    features : iterable of Feature, optional
        The features by which the segments were made, if some are your own. Default: the built-in ones of these names.
    as_of : str or Timestamp, optional
        The moment as of which features are computed. Default: that of the segmentation. Rules need it with `events`.
    window : str or timedelta, optional
        How far features look back, as in :func:`segkit.customer_features`. Default: that of the segmentation; rules
        have none.

    Returns
    -------
    str
        One SELECT statement with `customer_id`, `segment_id`, and `segment`, its name; −1 is "Outside". A comment above
        lists the columns that the table should have, as-of, features and the hash of the segmentation.

    Raises
    ------
    ValueError
        If the dialect or a column is unknown, a feature is not there or cannot be computed, or the model has no formula
        (it labels by nearest neighbours): write its rules instead.

    Warns
    -----
    UserWarning
        If the events come from other sources than those of the segmentation, or the statement is longer than the
        warehouse takes (Gaussian mixtures of many features).

    Notes
    -----
    The segment is that of ``result.assign(customers)``: confidence, and "Undecided", are not in the SQL. Where Python
    refuses a customer, with an infinite value, or a missing one that the model has no rule for, `segment_id` is NULL.

    Sums are added in another order than in Python, and logarithms may differ in the last digit, so a customer whose two
    nearest segments are equally near but for rounding (a relative 1e-15) may be in the other one. Of exactly equal ones
    the first is taken, as in Python. Value bands, scores and rules are compared in the features' own units, exactly.

    Tests compare the statement with Python on DuckDB, PostgreSQL and Spark. For Snowflake and BigQuery they check only
    its grammar.

    Examples
    --------
    >>> import segkit as sg
    >>> print(sg.to_sql({"VIP": "monetary > 1000 and recency < 30"}, table="crm.customers"))  # doctest: +ELLIPSIS
    -- Segments by 1 rule, written by segkit ... for duckdb.
    -- The table crm.customers should have these columns, and one row for each customer:
    --   customer_id
    --   monetary DOUBLE
    --   recency DOUBLE
    WITH ...
    """
    sql_of = dialect_named(dialect)
    statement = Statement(sql_of.ibis)
    result = result_or_rules if isinstance(result_or_rules, Partition) else None
    rules = _rules(result_or_rules) if result is None else {}
    wanted = _types_of(result) if result is not None else _types_of_rules(rules, result_or_rules)
    check_names(wanted, dialect)
    _check_columns(wanted)
    if events is None:
        _check_no_features(features=features, as_of=as_of, window=window)
        source, of_source = _from_customers(result, wanted, dialect, table or "customers")
    else:
        moment, span = _moment_and_window(result, as_of, window)
        chosen = _chosen(result, list(wanted), features)
        events = events if isinstance(events, Events) else tuple(events)
        source = features_of_table(events, chosen, moment, span, dialect, table or "events")
        _check_kinds(source, wanted)
        of_source = [
            f"Features as of {moment} UTC{window_in_words(span)}: {', '.join(wanted)}.",
            *columns_in_words(events, dialect, table or "events"),
        ]
        if isinstance(events, Events) and result is not None:
            _warn_of_sources(events, result)
    customers = statement.step("features", _cleaned(source, list(wanted)))
    if result is None:
        found = customers.select(CUSTOMER, segment_id=ids_by_rules(rules, customers))
        names = {s: name for s, (name, _) in rules.items()} | {OUTSIDE: "Outside"}
    else:
        found = ids_by_model(result, customers, statement)
        names = {s: result.name_of(s) for s in (*result.segments, OUTSIDE)} | _names_of_model(result)
    assigned = statement.step("segments", found)
    named = assigned.segment_id.cases(*names.items(), else_=ibis.null("string"))
    text = statement.ending(assigned.select(CUSTOMER, "segment_id", segment=named))
    of_what = f"the segmentation {result.hash}" if result is not None else counted(len(rules), "rule")
    title = f"Segments by {of_what}, written by segkit {__version__} for {dialect}."
    header = [title, *of_source, *[sql_of.note] * bool(sql_of.note), *statement.notes]
    text = "".join(f"-- {_one_line(line)}\n" for line in header) + text
    _warn_of_length(text, dialect)
    return text


def _rules(given: object) -> dict[int, tuple[str, str]]:
    """Return the name and the rule of each segment id."""
    if isinstance(given, Pipeline) and isinstance(preparer_and_clusterer(given)[0], RulePreparer):
        given = preparer_and_clusterer(given)[0].rules
    if isinstance(given, Mapping):
        rules_segmenter(given)  # which checks them
        return dict(enumerate(given.items()))
    if isinstance(given, pd.DataFrame):
        for column in ("segment", "rule"):
            if column not in given:
                raise ValueError(
                    f"The table of rules has no column {column!r}.{did_you_mean(column, given.columns)} {WANTED}"
                )
        rules_segmenter(dict(zip(given["segment"], given["rule"], strict=True)))
        return {
            int(s): pair
            for s, pair in zip(given.index, zip(given["segment"], given["rule"], strict=True), strict=True)
        }
    raise TypeError(f"result_or_rules is {in_words(given)}. {WANTED}")


def _types_of(result: Partition) -> dict[str, str]:
    """Return the features of a segmentation: "float64", "boolean" or "string"."""
    types = {}
    for name, kind in result.customers.dtypes.items():
        number = "boolean" if pd.api.types.is_bool_dtype(kind) else "float64"
        types[str(name)] = number if pd.api.types.is_numeric_dtype(kind) else "string"
    return types


def _types_of_rules(rules: Mapping[int, tuple[str, str]], given: object) -> dict[str, str]:
    """Return the features that rules name; a table of :func:`segkit.rules` knows which of them are True or False."""
    facts = given.attrs.get("segkit") or {} if isinstance(given, pd.DataFrame) else {}
    types = features_of_rules(dict(rules.values()))
    return types | {name: "boolean" for name in facts.get("boolean", []) if types.get(name) == "float64"}


def _check_columns(features: Iterable[str]) -> None:
    """Refuse names that a table cannot have as columns."""
    seen: dict[str, str] = {CUSTOMER: CUSTOMER}
    for name in features:
        same = seen.setdefault(name.casefold(), name)
        if same is not name:
            raise ValueError(
                f"The features {same!r} and {name!r} cannot be columns of one table, since databases ignore case. "
                "Rename one before you make the segments."
            )


def _check_no_features(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}= is for a statement from events, and without events= it starts from a table of customers. "
                "Add the log, events=events, or the columns of its table: events=['amount', 'order_id']."
            )


def _from_customers(
    result: Partition | None, wanted: Mapping[str, str], dialect: str, table: str
) -> tuple[ir.Table, list[str]]:
    """Return a table of customers, and the lines of the header about it."""
    sql_of = dialect_named(dialect)
    shown = {
        "float64": sql_of.number,
        "boolean": "BOOLEAN",
        "string": sql_of.text,
        "": "(NULL where missing)",
    }
    lines = [
        *([_moment_in_words(result)] if result is not None and result.provenance.get("as_of") else []),
        f"The table {table} should have these columns, and one row for each customer:",
        f"  {CUSTOMER}",
        *(f"  {name} {shown[kind]}" for name, kind in wanted.items()),
    ]
    types = {name: kind or "string" for name, kind in wanted.items()}
    return unbound_table(table, {CUSTOMER: "string"} | types), lines


def _moment_in_words(result: Partition) -> str:
    window = read_window(result.provenance.get("window"))
    of_fit = f"{result.provenance['as_of']}{window_in_words(window)}"
    return f"Compute the features as of one moment; those of the fit are as of {of_fit}."


def _moment_and_window(
    result: Partition | None, as_of: str | pd.Timestamp | None, window: str | timedelta | None
) -> tuple[pd.Timestamp, pd.Timedelta | None]:
    """Return the moment and window of the features: as given, or those of the fit."""
    of_fit = {} if result is None else result.provenance
    if as_of is None and of_fit.get("as_of") is None:
        raise ValueError(
            "The moment as of which features are computed is not known. Say it: as_of='2024-07-01'; or leave events= "
            "out, for a statement from a table of customers."
        )
    return (
        read_moment(of_fit["as_of"] if as_of is None else as_of),
        read_window(of_fit.get("window") if window is None else window),
    )


def _check_kinds(source: ir.Table, wanted: Mapping[str, str]) -> None:
    """Refuse features that are computed as words where the segments take them for numbers, and the reverse."""
    for name, kind in wanted.items():
        words = source[name].type().is_string()
        if kind and words != (kind == "string"):
            raise ValueError(
                f"The feature {name!r} is computed as {'words' if words else 'numbers'}, and the segments take it for "
                f"{'numbers' if words else 'words'}. Pass the features by which the segments were made: features=…"
            )


def _chosen(
    result: Partition | None, wanted: list[str], features: Iterable[Feature] | None
) -> tuple[Feature, ...]:
    """Return the features of these names, as given or built in."""
    offered = {f.name: f for f in (FAMILIES if features is None else distinct_features(features))}
    lacking = [name for name in wanted if name not in offered]
    if lacking:
        whose = "no built-in features" if features is None else "not among features="
        raise ValueError(
            f"{joined([repr(name) for name in lacking])}: {whose}, so SQL cannot compute them from events."
            f"{did_you_mean(lacking[0], offered)} Pass every feature by which the segments were made, features=…; or "
            "leave events= out, for a statement from a table of customers with these columns."
        )
    chosen = tuple(offered[name] for name in wanted)
    known = {} if result is None else result.customers.attrs.get("segkit") or {}
    settings = known.get("settings", {})
    for feature in chosen if "settings" in known else ():
        now = {name: str(value) for name, value in feature.settings}
        if now != settings.get(feature.name, {}):
            raise ValueError(
                f"The feature {feature.name!r} was made with other settings, {settings.get(feature.name, {})}, than "
                f"{now}. Pass the features by which the segments were made: features=…"
            )
    return chosen


def _warn_of_sources(events: Events, result: Partition) -> None:
    before, now = list(result.provenance.get("sources") or []), list(events.sources)
    if before and before != now:
        warnings.warn(
            f"These events come from {listed(now)}, and those of the segmentation from {listed(before)}. The SQL is "
            "right if both have the same columns and time zone.",
            stacklevel=4,
        )


def _cleaned(source: ir.Table, features: list[str]) -> ir.Table:
    """Return numbers as floats, with NULL instead of NaN."""
    columns = {}
    for name in features:
        column = source[name]
        if not column.type().is_string():
            column = column.cast("float64")
            column = column.isnan().ifelse(ibis.null("float64"), column)
        columns[name] = column
    return source.select(CUSTOMER, **columns)


def _names_of_model(result: Partition) -> dict[int, str]:
    """Return the names that a model gives segments which no customer of the fit is in."""
    named = getattr(preparer_and_clusterer(result.model)[1], "names_", {})
    taken = set(result.segments)
    return {s: name for label, name in named.items() if (s := result.ids.get(label, label)) not in taken}


def _warn_of_length(text: str, dialect: str) -> None:
    size, most = len(text.encode()), dialect_named(dialect).most
    if most is not None and size > most:
        warnings.warn(
            f"The statement has {size:,} bytes, and {dialect} takes {most:,}. Use fewer features or segments, k-means "
            "in place of a Gaussian mixture, or rules: to_sql(sg.rules(result), …).",
            stacklevel=4,
        )


def _one_line(text: str) -> str:
    """Return text without line breaks, which would end a comment."""
    return "  " * text.startswith("  ") + " ".join(text.split())
