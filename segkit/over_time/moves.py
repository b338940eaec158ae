"""List the customers who moved to another segment, each with the reason and what changed most."""

from __future__ import annotations

import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.over_time.changes import what_changed
from segkit.over_time.steps import BEHAVIOUR, BOTH, MODEL, steps_between


def moves(previous: Segmentation, current: Segmentation) -> pd.DataFrame:
    """List the customers who are in another segment than before, with the reason and what changed most.

    Parameters
    ----------
    previous, current : Segmentation
        An earlier and a later one, from the same features.

    Returns
    -------
    DataFrame
        Indexed by `customer_id` (text, sorted), a row for each customer of both who moved; who came or is gone has
        nothing to compare, and is counted by :func:`segkit.migration`.

        * `from_id`, `from`, `to_id`, `to`: as in :func:`segkit.migration`.
        * `why`: "behaviour", "model" or "both".
        * `changed`: what changed most, such as "recency +2.1, frequency −0.8".
        * `feature_1`, `moved_1`, … `moved_3`: the same in columns, the largest first, in spreads: 1 is a standard
          deviation of the prepared feature in the old model, times its weight there. Words, and values that appeared
          or went, have no direction: `moved` is their distance, and `changed` says from what to what. Changes of less
          than 0.05 are left out; of whom the model alone moved, often all.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.migration`.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> before = sg.segment(may, n_segments=2).with_names({0: "Regular", 1: "Rare"})
    >>> sg.moves(before, sg.segment(june, n_segments=2, previous=before))[["from", "to", "why", "changed"]]
                 from       to        why      changed
    customer_id
    c            Rare  Regular  behaviour  orders +1.9
    """
    steps = steps_between(previous, current)
    who = steps.customers[steps.customers["why"].isin([BEHAVIOUR, MODEL, BOTH])]
    table = pd.DataFrame(
        {
            "from_id": who["before"],
            "from": who["before"].map(steps.names_before).astype("str"),
            "to_id": who["now"],
            "to": who["now"].map(steps.names_now).astype("str"),
            "why": who["why"].astype("str"),
        }
    )
    before = previous.customers.iloc[who["at_before"].to_numpy()].set_axis(who.index)
    now = current.customers.iloc[who["at_now"].to_numpy()].set_axis(who.index)
    table = table.join(what_changed(previous, before, now))
    table.attrs["segkit"] = {"badge": current.badge}
    return table
