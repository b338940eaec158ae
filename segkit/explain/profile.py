"""Describe segments by sizes and effect sizes, beside values in natural units."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.core.checks import check_frame, check_type, checked_customers, with_pandas_types
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes, is_few, without_contacts
from segkit.core.messages import counted, did_you_mean
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import Groups, cohen_d, differences
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.partition import check_segments, checked_result, plain_preparer

COLUMNS = (
    "segment_id", "segment", "feature", "effect", "inside", "others", "unit", "low", "high", "of_those",
    "of_those_others", "of_those_unit", "index", "level", "column", "used",
)  # fmt: skip


def segment_sizes(
    result: Segmentation, value: str | pd.Series | None = None, *, minimum: int = MINIMUM
) -> pd.DataFrame:
    """Count the customers of each segment, and add up their value.

    Parameters
    ----------
    result : Segmentation
    value : str or Series, optional
        What customers are worth: a numeric feature, such as "monetary", or a Series indexed by customer.
    minimum : int, default=10
        Segments of fewer customers are named without numbers, and so is one more, so that theirs do not follow from the
        total. 1 shows everything.

    Returns
    -------
    DataFrame of shape (n_segments, 3 or 5)
        Indexed by `segment_id`: `segment` (its name), number of `customers`, and their `share` of all; with a value,
        also its sum, `value`, and `value_share`, missing where a segment's value is below 0, or all together not above.
        Customers outside all segments (−1) come last, if there are any. A missing value adds nothing;
        ``.attrs["segkit"]`` has the names of `hidden` segments, and says how many customers are `without_value`.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"monetary": [10, 20, 10, 360]}, index=list("abcd"))
    >>> sg.segment_sizes(sg.segment(customers, n_segments=2), "monetary", minimum=1)
                  segment  customers  share  value  value_share
    segment_id
    0           Segment 0          3   0.75   40.0          0.1
    1           Segment 1          1   0.25  360.0          0.9
    """
    checked_result(result)
    check_minimum(minimum)
    counts = result.labels.value_counts()
    order = result.segments + [OUTSIDE] * (OUTSIDE in counts.index)
    customers = counts[order].to_numpy()
    hidden = hidden_sizes(customers, minimum)
    sizes = pd.DataFrame(
        {
            "segment": [result.name_of(s) for s in order],
            "customers": pd.array(np.where(hidden, None, customers), "Int64"),
            "share": np.where(hidden, np.nan, customers / customers.sum()),
        },
        index=pd.Index(order, name="segment_id"),
    )
    sizes.attrs["segkit"] = {
        "badge": result.badge,
        **hidden_facts(result, minimum),
    }  # for the subtitles of charts
    if value is not None:
        worth = value_of(result, value, "value")
        sums = worth.groupby(result.labels).sum()[order]
        total = float(sums.sum())
        sizes["value"] = np.where(hidden, np.nan, sums.to_numpy())
        sizes["value_share"] = sizes["value"] / (total if total > 0 and (sums >= 0).all() else np.nan)
        sizes.attrs["segkit"]["without_value"] = int(worth.isna().sum())
    return sizes


def is_described(labels: pd.Series, minimum: int) -> np.ndarray:
    """Return which customers are in segments of which something may be said, or outside with enough others."""
    sizes = labels.value_counts()
    return ~labels.isin(sizes.index[is_few(sizes, minimum)]).to_numpy()


def hidden_facts(result: Segmentation, minimum: int) -> dict[str, object]:
    """Return what charts and pages say of hidden segments, their names and the minimum; empty where none is."""
    sizes = result.labels.value_counts()
    names = [result.name_of(s) for s in result.segments if is_few(sizes[s], minimum)]
    return {"hidden": names, "minimum": minimum} if names else {}


def value_of(result: Segmentation, value: str | pd.Series, name: str) -> pd.Series:
    """Return what each customer is worth, as float on the index of the customers.

    Raises
    ------
    TypeError, ValueError
        If it is no numeric feature and no Series of these customers.
    """
    if isinstance(value, str):
        numbers = list(result.customers.select_dtypes("number"))
        if value not in numbers:
            raise ValueError(
                f"{name}={value!r} is no numeric feature of these customers.{did_you_mean(value, numbers)} Name one, "
                "or pass a Series of values indexed by customer."
            )
        value = result.customers[value]
    wanted = "It should be a numeric feature, such as 'monetary', or a Series of values indexed by customer."
    check_type(name, value, pd.Series, wanted)
    if not pd.api.types.is_numeric_dtype(value.dtype):
        raise TypeError(f"{name} is a Series of {value.dtype}. {wanted}")
    worth = of_customers(result, value.to_frame("value"), name)["value"]
    if np.isinf(worth := worth.astype(float)).any():
        raise ValueError(f"{name} holds infinity. Values should be finite or missing.")
    return worth


def of_customers(result: Segmentation, frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of the customers of a result, in their order; missing where a customer has none.

    Raises
    ------
    ValueError
        If a customer has two rows, or none has any.
    """
    if not frame.index.is_unique:
        example = frame.index[frame.index.duplicated()][0]
        raise ValueError(
            f"The customer {example!r} has more than one row in {name}. Each should have one row."
        )
    index = result.customers.index
    if frame.index.equals(index):
        return frame
    if not frame.index.isin(index).any():
        raise ValueError(
            f"None of the {counted(len(index), 'customer')} is in {name}. Their ids look like {index[0]!r}, those of "
            f"{name} like {frame.index[0] if len(frame) else None!r}. Index it by customer, with ids written alike."
        )
    return frame.reindex(index)


