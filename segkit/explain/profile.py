"""Describe segments by sizes and effect sizes, beside values in natural units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.analyse.prepare import Preparer
from segkit.core.checks import check_frame, check_type
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.mixture_preparer import MixturePreparer
from segkit.methods.partition import check_segments, checked_result


def segment_sizes(result: Segmentation) -> pd.DataFrame:
    """Count the customers of each segment.

    Parameters
    ----------
    result : Segmentation

    Returns
    -------
    DataFrame of shape (n_segments, 3)
        Indexed by `segment_id`: `segment` (its name), number of `customers`, and their `share` of all.
        Customers outside all segments (−1) come last, if there are any.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30]}, index=list("abcd"))
    >>> sg.segment_sizes(sg.segment(customers, n_segments=2))
                  segment  customers  share
    segment_id
    0           Segment 0          3   0.75
    1           Segment 1          1   0.25
    """
    checked_result(result)
    counts = result.labels.value_counts()
    order = result.segments + [OUTSIDE] * (OUTSIDE in counts.index)
    sizes = pd.DataFrame(
        {"segment": [result.name_of(s) for s in order], "customers": [int(counts[s]) for s in order]},
        index=pd.Index(order, name="segment_id"),
    )
    sizes = sizes.assign(share=sizes["customers"] / sizes["customers"].sum())
    sizes.attrs["segkit"] = {"badge": result.badge}  # for the subtitles of charts
    return sizes


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
        of the other customers. 0 where the feature is the same for all, infinite where neither group varies and they
        differ.

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
    return pd.DataFrame({s: _cohen_d(prepared, (labels == s).to_numpy()) for s in segments}).T


def _cohen_d(values: pd.DataFrame, inside: np.ndarray) -> pd.Series:
    ours, rest = values[inside], values[~inside]
    apart = ours.mean() - rest.mean()
    squares = len(ours) * ours.var(ddof=0) + len(rest) * rest.var(ddof=0)
    pooled = np.sqrt(squares / max(len(values) - 2, 1))
    effect = (apart / pooled.where(pooled > 1e-12)).where(apart.abs() > 1e-12, 0.0)
    return effect.where(pooled > 1e-12, np.sign(apart) * np.where(apart.abs() > 1e-12, np.inf, 0.0)).fillna(
        0.0
    )


def compare(
    result: Segmentation, chosen: int | str | pd.Index | pd.Series | np.ndarray | list
) -> pd.DataFrame:
    """Compare a group of customers with all others.

    Parameters
    ----------
    result : Segmentation
        Its customers are compared.
    chosen : int, str, Index, list of ids, boolean Series on the customers' index, or boolean array in their order
        The group: a segment by its id or name, or any customers.

    Returns
    -------
    DataFrame of shape (n_prepared, 4)
        Indexed by `feature`, the strongest difference first: `effect` (Cohen's d; infinite where neither
        group varies and they differ), `inside` and `others`: medians in the feature's own `unit`, or shares of the
        customers for categories and missing values.

    Raises
    ------
    ValueError
        If the group is empty, holds all customers, or an unknown one, or there is no such segment.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> sg.compare(sg.segment(customers, n_segments=2), ["d", "e"])[["inside", "others"]]
               inside  others
    feature
    frequency    30.5     1.5
    """
    checked_result(result)
    inside = _membership(result, chosen)
    return _compared(result, inside, *comparable_values(result))


def _compared(
    result: Segmentation, inside: np.ndarray, prepared: pd.DataFrame, natural: pd.DataFrame, shares: pd.Series
) -> pd.DataFrame:
    units = result.provenance.get("units", {})
    ours, rest = natural[inside], natural[~inside]
    table = pd.DataFrame(
        {
            "effect": _cohen_d(prepared, inside),
            "inside": ours.median().where(~shares, ours.mean()),
            "others": rest.median().where(~shares, rest.mean()),
            "unit": ["share of customers" if share else units.get(f, "") for f, share in shares.items()],
        }
    )
    order = table["effect"].abs().fillna(np.inf).sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("feature")


def comparable_values(result: Segmentation) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Return prepared columns, the same before scaling, and which of them are 0/1, so that means are shares.

    A mixture makes words of many numbers; they are compared as the numbers that they are.
    """
    preparer, _ = preparer_and_clusterer(result.model)
    plain = preparer.plain_ if isinstance(preparer, MixturePreparer) else preparer
    prepared, customers = result.prepared, result.customers
    if isinstance(plain, Preparer):
        values, shares = plain.unscaled(customers)
        if plain is not preparer:
            prepared = pd.DataFrame(plain.matrix(customers), customers.index, values.columns)
        return prepared, values, pd.Series(shares, values.columns)
    numeric = set(customers.select_dtypes(["number", "bool"]).columns)
    columns = {c: customers[c].astype(float) if c in numeric else prepared[c] for c in prepared.columns}
    return (
        prepared,
        pd.DataFrame(columns),
        pd.Series({c: c not in numeric for c in prepared.columns}, dtype=bool),
    )


