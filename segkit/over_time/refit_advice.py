"""Advise whether to keep a segmentation, recentre it, or fit it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone

from segkit.collect.events import Events
from segkit.core.order import by_id
from segkit.create.recentre import FEWEST, recentred
from segkit.methods.assignment import prepared_matrix, preparer_and_clusterer, rule_of
from segkit.methods.fitting import METHODS, fit_and_label, make_model, without_cache
from segkit.methods.partition import VALUE_BANDS, Partition
from segkit.over_time.drift import CONCEPT, FEED, POPULATION, SEASON, UNKNOWN, drift
from segkit.over_time.periods import place, read_periods
from segkit.trust.micro_clusters import adjusted_rand, contingency

KEEP, RECENTRE, REFIT = "keep", "recentre", "refit"
LOOKED_AT = 3_000  # customers that fits are compared on
LASTS = 3  # periods for which something has to drift before anything is changed
RESAMPLES = 10
SLACK = 0.05  # of the adjusted Rand index; smaller differences are none


@dataclass(frozen=True)
class Comparison:
    """How alike the segments of the frozen and the recentred model are to those of a fresh fit.

    Attributes
    ----------
    frozen, recentred : float
        Adjusted Rand index; `recentred` is missing where the model cannot be.
    line : float
        Least that counts as the same: the lowest of fresh fits to resampled customers, less 0.05.
    """

    frozen: float
    recentred: float
    line: float


def refit_advice(
    result: Partition, tables: pd.DataFrame, events: Events | None = None, outcome: str | None = None
) -> pd.DataFrame:
    """Advise whether to keep a segmentation, recentre it, or fit it again, as of the latest period.

    Parameters
    ----------
    result, tables, events, outcome
        As in :func:`segkit.drift`.

    Returns
    -------
    DataFrame
        One row, indexed by `as_of`, the latest period:

        * `advice`: "keep", "recentre" or "refit", and the `reasons` in words.
        * `call`: what to run; ids and names stay. `now` there is the latest table, `result` the segmentation.
        * `verdict`: that of :func:`segkit.drift` that counts now.
        * `frozen` and `recentred`: how alike the segments are to those of a fresh fit (adjusted Rand index, 1 is the
          same); `line`: from which that counts as the same. Missing where not compared.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.drift`.

    Notes
    -----
    Keep where nothing drifts, in a season, where data are missing (mend the feed first), and where a drift has not
    lasted 3 periods: it may pass, as in December. Fit again where customers do something else next. Where the
    customers are others, compare with a fresh
    fit: keep if the frozen model draws the same segments, recentre if it does once features are measured where
    customers are now, else fit again. "The same" is no less than the lowest of 10 fits to resampled customers agrees
    with the fresh fit, less 0.05. At most 3,000 customers are looked at.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_shop_over_time(500, n_periods=12)
    >>> first = shop.tables.loc[shop.tables.index[0][0]]
    >>> sg.refit_advice(sg.segment(first, n_segments=4), shop.tables)["advice"].item()
    'keep'
    """
    verdicts = drift(result, tables, events, outcome)
    moment, now = list(read_periods(result, tables).items())[-1]
    verdict, lasted = _latest(verdicts)
    advice, reasons, same = _advice(result, now, verdict, lasted, verdicts)
    values = [np.nan] * 3 if same is None else [same.frozen, same.recentred, same.line]
    row = pd.DataFrame(
        [[advice, reasons, _call(result, advice), verdict, *values]],
        columns=["advice", "reasons", "call", "verdict", "frozen", "recentred", "line"],
        index=pd.DatetimeIndex([moment], name="as_of"),
    )
    return row.astype(dict.fromkeys(("advice", "reasons", "call", "verdict"), "str"))


def _latest(verdicts: pd.DataFrame) -> tuple[str, int]:
    """Return the verdict that counts now, and for how many periods something has drifted.

    What customers do after the latest period is often not known yet; then the one before says whether it changed.
    """
    told = list(verdicts["verdict"])
    drifts = [verdict in (CONCEPT, POPULATION) for verdict in told]
    unknown = len(told) > 1 and np.isnan(verdicts["outcome"].iloc[-1])
    if unknown and told[-1] != FEED and told[-2] == CONCEPT:
        told[-1], drifts[-1] = CONCEPT, True
    return told[-1], next((n for n, moved in enumerate(reversed(drifts)) if not moved), len(drifts))


def _advice(
    result: Partition, now: pd.DataFrame, verdict: str, lasted: int, verdicts: pd.DataFrame
) -> tuple[str, str, Comparison | None]:
    evidence = verdicts["evidence"].iloc[-1]
    if verdict == FEED:
        return KEEP, f"{evidence} Mend the feed first, and compute the tables again.", None
    if verdict in (CONCEPT, POPULATION) and lasted < LASTS:
        latest = verdicts["evidence"][verdicts["verdict"].isin([CONCEPT, POPULATION])].iloc[-1]
        wait = f"It may pass: wait until it has lasted {LASTS} periods, now {lasted}."
        return KEEP, f"{latest} {wait}", None
    if verdict == CONCEPT:
        latest = verdicts["evidence"][verdicts["verdict"] == CONCEPT].iloc[-1]
        return REFIT, f"{latest} The same features foretell something else now.", None
    if verdict not in (POPULATION, UNKNOWN):
        said = "A season comes back by itself." if verdict == SEASON else "Nothing drifts."
        return KEEP, f"{said} {evidence}", None
    if len(now) < FEWEST * len(result.segments):
        return KEEP, f"{evidence} Of {len(now):,} customers, too few for another fit.", None
    same = _compared(result, now)
    if same.frozen >= same.line:
        enough = f"as well as fits to resampled customers do ({same.line:.2f} or more)"
        return KEEP, f"{evidence} A fresh fit agrees with the segments ({same.frozen:.2f}) {enough}.", same
    differs = (
        f"{evidence} A fresh fit differs ({same.frozen:.2f}, where resampled customers give {same.line:.2f})"
    )
    if same.recentred >= same.line:
        return (
            RECENTRE,
            f"{differs}, and agrees once recentred ({same.recentred:.2f}): all moved alike.",
            same,
        )
    also = "" if np.isnan(same.recentred) else f", also once recentred ({same.recentred:.2f})"
    return REFIT, f"{differs}{also}.", same


def _compared(result: Partition, now: pd.DataFrame) -> Comparison:
    """Compare the frozen and the recentred model with a fresh fit to the latest customers."""
    rng = np.random.default_rng(0)
    ordered = by_id(now)[list(result.customers.columns)]
    if len(ordered) > LOOKED_AT:
        ordered = ordered.iloc[np.sort(rng.choice(len(ordered), LOOKED_AT, replace=False))]
    fresh = _fresh_labels(result, ordered, ordered)
    drawn = [ordered.iloc[rng.integers(len(ordered), size=len(ordered))] for _ in range(RESAMPLES)]
    agreed = [_alike(_fresh_labels(result, sample, ordered), fresh) for sample in drawn]
    try:
        moved = _alike(recentred(result, ordered)[1].to_numpy(), fresh)
    except ValueError:  # rules and bands, which have nothing to recentre
        moved = np.nan
    return Comparison(_alike(place(result, ordered).to_numpy(), fresh), moved, min(agreed) - SLACK)


def _fresh_labels(result: Partition, learn: pd.DataFrame, customers: pd.DataFrame) -> np.ndarray:
    """Return the labels of customers by the same kind of model, fitted to others."""
    facts = result.provenance
    model = (
        make_model(facts["method"], facts["n_segments"], learn, facts["random_state"] or 0)
        if facts["method"] in METHODS
        else without_cache(clone(result.model))
    )
    raw, prepared = fit_and_label(model, learn)
    preparer, clusterer = preparer_and_clusterer(model)
    return rule_of(clusterer, prepared, raw)(prepared_matrix(preparer, customers))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    return adjusted_rand(contingency(one, other, np.ones(len(one))))


def _call(result: Partition, advice: str) -> str:
    """Return what to run."""
    if advice == KEEP:
        return "result.assign(now)"
    if advice == RECENTRE:
        return "segment(now, previous=result, refit='recentre')"
    facts = result.provenance
    if facts["method"] == VALUE_BANDS:
        return f"value_bands(now, by={facts.get('by')!r}, n_bands={facts['n_segments']})"
    if facts["method"] not in METHODS:
        return "segment(now, model=result.model, previous=result)"
    number = "" if facts["n_segments"] is None else f"n_segments={facts['n_segments']}, "
    return f"segment(now, {number}method={facts['method']!r}, previous=result)"
