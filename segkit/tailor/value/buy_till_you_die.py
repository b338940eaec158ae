"""Fit BG/NBD and MBG/NBD: how often customers order, and which of them have left.

Both models say: while alive, a customer orders at random at a rate of his own (gamma over customers: shape `r`, rate
`alpha`), and after an order leaves with a chance of his own (beta over customers: `a`, `b`). In BG/NBD [1]_ nobody
leaves after the first order; in MBG/NBD [2]_ customers may. Written with m = x chances to leave so far in the one and
m = x + 1 in the other, their formulas are the same.

References
----------
.. [1] Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24.
.. [2] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis,
   International Journal of Research in Marketing 24.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

from segkit.core.messages import choose_from

MODELS = {"BG/NBD": 0, "MBG/NBD": 1}  # chances to leave before the first repeat order
NAMES = ("r", "alpha", "a", "b")
START = np.log([0.5, 0.5, 1.0, 1.0])  # with the longest T as the unit of time
BOUNDS = [(1e-4, 1e4), (1e-6, 1e6), (1e-4, 1e3), (1e-4, 1e4)]
ENOUGH = 50_000  # different histories; of more, a sample is fitted first, which is a good start for all
NEAR_ZERO = 1e-4  # a divisor this small costs the closed form digits
CHUNK = 10_000  # customers at a time


@dataclass(frozen=True)
class BuyTillYouDie:
    """A fitted BG/NBD or MBG/NBD; times are in days.

    Attributes
    ----------
    kind : {"BG/NBD", "MBG/NBD"}
    r, alpha, a, b : float
        Parameters. The mean rate is r / alpha orders a day, the mean chance to leave after an order a / (a + b).
    errors : dict of str to float
        Their standard errors; missing (nan) for one at its bound.
    log_likelihood : float
    at_bound : str
        In words what a parameter at its bound means, such as "no dropout can be seen"; "" where none is.
    covariance : array of shape (4, 4), optional
        Of the logs of the parameters; 0 for one at its bound. None where the model was not fitted.

    Examples
    --------
    >>> x, t_x, T = np.array([0, 0, 1, 5]), np.array([0, 0, 20, 290.0]), np.array([300, 40, 300, 300.0])
    >>> model = BuyTillYouDie("BG/NBD", r=0.35, alpha=18, a=0.5, b=3.6, errors={}, log_likelihood=0)
    >>> model.p_alive(x, t_x, T).round(2), model.expected_orders(x, t_x, T, 90).round(2)
    (array([1.  , 1.  , 0.29, 0.93]), array([0.1 , 0.49, 0.11, 1.34]))
    """

    kind: str
    r: float
    alpha: float
    a: float
    b: float
    errors: dict[str, float]
    log_likelihood: float
    at_bound: str = ""
    covariance: np.ndarray | None = field(default=None, repr=False, compare=False)

    def p_alive(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """Return the chance that each customer has not left."""
        x, t_x, T = _arrays(x, t_x, T)
        m = x + MODELS[self.kind]
        left = np.log(self.a) - np.log(np.where(m > 0, self.b + m - 1, 1.0))
        left = left + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.where(m > 0, expit(-left), 1.0)

    def expected_orders(
        self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon_days: float
    ) -> np.ndarray:
        """Return the expected number of orders of each customer in the next `horizon_days`."""
        x, t_x, T = _arrays(x, t_x, T)
        known, place = np.unique(x + 1j * T, return_inverse=True)
        alive = self._orders_if_alive(known.real, known.imag, float(horizon_days))
        return alive[place] * self.p_alive(x, t_x, T)

    def p_order(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, horizon_days: float) -> np.ndarray:
        """Return the chance that each customer orders in the next `horizon_days`."""
        x, t_x, T = _arrays(x, t_x, T)
        waits = np.exp(-(self.r + x) * np.log1p(horizon_days / (self.alpha + T)))
        return self.p_alive(x, t_x, T) * (1 - waits)

    def draw_orders(
        self,
        x: np.ndarray,
        t_x: np.ndarray,
        T: np.ndarray,
        horizon_days: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Draw a number of orders in the next `horizon_days` for each customer, given the history."""
        x, t_x, T = _arrays(x, t_x, T)
        alive = rng.random(len(x)) < self.p_alive(x, t_x, T)
        rate = rng.gamma(self.r + x) / (self.alpha + T)
        leaves = rng.beta(self.a, self.b + x + MODELS[self.kind]).clip(1e-15, 1)
        return np.where(alive, np.minimum(rng.poisson(rate * horizon_days), rng.geometric(leaves)), 0)

    def _orders_if_alive(self, x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
        """Return expected orders of customers who have not left.

        By the closed form after Euler's transformation, which does not overflow in x. It is 0 / 0 at a = 1 and at
        a + b + m = 1, and beyond what `hyp2f1` can do for some large parameters: there, by quadrature.
        """
        m = x + MODELS[self.kind]
        c = self.a + self.b + m - 1
        z = t / (self.alpha + T + t)
        with np.errstate(all="ignore"):
            still = np.exp((self.a - 1) * np.log1p(-z)) * hyp2f1(c - self.r - x, self.a - 1, c, z)
            orders = np.asarray(c / (self.a - 1) * (1 - still))
        orders[np.abs(c) < NEAR_ZERO] = np.nan
        rest = np.flatnonzero(~np.isfinite(orders) | (abs(self.a - 1) < NEAR_ZERO))
        for some in np.split(rest, range(CHUNK, len(rest), CHUNK)):
            orders[some] = _mean_orders(
                self.a, self.b + m[some], self.r + x[some], t / (self.alpha + T[some])
            )
        return orders


def _mean_orders(a: float, b: np.ndarray, shape: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the mean of (1 − (1 + p·u) ** −shape) / p over p of a beta distribution (a, b), for each customer.

    Trapezoids in logit(p) converge exponentially. Both tails are geometric series.
    """
    if not len(b):
        return np.empty(0)
    width = np.sqrt(1 / a + 1 / b)
    mode = np.log(a / b)
    step = np.minimum(0.3, width / 2)
    low = np.maximum(np.log(1e-10 / np.maximum(np.maximum(shape * u, b), 1)), mode - 60 / a - 9 * width)
    high = np.minimum(np.log(1e10 * max(a, 1)), mode + 60 / b + 9 * width)
    low, high = np.clip(np.minimum(low, mode - 9 * width), -600, None), np.maximum(high, mode + 9 * width)
    nodes = int(np.ceil(((high - low) / step).max())) + 1
    v = low[:, None] + step[:, None] * np.arange(nodes)
    log_p = -np.logaddexp(0, -v)
    p = np.exp(log_p)
    log_weight = a * log_p + b[:, None] * (log_p - v)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    with np.errstate(over="ignore"):
        weight[:, 0] *= 1 + 1 / np.expm1(a * step)
        weight[:, -1] *= 1 + 1 / np.expm1(b * step)
    orders = -np.expm1(-shape[:, None] * np.log1p(p * u[:, None])) / p
    return (weight * orders).sum(axis=1) / weight.sum(axis=1)


def fit_buy_till_you_die(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, model: str = "auto") -> BuyTillYouDie:
    """Fit BG/NBD or MBG/NBD by maximum likelihood.

    Parameters
    ----------
    x, t_x, T : array of shape (n_customers,)
        Repeat orders of each customer; days from the first order to the last, and to now.
    model : {"auto", "BG/NBD", "MBG/NBD"}, default="auto"
        "auto": the likelier one; both have four parameters.

    Returns
    -------
    BuyTillYouDie

    Raises
    ------
    ValueError
        If the model is not known, or no customer ordered again.

    Examples
    --------
    >>> rng = np.random.default_rng(5)
    >>> rate, T = rng.gamma(0.8, 1 / 60, 4000), np.full(4000, 300.0)
    >>> x = rng.poisson(rate * T)
    >>> t_x = np.where(x > 0, T * rng.random(4000) ** (1 / np.maximum(x, 1)), 0)
    >>> fit = fit_buy_till_you_die(x, t_x, T)
    >>> round(fit.r, 1), fit.at_bound
    (0.8, 'no dropout can be seen')
    """
    if model != "auto" and model not in MODELS:
        raise ValueError(f"model={model!r} is not known.{choose_from(model, ['auto', *MODELS])}")
    x, t_x, T = _arrays(x, t_x, T)
    if not x.any():
        raise ValueError(
            f"None of the {len(x):,} customers ordered a second time, so nothing says how often they will. Pass a "
            "longer log, or a later as_of."
        )
    histories = _Histories.of(x, t_x, T)
    fits = [_fitted(kind, histories) for kind in ([model] if model != "auto" else MODELS)]
    return max(fits, key=lambda fit: fit.log_likelihood)


@dataclass(frozen=True)
class _Histories:
    """Different histories, sorted by x and with the longest T as the unit of time, and how many customers have each."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    n: np.ndarray
    unit: float

    @classmethod
    def of(cls, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> _Histories:
        order = np.lexsort((T, t_x, x))
        x, t_x, T = x[order], t_x[order], T[order]
        new = np.ones(len(x), dtype=bool)
        new[1:] = (np.diff(x) != 0) | (np.diff(t_x) != 0) | (np.diff(T) != 0)
        first = np.flatnonzero(new)
        n = np.diff(np.append(first, len(x))).astype(float)
        unit = float(T.max())
        return cls(x[first], t_x[first] / unit, T[first] / unit, n, unit)

    def sample(self) -> _Histories:
        """Return every so many-th history."""
        step = slice(None, None, -(-len(self.x) // ENOUGH))
        return _Histories(self.x[step], self.t_x[step], self.T[step], self.n[step], self.unit)


class _Likelihood:
    """The mean negative log-likelihood of a model and its gradient, by the logs of the parameters.

    Gamma functions are computed once for each different x.
    """

    def __init__(self, kind: str, histories: _Histories):
        self.h, self.ahead = histories, MODELS[kind]
        self.starts = np.flatnonzero(np.diff(histories.x, prepend=-1))
        self.each_x = histories.x[self.starts]
        self.n_x = np.add.reduceat(histories.n, self.starts)
        self.customers = histories.n.sum()
        self.may_have_left = slice(0 if self.ahead else int(np.searchsorted(histories.x, 0.5)), None)

    def __call__(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, a, b = np.exp(logs)
        h, each, n_x = self.h, self.each_x, self.n_x
        m = each + self.ahead
        until_now = np.log(alpha + h.T)
        total = n_x @ (gammaln(r + each) - gammaln(r) + gammaln(b + m) - gammaln(b))
        total += n_x @ (gammaln(a + b) - gammaln(a + b + m)) + self.customers * r * logs[1]
        total -= (h.n * (r + h.x)) @ until_now
        both = digamma(a + b) - digamma(a + b + m)
        gradient = np.array(
            [
                n_x @ (digamma(r + each) - digamma(r)) + self.customers * logs[1] - h.n @ until_now,
                self.customers * r / alpha - h.n @ ((r + h.x) / (alpha + h.T)),
                n_x @ both,
                n_x @ (both + digamma(b + m) - digamma(b)),
            ]
        )
        some = self.may_have_left
        x, t_x, T, n = h.x[some], h.t_x[some], h.T[some], h.n[some]
        since = np.log1p((T - t_x) / (alpha + t_x))
        odds = np.log(a / (b + x + (self.ahead - 1))) + (r + x) * since
        total += n @ np.logaddexp(0, odds)
        left = n * expit(odds)
        gradient += [
            left @ since,
            (left * (r + x)) @ (1 / (alpha + T) - 1 / (alpha + t_x)),
            left.sum() / a,
            -(left @ (1 / (b + x + (self.ahead - 1)))),
        ]
        return -total / self.customers, -gradient * np.exp(logs) / self.customers

    def curvature(self, logs: np.ndarray) -> np.ndarray:
        """Return the second derivatives, from differences of the gradient."""
        steps = 1e-4 * np.eye(4)
        rows = [(self(logs + step)[1] - self(logs - step)[1]) / 2e-4 for step in steps]
        return (np.array(rows) + np.array(rows).T) / 2


def _fitted(kind: str, histories: _Histories) -> BuyTillYouDie:
    likelihood = _Likelihood(kind, histories)
    start = START
    if len(histories.x) > ENOUGH:
        start, _ = _minimum(_Likelihood(kind, histories.sample()), start)
    logs, covariance = _minimum(likelihood, start)
    errors = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
    values = np.exp(logs)
    values[1] *= histories.unit
    r, alpha, a, b = map(float, values)
    return BuyTillYouDie(
        kind,
        r=r,
        alpha=alpha,
        a=a,
        b=b,
        errors=dict(zip(NAMES, map(float, values * errors), strict=True)),
        # A density: in other units of time it has another value.
        log_likelihood=float(
            -likelihood(logs)[0] * likelihood.customers - (histories.n @ histories.x) * np.log(histories.unit)
        ),
        at_bound=_bound_in_words(logs),
        covariance=covariance,
    )


def _minimum(likelihood: _Likelihood, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeliest logs of the parameters and their covariance, 0 at a bound."""
    limits = np.log(BOUNDS)
    options = {"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500}
    logs = minimize(likelihood, start, jac=True, method="L-BFGS-B", bounds=limits, options=options).x
    covariance = np.zeros((4, 4))
    whole = likelihood.curvature(logs)
    # Without dropout nothing says what b is; a parameter that could be e^10 times as large is not known either.
    free = ~_is_at_bound(logs) & (np.diag(whole) * likelihood.customers > 0.01)
    curvature = whole[np.ix_(free, free)]
    if free.any() and np.linalg.eigvalsh(curvature)[0] > 0:
        # One step of Newton's method ends where any other start would.
        step = np.zeros(4)
        step[free] = -np.linalg.solve(curvature, likelihood(logs)[1][free])
        if np.abs(step).max() < 0.1:
            logs = np.clip(logs + step, *limits.T)
        covariance[np.ix_(free, free)] = np.linalg.inv(curvature) / likelihood.customers
    return logs, covariance


def _is_at_bound(logs: np.ndarray) -> np.ndarray:
    limits = np.log(BOUNDS)
    return (logs < limits[:, 0] + 0.05) | (logs > limits[:, 1] - 0.05)


def _bound_in_words(logs: np.ndarray) -> str:
    """Say what it means that a parameter is at its bound."""
    at_bound = _is_at_bound(logs)
    r, _, a, b = np.sign(logs) * at_bound
    leave = 1 / (1 + np.exp(logs[3] - logs[2]))
    words = []
    if (a or b) and leave < 1e-3:
        words.append("no dropout can be seen")
    elif (a or b) and leave > 0.999:
        words.append("every customer seems to leave after the next order")
    elif a > 0 or b > 0:
        words.append("no difference between customers in dropout can be seen")
    elif a or b:
        words.append("customers seem to leave at once or never")
    if r > 0:
        words.append("no difference between customers in how often they order can be seen")
    if at_bound.any() and not words:
        words.append("too few orders to see how customers differ")
    return "; ".join(words)


def _arrays(x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.asarray(x, dtype=float), np.asarray(t_x, dtype=float), np.asarray(T, dtype=float)
