"""Add noise that hides whether any one customer was counted, by OpenDP's Laplace and Gaussian mechanisms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

COVERAGE = 0.95  # of intervals of noise


@dataclass(frozen=True)
class Noise:
    """Noise for whole numbers that together are (ε, δ)-differentially private.

    Attributes
    ----------
    kind : {"Laplace", "Gaussian"}
    scale : float
        Of Laplace noise, or the standard deviation of Gaussian noise, in the unit of the numbers.
    measurement : opendp.Measurement
    """

    kind: str
    scale: float
    measurement: Any

    def __call__(self, exact: np.ndarray) -> np.ndarray:
        """Return numbers with noise, drawn anew at each call from the random numbers of the operating system."""
        noisy = self.measurement([int(number) for number in exact.ravel()])
        return np.array(noisy, dtype=np.int64).reshape(exact.shape)

    def half_width(self, coverage: float = COVERAGE) -> int:
        """Return how far a number with noise lies from the exact one at most, with this probability."""
        if self.kind == "Laplace":
            # P(|noise| > k) = 2 exp(−(k + 1) / scale) / (1 + exp(−1 / scale)) for whole k.
            beyond = (1 - coverage) * (1 + math.exp(-1 / self.scale)) / 2
            return max(math.ceil(-self.scale * math.log(beyond)) - 1, 0)
        return math.ceil(self.scale * scipy.stats.norm.ppf((1 + coverage) / 2))


def noise_for(l1: int, l2: float, *, epsilon: float, delta: float = 0.0) -> Noise:
    """Return the noise for whole numbers which one customer changes by little.

    Whole numbers, since noise of floating point can be told from the last digits of a sum [1]_.

    Parameters
    ----------
    l1, l2 : int, float
        How far one customer more or less changes the numbers at most: the sum of the changes, and the root of the sum
        of their squares.
    epsilon, delta : float
        Laplace noise, by `l1`, if delta is 0; else Gaussian noise, by `l2`, which is less for many numbers.

    Returns
    -------
    Noise

    Raises
    ------
    ImportError
        If OpenDP is not installed.

    References
    ----------
    .. [1] Mironov (2012), On significance of the least significant bits for differential privacy, CCS.
    """
    dp = _opendp()
    domain = dp.vector_domain(dp.atom_domain(T=dp.i64))
    if delta == 0:

        def laplace(scale: float) -> Any:
            return dp.m.make_laplace(domain, dp.l1_distance(T=dp.i64), scale=scale)

        exact = l1 / epsilon
        scale = dp.binary_search_param(
            laplace, d_in=l1, d_out=float(epsilon), bounds=(exact / 2, exact * 1.01)
        )
        return Noise("Laplace", scale, laplace(scale))

    def gaussian(scale: float) -> Any:
        concentrated = dp.m.make_gaussian(domain, dp.l2_distance(T=dp.f64), scale=scale)
        return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(concentrated), delta)

    # Bun & Steinke (2016), Concentrated differential privacy, proposition 1.3: never too little. At least half of
    # that, or `l2` where epsilon is tiny, is needed.
    logged = math.log(1 / delta)
    enough = l2 / (math.sqrt(2) * (math.sqrt(logged + epsilon) - math.sqrt(logged)))
    wanted = (float(epsilon), float(delta))
    scale = dp.binary_search_param(
        gaussian, d_in=float(l2), d_out=wanted, bounds=(min(enough / 2, l2), enough * 1.01)
    )
    return Noise("Gaussian", scale, gaussian(scale))


def _opendp() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise ImportError(
            "Noise for differential privacy needs the package opendp, which is not installed: "
            "pip install 'segkit[privacy]'."
        ) from error
    # OpenDP asks for this consent to all of its measurements, proven ones too.
    dp.enable_features("contrib")
    return dp
