"""No hidden cell follows from what is left: each promise is attacked."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import segkit as sg
from segkit.core.disclosure import hidden_cells, hidden_sizes
from segkit.privacy.hidden_cells import HiddenCells

ALL = "All"


def bounds_of(shown, counts, secret=(), least=0):
    """What a linear programme finds out about each hidden cell, from all cells and totals that are left.

    Who knows that zeros are shown knows that a hidden cell holds 1 at `least`.
    """
    cells = shown.drop(index=ALL, columns=ALL, errors="ignore")
    rows, columns = cells.shape
    place = np.arange(cells.size).reshape(cells.shape)
    sums = [(place.ravel(), "the number of all customers", (ALL if rows > 1 else cells.index[0], ALL))]
    if rows > 1 and columns > 1:
        sums += [(place[i], label, (label, ALL)) for i, label in enumerate(cells.index)]
        sums += [(place[:, j], label, (ALL, label)) for j, label in enumerate(cells.columns)]
    equations, known = [], []
    for parts, name, (row, column) in sums:
        total = counts.to_numpy().ravel()[parts].sum()
        if row in shown.index and column in shown.columns:
            total = shown.loc[row, column]
        if not pd.isna(total) and str(name) not in secret:
            equations.append(np.isin(place.ravel(), parts).astype(float))
            known.append(float(total))
    values = cells.to_numpy(dtype=float, na_value=np.nan).ravel()
    limits = [(least, None) if np.isnan(v) else (v, v) for v in values]
    told = {"A_eq": np.array(equations), "b_eq": known} if equations else {}
    found = {}
    for at in np.flatnonzero(np.isnan(values)):
        ends = []
        for sign in (1, -1):
            answer = linprog(sign * (np.arange(cells.size) == at), bounds=limits, **told)
            ends.append(sign * answer.fun if answer.status == 0 else np.inf)
        found[tuple(np.argwhere(place == at)[0])] = ends
    return found


def check_attack(counts, shown, minimum):
    secret = shown.attrs["segkit"]["hidden_totals"]
    true = counts.to_numpy()
    for least in (0, 1):
        bounds = bounds_of(shown, counts, secret, least)
        for (row, column), (low, high) in bounds.items():
            value = true[row, column]
            assert low - 1e-6 <= value <= high + 1e-6
            if value < minimum:
                assert low < least + 1e-6 and high > minimum - 1 - 1e-6
            else:
                assert high - low > minimum - 1 - 1e-6
    numbers = shown.to_numpy(dtype=float, na_value=np.inf)
    assert ((numbers >= minimum) | (numbers == 0)).all()
    inside = shown.drop(index=ALL, columns=ALL, errors="ignore")
    left = inside.to_numpy(dtype=float, na_value=np.nan)
    assert len(bounds) == np.isnan(left).sum() >= ((true > 0) & (true < minimum)).sum()
    assert (left[true == 0] == 0).all()
    assert (np.isnan(left) | (left == true)).all()
    return len(bounds)


def check_random_tables(n):
    """Tables of one and two ways, sparse and full, with and without their totals."""
    rng = np.random.default_rng(21)
    hidden = 0
    for at in range(n):
        shape = (1, rng.integers(2, 9)) if at % 5 == 0 else rng.integers(2, 7, size=2)
        scale = rng.choice([3, 15, 60, 400])
        counts = pd.DataFrame(rng.poisson(rng.gamma(rng.choice([0.3, 1, 5]), scale, shape)))
        counts = counts.set_axis([f"r{i}" for i in counts.index]).set_axis(
            [f"c{i}" for i in counts.columns], axis=1
        )
        table = counts
        if at % 2:
            table = pd.concat([table, table.sum(axis=1).rename(ALL)], axis=1)
        if at % 4 == 3:
            table = pd.concat([table, table.sum().to_frame(ALL).T])
        minimum = int(rng.choice([3, 10, 10, 25]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of totals that are small themselves
            shown = sg.suppress_small(table, minimum)
        hidden += check_attack(counts, shown, minimum)
    assert hidden > 2 * n


def test_a_linear_programme_recovers_nothing():
    check_random_tables(24)


@pytest.mark.simulation
def test_a_linear_programme_recovers_nothing_of_1000_tables():
    check_random_tables(1000)


def test_hiding_only_small_cells_is_no_protection():
    """The attack finds the 3 exactly, so that it is one."""
    counts = pd.DataFrame({"n": [40, 25], "s": [3, 60]}, index=list("ab"))
    assert bounds_of(counts.astype("Int64").mask(counts < 10), counts) == {(0, 1): [3.0, 3.0]}


def test_one_small_cell_takes_three_others():
    """The smallest of its row and column that are large enough, and the one that closes the square."""
    counts = pd.DataFrame({"n": [40, 25, 30], "s": [3, 60, 30], "w": [12, 30, 90]}, index=list("abc"))
    shown = sg.suppress_small(counts)
    assert shown.isna().to_numpy().tolist() == [[True, True, False], [True, True, False], [False] * 3]
    assert shown.loc["c"].tolist() == [30, 30, 90]
    facts = shown.attrs["segkit"]
    assert (facts["hidden"], facts["cells"], facts["hidden_totals"]) == (4, 9, [])
    assert facts["sentence"].startswith("4 of 9 cells are hidden: those below 10")
    assert counts.loc["a", "s"] == 3


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([3, 50, 60], [0, 1]),  # alone, the 3 would follow from the total
        ([3, 5, 50, 60], [0, 1, 2]),  # their sum, 8, would say that neither is 9
        ([6, 7, 50, 60], [0, 1, 2]),
        ([3, 12, 50, 60], [0, 2]),  # as in other tables of sizes: not the 12, which is enough as well
        ([0, 50, 60], []),
        ([0, 3, 50, 60], [1, 2]),
        ([10, 50, 60], []),
    ],
)
def test_sizes_by_hand(counts, hidden):
    sizes = pd.Series(counts, index=[f"Segment {i}" for i in range(len(counts))], name="customers")
    shown = sg.suppress_small(sizes)
    assert np.flatnonzero(shown.isna()).tolist() == hidden
    assert shown.name == "customers" and shown.dropna().equals(
        sizes.drop(sizes.index[hidden]).astype("Int64")
    )
    assert sg.suppress_small(sizes, minimum=1).equals(sizes.astype("Int64"))


def test_a_wide_table_takes_no_longer_than_its_cells():
    """Five segments by 400 products took 40 seconds when each column was opened by a programme of its own."""
    counts = np.random.default_rng(1).poisson(np.random.default_rng(2).gamma(0.5, 40, (5, 400)))
    steps = HiddenCells._move
    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning, match="not in this table"):
        moved = []
        patch.setattr(HiddenCells, "_move", lambda self, *a: (moved.append(a), steps(self, *a))[1])
        shown = sg.suppress_small(pd.DataFrame(counts))
    assert len(moved) < 20
    small = (counts > 0) & (counts < 10)
    assert small.sum() < shown.isna().to_numpy().sum() < 1.6 * small.sum()


def test_crossed_tables_hide_the_same():
    """Who has the table of `cross_segments` too, which hides some cells beside the small ones, knows no more."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        counts = pd.DataFrame(rng.poisson(rng.gamma(0.5, 60, (4, 5))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            shown = sg.suppress_small(counts)
        assert shown.isna().to_numpy()[hidden_cells(counts.to_numpy(), 10)].all()


