"""Measure whether confidence is what it says: how often a model of fresh customers agrees, at each confidence.

    python benchmarks/confidence.py --shops 30 --customers 300 2000

Each shop: segments are made of n customers, and say of 1,000 others how sure they are. Then segments are made
again, several times, from n customers whom nobody has seen, are matched to the first, and place the same 1,000.

The shops of a kind are samples of one population, but those of "any": each has one of its own, drawn by lot, and so has
the number of segments.
"""

from __future__ import annotations

import argparse
import functools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import HDBSCAN
from sklearn.pipeline import make_pipeline

import segkit as sg

EDGES = np.array([0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.01])
SHARES = (0.4, 0.3, 0.2, 0.1)  # of four groups, where there are groups
GAPS = {"separated": 4.5, "overlapping": 2.2, "structureless": 0.0}
"""Distance between groups, in standard deviations within a group."""


def population(kind: str, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return customers with six features: three skewed as money is, two counts, and one that is symmetric.

    Without structure the crowd is longer than it is wide, as real ones are.
    """
    corners = np.array([[1, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 1], [1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 1, 1]])
    latent = rng.normal(size=(n, 6))
    if GAPS[kind]:
        which = rng.choice(4, n, p=SHARES)
        latent += corners[which] * GAPS[kind] / np.sqrt(3)
    else:
        latent[:, 1] += latent[:, 0]
        latent[:, 3] += 0.7 * latent[:, 2]
    table = {f"money_{i}": np.exp(latent[:, i] + 3) for i in range(3)}
    table |= {f"orders_{i}": np.round(np.exp(0.7 * latent[:, 3 + i] + 2)) for i in range(2)}
    return pd.DataFrame(table | {"balance": latent[:, 5]})


@dataclass(frozen=True)
class Population:
    """A population drawn by lot: groups, each a normal crowd, and what becomes of each direction of them.

    From one group to six, of any shares of 5 % and more, whose middles are, in the mean, up to six standard deviations
    within a group from each other; three to ten features, some more telling than others, that go together more or
    less and show as amounts, counts, scores from 0 to 4, zeros and counts, words, or as they are. Some are not known of
    all: by chance, or because another one is low, as there are no gaps between the orders of who ordered once.
    """

    middles: np.ndarray
    shares: np.ndarray
    root: np.ndarray
    looks: list[str]
    cuts: np.ndarray
    unknown: np.ndarray
    reasons: dict[int, int]

    @classmethod
    def by_lot(cls, rng: np.random.Generator) -> Population:
        """Draw one."""
        groups, features = int(rng.integers(1, 7)), int(rng.integers(3, 11))
        shares = 0.05 + (1 - 0.05 * groups) * rng.dirichlet(np.ones(groups))
        apart = rng.uniform(0, 6) * rng.dirichlet(np.ones(features)) ** 0.5
        loadings = rng.normal(size=(features, 2)) * rng.uniform(0, 1.5)
        covariance = loadings @ loadings.T + np.eye(features)
        spread = np.sqrt(np.diag(covariance))
        root = np.linalg.cholesky(covariance / np.outer(spread, spread))
        looks = [str(look) for look in rng.choice(list(LOOKS), features)]
        unknown = np.where(rng.random(features) < 0.2, rng.uniform(0.02, 0.3, features), 0.0)
        middles = rng.normal(size=(groups, features)) * apart / np.sqrt(2)
        reason = int(rng.integers(features))
        told = np.flatnonzero(rng.random(features) < 0.4) if rng.random() < 0.4 else np.empty(0, dtype=int)
        reasons = {int(i): reason for i in told if i != reason}
        return cls(middles, shares, root, looks, rng.uniform(-0.5, 1, features), unknown, reasons)

    def draw(self, n: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return n customers."""
        group = rng.choice(len(self.shares), n, p=self.shares)
        latent = self.middles[group] + rng.normal(size=(n, len(self.root))) @ self.root.T
        table = pd.DataFrame(
            {f"{look}_{i}": LOOKS[look](latent[:, i] - self.cuts[i]) for i, look in enumerate(self.looks)}
        )
        missing = rng.random(table.shape) < self.unknown
        for feature, reason in self.reasons.items():
            missing[:, feature] |= latent[:, reason] < self.cuts[reason] - 0.5
        return table.mask(missing)


LOOKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "amount": lambda z: np.exp(z + 3),
    "count": lambda z: np.round(np.exp(0.7 * z + 2)),
    "score": lambda z: np.clip(np.round(z + 2), 0, 4),
    "rare": lambda z: np.where(z < 0, 0.0, np.ceil(np.exp(z))),
    "balance": lambda z: z,
    "word": lambda z: np.array(["web", "shop", "app", "phone"])[np.digitize(z, [-0.7, 0.2, 0.9])],
}
"""How a feature shows what is behind it."""


