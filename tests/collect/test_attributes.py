"""Attributes: read under their basis, and joined to features; by hand."""

import contextlib
import dataclasses
import re
import sqlite3

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from shared_data import shared
from tables import EVIL, purchases

import segkit as sg
from segkit.collect.attributes.scales import alpha_interval, cronbach_alpha
from segkit.core.engine.connection import table_of
from segkit.core.schema import BASES
from segkit.datasets import AGE_BANDS, BATTERY, INCOME_BANDS, POSTCODES, make_attributes, make_events

AS_OF = "2024-07-01"
NAN = np.nan


def people(**columns):
    """A table of the customers 1, 2, 3 and so on, with these columns; short ones end with missing values."""
    n = max(len(column) for column in columns.values())
    ids = pd.Series([str(i) for i in range(1, n + 1)])
    return pd.DataFrame({"customer_id": ids} | {name: pd.Series(column) for name, column in columns.items()})


def read(column, basis="demographic", **more):
    """One column, read."""
    return sg.read_attributes(people(it=column), **{basis: "it"}, **more).table["it"]


def notes(attributes, column=None):
    """The values that were set aside: reason, count and example."""
    blanked = attributes.blanked if column is None else attributes.blanked.query("column == @column")
    return [tuple(line) for line in blanked[["reason", "count", "example"]].itertuples(index=False)]


# Numbers and dates written in a way of their own

WRITTEN = {
    "point": ["$20,000", "$7,000.50", "($50)"],
    "comma": ["1000,50", "1.000 €", "7,5 €"],
    "share": ["12%", "0 %", "100%"],
    "short": ["50k", "1.5M", "900"],
    "thousands": ["7,000", "12", "1,000,000"],
}


@pytest.mark.parametrize(
    ("name", "decimal", "numbers"),
    [
        ("point", ".", [20_000, 7_000.5, -50]),
        ("comma", ",", [1000.5, 1000, 7.5]),
        ("share", ".", [0.12, 0, 1]),
        ("short", ".", [50_000, 1_500_000, 900]),
        ("thousands", ".", [7_000, 12, 1_000_000]),
        ("thousands", {"it": "."}, [7_000, 12, 1_000_000]),
    ],
)
def test_written_numbers_are_read_as_told_or_refused(name, decimal, numbers):
    for types in ({}, {"types": {"it": "number"}}):
        with pytest.raises(ValueError, match=r"holds numbers as text, such as .* decimal=.* 'category'"):
            read(WRITTEN[name], **types)
        assert read(WRITTEN[name], decimal=decimal, **types).to_list() == numbers
    assert read(WRITTEN[name], types={"it": "category"}).dtype == "category"


def test_the_hint_shows_both_readings():
    with pytest.raises(ValueError, match=r"decimal='\.' reads it as 7000 and decimal=',' reads it as 7\."):
        read(["7,000", "8,000"])
    with pytest.raises(ValueError, match=r"'1000,50', which does not fit decimal='\.'.*decimal=',' reads"):
        read(["1000,50"], decimal=".")


def test_a_few_words_among_written_numbers_are_set_aside():
    column = [f"{i},500" for i in range(1, 40)] + ["unknown"]
    with pytest.raises(ValueError, match="holds numbers as text"):
        read(column)
    attributes = sg.read_attributes(people(it=column), demographic="it", types={"it": "number"}, decimal=".")
    assert attributes.table["it"].sum() == sum(range(1, 40)) * 1000 + 39 * 500
    assert notes(attributes) == [("not a number", 1, "it=unknown")]


@pytest.mark.parametrize(
    ("usual", "message"),
    [
        ([f"${i},500" for i in range(20, 60)], "holds numbers as text, such as '$20,500'"),
        ([f"{i},500" for i in range(20, 60)], "holds numbers as text, such as '20,500'"),
        ([str(i) for i in range(20, 60)], "holds 40 numbers and 40 words, such as 'prefer not to say'"),
        (
            [f"{i:02}.03.{y}" for i in range(1, 29) for y in (2023, 2024)],
            "holds dates as text, such as '01.03.2023'",
        ),
        ([f"2024-03-{i:02}" for i in range(1, 29)], "holds dates as text, such as '2024-03-01'"),
    ],
)
def test_one_answer_that_many_gave_makes_no_words_of_many_numbers(usual, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read([*usual, *["prefer not to say"] * 40])


def test_codes_with_and_without_letters_stay_words():
    codes = [str(i) for i in range(100, 140)] + [f"A{i}" for i in range(100, 140)]
    assert set(read(codes)) == set(codes)


def test_words_that_only_resemble_numbers_stay_words():
    for words in (
        ["18-24", "25-34"], ["<20k", "20k-50k"], ["01234", "99999"], ["4+", "1"], ["5b", "12a"], ["1.2.3", "1.10.0"],
        ["SKU 12", "SKU 13"], ["yes", "12%"],
    ):  # fmt: skip
        assert read(words).to_list() == words
    assert read(["75 001", "13 002"], "geographic").to_list() == ["75 001", "13 002"]
    assert read([*(f"75 0{i}" for i in range(10, 50)), *["unknown"] * 20], "geographic").dtype == "category"


def test_different_units_in_one_column_are_refused():
    with pytest.raises(ValueError, match=r"amounts in \$ and €, which are not the same unit"):
        read(["$20", "€20"], decimal=".")
    with pytest.raises(ValueError, match="1 numbers with a per cent sign and 2 without"):
        read(["12%", "0.5", "3"], decimal=".")
    share = sg.read_attributes(people(it=["12%", "5%"]), demographic="it", decimal=".")
    assert share.about.loc["it", "unit"] == "share"


@pytest.mark.parametrize(
    ("column", "date_format"),
    [
        (["01.03.2024", "30.06.2024"], "%d.%m.%Y"),
        (["3/1/2024", "6/30/2024"], "%m/%d/%Y"),
        (["1 Mar 2024", "30 Jun 2024"], {"it": "%d %b %Y"}),
        (["2024/03/01", "2024/06/30"], "%Y/%m/%d"),
    ],
)
def test_written_dates_are_read_as_told_or_refused(column, date_format):
    with pytest.raises(ValueError, match=r"holds dates as text, such as .* date_format="):
        read(column, as_of=AS_OF)
    assert read(column, as_of=AS_OF, date_format=date_format).to_list() == [122, 1]
    assert read(column, as_of=AS_OF, date_format=date_format, types={"it": "age"}).to_list() == [0, 0]
    with pytest.raises(ValueError, match="which date_format='%y' does not fit"):
        read(column, as_of=AS_OF, date_format="%y")


def test_a_few_words_among_iso_dates_do_not_make_categories():
    column = ["2024-06-30"] * 30 + ["never"]
    with pytest.raises(
        ValueError, match=r"holds dates as text, such as '2024-06-30'\. .*types={'it': 'days'}"
    ):
        read(column, as_of=AS_OF)
    assert read(column, as_of=AS_OF, types={"it": "days"}).sum() == 30


def test_wrong_formats_are_explained():
    with pytest.raises(ValueError, match=r"decimal=.;. should be .\.. or .,."):
        read(["1"], decimal=";")
    with pytest.raises(ValueError, match="decimal names 'et', which is not an attribute"):
        read(["1"], decimal={"et": ","})
    with pytest.raises(TypeError, match="date_format=1 should be a format such as"):
        read(["1"], date_format=1)
    with pytest.raises(ValueError, match=r"date_format=.dd\.mm\.yyyy. should be a format"):
        read(["1"], date_format="dd.mm.yyyy")


# Rows


def test_ids_equal_those_of_events():
    """17850, 17850.0 and "17850" are one customer, in attributes and events."""
    ids = [17850.0, 12346.0, NAN]
    attributes = sg.read_attributes(
        pd.DataFrame({"who": ids, "age": [1, 2, 3]}), customer_id="who", demographic="age"
    )
    events = sg.read_events(
        pd.DataFrame({"who": ids[:2], "when": ["2024-01-01"] * 2}),
        kind="visit",
        customer_id="who",
        timestamp="when",
    )
    assert list(attributes.table.index) == sorted(events.table.customer_id.to_pandas()) == ["12346", "17850"]
    assert attributes.table.index.name == "customer_id"


def test_rows_are_used_or_refused():
    """Rows that differ only in a column that is not read are equal."""
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b", None, "", "c" * 300, "d"],
            "age": [1, 1, 2, 3, 4, 5, 6, 7],
            "note": ["x", "y", *"zzzzzz"],
        }
    )
    attributes = sg.read_attributes(table, demographic="age")
    assert attributes.table["age"].to_dict() == {"a": 1, "d": 7}
    assert attributes.refused.set_index("reason")["count"].to_dict() == {
        "customer_id missing": 2,
        "rows of one customer differ": 2,
        "customer_id longer than 256 characters": 1,
        "equal to another row": 1,
    }
    assert len(table) == len(attributes.table) + attributes.refused["count"].sum()
    assert attributes.refused["example"][:2].to_list() == ["age=4", "customer_id=b"]


