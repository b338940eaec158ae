"""Recommendations, against counts by hand, histories by hand and shops whose tastes are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.tailor.products.purchase_matrix import purchase_matrix
from segkit.tailor.products.reasons import words_of_common_buyers

COLUMNS = ["customer_id", "rank", "product_id", "score", "due", "why", "basis"]


def log(*lines, columns=("customer_id", "product_id", "timestamp"), **more):
    return sg.read_events(
        pd.DataFrame(lines, columns=list(columns)).assign(**more),
        **({} if "kind" in columns else {"kind": "purchase"}),
    )


def shop(n=240, taste=8.0, seed=0, products=24, orders=8):
    """Customers of two tastes, a half of the products each, each bought `taste` times as often, over a year."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    chance = np.ones((2, products))
    chance[0, : products // 2] = chance[1, products // 2 :] = taste
    chance /= chance.sum(axis=1, keepdims=True)
    who = np.repeat(np.arange(n), orders)
    what = [rng.choice(products, p=chance[group[i]]) for i in who]
    lines = pd.DataFrame(
        {
            "customer_id": [f"c{i:03}" for i in who],
            "product_id": [f"p{j:02}" for j in what],
            "timestamp": pd.Timestamp("2023-01-01")
            + pd.to_timedelta(rng.integers(0, 365 * 24, len(who)), "h"),
        }
    )
    return lines, pd.Series(group, index=[f"c{i:03}" for i in range(n)])


def recounted(table, lines):
    """Check that nothing is known already and that each count is true; return the share of rows with one."""
    buyers = lines.groupby("product_id")["customer_id"].agg(set)
    mine = lines.groupby("customer_id")["product_id"].agg(set)
    with_counts = table[table["why"].astype("str").str.startswith("with ")]
    for row in table.itertuples():
        assert row.product_id not in mine[row.customer_id]
    for row in with_counts.itertuples():
        own, numbers = row.why.removeprefix("with ").split(", bought by ")
        both, of = (int(word) for word in numbers.split(" who ")[0].split(" of "))
        assert own in mine[row.customer_id] and row.why.endswith(f"who bought {own}")
        assert (both, of) == (len(buyers[own] & buyers[row.product_id]), len(buyers[own])) and both >= 5
    return len(with_counts) / len(table)


@pytest.fixture(scope="module")
def tastes():
    lines, group = shop()
    return lines, group, sg.read_events(lines, kind="purchase")


def test_new_products_fit_tastes(tastes):
    """Known customers get products of their taste, and each count in `why` is recounted from the log."""
    lines, group, events = tastes
    table = sg.recommend(events, as_of="2024-01-01", n=3)
    assert list(table) == COLUMNS
    assert table.attrs["segkit"]["method"] == "EASE"
    check = table.attrs["segkit"]["check"]
    assert check["ndcg"] > check["ndcg_of_popularity"] and check["customers"] > 100
    assert recounted(table, lines) > 0.5
    first = table[table["rank"] == 1].set_index("customer_id")["product_id"].str[1:].astype(int)
    assert ((first >= 12) == group.reindex(first.index)).mean() > 0.85


def test_many_products_are_compared_by_who_bought_both(tastes, monkeypatch):
    """Beyond the limit of EASE; the products scored are then a part of all."""
    monkeypatch.setattr("segkit.tailor.products.choose_method.EASE_PRODUCTS", 10)
    monkeypatch.setattr("segkit.tailor.products.methods.EASE_PRODUCTS", 20)
    lines, _, events = tastes
    table = sg.recommend(events, as_of="2024-01-01", n=3)
    assert table.attrs["segkit"]["method"] == "item-kNN"
    assert set(table["basis"]) <= {"bought together", "popular in the shop"}
    assert (table["basis"] == "bought together").mean() > 0.5
    assert recounted(table, lines) > 0.5


def test_reasons_do_not_tell_what_one_person_bought():
    """Own products are those that add most; of fewer than five common buyers there is no number."""
    lines = [(f"c{i}", p, "2024-01-01") for i in range(5) for p in ("ink", "tea")]
    lines += [(f"d{i}", "tea", "2024-01-01") for i in range(3)] + [("d0", "rum", "2024-01-01")]
    bought = purchase_matrix(log(*lines), "2024-02-01")
    ink, rum, tea = 0, 1, 2
    words = words_of_common_buyers(bought, np.array([tea, tea, ink, tea]), np.array([ink, rum, rum, ink]))
    ink_with_tea = "with tea, bought by 5 of 8 who bought tea"
    assert words.tolist() == [ink_with_tea, "goes with tea", "goes with ink", ink_with_tea]


def test_popularity_where_nothing_else_gains():
    lines, _ = shop(taste=1.0, seed=1)
    table = sg.recommend(sg.read_events(lines, kind="purchase"), as_of="2024-01-01", n=2)
    assert "shows no gain" in table.attrs["segkit"]["verdict"]
    assert set(table["basis"]) == {"popular in the shop"}
    buyers = lines.groupby("product_id")["customer_id"].nunique()
    assert (
        table["why"] == [f"bought by {buyers[p]} of 240 customers in the shop" for p in table["product_id"]]
    ).all()


@pytest.mark.parametrize("seed", [2, 4])
def test_counting_for_longer_is_no_taste(seed):
    """Customers buy at random. EASE beats recent popularity in these shops, since it looks back for longer: no gain."""
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, 31)
    who = np.repeat(np.arange(300), rng.geometric(1 / 8, 300))
    what = rng.choice(30, len(who), p=chance / chance.sum())
    when = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 365 * 1440, len(who)), "min")
    lines = pd.DataFrame({"customer_id": who, "product_id": what, "timestamp": when})
    events = sg.read_events(lines, kind="purchase")
    table = sg.recommend(events, as_of="2024-01-01", n=1, customers=[0])
    assert table.attrs["segkit"]["method"] == "recent popularity"
    board = sg.recommendation_scoreboard(events, as_of="2024-01-01", horizon="37 days")
    rows = board[board["goal"] == "new"].set_index("method")
    assert (
        rows.loc["EASE", "gain_low"] > 0
        and rows.loc["EASE", "verdict"] == "no better than lasting popularity"
    )
    assert board.attrs["segkit"]["best"]["new"] in ("recent popularity", "lasting popularity")


