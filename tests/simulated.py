"""Simulated customers whose structure is known: continua of many kinds, and groups moderately apart.

Features are skewed, counts, ties, words or missing, as in shops. Separations are in standard deviations of the latent
normal variables within a group.
"""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin

FEATURES = list("abcdef")


def latent(n, d, rng, correlation=0.4):
    """Correlated normal variables, from which all features are made."""
    root = np.linalg.cholesky(correlation * np.ones((d, d)) + (1 - correlation) * np.eye(d))
    return rng.standard_normal((n, d)) @ root.T


def log_normal(n, rng):
    return pd.DataFrame(np.exp(latent(n, 6, rng)), columns=FEATURES)


def zero_inflated(n, rng):
    """Counts, 0 for 58 % of the customers of each feature."""
    z = latent(n, 6, rng)
    return pd.DataFrame(np.where(z < 0.2, 0, np.floor(np.exp(z + 0.5))), columns=FEATURES)


def heavy_ties(n, rng):
    """Answers from 0 to 4."""
    return pd.DataFrame(np.clip(np.round(latent(n, 6, rng) + 2), 0, 4), columns=FEATURES)


def mixed_types(n, rng):
    """Five numbers, a word that correlates with them and one that does not."""
    z = latent(n, 6, rng)
    table = pd.DataFrame(np.exp(z[:, :5]), columns=FEATURES[:5])
    table["size"] = pd.Categorical.from_codes(np.digitize(z[:, 5], [-0.5, 0.5]), list("SML"))
    table["colour"] = pd.Categorical.from_codes(rng.integers(0, 4, n), ["blue", "green", "red", "grey"])
    return table


def missing_values(n, rng):
    """A tenth of one feature missing by chance, and two features unknown where a third is low."""
    table = log_normal(n, rng)
    table.loc[rng.random(n) < 0.1, "a"] = np.nan
    table.loc[table["f"] < table["f"].quantile(0.25), ["b", "c"]] = np.nan
    return table


def buy_till_you_die(n, rng):
    """BG/NBD customers, whose features follow from each other: recency never exceeds tenure."""
    rows = []
    for rate, leaving, tenure in zip(
        rng.gamma(0.8, 1 / 20, n) + 1e-4, rng.beta(0.8, 2.5, n), rng.uniform(60, 365, n), strict=True
    ):
        orders, last, now = 1, 0.0, rng.exponential(1 / rate)
        while now <= tenure:
            orders, last = orders + 1, now
            if rng.random() < leaving:
                break
            now += rng.exponential(1 / rate)
        spend = rng.lognormal(3, 0.5) * rng.lognormal(0, 0.4, orders).sum()
        gap = last / (orders - 1) if orders > 1 else np.nan
        rows.append((tenure - last, orders, spend, tenure, gap, spend / orders))
    names = ["recency", "frequency", "monetary", "tenure", "gap_mean", "average_order_value"]
    return pd.DataFrame(rows, columns=names)


def no_orders_yet(n, rng):
    """Orders of a gamma-Poisson shop; everything else is 0 for customers without an order."""
    orders = rng.negative_binomial(0.8, 0.25, n)
    bought = orders > 0
    spend = np.where(bought, orders * rng.lognormal(3, 0.5, n), 0)
    items = np.where(bought, orders + rng.poisson(2.0 * orders), 0)
    recent = rng.binomial(orders, 0.3)
    discount = np.where(bought, spend * rng.beta(1, 6, n), 0)
    return pd.DataFrame(
        {"orders": orders, "spend": spend, "items": items, "recent": recent, "discount": discount}
    ).astype(float)


def all_zero(n, rng):
    """Log-normal features, all 0 for 40 % of the customers."""
    return log_normal(n, rng).mul(rng.random(n) > 0.4, axis=0)


def curved(n, rng):
    """Features that bend with each other: no straight line, and no groups."""
    z = rng.standard_normal((n, 4))
    return pd.DataFrame(
        {
            "a": np.exp(z[:, 0]),
            "b": z[:, 0] ** 2 + 0.5 * z[:, 1],
            "c": np.abs(z[:, 0] + 0.5 * z[:, 2]),
            "d": np.sin(1.5 * z[:, 0]) + 0.4 * z[:, 3],
        }
    )


def price_points(n, rng):
    """Prices of a list with gaps, and what follows from them."""
    prices = np.array([4.99, 9.99, 19.99, 49.99, 99.99])
    chosen = prices[np.clip(np.digitize(rng.standard_normal(n), [-1, -0.2, 0.6, 1.4]), 0, 4)]
    orders = 1 + rng.negative_binomial(1, 0.4, n)
    return pd.DataFrame(
        {"price": chosen, "orders": orders, "spend": chosen * orders, "visits": orders + rng.poisson(3, n)}
    ).astype(float)


def shares_of_few(n, rng):
    """Shares of one to five orders: 0, 1/2, 1 and little between."""
    orders = 1 + rng.poisson(1.2, n)
    rates = rng.beta(2, 3, (n, 3))
    return pd.DataFrame(
        {
            name: rng.binomial(orders, rates[:, i]) / orders
            for i, name in enumerate(["sale", "mobile", "evening"])
        }
        | {"orders": orders.astype(float), "spend": orders * rng.lognormal(3, 0.5, n)}
    )


def groups(n, rng, shares, apart, d=6):
    """Groups in directions drawn at random, `apart` from the middle, at least 1.2 times as far from each other."""
    group = rng.choice(len(shares), n, p=shares)
    while True:
        centers = rng.standard_normal((len(shares), d))
        centers *= apart / np.linalg.norm(centers, axis=1, keepdims=True)
        between = np.linalg.norm(centers[:, None] - centers[None], axis=2)[np.triu_indices(len(shares), 1)]
        if between.min() > 1.2 * apart:
            break
    values = np.exp(0.8 * (centers[group] + latent(n, d, rng, 0.3)) + 1)
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(d)]), group


def four_groups(n, rng):
    return groups(n, rng, [0.25] * 4, 3.2)


def unequal_groups(n, rng):
    """Groups of 40, 30, 25 and 5 %."""
    return groups(n, rng, [0.4, 0.3, 0.25, 0.05], 3.4)


CONTINUA = {
    f.__name__: f
    for f in (
        *(log_normal, zero_inflated, heavy_ties, mixed_types, missing_values, buy_till_you_die),
        *(no_orders_yet, all_zero, shares_of_few),
    )
}
BENT = {f.__name__: f for f in (curved, price_points)}
"""Continua that a copula fits badly: false alarms are in benchmarks/README.md."""
GROUPED = {f.__name__: f for f in (four_groups, unequal_groups)}


class RandomLabels(ClusterMixin, BaseEstimator):
    """Random labels, whatever the customers are."""

    def fit(self, X, y=None):
        self.labels_ = np.random.default_rng(0).integers(0, 3, len(X))
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)