@pytest.mark.parametrize(("kept", "age"), [("first", 2), ("last", 3)])
def test_first_or_last_row(kept, age):
    table = pd.DataFrame({"customer_id": ["b", "a", "b", "b"], "age": [2, 1, 2, 3]})
    attributes = sg.read_attributes(table, demographic="age", duplicates=kept)
    assert attributes.table["age"].to_dict() == {"a": 1, "b": age}
    assert attributes.refused["count"].sum() == 2


def test_broken_lines_are_counted(tmp_path):
    file = tmp_path / "crm.csv"
    file.write_text('customer_id,age\n1,30\n2,40,broken\n3,"50"\n')
    attributes = sg.read_attributes(file, demographic="age")
    assert attributes.table["age"].to_dict() == {"1": 30, "3": 50}
    assert attributes.refused["reason"].to_list() == ["line not readable as a row"]
    assert attributes.sources == ("crm.csv",)


MIXED = pd.DataFrame(
    {
        "customer_id": list("abcdee"), "age": ["20", "x", "40", None, "50", "60"], "town": list("PQPQPQ"),
        "q1": [1, 5, 9, 3, 2, 2], "q2": [2, 4, 3, None, 1, 1],
    }
)  # fmt: skip


def read_mixed(table):
    return sg.read_attributes(
        table, demographic="age", geographic="town", types={"age": "number"}, scales={"s": ["q1", "q2"]}
    )


@pytest.fixture(scope="module")
def mixed():
    return read_mixed(MIXED)


@given(order=st.permutations(range(6)))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
def test_order_of_rows_does_not_matter(mixed, order):
    other = read_mixed(MIXED.iloc[order])
    for part in ("table", "about", "refused", "blanked", "scales", "items"):
        assert_frame_equal(getattr(mixed, part), getattr(other, part))


