"""Match segments over time: which survived, split, merged, were born or died."""

from __future__ import annotations

import pandas as pd

from segkit.create.matching import shared_mass, transitions
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import checked_result


def match_segments(previous: Segmentation, current: Segmentation) -> pd.DataFrame:
    """Name the transition of each segment, after the taxonomy of MONIC [1]_.

    Parameters
    ----------
    previous, current : Segmentation
        An earlier and a later one; of the same customers, from the same features, or both.

    Returns
    -------
    DataFrame
        A row for each old segment and each new one that holds it: `previous`, `current` (ids, missing where there is
        none), `previous_name`, `current_name`, `transition`, `kept` (share of the old one in this new one) and
        `made_of` (share of the new one that came from it).

        * ``survived``: at least half of the old segment is in one new segment, and no other holds a quarter.
        * ``split``: two or more new segments hold a quarter or more of it each.
        * ``merged``: it is in a new segment together with another old one.
        * ``died``: it is scattered, or less than a fifth of it is left. ``born``: no old segment is in it.

    Raises
    ------
    TypeError
        If one of them is no segmentation.
    ValueError
        If they share neither customers nor features.

    Notes
    -----
    Members and profile count half each. Members are the customers of both segmentations, by their old and new segment;
    the profile compares the segments that the frozen model assigns today's customers to with their new ones. Members
    alone would miss that customers changed their behaviour, the profile alone that customers left.

    References
    ----------
    .. [1] Spiliopoulou, Ntoutsi, Theodoridis & Schult (2006), MONIC: Modeling and Monitoring Cluster
       Transitions, KDD.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29, 60, 61, 62]}, index=list("abcdefghi"))
    >>> two, three = (sg.segment(customers, n_segments=k) for k in (2, 3))
    >>> sg.match_segments(two, three)["transition"].to_list()
    ['split', 'split', 'survived']
    """
    checked_result(previous, "previous")
    checked_result(current, "current")
    table = transitions(shared_mass(previous, current))
    for side, result in (("previous", previous), ("current", current)):
        names = [None if pd.isna(s) else result.name_of(int(s)) for s in table[side]]
        table[f"{side}_name"] = pd.Series(names, index=table.index, dtype="str")
    columns = ["previous", "previous_name", "current", "current_name", "transition", "kept", "made_of"]
    return table[columns]
