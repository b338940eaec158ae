"""Names and sentences of segments: right, unique, stable, and never more than the evidence."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from simulated import RandomLabels
from sklearn.cluster import DBSCAN, HDBSCAN
from tables import EVIL, oddly_named, three_groups

import segkit as sg
from segkit.explain.name_words import PAIRS, SUPERLATIVES, THEMES, WORDS
from segkit.explain.names import shown_names, with_shown_names
from segkit.explain.traits import key_of, readable

SIX = pd.DataFrame(
    {"recency": [200, 210, 190, 205, 5, 6, 4], "monetary": [900, 950, 870, 890, 90, 95, 87]},
    index=list("abcdefg"),
)


def six():
    return sg.segment(SIX, n_segments=2)


def ids(n):
    return pd.Index([f"c{i:05}" for i in range(n)], name="customer_id", dtype="str")


def test_names_by_hand():
    names = sg.suggest_names(six(), minimum=1)
    assert names.index.name == "segment_id" and list(names) == ["segment", "name", "sentence", "features"]
    assert names.loc[0].to_list() == [
        "Segment 0",
        "Lapsing big spenders",
        "They last bought 202 days ago (the others: 5 days) and have spent 895 (the others: 90).",
        ["recency", "monetary"],
    ]
    assert names["name"][1] == "Active small spenders"


def test_accepted_by_with_names():
    named = six().with_names(sg.suggest_names(six(), minimum=1)["name"])
    assert named.names == {0: "Lapsing big spenders", 1: "Active small spenders"}
    assert six().names == {}


# The archetypes of a shop: for each, what is planted (feature: value), and words of which the name has one for each.
USUAL = {
    "recency": 25, "frequency": 6, "monetary": 300, "tenure": 400, "discount_share": 0.04, "return_rate": 0.02,
    "weekend_order_share": 0.28, "email_open_rate": 0.2, "mobile_share": 0.45, "evening_share": 0.2,
    "cart_abandonment": 0.2, "visits": 20,
}  # fmt: skip
ARCHETYPES = {
    "lapsing big spenders": ({"recency": 240, "monetary": 2500}, ("laps", "big")),
    "new small buyers": ({"tenure": 40, "monetary": 40}, ("new", "small")),
    "weekend bargain hunters": ({"weekend_order_share": 0.8, "discount_share": 0.35}, ("weekend", "bargain")),
    "loyal regulars": ({"tenure": 1500, "frequency": 50}, ("loyal", "regular")),
    "one-time buyers": ({"frequency": 1, "monetary": 40}, ("one-time",)),
    "e-mail fans": ({"email_open_rate": 0.85}, ("e-mail",)),
    "mobile night shoppers": ({"mobile_share": 0.95, "evening_share": 0.8}, ("mobile", "evening")),
    "returners": ({"return_rate": 0.4, "monetary": 2500}, ("return", "big")),
    "abandoners": ({"cart_abandonment": 0.9, "visits": 150}, ("cart",)),
}


def archetype_shop(seed, n=80):
    """Customers of each archetype, whose usual features vary by a third, and of as many without anything special."""
    rng = np.random.default_rng(seed)
    kinds = [name for name in (*ARCHETYPES, "nobody special") for _ in range(n)]
    planted = [{**USUAL, **ARCHETYPES.get(kind, ({},))[0]} for kind in kinds]
    table = pd.DataFrame(planted, index=ids(len(kinds))).mul(
        np.exp(0.3 * rng.normal(size=(len(kinds), len(USUAL))))
    )
    shares = [c for c in table if c.endswith(("share", "rate", "abandonment"))]
    table[shares] = table[shares].clip(upper=1)
    table["frequency"] = table["frequency"].round().clip(lower=1)
    table.loc[[k == "one-time buyers" for k in kinds], "frequency"] = 1.0
    return table, pd.Series(kinds, index=table.index)


def test_archetypes_get_their_key_feature():
    right = {}
    for seed in range(5):
        customers, kinds = archetype_shop(seed)
        result = sg.segment(customers, n_segments=10, random_state=seed)
        names = sg.suggest_names(result, minimum=1)
        assert names["name"].is_unique
        for kind, (planted, words) in ARCHETYPES.items():
            segment = result.labels[kinds == kind].mode()[0]
            name = names.loc[segment, "name"].lower()
            right[seed, kind] = all(word in name for word in words)
            assert set(names.loc[segment, "features"]) & set(planted), (kind, name)
    assert np.mean(list(right.values())) >= 0.9, [key for key, fine in right.items() if not fine]


def test_names_stay_over_refits():
    """20 refits of resampled customers: their own segment keeps its name for most of them."""
    customers, kinds = archetype_shop(0)
    found = {kind: Counter() for kind in ARCHETYPES}
    for seed in range(20):
        drawn = np.sort(np.random.default_rng(seed).choice(len(customers), len(customers)))
        sample = customers.iloc[drawn].set_axis(ids(len(drawn)))
        result = sg.segment(sample, n_segments=10, random_state=seed)
        names, known = (
            sg.suggest_names(result, minimum=1)["name"],
            pd.Series(kinds.to_numpy()[drawn], index=sample.index),
        )
        for kind in ARCHETYPES:
            found[kind][names[result.labels[known == kind].mode()[0]]] += 1
    kept = {kind: names.most_common(1)[0][1] for kind, names in found.items()}
    assert np.mean(list(kept.values())) >= 17, found


def test_nothing_is_claimed_of_random_groups():
    customers, _ = archetype_shop(0)
    names = sg.suggest_names(sg.segment(customers, model=RandomLabels()), minimum=1)
    assert set(names["name"]) == {"Typical customers", "Middle of the road", "Average customers"}
    assert names["features"].to_list() == [[], [], []]
    assert names["sentence"].str.startswith("Nothing sets them").all()


def test_words_claim_no_more_than_the_value():
    """Two days against one is no lapse, and weekends with 20 % of the orders make nobody a weekend shopper."""
    customers = pd.DataFrame(
        {
            "recency": [1.0, 1.1, 0.9] * 10 + [2.0, 2.1, 1.9] * 10,
            "weekend_order_share": [0.05] * 30 + [0.2] * 30,
        },
        index=ids(60),
    )
    names = sg.suggest_names(sg.segment(customers, n_segments=2), minimum=1)["name"]
    assert not names.str.contains("aps|eekend ").any()


def test_no_order_is_no_order():
    """Nobody who never bought is a one-time buyer; one order is."""
    for few, name in (
        (0.0, "Customers without orders"),
        (1.0, "One-time buyers"),
        (3.0, "Occasional buyers"),
    ):
        customers = pd.DataFrame({"frequency": [few] * 20 + [20.0, 30, 40, 50, 60] * 4}, index=ids(40))
        assert name in set(sg.suggest_names(sg.segment(customers, n_segments=2), minimum=1)["name"])


def test_a_few_far_apart_are_not_called_typical():
    customers = three_groups(40)
    customers.loc["whale"] = [5_000.0, 90_000.0]
    result = sg.segment(customers, n_segments=4)
    whale = sg.suggest_names(result, minimum=1).loc[result.labels["whale"]]
    assert (result.labels == result.labels["whale"]).sum() == 1 and whale["name"] == "Small group"
    assert whale["sentence"].startswith(
        "They are too few to be sure: they have spent 90,000 (the others: 11)"
    )


def test_what_sets_namesakes_apart_holds_against_everyone():
    """Cohen's d of at least 0.2 in the same direction."""
    rng = np.random.default_rng(0)
    columns = ["recency", "frequency", "monetary", "foo", "bar"]
    customers = pd.DataFrame(np.exp(rng.normal(size=(900, 5))), ids(900), columns)
    result = sg.segment(customers, n_segments=40)
    profile = sg.profile(result, minimum=1).set_index(["segment_id", "feature"])["effect"]
    for segment, features in sg.suggest_names(result, minimum=1)["features"].items():
        assert all(abs(profile[segment, feature]) >= 0.2 for feature in features)


