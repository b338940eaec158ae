"""Sentiment: each text is scored once, in its language, checked, and noted among the sources."""

import sys

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from shared_data import shared
from sklearn.metrics import f1_score, roc_auc_score

import segkit as sg
from segkit.collect import sentiment

ENGLISH = {"sentiment": "vader", "language": "en"}


def reviews(*texts, **more):
    """A table of reviews by customers 0, 1, 2 …"""
    return pd.DataFrame({"customer_id": range(len(texts)), "timestamp": "2024-01-01", "text": texts}).assign(
        **more
    )


def read(*texts, **arguments):
    source = texts[0] if len(texts) == 1 and not isinstance(texts[0], str | None) else reviews(*texts)
    return sg.read_events(source, kind="review", **arguments)


def scores(events):
    """The sentiment of each customer's text, nan where there is none."""
    table = events.table.to_pandas()
    return table.set_index(table["customer_id"].astype(int))["sentiment"].sort_index().to_list()


def lengths(texts):
    return [len(text) / 100 for text in texts]


# --- VADER: one read of all texts --------------------------------------------------------------------

POSTS = ["VADER is VERY SMART, handsome, and FUNNY!!!", "Not bad at all", "Today sux :(", "😍 nice", "meh"]
SILENT = ["", "   ", "\u00a0\n", "很好，我喜欢", "https://example.com/?good", "<br>", "@united"]
MESSY = {
    "<p>A <b>great</b><br/>shop</p>": "A great shop",
    "great &amp; cheap &lt;3": "great & cheap <3",
    "I <3 it, and 2 > 1": "I <3 it, and 2 > 1",
    "good http://t.co/why???!!!": "good",
    "@united @great_shop late again": "late again",
    "write to me@good.com": "write to me@good.com",
    "😍great": "😍 great",
}
LONG = "I love this shop. " * 10 + "I hate this shop. " * 10
ENDLESS = ["good but bad " * 8_000, "😍" * 8_000, "<a" * 50_000, "great" * 20_000]
TEXTS = [
    *("I love it, great!", "It is a table.", "Awful. I hate it.", "I love this shop.", "I hate this shop."),
    *(*POSTS, *SILENT, *MESSY, *MESSY.values(), LONG, *ENDLESS, None),
]


@pytest.fixture(scope="module")
def vader():
    """The score of each text."""
    return dict(zip(TEXTS, scores(read(*TEXTS, **ENGLISH)), strict=True))


def test_praise_and_blame(vader):
    good, plain, bad = (vader[text] for text in TEXTS[:3])
    assert bad < -0.5 < plain == 0 < 0.5 < good


def test_posts_have_the_score_of_vader(vader):
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    for post in POSTS:
        assert vader[post] == SentimentIntensityAnalyzer().polarity_scores(post)["compound"]


@pytest.mark.parametrize("text", [None, *SILENT])
def test_silent_texts_have_no_sentiment(vader, text):
    assert np.isnan(vader[text])


@pytest.mark.parametrize("messy", MESSY)
def test_markup_and_links_are_ignored(vader, messy):
    assert vader[messy] == vader[MESSY[messy]]


def test_long_text_is_the_mean_of_sentences(vader):
    assert len(LONG) > sentiment.POST
    assert vader[LONG] == pytest.approx((vader["I love this shop."] + vader["I hate this shop."]) / 2)


def test_endless_texts_take_little_time(vader):
    """VADER's own time grows with the square of the words: these would take minutes."""
    assert all(-1 <= vader[text] <= 1 for text in ENDLESS)


# --- the language ------------------------------------------------------------------------------------


def test_vader_needs_a_language():
    with pytest.raises(ValueError, match=r"VADER reads English only. Add language='en'"):
        read("good", sentiment="vader")


@pytest.mark.parametrize("language", ["de", "german", "zh-Hans", "english"])
def test_vader_refuses_other_languages(language):
    with pytest.raises(ValueError, match=f"language='{language}'.*other languages pass a function"):
        read("gut", sentiment="vader", language=language)


@pytest.mark.parametrize("language", ["en", "EN", "en-GB", "en_US"])
def test_codes_of_english(language):
    assert scores(read("good", sentiment="vader", language=language))[0] > 0


