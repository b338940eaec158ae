"""Compare the sentiment of VADER with labels by people: tweets to airlines, and stars of reviews.

    python benchmarks/sentiment.py [FOLDER]

FOLDER holds ``airline_tweets/Tweets.csv`` and ``amazon_alexa_reviews/amazon_alexa.tsv``; by default that of
SEGKIT_SHARED, or ``../shared/data``. Intervals hold 95 % of 1,000 resamples of the texts.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix, roc_auc_score

import segkit as sg

CLASSES = ["negative", "neutral", "positive"]
NEUTRAL = 0.05  # scores between −0.05 and 0.05, by VADER's authors
RESAMPLES = 1_000


def scores_of(texts: pd.Series) -> tuple[pd.Series, float]:
    """Return the scores of texts, and the seconds that scoring adds to reading."""
    lines = pd.DataFrame({"customer_id": "all", "order_id": range(len(texts)), "text": texts})
    lines["timestamp"] = pd.Timestamp("2015-01-01")
    sg.read_events(
        lines.head(1), kind="review", sentiment="vader", language="en"
    )  # loads the engine and the lexicon
    seconds = []
    for options in ({}, {"sentiment": "vader", "language": "en"}):
        start = time.perf_counter()
        events = sg.read_events(lines, kind="review", **options)
        seconds.append(time.perf_counter() - start)
    scores = events.table.select("order_id", "sentiment").to_pandas()
    in_order = scores.set_index(scores["order_id"].astype(int))["sentiment"].sort_index()
    return in_order, seconds[1] - seconds[0]


def classes_of(scores: pd.Series) -> np.ndarray:
    """Return the class of each score; a missing score is neutral."""
    return np.select([scores >= NEUTRAL, scores <= -NEUTRAL], ["positive", "negative"], "neutral")


def measures(confusion: np.ndarray) -> dict[str, float]:
    """Return accuracy, macro F1 and balanced accuracy of a confusion matrix."""
    right, labelled, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": right.sum() / confusion.sum(),
        "macro F1": float(np.mean(2 * right / np.maximum(labelled + predicted, 1))),
        "balanced accuracy": float(np.mean(right / np.maximum(labelled, 1))),
    }


def with_interval(figure: Callable[[np.ndarray], float], n: int) -> str:
    """Return a figure with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    resampled = [figure(rng.integers(n, size=n)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return f"{figure(np.arange(n)):.3f} ({low:.3f} to {high:.3f})"


def tweets(folder: Path) -> None:
    """Print how well VADER's three classes agree with the labels."""
    table = pd.read_csv(folder / "airline_tweets" / "Tweets.csv")
    scores, seconds = scores_of(table["text"])
    confusion = confusion_matrix(table["airline_sentiment"], classes_of(scores), labels=CLASSES)
    commonest = np.zeros_like(confusion)
    commonest[:, confusion.sum(axis=1).argmax()] = confusion.sum(axis=1)
    n, cells = confusion.sum(), confusion.ravel() / confusion.sum()
    drawn = np.random.default_rng(0).multinomial(n, cells, size=RESAMPLES).reshape(-1, 3, 3)
    print(f"{n:,} tweets to airlines, labelled by people; {len(table) / seconds:,.0f} texts a second")
    for name, value in measures(confusion).items():
        low, high = np.quantile([measures(each)[name] for each in drawn], [0.025, 0.975])
        print(
            f"  {name:<18} {value:.3f} ({low:.3f} to {high:.3f}); always negative: {measures(commonest)[name]:.3f}"
        )
    negative, mood = (table["airline_sentiment"] == "negative").to_numpy(), scores.fillna(0).to_numpy()
    print(f"  AUC of negative    {with_interval(lambda rows: roc_auc_score(negative[rows], -mood[rows]), n)}")
    print(pd.DataFrame(confusion, [f"people: {c}" for c in CLASSES], [f"VADER: {c}" for c in CLASSES]))


def reviews(folder: Path) -> None:
    """Print how well VADER's scores agree with the stars of reviews."""
    path = folder / "amazon_alexa_reviews" / "amazon_alexa.tsv"
    table = pd.read_csv(path, sep="\t", quoting=3, encoding="utf-8-sig")
    scores, seconds = scores_of(table["verified_reviews"])
    known = scores.notna().to_numpy()
    mood, stars = scores[known].to_numpy(), table["rating"].to_numpy()[known]
    unread = int((~known).sum())
    print(
        f"\n{len(table):,} reviews with stars, {unread} of them blank; {len(table) / seconds:,.0f} texts a second"
    )
    rank = with_interval(lambda rows: spearmanr(mood[rows], stars[rows]).statistic, len(mood))
    line = with_interval(lambda rows: np.corrcoef(mood[rows], stars[rows])[0, 1], len(mood))
    few = with_interval(lambda rows: roc_auc_score(stars[rows] <= 2, -mood[rows]), len(mood))
    print(f"  rank correlation with stars   {rank}\n  correlation with stars        {line}")
    print(f"  AUC of one or two stars       {few}")


if __name__ == "__main__":
    shared = Path(os.environ.get("SEGKIT_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else shared
    tweets(chosen)
    reviews(chosen)
    print(f"load (1, 5, 15 min) {', '.join(f'{x:.2f}' for x in os.getloadavg())}; {os.cpu_count()} cores")