def test_shared_names_are_set_apart():
    """Two groups of lapsed customers beside the active ones: by how long."""
    spread = np.exp(np.random.default_rng(0).normal(0, 0.05, 200))
    customers = pd.DataFrame({"recency": np.repeat([5.0, 100, 400], [120, 40, 40]) * spread}, index=ids(200))
    names = sg.suggest_names(sg.segment(customers, n_segments=3), minimum=1)["name"]
    assert set(names) == {"Recently active customers", "Lapsed customers", "Long-lapsed customers"}


def test_sixty_segments_have_sixty_names():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.normal(size=(1200, 5)), index=ids(1200)).add_prefix("trait ")
    names = sg.suggest_names(sg.segment(customers, n_segments=60), minimum=1)["name"]
    assert names.is_unique and len(names) == 60


def test_names_given_to_others_are_not_suggested():
    result = six().with_names({1: "Lapsing big spenders"})
    assert sg.suggest_names(result, minimum=1)["name"].to_list() == [
        "Lapsing big spenders 2",
        "Active small spenders",
    ]
    assert shown_names(result) == {0: "Small group (suggested)", 1: "Lapsing big spenders"}  # of three


def test_shown_names_keep_the_given_ones():
    result = six().with_names({1: "Regulars"})
    assert shown_names(result) == {0: "Small group (suggested)", 1: "Regulars"}
    assert (
        with_shown_names(result).name_of(0) == "Small group (suggested)" and result.name_of(0) == "Segment 0"
    )


