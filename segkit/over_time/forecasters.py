"""Predict segments by what went before: stays, a Markov chain, a logistic regression, boosted trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

STAYS, MARKOV, LOGISTIC, TREES = "stays", "Markov chain", "logistic regression", "boosted trees"
MOST = 40_000  # customers that a model learns from, of all periods together
LEAST = 100  # customers in the period of the check; with fewer, it cannot tell which model is better
SURE = 2.0  # standard errors
RIDGE = 0.1  # inverse strength of the penalty


@dataclass(frozen=True)
class Moved:
    """Customers at one moment, and where they were a horizon later; in an order drawn at random.

    Attributes
    ----------
    inputs : ndarray of shape (n, n_inputs)
        Their features then, standardised.
    now, later : ndarray of int, shape (n,)
        Positions of their segments, then and later, among the targets.
    """

    inputs: np.ndarray
    now: np.ndarray
    later: np.ndarray

    def __len__(self) -> int:
        return len(self.now)


Forecast = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From inputs and present segments to probabilities, of shape (n, n_targets)."""


def together(periods: list[Moved], most: int = MOST) -> Moved:
    """Return the customers of several periods in one, equally many of each where they are too many."""
    each = max(1, most // len(periods))
    parts = [(p.inputs[:each], p.now[:each], p.later[:each]) for p in periods]
    return Moved(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def fit_stays(seen: Moved, n_targets: int) -> Forecast:
    """Everybody stays with the same probability; those who move go where customers are."""
    share = _shares(seen.later, n_targets)
    stays = (np.sum(seen.now == seen.later) + 0.5) / (len(seen) + 1)

    def forecast(_: np.ndarray, now: np.ndarray) -> np.ndarray:
        at = np.arange(len(now))
        chance = np.repeat(share[None], len(now), axis=0)
        chance[at, now] = 0
        chance *= (1 - stays) / chance.sum(axis=1, keepdims=True)
        chance[at, now] = stays
        return chance

    return forecast


def fit_markov(seen: Moved, n_targets: int) -> Forecast:
    """Learn the shares of each segment that are in each later, with one customer more who is like all others."""
    counts = np.repeat(_shares(seen.later, n_targets)[None], n_targets, axis=0)
    np.add.at(counts, (seen.now, seen.later), 1)
    chances = counts / counts.sum(axis=1, keepdims=True)
    return lambda _, now: chances[now]


def fit_logistic(seen: Moved, n_targets: int) -> Forecast:
    """Learn a multinomial logistic regression on features, their squares, and the present segment."""
    model = LogisticRegression(C=RIDGE, max_iter=300, tol=1e-3)
    model.fit(_with_squares(seen.inputs, seen.now, n_targets), seen.later)
    weights, intercept, classes = model.coef_, model.intercept_, model.classes_
    if len(classes) == 2:  # scikit-learn keeps the weights of the second alone
        weights, intercept = np.vstack([-weights, weights]) / 2, np.array([-intercept[0], intercept[0]]) / 2

    def forecast(inputs: np.ndarray, now: np.ndarray) -> np.ndarray:
        columns = _with_squares(inputs, now, n_targets)
        # Not a matrix product, whose last digits depend on the number of rows.
        scores = np.einsum("ij,kj->ik", columns, weights, optimize=False) + intercept
        return _of_all(softmax(scores, axis=1), classes, n_targets, len(seen))

    return forecast


def fit_trees(seen: Moved, n_targets: int) -> Forecast:
    """Learn boosted trees on features and the present segment."""
    model = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.08,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    )
    model.fit(_with_segment(seen.inputs, seen.now, n_targets), seen.later)

    def forecast(inputs: np.ndarray, now: np.ndarray) -> np.ndarray:
        chance = model.predict_proba(_with_segment(inputs, now, n_targets))
        return _of_all(chance, model.classes_, n_targets, len(seen))

    return forecast


@dataclass(frozen=True)
class Chosen:
    """The model that did best on an earlier period, fitted to all earlier periods.

    Attributes
    ----------
    model, why : str
    temperature : float
        What logarithms of probabilities are divided by: above 1, the model was too sure on the earlier period.
    forecast : callable
    losses : dict of str to float
        Log loss of each model on the earlier period.
    checked_on : int
        Customers of that period.
    """

    model: str
    why: str
    temperature: float
    forecast: Forecast
    losses: dict[str, float]
    checked_on: int


def choose(
    earlier: list[Moved], latest: Moved, others: list[Moved], n_targets: int, step: Callable[[], object]
) -> Chosen:
    """Choose a model by the latest period that is known, calibrate it there, and fit it to all periods.

    Parameters
    ----------
    earlier : list of Moved
        The periods that are learnt from for the choice.
    latest : Moved
        The period that they are checked on.
    others : list of Moved
        Periods that were not yet over when the latest began: the choice does not know them, the final model does.
    n_targets : int
    step : callable
        Called after each of the four steps.
    """
    seen, everything = together(earlier), together([*earlier, *others, latest])
    simple = {STAYS: fit_stays, MARKOV: fit_markov}
    losses = {name: losses_of(fit(seen, n_targets), latest) for name, fit in simple.items()}
    step()
    if len(latest) < LEAST or min(len(np.unique(m.later)) for m in (seen, everything)) < 2:
        why = f"too few customers for more: {len(latest):,} in the period of the check"
        return _chosen(MARKOV, why, 1.0, fit_markov(everything, n_targets), losses, latest)
    temperature = {MARKOV: 1.0}
    fits = {LOGISTIC: fit_logistic, TREES: fit_trees}
    for name, fit in fits.items():
        forecast = fit(seen, n_targets)
        temperature[name] = _temperature(forecast, latest)
        losses[name] = losses_of(cooled(forecast, temperature[name]), latest)
        step()
    best = LOGISTIC
    why = "the default; boosted trees did not surely do better on the period before"
    if surely_less(losses[TREES], losses[LOGISTIC]):
        best, why = TREES, "did better than a logistic regression on the period before"
    if not surely_less(losses[best], losses[MARKOV]):
        best, why = MARKOV, "features did not surely tell more than the present segment on the period before"
    fitted = (fits | {MARKOV: fit_markov})[best](everything, n_targets)
    step()
    return _chosen(best, why, temperature[best], cooled(fitted, temperature[best]), losses, latest)


def _chosen(
    model: str, why: str, temperature: float, forecast: Forecast, losses: dict[str, np.ndarray], latest: Moved
) -> Chosen:
    means = {name: float(each.mean()) for name, each in losses.items()}
    return Chosen(model, why, temperature, forecast, means, len(latest))


def losses_of(forecast: Forecast, seen: Moved) -> np.ndarray:
    """Return minus the logarithm of the probability that each customer's later segment was given."""
    return -np.log(forecast(seen.inputs, seen.now)[np.arange(len(seen)), seen.later])


def surely_less(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether the losses of the same customers are lower on average, by more than two standard errors."""
    difference = some - others
    return bool(difference.mean() < -SURE * difference.std() / np.sqrt(len(difference)))


def cooled(forecast: Forecast, temperature: float) -> Forecast:
    """Return a forecast with the logarithms of its probabilities divided by a temperature."""
    if temperature == 1:
        return forecast
    return lambda inputs, now: softmax(np.log(forecast(inputs, now)) / temperature, axis=1)


def _temperature(forecast: Forecast, seen: Moved) -> float:
    """Return the temperature (Guo et al. 2017, On Calibration of Modern Neural Networks, ICML) that fits best."""
    logs = np.log(forecast(seen.inputs, seen.now))
    at = np.arange(len(seen))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logs / np.exp(log_temperature), axis=1)[at, seen.later].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.5), np.log(4)), method="bounded").x))


def _shares(labels: np.ndarray, n_targets: int) -> np.ndarray:
    """Return the share of each target, with one customer more who is in each alike."""
    return (np.bincount(labels, minlength=n_targets) + 1 / n_targets) / (len(labels) + 1)


def _of_all(chance: np.ndarray, classes: np.ndarray, n_targets: int, n: int) -> np.ndarray:
    """Return probabilities of all targets, also of those that no customer was seen in: as if one more customer was."""
    every = np.full((len(chance), n_targets), 1 / n_targets / (n + 1))
    every[:, classes] += chance * n / (n + 1)
    return every


def _with_segment(inputs: np.ndarray, now: np.ndarray, n_targets: int) -> np.ndarray:
    return np.hstack([inputs, np.eye(n_targets)[now]])


def _with_squares(inputs: np.ndarray, now: np.ndarray, n_targets: int) -> np.ndarray:
    return np.hstack([inputs, inputs**2, np.eye(n_targets)[now]])
