"""Read orders from a file and report on their segments: the command ``segkit report``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from segkit.analyse.features.basket import BASKET
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.query import unavailable
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.trend import TREND
from segkit.collect.events import Events
from segkit.collect.read_events import read_events
from segkit.create.segment import segment
from segkit.show.report.report import checked_report_path, possible_numbers, report
from segkit.trust.scan import scan_clusters, suggested_k

OF_ORDERS = RFM + CADENCE + BASKET + TREND  # what orders alone can give
MOST_MISSING = 0.5  # features missing for more of the customers are left out


def report_orders(
    source: str | Path,
    output: str | Path,
    *,
    columns: Mapping[str, str],
    timestamp_format: str | None = None,
    timezone: str = "UTC",
    as_of: str | None = None,
    n_segments: int | None = None,
    random_state: int = 0,
) -> Path:
    """Read orders from a file and write a report of their segments.

    Parameters
    ----------
    source : str or Path
        CSV, Parquet or JSON lines, of purchases.
    output : str or Path
        The HTML file to write.
    columns : mapping of str to str
        Standard names to the file's columns, as for :func:`segkit.read_events`.
    timestamp_format, timezone
        As for :func:`segkit.read_events`.
    as_of : str, optional
        The moment that features are computed for; by default the day after the last event.
    n_segments : int, optional
        By default the most that come back: see :func:`segkit.trust.scan.suggested_k`.
    random_state : int, default=0

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file or a column is not there, or the orders cannot be segmented.
    """
    if not Path(output).parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(Path(output).parent)!r} to write {Path(output).name} into."
        )
    if Path(output).exists() and Path(source).exists() and Path(output).samefile(source):
        raise ValueError(
            f"The report would be written over the orders in {Path(source).name}. Name another file: -o segments.html."
        )
    output = checked_report_path(output)
    if n_segments is not None and n_segments < 2:
        raise ValueError(f"n_segments={n_segments} should be 2 or more, or be left out to have it chosen.")
    written: dict[str, Any] = {"timestamp_format": timestamp_format, "timezone": timezone, **columns}
    events = read_events(str(source), kind="purchase", **written)
    moment = as_of or events.last.normalize() + pd.Timedelta(days=1)
    customers = _useful_features(events, moment)
    scan = scan_clusters(customers, k=possible_numbers(customers, n_segments), random_state=random_state)
    chosen = n_segments or suggested_k(scan)
    result = segment(customers, n_segments=chosen, random_state=random_state)
    return report(
        result, output, events=events, scan=scan, title=f"Customer segments of {Path(str(source)).name}"
    )


def _useful_features(events: Events, as_of: str | pd.Timestamp) -> pd.DataFrame:
    """Compute all features that these orders can give, without words, constants and those that are mostly missing."""
    needs = unavailable(events, OF_ORDERS)
    customers = customer_features(events, [f for f in OF_ORDERS if not needs[f.name]], as_of=as_of)
    numbers = customers.select_dtypes("number")
    useful = [c for c in numbers if numbers[c].nunique() > 1 and numbers[c].isna().mean() <= MOST_MISSING]
    if not useful:
        raise ValueError(
            f"The {len(customers):,} customers do not differ in any feature, so there is nothing to segment by. "
            "Check that --customer-id names the customer, and bring more orders."
        )
    return customers[useful]