def test_totals_of_the_table_are_hidden_where_they_must():
    """A row of 4 customers: its total is small itself, and follows from no other."""
    counts = pd.DataFrame({"a": [1, 40, 50], "b": [3, 60, 70]}, index=["x", "y", "z"])
    table = counts.assign(All=counts.sum(axis=1))
    table.loc[ALL] = table.sum()
    shown = sg.suppress_small(table)
    assert pd.isna(shown.loc["x", ALL]) and shown.loc[ALL, ALL] == 224
    assert shown.loc[ALL, ["a", "b"]].tolist() == [91, 133]
    check_attack(counts, shown, 10)


def test_tables_of_sizes_hide_the_same():
    """Who has two tables of the same sizes knows no more than from either: hidden are those of `segment_sizes`."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        counts = pd.Series(rng.poisson(rng.gamma(1, 30, 5)) + 1, index=list("abcde"), name="n")
        crossed = pd.DataFrame({"n": rng.binomial(counts, 0.5)}, index=counts.index)
        crossed = crossed.assign(m=counts - crossed["n"], All=counts)
        hidden = hidden_sizes(counts, 10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert sg.suppress_small(counts).isna().to_numpy().tolist() == hidden.tolist()
            assert sg.suppress_small(crossed)[ALL].isna().to_numpy()[hidden].all()


def test_warns_of_totals_published_elsewhere():
    counts = pd.DataFrame({"a": [1, 40, 50], "b": [3, 60, 70]}, index=["x", "y", "z"])
    with pytest.warns(UserWarning, match=r"not in this table: x, y\. Do not publish these"):
        shown = sg.suppress_small(counts)
    assert shown.attrs["segkit"]["hidden_totals"] == ["x", "y"]
    with pytest.warns(UserWarning, match="the number of all customers"):
        assert sg.suppress_small(pd.Series([3, 2])).isna().all()


def test_a_difference_of_two_releases_tells_nothing():
    """Ann leaves a cell of 10: hidden from then on, it would be known to hold 9."""
    before = pd.DataFrame({"n": [10, 25, 30], "s": [30, 60, 30]}, index=list("abc"))
    after = before - pd.DataFrame({"n": [1, 0, 0], "s": [0, 0, 0]}, index=list("abc"))
    first = sg.suppress_small(before)
    assert first.loc["a", "n"] == 10 and pd.isna(sg.suppress_small(after).loc["a", "n"])
    second = sg.suppress_small(after, earlier=before)
    facts = second.attrs["segkit"]
    assert second.equals(first) and facts["held"]
    assert "Fewer than 10 customers changed since the earlier release" in facts["sentence"]
    later = sg.suppress_small(after + 30, earlier=before)
    assert later.loc["a", "n"] == 39 and not later.attrs["segkit"]["held"]


def test_one_leaver_never_changes_a_release():
    rng = np.random.default_rng(4)
    for _ in range(20):
        before = pd.DataFrame(rng.poisson(rng.gamma(1, 30, (3, 4))) + 1)
        after = before.copy()
        after.iloc[rng.integers(3), rng.integers(4)] -= 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            pd.testing.assert_frame_equal(
                sg.suppress_small(after, earlier=before), sg.suppress_small(before), check_flags=False
            )


def test_tables_come_back_as_they_are():
    """Words as categories, an empty table, a single cell, and totals of one way only."""
    crossed = pd.crosstab(pd.Categorical(["a"] * 30 + ["b"] * 30), pd.Series(["x", "y"] * 30), margins=True)
    shown = sg.suppress_small(crossed)
    assert shown.astype("int64").equals(crossed) and shown.attrs["segkit"]["sentence"] == "No cell is hidden."
    assert sg.suppress_small(pd.DataFrame()).empty
    assert sg.suppress_small(pd.DataFrame({"n": [20]})).iloc[0, 0] == 20
    assert sg.suppress_small(pd.DataFrame({"n": [3]})).isna().all(axis=None)
    sizes = pd.Series([34, 4, 30], index=["sum", "a", "b"])
    assert sg.suppress_small(sizes, totals="sum").isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (pd.DataFrame({"n": [1.5]}), ValueError, "holds 1.5 in the column 'n'"),
        (pd.Series([20, -1]), ValueError, "holds -1"),
        (pd.Series([20, np.nan]), ValueError, "holds nan"),
        (pd.DataFrame({"segment": ["a"], "n": [3]}), TypeError, "holds str, and counts are whole numbers"),
        (pd.Series([True]), TypeError, "holds bool"),
        (pd.Series([20, 30, 51], index=["a", "b", ALL]), ValueError, r"is 51, and its cells sum to 50"),
        (pd.Series([20, 30], index=["a", "a"]), ValueError, "two rows 'a'"),
        (pd.Series([20], index=pd.MultiIndex.from_tuples([("a", "b")])), ValueError, "2 levels"),
        ([1, 2], TypeError, "table is a list"),
    ],
)
def test_what_is_no_table_of_counts_is_refused(table, error, message):
    with pytest.raises(error, match=message):
        sg.suppress_small(table)


def test_minimum_is_a_count():
    with pytest.raises(ValueError, match="minimum=0 should be a whole number, 1 or more"):
        sg.suppress_small(pd.Series([3]), 0)