def database(path, frame):
    """The URL of an SQLite file with this table, named people."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        frame.to_sql("people", connection, index=False)
    return f"sqlite:///{path}"


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "xlsx", "sqlite", "polars", "arrow", "ibis"])
def test_sources_give_equal_attributes(tmp_path, kind):
    """CSV and JSON lines hold text only, whose types are inferred."""
    frame = pd.DataFrame(
        {"id": [3, 1, 2], "age": [50, 30, 40], "vip": [True, False, True], "town": ["A", "B ", "A"]}
    )
    source = {
        "csv": lambda: frame.to_csv(tmp_path / "x.csv", index=False) or tmp_path / "x.csv",
        "parquet": lambda: frame.to_parquet(tmp_path / "x.parquet") or tmp_path / "x.parquet",
        "jsonl": lambda: frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True) or tmp_path / "x.jsonl",
        "xlsx": lambda: frame.to_excel(tmp_path / "x.xlsx", sheet_name="people", index=False) or tmp_path / "x.xlsx",
        "sqlite": lambda: database(tmp_path / "x.db", frame),
        "polars": lambda: pl.from_pandas(frame),
        "arrow": lambda: pa.Table.from_pandas(frame),
        "ibis": lambda: table_of(pa.Table.from_pandas(frame)),
    }[kind]()  # fmt: skip
    arguments = {"customer_id": "id", "demographic": ["age", "vip"], "geographic": "town"}
    table = "people" if kind in ("xlsx", "sqlite") else None
    result = sg.read_attributes(source, table=table, **arguments).table
    expected = pd.DataFrame(
        {"age": [30.0, 40.0, 50.0], "vip": [0.0, 1.0, 1.0], "town": pd.Categorical(["B", "A", "A"])},
        index=pd.Index(["1", "2", "3"], name="customer_id", dtype="str"),
    )
    assert_frame_equal(result, expected.astype({"town": result["town"].dtype}))


# Columns: one table with a column for each case

INCOME = pd.CategoricalDtype(["low", "high"], ordered=True)
DEMOGRAPHIC = {
    "words": ["Positive", "Negative ", "  ", None, "NULL", "None"],
    "numbers": ["1", " 2.5 ", "-3e2"],
    "gaps": ["1", "", "NA", "N/A", "nan"],
    "integers": [1, 2, None],
    "truth": [True, False, None],
    "truth_words": ["true", "FALSE", None],
    "zeros": ["01", "2"],
    "bands": ["1", "2", "3+"],
    "as_words": [1, 2],
    "infinite": [1.0, np.inf, -np.inf],
    "income": ["mid", "low ", "LOW", None, "mid"],
    "codes": [3, 1, None],
    "ordered_frame": pd.Series(["high", "low"], dtype=INCOME),
    "coded_frame": pd.Series([2, 1, 2], dtype="category"),
    "birthday": ["2000-07-01", "2000-07-02", "2024-06-30 23:59:59"],
    "moment": pd.Series([pd.Timestamp("1999-12-31")]),
    "year": [1990],
    "year_words": ["1990", "1893", "2025", "19", "unknown", None],
    "date": ["2024-06-30", "2024-07-01 12:00:00+02:00", None, "2024-06-01T00:00:00Z"],
}
GEOGRAPHIC = {
    "pin": [560001, 75001],
    "pin_float": [560001.0, None],
    "pin_words": ["560001", "75001"],
    "latitude": ["12.97", "13.0"],
    "pin_number": ["560001", "75001"],
}


@pytest.fixture(scope="module")
def columns():
    return sg.read_attributes(
        people(**DEMOGRAPHIC, **GEOGRAPHIC),
        demographic=list(DEMOGRAPHIC),
        geographic=list(GEOGRAPHIC),
        types={
            "as_words": "category",
            "pin_number": "number",
            **dict.fromkeys(["birthday", "moment", "year", "year_words"], "age"),
        },
        ordered={"income": ["low", "mid", "high"], "codes": [1, 2, 3]},
        as_of=AS_OF,
    )


@pytest.fixture(scope="module")
def values(columns):
    """The values of a column, None where missing, without those that pad it."""

    def of(name):
        n = len({**DEMOGRAPHIC, **GEOGRAPHIC}[name])
        return [None if pd.isna(v) else v for v in columns.table[name].iloc[:n]]

    return of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("numbers", [1, 2.5, -300]),
        ("gaps", [1, None, None, None, None]),
        ("integers", [1, 2, None]),
        ("truth", [1, 0, None]),
        ("truth_words", [1, 0, None]),
        ("latitude", [12.97, 13.0]),
        ("pin_number", [560001, 75001]),  # as its type
        ("infinite", [1, None, None]),
        ("birthday", [24, 23, 0]),
        ("moment", [24]),
        ("year", [34]),
        ("year_words", [34, *[None] * 5]),
    ],
)
def test_columns_of_numbers(columns, values, name, expected):
    assert columns.table[name].dtype == "float64"
    assert values(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words", ["Positive", "Negative", None, None, None, "None"]),
        ("zeros", ["01", "2"]),  # a number would lose its 0
        ("bands", ["1", "2", "3+"]),
        ("pin", ["560001", "75001"]),  # codes of places
        ("pin_float", ["560001", None]),
        ("pin_words", ["560001", "75001"]),
        ("as_words", ["1", "2"]),  # as its type
        ("coded_frame", ["2", "1", "2"]),
    ],
)
def test_columns_of_words(columns, values, name, expected):
    column = columns.table[name]
    assert isinstance(column.dtype, pd.CategoricalDtype) and not column.cat.ordered
    assert values(name) == expected
    assert list(column.cat.categories) == sorted({word for word in expected if word})


def test_ordered_words(columns, values):
    income, codes = columns.table["income"], columns.table["codes"]
    assert income.cat.ordered and list(income.cat.categories) == ["low", "mid", "high"]
    assert income.min() == "low" and notes(columns, "income") == [
        ("not among the words in ordered", 1, "income=LOW")
    ]
    assert codes.cat.ordered and values("codes") == ["3", "1", None]
    assert columns.table["ordered_frame"].dtype == INCOME


def test_dates_are_days(columns):
    assert columns.table["date"].iloc[:4].to_list() == pytest.approx([1, NAN, NAN, 30], nan_ok=True)
    assert notes(columns, "date") == [("after as_of", 1, "date=2024-07-01 12:00:00+02:00")]
    assert columns.about.at["date", "unit"] == "days"


def test_impossible_values_are_set_aside(columns):
    assert notes(columns, "infinite") == [("not finite", 2, "infinite=-inf")]
    assert notes(columns, "year_words") == [
        ("not a year of birth", 2, "year_words=19"),
        ("born after as_of", 1, "year_words=2025"),
        ("older than 110 years", 1, "year_words=1893"),
    ]


def test_numbers_with_a_few_words():
    column = [str(i) for i in range(40)] + ["unknown", "rich"]
    message = "holds 40 numbers and 2 words, such as 'rich'. Choose its type: types={'it': 'number'}"
    with pytest.raises(ValueError, match=re.escape(message)):
        read(column)
    both = sg.read_attributes(
        people(number=column, word=column),
        demographic=["number", "word"],
        types={"number": "number", "word": "category"},
    )
    assert both.table.nunique().to_dict() == {"number": 40, "word": 42}
    assert notes(both) == [("not a number", 2, "number=rich")]


def test_dates_need_as_of():
    with pytest.raises(ValueError, match="holds dates, and features are numbers or categories"):
        read(["2024-06-30"])
    with pytest.raises(ValueError, match="as_of='yesterday' is not a moment"):
        read(["2024-06-30"], as_of="yesterday")


@pytest.mark.parametrize(
    ("column", "arguments", "message"),
    [
        (["a", "b"], {"types": {"it": "number"}}, "No value of the column 'it' of the DataFrame is a number"),
        (
            ["a", "b"],
            {"ordered": {"it": ["A", "B"]}},
            "among A, B; it holds words such as 'a'. Did you mean 'A'?",
        ),
        (
            ["1/2/24"],
            {"types": {"it": "days"}, "as_of": AS_OF},
            "holds dates as text, such as '1/2/24'. Say how to read them: date_format=",
        ),
        (
            [34, 27],
            {"types": {"it": "age"}, "as_of": AS_OF},
            "is a year of birth; it holds '27'. If these are ages",
        ),
        ([[1], [2]], {}, "An attribute is a number, a word or a date"),
        (["a"], {"types": {"it": "nmber"}}, "Did you mean 'number'?"),
        (["a"], {"types": {"et": "number"}}, "types names 'et', which is not an attribute"),
        (["a"], {"ordered": {"it": ["a", "a"]}}, "should list each word once"),
        (["a"], {"ordered": {"it": "a"}}, "should list the words of 'it'"),
        (["a"], {"ordered": {"it": ["a"]}, "types": {"it": "category"}}, "Both types and ordered"),
        (["a"], {"duplicates": "drop"}, "is not one of 'refuse', 'first', 'last'"),
    ],
)
def test_unreadable_columns(column, arguments, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        read(column, **arguments)


def test_columns_under_their_basis():
    attributes = sg.read_attributes(
        people(Age=[1, None], Town=["A", "B"], Mood=["x", "y"], Score=[2, 3], note=["n", "m"]),
        behavioural={"score": "Score"},
        psychographic="Mood",
        demographic=["Age"],
        geographic={"town": "Town"},
    )
    assert attributes.bases == {
        "Age": "demographic",
        "town": "geographic",
        "Mood": "psychographic",
        "score": "behavioural",
    }
    assert list(attributes.table) == list(attributes.bases)
    assert attributes.untagged == ("note",)
    assert attributes.of("psychographic") == ("Mood",)
    assert repr(attributes) == (
        "Attributes of 2 customers: demographic Age; geographic town; psychographic Mood; behavioural score; "
        "0 rows refused; left out: note"
    )
    shown = attributes._repr_html_()
    assert "50.0%" in shown and "2 words: A, B" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "No column of the DataFrame was named. It has customer_id, age"),
        ({"demographic": "agee"}, "has no column 'agee'. Did you mean 'age'?"),
        (
            {"demographic": "age", "customer_id": "id"},
            'Name the column of the ids: customer_id="…". If it has none, customer_id=None numbers the rows from 1.',
        ),
        ({"demographic": "age", "geographic": "age"}, "The attribute 'age' was named under two bases"),
        ({"demographic": {"age": "age", "AGE": "age"}}, "would be called 'age' and 'AGE'"),
        ({"demographic": [3]}, "should name columns"),
        ({"demographic": "age", "preset": "hubspot"}, "Did you mean 'hubspot_contacts'?"),
        ({"regions": {"r": "age"}}, "Write it as Region('country'"),
        ({"regions": [sg.Region("age")]}, "regions={'region': Region("),
        ({"scales": ["age", "age"]}, "dict with each attribute's name: scales={'thrift': Scale("),
        ({"demographic": "age", "types": ["number"]}, "dict with each attribute's name: types="),
        ({"demographic": "age", "ordered": "age"}, "dict with each attribute's name: ordered="),
        ({"demographic": None}, "demographic=None should name columns"),
        ({"demographic": [["age"]]}, "should name columns"),
        ({"demographic": "age", "customer_id": 3}, "customer_id=3 should be the name of the column"),
        ({"demographic": "age", "preset": ["hubspot"]}, "preset=['hubspot'] is a list; a preset is"),
        ({"demographic": ["age", "customer_id"]}, "demographic names 'customer_id', the customer id"),
        ({"geographic": {"Customer_ID": "age"}}, "cannot be called 'Customer_ID'"),
    ],
)
def test_wrong_names(arguments, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sg.read_attributes(people(age=[1]), **arguments)


def test_a_table_without_ids_is_numbered(tmp_path):
    """Equal answers of two people are two customers."""
    survey = pd.DataFrame({"age": [30, 40, 40], "kids": ["0", "3+", "3+"]})
    survey.to_csv(tmp_path / "survey.csv", index=False)
    for source in (survey, tmp_path / "survey.csv"):
        attributes = sg.read_attributes(source, customer_id=None, demographic=["age", "kids"])
        assert attributes.table["age"].to_dict() == {"1": 30.0, "2": 40.0, "3": 40.0}
        assert attributes.table["kids"].to_list() == ["0", "3+", "3+"] and not len(attributes.refused)
    with pytest.raises(ValueError, match="Name those that describe the customer"):
        sg.read_attributes(survey, customer_id=None)


def test_tables_that_cannot_be_read():
    with pytest.raises(TypeError, match=r"The source is a builtins\.NoneType"):
        sg.read_attributes(None, demographic="age")
    with pytest.raises(ValueError, match="has columns but no rows"):
        sg.read_attributes(people(age=[1]).iloc[:0], demographic="age")
    with pytest.raises(
        ValueError, match=r"No row of the DataFrame can be used: 1 × customer_id missing \(age=1\)"
    ):
        sg.read_attributes(people(age=[1]).assign(customer_id=None), demographic="age")


def test_preset_reads_existing_columns():
    contacts = pd.DataFrame(
        {
            "Email": ["Ada@x.org"],
            "Gender": ["f"],
            "city": ["Rome"],
            "Persona": ["saver"],
            "Own": [1],
            "Zip2": [3],
        }
    )
    attributes = sg.read_attributes(contacts, preset="hubspot_contacts", demographic={"own": "Own"})
    assert attributes.bases == {
        "gender": "demographic", "own": "demographic", "city": "geographic", "persona": "psychographic"
    }  # fmt: skip
    assert list(attributes.table.index) == ["ada@x.org"]
    assert attributes.untagged == ("Zip2",)


# Scales: one table with the questions of each scale

SAYS = {
    "good": ([[1, 2], [2, 1], [3, 3], [4, 5], [5, 4]], "these items move together"),
    "against": (
        [[1, 5], [2, 4], [3, 3], [4, 2], [5, 2]],
        "do not treat these as one scale; against2 points against the others: is it reversed?",
    ),
    "opposite": (
        [[1, 5], [2, 4], [3, 3], [5, 1]],
        "do not treat these as one scale; opposite2 points against the others: is it reversed?",
    ),
    "alike": ([[3, 3], [3, 3]], "all answer alike"),
    "nobody": ([[1, None], [None, 2]], "nobody answered every item"),
    "one": ([[1, 2], [None, 2]], "one person answered every item"),
    "same": ([[1, 1], [2, 2], [5, 5]], "these items ask nearly the same"),
    # No customer answers 3 differently, which is no obstacle.
    "constant": ([[1, 2, 3], [2, 3, 3], [4, 4, 3]], "these items move together"),
    # Every sum is 10, so there is no alpha; but the second item falls as the first rises.
    "cancelling": (
        [[1, 5, 4], [2, 4, 4], [4, 2, 4]],
        "do not treat these as one scale; cancelling2 points against the others: is it reversed?",
    ),
}
PARTS = [[1, 2, 3], [1, 2, NAN], [1, NAN, NAN]]
HAND = [[5, 1, 4], [1, 5, NAN], [2, NAN, NAN], [9, 2, 3], [NAN, NAN, NAN]]
LIKERT = {
    "a": ["agree", "disagree", "Agree"],
    "b": ["neither", "agree", " disagree"],
    "c": [True, False, True],
    "d": ["1", "0", "1"],
}


def questions(name, rows):
    """The columns name1, name2 and so on of rows of answers."""
    return {f"{name}{i}": list(column) for i, column in enumerate(zip(*rows, strict=True), 1)}


def battery(*rows):
    return people(**questions("q", rows))


@pytest.fixture(scope="module")
def scored():
    tables = {name: rows for name, (rows, _) in SAYS.items()} | {"part": PARTS, "hand": HAND}
    items = {name: questions(name, rows) for name, rows in tables.items()}
    scales = {name: list(items[name]) for name in SAYS} | {
        f"part_{answered}": {"items": list(items["part"]), "answered": answered} for answered in (0.3, 0.5, 1)
    }
    scales["hand"] = sg.Scale(list(items["hand"]), reversed=["hand2"])
    scales["words"] = sg.Scale(["a", "b"], answers=["disagree", "neither", "agree"])
    scales["truth"] = sg.Scale(["c", "d"], low=0, high=1, basis="behavioural")
    every = {name: column for table in items.values() for name, column in table.items()}
    return sg.read_attributes(people(**every, **LIKERT), scales=scales)


def test_scale_by_hand(scored):
    """Reversed answers are recoded; at least half must be given; 9 is impossible."""
    expected = [(5 + 5 + 4) / 3, (1 + 1) / 2, NAN, (4 + 3) / 2, NAN]
    assert scored.table["hand"].to_list() == pytest.approx(expected, nan_ok=True)
    assert notes(scored, "hand1") == [("outside 1 to 5", 1, "hand1=9")]
    assert scored.bases["hand"] == "psychographic" and scored.about.at["hand", "unit"] == "1 to 5"
    assert scored.untagged == ()


@pytest.mark.parametrize(("answered", "known"), [(0.3, [1, 1, 1]), (0.5, [1, 1, 0]), (1, [1, 0, 0])])
def test_share_of_answers_needed(scored, answered, known):
    assert scored.table[f"part_{answered}"].notna().astype(int).to_list() == [*known, 0, 0]


def test_answers_as_words_and_truth(scored):
    assert scored.table["words"].to_list()[:3] == [2.5, 2, 1]
    assert scored.table["truth"].to_list()[:3] == [1, 0, 1]
    assert notes(scored, "a") == [("not among the answers", 1, "a=Agree")]
    assert scored.bases["words"] == "psychographic" and scored.bases["truth"] == "behavioural"


@pytest.mark.parametrize("name", SAYS)
def test_alpha_in_words(scored, name):
    says = SAYS[name][1]
    assert scored.scales.loc[name, "says"].startswith(says)
    assert says in repr(scored) and says in scored._repr_html_()


def test_items_without_variance(scored):
    assert np.isnan(scored.items.loc[("constant", "constant3"), "with_rest"])
    assert scored.scales.loc["constant", "alpha"] > 0
    assert np.isnan(scored.scales.loc["cancelling", "alpha"])


def test_alpha_by_hand():
    """k / (k − 1) × (1 − sum of the items' variances / variance of their sum)."""
    # variances 1 and 1; of the sums 2, 4, 6 it is 4: 2 × (1 − 2/4)
    assert cronbach_alpha(pd.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]})) == pytest.approx(1)
    # variances 2.5 and 2.5; of the sums 3, 3, 7, 7, 10 it is 9: 2 × (1 − 5/9)
    half = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 1, 4, 3, 5]})
    assert cronbach_alpha(half) == pytest.approx(2 * (1 - 5 / 9))


