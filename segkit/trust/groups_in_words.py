"""Test whether words fall into groups: how surely latent classes tell customers apart, against one population.

The null model is one population without classes: behind each feature stands a normal utility for each of its words, and
the customer has the word of the largest (multinomial probit). Correlations of the utilities make words of different
features go together; they are moved until all pairs of words do as often as they are observed to.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

REFERENCES = 19  # null data sets; their spread gives the p-value, so that it can be smaller than 1/20
CLASSES = (2, 3, 4)  # latent classes tried, of which each data set uses the number with the best BIC
STARTS, FIRST, THEN = 5, 15, 60  # random starts, steps of each, and steps of the best
ROUNDS, STEP, DRAWS = 40, 0.7, 4_000  # of moving the correlations, and customers simulated for it
NEAR_ONE = 0.98


def groups_in_words(
    codes: np.ndarray, rng: np.random.Generator, references: int = REFERENCES
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the p-value of the hypothesis that the words come from one population.

    Parameters
    ----------
    codes : ndarray of int, shape (n, n_features)
        The word of each customer in each feature: 0, 1, 2, …, all of which occur.
    rng : Generator
    references : int, default=19
        Null data sets to compare with.

    Returns
    -------
    p_value : float
        From the distance of the statistic from those of the null data sets (Student's t). The statistic is
        that of :func:`certainty`, for the number of latent classes that the customers have.
    classes : ndarray of int, shape (n,)
        The likeliest latent class of each customer.
    scores : ndarray of float, shape (1 + references,)
        The statistic of the customers, and after it those of the null data sets.
    """
    null = ProbitNull(codes, rng)
    observed, posterior = certainty(codes, CLASSES, rng)
    classes = posterior.shape[1]
    drawn = np.array([certainty(null.draw(rng), (classes,), rng)[0] for _ in range(references)])
    spread = max(float(drawn.std(ddof=1)), 1e-6) * np.sqrt(1 + 1 / references)
    p_value = float(student.sf((observed - drawn.mean()) / spread, references - 1))
    return p_value, posterior.argmax(axis=1), np.array([observed, *drawn])


def certainty(
    codes: np.ndarray, classes: tuple[int, ...], rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Return how surely latent classes tell customers apart, and their probabilities, for the number of best BIC.

    It is the negative logarithm of the mean probability that a customer is not in the likeliest class.
    """
    rows, row_of, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    hot, _ = indicators(rows)
    best, found = np.inf, np.ones((len(rows), 1))
    for k in classes:
        likelihood, posterior = latent_classes(hot, counts.astype(float), codes.shape[1], k, rng)
        bic = -2 * likelihood + (k - 1 + k * (hot.shape[1] - codes.shape[1])) * np.log(len(codes))
        if bic < best:
            best, found = bic, posterior
    unsure = float(np.average(1 - found.max(axis=1), weights=counts))
    return -float(np.log(max(unsure, 1e-9))), found[row_of.ravel()]


def latent_classes(
    hot: np.ndarray, counts: np.ndarray, features: int, classes: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Fit latent classes by EM; return the log likelihood, and each row's probabilities of the classes.

    Parameters
    ----------
    hot : ndarray of shape (n_rows, n_words)
        Different rows of words, a column for each word.
    counts : ndarray of float, shape (n_rows,)
        Customers with each.
    features : int
        Features, each with one word a row.
    classes : int
    rng : Generator
    """
    overall = (counts @ hot) / counts.sum()
    starts = [rng.dirichlet(np.ones(classes), len(hot)) for _ in range(STARTS)]
    fits = [_steps(hot, counts, overall, start, FIRST) for start in starts]
    return _steps(hot, counts, overall, max(fits, key=lambda fit: fit[0])[1], THEN)


def _steps(
    hot: np.ndarray, counts: np.ndarray, overall: np.ndarray, posterior: np.ndarray, steps: int
) -> tuple[float, np.ndarray]:
    """Return the log likelihood and the posterior after steps of EM, with one more customer like all in each class."""
    likelihood = now = -np.inf
    for _ in range(steps):
        members = posterior * counts[:, None]
        sizes = members.sum(axis=0)
        shares = (members.T @ hot + overall) / (sizes + 1)[:, None]
        joint = hot @ np.log(np.maximum(shares, 1e-12)).T + np.log((sizes + 1) / (sizes + 1).sum())
        top = joint.max(axis=1, keepdims=True)
        posterior = np.exp(joint - top)
        total = posterior.sum(axis=1, keepdims=True)
        posterior /= total
        now = float(counts @ (top + np.log(total))[:, 0])
        if now - likelihood < 1e-4:
            break
        likelihood = now
    return now, posterior


def indicators(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a column for each word of each feature, and the feature of each column."""
    sizes = codes.max(axis=0) + 1
    feature = np.repeat(np.arange(codes.shape[1]), sizes)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    hot = np.zeros((len(codes), int(sizes.sum())))
    hot[np.arange(len(codes))[:, None], codes + first] = 1.0
    return hot, feature


class ProbitNull:
    """A null model of words: one population, with the same shares and pairwise associations.

    Parameters
    ----------
    codes : ndarray of int, shape (n, n_features)
    rng : Generator
    """

    def __init__(self, codes: np.ndarray, rng: np.random.Generator):
        self._n = len(codes)
        hot, self._feature = indicators(codes)
        self._sizes = np.bincount(self._feature)
        shares, wanted = hot.mean(axis=0), _correlations(hot)
        other = self._feature[:, None] != self._feature[None, :]
        correlations, self._lead, nearest = np.eye(len(shares)), np.log(shares), np.inf
        found = correlations, self._lead
        noise = rng.standard_normal((min(DRAWS, 4 * self._n), len(shares)))
        for _ in range(ROUNDS):
            self._root = _root_of(correlations)
            drawn = self._words(noise)
            off = np.where(other, wanted - _correlations(drawn), 0.0)
            apart = np.abs(off).sum() + np.abs(shares - drawn.mean(axis=0)).sum()
            if apart < nearest:
                nearest, found = apart, (self._root, self._lead)
            self._lead = self._lead + 0.5 * np.log(shares / np.maximum(drawn.mean(axis=0), 0.2 / len(drawn)))
            correlations = np.clip(self._root @ self._root.T + STEP * off, -NEAR_ONE, NEAR_ONE)
            np.fill_diagonal(correlations, 1.0)
        self._root, self._lead = found

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the words of as many customers, shape (n, n_features)."""
        hot = self._words(rng.standard_normal((self._n, len(self._lead))))
        ends = np.cumsum(self._sizes)
        codes = [hot[:, end - size : end].argmax(axis=1) for size, end in zip(self._sizes, ends, strict=True)]
        return np.column_stack(codes)

    def _words(self, noise: np.ndarray) -> np.ndarray:
        """Return the words of the largest utilities, a column for each word."""
        utility = noise @ self._root.T + self._lead
        starts = np.cumsum(self._sizes) - self._sizes
        largest = np.maximum.reduceat(utility, starts, axis=1)
        return (utility == np.repeat(largest, self._sizes, axis=1)).astype(float)


def _correlations(hot: np.ndarray) -> np.ndarray:
    centred = hot - hot.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    size = np.outer(spread, spread)
    return np.divide(centred.T @ centred, size, out=np.zeros_like(size), where=size > 0)


def _root_of(correlations: np.ndarray) -> np.ndarray:
    """Return a root of the nearest correlation matrix."""
    values, vectors = np.linalg.eigh((correlations + correlations.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 1e-6))
    return root / np.linalg.norm(root, axis=1, keepdims=True)
