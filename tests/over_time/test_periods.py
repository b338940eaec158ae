"""Tables of several moments: what is read, and what is refused in words."""

import pandas as pd
import pytest
from tables import three_groups

import segkit as sg
from segkit.over_time.periods import checked_periods, place


@pytest.fixture(scope="module")
def result():
    return sg.segment(three_groups(5), n_segments=3)


def two(first="2024-02-01", second="2024-01-01", names=("as_of", "customer_id")):
    """Tables of two moments, the later one first."""
    customers = three_groups(5)
    moments = {pd.Timestamp(first): customers, pd.Timestamp(second): customers.iloc[::-1]}
    return pd.concat(moments, names=list(names))


def test_periods_come_in_order_of_time(result):
    tables = two()
    tables.attrs["segkit"] = {"as_of": ["2024-01-01", "2024-02-01"], "units": {}}
    expected = list(result.labels)
    for given in (tables, tables.sort_index(), tables.swaplevel(), tables.rename_axis([None, None])):
        periods = checked_periods(result, given)
        assert [f"{moment:%m}" for moment in periods] == ["01", "02"]
        for moment, rows in periods.items():
            assert list(place(result, rows)) == expected and list(rows.index) == list(result.labels.index)
            assert rows.attrs["segkit"]["as_of"] == moment.isoformat()
    assert tables.attrs["segkit"]["as_of"] == ["2024-01-01", "2024-02-01"]  # the caller's is as it was


def test_other_tables_are_refused(result):
    tables = two()
    for wrong, message in (
        (
            three_groups(5),
            "index of tables is customer_id; it should be as_of and customer_id. Pass the table",
        ),
        (tables.reset_index(), r"set_index\(\['as_of', 'customer_id'\]\)"),
        (tables.iloc[:0], "no row"),
        (tables.rename(columns={"visits": "visit"}), "no 'visits'. Did you mean 'visit'?.*visits, spend"),
        (pd.concat([tables, tables.iloc[:1]]), "'c000' has more than one row at 2024-02-01"),
        (tables.set_axis(tables.index.set_levels([pd.NaT, "2024-02-01"], level=0)), "15 rows without as_of"),
        (tables.set_axis(tables.index.set_levels(["May", "June"], level=0)), "not a moment"),
        (
            tables.set_axis(tables.index.set_levels(["2024-01-01 00:00", "2024-01-01"], level=0)),
            "twice, written",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            checked_periods(result, wrong)


def test_windows_must_agree(result):
    tables = two()
    tables.attrs["segkit"] = {"as_of": ["2024-01-01"], "window": "90 days 00:00:00"}
    checked_periods(result, tables)  # made by hand: its window is not known
    made = three_groups(5)
    made.attrs["segkit"] = {"as_of": "2024-01-01", "window": None}
    with pytest.raises(ValueError, match=r"look back on 90 days 00:00:00, .* on all events\. Compute both"):
        checked_periods(sg.segment(made, n_segments=3), tables)