def test_outside_is_not_named():
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    result = sg.segment(customers, model=HDBSCAN(copy=True))
    assert list(sg.suggest_names(result, minimum=1).index) == result.segments and -1 in set(result.labels)


def test_few_segments():
    noise = sg.segment(three_groups(), model=DBSCAN(eps=1e-9))
    assert sg.suggest_names(noise, minimum=1).empty and shown_names(noise) == {}
    same = pd.DataFrame({"visits": [1.0, 1, 1, 1, 1, 9]}, index=list("abcdef"))
    lonely = sg.suggest_names(sg.segment(same, n_segments=2), minimum=1)
    assert lonely["name"].is_unique


def test_odd_words_give_plain_names():
    customers = oddly_named()
    customers["constructor"] = customers["spend"]
    customers["x" * 10_000] = -customers["spend"]
    customers["Ünïcode العربية 日本"] = customers["visits"]
    customers["nobody knows"] = np.nan
    customers["city"] = ["Łódź\u200e", "東京" * 5000, 'O\'Brien "&" <b>'] * 20
    with pytest.warns(UserWarning, match="nobody knows"):
        result = sg.segment(customers, n_segments=3)
    names = sg.suggest_names(result, minimum=1)
    assert names["name"].is_unique and (names["name"].str.len() <= 80).all()
    assert (names["sentence"].str.len() <= 400).all() and not names["sentence"].str.contains("\n").any()
    result.with_names(names["name"])


@pytest.mark.parametrize(
    ("values", "word", "said"),
    [
        (["Lisbon", "Porto"], "Mostly Lisbon", "all of them have city Lisbon (the others: none)"),
        (["yes", "no"], "Yes to city", "all of them have yes for city (the others: none)"),
        ([1, 0], "Yes to city", "all of them say yes to city (the others: none)"),
        ([2, 7], "Mostly city 2", "all of them have city 2 (the others: none)"),
    ],
)
def test_two_values(values, word, said):
    customers = pd.DataFrame({"city": values * 20}, index=ids(40))
    names = sg.suggest_names(sg.segment(customers, n_segments=2), minimum=1)
    row = names[names["name"] == word].iloc[0]
    assert row["sentence"].lower() == f"{said}.".lower()


def test_readable_features():
    assert readable("MntMeatProducts") == "meat products" and readable("give.back") == "give back"
    assert readable("Spending Score (1-100)") == "spending score" and key_of("Annual Income (k$)") == "income"
    assert readable("ONEOFF_PURCHASES_FREQUENCY_OF_ALL") == "oneoff purchases…"
    assert key_of("spend_60d") == "spend_30d" and key_of("Total Spend") == "monetary"


