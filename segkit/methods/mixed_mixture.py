"""Find groups of customers described by numbers, words and missing values, by a mixture of distributions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.methods.assignment import BLOCK, argmin_exact

TRIED = 5_000  # customers that the starts are tried on
LEARNT = 50_000  # most customers that the best start is fitted to; the others are then assigned
PATTERNS = 1_000  # most different patterns of missing numbers that it is fitted to
STEPS = 15  # of each start
FINISHED = 3  # starts that are continued until they converge
POOLED = 0.98  # weight of the pooled covariance; the rest is the diagonal of the overall one
OVERALL = 0.9  # weight of the overall shares of words in their prior; the rest is equal shares
FLOOR = 0.3  # least variance within a class, of the overall one, where each class has its own


class Rows(NamedTuple):
    """Customers, in the order of their patterns of missing numbers.

    Attributes
    ----------
    numbers : ndarray of shape (n, n_numbers)
        0 where missing.
    hot : ndarray of shape (n, n_levels)
    known : ndarray of bool, shape (n_patterns, n_numbers)
        Which numbers are known in each pattern.
    ends : ndarray of int, shape (n_patterns + 1,)
        Where the rows of each pattern begin and end.
    order : ndarray of int, shape (n,)
        Where each row was before.
    """

    numbers: np.ndarray
    hot: np.ndarray
    known: np.ndarray
    ends: np.ndarray
    order: np.ndarray

    @property
    def pattern(self) -> np.ndarray:
        """The pattern of each row."""
        return np.repeat(np.arange(len(self.known)), np.diff(self.ends))


class Classes(NamedTuple):
    """The parameters of the classes.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_numbers)
    covariance : ndarray
        Of shape (n_numbers, n_numbers), shared; or the variances of each class, (n_components, n_numbers).
    shares : ndarray of shape (n_components, n_levels)
        Of each word among the customers of a class who have one.
    """

    weights: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    shares: np.ndarray


class MixedMixture(ClusterMixin, BaseEstimator):
    """A mixture of classes for numbers, words and missing values: latent class analysis with numbers.

    Within a class words are independent of each other and of the numbers [1]_, and the numbers are normal. What is
    missing is left out of a customer's likelihood (missing at random) [2]_.

    Parameters
    ----------
    n_components : int, default=2
        Number of classes.
    layout : dict, optional
        What the columns are, from ``MixturePreparer.layout_``: {"numbers": 2, "words": [3, 2]} are two numbers, two
        flags (1 where the number is missing), and words of three and of two levels as 0/1 columns. Default: all are
        numbers that are known.
    covariance : {"shared", "diagonal"}, default="shared"
        "shared": the numbers of all classes have one full covariance. "diagonal": each class has its own variances, and
        numbers are independent within it; correlated numbers then make classes of their own.
    n_init : int, default=20
        Random starts. Each makes 15 steps on up to 5,000 customers, and the best three go on until they converge.
    max_iter : int, default=200
        Most steps of a start that goes on.
    tol : float, default=1e-6
        It has converged where a step raises the mean log-likelihood by less.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    weights_, means_, covariance_, shares_ : ndarray
        The classes, the heaviest first, see :class:`segkit.methods.mixed_mixture.Classes`.
    labels_ : ndarray of int, shape (n_customers,)
        The most probable class of each.
    n_iter_ : int
        Steps of the last fit.
    converged_ : bool
    n_features_in_ : int

    Notes
    -----
    It is fitted to at most 50,000 customers, and the others are assigned. Each class has one customer more at the
    overall means, and at the overall shares of words, so that it cannot collapse onto ties.

    A lower :meth:`bic` chooses among numbers of classes; it is no evidence that there are groups, since it finds some
    in nearly any customers: use :func:`segkit.structure_test`.

    References
    ----------
    .. [1] Hunt & Jorgensen (1999), Mixture model clustering using the MULTIMIX program, Australian & New Zealand
       Journal of Statistics 41.
    .. [2] Hunt & Jorgensen (2003), Mixture model clustering for mixed data with missing information, Computational
       Statistics & Data Analysis 41.

    Examples
    --------
    >>> import numpy as np
    >>> numbers = np.array([[1.0], [1.1], [0.9], [5.0], [5.1], [4.9], [5.0]])
    >>> MixedMixture(2, random_state=0).fit_predict(numbers)
    array([1, 1, 1, 0, 0, 0, 0])
    """

    def __init__(
        self,
        n_components=2,
        *,
        layout=None,
        covariance="shared",
        n_init=20,
        max_iter=200,
        tol=1e-6,
        random_state=None,
    ):
        self.n_components = n_components
        self.layout = layout
        self.covariance = covariance
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the classes.

        Parameters
        ----------
        X : array of shape (n_customers, n_columns)
            As in `layout`.
        y : ignored

        Returns
        -------
        MixedMixture

        Raises
        ------
        ValueError
            If there are fewer customers than classes, or the columns are not those of the layout.
        """
        X = validate_data(self, X, dtype=float)
        self._check_parameters(X)
        rng = check_random_state(self.random_state)
        drawn = rng.permutation(len(X))[:LEARNT]
        drawn = drawn[: _with_few_patterns(self._missing(X[drawn]))]
        em = _EM(self._rows(X[np.sort(drawn[:TRIED])]), self._blocks(), self.covariance == "shared")
        starts = [em.run(em.start(self.n_components, rng), STEPS, -np.inf) for _ in range(self.n_init)]
        best = sorted(starts, key=lambda run: -run[1])[:FINISHED]
        found = max((em.run(run[0], self.max_iter, self.tol) for run in best), key=lambda run: run[1])
        if len(drawn) > TRIED:
            em = _EM(self._rows(X[np.sort(drawn)]), self._blocks(), self.covariance == "shared")
            found = em.run(found[0], self.max_iter, self.tol)
        classes, _, self.n_iter_ = found
        self.converged_ = self.n_iter_ < self.max_iter
        order = np.argsort(-classes.weights, kind="stable")
        self.weights_, self.means_, self.shares_ = (
            a[order] for a in (classes.weights, classes.means, classes.shares)
        )
        self.covariance_ = classes.covariance if self.covariance == "shared" else classes.covariance[order]
        self.labels_ = self._labels(X)
        return self

    def predict(self, X):
        """Return the most probable class of each customer, which does not depend on the other rows.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        ndarray of int, shape (n,)
        """
        check_is_fitted(self)
        return self._labels(validate_data(self, X, dtype=float, reset=False))

    def predict_proba(self, X):
        """Return the probability of each class, given what is known of a customer.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        ndarray of shape (n, n_components)
        """
        joint = self._checked_joint(X)[0]
        joint -= joint.max(axis=1, keepdims=True)
        np.exp(joint, out=joint)
        return joint / joint.sum(axis=1, keepdims=True)

    def score_samples(self, X):
        """Return the log-likelihood of each customer.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        ndarray of shape (n,)
        """
        joint, base = self._checked_joint(X)
        return logsumexp(joint, axis=1) + base

    def score(self, X, y=None):
        """Return the mean log-likelihood of customers.

        Parameters
        ----------
        X : array of shape (n, n_columns)
        y : ignored

        Returns
        -------
        float
        """
        return float(self.score_samples(X).mean())

    def bic(self, X):
        """Return the Bayesian information criterion of the classes for customers; lower is better.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        float
        """
        k, d = self.means_.shape
        of_covariance = d * (d + 1) // 2 if self.covariance == "shared" else k * d
        of_words = k * (self.shares_.shape[1] - len(self._blocks()) + 1)
        n_parameters = k - 1 + k * d + of_covariance + of_words
        return -2 * len(X) * self.score(X) + n_parameters * float(np.log(len(X)))

    @property
    def _classes(self):
        return Classes(self.weights_, self.means_, self.covariance_, self.shares_)

    def _check_parameters(self, X):
        if self.covariance not in ("shared", "diagonal"):
            raise ValueError(
                f"covariance={self.covariance!r} is neither 'shared' nor 'diagonal'. Say one of these."
            )
        if not self.n_components >= 1 or not self.n_init >= 1 or not self.max_iter >= 1:
            raise ValueError("n_components, n_init and max_iter should be 1 or more.")
        if self.n_components > len(X):
            raise ValueError(
                f"n_components={self.n_components} is more than n_samples={len(X)} customers. Choose fewer classes."
            )
        if self.layout is not None:
            wanted = 2 * self.layout["numbers"] + sum(self.layout["words"])
            if wanted != X.shape[1]:
                raise ValueError(
                    f"The layout names {wanted} columns, and there are {X.shape[1]}. Take it from their preparer: "
                    "MixedMixture(layout=preparer.layout_)."
                )

    def _n_numbers(self, X):
        return X.shape[1] if self.layout is None else self.layout["numbers"]

    def _missing(self, X):
        d = self._n_numbers(X)
        return np.zeros(X.shape, dtype=bool) if self.layout is None else X[:, d : 2 * d] > 0.5

    def _blocks(self):
        """Return where the columns of each word begin, and where the last ends."""
        return np.cumsum([0, *([] if self.layout is None else self.layout["words"])])

    def _rows(self, X):
        missing = self._missing(X)
        known, order, ends = _patterns(missing)
        numbers = np.where(missing, 0.0, X[:, : missing.shape[1]])[order]
        hot = X[:, X.shape[1] - self._blocks()[-1] :][order]
        return Rows(numbers, hot, known, ends, order)

    def _joint(self, X):
        """Return the log joint probability of rows and classes up to a term of each row, and that term."""
        rows = self._rows(X)
        joint, base, _ = log_joint(rows, self._classes, self.covariance == "shared")
        back = np.argsort(rows.order, kind="stable")
        return joint[back], base[back]

    def _checked_joint(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        parts = [self._joint(X[start : start + BLOCK]) for start in range(0, len(X), BLOCK)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _labels(self, X):
        return argmin_exact(lambda rows: -self._joint(rows)[0], X)


def _patterns(missing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the patterns of known numbers, the order of rows by pattern, and where each pattern begins and ends."""
    if not missing.any():
        return np.ones((1, missing.shape[1]), bool), np.arange(len(missing)), np.array([0, len(missing)])
    packed = np.packbits(missing, axis=1)
    _, first, at, counts = np.unique(
        packed, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    return ~missing[first], np.argsort(at.ravel(), kind="stable"), np.cumsum([0, *counts])


def _with_few_patterns(missing: np.ndarray) -> int:
    """Return how many of the rows, from the first on, have no more than `PATTERNS` different patterns."""
    if not missing.any():
        return len(missing)
    first = np.unique(np.packbits(missing, axis=1), axis=0, return_index=True)[1]
    return len(missing) if len(first) <= PATTERNS else int(np.sort(first)[PATTERNS])


def log_joint(rows: Rows, classes: Classes, shared: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the log joint probability of customers and classes.

    Parameters
    ----------
    rows : Rows
    classes : Classes
    shared : bool
        Whether all classes share one covariance.

    Returns
    -------
    joint : ndarray of shape (n, n_components)
        Up to a term of each row.
    base : ndarray of shape (n,)
        That term.
    inverses : ndarray of shape (n_patterns, n_numbers, n_numbers) or None
        The inverse of the shared covariance of the numbers that each pattern knows; 0 for the others.
    """
    joint = rows.hot @ np.log(classes.shares).T + np.log(classes.weights)
    if not shared:
        precision = 1 / classes.covariance
        joint += rows.numbers @ (classes.means * precision).T
        joint -= 0.5 * (rows.numbers**2 @ precision.T)
        fixed = 0.5 * (np.log(2 * np.pi * classes.covariance) + classes.means**2 * precision)
        joint -= (rows.known @ fixed.T)[rows.pattern]
        return joint, np.zeros(len(joint)), None
    inverses, log_det = inverses_of(classes.covariance, rows.known)
    moved = _by_pattern(rows.numbers, inverses, rows.ends)
    joint += moved @ classes.means.T
    of_means = ((classes.means @ inverses) * classes.means).sum(axis=2)
    joint -= 0.5 * of_means[rows.pattern]
    fixed = log_det + rows.known.sum(axis=1) * np.log(2 * np.pi)
    base = -0.5 * (np.einsum("ij,ij->i", moved, rows.numbers) + fixed[rows.pattern])
    return joint, base, inverses


def inverses_of(covariance: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse of the covariance of the known numbers of each pattern, and its log determinant."""
    both = known[:, :, None] & known[:, None, :]
    unit = np.eye(len(covariance)) * ~known[:, None, :]
    within = np.where(both, covariance, unit)
    return np.where(both, np.linalg.inv(within), 0.0), np.linalg.slogdet(within)[1]


def _by_pattern(rows: np.ndarray, matrices: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Multiply rows by the matrix of their pattern."""
    if len(matrices) == 1:
        return rows @ matrices[0]
    moved = np.empty_like(rows)
    for matrix, start, end in zip(matrices, ends, ends[1:], strict=False):
        np.matmul(rows[start:end], matrix, out=moved[start:end])
    return moved


class _EM:
    """Expectation and maximisation [1]_ for some customers, with priors from all of them.

    References
    ----------
    .. [1] Ghahramani & Jordan (1994), Supervised learning from incomplete data via an EM approach, NIPS 6.
    """

    def __init__(self, rows: Rows, blocks: np.ndarray, shared: bool):
        self._rows, self._shared = rows, shared
        self._block_of = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
        self._starts = blocks[:-1]
        known = rows.known[rows.pattern]
        count = np.maximum(known.sum(axis=0), 1)
        self._mean = rows.numbers.sum(axis=0) / count
        apart = np.where(known, rows.numbers - self._mean, 0.0)
        variance = (apart**2).sum(axis=0) / count
        self._variance = np.where(variance > 0, variance, 1.0)
        spread = np.sqrt(self._variance / np.maximum((apart**2).mean(axis=0), 1e-300))
        overall = (apart.T @ apart) / len(apart) * np.outer(spread, spread)
        self._overall = self._shrunk(overall)
        counts = rows.hot.sum(axis=0)
        sizes = np.diff(blocks)[self._block_of]
        self._shares = OVERALL * counts / np.maximum(self._in_block(counts), 1) + (1 - OVERALL) / sizes

    def _in_block(self, counts: np.ndarray) -> np.ndarray:
        """Return for each column the sum of all columns of the same word."""
        if not len(self._starts):
            return counts
        return np.add.reduceat(counts, self._starts, axis=-1)[..., self._block_of]

    def _shrunk(self, covariance: np.ndarray) -> np.ndarray:
        return POOLED * covariance + (1 - POOLED) * np.diag(self._variance)

    def start(self, k: int, rng: np.random.RandomState) -> Classes:
        """Return classes around customers drawn at random."""
        rows = self._rows
        chosen = rng.permutation(len(rows.numbers))[:k]
        known = rows.known[rows.pattern[chosen]]
        means = np.where(known, rows.numbers[chosen], self._mean)
        hot = rows.hot[chosen]
        shares = (hot + self._shares) / (self._in_block(hot) + 1)
        covariance = self._overall if self._shared else np.tile(self._variance, (k, 1))
        return Classes(np.full(k, 1 / k), means, covariance, shares)

    def run(self, classes: Classes, most: int, tol: float) -> tuple[Classes, float, int]:
        """Step until the mean log-likelihood hardly rises; return the classes, it, and the number of steps."""
        before = reached = -np.inf
        steps = 0
        while steps < most:
            classes, reached = self._step(classes)
            steps += 1
            if reached - before < tol:
                break
            before = reached
        return classes, reached, steps

    def _step(self, classes: Classes) -> tuple[Classes, float]:
        """Return better classes, and the mean log-likelihood of the given ones."""
        joint, base, inverses = log_joint(self._rows, classes, self._shared)
        top = joint.max(axis=1, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=1, keepdims=True)
        reached = float((np.log(total) + top).mean() + base.mean())
        joint /= total
        sizes = joint.sum(axis=0)
        weights = (sizes + 1) / (sizes.sum() + len(sizes))
        words = joint.T @ self._rows.hot
        shares = (words + self._shares) / (self._in_block(words) + 1)
        if inverses is None:
            means, covariance = self._own_variances(joint)
        else:
            means, covariance = self._shared_covariance(joint, classes, inverses)
        return Classes(weights, means, covariance, shares), reached

    def _own_variances(self, joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbers = self._rows.numbers
        sizes = joint.T @ self._rows.known[self._rows.pattern] + 1
        sums, squares = joint.T @ numbers, joint.T @ numbers**2
        means = (sums + self._mean) / sizes
        around = squares - 2 * means * sums + means**2 * (sizes - 1)
        return means, np.maximum((around + self._variance) / sizes, FLOOR * self._variance)

    def _shared_covariance(
        self, joint: np.ndarray, classes: Classes, inverses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return means and covariance, with missing numbers as expected from the known ones, and their uncertainty.

        The number expected in class k is u + D m_k: u of the known numbers, D of the pattern, m_k the mean of before.
        """
        rows, before = self._rows, classes.covariance
        expected = _by_pattern(rows.numbers, inverses @ before, rows.ends)
        unknown = np.eye(len(before)) - before @ inverses
        parts = list(zip(rows.ends, rows.ends[1:], strict=False))
        sizes = np.array([joint[start:end].sum(axis=0) for start, end in parts])
        sums = np.array([joint[start:end].T @ expected[start:end] for start, end in parts])
        filled = classes.means @ unknown.transpose(0, 2, 1)
        total = (sums + sizes[:, :, None] * filled).sum(axis=0)
        means = (total + self._mean) / (sizes.sum(axis=0)[:, None] + 1)
        shape = (sizes.size, len(before))
        moved = (filled - means).reshape(shape)
        cross = sums.reshape(shape).T @ moved
        scatter = expected.T @ expected + cross + cross.T + (moved.T * sizes.ravel()) @ moved
        scatter += np.tensordot(sizes.sum(axis=1), unknown, 1) @ before
        pooled = (scatter + np.diag(self._variance)) / (len(joint) + 1)
        return means, self._shrunk((pooled + pooled.T) / 2)