@pytest.mark.parametrize("language", ["", 7])
def test_wrong_languages(language):
    with pytest.raises(ValueError, match="is not a language"):
        read("good", sentiment="vader", language=language)


def test_language_without_a_scorer():
    with pytest.raises(ValueError, match="has no use without a scorer"):
        read("good", language="en")


# --- own scorers -------------------------------------------------------------------------------------


def test_each_text_is_scored_once(monkeypatch):
    monkeypatch.setattr(sentiment, "BATCH", 2)
    monkeypatch.setattr(sentiment, "CHUNK", 3)
    seen = []

    def score(texts):
        seen.append(texts)
        return lengths(texts)

    events = read("bbb", "a", "", "bbb", None, "dddd", "cc", "a", "eeeee", sentiment=score)
    assert seen == [["a", "bbb"], ["cc"], ["dddd", "eeeee"]]
    assert np.nan_to_num(scores(events), nan=-9).tolist() == [
        0.03,
        0.01,
        -9,
        0.03,
        -9,
        0.04,
        0.02,
        0.01,
        0.05,
    ]


def test_batches_ignore_the_row_order():
    table = reviews(*(f"text {i % 40}" for i in range(100)))
    seen = [[], []]
    for batches, rows in zip(seen, (table, table.sample(frac=1, random_state=0)), strict=True):
        read(rows, sentiment=lambda texts, batches=batches: batches.append(texts) or lengths(texts))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda x: np.array(x, dtype="float32"),
        pa.array,
        lambda x: pd.array(x, dtype="Float64"),
    ],
)
def test_scores_in_any_sequence(kind):
    assert scores(read("a", "bb", sentiment=lambda texts: kind(lengths(texts)))) == pytest.approx(
        [0.01, 0.02]
    )


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_scorer_returns_nothing(nothing):
    assert np.isnan(scores(read("a", "b", sentiment=lambda texts: [nothing, 1]))[0])


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        ([0.5], ValueError, "returned 1 scores for 2 texts.*Return one for each"),
        ([0.5, 2], ValueError, "returned 2 for 'b'.*from -1 to 1"),
        ([0.5, -np.inf], ValueError, "returned -inf for 'b'"),
        ([0.5, "good"], TypeError, "returned 'good' for 'b'.*one number"),
        ([0.5, True], TypeError, "returned True"),
        ([{"compound": 0.1}] * 2, TypeError, "compound.*one number"),
        ("ab", TypeError, "returned a str for 2 texts.*list or an array"),
        (None, TypeError, "returned a NoneType"),
        ((x for x in (1, 1)), TypeError, "returned a generator"),
        (pd.DataFrame({"x": [1], "y": [1]}), TypeError, "returned a DataFrame"),
    ],
)
def test_scores_are_checked(result, error, words):
    with pytest.raises(error, match=words):
        read("a", "b", sentiment=lambda texts: result)


def test_scorer_raises():
    def broken(texts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read("a", sentiment=broken)
    assert scores(read("a", sentiment=lengths)) == [0.01]


# --- events ------------------------------------------------------------------------------------------


def test_own_sentiment_is_kept():
    events = read(reviews("good", "good", "bad", sentiment=[-0.9, None, None]), **ENGLISH)
    first, second, third = scores(events)
    assert first == -0.9 and second > 0 > third
    assert events.sources[0].endswith("except 1 that came with a sentiment)")


def test_scorer_is_among_sources():
    events = read(reviews("good", amount=3.0), **ENGLISH)
    orders = sg.read_events(reviews("good", amount=3.0), kind="purchase", **ENGLISH)
    note = "the DataFrame (texts scored by vaderSentiment 3.3.2 as language 'en')"
    assert events.sources == (note,)
    assert sg.customer_features(orders, sg.RFM, as_of="2025-01-01").attrs["segkit"]["sources"] == [note]


def test_function_is_among_sources():
    events = read("good", sentiment=lengths, language="fr")
    assert events.sources[0].endswith("test_sentiment.lengths as language 'fr')")

    class Model:
        __module__ = "numpy.models"

        def __call__(self, texts):
            return lengths(texts)

    assert f"Model {np.__version__}" in read("good", sentiment=Model()).sources[0]


def test_sentiment_column():
    table = reviews("good").rename(columns={"text": "body"})
    assert scores(read(table.assign(mood=0.25), text="body", sentiment="mood")) == [0.25]
    assert scores(read(table.assign(vader=0.25), text="body", sentiment="vader")) == [0.25]
    assert scores(read(table.assign(vader=0.25), text="body", **ENGLISH))[0] > 0.4


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"sentiment": "vadr"},
            ValueError,
            "neither a column of the DataFrame nor a scorer. Did you mean 'vader'",
        ),
        ({"sentiment": "textt"}, ValueError, "Did you mean 'text'"),
        ({"sentiment": 3}, TypeError, "is not a column, 'vader', or a function"),
    ],
)
def test_unknown_scorers(arguments, error, words):
    with pytest.raises(error, match=words):
        read("good", **arguments)