ATTITUDE = """
43 51 30 39 61 92 45|63 64 51 54 63 73 47|71 70 68 69 76 86 48|61 63 45 47 54 84 35|81 78 56 66 71 83 47
43 55 49 44 54 49 34|58 67 42 56 66 68 35|71 75 50 55 70 66 41|72 82 72 67 71 83 31|67 61 45 47 62 80 41
64 53 53 58 58 67 34|67 60 47 39 59 74 41|69 62 57 42 55 63 25|68 83 83 45 59 77 35|77 77 54 72 79 77 46
81 90 50 72 60 54 36|74 85 64 69 79 79 63|65 60 65 75 55 80 60|65 70 46 57 75 85 46|50 58 68 54 64 78 52
50 40 33 34 43 64 33|64 61 52 62 66 80 41|53 66 52 50 63 80 37|40 37 42 58 50 57 49|63 54 42 48 66 75 33
66 77 66 63 88 76 72|78 75 58 74 80 78 49|48 57 44 45 51 83 38|85 85 71 71 77 74 55|82 82 39 59 64 78 39
"""
"""Chatterjee & Price (1977), Regression Analysis by Example, section 3.7: seven questions in thirty departments."""


def test_alpha_of_published_data():
    """R's psych::alpha gives 0.843, and the alpha without each item."""
    rows = [[int(n) for n in row.split()] for line in ATTITUDE.split("\n") for row in line.split("|") if row]
    items = [f"q{i}" for i in range(1, 8)]
    attributes = sg.read_attributes(battery(*rows), scales={"attitude": sg.Scale(items, low=0, high=100)})
    row = attributes.scales.loc["attitude"]
    assert (row["items"], row["n"], round(row["alpha"], 3)) == (7, 30, 0.843)
    without = attributes.items.loc["attitude", "alpha_without"]
    assert without.round(3).to_list() == [0.810, 0.797, 0.828, 0.803, 0.795, 0.864, 0.840]
    assert row["says"] == "these items move together; without q6 it is 0.86"


