"""Measure lift: what a campaign did to each segment, against customers who were held out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import norm

from segkit.collect.events import Events
from segkit.methods.partition import Partition
from segkit.tailor.experiments.arms import CONTROL
from segkit.tailor.experiments.experiment_table import (
    EVERYONE,
    FAILED,
    ExperimentTable,
    differences_before,
    experiment_table,
    sample_ratio,
    shares_of,
)
from segkit.tailor.experiments.intervals import Difference, FixedLook, ManyLooks, benjamini_hochberg
from segkit.tailor.experiments.pooling import cochran_q, partial_pooling
from segkit.tailor.experiments.power import Chance
from segkit.tailor.experiments.wording import amount, p_in_words

SEEN = 0.8  # chance at which a lift counts as one that we would have seen
FEW_BUYERS = 30
SEGMENTS_DIFFER = 0.05  # p-value of Cochran's Q
WORTH_SAYING = 0.01  # share of the variance that `before` saves
COLUMNS = [
    *("arm", "segment", "treated", "held_out", "mean_treated", "mean_held_out", "lift", "low", "high"),
    *("pooled", "pooled_low", "pooled_high", "p", "q", "smallest_lift", "verdict"),
]


def lift(
    arms: pd.Series,
    outcomes: pd.Series | pd.DataFrame | Events,
    *,
    by: Partition | pd.Series | None = None,
    before: pd.Series | pd.DataFrame | Events | None = None,
    outcome: str | None = None,
    level: float = 0.95,
    fdr: float = 0.1,
    peeking: bool = False,
    control: str = CONTROL,
    shares: Mapping[str, float] | None = None,
    start: str | pd.Timestamp | None = None,
    horizon: str | timedelta | None = None,
) -> pd.DataFrame:
    """Measure the lift of a campaign, for all customers and by segment, against those held out.

    Parameters
    ----------
    arms : Series
        Arm of each customer, by id, as from :func:`segkit.assign_arms`.
    outcomes : Series, DataFrame or Events
        A number for each customer, by id. Outcomes of 0 and 1 are shares. A customer without one is left out, never
        taken for 0. Of Events, what happened between `start` and ``start + horizon``; there no event is 0.
    by : Segmentation or Series, optional
        Segments, made before the campaign. Customers outside (−1) and undecided ones have rows of their own.
    before : Series, DataFrame or Events, optional
        What is known of each customer from before the campaign, best the same measure; it makes intervals narrower. Of
        Events, the same outcome in as long a time before `start`.
    outcome : str, optional
        Column of a DataFrame. Of Events, "conversion" (any purchase; the default), "spend", or a kind of event.
    level : float, default=0.95
        Of the intervals.
    fdr : float, default=0.1
        Share of false ones that is allowed among the segments that are called.
    peeking : bool, default=False
        Whether results are looked at while they come in: intervals then hold at all looks together.
    control : str, default="held out"
        The arm that was not treated.
    shares : mapping of str to float, optional
        Share of each arm, where `arms` do not know them, as after being read from a file.
    start, horizon : str, optional
        When the treatment began, and how long outcomes count.

    Returns
    -------
    DataFrame
        For each treated `arm`, a row for all customers and one for each `segment`:

        * `treated`, `held_out`: customers whose outcome is known. `mean_treated`, `mean_held_out`.
        * `lift`: the difference of means, adjusted for `before`, and its interval `low`, `high`. The intervals of
          segments that are called are wider, so that they hold although they were chosen (FCR [1]_).
        * `pooled`, `pooled_low`, `pooled_high`: the lift pulled towards the mean of all segments, the best guess for a
          segment. Missing in the row for all.
        * `p`, `q`: p-value, and the false discovery rate at which the segment is called.
        * `smallest_lift`: what would have been called with 80 % chance.
        * `verdict` in words. Where arms differed clearly `before`, no lift is called: they were not assigned at random.

        ``attrs["segkit"]`` holds what was assumed, `sample_ratio` (p), `segments_differ` (Cochran's Q, by arm),
        `before_saved` (share of the variance), `before_unknown` (customers for whom the mean stands), `missing`
        outcomes by arm, and outcomes `without_an_arm`.

    Raises
    ------
    TypeError, ValueError
        If a customer has two arms or two outcomes, there is only one arm, or `before` is from after `start`.

    Notes
    -----
    Newcombe's interval for shares, Welch's for means, with CUPED for `before`; p-values are those at which the interval
    reaches 0. Benjamini–Hochberg over all segments and arms. Partial pooling after Paule & Mandel and Morris. With
    `peeking`, confidence sequences that are narrowest when all customers in `arms` have an outcome. So pass all
    customers from the first look on, with missing outcomes.

    References
    ----------
    .. [1] Benjamini & Yekutieli (2005), False discovery rate–adjusted multiple confidence intervals, JASA 100.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_experiment()
    >>> table = sg.lift(shop.arms, shop.outcomes, outcome="conversion", by=shop.segments)
    >>> table.loc[0, "verdict"]
    'more: +2.2 points (0.80 to 3.4); segments differ (p = 0.0032)'
    >>> table.loc[1, ["segment", "verdict"]].to_list()
    ['Bargain hunters', 'more: +6.2 points (1.9 to 9.2)']
    """
    for name, value in {"level": level, "fdr": fdr}.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
            raise ValueError(f"{name}={value!r} should lie between 0 and 1.")
    table = experiment_table(
        arms, outcomes, by=by, before=before, outcome=outcome, control=control, start=start, horizon=horizon
    )
    known_shares = shares_of(table.arms, None if shares is None else dict(shares))
    ratio = float("nan") if known_shares is None else sample_ratio(table.arms, known_shares)
    moments = table.moments()
    segments = [] if table.segments is None else list(table.segments.cat.categories)
    parts = []
    for arm in moments:
        if arm != control:
            differs = Difference(moments[arm], moments[control], shares=table.shares)
            looks = _looks(table, arm, control, segments, 1 - level) if peeking else FixedLook()
            parts.append((arm, differs, looks))
    rows = pd.concat([_rows(*part, segments) for part in parts], ignore_index=True)
    _call(rows, [(d, looks) for _, d, looks in parts], segments, level=level, fdr=fdr)
    differ = _pool(rows, [(d, looks) for _, d, looks in parts], segments, level) if len(segments) > 1 else {}
    saved = None if before is None else float(np.nanmax([d.saved[-1] for _, d, _ in parts]))
    differed = {arm: p for arm, (_, p) in differences_before(table, control).items()}
    rows["verdict"] = _verdicts(rows, table.shares, differ, saved, ratio, differed)
    missing = np.isnan(table.outcomes)
    place = dict(zip(moments, range(len(moments)), strict=True))
    order = np.lexsort((rows["segment"] != EVERYONE, rows["arm"].map(place)))
    result = rows[COLUMNS].iloc[order].reset_index(drop=True)
    result.attrs["segkit"] = {
        **{k: v for k, v in table.arms.attrs.get("segkit", {}).items() if k in ("experiment", "shares")},
        **({} if known_shares is None else {"shares": known_shares}),
        **{"control": control, "outcome": outcome, "unit": "share" if table.shares else "mean"},
        **{"level": level, "fdr": fdr, "peeking": peeking, "sample_ratio": ratio},
        **{"segments_differ": differ, "before_saved": saved, "without_an_arm": table.strangers},
        "before_unknown": 0 if table.before is None else int(np.isnan(table.before).sum()),
        "missing": table.arms[missing].value_counts().to_dict(),
    }
    return result


def _looks(table: ExperimentTable, arm: str, control: str, segments: list[str], alpha: float) -> ManyLooks:
    """Return limits for many looks, from how many of the customers that were assigned have an outcome."""
    known = ~np.isnan(table.outcomes)
    place = np.zeros(len(known), dtype=int) if table.segments is None else table.segments.cat.codes.to_numpy()

    def information(which: np.ndarray) -> np.ndarray:
        sizes = []
        for name in (arm, control):
            inside = which & (table.arms == name).to_numpy()
            by_segment = np.bincount(place[inside], minlength=max(len(segments), 1))
            sizes.append(np.append(by_segment, by_segment.sum()) if segments else by_segment)
        return 1 / (1 / np.maximum(sizes[0], 1e-9) + 1 / np.maximum(sizes[1], 1e-9))

    return ManyLooks(information(known) / information(np.ones(len(known), dtype=bool)), alpha)


def _rows(arm: str, differs: Difference, looks: FixedLook | ManyLooks, segments: list[str]) -> pd.DataFrame:
    """Return the rows of an arm: segments, then all customers."""
    table = pd.DataFrame({"arm": arm, "segment": pd.Series([*segments, EVERYONE], dtype="str")})
    for name, side in (("treated", differs.treated), ("held_out", differs.held_out)):
        table[name] = side.n.astype(int)
        table[f"mean_{name}"] = side.mean
    table["buyers"] = differs.held_out.responses
    table["lift"], table["p"] = differs.estimate, looks.p(differs.z)
    table[["pooled", "pooled_low", "pooled_high"]] = np.nan
    return table


def _call(
    rows: pd.DataFrame,
    parts: list[tuple[Difference, FixedLook | ManyLooks]],
    segments: list[str],
    *,
    level: float,
    fdr: float,
) -> None:
    """Add q, whether a row is called, intervals, and the smallest lift that would have been called."""
    everyone = (rows["segment"] == EVERYONE).to_numpy()
    rows["q"] = benjamini_hochberg(rows["p"].where(~everyone).to_numpy())
    rows["called"] = np.where(everyone, rows["p"] <= 1 - level, rows["q"] <= fdr)
    asked = int(rows["q"].notna().sum())
    called = int((rows["called"] & ~everyone).sum())
    chosen = np.where(rows["called"] & ~everyone, (1 - level) * called / max(asked, 1), 1 - level)
    alone = np.where(everyone, 1 - level, fdr * min(called + 1, asked) / max(asked, 1))
    ends = []
    for i, (differs, looks) in enumerate(parts):
        mine = slice(i * (len(segments) + 1), (i + 1) * (len(segments) + 1))
        low, high = differs.interval(looks.z(chosen[mine]))
        smallest = _smallest_lift(differs, looks.z(np.maximum(alone[mine], 1e-300)))
        ends.append(
            pd.DataFrame({"low": low, "high": high, "smallest_lift": smallest, "error": differs.error})
        )
    rows[["low", "high", "smallest_lift", "error"]] = pd.concat(ends, ignore_index=True)


def _smallest_lift(differs: Difference, z: np.ndarray) -> np.ndarray:
    """Return the smallest lift that would have been seen with 80 % chance."""
    if not differs.shares:
        return (z + norm.ppf(SEEN)) * differs.error
    held_out = differs.held_out
    chance = Chance(held_out.mean, held_out.mean * (1 - held_out.mean), shares=True, z=z)
    return chance.smallest_lift(SEEN, differs.treated.n, held_out.n) * np.sqrt(1 - differs.saved)


def _pool(
    rows: pd.DataFrame,
    parts: list[tuple[Difference, FixedLook | ManyLooks]],
    segments: list[str],
    level: float,
) -> dict[str, dict[str, float]]:
    """Add pooled lifts, and return by arm whether segments differ."""
    found = {}
    for i, (_, looks) in enumerate(parts):
        first = i * (len(segments) + 1)
        own = rows.iloc[first : first + len(segments)]
        own = own[own["error"] > 0]
        estimates, errors = own["lift"].to_numpy(), own["error"].to_numpy()
        q, p = cochran_q(estimates, errors)
        found[str(rows.loc[first, "arm"])] = {"q": q, "p": p}
        pooled, error = partial_pooling(estimates, errors)
        half = np.broadcast_to(looks.z(1 - level), (len(segments) + 1,))[own.index - first] * error
        rows.loc[own.index, ["pooled", "pooled_low", "pooled_high"]] = np.column_stack(
            [pooled, pooled - half, pooled + half]
        )
    return found


def _verdicts(
    rows: pd.DataFrame,
    shares: bool,
    differ: Mapping[str, Mapping[str, float]],
    saved: float | None,
    ratio: float,
    differed: Mapping[str, float],
) -> list[str]:
    """Say of each row what was found, in words; nothing of arms that differed before, as if not drawn at random."""
    start = (
        f"sample ratio failed ({p_in_words(ratio)}), so arms may differ anyway: " if ratio < FAILED else ""
    )
    verdicts = []
    for row in rows.to_dict("records"):
        p = differed.get(row["arm"], 1.0)
        if p < FAILED:
            verdicts.append(
                f"{start}not called: the arms differed before ({p_in_words(p)}), so this is no lift"
            )
            continue
        words = [_finding(row, shares)]
        if row["buyers"] < FEW_BUYERS and row["error"] > 0:
            words.append(f"only {int(row['buyers'])} of those held out responded")
        if row["segment"] == EVERYONE:
            words += [_segments_in_words(differ[row["arm"]]["p"])] if differ else []
            words += [] if saved is None else [f"before saved {_saved_in_words(saved)}"]
        verdicts.append(start + "; ".join(words))
    return verdicts


def _finding(row: Mapping[str, float], shares: bool) -> str:
    if min(row["treated"], row["held_out"]) < 2:
        return "too few customers to compare"
    if np.isnan(row["p"]):
        return "all treated, or all held-out customers have the same outcome, so there is no interval"
    if not row["called"]:
        alone = row["low"] > 0 or row["high"] < 0
        among = f" among several segments (alone it would be one, {p_in_words(row['p'])})" if alone else ""
        if np.isnan(row["smallest_lift"]):
            return f"no difference found{among}; too few customers to see any lift"
        return (
            f"no difference found{among}; we would have seen {amount(row['smallest_lift'], shares)} or more"
        )
    ends = f"{amount(row['low'], shares, unit=False)} to {amount(row['high'], shares, unit=False)}"
    return f"{'more' if row['lift'] > 0 else 'less'}: {amount(row['lift'], shares, signed=True)} ({ends})"


def _segments_in_words(p: float) -> str:
    if np.isnan(p):
        return "too few segments to compare"
    found = "segments differ" if p < SEGMENTS_DIFFER else "no difference between segments found"
    return f"{found} ({p_in_words(p)})"


def _saved_in_words(saved: float) -> str:
    return f"{100 * saved:.0f} % of the variance" if saved >= WORTH_SAYING else "under 1 % of the variance"