def test_an_answer_depends_on_nobody_else(tastes):
    """Neither on who else is asked for nor on the order of the rows."""
    lines, group, events = tastes
    for goal in ("new", "again"):
        every = sg.recommend(events, as_of="2024-01-01", goal=goal, by=group, n=4)
        for some in (["c007"], ["c100", "c003", "c100"]):
            few = sg.recommend(events, as_of="2024-01-01", goal=goal, by=group, n=4, customers=some)
            expected = every[every["customer_id"].isin(some)].reset_index(drop=True)
            pd.testing.assert_frame_equal(few, expected, check_categorical=False)
        shuffled = sg.read_events(lines.sample(frac=1, random_state=3), kind="purchase")
        pd.testing.assert_frame_equal(
            sg.recommend(shuffled, as_of="2024-01-01", goal=goal, by=group, n=4), every, check_exact=True
        )


def test_what_is_due_again():
    """Own gaps are drawn to the usual one of the product, as if that were three more gaps."""
    days = lambda who, what, *numbers: [(who, what, f"2024-01-{d:02}") for d in numbers]  # noqa: E731
    weekly = [line for i in range(5) for line in days(f"w{i}", "tea", 1, 8, 15, 22)]
    lines = [*weekly, *days("ann", "tea", 2, 4, 6, 8), *days("ann", "rum", 20, 20), *days("bob", "tea", 20)]
    table = sg.recommend(log(*lines), as_of="2024-01-24 12:00", goal="again", customers=["ann", "bob", "w0"])
    rows = table.set_index(["customer_id", "product_id"])
    assert table["basis"].unique().tolist() == ["own history"]
    # three gaps of 2 days and three of 7, from the 8th: 4.5 days, rounded to even
    assert rows.loc[("ann", "tea"), "due"] == pd.Timestamp("2024-01-12")
    why = "bought 4 times, about every 2 days; last on 2024-01-08; 12 days overdue"
    assert rows.loc[("ann", "tea"), "why"] == why
    assert rows.loc[("ann", "rum"), "why"] == "bought 2 times; last on 2024-01-20"
    assert rows["due"].isna().to_dict() == {key: key == ("ann", "rum") for key in rows.index}
    assert rows.loc[("bob", "tea"), ["due", "why"]].tolist() == [
        pd.Timestamp("2024-01-27"),
        "bought once, on 2024-01-20",
    ]
    decay = 0.5 ** (16.5 / 91)
    ages = rows.loc[("ann", "tea"), "score"] / rows.loc[("w0", "tea"), "score"]
    assert ages == pytest.approx(decay / 0.5 ** (2.5 / 91))


