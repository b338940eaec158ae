"""Simulated shops of the kind that buy-till-you-die models describe: their orders over two years, and what drifts."""

import numpy as np
import pandas as pd

import segkit as sg

START = pd.Timestamp("2022-01-01")
KNOT = 91  # days between the points at which the rate of a drifting shop is drawn


def shop_orders(n, rng, *, days=910, drift=0.0, r=0.8, alpha=40.0, a=0.8, b=2.5, money=(6.0, 4.0, 15.0)):
    """Orders of a BG/NBD shop with Gamma–Gamma amounts, whose customers come at any time.

    With `drift`, all rates follow a curve through points between 1 − drift and 1 + drift, drawn for each quarter.
    """
    rate, leaves = rng.gamma(r, 1 / alpha, n), rng.geometric(rng.beta(a, b, n).clip(1e-12))
    knots = np.arange(0, days + 2 * KNOT, KNOT)
    level = rng.uniform(1 - drift, 1 + drift, len(knots)) if drift else np.ones(len(knots))
    grid = np.arange(days + KNOT, dtype=float)
    passed = np.concatenate(
        [[0], np.cumsum(np.interp(grid[:-1] + 0.5, knots, level))]
    )  # days of a steady shop
    came = rng.uniform(0, days, n)
    who, when, now = [np.arange(n)], [came], np.interp(came, grid, passed)
    alive, repeats = np.arange(n), 0
    while len(alive):
        now[alive] += rng.exponential(1 / rate[alive])
        alive = alive[now[alive] < np.interp(days, grid, passed)]
        who.append(alive)
        when.append(np.interp(now[alive], passed, grid))
        repeats += 1
        alive = alive[leaves[alive] > repeats]
    who, when = np.concatenate(who), np.concatenate(when)
    p, q, gamma = money
    amounts = rng.gamma(p, 1, len(who)) / rng.gamma(q, 1 / gamma, n)[who]
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:05}" for i in who],
            "timestamp": START + pd.to_timedelta(np.round(when * 86_400), unit="s"),
            "amount": amounts.round(2),
        }
    )


def shop(n, rng, **more):
    """The same, read."""
    return sg.read_events(shop_orders(n, rng, **more), kind="purchase")
