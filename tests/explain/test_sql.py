"""The SQL of an assignment gives each customer the segment that Python gives."""

import functools
import re
import warnings

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from engines import (
    AS_OF,
    events_of,
    of_spark,
    postgres_connection,
    spark_frame,
    spark_session,
    standard,
    varied_events,
)
from shared_data import shared
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import three_groups

import segkit as sg
from segkit.analyse.features.sql import DIALECTS
from segkit.core.schema import STANDARD

pytestmark = pytest.mark.filterwarnings("ignore:Some of these .* customers have words:UserWarning")
ODD = 'a "b" c`d\\'  # a name of a feature
CHANNELS = [*"abcdefghijklmnop", "(other)", "(missing)", "it's", None]


def customers_of(n, seed):
    """Return customers with skewed and shared numbers, missing values, words in an order and many words."""
    rng = np.random.default_rng(seed)
    made = {
        "monetary": np.round(rng.lognormal(3, 1.5, n), 2),
        "visits": rng.poisson(1, n).astype(float),
        ODD: rng.normal(0, 5, n),
        "select": rng.integers(0, 2, n).astype(bool),
        "recency": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(50, n)),
        "balance": np.where(rng.random(n) < 0.1, np.nan, rng.normal(0, 1, n) ** 3),
        "plan": rng.choice(["gold", "silver", None], n),
        "channel": rng.choice(CHANNELS, n, p=[0.24, *[0.04] * 19]),
        "size": pd.Categorical(rng.choice(["S", "M", "L"], n), ["S", "M", "L"], ordered=True),
    }
    return pd.DataFrame(made, index=[f"{seed} {i:03}" for i in range(n)])


FITTED = customers_of(300, 1)


def everyone():
    """Return the customers of the fit, and new ones with unseen words, further missing values, and extremes."""
    new = customers_of(300, 2).astype({"size": object})
    new.iloc[:50, new.columns.get_loc("channel")] = "unseen"
    new.iloc[30:80, new.columns.get_loc("plan")] = "bronze"
    new.iloc[:20, new.columns.get_loc("size")] = "XXL"
    new.iloc[80:110, new.columns.get_loc("monetary")] *= 1e6
    new.iloc[110:130, new.columns.get_loc("visits")] = np.nan
    new.iloc[120:140, new.columns.get_loc("balance")] = -1e9
    new.iloc[130:150, new.columns.get_loc("monetary")] = -3.5
    return pd.concat([FITTED.astype({"size": object}), new])


def as_arrow(customers):
    """Return a table in which a missing number is NaN, as databases may hold it, and a missing word NULL."""
    columns = {
        name: pa.array(column.to_numpy(), from_pandas=column.dtype.kind not in "fb")
        for name, column in customers.items()
    }
    return pa.table({"customer_id": pa.array(list(customers.index)), **columns})


def marked(test):
    """Mark a test as one that asks Spark."""
    for mark in of_spark:
        test = mark(test)
    return test


def on_duckdb(text, **tables):
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    found = connection.sql(text).df()
    connection.close()
    return found.set_index("customer_id")


def on_postgres(text, **tables):
    with postgres_connection().cursor() as cursor:
        for name, table in tables.items():
            cursor.adbc_ingest(name, table, mode="replace")
        cursor.execute(text)
        return cursor.fetch_arrow_table().to_pandas().set_index("customer_id")


def on_spark(text, **tables):
    for name, table in tables.items():
        spark_frame(table).createOrReplaceTempView(name)
    return spark_session().sql(text).toArrow().to_pandas().set_index("customer_id")


def unlike(result, customers, found):
    """Return the customers whose segment differs, with both."""
    found = found.loc[customers.index]
    wanted = result.assign(customers)
    names = wanted.map(result.name_of)
    different = (found["segment_id"] != wanted) | (found["segment"] != names)
    return pd.DataFrame({"sql": found["segment_id"], "python": wanted})[different.to_numpy()]


ODD_TOO = 'or"der by'
NUMBERS = ["monetary", "visits", ODD]
KINDS = {}  # a segmentation of each kind that has formulas, with the customers that it can assign


