"""The context of customers: where they are at a moment, what they look at, what they said, and why they are placed."""

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segkit as sg
from segkit.live.arriving import Arrivals
from segkit.live.context import Context, Feedback, Visit, contexts, first_words, visitors
from segkit.live.placing import INSTANT
from segkit.live.store import COLUMNS, Store

NOON = pd.Timestamp("2025-01-10 12:00")
FEATURES = sg.select_features("recency", "monetary", "feedback_sentiment_last")


def mood(texts):
    """Score a text by its words."""
    return [0.8 * ("good" in text) - 0.9 * ("bad" in text) if text[0].isalpha() else None for text in texts]


def log(rows, prefix="e"):
    """Return events of (customer, minutes before or after noon, kind) and what else is known of each."""
    return pd.DataFrame(
        [
            {
                "event_id": f"{prefix}{i}",
                "customer_id": customer,
                "timestamp": (NOON + pd.Timedelta(minutes, "min")).tz_localize("UTC"),
                "kind": kind,
                **known,
            }
            for i, (customer, minutes, kind, known) in enumerate(rows)
        ],
        columns=COLUMNS,
    )


DAY = 1440
OLD = [
    ("ada", -9 * DAY, "purchase", {"amount": 20.0, "place": "Leeds", "zone": "America/New_York"}),
    ("ada", -8 * DAY, "chat", {"text": "bad glue", "device": "phone"}),
    ("ada", -8 * DAY + 1, "email_sent", {"device": "mail server", "place": "Dublin"}),
    ("bob", -7 * DAY, "purchase", {"amount": 300.0}),
    ("bob", -7 * DAY, "survey", {}),
    ("cyd", -2 * DAY, "purchase", {"amount": 10.0}),
    ("cyd", -2 * DAY, "review", {"text": "good", "rating": 5.0}),
    ("dan", -1 * DAY, "purchase", {"amount": 310.0}),
    ("dan", -1 * DAY, "chat", {"text": "so so"}),
]
NEW = [
    ("ada", -40, "page_view", {"page": "/old", "category": "Cribs"}),
    ("ada", -29, "page_view", {"page": "/prams", "category": "Prams", "channel": "app"}),
    ("ada", -20, "search", {"text": "a good pram"}),
    ("ada", -10, "cart_add", {"product_id": "p1", "category": "Prams"}),
    ("ada", -10, "purchase", {"amount": 5.0, "product_id": "p2", "category": "Toys"}),
    ("bob", -45, "page_view", {"category": "Prams"}),
    ("cyd", -3, "page_view", {"product_id": "p1"}),
    ("cyd", -2, "chat", {"text": "a bad wheel " * 20}),
    ("dan", -5, "purchase", {"amount": 9.0, "category": "Prams"}),
]


