"""Files for tools, by hand and read back: hashes, limits, consent, formulas; no row is lost and no address is raw."""

import csv
import dataclasses
import hashlib
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot
from engines import postgres_connection
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.tailor.audiences import audience_formats
from segkit.tailor.audiences.contact_rules import e164, phone_reader
from segkit.tailor.audiences.export_audience import DIALECTS

ADS = ("google_ads", "meta")
PEOPLE = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "email": ["  Dana.X@GMail.com ", "Bo@Example.com", None],
        "phone": ["+1 (800) 555-0101", None, "030 1234567"],
        "first_name": ["Dana", "Zoë", "=HYPERLINK()"],
        "last_name": ["O'Hara", 'Li "Q"', "\u200fLevi\n"],
        "city": ["St. John's", None, "Berlin"],
        "state": ["CA", None, None],
        "zip": ["94016-1234", None, "10115"],
        "country": ["us", None, "DE"],
        "date_of_birth": ["1990-02-03", None, None],
    }
)
pytestmark = pytest.mark.filterwarnings("ignore:Meta, customer list.* should hold 100")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def made(people=PEOPLE, **arguments):
    return sg.audience(pd.Series("A", index=people["customer_id"].dropna().unique()), people, **arguments)


def read(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_google_ads_by_hand(tmp_path):
    """The three long hashes are from `printf danax@gmail.com | sha256sum`, `+18005550101` and `dana.x@gmail.com`."""
    written = sg.export_audience(made(), tmp_path / "x.csv", to="google_ads")
    assert read(tmp_path / "x.csv") == [
        ["Email", "Phone", "First Name", "Last Name", "Country", "Zip", "Email"],
        [
            "6ca01e83924c78ce434740e24720ced7ecad47a06a865c18fa563d3fc10dbb5c",
            "61d6c2976b5d92b1ad63073a12fddd26040cd980067d03a93dd1cc50f1a3ac68",
            sha("dana"),
            sha("o'hara"),
            "US",
            "94016-1234",
            "365e7bf1cff202c1500b71e46f3f4839b503a42849c2ee8b154bce9c69efeb1c",
        ],
        [sha("bo@example.com"), "", "", "", "", "", ""],
        ["", sha("+49301234567"), sha("=hyperlink()"), sha("levi"), "DE", "10115", ""],
    ]
    assert written.loc[0, ["rows", "matched_by", "refused"]].tolist() == [3, "email 2, phone 2, address 2", 0]
    assert written["sha256"][0] == hashlib.sha256((tmp_path / "x.csv").read_bytes()).hexdigest()


def test_meta_by_hand(tmp_path):
    with pytest.warns(UserWarning, match="should hold 100 people or more; these are 3"):
        sg.export_audience(made(), tmp_path / "x.csv", to="meta")
    header, first, *_ = read(tmp_path / "x.csv")
    assert header == ["email", "phone", "fn", "ln", "ct", "st", "zip", "country", "dob"]
    plain = ["dana.x@gmail.com", "18005550101", "dana", "ohara", "stjohns", "ca", "94016", "us", "19900203"]
    assert first == [sha(value) for value in plain]


def test_hashed_values_pass(tmp_path):
    people = pd.DataFrame(
        {"customer_id": ["a"], "email": [sha("x@x.org").upper()], "phone": [sha("+4930123")]}
    )
    sg.export_audience(made(people), tmp_path / "x.csv", to="google_ads")
    assert read(tmp_path / "x.csv")[1][:2] == [sha("x@x.org"), sha("+4930123")]
    with pytest.raises(
        ValueError, match="Nobody of the 1 customer is left for klaviyo: email came as a hash"
    ):
        sg.export_audience(made(people), tmp_path / "y.csv", to="klaviyo")
    assert not (tmp_path / "y.csv").exists()


def test_bad_contacts_are_left_out_of_ads(tmp_path):
    """Each value says why; a row stays while something else is left of it."""
    people = pd.DataFrame(
        {
            "customer_id": list("abcde"),
            "email": ["info@x.org", "no-reply@x.org", "d@x.org", None, "e@x.org"],
            "phone": ["+49 30 1234567", None, "0301234567", "+1 23456", "+999 123456"],
            "country": [None, None, None, "de", "Germany"],
            "zip": ["10115", None, None, "=1", None],
        }
    )
    written = sg.export_audience(made(people), tmp_path / "x.csv", to="google_ads")
    told = written.attrs["segkit"]
    assert {r["reason"]: r["rows"] for r in told["refused"]} == {"address of a role": 1, "invalid phone": 1}
    assert {r["reason"]: r["rows"] for r in told["left_empty_or_changed"]} == {
        "address of a role": 1,
        "phone without country": 1,
        "invalid phone": 1,
        "country not a code of two letters": 1,
        "address without all of name, country and zip": 1,
    }
    assert [row[:2] for row in read(tmp_path / "x.csv")[1:]] == [
        ["", sha("+49301234567")],
        [sha("d@x.org"), ""],
        [sha("e@x.org"), ""],
    ]
    sg.export_audience(made(people), tmp_path / "x.csv", to="google_ads", country_code="de")
    assert read(tmp_path / "x.csv")[2][1] == sha("+49301234567")


def test_google_has_a_file_for_each_consent(tmp_path):
    consent = pd.DataFrame(
        {"ad_user_data": [True, True, False], "ad_personalization": [True, False, True]},
        index=["a", "b", "c"],
    )
    chosen = made(consent=consent.rename_axis("customer_id"))
    written = sg.export_audience(chosen, tmp_path / "x.csv", to="google_ads")
    names = ["x_ad_personalization_granted.csv", "x_ad_personalization_denied.csv"]
    assert written["file"].tolist() == [str(tmp_path / name) for name in names]
    assert [read(tmp_path / name)[1][0] for name in names] == [sha("danax@gmail.com"), sha("bo@example.com")]
    assert written["rows"].tolist() == [1, 1] and written["refused"].tolist() == [1, 0]
    assert sg.export_audience(chosen, tmp_path / "m.csv", to="meta")["rows"].tolist() == [1]
    with pytest.raises(ValueError, match="consent says nothing of email, which klaviyo needs"):
        sg.export_audience(chosen, tmp_path / "k.csv", to="klaviyo")
    with pytest.warns(UserWarning, match="earlier export are still there: x_ad_personalization_denied.csv"):
        sg.export_audience(made(consent=consent.iloc[:1]), tmp_path / "x.csv", to="google_ads")


def test_no_raw_contact_is_in_ads(tmp_path):
    for to in ADS:
        sg.export_audience(made(), tmp_path / "x.csv", to=to)
        text = (tmp_path / "x.csv").read_text(encoding="utf-8").lower()
        assert "@" not in text and "555" not in [c for row in read(tmp_path / "x.csv") for c in row]
        assert not any(word in text for word in ("dana", "o'hara", "levi", "berlin"))


@pytest.mark.parametrize("to", sorted(audience_formats.FORMATS))
def test_formats_are_read_back(to, tmp_path):
    """The documented header, each row once, and a number of columns that is the same everywhere."""
    form = audience_formats.FORMATS[to]
    written = sg.export_audience(made(), tmp_path / "x", to=to)
    if to == "sql":
        return
    (path,) = written["file"]
    header, *rows = read(path)
    assert len(rows) == written["rows"][0] and {len(row) for row in rows} == {len(header)}
    assert written["rows"].sum() + written["refused"].sum() == 3
    expected = [field.header for field in form.fields if field.source not in ("external_id",)]
    assert header == (expected or ["customer_id", "segment", "arm", *PEOPLE.columns[1:]])
    if to not in ADS:
        cells = [cell for row in rows for cell in row]
        assert "'=HYPERLINK()" in cells or "=HYPERLINK()" not in cells
        assert "+1 (800) 555-0101" in cells or "+18005550101" in cells
        assert 'Li "Q"' in cells


def test_limits_of_tools(tmp_path, monkeypatch):
    people = pd.DataFrame({"customer_id": ["a", "A", "b"], "email": ["jörg@x.org", "a@x.org", "b@x.org"]})
    people["first_name"], people["phone"] = ["é" * 200, "é" * 127, "-1"], ["+49 30 1234567"] * 3
    chosen = made(people)
    sg.export_audience(chosen, tmp_path / "m.csv", to="mailchimp")
    assert [row[:2] for row in read(tmp_path / "m.csv")[1:]] == [["b@x.org", "'-1"], ["a@x.org", "é" * 127]][
        ::-1
    ]
    written = sg.export_audience(chosen, tmp_path / "s.csv", to="salesforce")
    assert written["refused"][0] == 1 and read(tmp_path / "s.csv")[1][:2] == ["A", "Sent"]
    told = sg.export_audience(chosen, tmp_path / "k.csv", to="klaviyo").attrs["segkit"][
        "left_empty_or_changed"
    ]
    assert [row[1] for row in read(tmp_path / "k.csv")[1:]] == ["+49301234567", "", ""] and told[0][
        "rows"
    ] == 2
    for name, most in (("most_rows", 2), ("most_bytes", 800)):
        small = dataclasses.replace(audience_formats.HUBSPOT, **{name: most})
        monkeypatch.setitem(audience_formats.FORMATS, "hubspot", small)
        written = sg.export_audience(chosen, tmp_path / f"{name}.csv", to="hubspot")
        assert written["file"].str.extract(r"_(\d)\.csv$")[0].tolist() == ["1", "2"]
        assert [len(read(file)) - 1 for file in written["file"]] == written["rows"].tolist()
        assert written["rows"].sum() == 3
        assert name == "most_rows" or all(Path(file).stat().st_size <= 800 for file in written["file"])
    assert (
        audience_formats.KLAVIYO.most_bytes == 50_000_000 and audience_formats.HUBSPOT.most_rows < 1_048_576
    )


def tricky():
    """Return an audience whose texts try to end a string, or to be a formula."""
    people = PEOPLE.assign(city=["x'); DROP TABLE y; --", "a\\'b", "\\"], customer_id=["-1", "=2", "c"])
    consent = pd.DataFrame({"email": [True, False, True], "ads": True}, index=["-1", "=2", "c"])
    return made(people, consent=consent)


def test_formulas_are_guarded_except_in_phones(tmp_path):
    sg.export_audience(tricky(), tmp_path / "x.csv", to="csv")
    rows = read(tmp_path / "x.csv")
    assert rows[0][-2:] == ["consent_email", "consent_ads"] and rows[1][-2:] == ["true", "true"]
    by_name = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [row["customer_id"] for row in by_name] == ["-1", "'=2", "c"]
    assert [row["first_name"] for row in by_name] == ["Dana", "Zoë", "'=HYPERLINK()"]
    assert by_name[0]["phone"] == "+1 (800) 555-0101" and by_name[2]["last_name"] == "Levi"


def expected_rows(chosen):
    table = chosen.table.assign(**{f"consent_{c}": chosen.consent[c] for c in chosen.consent})
    return sorted(
        tuple(None if v is pd.NA or v != v else v for v in row) for row in table.to_numpy().tolist()
    )


def test_sql_equals_the_table_in_duckdb(tmp_path):
    chosen = tricky()
    sg.export_audience(chosen, tmp_path / "May list.sql", to="sql")
    connection = duckdb.connect()
    connection.execute((tmp_path / "May list.sql").read_text(encoding="utf-8"))
    assert sorted(connection.sql("SELECT * FROM audience_may_list").fetchall()) == expected_rows(chosen)
    for dialect in DIALECTS:
        sg.export_audience(chosen, tmp_path / "x.sql", to="sql", dialect=dialect)
        script = (tmp_path / "x.sql").read_text(encoding="utf-8")
        parsed = sqlglot.parse(script, dialect=dialect)
        values = [value for row in parsed[1].find_all(sqlglot.exp.Tuple) for value in row.expressions]
        texts = {value.this for value in values if isinstance(value, sqlglot.exp.Literal)}
        assert len(parsed) == 2 and {"x'); DROP TABLE y; --", "a\\'b", "\\", 'Li "Q"', "=2"} <= texts


@pytest.mark.engines
def test_sql_equals_the_table_in_postgres(tmp_path):
    chosen = tricky()
    sg.export_audience(chosen, tmp_path / "x.sql", to="sql", dialect="postgres")
    with postgres_connection().cursor() as cursor:
        for statement in (tmp_path / "x.sql").read_text(encoding="utf-8").split(";\n")[:-1]:
            cursor.execute(statement)
        cursor.execute("SELECT * FROM audience_x")
        found = cursor.fetchall()
        cursor.execute("DROP TABLE audience_x")
    assert sorted(found) == expected_rows(chosen)


def test_phones_are_read_as_one_by_one():
    """The quick way gives what phonenumbers gives for each number by itself."""
    rng = np.random.default_rng(0)
    starts = [
        "",
        "0",
        "00",
        "1",
        "+1",
        "+49",
        "+490",
        "+39 06",
        "+7 8",
        "8",
        "+54 9",
        "+52 1",
        "011",
        "+44 (0)",
        "+999",
    ]
    phones = [
        f"{rng.choice(starts)} {rng.integers(10 ** (n - 1), 10**n)}"
        for n in rng.integers(2, 12, 1500).tolist()
    ]
    regions = rng.choice(["US", "DE", "IT", "RU", "AR", "MX", "GB", "", "-", "XX"], 1500)
    together = phone_reader()
    different = [
        (phone, region)
        for phone, region in zip(phones, regions, strict=True)
        if together(phone, str(region)) != phone_reader()(phone, str(region))
    ]
    assert different == []
    read = [together(phone, str(region)) for phone, region in zip(phones, regions, strict=True)]
    assert sum(number.startswith("+") for number in read) > 300


def test_phones_need_their_extra_and_emails_do_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(ImportError, match=r"pip install 'segkit\[ads\]'"):
        sg.export_audience(made(), tmp_path / "x.csv", to="google_ads")
    for people, to in ((PEOPLE.drop(columns="phone"), "google_ads"), (PEOPLE, "hubspot")):
        sg.export_audience(made(people), tmp_path / "x.csv", to=to)
    assert e164(pd.Series([None], dtype="str"), None, None)[0].isna().all()


def test_wrong_arguments_are_named(tmp_path):
    chosen = made()
    for arguments, words in (
        ({"to": "google"}, "Did you mean 'google_ads'"),
        ({"to": "sql", "dialect": "oracle"}, "dialect='oracle' is not known"),
        ({"to": "csv", "country_code": "Germany"}, "should be two letters"),
        ({"to": "csv", "path": tmp_path / "x.xlsx"}, "Name it x.csv"),
        ({"to": "csv", "path": tmp_path}, "is a folder"),
        ({"to": "csv", "path": tmp_path / "x.csv.gz"}, "Name it x.csv[.]$"),
        ({"to": "csv", "path": tmp_path / "no" / "x.csv"}, "There is no folder"),
    ):
        with pytest.raises((ValueError, OSError), match=words):
            sg.export_audience(chosen, **({"path": tmp_path / "x.csv"} | arguments))


def test_formats_cite_their_pages():
    formats = sg.audience_formats()
    documented = formats.drop(["csv", "sql"])
    assert (
        documented["sources"].str.startswith("https://").all()
        and documented["sources"].str.endswith(")").all()
    )
    assert formats.loc["google_ads", "columns"].startswith(
        "Email, Phone, First Name, Last Name, Country, Zip"
    )


contact = st.tuples(
    st.sampled_from(["a@x.org", "info@x.org", "ü@x.org", "b.c@gmail.com", sha("z"), "@", None]),
    st.sampled_from(["+1 800 555 0101", "0301234567", "+1", sha("y"), None]),
    st.sampled_from(["=1", "Ann", "\u202e", None]),
)


@given(st.lists(contact, min_size=1, max_size=8), st.sampled_from(sorted(audience_formats.FORMATS)))
@pytest.mark.filterwarnings("ignore:Files of an earlier export")
def test_rows_in_are_rows_out_and_refused(tmp_path_factory, contacts, to):
    people = pd.DataFrame(contacts, columns=["email", "phone", "first_name"])
    people["customer_id"] = [f"c{i}" for i in range(len(people))]
    chosen = made(people)
    try:
        written = sg.export_audience(chosen, tmp_path_factory.mktemp("x") / "x", to=to, country_code="DE")
    except ValueError as error:
        assert "Nobody of" in str(error)
        return
    assert written["rows"].sum() + written["refused"].sum() == len(chosen.table)
    assert sum(r["rows"] for r in written.attrs["segkit"]["refused"]) == written["refused"].sum()
    if to != "sql":
        assert sum(len(read(file)) - 1 for file in written["file"]) == written["rows"].sum()
