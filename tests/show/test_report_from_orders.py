"""A file of orders becomes a report, in Python and on the command line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from segkit.__main__ import main
from segkit.datasets import make_events
from segkit.show.report.from_orders import report_orders

COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}


def lines(folder, frame):
    frame.to_csv(folder / "orders.csv", index=False)
    return folder / "orders.csv"


def test_orders_become_a_report(tmp_path):
    table = make_events(80, kinds="purchase")[0].table.to_pandas()
    table = table[["customer_id", "timestamp", "amount"]].set_axis(["who", "when", "paid"], axis=1)
    fixed = report_orders(
        lines(tmp_path, table), tmp_path / "out.html", columns=COLUMNS, as_of="2024-07-01", n_segments=4
    )
    said = fixed.read_text(encoding="utf-8")
    assert "Customer segments of orders.csv" in said
    assert "divided into 4 segments" in said and "to 30 June 2024" in said


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            pd.DataFrame({"who": ["a", "b"], "when": "2024-01-01", "paid": 1.0}),
            "do not differ in any feature",
        ),
        (pd.DataFrame({"who": ["a"], "when": ["2024-01-01"], "paid": [1.0]}), "do not differ in any feature"),
        (
            pd.DataFrame({"who": ["a"], "when": ["2024-01-01"], "pay": [1.0]}),
            "no column 'paid'. Its columns are who, when, pay",
        ),
        (pd.DataFrame({"who": ["a"], "when": ["01/02/2024"], "paid": [1.0]}), "timestamp not readable"),
    ],
)
def test_orders_that_cannot_be_reported_are_explained(tmp_path, frame, message):
    with pytest.raises(ValueError, match=message):
        report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS)


def test_two_customers_are_enough(tmp_path):
    frame = pd.DataFrame(
        {"who": ["a", "b", "b"], "when": ["2024-01-01", "2024-01-02", "2024-02-01"], "paid": [1.0, 2.0, 3.0]}
    )
    path = report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS)
    text = path.read_text(encoding="utf-8")
    assert "We looked at 2 customers" in text and "Hidden are 2 segments of fewer than 10 customers: " in text


def test_more_segments_than_customers_is_explained(tmp_path):
    frame = pd.DataFrame({"who": list("abc"), "when": "2024-01-01", "paid": np.arange(3.0)})
    with pytest.raises(ValueError, match="n_segments=9 is more than 3 customers"):
        report_orders(lines(tmp_path, frame), tmp_path / "out.html", columns=COLUMNS, n_segments=9)


def test_the_command_line_of_the_readme_writes_a_report(tmp_path, capsys):
    lines = pd.DataFrame(
        {
            "CustomerID": [f"c{i % 6}" for i in range(60)],
            "InvoiceDate": pd.date_range("2024-01-01", periods=60, freq="D"),
            "InvoiceNo": [f"o{i}" for i in range(60)],
            "Quantity": [1 + i % 7 for i in range(60)],
            "UnitPrice": [1.0 + i % 20 for i in range(60)],
        }
    )
    lines.to_parquet(tmp_path / "orders.parquet")
    said = ["--customer-id", "CustomerID", "--timestamp", "InvoiceDate", "--order-id", "InvoiceNo"]
    said += ["--quantity", "Quantity", "--price", "UnitPrice"]
    said = ["--ready", "report", str(tmp_path / "orders.parquet"), *said]
    command = [sys.executable, "-m", "segkit", *said, "-o", str(tmp_path / "segments.html")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "segments.html").read_text(encoding="utf-8").startswith("<!doctype html>")

    assert main([*said, "-o", str(tmp_path / "orders.parquet")]) == 2
    assert "written over the orders" in capsys.readouterr().err
    assert len(pd.read_parquet(tmp_path / "orders.parquet")) == 60
