"""Read from a table of lift what was measured in each segment: what helped, what harmed, what was not seen."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.tailor.experiments.wording import amount
from segkit.tailor.plays.segment_rows import segment_rows

SOURCE = "lift(arms, outcomes, by=result)"
HELPED, HARMED, UNSEEN, UNUSED = "helped", "harmed", "unseen", "unused"
BROKEN = (
    "sample ratio failed",
    "not called: the arms differed before",
)  # verdicts of no experiment at random


@dataclass(frozen=True)
class Measured:
    """What an arm did to a segment.

    Attributes
    ----------
    arm : str
    found : {"helped", "harmed", "unseen", "unused"}
        Unused: the experiment was not at random, so it shows nothing.
    low : float
        The lower end of the interval of the lift.
    words : str
        The lift and its interval, or the verdict.
    """

    arm: str
    found: str
    low: float
    words: str


def measured_by_segment(result: Segmentation, lift: pd.DataFrame | None) -> dict[int, list[Measured]]:
    """Return what each arm did to each segment, the surest gain first.

    A gain counts where the interval lies above 0 and the verdict, which allows for many segments, calls it. For harm
    either is enough: of doubt the customer has the benefit.

    Raises
    ------
    TypeError, ValueError
        If the table lacks a column or speaks of what is no segment.
    """
    if lift is None:
        return {}
    shares = isinstance(lift, pd.DataFrame) and lift.attrs.get("segkit", {}).get("unit") == "share"
    needed = ("arm", "lift", "low", "high")
    return {
        segment: sorted(
            (_measured(row, shares) for row in rows.to_dict("records")), key=lambda m: (-m.low, m.arm)
        )
        for segment, rows in segment_rows(result, lift, "lift", needed, SOURCE).items()
    }


def _measured(row: dict, shares: bool) -> Measured:
    arm, verdict = str(row["arm"]), str(row.get("verdict", ""))
    low, high = float(row["low"]), float(row["high"])
    if verdict.startswith(BROKEN):
        return Measured(arm, UNUSED, float("-inf"), verdict)
    if pd.isna(low) or pd.isna(high):
        return Measured(arm, UNSEEN, float("-inf"), verdict or "no interval")
    ends = f"{amount(low, shares, unit=False)} to {amount(high, shares, unit=False)}"
    words = f"{amount(row['lift'], shares, signed=True)} ({ends})"
    called = verdict.startswith("more") if verdict else True
    found = HARMED if high < 0 or verdict.startswith("less") else HELPED if low > 0 and called else UNSEEN
    # A verdict ends with how few responded; a playbook goes to people who should not read such counts.
    said = "; ".join(part for part in verdict.split("; ") if not part.startswith("only "))
    return Measured(arm, found, low, words if found != UNSEEN else said or words)