def test_log_without_texts():
    with pytest.raises(ValueError, match=r"no column 'text'. Did you mean 'texts'.*text="):
        read(reviews("good").rename(columns={"text": "texts"}), **ENGLISH)


def test_other_columns_stay():
    table = reviews("good", "bad", None, "good", amount=[1.0, 2.0, 3.0, 4.0]).assign(
        customer_id=[1, 2, 3, None]
    )
    events = read(table, **ENGLISH)
    assert events.table.count().to_pandas() + events.refused["count"].sum() == 4
    plain = read(table).table.to_pandas().sort_values("customer_id", ignore_index=True)
    with_mood = events.table.to_pandas().sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(with_mood.drop(columns="sentiment"), plain)
    assert events.columns == ("customer_id", "timestamp", "kind", "amount", "text", "sentiment")


def test_sources_are_scored_alike(tmp_path):
    table = reviews("good", "bad", None)
    table.to_parquet(tmp_path / "a.parquet")
    table.to_csv(tmp_path / "a.csv", index=False)
    expected = scores(read(table, **ENGLISH))
    for source in (
        tmp_path / "a.parquet",
        tmp_path / "a.csv",
        ibis.memtable(table),
        pa.Table.from_pandas(table),
    ):
        np.testing.assert_array_equal(scores(read(source, **ENGLISH)), expected)


def test_texts_of_another_database():
    own = ibis.duckdb.connect()
    own.raw_sql(
        "CREATE TABLE reviews AS SELECT 0 AS customer_id, TIMESTAMP '2024-01-01' AS timestamp, 'good' AS text"
    )
    assert scores(read(own.table("reviews"), **ENGLISH))[0] > 0


@pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_spark_texts_are_not_scored():
    from engines import spark_frame

    frame = spark_frame(pa.Table.from_pandas(reviews("good", sentiment=0.5)))
    with pytest.raises(ValueError, match=r"is in pyspark, where texts cannot be scored.*to_pyarrow"):
        read(frame, **ENGLISH)
    assert read(frame, sentiment="sentiment").columns[-1] == "sentiment"


def test_missing_package(monkeypatch):
    sentiment._vader.cache_clear()
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'segkit\[text\]'"):
        read("good", **ENGLISH)
    sentiment._vader.cache_clear()


# --- labels by people --------------------------------------------------------------------------------


def test_agreement_with_labelled_tweets():
    """Worse in accuracy than always saying "negative" (0.627), far better in macro F1 (0.257) and in order."""
    tweets = pd.read_csv(shared("airline_tweets") / "Tweets.csv")
    found = np.array(scores(read(reviews(*tweets["text"]), **ENGLISH)))
    classes = np.select([found >= 0.05, found <= -0.05], ["positive", "negative"], "neutral")
    assert 0.53 < (classes == tweets["airline_sentiment"]).mean() < 0.58
    assert 0.49 < f1_score(tweets["airline_sentiment"], classes, average="macro") < 0.54
    assert roc_auc_score(tweets["airline_sentiment"] == "negative", -np.nan_to_num(found)) > 0.76


def test_low_stars_have_low_sentiment():
    path = shared("amazon_alexa_reviews") / "amazon_alexa.tsv"
    alexa = pd.read_csv(path, sep="\t", quoting=3, encoding="utf-8-sig")
    found = np.array(scores(read(reviews(*alexa["verified_reviews"]), **ENGLISH)))
    known = ~np.isnan(found)
    assert 60 < (~known).sum() < 100
    assert roc_auc_score(alexa["rating"][known] <= 2, -found[known]) > 0.85
    assert pd.Series(found).corr(alexa["rating"], method="spearman") > 0.40
