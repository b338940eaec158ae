"""Rules written by hand: the first that holds, what is unknown, and what a rule may not hold."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_series_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.rules import FirstRule, RulePreparer

CUSTOMERS = pd.DataFrame(
    {
        "recency": [3, 200, 9, 80, 5, 40],
        "monetary": [2000.0, 1500, 20, 90, np.nan, -5],
        "channel": ["web", "shop", "app", None, "web", "shop"],
        "last order": [1, 2, 5, 7, 3, 9],
        "vip": [True, False, False, False, True, False],
        "churned": pd.array([0, 1, None, 0, 0, 1], dtype="Int64"),
    },
    index=["ada", "bob", "cy", "dan", "eve", "fay"],
)


@parametrize_with_checks([RulePreparer({"a": "x0 > 0"}), RulePreparer(), FirstRule()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ("monetary > 1000 and recency < 30", "ada"),
        ("monetary > 1000 or recency < 4", "ada bob"),
        ("not monetary > 1000", "cy dan fay"),
        ("not (monetary > 1000 or recency < 6)", "cy dan fay"),
        ("monetary > 1000 or vip", "ada bob eve"),
        ("monetary < 0 and vip", ""),
        ("9 <= recency < 80", "cy fay"),
        ("monetary == -5", "fay"),
        ("monetary < recency", "fay"),
        ("recency in (3, 9.0, 7)", "ada cy"),
        ("channel == 'web'", "ada eve"),
        ("channel != 'web'", "bob cy fay"),
        ('channel in ["web", "app"]', "ada cy eve"),
        ("channel not in {'web', 'app'}", "bob fay"),
        ("'shop' == channel", "bob fay"),
        ("channel is None", "dan"),
        ("monetary is not None and vip", "ada"),
        ("churned", "bob fay"),
        ("not churned", "ada dan eve"),
        ("vip == True", "ada eve"),
        ("recency in ()", ""),
        ("`last order` > 4 and channel != '`last order`'", "cy fay"),
    ],
)
@pytest.mark.filterwarnings("ignore:No customer fulfils")
def test_rules_by_hand(rule, who):
    """A comparison with a missing value is unknown, and so is its opposite."""
    holds = RulePreparer({"it": rule}).fit_transform(CUSTOMERS)[:, 0] == 1
    assert " ".join(CUSTOMERS.index[holds]) == who


def test_first_rule_wins(tmp_path):
    rules = {"VIP": "vip", "Big": "monetary > 1000", "Shop": "channel == 'shop'"}
    result = sg.segment(CUSTOMERS, model=sg.rules_segmenter(rules))
    assert result.named_labels.to_list() == ["VIP", "Big", "Outside", "Outside", "VIP", "Shop"]
    assert result.labels.to_list() == [0, 1, -1, -1, 0, 2]
    backwards = sg.segment(CUSTOMERS[::-1], model=sg.rules_segmenter(rules))
    assert_series_equal(backwards.labels[::-1], result.labels)
    new = CUSTOMERS.assign(monetary=5000.0, vip=False)
    assert result.assign(new).to_list() == [1] * 6
    placed = result.place(new)
    assert placed["segment"].to_list() == ["Big"] * 6 and (placed["confidence"] > 0.9).all()
    again = sg.Segmentation.load(result.save(tmp_path / "segments"))
    assert again.names == result.names == {0: "VIP", 1: "Big", 2: "Shop"}
    assert_series_equal(again.assign(new), result.assign(new))
    assert len(sg.profile(result)) and len(sg.project(result)) == 6


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("monetary >", "cannot be read"),
        ("", "cannot be read"),
        ("x = 3", "cannot be read"),
        ("(" * 300 + "vip" + ")" * 300, "cannot be read"),
        ("__import__('os').system('true')", "holds .*which it may not"),
        ("monetary + 1 > 3", r"holds 'monetary \+ 1', which it may not"),
        ("monetary.real > 3", r"holds 'monetary\.real'"),
        ("[m for m in monetary]", "which it may not"),
        ("lambda: 3", "which it may not"),
        ("f'{vip}' == 'x'", "which it may not"),
        (3, "The rule 'it' is 3. A rule compares"),
    ],
)
def test_what_a_rule_may_not_hold(rule, message):
    """It is refused before there are customers, and nothing of it runs."""
    with pytest.raises((TypeError, ValueError), match=message):
        sg.rules_segmenter({"it": rule})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("monetry > 1", r"names 'monetry', which is no feature. Did you mean 'monetary'\?"),
        ("channel == web", "names 'web', which is no feature.*words stand in quotes"),
        ("channel == 3", "compares 3, a number, with channel, a word"),
        ("recency in ('web',)", "compares recency, a number, with 'web', a word"),
        ("channel > 'a'", "compares the words of channel by size"),
        ("recency", "takes recency for yes or no"),
        ("recency is 3", "holds '3', which it may not"),
        ("recency in channel", "holds 'channel', which it may not"),
        ("recency > None", "holds 'None', which it may not"),
        ("3", "holds '3', which it may not"),
        ("-recency > 3", "holds '-recency', which it may not"),
        ("recency > 3 > b'x'", "which it may not"),
    ],
)
def test_what_does_not_fit_the_customers(rule, message):
    with pytest.raises(ValueError, match=message) as caught:
        sg.segment(CUSTOMERS, model=sg.rules_segmenter({"it": rule}))
    assert "KMeans" not in str(caught.value)


def test_no_rule_leaves_new_customers_outside_though_all_were_inside():
    result = sg.segment(
        CUSTOMERS, model=sg.rules_segmenter({"Soon": "recency < 50", "Late": "recency >= 50"})
    )
    unknown = CUSTOMERS.assign(recency=np.nan).iloc[:2]
    assert result.labels.ge(0).all() and result.assign(unknown).to_list() == [-1, -1]


def test_a_backtick_in_a_name_is_doubled_and_a_long_number_is_infinite():
    table = CUSTOMERS.rename(columns={"monetary": "spend `net`"})
    rules = {"it": "`spend ``net``` > 1000", "all": f"recency < {'9' * 400}"}
    result = sg.segment(table, model=sg.rules_segmenter(rules))
    assert_series_equal(result.labels == 0, CUSTOMERS["monetary"] > 1000, check_names=False)
    assert (result.labels[CUSTOMERS["recency"].notna() & (result.labels != 0)] == 1).all()


def test_rules_are_checked_as_a_whole():
    with pytest.raises(ValueError, match="There are no rules"):
        sg.rules_segmenter({})
    with pytest.raises(TypeError, match="The name of a rule is 3"):
        sg.rules_segmenter({3: "vip"})
    with pytest.warns(UserWarning, match=r"No customer fulfils the rule 'Web' \(channel == 'Web'\)"):
        sg.segment(CUSTOMERS, model=sg.rules_segmenter({"VIP": "vip", "Web": "channel == 'Web'"}))


def test_a_rule_that_held_for_no_fitted_customer_holds_for_new_ones():
    """And a new customer for whom none holds is outside, though no fitted one was; so are unknown scores."""
    rules = {"VIP": "monetary > 1000", "Odd": "monetary == 77", "Rest": "monetary <= 1000"}
    fitted = pd.DataFrame({"recency": [3.0, 9], "frequency": [2.0, 1], "monetary": [2000.0, 20]})
    with pytest.warns(UserWarning, match="No customer fulfils the rule 'Odd'"):
        by_rules = sg.segment(fitted, model=sg.rules_segmenter(rules))
    by_scores = sg.segment(fitted, model=sg.RFMSegmenter())
    new = pd.DataFrame({"recency": [5.0, 5, 5], "frequency": 1.0, "monetary": [77, np.nan, 5]})
    assert by_rules.assign(new).to_list() == [1, -1, 2]
    assert (
        by_scores.assign(new).to_list() == [*by_scores.model.predict(new)] and by_scores.assign(new)[1] == -1
    )


def test_rfm_segments_have_their_names():
    n = np.arange(50)
    customers = pd.DataFrame({"recency": n // 2, "frequency": 50 - n, "monetary": 99.0 - n})
    result = sg.segment(customers, model=sg.RFMSegmenter())
    assert result.named_labels[0] == "Champions" and result.named_labels[49] == "Lost"