def test_who_has_no_history_gets_the_segments_products():
    """Five buyers or more make a product popular in a segment; the shop's fill the rest."""
    lines = [(f"n{i}", "tea", "2024-01-05") for i in range(6)] + [("n0", "ink", "2024-01-05")] * 3
    lines += [(f"s{i}", p, "2024-01-06") for i in range(9) for p in ("rum", "gin")]
    labels = pd.Series(
        {f"n{i}": "North" for i in range(6)}
        | {f"s{i}": "South" for i in range(9)}
        | {"new": "North", "empty": "East"}
    )
    table = sg.recommend(
        log(*lines), as_of="2024-02-01", by=labels, customers=["new", "empty", "stranger"], n=3
    )
    said = {
        who: rows[["product_id", "why", "basis"]].values.tolist()
        for who, rows in table.groupby("customer_id")
    }
    popular = [[p, "bought by 9 of 15 customers in the shop", "popular in the shop"] for p in ("gin", "rum")]
    tea = ["tea", "bought by 6 of 6 customers in North", "popular in North"]
    assert said["new"] == [tea, *popular]
    assert said["empty"] == said["stranger"]
    assert said["stranger"] == [
        *popular,
        ["tea", "bought by 6 of 15 customers in the shop", "popular in the shop"],
    ]
    assert table.attrs["segkit"]["without_history"] == 3
    last = sg.recommend(log(*lines), as_of="2024-02-01", customers=["stranger"], n=9)
    assert last["why"].tolist()[-1] == "bought by fewer than 5 customers" and len(last) == 4
    assert last.attrs["segkit"]["fewer"] == 1
    again = sg.recommend(
        log(*lines), as_of="2024-02-01", goal="again", customers=["new", "n1"], by=labels, n=1
    )
    assert again["basis"].tolist() == ["own history", "popular in North"]
    with pytest.raises(ValueError, match="by knows none of the 15 customers"):
        sg.recommend(log(*lines), as_of="2024-02-01", by=pd.Series({"x": 1}))


def test_what_was_sent_back_is_not_liked():
    """Quantities decide; who sent everything back has no history and does not get it again."""
    columns = ("customer_id", "product_id", "timestamp", "kind", "quantity")
    lines = [
        ("ann", "tea", "2024-01-01", "purchase", 2),
        ("ann", "tea", "2024-01-03", "return", -2),
        ("bob", "tea", "2024-01-01", "purchase", 2),
        ("bob", "tea", "2024-01-03", "return", 1),
        ("bob", "rum", "2024-01-04", "return", 1),
        ("cyd", "rum", "2024-01-04", "purchase", 1),
    ]
    for given_columns in (columns, columns[:-1]):
        kept = [line[: len(given_columns)] for line in lines]
        again = sg.recommend(log(*kept, columns=given_columns), as_of="2024-02-01", goal="again")
        own = again[again["basis"] == "own history"]
        partly = [["bob", "tea"]] if "quantity" in given_columns else []
        assert own[["customer_id", "product_id"]].values.tolist() == [*partly, ["cyd", "rum"]]
        assert again.loc[again["customer_id"] == "ann", "product_id"].tolist() == ["rum"]
        assert again.attrs["segkit"]["sent_back"] == 2 - len(partly)


def test_products_gone_and_excluded_are_not_offered():
    """Old is bought daily for 60 of 100 days; rare is bought twice, too rarely to be known as gone."""
    day = lambda d: str(pd.Timestamp("2024-01-01") + pd.Timedelta(days=d))  # noqa: E731
    lines = [("a", "old", day(d)) for d in range(60)] + [("b", "tea", day(d)) for d in range(100)]
    lines += [("c", "rare", day(3)), ("d", "rare", day(40)), ("e", "ink", day(70))]
    events = log(*lines)
    for as_of in ("2024-04-11", "2030-01-01"):
        table = sg.recommend(events, as_of=as_of, customers=["x"])
        assert table["product_id"].tolist()[0] == "tea" and set(table["product_id"]) == {"tea", "rare", "ink"}
        assert table.attrs["segkit"]["gone"] == 1
    again = sg.recommend(events, as_of="2024-04-11", goal="again", exclude=["tea"])
    assert again["product_id"].tolist() == ["rare", "rare", "ink"]
    assert {again.attrs["segkit"][key] for key in ("excluded", "none")} == {1, 2}
    with pytest.warns(
        UserWarning, match="exclude has 1 product that nobody bought: teas. Did you mean 'tea'?"
    ):
        sg.recommend(events, as_of="2024-04-11", exclude=["teas"])
    early = sg.recommend(events, as_of="2024-02-01", customers=["x"])
    assert early.attrs["segkit"]["gone"] == 0 and "old" in set(early["product_id"])