def kind(name):
    def remember(make):
        KINDS[name] = functools.cache(make)
        return make

    return remember


for _method in ("kmeans", "mini_batch_kmeans", "bisecting_kmeans"):
    kind(_method)(lambda m=_method: (sg.segment(FITTED, n_segments=5, method=m), everyone()))


@kind("gaussian_mixture")
def _():
    customers = FITTED.drop(columns=["channel", "size"])
    return sg.segment(customers, n_segments=3, method="gaussian_mixture"), everyone()[list(customers)]


for _form in ("full", "tied", "diag", "spherical"):
    kind(f"{_form} covariance")(
        lambda form=_form: (
            sg.segment(FITTED[NUMBERS], model=GaussianMixture(3, covariance_type=form, random_state=0)),
            everyone()[NUMBERS].dropna(),
        )
    )


@kind("mixed mixture")
def _():
    return sg.segment(FITTED, n_segments=3, method="mixed_mixture"), everyone()


@kind("diagonal mixed mixture")
def _():
    preparer = sg.MixturePreparer().fit(FITTED)
    mixture = sg.MixedMixture(3, layout=preparer.layout_, covariance="diagonal", random_state=0)
    return sg.segment(FITTED, model=make_pipeline(preparer, mixture)), everyone()


@kind("ties")
def _():
    """0, 1 and 2 visits, with centres at 0 and 2, and then at 0 and 1.5: customers at 0.75 are as near to both."""
    visits = pd.DataFrame({"visits": [0.0, 0.0, 1.0, 2.0]}, index=list("abcd"))
    model = KMeans(2, init=np.array([[2.0], [0.0]]), n_init=1, random_state=0)
    return sg.segment(visits, model=model), pd.DataFrame(
        {"visits": np.arange(9) / 4}, index=list("abcdefghi")
    )


@kind("continued")
def _():
    """Ids of an earlier segmentation."""
    every = everyone()
    before = sg.segment(FITTED, n_segments=4)
    result = sg.segment(every.iloc[100:], n_segments=5, previous=before)
    assert any(label != segment for label, segment in result.ids.items())
    return result, every


for _by in ("monetary", "recency", "visits"):
    kind(f"bands of {_by}")(lambda by=_by: (sg.value_bands(FITTED, by=by, n_bands=6), everyone()))

for _more in ({}, {"limits": None}, {"bins": {"recency": [5, 30, 30, 90]}}):

    @kind(f"RFM {_more}")
    def _(more=_more):
        named = {"recency": " Recency", "visits": "FREQUENCY"}
        old = FITTED[["recency", "visits", "monetary"]].rename(columns=named)
        return sg.segment(old, model=sg.RFMSegmenter(**more)), everyone().rename(columns=named)[list(old)]


@kind("target tree")
def _():
    outcome = FITTED["monetary"] * FITTED["visits"]
    return sg.segment(FITTED, model=sg.target_tree(FITTED, outcome, n_segments=6)), everyone()


for _base in ("kmeans", "gaussian_mixture"):

    @kind(f"edited {_base}")
    def _(base=_base):
        """Merged, split by two methods, and continued between these."""
        customers = FITTED.drop(columns=["channel", "size"])
        result = sg.merge_segments(sg.segment(customers, n_segments=5, method=base), [0, 1])
        split = sg.split_segment(result, result.segments[-1], 3)
        again = sg.segment(customers, n_segments=7, previous=sg.pin_segments(split, split.segments[:2]))
        last = sg.split_segment(again, again.segments[-1], 2, method="gaussian_mixture")
        return sg.merge_segments(last, last.segments[:2]), everyone()[list(customers)]


@kind("edited scores")
def _():
    """RFM scores have no preparer, so their parts are measured by one of their own."""
    old = FITTED[["recency", "visits", "monetary"]].rename(columns={"visits": "frequency"})
    result = sg.segment(old, model=sg.RFMSegmenter())
    largest = int(result.labels[result.labels >= 0].value_counts().index[0])
    return sg.split_segment(result, largest), everyone().rename(columns={"visits": "frequency"})[list(old)]


