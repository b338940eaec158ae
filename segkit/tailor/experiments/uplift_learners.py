"""Learn what each arm of an experiment does to whom: by segment, with a T-learner and with a DR-learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from segkit.tailor.experiments.pooling import partial_pooling

FOLDS = 5
PENALTIES = np.logspace(0, 6, 13)
WORDS = 20  # categories of a feature that are told apart


@dataclass(frozen=True, eq=False)
class Learning:
    """The customers that policies are learned from.

    Attributes
    ----------
    arm : ndarray of int, shape (n,)
        Arm of each; 0 is who was held out.
    outcome : ndarray of float, shape (n,)
    share : ndarray of shape (n_arms,)
        Share of the customers in each arm.
    """

    arm: np.ndarray
    outcome: np.ndarray
    share: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean outcome of each arm."""
        return np.bincount(self.arm, self.outcome, len(self.share)) / np.bincount(
            self.arm, minlength=len(self.share)
        )


def effects_by_segment(learning: Learning, segment: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the effect of each arm in the segment of each customer asked about, against who was held out.

    Effects are drawn together by how far true effects seem to spread; of an unknown segment, it is that on all.

    Returns
    -------
    ndarray of shape (n_asked, n_arms)
        The column of who was held out is 0.
    """
    arms, segments = len(learning.share), int(max(segment.max(), asked.max())) + 1
    cell = learning.arm * segments + segment
    size = np.bincount(cell, minlength=arms * segments)
    total = np.bincount(cell, learning.outcome, arms * segments)
    mean = total / np.maximum(size, 1)
    squares = np.bincount(cell, (learning.outcome - mean[cell]) ** 2, arms * segments)
    # of all cells of an arm together: a small cell without any buyer would else seem known exactly
    within = squares.reshape(arms, segments).sum(axis=1) / np.bincount(learning.arm, minlength=arms)
    within = np.maximum(within, 1e-9 * learning.outcome.var())
    n, mean = size.reshape(arms, segments), mean.reshape(arms, segments)
    with np.errstate(divide="ignore"):
        variance = within[:, None] / n
    effects = np.zeros((arms, segments))
    for arm in range(1, arms):
        effect, error = mean[arm] - mean[0], np.sqrt(variance[arm] + variance[0])
        effects[arm] = learning.means[arm] - learning.means[0]
        known = np.isfinite(error) & (error > 0)
        effects[arm, known] = partial_pooling(effect[known], error[known])[0]
    return effects[:, asked].T


def prepared(features: pd.DataFrame, learning: np.ndarray) -> np.ndarray:
    """Return features as a matrix: numbers as ranks from 0 to 1, words as columns of 0 and 1, missing ones marked."""
    numbers = features.select_dtypes(["number", "bool"]).astype(float)
    words = features.drop(columns=numbers.columns)
    parts = []
    if numbers.shape[1]:
        steps = make_pipeline(
            QuantileTransformer(n_quantiles=min(1000, int(learning.sum()))),
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        )
        values = numbers.to_numpy()
        # of a feature that is missing for everyone, nothing is known
        values = values[:, ~np.isnan(values[learning]).all(axis=0)]
        if values.shape[1]:
            parts.append(steps.fit(values[learning]).transform(values))
    if words.shape[1]:
        coder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=WORDS, sparse_output=False)
        texts = words.astype(object).where(words.notna(), "").map(str).to_numpy(dtype=object)
        parts.append(coder.fit(texts[learning]).transform(texts))
    return np.column_stack(parts) if parts else np.zeros((len(features), 1))


def expected_outcomes(
    learning: Learning, matrix: np.ndarray, asked: np.ndarray, random_state: int
) -> np.ndarray:
    """Return the outcome expected under each arm, by a model of gradient-boosted trees for each arm (T-learner)."""
    columns = []
    for arm in range(len(learning.share)):
        inside = learning.arm == arm
        model = HistGradientBoostingRegressor(
            learning_rate=0.05,
            max_iter=60,
            max_leaf_nodes=4,
            min_samples_leaf=max(20, int(inside.sum()) // 10),
            early_stopping=False,
            random_state=random_state,
        )
        columns.append(model.fit(matrix[inside], learning.outcome[inside]).predict(asked))
    return np.column_stack(columns)


def dr_effects(learning: Learning, matrix: np.ndarray, asked: np.ndarray, random_state: int) -> np.ndarray:
    """Return the effect of each arm on each customer asked about, by a DR-learner with ridge regressions [1]_.

    References
    ----------
    .. [1] Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects, Electronic Journal
       of Statistics 17.
    """
    fold = np.random.default_rng(random_state).permutation(len(matrix)) % FOLDS
    arms = len(learning.share)
    expected = np.tile(learning.means, (len(matrix), 1))
    for held in range(FOLDS):
        for arm in range(arms):
            inside = (fold != held) & (learning.arm == arm)
            if inside.sum() > FOLDS:
                model = RidgeCV(PENALTIES).fit(matrix[inside], learning.outcome[inside])
                expected[fold == held, arm] = model.predict(matrix[fold == held])
    scores = doubly_robust(expected, learning.arm, learning.outcome, learning.share)
    effects = np.zeros((len(asked), arms))
    for arm in range(1, arms):
        effects[:, arm] = RidgeCV(PENALTIES).fit(matrix, scores[:, arm] - scores[:, 0]).predict(asked)
    return effects


def doubly_robust(
    expected: np.ndarray, arm: np.ndarray, outcome: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return a number for each customer and arm whose mean is the mean outcome if all had that arm (AIPW)."""
    scores = expected.copy()
    rows = np.arange(len(arm))
    scores[rows, arm] += (outcome - expected[rows, arm]) / share[arm]
    return scores
