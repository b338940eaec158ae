"""Pseudonyms: what they are, that they join, and that neither ids nor the key remain."""

import hashlib
import hmac
from pathlib import Path

import pandas as pd
import pytest
from tables import orders

import segkit as sg
from segkit.core.engine.connection import folder

KEY = b"0123456789abcdef"


def pseudonym(text):
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture(scope="module")
def hidden():
    log = orders(("ada", "2024-01-01", 1.0), ("bob", "2024-01-02", 2.0), ("ada", "2024-01-03", 3.0))
    log.loc[3] = ["zoe secret", "no time", 4.0]
    return sg.pseudonymise(sg.read_events(log, kind="purchase"), key=KEY)


def test_events_get_the_hmac_of_each_id(hidden):
    rows = hidden.table.to_pandas().sort_values("timestamp")
    assert rows["customer_id"].to_list() == [pseudonym(name) for name in ("ada", "bob", "ada")]
    assert rows["amount"].to_list() == [1.0, 2.0, 3.0]


def test_examples_of_refused_rows_are_left_out(hidden):
    assert hidden.refused["count"].to_list() == [1]
    assert hidden.refused["example"].to_list() == [""]


def test_neither_ids_nor_the_key_remain(hidden):
    assert "ada" not in sg.feature_sql(hidden, sg.RFM, as_of="2024-02-01")
    files = b"".join(path.read_bytes() for path in Path(folder()).iterdir() if path.is_file())
    assert pseudonym("bob").encode() in files  # this search can find
    assert KEY not in files and b"zoe secret" not in files


def test_features_are_those_of_the_ids(hidden):
    table = sg.customer_features(hidden, sg.RFM, as_of="2024-02-01")
    assert table.loc[pseudonym("ada"), "monetary"] == 4.0


def test_attributes_join_the_events():
    people = pd.DataFrame({"customer_id": ["ada", "bob", None], "age": [36, 41, 50]})
    hidden = sg.pseudonymise(sg.read_attributes(people, demographic=["age"]), key=KEY.decode())
    assert hidden.table["age"].to_dict() == {pseudonym("ada"): 36.0, pseudonym("bob"): 41.0}
    assert hidden.table.index.is_monotonic_increasing
    assert hidden.refused["example"].to_list() == [""]


def test_contacts_keep_no_name_and_no_address():
    contacts = pd.DataFrame(
        {"customer_id": ["ada", "bob"], "E-Mail": ["a@x.org", None], "first_name": ["Ada", "Bob"]}
    ).assign(country="DE")
    hidden = sg.pseudonymise(contacts, key=KEY).set_index("customer_id")
    ada = hidden.loc[pseudonym("ada")]
    assert ada.to_dict() == {
        "email": f"hmac:{pseudonym('a@x.org')}",
        "first_name": f"hmac:{pseudonym('Ada')}",
        "country": "DE",
    }
    assert hidden["email"].isna().sum() == 1


@pytest.mark.parametrize("key", ["short", b"0123456789abcde", "äöüäöüä"])
def test_a_short_key_is_refused_and_not_shown(hidden, key):
    with pytest.raises(ValueError, match=r"key has 1?[0-9] bytes.*at least 16") as error:
        sg.pseudonymise(hidden, key=key)
    assert str(key) not in str(error.value)


def test_columns_of_contacts_that_nobody_knows_are_refused():
    contacts = pd.DataFrame({"customer_id": ["ada"], "nickname": ["Countess"]})
    with pytest.raises(ValueError, match="may name people: 'nickname'"):
        sg.pseudonymise(contacts, key=KEY)