def test_words_speak_of_every_theme():
    nouns = {end.noun for words in WORDS.values() for end in (*words.low, *words.high)}
    assert {words.theme for words in WORDS.values()} <= set(THEMES) and len(THEMES) == len(set(THEMES))
    said = " ".join([*nouns, *PAIRS.values()]).casefold()
    assert not SUPERLATIVES & set(re.findall(r"[a-z]+", said))
    numeric = sg.feature_catalogue().query("unit not in ('category', 'product', 'brand')")
    told = set(WORDS) | {"top_hour_band", "top_device", "top_channel", "top_place", "nps_class"}
    assert {key_of(name) for name in numeric["name"]} <= told


# --- A writer -----------------------------------------------------------------------------------------


def forty():
    """Thirty lapsed customers who spent much, ten others; one city of five customers."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "recency": np.r_[rng.uniform(200, 280, 30), rng.uniform(1, 9, 20)],
            "monetary": np.r_[rng.uniform(800, 999, 30), rng.uniform(80, 99, 20)],
            "city": pd.Categorical(["Rare"] * 5 + ["Common"] * 35 + ["Other"] * 10),
        },
        index=ids(50),
    )
    return sg.segment(customers, n_segments=2)


def test_writer_gets_a_summary_and_is_heard():
    seen = []

    def writer(summary):
        seen.append(summary)
        days = summary["features"][0]["here"]
        return f"Group of {summary['customers']}", f"Here it is {days:,}."

    names = sg.suggest_names(forty(), writer=writer, minimum=1)
    assert names["name"].to_list() == ["Group of 30", "Group of 20"]
    assert names.attrs["segkit"]["refused"] == {}
    assert set(seen[0]) == {"customers", "share", "features", "name", "sentence"}
    assert all("Rare" not in str(summary) for summary in seen)  # 5 customers
    assert {row["feature"] for row in seen[0]["features"]} >= {"recency", "monetary"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Nice", "not a name and a sentence"),
        (("Nice", 3), "not a name and a sentence"),
        (("", "Fine."), "its name has 0 letters"),
        (("N" * 51, "Fine."), "its name has 51 letters"),
        (("Nice", "x" * 301), "its sentence has 301 letters"),
        (("Nice", "They spent 123,456."), "says 123,456"),
        (("Nice", "They are 77% of all."), "says 77%"),
        (("Nice", "They spend a dozen times as much."), "says dozen"),
        (("Best customers", "Fine."), "says 'best'"),
        (("<b>Nice</b>", "Fine."), "HTML"),
        ((EVIL[:40], "Fine."), "HTML"),
        (("Nice", "Two\x07 bells."), "invisible"),
        (("Nice", "Two\nlines."), "line break"),
    ],
)
def test_writer_is_checked(answer, reason):
    with pytest.warns(UserWarning, match="built-in names stay"):
        names = sg.suggest_names(forty(), writer=lambda summary: answer, minimum=1)
    assert names["name"].to_list() == sg.suggest_names(forty(), minimum=1)["name"].to_list()
    assert all(reason in why for why in names.attrs["segkit"]["refused"].values()), names.attrs


def test_writer_may_repeat_the_suggestion():
    names = sg.suggest_names(
        forty(), writer=lambda summary: {k: summary[k] for k in ("name", "sentence")}, minimum=1
    )
    assert names.attrs["segkit"]["refused"] == {}


def test_writer_must_not_name_two_alike():
    with pytest.warns(UserWarning, match="another segment is called 'Nice'"):
        names = sg.suggest_names(forty(), writer=lambda summary: ("Nice", "Nice people."), minimum=1)
    assert names["name"].to_list()[0] == "Nice" and names["name"].is_unique


def test_writer_is_not_asked_about_few():
    with pytest.warns(UserWarning, match="fewer than 10 customers"):
        sg.suggest_names(six(), writer=lambda summary: pytest.fail("asked"), minimum=1)
    with pytest.raises(TypeError, match="cannot be called"):
        sg.suggest_names(six(), writer="gpt", minimum=1)


def test_times_of_day_are_read_aloud():
    customers = pd.DataFrame(
        {"weekend_share": [0.58, 0.6, 0.56] * 20 + [0.1, 0.11, 0.12] * 20}, index=ids(120)
    )
    sentences = sg.suggest_names(sg.segment(customers, n_segments=2), minimum=1)["sentence"]
    assert "They act at weekends 58% of the time (the others: 11%)." in set(sentences)