def grouped(
    labels: pd.Series, segments: list[int], weights: np.ndarray | None = None, minimum: int = 1
) -> Groups:
    """Return the segments as groups; customers outside are only among the others."""
    codes = pd.Index(segments).get_indexer(labels)
    return Groups(np.where(codes < 0, len(segments), codes), len(segments), weights, minimum)


def effect_sizes(prepared: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Measure how far each segment lies from all other customers, feature by feature.

    Effect sizes rather than p-values: the segments were made from these features, so p-values would flatter them
    [2]_.

    Parameters
    ----------
    prepared : DataFrame of shape (n_customers, n_prepared)
        Scaled features, one row a customer; no unit.
    labels : Series of shape (n_customers,)
        Segment of each customer, on the same index. Noise (−1) counts among the others.

    Returns
    -------
    DataFrame of shape (n_segments, n_prepared)
        Cohen's d [1]_, in pooled standard deviations: at +1 the segment's mean lies one standard deviation above that
        of the other customers. 0 where the feature is the same for all, and never beyond ±10, which stands for all
        larger ones, also where neither group varies and they differ.

    Raises
    ------
    ValueError
        If there are fewer than two groups to compare.

    References
    ----------
    .. [1] Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, 2nd ed., ch. 2.
    .. [2] Gao, Bien & Witten (2024), Selective inference for hierarchical clustering, JASA 119.

    Examples
    --------
    >>> import pandas as pd
    >>> prepared = pd.DataFrame({"recency": [0.0, 2.0, 10.0, 12.0]})
    >>> effect_sizes(prepared, pd.Series([0, 0, 1, 1])).round(1)
       recency
    0     -7.1
    1      7.1
    """
    check_frame("prepared", prepared, "It should be the table of scaled features, as result.prepared.")
    check_type("labels", labels, pd.Series, "It should be the segment of each customer, as result.labels.")
    if not prepared.index.equals(labels.index):
        raise ValueError(
            f"labels has {len(labels):,} customers, and prepared has {len(prepared):,} or others. Both should have the "
            "same index."
        )
    segments = sorted(set(labels) - {OUTSIDE})
    if len(set(labels)) < 2:
        raise ValueError(
            f"labels holds {len(segments)} segment(s) and no other customers; a comparison needs two groups. "
            "Make more segments."
        )
    groups = grouped(labels, segments)
    effects = {name: cohen_d(prepared[name].to_numpy(dtype=float), groups) for name in prepared.columns}
    return pd.DataFrame(effects, index=segments)


def used_features(result: Segmentation) -> set[str]:
    """Return the features that built the segments: those whose weight is not 0."""
    preparer, _ = preparer_and_clusterer(result.model)
    if not isinstance(preparer, Preparer):
        return set(result.customers.columns)
    weighted = zip(preparer.owners_, preparer.weight_, strict=True)
    return {name for names, weight in weighted if weight > 0 for name in names}


def profile(
    result: Segmentation,
    features: pd.DataFrame | Iterable[str] | str | None = None,
    *,
    weights: str | pd.Series | None = None,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Compare each segment with all other customers.

    Parameters
    ----------
    result : Segmentation
    features : DataFrame, str or iterable of str, optional
        What to describe: some of the features that the segments were made from (all by default), or a table of any
        other features and attributes, indexed by customer.
    weights : str or Series, optional
        How much each customer counts: a numeric feature, such as "monetary", or a Series indexed by customer. Shares
        are then shares of that value, and medians those of a unit of value. By default all customers count alike.
    minimum : int, default=10
        Segments of fewer customers are named, and nothing is said of them; their customers are not among the others
        either. So are shares that fewer have, or lack. Quartiles are of 100 customers or more, effects of segments
        of fewer than 100 those of medians. 1 shows everything.

    Returns
    -------
    DataFrame
        One row a segment and feature, the strongest effect of each segment first: `segment_id`, `segment`;

        - `feature`: "recency", "top_category = GROCERY" for one of several words, "vip = yes" for one of two,
          "gap_mean missing"; `column` it comes from, and `level`, the word
        - `effect`: Cohen's d of the prepared values, at most ±10, see :func:`segkit.effect_sizes`; missing where
          nothing is known or said of a segment
        - `inside`, `others`: the medians, in the feature's `unit`, or shares where the unit says so: "share of
          customers" of a word, of a yes, or of a missing value; and where at least half of all customers have the
          same value, such as 0, "share of customers above 0"
        - `low`, `high`: the quartiles inside
        - `of_those`, `of_those_others`: for a "share of customers above 0", the medians of those customers, in
          `of_those_unit`; `low` and `high` are then their quartiles
        - `index`: the share inside over that of all customers, 100 = average
        - `used`: whether the feature built the segments

    Raises
    ------
    ValueError
        If there is no segment, there are fewer than two groups of customers to compare, there is no such feature, or
        no customer has a weight above 0.
    TypeError
        If features or weights are of another type.

    Notes
    -----
    With weights, customers whose weight is missing or negative do not count;
    ``.attrs["segkit"]["without_weight"]`` says how many these are, `hidden` names the
    segments that are hidden, and `words` counts words that are left out, since fewer customers than the minimum have
    them. Shares are rounded to steps of two customers or more, and effects to two digits, since exact ones tell sizes.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 3, 30, 31, 35]}, index=list("abcdef"))
    >>> result = sg.segment(customers, n_segments=2)
    >>> sg.profile(result, minimum=1)[["segment", "feature", "inside", "others", "low", "high"]]
         segment feature  inside  others   low  high
    0  Segment 0  visits    31.0     2.0  30.0  35.0
    1  Segment 1  visits     2.0    31.0   1.0   3.0
    >>> likes = pd.DataFrame({"likes": ["tea", "tea", "cocoa", "beer", "beer", "tea"]}, index=list("abcdef"))
    >>> sg.profile(result, likes, minimum=1)[["segment", "feature", "inside", "others", "index"]].head(3).round(2)
         segment        feature  inside  others   index
    0  Segment 0   likes = beer    0.67    0.00  200.00
    1  Segment 0  likes = cocoa    0.00    0.33    0.00
    2  Segment 0    likes = tea    0.33    0.67   66.67
    """
    table = compared(result, features, weights=weights, minimum=minimum)
    facts = table.attrs
    table = said(table, minimum)
    table.attrs = facts
    return table


def compared(
    result: Segmentation,
    features: pd.DataFrame | Iterable[str] | str | None = None,
    *,
    weights: str | pd.Series | None = None,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Return the profile before its words are looked through for contacts."""
    checked_result(result)
    check_segments(result, "profile compares each segment with the other customers")
    check_minimum(minimum)
    if result.labels.nunique() < 2:
        n = len(result.labels)
        raise ValueError(
            f"The only segment holds {n:,} of {counted(n, 'customer')}, so there is nothing to compare. Make more "
            "segments."
        )
    facts: dict[str, object] = {"badge": result.badge, **hidden_facts(result, minimum)}
    counts = None
    if weights is not None:
        worth = value_of(result, weights, "weights").to_numpy()
        facts["without_weight"] = int((~(worth >= 0)).sum())
        counts = np.where(worth > 0, worth, 0.0)
        if not counts.any():
            raise ValueError(
                "No customer has a weight above 0. Leave weights out, or weight by another value."
            )
    there = is_described(result.labels, minimum)
    groups = grouped(
        result.labels[there], result.segments, None if counts is None else counts[there], minimum
    )
    table = _described(result, features, groups, there)
    left_out = len(table.attrs.pop("words", ()))
    facts |= {"words": left_out, "minimum": minimum} if left_out else {}
    segments = np.array(result.segments)
    names = np.array([result.name_of(s) for s in result.segments], dtype=object)
    at = table["group"].to_numpy()
    table = table.assign(segment_id=segments[at], segment=pd.array(names[at], dtype="str"))
    strongest = np.lexsort((-table["effect"].abs().fillna(-1).to_numpy(), at))
    table = table.iloc[strongest].reset_index(drop=True)[list(COLUMNS)]
    table.attrs["segkit"] = facts
    return table


def said(table: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return a table whose words are no e-mail addresses or phone numbers, unless everything is shown."""
    if minimum == 1:
        return table
    words = table.select_dtypes("str").columns
    return table.assign(**{c: table[c].map(without_contacts).astype("str") for c in words})


def profiled(result: Segmentation) -> pd.DataFrame:
    """Return the profile of a result's features, for computing with: of small segments too, and computed once.

    `segment` may hold names that it had before.
    """
    if "_profile" not in vars(result):
        vars(result)["_profile"] = compared(result, minimum=1)
    return vars(result)["_profile"]


def _described(
    result: Segmentation,
    features: pd.DataFrame | Iterable[str] | str | None,
    groups: Groups,
    there: np.ndarray,
) -> pd.DataFrame:
    """Return the differences of the wanted features, and which of them built the segments; of some customers."""
    built = used_features(result)
    units = result.provenance.get("units", {})
    if features is None or not isinstance(features, pd.DataFrame):
        customers = with_pandas_types(result.customers)
        customers = customers if there.all() else customers[there]
        table = differences(customers, plain_preparer(result), groups, units)
        if features is not None:
            known = _known_features(result, features)
            left_out = [c for c in table.attrs["words"] if c in known]
            table = table[table["column"].isin(known)]
            table.attrs["words"] = left_out
        return table.assign(used=table["column"].isin(built).to_numpy())
    frame = checked_customers(of_customers(result, features, "features"))
    units = units | (features.attrs.get("segkit") or {}).get("units", {})
    same = {c for c in built & set(frame.columns) if frame[c].equals(result.customers[c])}
    table = differences(frame if there.all() else frame[there], make_preparer().fit(frame), groups, units)
    return table.assign(used=table["column"].isin(same).to_numpy())


def _known_features(result: Segmentation, features: Iterable[str] | str) -> list[str]:
    names = [features] if isinstance(features, str) else features
    if not isinstance(names, Iterable):
        check_frame("features", features, "It should be a table indexed by customer, or names of features.")
    names = list(names)
    known = list(result.customers.columns)
    for name in names:
        if name not in known:
            raise ValueError(
                f"features names {name!r}, which the segments were not made from."
                f"{did_you_mean(str(name), known)} Describe others by a table indexed by customer: "
                "profile(result, table)."
            )
    if not names:
        raise ValueError("features is empty. Name features, or pass a table of them indexed by customer.")
    return names
