"""The same event counts once, and the same person is one customer."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg

DAYS = pd.date_range("2024-01-01", periods=6)
ALIASES = pd.DataFrame(
    {
        "alias": ["cookie 1", "cookie 2", "old", "cookie 1", "unseen", None, "ada"],
        "customer_id": ["old", "ada", "ada", "ada", "bo", "ada", "ada"],
    }
)
"""cookie 1 → old → ada is a chain, and its second row a shorter way to the same end."""


def visits(*customers, **more):
    return pd.DataFrame({"customer_id": customers, "timestamp": DAYS[: len(customers)], **more})


def counts(events):
    return events.table.customer_id.value_counts().to_pandas().set_index("customer_id").iloc[:, 0].to_dict()


# --- same_customer ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_aliases_become_their_customer(lazy, backwards, tmp_path):
    lines, aliases = visits("cookie 1", "cookie 2", "old", "ada", "guest"), ALIASES
    if backwards:
        lines, aliases = lines[::-1], aliases[::-1]
    source = lines
    if lazy:
        source = tmp_path / "lines.parquet"
        lines.to_parquet(source)
    events = sg.read_events(source, kind="visit", same_customer=aliases)
    assert counts(events) == {"ada": 4, "guest": 1}
    words = "3 events of 3 aliases read as events of 1 customer; 1 row of same_customer without an alias or a customer"
    assert words in events.sources[0]
    assert "3 aliases" in events._repr_html_()
    assert not len(events.refused) and list(events.columns) == ["customer_id", "timestamp", "kind"]


def test_aliases_from_a_file_are_read_as_ids(tmp_path):
    (tmp_path / "aliases.csv").write_text("customer_id,alias,note\n 17850 ,9.0,x\n17851,NaN,y\n")
    events = sg.read_events(
        visits(9.0, 17850.0, np.nan), kind="visit", same_customer=tmp_path / "aliases.csv"
    )
    assert counts(events) == {"17850": 2}
    assert events.refused["reason"].to_list() == ["customer_id missing"]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")], r"circle: a, b, c are aliases of each other"),
        ([("a", "b"), ("b", "a"), ("b", "ada")], r"circle: a, b are aliases"),
        ([("tablet", "bo"), ("tablet", "ada"), ("x", "ada")], r"1 group .*'tablet' is an alias of ada, bo"),
        ([("a", "b"), ("a", "c"), ("c", "d")], r"'a' is an alias of b, c"),
        ([(1.8e17, "ada"), (2.0, "bo")], r"'alias' of same_customer holds 1 value .*: a float that has lost"),
    ],
)
def test_unclear_aliases_are_errors(pairs, message):
    for order in (pairs, pairs[::-1]):
        aliases = pd.DataFrame(order, columns=["alias", "customer_id"])
        with pytest.raises(ValueError, match=message):
            sg.read_events(visits("ada"), kind="visit", same_customer=aliases)


def test_alias_columns_have_names():
    with pytest.raises(ValueError, match=r"no column 'alias'; its columns are cookie, customer_id.*rename"):
        sg.read_events(visits("a"), kind="visit", same_customer=ALIASES.rename(columns={"alias": "cookie"}))


@pytest.mark.parametrize("aliases", [ALIASES, ALIASES[:0], ALIASES[-1:]])
def test_aliases_of_nobody_are_warned_of(aliases):
    with pytest.warns(UserWarning, match="same_customer changed nothing") as caught:
        events = sg.read_events(visits("Cookie 1"), kind="visit", same_customer=aliases)
    own = [warning for warning in caught if warning.category is UserWarning]
    assert [warning.filename for warning in own] == [__file__]
    assert counts(events) == {"Cookie 1": 1}


def test_tables_without_aliases_are_explained():
    for aliases in (ALIASES[:0], ALIASES.assign(alias=None)):
        with pytest.warns(
            UserWarning, match="none of its rows has an alias and another customer. Leave it out"
        ):
            sg.read_events(visits("Cookie 1"), kind="visit", same_customer=aliases)
    for pairs in ({"cookie 1": "ada"}, pd.Series({"cookie 1": "ada"})):
        with pytest.raises(TypeError, match=f"same_customer is a {type(pairs).__name__}. .*rename_axis"):
            sg.read_events(visits("cookie 1"), kind="visit", same_customer=pairs)
        table = pd.Series(pairs, name="customer_id").rename_axis("alias").reset_index()  # as the error says
        assert counts(sg.read_events(visits("cookie 1"), kind="visit", same_customer=table)) == {"ada": 1}


def test_equal_lines_are_found_after_sign_in():
    lines = visits("cookie 1", "ada").assign(timestamp=DAYS[0])
    events = sg.read_events(lines, kind="visit", same_customer=ALIASES, duplicates="refuse")
    assert counts(events) == {"ada": 1}
    assert events.refused[["reason", "count"]].to_numpy().tolist() == [["equal to another line", 1]]


def test_presets_take_aliases():
    hit = {"event_name": "page_view", "event_timestamp": 1_704_448_800_000_000}
    hits = pd.DataFrame([{**hit, "user_id": None, "user_pseudo_id": "cookie 1"}, {**hit, "user_id": "ada"}])
    assert counts(sg.read_events(hits, preset="ga4", same_customer=ALIASES)) == {"ada": 2}


def test_exports_say_who_signed_in():
    """A cookie becomes the one who signed in with it; a shared device stays as it is."""
    hit = {"event_name": "page_view", "event_timestamp": 1_704_448_800_000_000}
    who = [("c1", None), ("c1", "ada"), ("tv", "ada"), ("tv", "bo"), ("tv", None), ("c2", None)]
    hits = pd.DataFrame([{**hit, "user_pseudo_id": cookie, "user_id": user} for cookie, user in who])
    events = sg.read_events(hits, preset="ga4", same_customer="export")
    assert counts(events) == {"ada": 3, "bo": 1, "tv": 1, "c2": 1}
    words = "1 event of 1 alias read as events of 1 customer; 1 alias of several customers left as they are"
    assert words in events.sources[0]


def test_segment_alias_calls_are_followed():
    call = {"timestamp": "2024-01-05T10:00:00Z", "event": "Quiz Done", "type": "track", "previousId": None}
    calls = pd.DataFrame(
        [
            {**call, "anonymousId": "cookie", "userId": None},
            {**call, "anonymousId": "cookie", "userId": "old"},
            {**call, "type": "alias", "previousId": "old", "userId": "ada", "anonymousId": None},
        ]
    )
    assert counts(sg.read_events(calls, preset="segment", same_customer="export")) == {"ada": 3}


def test_export_must_say_who_signed_in():
    charge = {"id": "c", "customer": "ada", "amount": 5, "currency": "usd", "created": 1, "status": "paid"}
    with pytest.raises(ValueError, match="Stripe: charges does not say it"):
        sg.read_events(pd.DataFrame([charge]), preset="stripe_charges", same_customer="export")
    with pytest.raises(ValueError, match="needs a preset that knows who signed in"):
        sg.read_events(visits("ada"), kind="visit", same_customer="export")


# --- event_id -----------------------------------------------------------------------------------------

REPEATED = visits(
    *("ada", "ada", None, "bo", "cy", "cy"),
    id=["e1", "e1", "e1", "e2", None, None],
    amount=[5.0, 5.0, 5.0, 3.0, 1.0, 1.0],
)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_event_ids_count_once(lazy, backwards, tmp_path):
    """The earliest copy that can be used counts; without an id nothing says that two events are one."""
    lines = REPEATED[::-1] if backwards else REPEATED
    source = lines
    if lazy:
        source = tmp_path / "lines.parquet"
        lines.to_parquet(source)
    events = sg.read_events(source, kind="purchase", event_id="id")
    assert counts(events) == {"ada": 1, "bo": 1, "cy": 2}
    assert events.first == DAYS[0] and "event_id" in events.columns
    assert events.refused.set_index("reason")["count"].to_dict() == {
        "customer_id missing": 1,
        "event_id counted already": 1,
    }
    assert events.refused["example"].to_list()[1] == "event_id=e1"


def test_event_ids_are_a_column(tmp_path):
    """The id is kept, found by its name when the log is read again, and also when the copies come from two files."""
    events = sg.read_events(REPEATED, kind="purchase", event_id="id")
    kept = events.table.to_pandas()
    assert list(kept)[:4] == ["customer_id", "timestamp", "kind", "event_id"]
    assert kept.set_index("event_id").loc[["e1", "e2"], "customer_id"].to_list() == ["ada", "bo"]
    assert kept["event_id"].isna().sum() == 2
    for name in ("a", "b"):
        kept.to_csv(tmp_path / f"{name}.csv", index=False)
    assert len(sg.read_events(tmp_path / "a.csv").refused) == 0
    again = sg.read_events(tmp_path / "*.csv", event_id="event_id")
    assert counts(again) == {"ada": 1, "bo": 1, "cy": 4} and again.refused["count"].to_list() == [2]
    with pytest.warns(UserWarning, match="'event_id' of .* so 2 rows are refused .* rename it"):
        sg.read_events(tmp_path / "*.csv")


def test_an_event_in_two_logs_is_reported():
    events = sg.read_events(REPEATED, kind="purchase", event_id="id")
    both = events + sg.read_events(visits("dan", id=["e1"]), kind="visit", event_id="id")
    assert counts(both) == {"ada": 1, "bo": 1, "cy": 2, "dan": 1}
    found = sg.check_events(both).findings.loc["repeated_id"]
    assert found["what"] == "1 event has the event_id of another one." and found["example"] == "event_id=e1"
    for log in (events, sg.read_events(REPEATED, kind="purchase")):
        assert "repeated_id" not in sg.check_events(log).findings.index


def test_equal_lines_may_have_different_ids():
    lines = visits("ada", "ada", id=["e1", "e2"]).assign(timestamp=DAYS[0])
    events = sg.read_events(lines, kind="visit", event_id="id")
    assert events.describe()["repeats"].to_list() == [1]
    events = sg.read_events(lines, kind="visit", event_id="id", duplicates="refuse")
    assert events.table.to_pandas()["event_id"].to_list() == ["e1"]
    assert events.refused["reason"].to_list() == ["equal to another line"]


def test_different_event_ids_change_nothing():
    lines = REPEATED.assign(id=range(6))
    events = sg.read_events(lines, kind="purchase", event_id="id")
    assert events.refused["reason"].to_list() == ["customer_id missing"]
    assert counts(events) == {"ada": 2, "bo": 1, "cy": 2}


def test_event_ids_that_lost_digits_are_refused():
    lines = visits("ada", "bo").assign(id=[123456789012345678.0, 1.0])
    events = sg.read_events(lines, kind="visit", event_id="id")
    assert events.refused["reason"].to_list() == ["event_id a float that has lost digits"]


def test_unknown_arguments_are_explained():
    with pytest.raises(ValueError, match=r"no column 'ids'.* Did you mean 'id'.*event_id="):
        sg.read_events(REPEATED, kind="visit", event_id="ids")
    with pytest.raises(ValueError, match="robots='yes' is neither 'refuse' nor 'keep'"):
        sg.read_events(REPEATED, kind="visit", robots="yes")