def test_kr20_of_published_data():
    """Twelve pupils, eleven questions: pingouin's documentation gives 0.802 for the nine complete answers.

    Its interval, 0.581 to 0.933, is for twelve; for nine it is wider.
    """
    lines = (
        "1 1 1 1 1 1 1 1 1 1 1|1 1 1 1 1 1 1 1 0 1 0|- 0 1 1 - 1 1 1 1 0 0|1 1 1 0 1 1 0 1 1 0 0|1 1 1 1 1 0 0 0 1 0 0|"
        "0 1 - 0 1 1 1 1 0 0 0|1 1 1 1 0 0 1 0 0 0 0|1 1 1 1 1 0 0 0 0 0 0|0 1 0 1 1 0 0 0 0 1 0|1 0 0 1 0 1 0 0 - 0 0|"
        "1 1 1 0 0 0 0 0 0 0 0|1 0 0 1 0 0 0 0 0 0 0"
    )
    rows = [[np.nan if a == "-" else int(a) for a in line.split()] for line in lines.split("|")]
    items = [f"q{i}" for i in range(1, 12)]
    attributes = sg.read_attributes(battery(*rows), scales={"test": sg.Scale(items, low=0, high=1)})
    row = attributes.scales.loc["test"]
    assert row["n"] == 9
    assert row["alpha"] == pytest.approx(0.8016949152542373)
    assert alpha_interval(row["alpha"], 12, 11) == pytest.approx((0.581, 0.933), abs=5e-4)
    assert alpha_interval(0.5917188485995826, 15, 10) == pytest.approx((0.195, 0.840), abs=5e-4)
    assert row["low"] < 0.581 and row["high"] > 0.933


def test_interval_covers_the_truth():
    """Four parallel items of correlation 0.4 have an alpha of 4 × 0.4 / (1 + 3 × 0.4)."""
    rng, truth, covered = np.random.default_rng(0), 1.6 / 2.2, 0
    for _ in range(400):
        common = rng.standard_normal((40, 1)) * np.sqrt(0.4)
        answers = pd.DataFrame(common + rng.standard_normal((40, 4)) * np.sqrt(0.6))
        low, high = alpha_interval(cronbach_alpha(answers), 40, 4)
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"items": ["q1"]}, "are not two or more different columns"),
        ({"items": ["q1", "q2"], "reversed": ["q3"]}, "reversed names 'q3', which is not an item"),
        ({"items": ["q1", "q2"], "low": 5, "high": 1}, "leave no answers between them"),
        ({"items": ["q1", "q2"], "answered": 0}, "is not a share of the items"),
        ({"items": ["q1", "q2"], "answers": ["yes", "yes"]}, "two or more different words"),
        ({"items": "q1"}, "should be a list of words"),
        ({"items": None}, "items=None should be a list of words"),
        ({"items": ["q1", "q2"], "basis": "demografic"}, "Did you mean 'demographic'?"),
        ({"items": ["q1", "q2"], "answered": "half"}, "answered='half' should be a number, such as 0.5"),
        ({"items": ["q1", "q2"], "answered": True}, "answered=True should be a number"),
        ({"items": ["q1", "q2"], "high": None}, "high=None should be a number, such as 5"),
        ({"items": ["q1", "q2"], "low": "x"}, "low='x' should be a number, such as 1"),
        ({"item": ["q1", "q2"]}, "has an unknown key 'item'. Did you mean 'items'?"),
        ({"low": 1}, "has no items"),
        (3, "Write it as Scale(items="),
        (["q1", "q9"], "has no column 'q9'"),
        (["q1", "word"], "No answer to the item 'word' of the DataFrame is a number"),
    ],
)
def test_wrong_scales(scale, message):
    table = battery([1, 2], [2, 3]).assign(word=["no", "yes"])
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sg.read_attributes(table, scales={"s": scale})


