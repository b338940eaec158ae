"""Release the sizes and means of segments with noise, so that nobody can tell whether a customer was counted."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import counted, did_you_mean, in_words
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import check_segments, checked_result
from segkit.privacy.budget import PrivacyBudget, check_delta, check_epsilon
from segkit.privacy.noise import Noise, noise_for

PARTS = 2**20  # of the vote of a customer, which is split between the two bounds of a feature


def private_sizes(
    result: Segmentation,
    budget: PrivacyBudget,
    *,
    epsilon: float,
    delta: float = 0.0,
    customers: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the customers of each segment with noise, so that the counts are differentially private.

    Parameters
    ----------
    result : Segmentation
    budget : PrivacyBudget
        What is spent is written into it before the counts are made.
    epsilon : float
        What the counts of all segments spend together. Counts are off by about 1 / epsilon.
    delta : float, default=0
        Laplace noise if 0, else Gaussian noise.
    customers : DataFrame, optional
        Count these customers, by the frozen model, in place of those that the segments were made from. See Notes.

    Returns
    -------
    DataFrame of shape (n_segments, 5)
        Indexed by `segment_id`: `segment`; `customers`, not below 0; their `share` of all; `low`, `high`, between which
        the exact count lies in 95 % of releases. Customers outside all segments are not counted.

    Raises
    ------
    ValueError
        If epsilon is not above 0 and at most 100, delta is no probability, they are more than what is left of the
        budget, or a customer has several rows.
    ImportError
        If OpenDP is not installed: ``pip install 'segkit[privacy]'``.

    Notes
    -----
    The promise is for one customer more or less, with segments as they are [1]_. Segments that were made from the same
    customers are not covered: she may have moved their borders by a little. To be covered in full, make segments from
    other customers, such as those of last year, and pass these as `customers`.

    There is no `random_state`: who knows the seed knows the noise. Each call draws anew and spends anew, so keep what
    was released.

    References
    ----------
    .. [1] Dwork, McSherry, Nissim & Smith (2006), Calibrating noise to sensitivity in private data analysis, TCC.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2] * 30 + [30, 31] * 20}, index=[f"c{i:03}" for i in range(100)])
    >>> result = sg.segment(customers, n_segments=2)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     sg.private_sizes(result, sg.PrivacyBudget(Path(folder) / "budget.sqlite", epsilon=1), epsilon=0.5)
                  segment  customers     share  low  high
    segment_id
    0           Segment 0         61  0.616162   55    67
    1           Segment 1         38  0.383838   32    44
    """
    members = _members(result, budget, customers, epsilon, delta)
    noise = noise_for(1, 1.0, epsilon=epsilon, delta=delta)
    budget.spend(f"Sizes of {counted(len(members), 'segment')}", epsilon=epsilon, delta=delta)
    noisy = noise(np.array([len(rows) for rows in members.values()]))
    sizes = pd.DataFrame(
        {"segment": [result.name_of(s) for s in members], "customers": noisy.clip(min=0)},
        index=pd.Index(list(members), name="segment_id"),
    )
    sizes["share"] = sizes["customers"] / sizes["customers"].sum()
    sizes["low"] = (noisy - noise.half_width()).clip(min=0)
    sizes["high"] = (noisy + noise.half_width()).clip(min=0)
    return sizes


def private_profile(
    result: Segmentation,
    budget: PrivacyBudget,
    *,
    bounds: Mapping[str, tuple[float, float]],
    epsilon: float,
    delta: float = 0.0,
    customers: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compute the means of each segment with noise, so that they are differentially private.

    Parameters
    ----------
    result : Segmentation
    budget : PrivacyBudget
        What is spent is written into it before the means are made.
    bounds : mapping of str to (float, float)
        The features to describe, and for each the lowest and highest value that counts; values beyond count as the
        bound. Say them from knowledge of the trade, such as ``{"recency": (0, 365)}``: bounds taken from the data would
        give away the largest customer. Narrow bounds need less noise.
    epsilon : float
        What all means spend together. Few features, many customers and a larger epsilon make them more exact.
    delta : float, default=0
        Laplace noise if 0, which grows with the number of features. Gaussian noise otherwise, which grows with its root
        and is less from about ten features on.
    customers : DataFrame, optional
        Describe these customers, by the frozen model. See Notes of :func:`segkit.private_sizes`.

    Returns
    -------
    DataFrame
        A row for each segment and feature: `segment_id`, `segment`, `feature`; `mean`, in the feature's `unit`; `low`,
        `high`, between which the exact mean of the bounded values lies in at least 95 % of releases: the whole bounds
        where noise has drowned it; `customers`, how many have a value, with noise; `unit`.

    Raises
    ------
    ValueError
        If a feature is unknown or has no numbers, its bounds are not finite or not in order, or as in
        :func:`segkit.private_sizes`.
    ImportError
        If OpenDP is not installed: ``pip install 'segkit[privacy]'``.

    Notes
    -----
    Each customer has one vote for each feature, which is split between the lower and the upper bound: of bounds 0 and
    100, a value of 30 gives 0.7 and 0.3. Noise is added to the votes for each bound. Their ratio is the mean and their
    sum the number of customers, so that one vote pays for both. Who has no value does not vote.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2] * 300 + [30, 31] * 200}, index=[f"c{i:04}" for i in range(1000)])
    >>> result = sg.segment(customers, n_segments=2)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     budget = sg.PrivacyBudget(Path(folder) / "budget.sqlite", epsilon=1)
    ...     sg.private_profile(result, budget, bounds={"visits": (0, 50)}, epsilon=0.5).round(1)
       segment_id    segment feature  mean   low  high  customers unit
    0           0  Segment 0  visits   1.3   0.6   2.0        602
    1           1  Segment 1  visits  30.5  29.4  31.6        399
    """
    members = _members(result, budget, customers, epsilon, delta)
    described = next(iter(members.values()))
    bounds = _checked_bounds(bounds, described)
    noise = profile_noise(len(bounds), epsilon=epsilon, delta=delta)
    what = f"Means of {counted(len(bounds), 'feature')} in {counted(len(members), 'segment')}"
    budget.spend(what, epsilon=epsilon, delta=delta)
    noisy = noise(np.stack([votes(rows, bounds) for rows in members.values()]))
    low, mean, high = means_of(noisy, noise.half_width(1 - (1 - 0.95) / 2), bounds)
    units = result.provenance.get("units", {})
    return pd.DataFrame(
        {
            "segment_id": np.repeat(list(members), len(bounds)),
            "segment": pd.array(np.repeat([result.name_of(s) for s in members], len(bounds)), dtype="str"),
            "feature": pd.array(list(bounds) * len(members), dtype="str"),
            "mean": mean.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "customers": np.round(noisy.sum(axis=2).clip(min=0) / PARTS).astype(int).ravel(),
            "unit": pd.array([units.get(name, "") for name in bounds] * len(members), dtype="str"),
        }
    )


def votes(customers: pd.DataFrame, bounds: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Return the sum of the votes of customers for the bounds of each feature, in parts of a vote.

    Returns
    -------
    ndarray of int, shape (n_features, 2)
        For the lower and the upper bound.

    Examples
    --------
    >>> (votes(pd.DataFrame({"visits": [30.0, None, 200.0]}), {"visits": (0, 100)}) / PARTS).round(3)
    array([[0.7, 1.3]])
    """
    sums = []
    for name, (low, high) in bounds.items():
        values = customers[name].to_numpy(dtype=float, na_value=np.nan)
        values = values[~np.isnan(values)].clip(low, high)
        upper = np.round((values - low) / (high - low) * PARTS).astype(np.int64)
        sums.append((int((PARTS - upper).sum()), int(upper.sum())))
    return np.array(sums)


