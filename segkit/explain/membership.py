"""Say how probably, or with which share, each customer belongs to each segment, where the method says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import entr
from threadpoolctl import threadpool_limits

from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import preparer_and_clusterer
from segkit.methods.behaviour_parts import BehaviourParts
from segkit.methods.fitting import MIXTURES
from segkit.methods.partition import checked_result

ENTROPY = "entropy"  # the last column


def membership(result: Segmentation) -> pd.DataFrame:
    """Return the probability that each customer belongs to each segment.

    Parameters
    ----------
    result : Segmentation
        Of a mixture: ``method="mixed_mixture"`` or "gaussian_mixture", or a mixture of scikit-learn as `model`. Or
        of ``method="parts"``: then they are no probabilities but the share of each part in what a customer does.

    Returns
    -------
    DataFrame of shape (n_customers, n_segments + 1)
        On the index of the customers: a column for each segment, by name, in the order of ids, with probabilities that
        sum to 1; and `entropy`, from 0 (surely in one segment) to 1 (in all with equal probability). Missing for
        customers outside all parts.
        ``.attrs["segkit"]["relative_entropy"]`` is 1 minus its mean: 1 where nobody lies between segments [1]_.

    Raises
    ------
    ValueError
        If the method gives no probabilities, or a segment is called "entropy".

    Notes
    -----
    They are the probabilities if the mixture is right: they say neither that the segments are real
    (:func:`segkit.structure_test`) nor that models of other customers would agree (``result.confidence``).

    References
    ----------
    .. [1] Ramaswamy, DeSarbo, Reibstein & Robinson (1993), An empirical pooling approach for estimating marketing mix
       elasticities with PIMS data, Marketing Science 12.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1.0, 2, 3, 4, 5, 36, 37, 38, 39, 40, 41]}, index=list("abcdefghijk"))
    >>> result = sg.segment(customers, n_segments=2, method="mixed_mixture")
    >>> sg.membership(result).round(2).loc["a"].to_dict()
    {'Segment 0': 0.0, 'Segment 1': 1.0, 'entropy': 0.0}
    """
    checked_result(result)
    _, clusterer = preparer_and_clusterer(result.model)
    soft = isinstance(clusterer, BehaviourParts) or hasattr(clusterer, "weights_")
    if not (soft and hasattr(clusterer, "predict_proba")):
        raise ValueError(
            f"{type(clusterer).__name__} gives no probabilities, since it is no mixture. Make the segments with "
            f"{' or '.join(f'method={m!r}' for m in MIXTURES)}, with 'parts' for counts, or see how sure "
            "each is by result.confidence."
        )
    names = {s: result.name_of(s) for s in result.segments}
    if ENTROPY in names.values():
        raise ValueError(f"A segment is called {ENTROPY!r}, like a column of this table. Rename it.")
    prepared = result.prepared
    named = hasattr(clusterer, "feature_names_in_")
    with threadpool_limits(limits=1):
        of_labels = clusterer.predict_proba(prepared if named else prepared.to_numpy())
    # Components without customers are no segments: what they hold goes to the others in proportion.
    labels = [label for label in range(of_labels.shape[1]) if result.ids.get(label) in names]
    of_segments = pd.DataFrame(of_labels[:, labels], index=prepared.index).div(
        of_labels[:, labels].sum(axis=1), axis=0
    )
    of_segments.columns = pd.Index([names[result.ids[label]] for label in labels])
    table = of_segments[list(names.values())]
    unsure = entr(table.to_numpy()).sum(axis=1) / np.log(max(len(names), 2))
    table = table.assign(**{ENTROPY: np.clip(unsure, 0.0, 1.0)})
    table.attrs["segkit"] = {"badge": result.badge, "relative_entropy": float(1 - np.nanmean(unsure))}
    return table