# Regions


def test_places_and_their_regions():
    """Places without a region are counted; the longest match counts; small regions are combined."""
    mapping = pd.Series({75: "Paris", 751: "Paris ouest", "13": "Marseille"})
    regions = {
        "continent": sg.Region("country", {"FR": "Europe", "JP": "Asia", "US": "America"}),
        "region": sg.Region("zip", mapping, match="prefix"),
    } | {f"area_{n}": sg.Region("city", min_customers=n) for n in (1, 2, 3)}
    table = people(country=["FR", " JP", "XX", None, "FR"], zip=[75001, 75116, 13002, 99], city=[*"AAABCC"])
    attributes = sg.read_attributes(table, regions=regions)
    places = attributes.table.astype(object).where(attributes.table.notna(), None)
    assert places["continent"].to_list() == ["Europe", "Asia", None, None, "Europe", None]
    assert notes(attributes, "country") == [("in no region", 1, "country=XX")]
    assert places["region"].to_list()[:4] == ["Paris", "Paris ouest", "Marseille", None]
    assert notes(attributes, "zip") == [("in no region", 1, "zip=99")]
    for n, expected in (
        (1, {"A": 3, "B": 1, "C": 2}),
        (2, {"A": 3, "(other)": 1, "C": 2}),
        (3, {"A": 3, "(other)": 3}),
    ):
        assert places[f"area_{n}"].value_counts().to_dict() == expected
    assert set(attributes.bases.values()) == {"geographic"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"match": "prefx"}, "Did you mean 'prefix'?"),
        ({"column": 3}, "column=3 should be the name of a column"),
        ({"mapping": ["FR"]}, "should have the region of each place"),
        ({"min_customers": 0}, "is not a number of customers"),
        ({"mapping": pd.Series(["a", "b"], index=[1, 1.0])}, "mapping puts '1' into 'a' and 'b'"),
    ],
)
def test_wrong_regions(arguments, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sg.read_attributes(people(city=["A"]), regions={"r": sg.Region(**{"column": "city"} | arguments)})


# Attributes


def test_two_sources_add():
    crm = sg.read_attributes(people(age=[30, 40]), demographic="age")
    survey = sg.read_attributes(
        people(q1=[1, 5, 3], q2=[2, 4, 9]).iloc[1:], scales={"s": ["q1", "q2"]}, as_of=AS_OF
    )
    both = crm + survey
    assert both.table.to_dict() == {
        "age": pytest.approx({"1": 30, "2": 40, "3": np.nan}, nan_ok=True),
        "s": pytest.approx({"1": np.nan, "2": 4.5, "3": 3}, nan_ok=True),
    }
    assert both.bases == {"age": "demographic", "s": "psychographic"}
    assert list(both.scales.index) == ["s"] and len(both.items) == 2 and len(both.blanked) == 1
    assert both.as_of == pd.Timestamp(AS_OF) and len(both.sources) == 2
    with pytest.raises(ValueError, match="both have 'age'"):
        crm + crm
    with pytest.raises(TypeError):
        crm + 3


def test_some_columns():
    attributes = sg.read_attributes(
        people(age=[30], town=["A"], q1=[1], q2=[2]),
        demographic="age",
        geographic="town",
        scales={"s": ["q1", "q2"]},
    )
    part = attributes[["town", "age"]]
    assert list(part.table) == ["town", "age"] and part.bases == {"town": "geographic", "age": "demographic"}
    assert len(part.scales) == len(part.items) == 0
    assert list(attributes[["s"]].items.index) == [("s", "q1"), ("s", "q2")]
    with pytest.raises(ValueError, match=re.escape("There is no attribute 'aeg'. Did you mean 'age'?")):
        attributes[["aeg"]]
    with pytest.raises(TypeError, match="is one name"):
        attributes["age"]
    with pytest.raises(ValueError, match="twice"):
        attributes[["age", "age"]]
    with pytest.raises(ValueError, match=re.escape("no basis 'demografic'. Did you mean 'demographic'?")):
        attributes.of("demografic")


def test_odd_names_are_only_text():
    table = pd.DataFrame(
        {
            "customer_id": ["a", EVIL, EVIL],
            EVIL: [EVIL, "b", "c"],
            "n" + EVIL: ["x", 2, 3],
            "q" + EVIL: [1, 2, 3],
        }
    )
    table["r" + EVIL] = [EVIL, 1, 2]
    attributes = sg.read_attributes(
        table, demographic=EVIL, ordered={EVIL: [EVIL]}, duplicates="last",
        scales={"s" + EVIL: sg.Scale(["n" + EVIL, "q" + EVIL], reversed=["q" + EVIL])},
        regions={"g" + EVIL: sg.Region("r" + EVIL, {EVIL: EVIL})},
    )  # fmt: skip
    shown = attributes._repr_html_()
    assert "<script" not in shown and "<img" not in shown and "&lt;script" in shown
    assert len(attributes.blanked) >= 2


# Unusual tables


def test_one_customer():
    attributes = sg.read_attributes(
        people(age=[30], town=["A"], q1=[1], q2=[2]),
        demographic="age",
        geographic="town",
        scales={"s": ["q1", "q2"]},
    )
    assert attributes.table.loc["1"].to_list() == [30, "A", 1.5]
    assert attributes.scales.loc["s", "says"] == "one person answered every item"


def test_all_missing():
    table = people(age=[None, None], town=["", " "], q1=[None, None], q2=[np.nan, np.nan], born=[None, None])
    attributes = sg.read_attributes(
        table,
        demographic=["age", "born"],
        geographic="town",
        scales={"s": ["q1", "q2"]},
        types={"born": "age"},
        as_of=AS_OF,
    )
    assert attributes.table.isna().all().all() and len(attributes.table) == 2
    assert "nothing" in attributes._repr_html_()


def test_names_in_any_script():
    table = people(**{"城市": [f"город {i % 1000} 🏙" for i in range(2000)], "naïveté": list(range(2000))})
    attributes = sg.read_attributes(table, geographic="城市", demographic="naïveté")
    assert attributes.table["城市"].nunique() == 1000
    customers = sg.with_attributes(
        pd.DataFrame({"n": np.arange(2000) / 2}, index=attributes.table.index), attributes
    )
    assert sg.segment(customers, n_segments=3).customers.shape == (2000, 3)


def test_attributes_can_be_segmented():
    table = people(
        age=[20, 21, 60, 61, 62, None],
        vip=[True, False, True, None, True, False],
        town=[*"AABBB", None],
    )
    attributes = sg.read_attributes(
        table, demographic=["age", "vip"], geographic="town", ordered={"town": ["A", "B"]}
    )
    result = sg.segment(attributes.table, n_segments=2)
    assert result.labels.nunique() == 2
    assert result.provenance["meanings"]["age"] == "age of the DataFrame."


# Joined to customers


def customers_of(*ids, **columns):
    customers = pd.DataFrame(
        {"frequency": np.arange(1.0, len(ids) + 1)}, index=pd.Index(ids, name="customer_id", dtype="str")
    )
    customers.attrs["segkit"] = {
        "as_of": "2024-07-01T00:00:00", "sources": ["orders.csv"], "units": {"frequency": "orders"},
        "meanings": {"frequency": "Number of orders."}, "bases": {"frequency": "behavioural"},
    }  # fmt: skip
    return customers.assign(**columns)


@pytest.fixture(scope="module")
def known():
    table = people(age=[30, 40, 50], town=["A", "B", "A"], q1=[1, 2, 3], q2=[2, 2, 3])
    return sg.read_attributes(
        table, demographic="age", geographic="town", scales={"mood": ["q1", "q2"]}, as_of=AS_OF
    )


def test_join_keeps_bases(known):
    customers = customers_of("3", "1", "9")
    joined = sg.with_attributes(customers, known)
    assert list(joined.index) == ["3", "1", "9"] and list(joined) == ["frequency", "age", "town", "mood"]
    assert joined["age"].to_list()[:2] == [50, 30] and joined.loc["9", ["age", "town", "mood"]].isna().all()
    assert isinstance(joined["town"].dtype, pd.CategoricalDtype)
    facts = joined.attrs["segkit"]
    assert facts["attributes"] == {"known": 2, "unknown": 1, "unused": 1}
    assert facts["bases"] == {
        "frequency": "behavioural",
        "age": "demographic",
        "town": "geographic",
        "mood": "psychographic",
    }
    assert facts["units"] == {"frequency": "orders", "age": "", "town": "category", "mood": "1 to 5"}
    assert facts["sources"] == ["orders.csv", "the DataFrame"] and facts["as_of"] == "2024-07-01T00:00:00"
    assert list(customers) == ["frequency"] and "attributes" not in customers.attrs["segkit"]


def test_join_some_bases(known):
    joined = sg.with_attributes(customers_of("1"), known, bases="psychographic")
    assert list(joined) == ["frequency", "mood"]
    joined = sg.with_attributes(customers_of("1"), known, bases=["geographic", "demographic"])
    assert list(joined) == ["frequency", "age", "town"]
    with pytest.raises(ValueError, match="There is no basis 'who'"):
        sg.with_attributes(customers_of("1"), known, bases="who")


@pytest.mark.parametrize("ids", [[1, 3], [1.0, 3.0], ["1", "3"]])
def test_join_by_numbers(known, ids):
    joined = sg.with_attributes(pd.DataFrame({"n": [1, 2]}, index=ids), known)
    assert joined["age"].to_list() == [30, 50] and list(joined.index) == ids


def test_join_to_snapshots(known):
    events = purchases(("1", "2024-01-01", 5.0), ("3", "2024-02-01", 7.0))
    several = sg.snapshots(events, sg.RFM, dates=["2024-01-15", "2024-03-01"])
    with pytest.raises(ValueError, match="would be from the future"):
        sg.with_attributes(several, known)
    joined = sg.with_attributes(several, dataclasses.replace(known, as_of=pd.Timestamp("2024-01-15")))
    assert joined["age"].to_list() == [30, 30, 50]
    assert joined.attrs["segkit"]["attributes"] == {"known": 2, "unknown": 0, "unused": 1}


def test_clashes_are_errors(known):
    with pytest.raises(ValueError, match=re.escape("customers and attributes both have 'Age' and 'age'")):
        sg.with_attributes(customers_of("1", Age=1.0), known)
    later = customers_of("1")
    later.attrs["segkit"]["as_of"] = "2024-06-30T00:00:00"
    with pytest.raises(ValueError, match="would be from the future"):
        sg.with_attributes(later, known)
    with pytest.raises(
        ValueError,
        match=re.escape("None of the 1 customers is in the attributes. Their ids look like 'C1'"),
    ):
        sg.with_attributes(customers_of("C1"), known)


def test_join_of_other_types(known):
    customers = customers_of("1")
    for join in (
        lambda: sg.with_attributes(known, customers),
        lambda: sg.bases(known),
        lambda: sg.with_attributes(customers, customers),
        lambda: sg.bases(customers, customers),
    ):
        with pytest.raises(
            TypeError, match=r"(customers is Attributes|attributes is a DataFrame)\. It should be"
        ):
            join()
    with pytest.raises(TypeError, match="bases=3 should be one or several of"):
        sg.with_attributes(customers, known, bases=3)


def test_join_to_no_customers(known):
    joined = sg.with_attributes(customers_of("1", "2").head(0), known)
    assert joined.empty and list(joined) == ["frequency", "age", "town", "mood"]
    assert joined.attrs["segkit"]["attributes"] == {"known": 0, "unknown": 0, "unused": 3}


def test_few_matches_are_a_warning(known):
    with pytest.warns(UserWarning, match="Only 1 of 4 customers have attributes"):
        sg.with_attributes(customers_of("1", "7", "8", "9"), known)


def test_bases_in_order(known):
    joined = sg.with_attributes(customers_of("1", "2"), known, bases=["geographic", "psychographic"])
    blocks = sg.bases(joined)
    assert list(blocks) == list(BASES)
    assert blocks == {
        "demographic": [],
        "geographic": ["town"],
        "psychographic": ["mood"],
        "behavioural": ["frequency"],
    }
    assert list(joined[blocks["psychographic"]]) == ["mood"]


KEEP = {
    "columns chosen": lambda t: t[["age", "frequency"]],
    "copied": lambda t: t.copy(),
    "rows chosen": lambda t: t.loc[["1"]],
    "rows by truth": lambda t: t[t["frequency"] > 0],
    "sorted": lambda t: t.sort_values("age"),
    "a column dropped": lambda t: t.drop(columns="town"),
    "a column added": lambda t: t.assign(own=1.0),
    "gaps filled": lambda t: t.fillna({"age": 0}),
    "sampled": lambda t: t.sample(1, random_state=0),
}


@pytest.mark.parametrize("change", KEEP.values(), ids=KEEP)
def test_bases_survive_changes(known, change):
    table = change(sg.with_attributes(customers_of("1", "2"), known))
    blocks = sg.bases(table)
    assert blocks["demographic"] == ["age"]
    assert sorted(name for names in blocks.values() for name in names) == sorted(table.columns)


def test_lost_bases(known):
    joined = sg.with_attributes(customers_of("1", "2"), known)
    merged = joined.merge(
        pd.DataFrame({"own": [1, 2]}, index=joined.index), left_index=True, right_index=True
    )
    with pytest.warns(UserWarning, match="has lost the bases of its columns"):
        assert sg.bases(merged)["behavioural"] == list(merged)
    assert sg.bases(merged, known) == {
        "demographic": ["age"], "geographic": ["town"], "psychographic": ["mood"], "behavioural": ["frequency", "own"]
    }  # fmt: skip


def test_features_are_behavioural(known):
    customers = sg.customer_features(purchases(("1", "2024-01-01", 5.0)), sg.RFM, as_of="2024-08-01")
    assert sg.bases(sg.with_attributes(customers, known))["behavioural"] == [f.name for f in sg.RFM]


# Real data


def test_marketing_campaign():
    """Published: 2,240 customers, 24 without income; three born before 1901; YOLO twice."""
    attributes = sg.read_attributes(
        shared("marketing_campaign") / "marketing_campaign.csv",
        customer_id="ID",
        demographic={
            "age": "Year_Birth",
            "marital": "Marital_Status",
            "income": "Income",
            "days_since": "Dt_Customer",
        },
        types={"age": "age"},
        as_of=AS_OF,
    )
    table = attributes.table
    assert len(table) == 2240 and table["income"].isna().sum() == 24 and table["income"].max() == 666666
    assert (table["marital"] == "YOLO").sum() == 2
    assert table["age"].isna().sum() == 3 and notes(attributes) == [
        ("older than 110 years", 3, "Year_Birth=1893")
    ]
    assert table["days_since"].between(3600, 4400).all()
    assert "Z_CostContact" in attributes.untagged


def test_online_food_survey():
    frame = pd.read_csv(shared("online_food_survey") / "onlinefoods.csv").rename_axis("customer_id")
    attributes = sg.read_attributes(
        frame, demographic=["Age", "Gender"], geographic=["latitude", "Pin code"], psychographic="Feedback",
        regions={"area": sg.Region("Pin code", {"5600": "near", "5601": "far"}, match="prefix")},
    )  # fmt: skip
    assert attributes.table["Feedback"].value_counts().to_dict() == {"Positive": 317, "Negative": 71}
    assert (
        attributes.table["latitude"].dtype == "float64" and attributes.table["Pin code"].dtype == "category"
    )
    assert attributes.table["area"].notna().all()
    assert [c for c in attributes.untagged if c.startswith("Unnamed")]


def test_file_with_a_nameless_column():
    file = shared("online_food_survey") / "onlinefoods.csv"
    attributes = sg.read_attributes(file, customer_id="Pin code", demographic="Gender", duplicates="last")
    assert len(attributes.table) + attributes.refused["count"].sum() == 388
    assert len(attributes.untagged) == 11


def test_income_esl():
    """Published: 8,993 rows, 6,876 of them complete; all bands, none a number."""
    frame = pd.read_csv(shared("income_esl") / "income_esl.csv").rename_axis("customer_id")
    levels = ["[0,10)", "[10,15)", "[15,20)", "[20,25)", "[25,30)", "[30,40)", "[40,50)", "[50,75)", "75+"]
    attributes = sg.read_attributes(frame, demographic=list(frame.columns), ordered={"income": levels})
    assert len(attributes.table) == 8993 and attributes.table.notna().all(axis=1).sum() == 6876
    assert (attributes.table.dtypes == "category").all() and attributes.blanked.empty
    assert list(attributes.table["income"].cat.categories) == levels


def test_mall_customers():
    attributes = sg.read_attributes(
        shared("mall_customers") / "mall_customers.csv", customer_id="CustomerID",
        demographic={"gender": "Gender", "age": "Age", "income": "Annual Income (k$)"},
        behavioural={"score": "Spending Score (1-100)"},
    )  # fmt: skip
    assert attributes.table[["age", "income", "score"]].mean().round(2).to_list() == [38.85, 60.56, 50.20]
    assert attributes.table["gender"].value_counts().to_dict() == {"Female": 112, "Male": 88}


def test_volunteers():
    """Nineteen motives, yes or no, of 1,415 people; KR-20 by its other formula."""
    frame = pd.read_csv(shared("volunteers") / "volunteers.csv").rename_axis("customer_id")
    motives = frame.columns[2:]
    attributes = sg.read_attributes(
        frame, demographic="GENDER", scales={"motives": sg.Scale(motives, low=0, high=1)}
    )
    yes, k = frame[motives].mean(), len(motives)
    kr20 = k / (k - 1) * (1 - (yes * (1 - yes)).sum() / frame[motives].sum(axis=1).var(ddof=0))
    assert attributes.scales.loc["motives", "n"] == 1415
    assert attributes.scales.loc["motives", "alpha"] == pytest.approx(kr20)
    assert attributes.table["motives"].mean() == pytest.approx(frame[motives].to_numpy().mean())


# Simulated attributes


def test_simulated_attributes_match_events():
    events, truth = make_events(60, kinds=["purchase", "visit"], random_state=3)
    people, lifestyles = make_attributes(truth, missing=0, random_state=3)
    again, _ = make_attributes(60, missing=0, random_state=3)
    assert_frame_equal(people, again)
    assert list(people["customer_id"]) == list(truth.index) == list(lifestyles.index)
    places = (
        events.table.filter(events.table.place.notnull())
        .select("customer_id", "place")
        .distinct()
        .to_pandas()
    )
    region = people.set_index("customer_id")["region"]
    assert len(places) and (region[places["customer_id"]].to_numpy() == places["place"].to_numpy()).all()
    assert (people["postcode"].str[:2].map(POSTCODES) == people["region"]).all()


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_strength_is_the_association(strength):
    _, lifestyles = make_attributes(4000, strength=strength)
    _, personas = make_attributes(4000, strength=1)
    crossed = sg.cross_segments(personas, lifestyles, minimum=1)
    assert crossed.attrs["segkit"]["association"] == pytest.approx(strength, abs=0.05)


def test_simulated_survey():
    people, lifestyles = make_attributes(1000)
    attributes = sg.read_attributes(
        people, demographic=["age_band", "income"], geographic="country", scales=BATTERY,
        ordered={"age_band": AGE_BANDS, "income": INCOME_BANDS},
    )  # fmt: skip
    assert attributes.scales["alpha"].between(0.65, 0.9).all()
    assert (attributes.items["with_rest"] > 0.4).all()
    assert attributes.table["price_conscious"].groupby(lifestyles).mean().idxmax() == "Bargain seekers"
    assert people.iloc[:, 1:].isna().to_numpy().mean() == pytest.approx(0.03, abs=0.005)
    forgotten = {n: sg.Scale(s.items) for n, s in BATTERY.items()}
    says = sg.read_attributes(people, scales=forgotten).scales["says"]
    assert says["price_conscious"].endswith("price_4 points against the others: is it reversed?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": 2}, "strength=2 is not a share"),
        ({"missing": -1}, "missing=-1 is not a share"),
        ({"truth": 0}, "or a number of customers"),
        ({"truth": pd.Series([], dtype="str")}, "truth is empty"),
        ({"follows": {"Lapsed": "Planer"}}, "Did you mean 'Planners'?"),
    ],
)
def test_wrong_simulations(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_attributes(**arguments)


def test_other_personas_have_any_lifestyle():
    truth = pd.Series(["Everyone"] * 2000, index=[f"C{i:04}" for i in range(2000)])
    _, lifestyles = make_attributes(truth, strength=1)
    assert lifestyles.value_counts(normalize=True).between(0.2, 0.3).all()
