"""The README's code runs, as it stands, from the top of a checkout."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


def test_the_dozen_lines_run(tmp_path, monkeypatch):
    """All but where the report is written: that goes to a folder of the test."""
    code = BLOCKS[0].replace('"data/events.parquet"', repr(str(ROOT / "data" / "events.parquet")))
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(code, namespace)
    assert len(namespace["result"].segments) == 5
    assert (tmp_path / "segments.html").stat().st_size > 100_000


def test_own_orders_are_read_as_the_readme_says(tmp_path, monkeypatch):
    header = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
    (tmp_path / "orders.csv").write_text(header + "536365,85123A,6,2010-12-01 08:26:00,2.55,17850\n")
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec("import segkit as sg\n" + BLOCKS[1], namespace)
    assert namespace["orders"].kinds().to_dict() == {"purchase": 1}


@pytest.mark.parametrize(
    "link", re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
)
def test_links_within_the_checkout_lead_somewhere(link):
    assert (ROOT / link).exists()