def test_small_and_odd_logs_have_answers():
    """One product, all products bought already, nobody asked for, and a log of one moment."""
    one = log(("a", "tea", "2024-01-01"), ("b", "tea", "2024-01-09"))
    table = sg.recommend(one, as_of="2024-02-01")
    assert len(table) == 0 and list(table) == COLUMNS and table.attrs["segkit"]["none"] == 2
    assert sg.recommend(one, as_of="2024-02-01", customers=["x"], n=50)["product_id"].tolist() == ["tea"]
    assert len(sg.recommend(one, as_of="2024-02-01", customers=[])) == 0
    assert sg.recommend(one, as_of="2024-01-02", goal="again")["why"].tolist() == [
        "bought once, on 2024-01-01"
    ]
    for some, products in ((["x"], ["tea"]), ([], [])):  # nobody with a history is asked for
        asked = sg.recommend(one, as_of="2024-02-01", goal="again", customers=some)
        assert asked["product_id"].tolist() == products and asked["due"].isna().all()
    together = sg.recommend(log(("a", "tea", "2024-01-01"), ("b", "rum", "2024-01-01")), as_of="2024-02-01")
    assert together["product_id"].tolist() == ["rum", "tea"]
    assert "too short" in together.attrs["segkit"]["verdict"]


def test_wrong_arguments_are_explained():
    events = log(("a", "tea", "2024-01-01"), ("b", "tea", "2024-01-09"))
    for more, words in (
        ({"goal": "agian"}, "goal='agian' is not known. Did you mean 'again'"),
        ({"n": 0}, "n=0 should be a whole number"),
        ({"exclude": "tea"}, "exclude is the text 'tea'. Pass a list"),
        ({"customers": [1.5]}, "should be all text or all whole numbers"),
        ({"as_of": "2023-01-01"}, "Nobody bought a product before"),
        ({"by": ["North"]}, "Pass a Segmentation, or a Series"),
        ({"horizon": "soon"}, "horizon='soon' is not a span of time"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            sg.recommend(events, **({"as_of": "2024-02-01"} | more))


@given(st.integers(0, 10_000))
def test_ranks_are_whole_and_nothing_is_said_twice(seed):
    rng = np.random.default_rng(seed)
    lines, group = shop(n=int(rng.integers(2, 40)), seed=seed, products=int(rng.integers(2, 8)), orders=3)
    lines["kind"] = rng.choice(["purchase", "purchase", "return"], len(lines))
    lines.loc[0, "kind"] = "purchase"
    goal, n = str(rng.choice(["new", "again"])), int(rng.integers(1, 10))
    first = lines[lines["kind"] == "purchase"]
    by = group if group.index.isin(first["customer_id"]).any() else None
    table = sg.recommend(sg.read_events(lines), as_of="2024-01-01", goal=goal, n=n, by=by)
    for _, rows in table.groupby("customer_id"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1)) and len(rows) <= n
        assert rows["product_id"].is_unique
    bought = pd.MultiIndex.from_frame(first[["customer_id", "product_id"]])
    own = (table["basis"] == "own history").to_numpy()
    known = pd.MultiIndex.from_frame(table[["customer_id", "product_id"]]).isin(bought)
    assert (known == own).all()
    assert table[["why", "basis", "product_id", "score"]].notna().all(axis=None)


def test_categories_are_recommended_as_products_are():
    lines = [
        ("ann", "p1", "2024-05-01", "tea"),
        ("ann", "p2", "2024-05-11", "tea"),
        ("bob", "p3", "2024-05-12", "rum"),
    ]
    events = log(*lines, columns=("customer_id", "product_id", "timestamp", "category"))
    renamed = log(*[(c, g, t) for c, _, t, g in lines])
    for goal in ("again", "new"):
        by_category = sg.recommend(events, as_of="2024-06-01", goal=goal, of="category")
        by_product = sg.recommend(renamed, as_of="2024-06-01", goal=goal).rename(
            columns={"product_id": "category"}
        )
        pd.testing.assert_frame_equal(by_category, by_product)
    with pytest.raises(ValueError, match="of='kind' is not known"):
        sg.recommend(events, as_of="2024-06-01", of="kind")
    with pytest.raises(ValueError, match="there is no category"):
        sg.recommend(renamed, as_of="2024-06-01", of="category")
