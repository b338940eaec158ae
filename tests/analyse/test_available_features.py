"""What a log can support: features that are available, what the others lack, and families without them."""

import pytest
from tables import orders, purchases

import segkit as sg

EVENTS = purchases(("ada", "2024-01-01", 30.0), ("bob", "2024-01-11", 50.0))
AT = {"as_of": "2024-02-01"}


def test_what_is_missing_is_a_column_or_kinds_of_events():
    chosen = sg.select_features("monetary", "items_per_order", "email_open_rate", "survey_rating_mean")
    table = sg.available_features(EVENTS, chosen)
    assert table.index.name == "feature" and table["family"].to_list() == [
        "RFM",
        "BASKET",
        "EMAIL",
        "FEEDBACK",
    ]
    assert table["available"].to_list() == [True, False, False, False]
    assert table["missing"].to_list() == [
        "",
        "the column 'quantity'",
        "email_sent events",
        "the column 'rating' and survey events",
    ]
    assert list(sg.available_features(EVENTS).index) == [f.name for f in sg.FAMILIES]
    with pytest.raises(TypeError, match="features is the text 'RFM'"):
        sg.available_features(EVENTS, "RFM")


def test_a_family_is_computed_without_features_that_the_log_cannot_give():
    wanted = sg.select_features("monetary", "items_per_order", "single_item_order_share", "email_sent")
    with pytest.raises(ValueError, match="need 'quantity', which these events do not have"):
        sg.customer_features(EVENTS, wanted, **AT)
    said = (
        r"lacks what 3 features need, so they are skipped: items_per_order and single_item_order_share \(needs the "
        r"column 'quantity'\), email_sent \(needs email_sent events\)\."
    )
    with pytest.warns(UserWarning, match=said) as caught:
        some = sg.customer_features(EVENTS, wanted, unavailable="skip", **AT)
    assert caught[0].filename == __file__
    assert some.to_dict("list") == {"monetary": [30.0, 50.0]}
    skipped = some.attrs["segkit"]["skipped"]
    assert skipped["items_per_order"] == "the column 'quantity'" and len(skipped) == 3
    with pytest.warns(UserWarning, match="so they are skipped"):
        rows = sg.snapshots(EVENTS, wanted, dates=[AT["as_of"]], unavailable="skip")
    assert list(rows.columns) == ["monetary"] and rows.attrs["segkit"]["skipped"] == skipped


def test_nothing_is_skipped_that_can_be_computed():
    events = sg.read_events(orders(("ada", "2024-01-01", 30.0), quantity=[3]), kind="purchase")
    some = sg.customer_features(events, sg.select_features("items_per_order"), unavailable="skip", **AT)
    assert some["items_per_order"].to_list() == [3.0] and "skipped" not in some.attrs["segkit"]


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match="unavailable='drop' is neither 'error' nor 'skip'"):
        sg.customer_features(EVENTS, sg.RFM, unavailable="drop", **AT)
    with pytest.raises(
        ValueError, match="None of these features can be computed: the log lacks email_sent events"
    ):
        sg.customer_features(EVENTS, sg.select_features("email_sent"), unavailable="skip", **AT)
