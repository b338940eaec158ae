"""Keep apart what built the segments, of which only effects are told, from what was kept out, which is tested."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.core.checks import check_frame, check_seed, checked_customers
from segkit.core.disclosure import MINIMUM, check_minimum, fewer_than, is_few, may_have_mean
from segkit.create.segmentation import Segmentation
from segkit.explain.cross import cramers_v
from segkit.explain.differences import differences, is_share
from segkit.explain.profile import (
    grouped,
    hidden_facts,
    is_described,
    of_customers,
    profile,
    said,
    used_features,
)
from segkit.explain.rank_tests import Tested, adjusted, numbers_differ, words_differ
from segkit.methods.assignment import OUTSIDE, Assigner, preparer_and_clusterer
from segkit.methods.fitting import METHODS, fit_and_label, make_model
from segkit.methods.partition import check_segments, checked_result, plain_preparer

BUILT, KEPT_OUT, LEFT_OUT_ONCE = "built the segments", "kept out", "left out once"
ALL_SEGMENTS = "all segments"
SAME = 0.98  # rank correlation from which a column says the same as another
LOOKED = 20_000  # customers by whom copies are noticed
LEAST_P = 1e-4  # that is told; smaller ones tell counts
MOST_VALUES = 100  # different ones of a column that could stand for the segments
SMALL = 0.2  # Cohen's d, a small effect after Cohen (1988)
NORMAL = 1.96  # quantile of 95 % intervals
COLUMNS = (
    "segment_id", "segment", "feature", "kind", "effect", "effect_low", "effect_high", "inside", "others", "unit",
    "test", "p", "q", "verdict", "column",
)  # fmt: skip


def evidence(
    result: Segmentation,
    held_out: pd.DataFrame | None = None,
    *,
    split: bool = False,
    fdr: float = 0.05,
    random_state: int = 0,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Tell which differences between segments are evidence, and which only say how they were made.

    A test of a feature that built the segments says nothing: also in customers without any groups it finds a
    difference [1]_. So these get effect sizes only, and tests are of what was kept out.

    Parameters
    ----------
    result : Segmentation
    held_out : DataFrame, optional
        Features, attributes or outcomes that did not build the segments, indexed by customer.
    split : bool, default=False
        Whether to test each used feature too: segments are made without it from one half of the customers, the other
        half is assigned to them, and there the feature is tested.
    fdr : float, default=0.05
        Share of wrong findings among all findings that is accepted on average.
    random_state : int, default=0
        Seed of the halves and of the permutations.
    minimum : int, default=10
        Segments of fewer customers are named, and their verdict says that they are hidden; shares that fewer have, or
        lack, are missing. 1 shows everything.

    Returns
    -------
    DataFrame
        A row for each segment and feature, and for what is tested also one for "all segments" together:
        `segment_id`, `segment`, `feature`, `column`, `inside`, `others` and `unit` as from :func:`segkit.profile`;

        - `kind`: "built the segments", "kept out", or "left out once" (with `split`)
        - `effect`: Cohen's d; `effect_low`, `effect_high`: its 95 % interval, only for what was kept out and
          of segments of 100 or more
        - `test`: "Kruskal–Wallis" over all segments, "Mann–Whitney" of one against all others; "chi-square" of words
          and of shares; "exact" and "permutation" where fewer than five customers are expected in a cell
        - `p`, and `q`, its Benjamini–Hochberg adjustment over all tests of the table [2]_; rounded up to one digit and
          to .0001, and missing where the share is, since exact ones tell counts, unless ``minimum=1``
        - `verdict`, in words; a finding is a `q` of at most `fdr`

    Raises
    ------
    ValueError
        If there are fewer than two groups, no customer is in `held_out`, or fdr is no share.
    TypeError
        If `held_out` is no table.

    Notes
    -----
    A kept out column that says the same as a used feature (rank correlation of 0.98 or more), or as the segments
    themselves, is refused as evidence. One that is merely computed from used features is not noticed: leave it out.

    Halves alone do not make a test of a used feature valid, since the second half is assigned by the same feature
    [1]_. Therefore the feature is left out. The test then answers whether it differs between segments that are made
    without it: it may since the features are correlated, without any groups.

    Customers of whom `held_out` knows nothing at all are left out, and counted in ``.attrs["segkit"]["without"]``.
    Intervals are of normal theory [3]_, for each row by itself.

    References
    ----------
    .. [1] Gao, Bien & Witten (2024), Selective inference for hierarchical clustering, JASA 119.
    .. [2] Benjamini & Hochberg (1995), Controlling the false discovery rate, JRSS B 57.
    .. [3] Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 5.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import segkit as sg
    >>> visits = pd.DataFrame({"visits": np.r_[1:21, 61:81]})
    >>> later = pd.DataFrame({"opened": [False] * 18 + [True] * 22})
    >>> table = sg.evidence(sg.segment(visits, n_segments=2), later, minimum=1)
    >>> table.loc[[0, 1, 3], ["segment", "feature", "kind", "test", "verdict"]]
            segment feature                kind        test                         verdict
    0  all segments  opened            kept out  chi-square        differs between segments
    1     Segment 0  opened            kept out  chi-square          more often than others
    3     Segment 0  visits  built the segments              not tested: built the segments
    """
    checked_result(result)
    check_segments(result, "evidence is about differences between segments")
    check_seed(random_state)
    check_minimum(minimum)
    if not isinstance(fdr, (int, float)) or isinstance(fdr, bool) or not 0 < fdr < 1:
        raise ValueError(f"fdr={fdr!r} should be a share of wrong findings, such as 0.05.")
    rng = np.random.default_rng(random_state)
    used = profile(result, minimum=minimum)
    used = used[used["used"]]
    parts = [used.assign(kind=BUILT, verdict=f"not tested: {BUILT}")]
    if held_out is not None:
        wanted = "It should be a table of what did not build the segments, indexed by customer."
        check_frame("held_out", held_out, wanted)
        parts.append(_kept_out(result, held_out, rng, minimum))
    if split:
        parts.append(_left_out_once(result, rng))
    table = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    table["q"] = adjusted(table["p"].to_numpy(dtype=float))
    table = table.astype({"segment_id": "Int64", "test": "str", "segment": "str"}).fillna({"test": ""})
    few = [s for s in result.segments if is_few((result.labels == s).sum(), minimum)]
    table.loc[table["segment_id"].isin(few), "verdict"] = fewer_than(minimum)
    table["verdict"] = [
        row.verdict if isinstance(row.verdict, str) else _verdict(row, fdr) for row in table.itertuples()
    ]
    if minimum > 1:
        table = _without_exact_tests(table, fdr)
    order = {kind: at for at, kind in enumerate((KEPT_OUT, LEFT_OUT_ONCE, BUILT))}
    table = table.assign(
        by_kind=table["kind"].map(order),
        by_segment=table["segment_id"].fillna(OUTSIDE),
        by_effect=-table["effect"].abs().fillna(-1),
    )
    table = table.sort_values(["by_kind", "by_segment", "q", "by_effect"], kind="stable", ignore_index=True)
    table = table[list(COLUMNS)]
    without = max((part.attrs.get("without", 0) for part in parts), default=0)
    table.attrs["segkit"] = {
        "badge": result.badge,
        "fdr": fdr,
        "without": without,
        **hidden_facts(result, minimum),
    }
    return table


