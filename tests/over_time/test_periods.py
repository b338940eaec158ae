"""Tables of several moments: what is read, and what is refused in words."""

import pandas as pd
import pytest
from tables import purchases, three_groups

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


def test_ids_are_numbers_in_some_tables_and_text_in_others():
    """Each customer stays one, and who is there twice is found."""
    customers = three_groups(5)
    numbers = list(range(len(customers)))
    result = sg.segment(customers.set_axis(numbers), n_segments=3)
    moments = pd.date_range("2024-01-01", periods=3, freq="MS")

    def tables(*ids):
        each = [customers.set_axis(pd.Index(own, dtype=object)) for own in ids]
        return pd.concat(each, keys=moments, names=["as_of", "customer_id"])

    text = [str(i) for i in numbers]
    given = tables(numbers, text, [float(i) for i in numbers])
    assert {tuple(rows.index) for rows in checked_periods(result, given).values()} == {tuple(sorted(text))}
    assert sg.next_segment(result, given)["gone"].max() < 0.05
    assert sg.moves_over_time(result, given).empty
    kept = checked_periods(result, tables(numbers, numbers, numbers))[moments[0]]
    assert sorted(kept.index) == numbers  # all of one type stay as they are
    twice = tables([1, "1", *numbers[2:]], text, text)
    with pytest.raises(ValueError, match="The customer '1' has more than one row at 2024-01-01"):
        sg.moves_over_time(result, twice)


def test_windows_must_agree(result):
    tables = two()
    tables.attrs["segkit"] = {"as_of": ["2024-01-01"], "window": "90 days 00:00:00"}
    checked_periods(result, tables)  # made by hand: its window is not known
    made = three_groups(5)
    made.attrs["segkit"] = {"as_of": "2024-01-01", "window": None}
    with pytest.raises(ValueError, match=r"look back on 90 days 00:00:00, .* on all events\. Compute both"):
        checked_periods(sg.segment(made, n_segments=3), tables)
    visits = [(c, day, 1.0 + i) for i, c in enumerate("abcdefgh") for day in ("2024-01-05", "2024-02-05")]
    events, dates = purchases(*visits), ["2024-02-01", "2024-03-01"]
    windows = {
        window: sg.snapshots(events, sg.RFM, dates=dates, window=window) for window in (None, "40 days")
    }
    for window, other in ((None, "40 days"), ("40 days", None)):
        one_of_many = sg.segment(windows[window].loc["2024-02-01"][["monetary"]], n_segments=2)
        checked_periods(one_of_many, windows[window])
        with pytest.raises(ValueError, match=r"look back on .* Compute both with the same window="):
            checked_periods(one_of_many, windows[other])
