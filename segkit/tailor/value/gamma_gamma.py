"""Fit Gamma–Gamma: what an order of each customer is worth.

A customer's orders have gamma-distributed values (shape `p`), around a mean of his own, which is inverse-gamma
distributed over customers (shape `q`, scale `p · gamma`). How much customers spend does not depend on how often [1]_.

References
----------
.. [1] Fader & Hardie (2013), The Gamma-Gamma model of monetary value, brucehardie.com/notes/025.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

NAMES = ("p", "q", "gamma")
BOUNDS = [
    (1e-2, 1e4),
    (1.01, 1e4),
    (1e-4, 1e6),
]  # with the median spend as the unit; the mean is infinite for q ≤ 1


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma–Gamma model.

    Attributes
    ----------
    p, q, gamma : float
        Parameters; the mean value of an order over all customers is p · gamma / (q − 1).
    errors : dict of str to float
        Their standard errors; missing (nan) for one at its bound.
    log_likelihood : float
    at_bound : str
        In words what a parameter at its bound means; "" where none is.
    covariance : array of shape (3, 3), optional
        Of the logs of the parameters; 0 for one at its bound. None where the model was not fitted.

    Examples
    --------
    >>> model = GammaGamma(p=6, q=4, gamma=15, errors={}, log_likelihood=0)
    >>> model.mean, model.expected([1, 20], [90.0, 90.0]).round(1)
    (30.0, array([70. , 88.5]))
    """

    p: float
    q: float
    gamma: float
    errors: dict[str, float]
    log_likelihood: float
    at_bound: str = ""
    covariance: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def mean(self) -> float:
        """The mean value of an order over all customers, also of those who are not seen yet."""
        return self.p * self.gamma / (self.q - 1)

    def expected(self, x: np.ndarray, mean_spend: np.ndarray) -> np.ndarray:
        """Return the expected value of later orders: the mean of a customer's x orders, pulled to that of all."""
        x, mean_spend = np.asarray(x, dtype=float), np.asarray(mean_spend, dtype=float)
        total = np.where(x > 0, x * mean_spend, 0.0)
        return self.p * (self.gamma + total) / (self.p * x + self.q - 1)


def fit_gamma_gamma(x: np.ndarray, mean_spend: np.ndarray) -> GammaGamma:
    """Fit Gamma–Gamma by maximum likelihood.

    Parameters
    ----------
    x : array of shape (n_customers,)
        Number of orders of each customer whose value is known, 1 or more.
    mean_spend : array of shape (n_customers,)
        Their mean value, above 0.

    Returns
    -------
    GammaGamma

    Raises
    ------
    ValueError
        If there are no customers, or a mean spend is not above 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.integers(1, 10, 5000)
    >>> mean_spend = rng.gamma(6.0 * x) / (x * rng.gamma(4.0, 1 / 15, 5000))
    >>> round(fit_gamma_gamma(x, mean_spend).mean)
    30
    """
    x, z = np.asarray(x, dtype=float), np.asarray(mean_spend, dtype=float)
    if not len(z) or not ((z > 0) & (x >= 1)).all():
        raise ValueError(
            "Gamma–Gamma needs customers with an order each, and a mean spend above 0. Leave the others out."
        )
    order = np.lexsort((z, x))
    unit = float(np.median(z))
    likelihood = _Likelihood(x[order], z[order] / unit)
    options = {"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500}
    limits = np.log(BOUNDS)
    start = np.log([2.0, 3.0, 1.0])
    logs = minimize(likelihood, start, jac=True, method="L-BFGS-B", bounds=limits, options=options).x
    free = (logs > limits[:, 0] + 0.05) & (logs < limits[:, 1] - 0.05)
    p, q, gamma = np.exp(logs) * [1, 1, unit]
    covariance = np.zeros((3, 3))
    curvature = likelihood.curvature(logs)[np.ix_(free, free)]
    if free.any() and np.linalg.eigvalsh(curvature)[0] > 0:
        covariance[np.ix_(free, free)] = np.linalg.inv(curvature) / len(x)
    errors = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
    return GammaGamma(
        p=float(p),
        q=float(q),
        gamma=float(gamma),
        errors=dict(zip(NAMES, (errors * [p, q, gamma]).tolist(), strict=True)),
        log_likelihood=float(-likelihood(logs)[0] * len(x) - len(x) * np.log(unit)),
        at_bound=_bound_in_words(logs, free),
        covariance=covariance,
    )


class _Likelihood:
    """The mean negative log-likelihood and its gradient, by the logs of the parameters."""

    def __init__(self, x: np.ndarray, z: np.ndarray):
        self.x, self.z, self.total = x, z, x * z
        self.each_x, self.n_x = np.unique(x, return_counts=True)
        self.sum_x = float(x.sum())
        self.log_z, self.x_log = float(np.log(z).sum()), float(x @ np.log(z) + x @ np.log(x))

    def __call__(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, gamma = np.exp(logs)
        n, each, n_x = len(self.x), p * self.each_x, self.n_x
        whole = np.log(gamma + self.total)
        value = n_x @ (gammaln(each + q) - gammaln(each)) + n * (q * logs[2] - gammaln(q))
        value += p * self.x_log - self.log_z - (p * self.x + q) @ whole
        both = digamma(each + q)
        gradient = np.array(
            [
                n_x @ (self.each_x * (both - digamma(each))) + self.x_log - self.x @ whole,
                n_x @ both + n * (logs[2] - digamma(q)) - whole.sum(),
                n * q / gamma - ((p * self.x + q) / (gamma + self.total)).sum(),
            ]
        )
        return -value / n, -gradient * np.exp(logs) / n

    def curvature(self, logs: np.ndarray) -> np.ndarray:
        """Return the second derivatives, from differences of the gradient."""
        steps = 1e-4 * np.eye(3)
        rows = np.array([(self(logs + step)[1] - self(logs - step)[1]) / 2e-4 for step in steps])
        return (rows + rows.T) / 2


def _bound_in_words(logs: np.ndarray, free: np.ndarray) -> str:
    """Say what it means that a parameter is at its bound."""
    p, q, _ = np.sign(logs) * ~free
    words = ["orders of a customer do not differ in value"] if p > 0 else []
    if q > 0 and logs[1] > 1:
        words.append("customers do not differ in what their orders are worth")
    elif q > 0:
        words.append("a few orders are worth so much that the mean of all is not sure")
    if not free.all() and not words:
        words.append("too few orders to see how customers differ")
    return "; ".join(words)
