"""Time the reading of exports by preset: one small export of each tool, and a large one of Shopify and Segment.

    python benchmarks/presets.py [ROWS]

Small exports hold one order or event, and are read in a process that has read one before; the best of five counts.
ROWS, 1,000,000 if not given, is the number of lines or calls of the large exports; 0 leaves these out.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import segkit as sg

TIMES = 5
ORDER_HEADER = (
    "Name,Email,Financial Status,Currency,Subtotal,Total,Created at,"
    "Lineitem quantity,Lineitem price,Lineitem sku"
)
GA4 = {
    "event_timestamp": 1_704_448_800_000_000,
    "event_name": "purchase",
    "user_pseudo_id": "p1",
    "event_params": [{"key": "medium", "value": {"string_value": "cpc"}}],
    "device": {"category": "mobile"},
    "geo": {"country": "Germany"},
    "traffic_source": {"name": "first", "medium": "organic"},
    "ecommerce": {"transaction_id": "T1", "purchase_revenue": 20.0},
    "items": [{"item_id": "tee", "price": 10.0, "quantity": 2}],
}
CHARGE = {
    **{"id": "ch_1", "object": "charge", "amount": 2000, "amount_captured": 2000, "amount_refunded": 500},
    **{"currency": "usd", "created": 1_704_448_800, "status": "succeeded", "paid": True, "captured": True},
    **{"customer": "cus_1", "livemode": True, "payment_intent": "pi_1"},
    "billing_details": {"email": "ada@example.com", "address": {"country": "US"}},
    "refunds": {"data": [{"amount": 300, "created": 1_704_535_200, "status": "succeeded"}]},
}
TICKET = {
    **{
        "id": 1,
        "requester_id": 7,
        "created_at": "2024-01-05T10:00:00Z",
        "updated_at": "2024-01-08T10:00:00Z",
    },
    **{"subject": "Pot", "description": "Broken", "via": {"channel": "email"}},
    "satisfaction_rating": {"score": "good"},
}


def shopify_lines(n: int) -> Iterator[str]:
    """Write order lines, two an order."""
    yield ORDER_HEADER
    for i in range(0, n, 2):
        day, price = 1 + i % 28, 5 + i % 90
        whole = f"u{i % 70_001}@example.com,paid,USD,{2 * price},{2 * price},2024-05-{day:02} 09:58:12 +0200"
        yield f"#{i},{whole},1,{price}.00,S{i % 900}"
        if i + 1 < n:
            yield f"#{i},,,,,,,1,{price}.00,S{i % 700}"


def segment_calls(n: int) -> Iterator[str]:
    """Write calls, one in five of them an order of two products, one in fifty sent twice."""
    for i in range(n):
        at = f"2024-0{1 + i % 9}-{1 + i % 28:02}T10:{i % 60:02}:00Z"
        call = {"timestamp": at, "messageId": f"m{i - (i % 50 == 1)}", "userId": f"u{i % 60_001}"}
        if i % 5 == 0:
            products = [{"sku": f"s{(i + j) % 500}", "price": 9.5 + j, "quantity": 1 + j} for j in range(2)]
            bought = {
                "order_id": str(i),
                "total": 40.5,
                "shipping": 3,
                "currency": "USD",
                "products": products,
            }
            call |= {"type": "track", "event": "Order Completed", "properties": bought}
        else:
            context = {
                "page": {"url": f"https://shop/{i % 999}"},
                "campaign": {"name": "May", "medium": "email"},
            }
            call |= {"type": "page", "context": context, "properties": {"title": "Shop"}}
        yield json.dumps(call)


def written(folder: Path, name: str, lines: Iterator[str]) -> Path:
    """Write an export to a file."""
    with (folder / name).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return folder / name


def seconds(path: Path, preset: str, times: int = 1) -> float:
    """Return the least processor seconds of reading an export."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        sg.read_events(path, preset=preset)
        taken.append(time.process_time() - start)
    return min(taken)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = {
            "shopify_orders": written(folder, "order.csv", shopify_lines(1)),
            "segment": written(folder, "call.jsonl", segment_calls(1)),
            "ga4": written(folder, "ga4.jsonl", iter([json.dumps(GA4)])),
            "stripe_charges": written(folder, "charge.jsonl", iter([json.dumps(CHARGE)])),
            "zendesk": written(folder, "ticket.jsonl", iter([json.dumps(TICKET)])),
        }
        for preset, path in small.items():
            seconds(path, preset)  # loads the engine
            print(f"{preset:16} one row  {seconds(path, preset, TIMES):6.2f} processor seconds")
        if rows:
            large = {
                "shopify_orders": written(folder, "orders.csv", shopify_lines(rows)),
                "segment": written(folder, "calls.jsonl", segment_calls(rows)),
            }
            for preset, path in large.items():
                print(f"{preset:16} {rows:,} rows  {seconds(path, preset):6.2f} processor seconds")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"peak memory of the process: {peak:,.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000)