def read(rows):
    return sg.read_events(log(rows), sentiment=mood, timezone="Europe/Berlin", event_id="event_id")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return live segments of the old events and the new ones, and the segmentation."""
    events = read(OLD)
    customers = sg.customer_features(events, FEATURES, as_of=events.last + INSTANT)
    result = sg.segment(customers, n_segments=2)
    with sg.live_segments(result, events, FEATURES, folder=tmp_path_factory.mktemp("shop")) as live:
        live.apply(log([*OLD, *NEW]).iloc[len(OLD) :], as_of=NOON)
        yield live, result


def test_visit_by_hand(shop):
    live, _ = shop
    ada = live.at("ada", as_of=NOON).context
    assert ada == Context(
        hour=7,
        zone="America/New_York",
        place="Leeds",
        device="phone",
        channel="app",
        visit=Visit(29.0, 1, 1, 1, True, ("p1",), ("Prams",), ("/prams",)),
        feedback=(Feedback("chat", NOON - pd.Timedelta("8D"), "e1", None, -0.9, "bad glue"),),
    )
    before = live.at("ada", as_of=NOON - pd.Timedelta("30min")).context
    assert before.visit == Visit(10.0, 1, 0, 0, False, (), ("Cribs",), ("/old",))
    assert live.at("bob", as_of=NOON).context == Context(13, "Europe/Berlin")
    assert live.at("dan", as_of=NOON).context.visit is None  # an order alone is no visit
    cyd = live.at("cyd", as_of=NOON).context
    assert [said.kind for said in cyd.feedback] == ["chat", "review"] and cyd.sentiment == -0.9
    assert cyd.feedback[0].text == first_words("a bad wheel " * 20) and len(cyd.feedback[0].text) <= 80


def test_where_in_one_expression(shop):
    live, result = shop
    segment = live.at("ada", as_of=NOON).segment
    found = live.where(segment=segment, in_shop=True, looked_at="prams", as_of=NOON)
    assert found["customer_id"].tolist() == ["ada"]
    row = found.iloc[0]
    assert (row["hour"], row["minutes"], row["cart_adds"], row["categories"]) == (7, 29.0, 1, "Prams")
    assert (row["segment_id"], row["confidence"], row["sentiment"]) == (
        live.at("ada", as_of=NOON).segment_id,
        live.at("ada", as_of=NOON).confidence,
        -0.9,
    )
    assert live.where(looked_at="P1", as_of=NOON)["customer_id"].tolist() == ["ada", "cyd"]
    assert live.where(in_shop=False, as_of=NOON)["customer_id"].tolist() == ["bob", "dan"]
    assert live.where(in_shop=True)["customer_id"].tolist() == ["ada", "cyd"]
    everyone = live.where(as_of=NOON)
    assert everyone["segment"].tolist() == [
        live.at(name, as_of=NOON).segment for name in ("ada", "bob", "cyd", "dan")
    ]
    other = next(s for s in result.segments if result.name_of(s) != segment)
    assert "ada" not in live.where(segment=other, as_of=NOON)["customer_id"].tolist()
    assert live.where(looked_at="nothing").empty
    assert live.where(in_shop=False, looked_at="prams", as_of=NOON).empty
    assert live.where(looked_at="nothing").dtypes.tolist() == everyone.dtypes.tolist()
    with pytest.raises(ValueError, match="At rsk"):
        live.where(segment="At rsk")
    with pytest.raises(TypeError, match="in_shop"):
        live.where(in_shop="yes")
    with pytest.raises(TypeError, match="looked_at"):
        live.where(looked_at=7)


def test_feedback_is_evidence(shop):
    live, result = shop
    events = read([*OLD, *NEW])
    said = sg.customer_features(events, FEATURES, as_of=NOON)
    for name in ("ada", "cyd"):
        there = live.at(name, as_of=NOON)
        assert there.features["feedback_sentiment_last"].item() == -0.9
        assert there.features.loc[name].to_dict() == said.loc[name, list(there.features)].to_dict()
        assert there.segment_id == result.assign(said.loc[[name]]).item()
    scored = live.events().table.to_pandas().set_index("event_id")["sentiment"]
    batch = events.table.to_pandas().set_index("event_id")["sentiment"]
    pd.testing.assert_series_equal(scored.sort_index(), batch.sort_index())
    assert scored["e11"] == 0.8 and live.events().scorer == read(OLD).scorer


def test_trail_says_what_caused_each_placement(shop, tmp_path):
    _, result = shop
    events = read(OLD)
    with sg.live_segments(result, events, FEATURES, folder=tmp_path) as live:
        chat = log(
            [("cyd", 5, "chat", {"text": "bad"}), ("cyd", 2, "review", {"text": "good", "rating": 4.0})], "n"
        )
        live.apply(chat.iloc[:1])
        live.apply(chat.iloc[1:])
        other = next(s for s in result.segments if s != live.at("cyd").segment_id)
        live.correct("cyd", other, "is staff", who="eva")
        swept = live.sweep(as_of="2025-12-01")
        trail = live.trail("cyd")
        assert len(swept) and all(
            live.trail(name)["cause"].iloc[-1] == "time" for name in swept["customer_id"]
        )
        context = live.at("cyd").context
        assert context.feedback[0] == Feedback(
            "correction", NOON + pd.Timedelta("5min") + INSTANT, "correction 1", text="is staff"
        )
        assert live.where(as_of="2025-12-01").set_index("customer_id").loc["cyd", "text"] == "is staff"
    assert trail["cause"].tolist()[:2] == ["begin", "event"]
    assert trail["cause"].value_counts()["correction"] == 1
    by_cause = trail.set_index("cause")
    assert by_cause.loc["correction", ["kind", "text", "who"]].tolist() == ["correction", "is staff", "eva"]
    event = trail.iloc[1]
    assert (event["event_id"], event["kind"], event["sentiment"], event["text"]) == (
        "n0",
        "chat",
        -0.9,
        "bad",
    )
    assert event["as_of"] == event["timestamp"] + INSTANT
    assert trail["was"].tolist()[1:] == trail["segment"].tolist()[:-1]


def test_folder_has_one_scorer(shop, tmp_path):
    _, result = shop
    sg.live_segments(result, read(OLD), FEATURES, folder=tmp_path).close()
    rows = read(OLD).table.to_pandas()
    unscored = sg.read_events(rows, timezone="Europe/Berlin", event_id="event_id")
    with pytest.raises(ValueError, match=r"begun for another sentiment: .*mood, and now None"):
        sg.live_segments(result, unscored, FEATURES, folder=tmp_path)
    assert (read(OLD) + read(NEW)).scorer is not None
    assert (read(OLD) + unscored).scorer is None


def test_texts_are_scored_as_by_read_events():
    texts = [
        "I love it",
        "I hate it",
        " ",
        "\u00a0",
        "\n\t",
        "",
        None,
        "<b>Great</b> 😀",
        "!!",
        "I love it",
        "nie",
    ]
    frame = log([("ada", i, "chat", {"text": text}) for i, text in enumerate(texts)])
    frame.loc[9, "sentiment"] = -0.25  # its own is kept
    read = sg.read_events(frame, sentiment="vader", language="en", event_id="event_id")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        came, _ = Arrivals(read.columns, "UTC", read.scorer).read(connection, frame)
    came = came.to_pandas().set_index("event_id")["sentiment"]
    said = read.table.to_pandas().set_index("event_id")["sentiment"]
    pd.testing.assert_series_equal(came.sort_index(), said.sort_index())
    assert said["e0"] > 0.5 and said["e9"] == -0.25 and said.isna().sum() >= 5


def test_texts_that_nothing_scores_are_warned_of_once():
    chats = log([("ada", 0, "chat", {"text": "bad"}), ("ada", 1, "search", {"text": "pram"})])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        arrivals = Arrivals(COLUMNS, "UTC")
        with pytest.warns(
            UserWarning, match=r"^1 text of chats, surveys or reviews came without a sentiment"
        ):
            arrivals.read(connection, chats)
        arrivals.read(connection, chats)


KINDS = ["page_view", "search", "cart_add", "visit", "purchase", "chat", "survey", "email_sent"]
HAPPENED = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob"]),
        st.integers(-60, 5),
        st.sampled_from(KINDS),
        st.fixed_dictionaries(
            {
                "category": st.sampled_from(["Prams", "Toys", None]),
                "device": st.sampled_from(["phone", "desktop", None]),
                "zone": st.sampled_from(["Asia/Tokyo", "Europe/London", None]),
                "rating": st.sampled_from([1.0, 9.0, None]),
                "sentiment": st.sampled_from([-0.5, 0.5, None]),
            }
        ),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    kept = Store(tmp_path_factory.mktemp("store"))
    kept.create({"columns": COLUMNS})
    yield kept
    kept.close()


@settings(max_examples=4 * settings().max_examples)
@given(rows=HAPPENED, minute=st.integers(-40, 10))
def test_contexts_equal_plain_counts(store, rows, minute):
    frame, moment = log(rows), NOON + pd.Timedelta(minute, "min")
    frame["timestamp"] = frame["timestamp"].astype("datetime64[us, UTC]").dt.tz_localize(None)
    store.run("DELETE FROM log")
    store.connection.register("frame", frame.sample(frac=1, random_state=minute + 50).astype(object))
    store.run("INSERT INTO log BY NAME SELECT * FROM frame")
    found = contexts(store, ["ada", "bob"], moment, "UTC")
    past = frame[frame["timestamp"] < moment]
    recent = past[past["timestamp"] >= moment - pd.Timedelta("30min")]
    site = recent[recent["kind"].isin(["page_view", "search", "cart_add", "visit"])]
    assert visitors(store, moment) == set(site["customer_id"])
    assert visitors(store, moment, "prams") == set(site.loc[site["category"] == "Prams", "customer_id"])
    for name, context in found.items():
        own, hits = past[past["customer_id"] == name], site[site["customer_id"] == name]
        unanswered = (own["kind"] == "survey") & own[["rating", "sentiment"]].isna().all(axis=1)
        acted = own[(own["kind"] != "email_sent") & ~unanswered]
        for column in ("device", "zone"):
            known = acted.dropna(subset=column).sort_values(["timestamp", column])[column]
            assert getattr(context, column) == (known.iloc[-1] if len(known) else {"zone": "UTC"}.get(column))
        assert context.hour == moment.tz_localize("UTC").tz_convert(context.zone).hour
        assert (context.visit is None) == hits.empty
        if context.visit is not None:
            counts = hits["kind"].value_counts()
            assert (context.visit.page_views, context.visit.searches, context.visit.cart_adds) == tuple(
                counts.get(kind, 0) for kind in ("page_view", "search", "cart_add")
            )
            bought = recent[(recent["kind"] == "purchase") & (recent["customer_id"] == name)]
            assert context.visit.ordered == (len(bought) > 0)
            assert context.visit.minutes == (moment - hits["timestamp"].min()).total_seconds() / 60
            assert set(context.visit.categories) == set(hits["category"].dropna())
        for kind in ("chat", "survey"):
            last = acted[acted["kind"] == kind].sort_values(["timestamp", "event_id"]).tail(1)
            assert [f.event_id for f in context.feedback if f.kind == kind] == last["event_id"].tolist()
        moments = [each.as_of for each in context.feedback]
        assert moments == sorted(moments, reverse=True)