def test_chosen_customers_are_not_written():
    result, _ = KINDS["kmeans"]()
    made = sg.make_segment(result, FITTED.index[:20], "Mine")
    with pytest.raises(ValueError, match=r"nearest neighbour, which SQL cannot follow.*sg\.rules\(result\)"):
        sg.to_sql(made)


def unlike_on(run, dialect, name):
    result, customers = KINDS[name]()
    text = sg.to_sql(result, dialect=dialect, table="people")
    found = run(text, people=as_arrow(customers))
    assert len(found) == len(customers)
    return unlike(result, customers, found)


@pytest.mark.parametrize("name", KINDS)
def test_each_customer_is_the_same_on_duckdb(name):
    assert len(unlike_on(on_duckdb, "duckdb", name)) == 0


@pytest.mark.parametrize("name", KINDS)
def test_each_customer_is_the_same_on_postgres(name):
    assert len(unlike_on(on_postgres, "postgres", name)) == 0


@marked
@pytest.mark.parametrize("name", ["kmeans", "mixed mixture", "bands of recency", "RFM {}", "target tree"])
def test_each_customer_is_the_same_on_spark(name):
    assert len(unlike_on(on_spark, "spark", name)) == 0


def test_ties_go_to_the_first_centre():
    result, customers = KINDS["ties"]()
    centers = result.model.cluster_centers_[:, 0].tolist()
    assert centers == [1.5, 0.0] and 0.75 in customers["visits"].to_list()
    found = on_duckdb(sg.to_sql(result), customers=as_arrow(customers))["segment_id"]
    assert found["d"] == result.assign(customers)["d"] == 0


LOG = varied_events()
FEATURES = sg.select_features("recency", "frequency", "monetary", "gap_median", "top_category", "visits")


@functools.cache
def of_events():
    customers = sg.customer_features(events_of(LOG), FEATURES, as_of="2024-08-01", window="180 days")
    return sg.segment(customers, n_segments=4)


@pytest.mark.parametrize("as_of", [None, AS_OF])
def test_each_customer_is_the_same_from_events(as_of):
    """Features of the moment of the fit, and of a later one, when there are further customers and words."""
    result, events = of_events(), events_of(LOG)
    later = sg.customer_features(events, FEATURES, as_of=as_of or "2024-08-01", window="180 days")
    assert later.isna().any().any() and len(later) > 100
    for run, dialect in ((on_duckdb, "duckdb"), (on_postgres, "postgres")):
        text = sg.to_sql(result, dialect=dialect, events=events, as_of=as_of, table="log_of_events")
        found = run(text, log_of_events=standard(LOG))
        assert len(found) == len(later) and len(unlike(result, later, found)) == 0


@marked
def test_each_customer_is_the_same_from_events_on_spark():
    result = of_events()
    text = sg.to_sql(result, dialect="spark", events=STANDARD, table="log_of_events")
    found = on_spark(text, log_of_events=standard(LOG))
    assert len(unlike(result, result.customers, found)) == 0