def _membership(
    result: Segmentation, chosen: int | str | pd.Index | pd.Series | np.ndarray | list
) -> np.ndarray:
    index = result.customers.index
    if isinstance(chosen, (int, np.integer, str)):
        return _checked_group(_in_segment(result, chosen))
    wanted = "It should be a segment, by its id or name, or a list of customers."
    check_type("chosen", chosen, (pd.Index, pd.Series, np.ndarray, list, tuple, set), wanted)
    if isinstance(chosen, pd.Series) and chosen.dtype == bool:
        inside = chosen.reindex(index, fill_value=False).to_numpy()
    elif isinstance(chosen, np.ndarray) and chosen.dtype == bool and len(chosen) == len(index):
        inside = chosen
    else:
        ids = pd.Index(list(chosen))
        unknown = ids.difference(index)
        if len(unknown):
            raise ValueError(
                f"{counted(len(unknown), 'customer is', 'customers are')} not in this segmentation, such as "
                f"{pd.Series(unknown).tolist()[0]!r}."
            )
        inside = index.isin(ids)
    return _checked_group(inside)


def _in_segment(result: Segmentation, segment: int | np.integer | str) -> np.ndarray:
    try:
        return (result.labels == result.segment_id(segment)).to_numpy()
    except ValueError as error:
        if segment in result.customers.index:
            raise ValueError(f"{error} It is a customer: compare(result, [{segment!r}]).") from error
        raise


def _checked_group(inside: np.ndarray) -> np.ndarray:
    """Return which customers are in the group, if some are and some are not."""
    if not inside.any() or inside.all():
        raise ValueError(
            f"The group holds {int(inside.sum()):,} of {counted(len(inside), 'customer')}, so there is nothing to "
            "compare. Choose some, but not all."
        )
    return inside


def profile(result: Segmentation) -> pd.DataFrame:
    """Compare each segment with all others.

    Parameters
    ----------
    result : Segmentation

    Returns
    -------
    DataFrame
        One row a segment and feature: `segment_id`, `segment`, `feature`, `effect`, `inside`, `others`,
        `unit`, as in :func:`compare`; the strongest effect of each segment first.

    Raises
    ------
    ValueError
        If there is no segment, or there are fewer than two groups of customers to compare.
    """
    checked_result(result)
    check_segments(result, "profile compares each segment with the other customers")
    values = comparable_values(result)
    parts = [
        _compared(result, _checked_group((result.labels == s).to_numpy()), *values)
        .reset_index()
        .assign(segment_id=s, segment=result.name_of(s))
        for s in result.segments
    ]
    table = pd.concat(parts, ignore_index=True)[
        ["segment_id", "segment", "feature", "effect", "inside", "others", "unit"]
    ]
    table.attrs["segkit"] = {"badge": result.badge}
    return table
