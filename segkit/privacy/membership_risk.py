"""Measure whether what is shown of segments tells who is in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.stats

from segkit.core.checks import check_seed
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes, may_have_mean, may_have_quantile
from segkit.core.messages import in_words
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import check_segments, checked_result
from segkit.privacy.membership_attack import MEAN, QUANTILES, Release, attack

GATE, MEANS = "gate", "means"
CROWD = 50  # customers who show how persons of a segment vary; of fewer, all segments together show it
MOST = 10_000  # persons who show it, at most
TELLS, HINTS = 0.75, 0.6  # areas under the curve


def membership_risk(
    result: Segmentation,
    *,
    shows: str | Release = GATE,
    minimum: int = MINIMUM,
    random_state: int = 0,
) -> pd.DataFrame:
    """Measure how well an export of segments tells whether a person is one of the customers.

    A membership inference attack [1]_: the attacker knows all features of a person and how features of such persons
    vary, and sees what is shown of a segment. Groups of its size are drawn from its customers, with a person in them
    and with another one in her place; from the numbers of each feature the attacker tells which it is.

    Parameters
    ----------
    result : Segmentation
    shows : str or function, default="gate"
        What is shown of each feature: "gate", what :func:`segkit.profile` shows with this `minimum` (medians,
        of 100 customers or more also quartiles and means); "means" of all segments; or a function of the
        prepared features of a group, of shape (n, d), and a numpy Generator, that returns d numbers: noisy means, say.
    minimum : int, default=10
        Segments of fewer customers are not shown by the gate.
    random_state : int, default=0

    Returns
    -------
    DataFrame
        Indexed by `segment_id`: `segment`; `customers`, missing where the gate hides it; what is `shown`; `auc`: how
        often a person in the group looks more like it than one who is not, from 0.5 (nothing is given away) to 1;
        `low` and `high`, its interval of 95 % for the number of draws; and `risk` in words.
        ``.attrs["segkit"]`` has the number of `features` and a `sentence`.

    Raises
    ------
    TypeError, ValueError
        If `result` is no segmentation or has no segment, or `shows` is neither of the words nor a function.

    Notes
    -----
    The best of several attacks counts: each statistic alone, and all together, as if features were independent. With d
    independent features and means of n customers, the area is Φ(√(d / 2n)) [2]_. Features that go together give less
    away, many features more. Medians give away about as much as means, and quartiles add to it; only larger groups,
    fewer features or noise (:class:`segkit.PrivacyBudget`) help. Of segments of more than 300 customers, groups of 300
    are drawn, and the area follows as above. How persons of a segment of fewer than 50 vary is taken from all segments.
    Of words, shares are attacked, also those that the gate hides.

    References
    ----------
    .. [1] Homer et al. (2008), Resolving individuals contributing trace amounts of DNA to highly complex mixtures, PLoS
       Genetics 4.
    .. [2] Sankararaman et al. (2009), Genomic privacy and limits of individual detection in a pool, Nature Genetics 41.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> customers = pd.DataFrame(rng.normal(size=(40, 12)) + np.repeat([[0], [9]], [5, 35], axis=0)).add_prefix("f")
    >>> result = sg.segment(customers, n_segments=2)
    >>> sg.membership_risk(result, shows="means")["auc"].round(1).to_list()
    [0.6, 0.8]
    >>> sg.membership_risk(result)["shown"].to_list()
    ['median', 'nothing']
    """
    checked_result(result)
    check_segments(result, "membership_risk attacks what is shown of them")
    check_minimum(minimum)
    check_seed(random_state)
    if not callable(shows) and shows not in (GATE, MEANS):
        raise ValueError(
            f"shows is {in_words(shows)}. It should be 'gate', 'means', or a function of a group's features."
        )
    # In the order of ids, so that the same customers are drawn whatever the order of rows.
    prepared = np.nan_to_num(result.prepared.to_numpy(dtype=float))[result.order]
    labels = result.labels.to_numpy()[result.order]
    sizes = np.array([(labels == segment).sum() for segment in result.segments])
    rows = []
    for segment, size in zip(result.segments, sizes, strict=True):
        statistics = shows if callable(shows) else _shown(int(size), shows, minimum)
        rng = np.random.default_rng([random_state, segment])
        population = _population(prepared, labels, segment, rng)
        area, error = attack(population, int(size), statistics, rng)
        rows.append((result.name_of(segment), _in_words(statistics), area, error))
    names, shown, areas, errors = zip(*rows, strict=True)
    hidden = hidden_sizes(sizes, minimum)
    reach = scipy.stats.norm.ppf(0.975) * np.array(errors)
    table = pd.DataFrame(
        {
            "segment": pd.array(names, dtype="str"),
            "customers": pd.Series(sizes).astype("Int64").mask(hidden).array,
            "shown": pd.array(shown, dtype="str"),
            "auc": areas,
            "low": np.clip(np.array(areas) - reach, 0, 1),
            "high": np.clip(np.array(areas) + reach, 0, 1),
            "risk": pd.array([_risk(area) for area in areas], dtype="str"),
        },
        index=pd.Index(result.segments, name="segment_id"),
    )
    table.attrs["segkit"] = {"features": prepared.shape[1], "sentence": _sentence(table, prepared.shape[1])}
    return table


def _shown(size: int, shows: str, minimum: int) -> tuple[str, ...]:
    """Return which statistics are shown of a segment."""
    if shows == MEANS:
        return (MEAN,)
    quantiles = [name for name, q in QUANTILES.items() if may_have_quantile(size, q, minimum)]
    return (*quantiles, MEAN) if may_have_mean(size, minimum) else tuple(quantiles)


def _population(
    prepared: np.ndarray, labels: np.ndarray, segment: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the customers of a segment; for a small one, persons around its middle as others are around theirs."""
    inside = prepared[labels == segment]
    if len(inside) >= CROWD:
        return inside[rng.permutation(len(inside))[:MOST]]
    some = rng.permutation(len(labels))[:MOST]
    middles = pd.DataFrame(prepared).groupby(labels).transform("mean").to_numpy()
    return inside.mean(axis=0) + (prepared - middles)[some]


def _in_words(statistics: tuple[str, ...] | Release) -> str:
    return "a function" if callable(statistics) else ", ".join(statistics) or "nothing"


def _risk(area: float) -> str:
    return (
        "tells who is in it"
        if area >= TELLS
        else "hints at it"
        if area > HINTS
        else "tells little or nothing"
    )


def _sentence(table: pd.DataFrame, features: int) -> str:
    worst = table.loc[table["auc"].idxmax()]
    return (
        f"Most is given away of {worst['segment']}: who knows the {features:,} prepared features of a person tells "
        f"whether she is in it with AUC {worst['auc']:.2f} (0.5 = not at all, 1 = for sure)."
    )
