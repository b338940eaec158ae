"""Consent: which events may be used, who withdrew, and what cannot be read."""

import dataclasses

import pandas as pd
import pytest
from tables import orders

import segkit as sg

LOG = orders(
    ("always", "2024-01-10", 1.0),
    ("always", "2024-03-10", 2.0),
    ("withdrew", "2024-01-10", 4.0),
    ("later", "2024-01-10", 8.0),
    ("later", "2024-03-10", 16.0),
    ("never", "2024-01-10", 32.0),
    ("other", "2024-01-10", 64.0),
    ("soon", "2024-01-10", 128.0),
)
ROWS = (
    ("always", "segmentation", "2023-01-01", None),
    ("withdrew", "Segmentation ", "2023-01-01", "2024-02-01"),
    ("later", "segmentation", "2024-02-01T00:00:00+01:00", "2024-06-01"),
    ("other", "advertising", "2023-01-01", None),
    ("soon", "segmentation", "2024-05-01", None),
)


def consent(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "purpose", "from", "until"])


@pytest.fixture(scope="module")
def log():
    return sg.read_events(LOG, kind="purchase")


@pytest.fixture(scope="module")
def allowed(log):
    return sg.with_consent(log, consent(*ROWS))


def monetary(events, as_of):
    return sg.customer_features(events, sg.RFM, as_of=as_of)["monetary"].to_dict()


def test_events_count_while_their_customer_consents(allowed):
    assert allowed.table.to_pandas().groupby("customer_id")["amount"].sum().to_dict() == {
        "always": 3.0,
        "later": 16.0,
    }


def test_what_is_left_out_is_counted(allowed):
    assert allowed.refused_reasons() == {
        "no consent to segmentation": 2,
        "from outside the time of consent to segmentation": 1,
        "consent to segmentation has ended": 1,
        "consent to segmentation has not begun": 1,
    }
    assert allowed.refused["example"].eq("").all()
    assert allowed.refused["count"].sum() + allowed.kinds().sum() == len(LOG)


def test_withdrawal_takes_effect_at_the_next_query(allowed):
    assert monetary(allowed, "2024-05-31") == {"always": 3.0, "later": 16.0}
    assert monetary(allowed, "2024-06-01") == {"always": 3.0}
    table = sg.snapshots(allowed, sg.RFM, dates=["2024-02-01", "2024-05-31", "2024-06-01"])
    assert table["monetary"].to_list() == [1.0, 3.0, 16.0, 3.0]
    assert list(table.index.get_level_values("customer_id")) == ["always", "always", "later", "always"]


def test_who_withdrew_is_gone_from_earlier_moments(log):
    rows = [*ROWS[:2], ("later", "segmentation", "2024-02-01", "2024-06-01")]
    assert monetary(sg.with_consent(log, consent(*rows), as_of="2024-07-01"), "2024-04-01") == {"always": 3.0}
    before = sg.with_consent(log, consent(*rows), as_of="2024-01-31")
    assert monetary(before, "2024-01-31") == {"always": 1.0, "withdrew": 4.0}
    assert monetary(before, "2024-02-01") == {"always": 1.0}


def test_features_are_for_a_purpose(log, allowed):
    ads = [dataclasses.replace(feature, purpose="advertising") for feature in sg.RFM]
    with pytest.raises(ValueError, match=r"'recency' is for 'advertising'.*for 'segmentation'.*purpose='adv"):
        sg.customer_features(allowed, ads, as_of="2024-04-01")
    advertising = sg.with_consent(log, consent(*ROWS), purpose="advertising")
    assert sg.customer_features(advertising, ads, as_of="2024-04-01")["monetary"].to_dict() == {"other": 64.0}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("2024-02-01", "2024-01-01")], "ends before it begins"),
        ([("2024-02-01", "2024-02-01")], "ends before it begins"),
        ([(None, None)], "begins at no time"),
        ([("2023-01-01", "01/02/2024")], "has a time that cannot be read"),
        ([(20230101, None)], "has a time that cannot be read"),
        ([("2023-01-01", None), ("2023-06-01", "2023-08-01")], "overlaps with different ends"),
    ],
)
def test_who_cannot_be_understood_is_left_out(log, rows, reason):
    told = [("always", "segmentation", *row) for row in rows]
    read = sg.with_consent(log, consent(*told, ("later", "segmentation", "2023-01-01", None)))
    assert read.refused_reasons()[f"consent to segmentation {reason}"] == 2
    assert read.table.customer_id.nunique().to_pandas() == 1


def test_times_that_end_together_or_meet_are_one(log):
    told = [
        ("always", "segmentation", "2024-02-01", None),
        ("always", "segmentation", "2023-02-01", None),
        ("later", "segmentation", "2023-01-01", "2024-02-01"),
        ("later", "segmentation", "2024-02-01", None),
    ]
    assert monetary(sg.with_consent(log, consent(*told)), "2024-04-01") == {"always": 3.0, "later": 24.0}


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        ("segmentatoin", "no purpose 'segmentatoin'. Did you mean 'segmentation'?"),
        ("profiling", "Choose from segmentation"),
    ],
)
def test_unknown_purposes_are_refused(log, purpose, words):
    with pytest.raises(ValueError, match="consent knows no purpose") as error:
        sg.with_consent(log, consent(*ROWS), purpose=purpose)
    assert words in str(error.value)


def test_a_misspelt_purpose_is_refused(log):
    with pytest.raises(ValueError, match="'segmentaton', which looks like 'segmentation' misspelt"):
        sg.with_consent(log, consent(*ROWS, ("never", "segmentaton", "2023-01-01", None)))


def test_logs_are_joined_before_consent(log, allowed):
    with pytest.raises(ValueError, match="Join the logs first"):
        log + allowed
    with pytest.raises(ValueError, match="consent to 'segmentation' already"):
        sg.with_consent(allowed, consent(*ROWS))


def test_a_table_without_a_column_is_refused(log):
    with pytest.raises(ValueError, match="no column 'until'"):
        sg.with_consent(log, consent(*ROWS).drop(columns="until"))
    with pytest.raises(ValueError, match="customer_id of consent should be all text"):
        sg.with_consent(log, consent(("a", "segmentation", None, None), (None, "segmentation", None, None)))


def test_two_columns_of_one_name_are_refused(log):
    told = consent(*ROWS)
    with pytest.raises(ValueError, match="'until' as the name of two columns"):
        sg.with_consent(log, pd.concat([told, told[["until"]]], axis=1))


def test_an_empty_table_is_consent_of_nobody(log):
    with pytest.raises(ValueError, match="names no purpose at all: nobody consents"):
        sg.with_consent(log, consent())


def test_events_of_nobody_can_be_shown(log):
    """An empty text is no time: nobody knows whether she agrees."""
    nobody = sg.with_consent(log, consent(("always", "segmentation", "2023-01-01", "")))
    assert repr(nobody).startswith("Events: no events; 8 rows refused")
    assert nobody.refused_reasons()["consent to segmentation has a time that cannot be read"] == 2


def test_pseudonyms_keep_their_consent(allowed):
    hidden = sg.pseudonymise(allowed, key="0123456789abcdef")
    assert sorted(monetary(hidden, "2024-05-31").values()) == [3.0, 16.0]
    assert list(monetary(hidden, "2024-06-01").values()) == [3.0]