def made(customers: pd.DataFrame, method: str, seed: int = 0, k: int = 4) -> sg.Segmentation:
    """Return k segments by one of the methods, or what HDBSCAN finds."""
    if method == "hdbscan":
        return sg.segment(
            customers,
            model=make_pipeline(
                sg.make_preparer(), HDBSCAN(min_cluster_size=max(len(customers) // 20, 5), copy=True)
            ),
        )
    return sg.segment(customers, n_segments=k, method=method, random_state=seed)


def agreement(labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return who has the same label, once segments are matched by shared customers, one to one."""
    inside = (labels >= 0) & (others >= 0)
    shared = np.zeros((labels.max() + 1, max(others.max() + 1, 1)))
    np.add.at(shared, (labels[inside], others[inside]), 1)
    rows, columns = linear_sum_assignment(-shared)
    match = np.full(shared.shape[1] + 1, -2)
    match[columns], match[-1] = rows, -1
    return match[others] == labels


def reliability(
    kind: str, method: str, n: int, *, shops: int, fresh: int = 6, random_state: int = 0
) -> pd.DataFrame:
    """Return confidence and observed agreement of every newcomer.

    Parameters
    ----------
    kind : {"separated", "overlapping", "structureless", "any"}
    method : {"kmeans", "gaussian_mixture", "ward", "hdbscan"}
    n : int
        Customers that segments are made from.
    shops : int
        How often all is done.
    fresh : int
        Models of fresh customers, for each shop.
    random_state : int

    Returns
    -------
    DataFrame
        Columns `shop`, `confidence`, `agreement` (share of the fresh models).
    """
    rng = np.random.default_rng([random_state, n, *map(ord, kind + method)])
    told = []
    for shop in range(shops):
        draw, k = functools.partial(population, kind), 4
        if kind == "any":
            draw, k = Population.by_lot(rng).draw, int(rng.integers(2, 9))
        result = made(draw(n, rng), method, k=k)
        newcomers = draw(1_000, rng)
        placed = result.place(newcomers)
        labels = placed["segment_id"].to_numpy()
        agrees = [
            agreement(labels, made(draw(n, rng), method, i, k).assign(newcomers).to_numpy())
            for i in range(fresh)
        ]
        told.append(
            pd.DataFrame(
                {"shop": shop, "confidence": placed["confidence"], "agreement": np.mean(agrees, axis=0)}
            )
        )
    return pd.concat(told, ignore_index=True)


def curve(told: pd.DataFrame) -> pd.DataFrame:
    """Return mean confidence, observed agreement and their difference by bin of confidence.

    `error` is the standard error of the difference, over shops: customers of one shop stand or fall together.
    """
    told = told.assign(
        difference=told["confidence"] - told["agreement"],
        bin=pd.cut(told["confidence"], EDGES, right=False),
    )
    groups = told.groupby("bin", observed=True)
    table = groups[["confidence", "agreement", "difference"]].mean()
    table.insert(0, "share", groups.size() / len(told))
    off = told["difference"] - told["bin"].map(table["difference"]).astype(float)
    by_shop = off.groupby([told["bin"], told["shop"]], observed=True).sum()
    table["error"] = np.sqrt((by_shop**2).groupby("bin", observed=True).sum()) / groups.size()
    return table


def main() -> None:
    """Print a curve for each population, method and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shops", type=int, default=10)
    parser.add_argument("--customers", type=int, nargs="+", default=[300])
    parser.add_argument("--kinds", nargs="+", default=[*GAPS, "any"])
    parser.add_argument("--methods", nargs="+", default=["kmeans", "gaussian_mixture", "ward"])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in asked.kinds:
        for method in asked.methods:
            for n in asked.customers:
                start = time.process_time()
                told = reliability(kind, method, n, shops=asked.shops)
                table = curve(told)
                mean = told[["confidence", "agreement"]].mean()
                print(
                    f"\n{kind}, {method}, n = {n:,}, {asked.shops} shops: mean confidence {mean['confidence']:.3f}, "
                    f"agreement {mean['agreement']:.3f} ({time.process_time() - start:.0f} CPU s)"
                )
                print(table.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
