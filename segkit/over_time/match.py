"""The same segment, next month: which one survived, split, merged, was born or died."""

from __future__ import annotations

import pandas as pd

from segkit.create.matching import shared_mass, transitions
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import checked_result


def match_segments(previous: Segmentation, current: Segmentation) -> pd.DataFrame:
    """Say what became of each segment, after the taxonomy of MONIC [1]_.

    Parameters
    ----------
    previous, current : Segmentation
        An earlier and a later one; of the same customers, from the same features, or both.

    Returns
    -------
    DataFrame
        A row for each old segment and each new one that it is found in: `previous`, `current` (ids,
        missing where there is none), `previous_name`, `current_name`, `transition`, `kept` (share of the
        old one found in this new one) and `made_of` (share of the new one that came from it).

        * ``survived``: at least half of the old segment is in one new segment, and nowhere else a quarter.
        * ``split``: two or more new segments hold a quarter or more of it each.
        * ``merged``: it is in a new segment that another old one went into too.
        * ``died``: it is scattered, or less than a fifth of it is left. ``born``: no old segment went into it.

    Raises
    ------
    TypeError
        If one of them is no segmentation.
    ValueError
        If they share neither customers nor features.

    Notes
    -----
    What is compared is half the members (customers in both: where they were, where they are) and half
    the profile (today's customers: where the old, frozen model places them, where they are). Members
    alone would call a segment the same whose people have all changed their ways; profile alone would
    not notice that its people are gone.

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
