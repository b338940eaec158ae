"""Surveys and tables of customers as their authors left them."""

import pandas as pd
import pytest
from shared_data import shared

import segkit as sg


def test_surveys_are_read_as_they_are():
    path = shared("volunteers") / "volunteers.csv"
    frame = pd.read_csv(path)
    motives = list(frame.columns[2:])
    volunteers = sg.read_attributes(
        path, customer_id=None, demographic=["GENDER", "AGEG"], psychographic=motives
    )
    assert sg.preparation(volunteers.table)["is"].value_counts().to_dict() == {"two values": 20, "words": 1}
    path = shared("income_esl") / "income_esl.csv"
    frame = pd.read_csv(path)
    answers = sg.read_attributes(path, customer_id=None, demographic=list(frame.columns))
    assert len(answers.table) == 8_993 and not len(answers.blanked)
    assert answers.table["number in household"].cat.categories.to_list() == [*"12345678", "9+"]
    by_file, by_frame = (sg.preparation(table)["is"] for table in (answers.table, frame))
    assert by_file.to_dict() == by_frame.to_dict() == dict.fromkeys(frame, "words") | {"sex": "two values"}


def test_a_table_with_a_byte_order_mark_and_dates_is_read():
    path = shared("marketing_campaign") / "marketing_campaign.csv"
    with pytest.raises(ValueError, match=r"It has ID, Year_Birth, Education"):
        sg.read_attributes(path, customer_id="ID")
    names = list(pd.read_csv(path, sep=";").columns[1:])
    customers = sg.read_attributes(path, customer_id="ID", behavioural=names, as_of="2014-12-31").table
    assert len(customers) == 2_240 and customers["Dt_Customer"].between(0, 1_000).all()
    kinds = sg.preparation(customers)["is"]
    assert kinds[["Response", "Education", "Dt_Customer", "Z_Revenue"]].to_list() == [
        "two values",
        "words",
        "count",
        "one value",
    ]


def test_tenure_says_little_of_what_comes_next():
    path = shared("grocery_elog") / "grocery_elog.csv"
    events = sg.read_events(path, customer_id="cust", timestamp="date", kind="purchase")
    features = sg.select_features("recency", "frequency", "tenure")
    customers = sg.customer_features(events, features, as_of="2007-07-01")
    results = {
        "three": sg.segment(customers, n_segments=5),
        "two": sg.segment(customers[["recency", "frequency"]], n_segments=5),
    }
    board = sg.outcome_scoreboard(events, results, as_of="2007-07-01", horizon="182 days")
    explained, verdict = (board[name].unstack("segmentation") for name in ("explained", "verdict"))
    assert (verdict["three"] == "less than RFM quintiles").all()
    assert (verdict["two"] == "as much as RFM quintiles").all()
    assert (explained["two"] > explained["three"] + 0.05).all()


@pytest.mark.structure
def test_gender_makes_no_segments_by_itself():
    """In the mall there are groups by income and spending; a linkage would divide women from men."""
    mall = pd.read_csv(shared("mall_customers") / "mall_customers.csv", index_col="CustomerID")
    advice = sg.recommend_method(mall)
    assert advice.method == "kmeans" and "There are groups" in advice.reason
