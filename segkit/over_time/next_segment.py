"""Predict the segment that each customer is in a horizon later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.create.segmentation import Segmentation
from segkit.over_time.forecasters import Chosen
from segkit.over_time.horizons import Pair, checked_pairs, overlap, overlap_in_words, window_of
from segkit.over_time.periods import checked_periods
from segkit.over_time.transitions import Transitions

NOBODY_GONE = (
    "Nobody was ever gone from one table to the next, so nobody is predicted to be. To learn who leaves, compute "
    "tables of recent events: snapshots(…, window='90 days')."
)
STEPS = 4  # of the choice of a model


def next_segment(
    result: Segmentation, tables: pd.DataFrame, horizon: str | timedelta = "1 month"
) -> pd.DataFrame:
    """Predict the probability of each segment, and of being gone, a horizon after the last table.

    Parameters
    ----------
    result : Segmentation
        Its frozen model places the customers of all tables.
    tables : DataFrame
        From :func:`segkit.snapshots`: features at several moments. At least three of them lie the horizon apart.
    horizon : str or timedelta, default="1 month"
        How far to look ahead, such as ``"3 months"`` or ``"8 weeks"``.

    Returns
    -------
    DataFrame of shape (n_customers, n_segments + 1)
        Indexed by `customer_id`: a row for each customer of the last table, a column for the name of each segment, and
        "gone"; rows sum to 1. A customer is gone who has no row in the later table: with a window, who has no event in
        it. ``.attrs["segkit"]`` has the `model` that was chosen, `why`, what it `learnt_from`, the log losses of its
        `check` on the latest period that is known, and a `note` where windows overlap, or
        nobody was ever gone.

    Raises
    ------
    TypeError
        If it is no segmentation, or no DataFrame.
    ValueError
        If the features of the tables or their window are others, or fewer than two pairs of moments lie the horizon
        apart; it names the horizons that are possible.

    Notes
    -----
    A multinomial logistic regression learns from features as the segmentation prepares them, their squares, and the
    present segment. Boosted trees replace it where they surely do better on the latest period that is known, and a
    Markov chain where features do not surely tell more there than the present segment. On that period the probabilities
    are calibrated too, by one temperature [1]_. The model learns from at most 40,000 customers of all periods. A
    customer's answer does not depend on the other customers of the last table, but for what they did before.

    :func:`score_next` says how far to believe it.

    References
    ----------
    .. [1] Guo, Pleiss, Sun & Weinberger (2017), On Calibration of Modern Neural Networks, ICML.

    Examples
    --------
    >>> import segkit as sg
    >>> tables = sg.datasets.make_shop_over_time(300, n_periods=5, same_customers=True).tables
    >>> result = sg.segment(tables.loc["2024-01-01"], n_segments=3)
    >>> chances = sg.next_segment(result, tables, horizon="1 week")
    >>> list(chances.columns), chances.shape
    (['Segment 0', 'Segment 1', 'Segment 2', 'gone'], (300, 4))
    """
    periods = checked_periods(result, tables)
    moments = list(periods)
    pairs = checked_pairs(moments, horizon, test=False)
    transitions = Transitions(result, periods)
    bar = tqdm(total=STEPS, desc="Learning where customers go", delay=1, leave=False)
    with bar, threadpool_limits(limits=1):
        chosen = transitions.learn(pairs, bar.update)
        chances = chosen.forecast(*transitions.at(moments[-1]))
    table = pd.DataFrame(chances, index=periods[moments[-1]].index, columns=transitions.names)
    table.index.name = table.index.name or "customer_id"
    notes = [overlap_in_words(horizon, overlap(pairs, window_of(tables, result.provenance)))]
    if not any(transitions.gone(pair) for pair in pairs):
        notes.append(NOBODY_GONE)
    table.attrs["segkit"] = {
        "as_of": moments[-1].isoformat(),
        "horizon": str(horizon),
        **_facts(chosen, pairs),
        "note": " ".join(filter(None, notes)),
    }
    return table


def _facts(chosen: Chosen, pairs: list[Pair]) -> dict[str, Any]:
    """Return what was learnt, and from what."""
    return {
        "model": chosen.model,
        "why": chosen.why,
        "temperature": chosen.temperature,
        "learnt_from": [[start.isoformat(), end.isoformat()] for start, end in pairs],
        "check": {
            "period": [moment.isoformat() for moment in pairs[-1]],
            "customers": chosen.checked_on,
            "log_loss": dict(chosen.losses),
        },
    }
