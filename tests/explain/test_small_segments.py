"""What is said of segments of few customers: nothing, and that it is hidden."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.core.disclosure import MEANS_FROM, MINIMUM


def few_of_many(sizes=(120, 40, 3)):
    """Return three clear groups, the last one of 3 customers; `id_*` says the group."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    within = np.concatenate([np.arange(n) for n in sizes])
    customers = pd.DataFrame(
        {"visits": 100.0 * (group + 1) + within % 7, "spend": 1000.0 * (group + 1) + within % 11},
        index=[f"id_{g}_{i:03}" for g, i in zip(group, within, strict=True)],
    )
    return sg.segment(customers, n_segments=len(sizes), random_state=0)


RESULT = few_of_many()
LARGE, MIDDLE, SMALL = sorted(RESULT.segments, key=lambda s: -(RESULT.labels == s).sum())
KNOWN = pd.DataFrame(
    {
        "member": np.r_[np.arange(120) < 60, np.arange(40) < 4, [True] * 3],  # 4 of 40: too few to be shown
        "owner": np.r_[np.arange(120) < 60, np.arange(40) < 20, [True] * 3],
    },
    index=RESULT.customers.index,
)


def test_sizes_of_small_segments_and_one_more_are_hidden():
    sizes = sg.segment_sizes(RESULT, "spend")
    hidden = sizes.loc[[MIDDLE, SMALL], ["customers", "share", "value", "value_share"]]
    assert hidden.isna().all(axis=None)
    assert sizes.loc[LARGE, "customers"] == 120 and sizes.loc[LARGE].notna().all()
    assert sizes.attrs["segkit"]["hidden"] == [RESULT.name_of(SMALL)]
    assert sg.segment_sizes(RESULT, minimum=3)["customers"].notna().all()


def test_profile_names_small_segments_and_says_nothing_of_them():
    table = sg.profile(RESULT).set_index(["segment_id", "feature"])
    numbers = ["effect", "inside", "others", "low", "high", "index"]
    assert table.loc[SMALL, numbers].isna().all(axis=None)
    assert table.loc[[LARGE, MIDDLE], ["inside", "others", "effect"]].notna().all(axis=None)
    assert table.attrs["segkit"]["hidden"] == [RESULT.name_of(SMALL)]


def test_profile_is_the_same_without_the_small_segment():
    # Nothing follows from the others: their customers do not count among them either.
    two = RESULT.customers[(RESULT.labels != SMALL).to_numpy()]
    table = sg.profile(RESULT)
    here = table[table["segment_id"] == LARGE].set_index("feature")
    middle = RESULT.customers[RESULT.labels == MIDDLE].median()
    for feature in two:
        assert here.loc[feature, "others"] == middle[feature]


def test_shares_of_few_are_hidden_wherever_they_follow():
    table = sg.profile(RESULT, KNOWN).set_index(["segment_id", "column"])
    numbers = ["inside", "others", "index", "effect"]
    assert table.loc[[(MIDDLE, "member"), (LARGE, "member")], numbers].isna().all(axis=None)
    assert table.loc[(MIDDLE, "owner"), "inside"] == 0.5
    assert table.loc[(LARGE, "owner"), "others"] == 0.5


def test_effects_of_small_segments_are_of_medians():
    customers, labels = RESULT.customers.copy(), RESULT.labels
    middle = customers.index[labels == MIDDLE]
    # One customer's value moves a mean and no median.
    moved = customers.assign(more=np.arange(len(customers)) % 5.0)
    extreme = moved.copy()
    extreme.loc[middle[4], "more"] = 1e3
    one, other = (
        sg.profile(RESULT, t[["more"]]).set_index("segment_id").loc[MIDDLE] for t in (moved, extreme)
    )
    assert one["effect"] == 0 and other["effect"] == 0
    assert sg.profile(RESULT, extreme[["more"]], minimum=1).set_index("segment_id").loc[MIDDLE, "effect"] > 0


def test_quartiles_need_more_customers_than_medians():
    result = few_of_many((120, 99))
    table = sg.profile(result).set_index(["segment_id", "feature"])
    small = result.labels.value_counts().idxmin()
    assert table.loc[small, "inside"].notna().all()
    assert table.loc[small, ["low", "high"]].isna().all(axis=None)


def test_minimum_of_one_shows_everything():
    table = sg.profile(RESULT, minimum=1)
    assert table[["effect", "inside", "others", "low", "high"]].notna().all(axis=None)
    assert "hidden" not in table.attrs["segkit"]


@pytest.mark.parametrize("tell", [sg.profile, sg.segment_sizes])
def test_minimum_is_checked(tell):
    with pytest.raises(ValueError, match="minimum=0 should be a whole number, 1 or more"):
        tell(RESULT, minimum=0)


def test_defaults_are_those_of_the_gate():
    assert (MINIMUM, MEANS_FROM) == (10, 100)
