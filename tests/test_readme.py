"""The README's Python runs as written, in a folder that holds the files it reads."""

import re
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.structure
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
ORDERS = """\
InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID
536365,85123A,6,2010-12-01 08:26:00,2.55,17850
"""
SHOPIFY_ORDERS = """\
Name,Email,Financial Status,Subtotal,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price
#1001,ann@example.com,paid,20.00,20.00,2024-05-01 09:58:12 +0200,2,Mug,10.00
"""
GA4_PAGE_VIEW = {
    "event_name": "page_view",
    "event_timestamp": 1_714_550_400_000_000,
    "user_id": "ann",
    "event_params": [{"key": "page_location", "value": {"string_value": "https://shop/mug"}}],
    "device": {"category": "mobile", "operating_system": "iOS"},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Go to a folder with the files of somebody who follows the README."""
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "events.parquet", tmp_path / "data")
    (tmp_path / "ga4").mkdir()
    pd.DataFrame([GA4_PAGE_VIEW]).to_parquet(tmp_path / "ga4" / "20240501.parquet")
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute("CREATE TABLE chats (customer_id, timestamp)")
        crm.execute("INSERT INTO chats VALUES ('ann', '2024-05-02 10:00:00')")
    crm.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(block):
    """Run one block on its own and return its variables."""
    names = {}
    exec("import segkit as sg\n" + block, names)
    return names


def test_first_block_runs(folder):
    names = run(BLOCKS[0])
    assert len(names["result"].segments) == 5
    assert (folder / "segments.html").stat().st_size > 100_000


def test_own_orders_are_read(folder):
    (folder / "orders.csv").write_text(ORDERS)
    assert run(BLOCKS[1])["orders"].kinds().to_dict() == {"purchase": 1}


def test_logs_are_added(folder, capsys):
    (folder / "orders.csv").write_text(SHOPIFY_ORDERS)
    assert run(BLOCKS[2])["events"].kinds().to_dict() == {"chat": 1, "page_view": 1, "purchase": 1}
    assert "SELECT" in capsys.readouterr().out


def test_trust_block_runs(folder):
    names = run(BLOCKS[3])
    assert names["trust"].scoreboard is not None


def test_every_block_is_run():
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_within_the_checkout_lead_somewhere(link):
    assert (ROOT / link).exists()
