"""Fetch Online Retail: the invoice lines of a British gift shop, December 2010 to December 2011."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from segkit.collect.events import Events
from segkit.collect.read_events import read_events
from segkit.collect.sources.open import open_source
from segkit.core.engine.connection import engine, locked_engine, materialise, run_with_progress, unique_name

if TYPE_CHECKING:
    import ibis.expr.types as ir

URL = "https://archive.ics.uci.edu/static/public/352/online+retail.zip"
XLSX_MD5 = "8f8e6d94ba88f976f4d8290cb2dea7fd"
FILES = ("online_retail.parquet", "online_retail.csv", "OnlineRetail.csv", "Online Retail.xlsx")

ROWS, QUANTITY, REVENUE = 541_909, 5_176_450, 9_747_747.934
FIRST, LAST = pd.Timestamp("2010-12-01 08:26"), pd.Timestamp("2011-12-09 12:50")


def fetch_online_retail(*, timezone: str = "UTC") -> Events:
    """Fetch Online Retail [1]_ (UCI data set 352): 541,909 invoice lines of a British gift shop.

    The function looks for ``online_retail.parquet``, ``online_retail.csv`` or UCI's ``Online Retail.xlsx`` in the
    folder of the environment variable ``SEGKIT_DATA_HOME`` or its subfolder ``online_retail``. Otherwise it
    downloads UCI's archive (23 MB) once, into pooch's cache, which needs the extra ``data``.

    Parameters
    ----------
    timezone : str, default="UTC"
        Time zone of the invoices, which the file does not have. "UTC" leaves the times as written, in the shop's
        local time, and gives the published figures (a mean recency of 92.536 days). "Europe/London" gives the
        true moments, an hour earlier in summer (92.604 days).

    Returns
    -------
    Events
        Of kind `purchase` (397,884 lines, 18,532 orders, 4,338 customers, 8,911,407.904 pounds),
        `return` (8,905 lines of cancelled invoices) and `gift` (40 lines without a price). The 135,080 lines
        without a customer are refused. Postage and other services count as purchases, as in the published
        figures. `place` is the country.

    Raises
    ------
    ValueError
        If the file is not Online Retail.
    ModuleNotFoundError
        If a required package is not installed.

    Notes
    -----
    UCI has no checksum. A downloaded workbook is checked against the MD5 that two unrelated public projects
    recorded. For any source, the number of rows, the sums of quantity and value, and the first and last time are
    checked against the published ones.

    References
    ----------
    .. [1] Chen, Sain & Guo (2012), Data mining for the online retail industry: A case study of RFM
       model-based customer segmentation using data mining, Journal of Database Marketing &
       Customer Strategy Management 19(3). Data: https://doi.org/10.24432/C5BW33, CC BY 4.0.

    Examples
    --------
    >>> from segkit.datasets import fetch_online_retail
    >>> fetch_online_retail().kinds().to_dict()  # doctest: +SKIP
    {'purchase': 397884, 'return': 8905, 'gift': 40}
    """
    import ibis

    path = _at_home() or _downloaded()
    lines = _opened(path)
    _check(lines, path)
    lines = lines.mutate(kind=ibis.ifelse(lines.UnitPrice == 0, "gift", "purchase"))
    events = read_events(
        lines,
        kind_column="kind",
        timezone=timezone,
        customer_id="CustomerID",
        timestamp="InvoiceDate",
        order_id="InvoiceNo",
        product_id="StockCode",
        quantity="Quantity",
        price="UnitPrice",
        place="Country",
    )
    return replace(events, table=materialise(events.table), sources=("Online Retail",))


def _at_home() -> Path | None:
    home = os.environ.get("SEGKIT_DATA_HOME")
    if not home:
        return None
    folders = (Path(home).expanduser(), Path(home).expanduser() / "online_retail")
    return next((path for folder in folders for name in FILES if (path := folder / name).is_file()), None)


def _downloaded() -> Path:
    """Return the cached Parquet file, written from UCI's workbook the first time."""
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Downloading Online Retail needs the package pooch, which is not installed: pip install 'segkit[data]'. Or "
            "put the file into a folder and name it in the environment variable SEGKIT_DATA_HOME."
        ) from error
    cache = Path(pooch.os_cache("segkit"))
    ready = cache / "online_retail.parquet"
    if not ready.exists():
        # The archive has no known checksum, so the workbook in it is checked.
        files = pooch.retrieve(URL, None, "online_retail.zip", cache, processor=pooch.Unzip())
        workbook = next((Path(name) for name in files if name.endswith(".xlsx")), None)
        digest = (
            hashlib.md5(workbook.read_bytes(), usedforsecurity=False).hexdigest()
            if workbook
            else "no workbook"
        )
        if workbook is None or digest != XLSX_MD5:
            (cache / "online_retail.zip").unlink(missing_ok=True)
            raise ValueError(
                f"The download from {URL} has {digest}, not the workbook with MD5 {XLSX_MD5}: it was cut short, or UCI "
                "changed the file. Try again, or put a copy into a folder and name it in SEGKIT_DATA_HOME."
            )
        _of_workbook(workbook).to_parquet(ready, index=False)
    return ready


