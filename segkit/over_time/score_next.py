"""Score predictions of the next segment on periods that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.over_time.forecasters import MARKOV, STAYS, Moved, fit_markov, fit_stays, surely_less, together
from segkit.over_time.horizons import (
    Pair,
    checked_pairs,
    gaps,
    overlap,
    overlap_in_words,
    pairs_apart,
    read_horizon,
    testable,
    window_of,
)
from segkit.over_time.next_segment import STEPS
from segkit.over_time.periods import checked_periods
from segkit.over_time.transitions import Transitions

OURS = "next_segment"
GROUPS = 10  # of equally many probabilities, in each of which the mean is compared with what came true
BETTER, AS_GOOD, WORSE = "better", "as good", "worse"
Tested = tuple[np.ndarray, Moved]
"""Probabilities of the customers of a test period, and where they went."""


def score_next(
    result: Segmentation, tables: pd.DataFrame, horizon: str | timedelta = "1 month"
) -> pd.DataFrame:
    """Score :func:`next_segment` against two simple forecasts, period by period.

    Parameters
    ----------
    result : Segmentation
    tables : DataFrame
        From :func:`segkit.snapshots`.
    horizon : str or timedelta, default="1 month"
        How far to look ahead. Where the features look back farther than that, the shortest horizon of which windows do
        not overlap is scored too, and comes first.

    Returns
    -------
    DataFrame
        A row for each horizon, test period and method:

        * `horizon`, `start`, `end`: the test period. All is learnt from pairs of tables that ended by its start.
        * `method`: "stays" (everybody stays with the same probability), "Markov chain" (the share of each segment that
          went to each), or "next_segment"; `model`: what the method used.
        * `customers` tested: those of the table at the start, at most 20,000 drawn at random.
        * `log_loss` (natural logarithm), `brier` (sum over the targets), and `ece`: how far the probability of the
          likeliest target is from the share of cases where it came true, on average over ten groups of customers. By
          chance alone it is about 1.1 / √customers even where all probabilities are true: .023 with 2,300.
        * `verdict`: whether the log loss is "better" or "worse" than that of the Markov chain by more than two standard
          errors, or "as good"; empty for the chain itself.

        ``.attrs["segkit"]`` has a `verdict` in words, the `calibration_error` of each horizon over all its test periods
        together, and the points of :func:`segkit.plot_next`.

    Raises
    ------
    TypeError, ValueError
        As :func:`next_segment`; and if no pair of moments begins after two others have ended.

    Notes
    -----
    Customers who were not there at the start are not tested: nobody can say where they come from.

    Examples
    --------
    >>> import segkit as sg
    >>> tables = sg.datasets.make_shop_over_time(300, n_periods=5, same_customers=True).tables
    >>> result = sg.segment(tables.loc["2024-01-01"], n_segments=3)
    >>> scores = sg.score_next(result, tables, horizon="1 week")
    >>> list(scores["method"].unique()), scores["start"].nunique()
    (['stays', 'Markov chain', 'next_segment'], 2)
    """
    periods = checked_periods(result, tables)
    moments = list(periods)
    window = window_of(tables, result.provenance)
    asked = {str(horizon): checked_pairs(moments, horizon, test=True)}
    horizons = _without_overlap(moments, window, asked[str(horizon)]) | asked
    transitions = Transitions(result, periods)
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    verdicts, errors = {}, {}
    total = STEPS * sum(len(testable(pairs)) for pairs in horizons.values())
    with (
        tqdm(total=total, desc="Testing on earlier periods", delay=1, leave=False) as bar,
        threadpool_limits(limits=1),
    ):
        for name, pairs in horizons.items():
            tested: list[Tested] = []
            for pair in testable(pairs):
                known = [earlier for earlier in pairs if earlier[1] <= pair[0]]
                scored, chances = _scored(transitions, known, pair, bar)
                rows += [{"horizon": name, "start": pair[0], "end": pair[1], **row} for row in scored]
                tested.append((chances, transitions.of(pair)))
            points += [{"horizon": name, **point} for point in _reliability(tested)]
            of_horizon = pd.DataFrame(row for row in rows if row["horizon"] == name)
            chance, true = (np.concatenate(c) for c in zip(*map(_likeliest, tested), strict=True))
            error = calibration_error(chance, true)
            note = overlap_in_words(name, overlap(pairs, window))
            errors[name] = error
            verdicts[name] = _in_words(name, of_horizon, (error, error_by_chance(chance)), note)
    if len(horizons) == 1 and overlap(asked[str(horizon)], window):
        verdicts[str(horizon)] += (
            " There are too few tables to test a horizon of which windows do not overlap."
        )
    table = pd.DataFrame(rows)
    table.attrs["segkit"] = {
        "horizon": str(horizon),
        "verdict": " ".join(verdicts.values()),
        "verdicts": verdicts,
        "calibration_error": errors,
        "reliability": points,
    }
    return table


def _without_overlap(
    moments: Sequence[pd.Timestamp], window: pd.Timedelta | None, asked: list[Pair]
) -> dict[str, list[Pair]]:
    """Return the shortest horizon of which windows do not overlap, where those of the asked one do; {} without one."""
    if overlap(asked, window):
        for text in gaps(moments):
            pairs = pairs_apart(moments, read_horizon(text))
            if testable(pairs) and not overlap(pairs, window):
                return {text: pairs}
    return {}


def _scored(
    transitions: Transitions, known: list[Pair], pair: Pair, bar: tqdm
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return a row for each method on a test period, and the probabilities of ours."""
    chosen = transitions.learn(known, bar.update)
    seen, test, n = together([transitions.of(p) for p in known]), transitions.of(pair), len(transitions.names)
    forecasts = {
        STAYS: (STAYS, fit_stays(seen, n)),
        MARKOV: (MARKOV, fit_markov(seen, n)),
        OURS: (chosen.model, chosen.forecast),
    }
    at = np.arange(len(test))
    chances = {name: forecast(test.inputs, test.now) for name, (_, forecast) in forecasts.items()}
    losses = {name: -np.log(chance[at, test.later]) for name, chance in chances.items()}
    rows = []
    for name, (model, _) in forecasts.items():
        chance, loss = chances[name], losses[name]
        rows.append(
            {
                "method": name,
                "model": model,
                "customers": len(test),
                "log_loss": float(loss.mean()),
                "brier": float(((chance - np.eye(n)[test.later]) ** 2).sum(axis=1).mean()),
                "ece": calibration_error(*_likeliest((chance, test))),
                "verdict": _against(loss, losses[MARKOV]) if name != MARKOV else "",
            }
        )
    return rows, chances[OURS]