def test_each_customer_of_online_retail_is_the_same(monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA_HOME", str(shared("online_retail")))
    events = sg.datasets.fetch_online_retail()
    customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2011-12-10")
    log = events.table.to_pyarrow()
    with postgres_connection().cursor() as cursor:
        cursor.adbc_ingest("online_retail", log, mode="replace")
        cursor.execute("ANALYZE online_retail")
    for method in ("kmeans", "gaussian_mixture", "mixed_mixture"):
        result = sg.segment(customers, n_segments=5, method=method)
        ours = sg.to_sql(result, events=events, table="online_retail")
        theirs = sg.to_sql(result, dialect="postgres", events=events, table="online_retail")
        assert len(unlike(result, customers, on_duckdb(ours, online_retail=log))) == 0
        assert len(unlike(result, customers, on_postgres(theirs))) == 0


# --- rules -------------------------------------------------------------------------------------------

RULES = {
    "It's": f"`{ODD_TOO}` > 0.1 and monetary >= 1e2",
    "Yes": "select and not recency < 30",
    "Among": "channel in ('a', \"it's\", 'unseen') or plan not in ('gold',)",
    "Either": "visits in (0, recency) or -1 < balance <= -0.25",
    "Words": "plan != 'silver' and size is not None",
    "Nobody": "visits == -7",
    "Same": "channel == plan or 'p' == channel or plan in ()",
    "Unknown": "recency is None",
}


@pytest.mark.parametrize("run", [on_duckdb, on_postgres])
def test_rules_hold_for_the_same_customers(run):
    """Also where a value is missing: then neither a comparison nor its opposite holds."""
    every = everyone().rename(columns={ODD: ODD_TOO})
    dialect = run.__name__.removeprefix("on_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = sg.segment(every, model=sg.rules_segmenter(RULES))
    table = as_arrow(every)
    assert set(result.labels) == {-1, 0, 1, 2, 3, 4, 6, 7}
    assert (
        len(unlike(result, every, run(sg.to_sql(result, dialect=dialect, table="people"), people=table))) == 0
    )
    for rules in (RULES, sg.rules_segmenter(RULES)):
        text = sg.to_sql(rules, dialect=dialect, table="people")
        found = run(text, people=table.set_column(4, "select", table["select"].cast("int8")))
        assert (found["segment_id"].loc[every.index] == result.labels).all()


def test_a_table_of_rules_keeps_its_ids():
    rules = pd.DataFrame(
        {"segment": ["Big", "Rest"], "rule": ["monetary > 50", "True"]},
        index=pd.Index([4, 2], name="segment_id"),
    )
    found = on_duckdb(sg.to_sql(rules), customers=as_arrow(FITTED))
    big = FITTED["monetary"] > 50
    assert found["segment_id"].loc[FITTED.index].to_list() == np.where(big, 4, 2).tolist()
    assert set(found["segment"]) == {"Big", "Rest"}


def test_rules_of_yes_and_no_hold_for_booleans():
    customers = three_groups().assign(vip=[True] * 20 + [False] * 40)[["vip", "spend"]]
    result = sg.segment(customers, n_segments=3)
    rules = sg.rules(result)
    assert any("vip" in rule for rule in rules["rule"])
    found = on_duckdb(sg.to_sql(rules), customers=as_arrow(customers))
    assert (found["segment_id"].loc[customers.index] == result.labels).all()


def test_rules_from_events():
    said = {"as_of": "2024-07-01", "window": "90 days", "table": "shop.events"}
    text = sg.to_sql({"New": "tenure < 30"}, events=["amount"], **said)
    head = [line for line in text.splitlines() if line.startswith("--")]
    assert head[1:3] == [
        "-- Features as of 2024-07-01 00:00:00 UTC, over the 90 days 00:00:00 before it: tenure.",
        "-- The table shop.events should have these columns, and one row for each event:",
    ]


# --- names and the header ----------------------------------------------------------------------------

BY = f"written by segkit {sg.__version__}"
NAMES = [
    "it's",
    'a "b" `c`',
    "back\\slash\\",
    "\\' OR 1=1 --",
    "<b>&amp;</b>",
    "жук 日本 😀",
    "100 % $1 {x} :y ?",
    " ".join(["long"] * 2000),
]


@functools.cache
def of_names():
    customers = pd.DataFrame(
        {'or"der by': [i // 10 * 10.0 for i in range(80)], "`": 1.0 * (np.arange(80) % 2)}
    )
    model = make_pipeline(sg.make_preparer(weights={"`": 0}), KMeans(8, n_init=1, random_state=0))
    customers.index = [f"c{i:02}" for i in range(80)]
    return sg.segment(customers, model=model).with_names(NAMES)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_names_are_literals_and_identifiers_in_each_dialect(dialect):
    result = of_names()
    if DIALECTS[dialect].barred:
        with pytest.raises(ValueError, match="does not allow in names of columns"):
            sg.to_sql(result, dialect=dialect)
        result = sg.segment(
            result.customers.iloc[:, :1].set_axis(["select"], axis=1), n_segments=8
        ).with_names(NAMES)
    text = sg.to_sql(result, dialect=dialect, table='"my shop"."select ""x"""')
    [query] = sqlglot.parse(text, dialect=DIALECTS[dialect].ibis)
    assert query.named_selects == ["customer_id", "segment_id", "segment"]
    assert set(NAMES) <= {literal.this for literal in query.find_all(sqlglot.exp.Literal)}
    assert set(result.customers) <= {column.name for column in query.find_all(sqlglot.exp.Column)}
    tables = [(table.db, table.name) for table in query.find_all(sqlglot.exp.Table)]
    assert ("my shop", 'select "x"') in tables


@pytest.mark.parametrize("run", [on_duckdb, on_postgres])
def test_names_come_back_as_they_are(run):
    result = of_names()
    text = sg.to_sql(result, dialect=run.__name__.removeprefix("on_"))
    found = run(text, customers=as_arrow(result.customers))
    assert len(unlike(result, result.customers, found)) == 0
    assert set(found["segment"]) == set(result.names.values())


def test_the_header_says_what_it_is():
    result = of_events()
    text = sg.to_sql(result, dialect="snowflake", events=STANDARD)
    head = [line for line in text.splitlines() if line.startswith("--")]
    assert head[0] == f"-- Segments by the segmentation {result.hash}, {BY} for snowflake."
    assert head[1].startswith("-- Features as of 2024-08-01 00:00:00 UTC, over the 180 days")
    assert head[1].endswith("before it: recency, frequency, monetary, gap_median, top_category, visits.")
    lines = FITTED[["monetary"]].rename(columns={"monetary": "a\n; DROP TABLE x"})
    text = sg.to_sql(sg.segment(lines, n_segments=2))
    assert text.index("\nWITH") > text.index("--   a ; DROP TABLE x DOUBLE")


WAREHOUSE = {
    "snowflake": "ABS CAST COALESCE IFF LEAST LN SIGN",
    "bigquery": "ABS CAST COALESCE IEEE_DIVIDE IF IS_INF IS_NAN LEAST LN SIGN",
}


@pytest.mark.parametrize("dialect", WAREHOUSE)
@pytest.mark.parametrize("method", ["kmeans", "mixed_mixture", "gaussian_mixture"])
def test_warehouses_have_the_functions(dialect, method):
    customers = FITTED[["monetary", "recency", "plan", "channel", "select"]]
    text = sg.to_sql(sg.segment(customers, n_segments=2, method=method), dialect=dialect)
    assert sqlglot.parse(text, dialect=dialect)
    bare = re.sub(r"--[^\n]*|'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"]|\"\")*\"|`(?:[^`\\\\]|\\\\.)*`", "''", text)
    called = {word.upper() for word in re.findall(r"([A-Za-z_]+)\s?\(", bare)}
    words = ["AND", "AS", "ELSE", "IN", "NOT", "OR", "THEN", "WHEN"]
    assert called - {*WAREHOUSE[dialect].split(), *words} == set()


# --- what cannot be written --------------------------------------------------------------------------


def test_customers_that_python_refuses_have_no_segment():
    """Infinite values, and missing ones where nothing fills them in."""
    result = sg.segment(FITTED[["monetary"]], model=KMeans(2, n_init=1, random_state=0))
    odd = pd.DataFrame({"monetary": [np.inf, np.nan, -np.inf, 5.0]}, index=list("abcd"))
    assert on_duckdb(sg.to_sql(result), customers=as_arrow(odd))["segment_id"].isna().to_list() == [
        1,
        1,
        1,
        0,
    ]
    filled = sg.segment(FITTED[["monetary"]], n_segments=2)
    assert on_duckdb(sg.to_sql(filled), customers=as_arrow(odd))["segment_id"].isna().to_list() == [
        1,
        0,
        1,
        0,
    ]


def test_a_pattern_that_was_never_fitted_has_no_segment():
    result, _ = KINDS["mixed mixture"]()
    new = FITTED.assign(monetary=np.nan)
    text = sg.to_sql(result)
    found = on_duckdb(text, customers=as_arrow(new))
    assert found["segment_id"].isna().all() and found["segment"].isna().all()
    assert "-- The segment is NULL where numbers are missing that no customer of the fit lacked so." in text


def test_a_statement_that_is_too_long_is_told():
    rules = {"x" * 1_000_000: "monetary > 1"}
    assert len(sg.to_sql(rules, dialect="postgres")) > 1_000_000
    with pytest.warns(UserWarning, match=r"The statement has 1,000,\d+ bytes, and snowflake takes 1,000,000"):
        sg.to_sql(rules, dialect="snowflake")


def test_other_sources_are_told():
    events, result = sg.read_events(LOG), of_events()
    with pytest.warns(
        UserWarning, match="These events come from .*, and those of the segmentation from table"
    ):
        sg.to_sql(result, events=events)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"dialect": "postgers"}, ValueError, "Did you mean 'postgres'"),
        ({"dialect": None}, ValueError, "is not a dialect"),
        ({"table": "customers; DROP TABLE x"}, ValueError, "is not the name of a table"),
        ({"table": 5}, ValueError, "is not the name of a table"),
        ({"as_of": "2024-01-01"}, ValueError, "as_of= is for a statement from events"),
        ({"features": sg.RFM}, ValueError, "features= is for a statement from events"),
        ({"events": ["amount"]}, ValueError, "The moment as of which features are computed is not known"),
        (
            {"events": ["amount"], "as_of": "2024-01-01"},
            ValueError,
            "'select'.*no built-in features",
        ),
        ({"result_or_rules": 5}, TypeError, "^result_or_rules is .*sg.rules"),
        ({"result_or_rules": {"A": "monetary >"}}, ValueError, "cannot be read"),
        (
            {"result_or_rules": {"A": "monetary > 'x' or monetary < 5"}},
            ValueError,
            "with numbers and with words",
        ),
        ({"result_or_rules": FITTED}, ValueError, "has no column 'segment'"),
        (
            {"result_or_rules": {"A": "recncy > 5"}, "events": ["amount"], "as_of": "2024-01-01"},
            ValueError,
            "'recncy': no built-in features.*Did you mean 'recency'",
        ),
        (
            {"result_or_rules": {"A": "recency == 'x'"}, "events": ["amount"], "as_of": "2024-01-01"},
            ValueError,
            "'recency' is computed as numbers",
        ),
        ({"result_or_rules": {"A": "Spend > 5 and spend < 9"}}, ValueError, "databases ignore case"),
        (
            {"result_or_rules": {"A": f"{'x' * 64} > 1"}, "dialect": "postgres"},
            ValueError,
            "cuts names after",
        ),
    ],
)
def test_wrong_arguments_are_explained(said, error, message):
    given = {"result_or_rules": KINDS["kmeans"]()[0]} | said
    with pytest.raises(error, match=message):
        sg.to_sql(given.pop("result_or_rules"), **given)


@pytest.mark.parametrize(
    "model",
    [
        "ward",
        "spectral",
        make_pipeline(StandardScaler(), KMeans(2, n_init=1, random_state=0)),
    ],
)
def test_a_model_without_formulas_points_to_rules(model):
    numbers = FITTED[NUMBERS]
    how = {"method": model, "n_segments": 2} if isinstance(model, str) else {"model": model}
    with pytest.raises(ValueError, match=r"has no formula.*to_sql\(sg.rules\(result\)"):
        sg.to_sql(sg.segment(numbers, **how))


def test_settings_of_features_are_asked_for():
    features = sg.with_settings(sg.select_features("evening_share", "frequency"), timezone="Asia/Tokyo")
    customers = sg.customer_features(events_of(LOG), features, as_of=AS_OF)
    result = sg.segment(customers, n_segments=2)
    with pytest.raises(ValueError, match="'evening_share' was made with other settings"):
        sg.to_sql(result, events=STANDARD)
    assert "Asia/Tokyo" in sg.to_sql(result, events=STANDARD, features=features)