@locked_engine
def _opened(path: Path) -> ir.Table:
    if path.suffix == ".parquet":
        return engine().read_parquet(path, table_name=unique_name("online_retail"))
    return open_source(_of_workbook(path) if path.suffix == ".xlsx" else _of_csv(path)).table


_TEXT = {"InvoiceNo": "str", "StockCode": "str", "Description": "str", "Country": "str"}


def _of_workbook(path: Path) -> pd.DataFrame:
    try:
        return pd.read_excel(path, dtype=_TEXT)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"Reading {path.name} needs the package openpyxl, which is not installed: "
            "pip install 'segkit[data]'."
        ) from error


def _of_csv(path: Path) -> pd.DataFrame:
    """Read a CSV export of the workbook, in UTF-8 or Latin-1, with ISO or US dates."""
    try:
        table = pd.read_csv(path, dtype=_TEXT, encoding="utf-8-sig")
    except UnicodeDecodeError:
        table = pd.read_csv(path, dtype=_TEXT, encoding="latin-1")
    us = table["InvoiceDate"].str.contains("/").any()
    table["InvoiceDate"] = pd.to_datetime(table["InvoiceDate"], format="%m/%d/%Y %H:%M" if us else "ISO8601")
    return table


def _check(lines: ir.Table, path: Path) -> None:
    """Raise unless the file has the published totals."""
    expected = (*_TEXT, "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
    missing = [column for column in expected if column not in lines.columns]
    if missing:
        raise ValueError(
            f"{path.name} has no column {', '.join(missing)}; its columns are {', '.join(lines.columns)}. "
            f"Download UCI's Online Retail from {URL}."
        )
    totals = lines.agg(
        rows=lines.count(),
        quantity=lines.Quantity.sum(),
        revenue=(lines.Quantity * lines.UnitPrice).sum(),
        first=lines.InvoiceDate.min(),
        last=lines.InvoiceDate.max(),
    )
    table = run_with_progress(totals, totals.to_pandas, "Reading Online Retail")
    rows, quantity, revenue, first, last = table.iloc[0]
    exact = (rows, quantity, first, last) == (ROWS, QUANTITY, FIRST, LAST)
    if not exact or abs(revenue - REVENUE) > 0.01:
        raise ValueError(
            f"{path.name} holds {rows:,} rows with {quantity:,} items worth {revenue:,.2f} from {first} to "
            f"{last}. Online Retail has {ROWS:,}, {QUANTITY:,}, {REVENUE:,.2f}, from {FIRST} to {LAST}. "
            "Delete the file to download it again, or read your own file with read_events."
        )