def _against(losses: np.ndarray, others: np.ndarray) -> str:
    if surely_less(losses, others):
        return BETTER
    return WORSE if surely_less(others, losses) else AS_GOOD


def calibration_error(chance: np.ndarray, came_true: np.ndarray) -> float:
    """Return the mean distance of probabilities from what came true, over ten groups of like probability."""
    groups = np.array_split(np.argsort(chance, kind="stable"), GROUPS)
    distances = [len(g) * abs(chance[g].mean() - came_true[g].mean()) for g in groups if len(g)]
    return float(sum(distances) / len(chance))


def error_by_chance(chance: np.ndarray) -> float:
    """Return the calibration error to expect of true probabilities, of so many customers."""
    groups = [g for g in np.array_split(np.sort(chance), GROUPS) if len(g)]
    return float(sum(np.sqrt(2 / np.pi * (g * (1 - g)).sum()) for g in groups) / len(chance))


def _likeliest(tested: Tested) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each customer's likeliest target, and whether it came true."""
    chance, seen = tested
    return chance.max(axis=1), chance.argmax(axis=1) == seen.later


def _reliability(tested: list[Tested]) -> list[dict[str, Any]]:
    """Return for staying, moving to a segment, and being gone: the mean of like probabilities, and what came true."""
    kinds: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {
        "stays": [],
        "moves to a segment": [],
        "gone": [],
    }
    for chance, seen in tested:
        true = np.eye(chance.shape[1], dtype=bool)[seen.later]
        present = np.eye(chance.shape[1], dtype=bool)[seen.now]
        gone = np.zeros_like(present)
        gone[:, -1] = True
        for kind, cells in zip(kinds, (present, ~present & ~gone, gone), strict=True):
            kinds[kind].append((chance[cells], true[cells]))
    points = []
    for kind, parts in kinds.items():
        chance, true = (np.concatenate(column) for column in zip(*parts, strict=True))
        for group in np.array_split(np.argsort(chance, kind="stable"), GROUPS):
            if len(group):
                points.append(
                    {
                        "target": kind,
                        "predicted": float(chance[group].mean()),
                        "seen": float(true[group].mean()),
                        "count": len(group),
                    }
                )
    return points


def _in_words(horizon: str, rows: pd.DataFrame, errors: tuple[float, float], note: str) -> str:
    """Return how well a horizon is foretold, over its test periods."""
    weight = rows["customers"] / rows.groupby("method")["customers"].transform("sum")
    loss = (rows["log_loss"] * weight).groupby(rows["method"]).sum()
    ours = rows["method"] == OURS
    gain = 1 - loss[OURS] / max(loss[MARKOV], 1e-12)
    than = f"{abs(gain):.0%} {'better' if gain >= 0 else 'worse'} than" if abs(gain) > 0.005 else "as good as"
    better, worse = (int((rows.loc[ours, "verdict"] == verdict).sum()) for verdict in (BETTER, WORSE))
    periods = counted(int(ours.sum()), "earlier period")
    surely = f"surely better in {better}{f', surely worse in {worse},' if worse else ''} of {periods}"
    words = (
        f"{horizon} ahead: {than} guessing by where each segment usually goes (log loss {loss[OURS]:.3f}, Markov chain "
        f"{loss[MARKOV]:.3f}); {surely}. The likeliest segment's probability is off by {100 * errors[0]:.1f} points on "
        f"average, where chance alone makes {100 * errors[1]:.1f}."
    )
    return f"{words} {note}".rstrip()