def profile_noise(n_features: int, *, epsilon: float, delta: float) -> Noise:
    """Return the noise for the votes of all segments: a customer has one vote for each feature, in one segment."""
    return noise_for(n_features * PARTS, math.sqrt(n_features) * PARTS, epsilon=epsilon, delta=delta)


def means_of(
    noisy: np.ndarray, reach: int, bounds: Mapping[str, tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means from votes with noise, and between which values the exact ones lie if no vote is off by more.

    Returns
    -------
    low, mean, high : ndarray of shape (n_segments, n_features)
        The mean is missing where noise has left no vote.
    """
    edges = np.array(list(bounds.values()), dtype=float)
    below, above = noisy[..., 0].clip(min=0).astype(float), noisy[..., 1].clip(min=0).astype(float)
    least, most = (noisy - reach).clip(min=0).astype(float), (noisy + reach).clip(min=0).astype(float)
    with np.errstate(invalid="ignore"):
        shares = (
            least[..., 1] / (least[..., 1] + most[..., 0]),
            above / (below + above),
            most[..., 1] / (most[..., 1] + least[..., 0]),
        )
    whole = (0.0, np.nan, 1.0)
    low, mean, high = (
        edges[:, 0] + np.where(np.isnan(share), otherwise, share) * (edges[:, 1] - edges[:, 0])
        for share, otherwise in zip(shares, whole, strict=True)
    )
    return low, mean, high


def _members(
    result: Segmentation, budget: object, customers: pd.DataFrame | None, epsilon: object, delta: object
) -> dict[int, pd.DataFrame]:
    """Return the customers of each segment, after the checks that both functions share."""
    checked_result(result)
    check_segments(result, "there is nothing to count")
    check_type("budget", budget, PrivacyBudget, "Begin one: sg.PrivacyBudget('budget.sqlite', epsilon=1).")
    check_epsilon(epsilon)
    check_delta(delta)
    described = result.customers if customers is None else customers
    if isinstance(described, pd.DataFrame) and not described.index.is_unique:
        n = int(described.index.duplicated().sum())
        raise ValueError(
            f"customers has {counted(n, 'row')} of customers who have another row, and noise for one would not hide "
            "them. Each customer should have one row."
        )
    labels = result.labels if customers is None else result.assign(customers)
    return {s: described[(labels == s).to_numpy()] for s in result.segments}


def _checked_bounds(bounds: object, customers: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the bounds of each feature as numbers.

    Raises
    ------
    TypeError, ValueError
    """
    wanted = "It should say the lowest and highest value of each feature to describe: {'recency': (0, 365)}."
    check_type("bounds", bounds, Mapping, wanted)
    assert isinstance(bounds, Mapping)
    if not bounds:
        raise ValueError(f"bounds is empty. {wanted}")
    checked = {}
    for name, pair in bounds.items():
        if name not in customers.columns:
            raise ValueError(
                f"bounds names {name!r}, which is no feature of these customers."
                f"{did_you_mean(str(name), customers.columns)}"
            )
        if not pd.api.types.is_numeric_dtype(customers[name].dtype):
            raise ValueError(f"{name!r} has no numbers, so it has no mean. Leave it out of bounds.")
        try:
            low, high = map(float, pair)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The bounds of {name!r} are {in_words(pair)}. {wanted}") from error
        if not (-math.inf < low < high < math.inf and high - low < math.inf):
            raise ValueError(
                f"The bounds of {name!r} are {low:g} and {high:g}. The first should be below the second, both finite."
            )
        checked[name] = (low, high)
    return checked