def _without_exact_tests(table: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """Return the table without what tells counts: tests of shares that are hidden, and digits of all others."""
    found, hidden = table["q"] <= fdr, table["inside"].isna() & (table["segment"] != ALL_SEGMENTS)
    for field in ("p", "q"):
        value = table[field].clip(lower=LEAST_P)
        digit = 10 ** np.floor(np.log10(value))
        table[field] = (np.ceil((value / digit).round(6)) * digit).mask(hidden)
    table["q"] = table["q"].mask(found & (table["q"] > fdr), fdr)
    table[["effect_low", "effect_high"]] = table[["effect_low", "effect_high"]].round(2)
    return said(table, 2)


def _verdict(row: object, fdr: float) -> str:
    """Return in words what a test found."""
    q, effect, over_all = row.q, row.effect, row.segment == ALL_SEGMENTS  # type: ignore[attr-defined]
    if pd.isna(q):
        return "cannot be told: too few known, or all alike"
    if q > fdr:
        return "no difference shown"
    if over_all or pd.isna(effect):
        return "differs between segments"
    if not effect:  # of medians that are the same
        return "differs from others"
    share = is_share(row.unit)  # type: ignore[attr-defined]
    more, less = ("more often", "less often") if share else ("higher", "lower")
    return f"{more if effect > 0 else less} than others{', but hardly' * (abs(effect) < SMALL)}"


def _kept_out(
    result: Segmentation, held_out: pd.DataFrame, rng: np.random.Generator, minimum: int
) -> pd.DataFrame:
    """Return the effects and tests of what did not build the segments."""
    units = result.provenance.get("units", {}) | (held_out.attrs.get("segkit") or {}).get("units", {})
    frame = checked_customers(of_customers(result, held_out, "held_out"))
    there = frame.notna().any(axis=1).to_numpy()
    there = there | (not there.any())
    without = int((~there).sum())
    there &= is_described(result.labels, minimum)
    if not there.any():
        raise ValueError(
            f"held_out knows nothing of a segment of {minimum:,} customers or more, so there is nothing to test. "
            "Make fewer segments, or see everything by minimum=1."
        )
    everyone, frame = frame, frame[there]
    preparer = make_preparer().fit(frame)
    groups = grouped(result.labels[there], result.segments, minimum=minimum)
    table = differences(frame, preparer, groups, units)
    segments = np.array(result.segments)
    at = table["group"].to_numpy()
    table["segment_id"] = segments[at]
    table["segment"] = [result.name_of(int(s)) for s in segments[at]]
    described = set(table["feature"])
    copies = _copies(result, everyone, preparer, there)
    alone: dict[str, Tested] = {}
    over_all: list[dict[str, object]] = []
    for feature, column, values in _columns(preparer, frame):
        if feature in described:
            tested = numbers_differ(values, groups.codes, groups.k, rng)
            alone[feature] = tested
            if column not in _word_columns(preparer) or feature == f"{column} missing":
                over_all.append(
                    {"feature": feature, "column": column, "p": tested.p_all, "test": tested.test_all}
                )
    for column in _word_columns(preparer):
        p, test = words_differ(frame[column], groups.codes, groups.k, rng)
        over_all.append({"feature": column, "column": column, "p": p, "test": test})
    pairs = list(zip(table["feature"], at, strict=True))
    none = Tested.unknown(groups.k)
    table["p"] = [alone.get(f, none).p[g] for f, g in pairs]
    table["test"] = [alone.get(f, none).tests[g] for f, g in pairs]
    half = NORMAL * _errors(table["effect"], [alone.get(f, none) for f, _ in pairs], at)
    half[table["effect"].isna().to_numpy()] = np.nan
    sizes = np.bincount(groups.codes, minlength=groups.k + 1)
    of_means = may_have_mean(sizes, minimum) & may_have_mean(len(frame) - sizes, minimum)
    half[~of_means[at] & ~np.array([is_share(u) for u in table["unit"]])] = np.nan  # of medians
    table["effect_low"], table["effect_high"] = table["effect"] - half, table["effect"] + half
    every = pd.DataFrame(over_all).assign(segment=ALL_SEGMENTS, unit="")
    table = pd.concat([every, table], ignore_index=True).assign(kind=KEPT_OUT)
    of_words = {c: [f for f in copies if f.startswith(f"{c} = ")] for c in _word_columns(preparer)}
    copies |= {c: copies[same[0]] for c, same in of_words.items() if same}
    refused = table["feature"].isin(copies)
    table["verdict"] = [
        f"no evidence: says the same as {copies[f]}" if r else None
        for f, r in zip(table["feature"], refused, strict=True)
    ]
    table.loc[refused, ["p", "effect_low", "effect_high"]] = np.nan
    table.loc[refused, "test"] = ""
    table.attrs["without"] = without
    return table


def _errors(effects: pd.Series, tested: list[Tested], at: np.ndarray) -> np.ndarray:
    """Return the standard errors of effects."""
    ours = np.array([t.sizes[g] for t, g in zip(tested, at, strict=True)], dtype=float)
    every = np.array([t.n for t in tested], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(every / (ours * (every - ours)) + effects.to_numpy() ** 2 / (2 * every))


def _word_columns(preparer: Preparer) -> list[str]:
    names = list(preparer.feature_names_in_)
    return [str(names[i]) for i, levels in preparer.levels_.items() if levels]


def _columns(preparer: Preparer, frame: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield each described column: its name, the column that it comes from, and its values; missing as NaN."""
    values, _ = preparer.unscaled(frame)
    for at, (name, owners) in enumerate(zip(values.columns, preparer.owners_, strict=True)):
        yield str(name), str(owners[0]), np.ascontiguousarray(values.iloc[:, at].to_numpy())


def _copies(
    result: Segmentation, frame: pd.DataFrame, preparer: Preparer, there: np.ndarray
) -> dict[str, str]:
    """Return which kept out columns say the same as a used feature or as the segments, and as which."""
    order = result.order[there[result.order]]
    order = order[:: max(len(order) // LOOKED, 1)]
    plain = plain_preparer(result)
    built, _ = plain.unscaled(result.customers.iloc[order])
    used = used_features(result)
    built = built.loc[:, [bool(used & set(owners)) for owners in plain.owners_]]
    labels = result.labels.iloc[order]
    segments = {f"the segment {result.name_of(s)}": (labels == s).to_numpy(float) for s in result.segments}
    names = [*(f"{name}, which {BUILT}" for name in built.columns), *segments]
    known = pd.DataFrame(np.column_stack([built.to_numpy(), *segments.values()]))
    kept, _ = preparer.unscaled(frame.iloc[order])
    theirs, ours = (_standard_ranks(t) for t in (kept, known))
    has, had = (np.isfinite(t).astype(float) for t in (theirs, ours))
    theirs, ours = np.nan_to_num(theirs), np.nan_to_num(ours)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.abs(theirs.T @ ours) / np.sqrt(((theirs**2).T @ had) * (has.T @ ours**2))
    alike = np.nan_to_num(alike)
    same = alike.max(axis=1) >= SAME
    copies = {str(f): names[alike[i].argmax()] for i, f in enumerate(kept.columns) if same[i]}
    for column in frame.columns:
        values = frame[column].iloc[order].reset_index(drop=True)
        if values.nunique() <= MOST_VALUES and _tells(values, labels.reset_index(drop=True)):
            owned = (str(f) for f, of in zip(kept.columns, preparer.owners_, strict=True) if column in of)
            copies |= dict.fromkeys(owned, "the segments")
    return copies


def _tells(values: pd.Series, labels: pd.Series) -> bool:
    """Return whether the values tell the segments, or the segments the values."""
    association = cramers_v(pd.crosstab(labels, values).to_numpy())
    return bool(association >= SAME)


def _standard_ranks(table: pd.DataFrame) -> np.ndarray:
    values = table.set_axis(range(table.shape[1]), axis=1).rank()
    return (values - values.mean()).to_numpy()


def _left_out_once(result: Segmentation, rng: np.random.Generator) -> pd.DataFrame:
    """Return a test of each used feature, in one half of the customers, by segments of the other half without it."""
    customers = result.customers.iloc[result.order]
    first = np.zeros(len(customers), dtype=bool)
    first[rng.permutation(len(customers))[: len(customers) // 2]] = True
    rows = []
    for feature in customers.columns:
        if feature not in used_features(result):
            continue
        codes = _codes_without(result, customers, feature, first)
        column = customers.loc[~first, [feature]]
        preparer = make_preparer().fit(column)
        row: dict[str, object] = {"feature": feature, "column": feature, "p": np.nan, "test": ""}
        if codes is None:
            row["verdict"] = "cannot be told: no segments are made without it"
        elif _word_columns(preparer):
            row["p"], row["test"] = words_differ(column[feature], codes, int(codes.max()) + 1, rng)
        else:
            _, _, values = next(_columns(preparer, column))
            tested = numbers_differ(values, codes, int(codes.max()) + 1, rng)
            row["p"], row["test"] = tested.p_all, tested.test_all
        rows.append(row)
    return pd.DataFrame(rows).assign(segment=ALL_SEGMENTS, unit="", kind=LEFT_OUT_ONCE)


def _codes_without(
    result: Segmentation, customers: pd.DataFrame, feature: str, first: np.ndarray
) -> np.ndarray | None:
    """Return the segments of one half by a model of the other half without a feature; None where there are none."""
    fewer = customers.drop(columns=feature)
    if fewer.shape[1] == 0:
        return None
    try:
        model = _model_without(result, fewer[first], feature)
        raw, prepared = fit_and_label(model, fewer[first])
        names = [str(i) for i in range(prepared.shape[1])]
        assigner = Assigner(
            model, pd.DataFrame(prepared, columns=names), pd.Series(raw), {int(i): int(i) for i in raw}
        )
        labels = assigner(fewer[~first])
    except ValueError:  # RFM scores, for instance, need all three features
        return None
    known = np.unique(labels[labels != OUTSIDE])
    if len(known) < 2:
        return None
    codes = np.searchsorted(known, labels)
    return np.where(labels == OUTSIDE, len(known), np.minimum(codes, len(known) - 1))


def _model_without(result: Segmentation, customers: pd.DataFrame, feature: str) -> BaseEstimator:
    """Return the result's own model, not fitted, for these customers."""
    method = result.provenance.get("method")
    preparer, _ = preparer_and_clusterer(result.model)
    if isinstance(preparer, Preparer):
        model = clone(result.model)
        weights = {k: w for k, w in (preparer.weights or {}).items() if k != feature}
        return model.set_params(**{f"{model.steps[0][0]}__weights": weights or None})
    if method in METHODS:
        seed = result.provenance.get("random_state")
        n_segments = len(result.segments)
        return make_model(method, n_segments, customers, seed if isinstance(seed, int) else 0)
    return clone(result.model)
