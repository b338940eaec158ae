"""Score the sentiment of texts while events are read, each distinct text once."""

from __future__ import annotations

import functools
import html
import importlib.metadata
import math
import numbers
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from segkit.core.engine.connection import engine, materialise, table_of
from segkit.core.messages import did_you_mean
from segkit.core.schema import STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

BATCH = 1_000  # texts in a call of the scorer
CHUNK = 100_000  # texts fetched from the engine at once, which limits the memory
POST = 280  # characters; VADER was made for posts, so longer texts are scored sentence by sentence
SENTENCE = 100  # words in a call of VADER, whose time grows with their square
BLANKS = " \t\n\r\v\f"  # what Ibis strips
ROUNDING = 1e-6  # excess over ±1 from numbers of 32 bits

_TAG = re.compile(r"<[A-Za-z/!][^<>]{0,2000}>")  # a letter first: "<3" is a heart
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_NAMED = re.compile(r"(?<!\w)@\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_LETTER = re.compile(r"[A-Za-z]")

ScoreFunction = Callable[[list[str]], Sequence[Any]]


@dataclass(frozen=True)
class Scorer:
    """A function that scores a batch of texts, with its name.

    Attributes
    ----------
    score : callable
        Takes a list of texts and returns as many numbers from −1 to 1, or None for a text without a sentiment.
    name : str
        Name and version.
    language : str or None
        Language of the texts, if given.
    """

    score: ScoreFunction
    name: str
    language: str | None = None

    @property
    def plain_name(self) -> str:
        """The name without the version, and the language."""
        return " ".join([self.name.split(" ")[0], *([self.language] if self.language else [])])

    def in_words(self, own: int) -> str:
        """Describe the scorer, for the sources of the events; `own` events had a sentiment already."""
        language = f" as language {self.language!r}" if self.language else ""
        except_own = f", except {own:,} that came with a sentiment" if own else ""
        return f"texts scored by {self.name}{language}{except_own}"


def choose_scorer(
    sentiment: str | ScoreFunction | None,
    language: str | None,
    table: ir.Table,
    source: str,
    columns: dict[str, str],
) -> tuple[dict[str, str], Scorer | None]:
    """Return the column of the sentiment, or the scorer of the texts.

    Parameters
    ----------
    sentiment, language
        Arguments of ``read_events``.
    table : ibis Table
        The source.
    source : str
        Its name in messages.
    columns : dict of str to str
        The source's columns by standard name.

    Returns
    -------
    columns : dict of str to str
        With the column of the sentiment, if `sentiment` names one.
    scorer : Scorer or None

    Raises
    ------
    ValueError
        If the column or scorer does not exist, VADER gets another language than English, or the texts are in
        another engine.
    ModuleNotFoundError
        If VADER is not installed.
    """
    if language is not None and (not isinstance(language, str) or not language.strip()):
        raise ValueError(f"language={language!r} is not a language. Use a language code: language='en'.")
    if sentiment is None and language is None:
        return columns, None
    if sentiment is None:
        raise ValueError(
            f"language={language!r} has no use without a scorer. Add sentiment='vader', or leave language out."
        )
    if isinstance(sentiment, str) and sentiment in table.columns and language is None:
        return columns | {"sentiment": sentiment}, None
    if isinstance(sentiment, str) and sentiment != "vader":
        raise ValueError(
            f"sentiment={sentiment!r} is neither a column of {source} nor a scorer."
            f"{did_you_mean(sentiment, [*table.columns, 'vader'])} "
            "Name the column of the sentiment, use sentiment='vader' with language='en', or pass a function that takes "
            "a list of texts and returns as many numbers from -1 to 1."
        )
    if not isinstance(sentiment, str) and not callable(sentiment):
        raise TypeError(
            f"sentiment={sentiment!r} is not a column, 'vader', or a function that takes a list of texts and returns "
            "numbers. Pass one of these."
        )
    _check_engine(table, source)
    if isinstance(sentiment, str):
        return columns, vader_scorer(language)
    return columns, Scorer(sentiment, _name_of(sentiment), language)


def vader_scorer(language: str | None) -> Scorer:
    """Return VADER, for English texts.

    Raises
    ------
    ValueError
        If the language is missing or another one.
    ModuleNotFoundError
        If VADER is not installed.
    """
    if language is None:
        raise ValueError(
            "sentiment='vader' needs the language of the texts, since VADER reads English only. Add language='en' if "
            "they are English. For other languages pass a function that takes a list of texts and returns numbers from "
            "-1 to 1."
        )
    if re.split("[-_]", language.strip().lower())[0] != "en":
        raise ValueError(
            f"sentiment='vader' got language={language!r}, and VADER reads English only (language='en'). For other "
            "languages pass a function as sentiment=: it takes a list of texts and returns as many numbers from -1 "
            "(bad) to 1 (good)."
        )
    vader = _vader()
    name = f"vaderSentiment {importlib.metadata.version('vaderSentiment')}"
    return Scorer(lambda texts: [vader(text) for text in texts], name, language)


def _name_of(scorer: ScoreFunction) -> str:
    """Return the name of a function, with the version of its package."""
    own = getattr(scorer, "__qualname__", None) or type(scorer).__qualname__
    module = getattr(scorer, "__module__", None) or ""
    version = getattr(sys.modules.get(module.partition(".")[0]), "__version__", None)
    name = own if module in ("", "__main__", "builtins") else f"{module}.{own}"
    return f"{name} {version}" if version else name


def add_sentiment(table: ir.Table, scorer: Scorer, source: str) -> tuple[ir.Table, int]:
    """Return events with the sentiment of their texts; a sentiment of the source is kept.

    Parameters
    ----------
    table : ibis Table
        Events with a column `text`.
    scorer : Scorer
    source : str
        Name of the events in messages.

    Returns
    -------
    table : ibis Table
        A copy in the engine. `sentiment` is missing where the text is missing, blank, or without a sentiment.
    own : int
        Number of events with a sentiment of the source.
    """
    known = table.sentiment if "sentiment" in table.columns else ibis.null("float64")
    own = int(known.count().to_pyarrow().as_py()) if "sentiment" in table.columns else 0
    distinct = table.filter(known.isnull(), table.text.strip() != "").select("text").distinct()
    # Sorted, so that the batches of the scorer do not depend on the order of rows.
    texts = materialise(distinct.select("text", number=ibis.row_number().over(order_by=distinct.text)))
    scores = table_of(_score_all(texts, scorer, source))
    by_text = texts.inner_join(scores, "number").select("text", "score")
    joined = table.left_join(by_text, "text")
    values = {name: table[name] for name in table.columns} | {"sentiment": known.fill_null(joined.score)}
    return materialise(joined.select(**{name: values[name] for name in STANDARD if name in values})), own


def scored(events: pa.Table, scorer: Scorer) -> pa.Table:
    """Return a few events with the sentiment of their texts, as :func:`add_sentiment` does for many."""
    import pyarrow as pa

    if not {"text", "sentiment"} <= set(events.column_names):
        return events
    known = events["sentiment"].to_pylist()
    texts = [
        text if text and text.strip(BLANKS) and own is None else None
        for text, own in zip(events["text"].to_pylist(), known, strict=True)
    ]
    distinct = sorted({text for text in texts if text is not None})
    scores: dict[str | None, float] = {}
    for start in range(0, len(distinct), BATCH):
        batch = distinct[start : start + BATCH]
        scores |= zip(batch, checked_scores(scorer.score(list(batch)), batch, scorer.name), strict=True)
    values = [scores.get(text) if own is None else own for text, own in zip(texts, known, strict=True)]
    column = pa.array(values, from_pandas=True, type=pa.float64())
    return events.set_column(events.column_names.index("sentiment"), "sentiment", column)


def _check_engine(table: ir.Table, source: str) -> None:
    """Raise if the texts are in another engine than segkit's."""
    backends = table._find_backends()[0]
    if backends and backends != [engine()]:
        raise ValueError(
            f"{source} is in {backends[0].name}, where texts cannot be scored with Python. Score them there and name "
            'the column, read_events(…, sentiment="your_column"), or read a part of the table here: '
            "read_events(table.limit(100_000).to_pyarrow(), …)."
        )


def _score_all(texts: ir.Table, scorer: Scorer, source: str) -> Any:
    """Return the number and score of each text of a numbered table."""
    import pyarrow as pa

    total = int(texts.count().to_pyarrow().as_py())
    parts = []
    # The bar appears after a second.
    with tqdm(total=total, desc=f"Sentiment of {source}", unit="text", delay=1, leave=False) as bar:
        for start in range(0, total, CHUNK):
            window = texts.filter(texts.number >= start, texts.number < start + CHUNK).order_by("number")
            chunk = window.text.to_pyarrow().to_pylist()
            for first in range(0, len(chunk), BATCH):
                batch = chunk[first : first + BATCH]
                scores = scorer.score(list(batch))
                parts.append(checked_scores(scores, batch, scorer.name))
                bar.update(len(batch))
    values = np.concatenate([*parts, np.empty(0)])
    return pa.table(
        {"number": np.arange(total), "score": pa.array(values, from_pandas=True, type=pa.float64())}
    )


def checked_scores(scores: Any, texts: list[str], name: str) -> np.ndarray:
    """Return the scores of texts as numbers, missing where there is none.

    Raises
    ------
    TypeError
        If they are not a sequence of numbers.
    ValueError
        If their number is not that of the texts, or one is outside −1 to 1.
    """
    expected = f"for {len(texts):,} texts, instead of as many numbers from -1 to 1 (None for no sentiment)"
    if isinstance(scores, (str, bytes, dict, pd.DataFrame)) or not hasattr(scores, "__len__"):
        raise TypeError(
            f"{name} returned a {type(scores).__qualname__} {expected}. Return a list or an array."
        )
    if len(scores) != len(texts):
        raise ValueError(
            f"{name} returned {len(scores):,} scores {expected}. Return one for each text, in the same order."
        )
    values = np.empty(len(texts))
    for i, value in enumerate(scores):
        number = _number(value)
        if number is None:
            raise TypeError(
                f"{name} returned {_short(value)} for {texts[i][:60]!r}; {expected}. Convert it to one number."
            )
        if abs(number) > 1 + ROUNDING:
            raise ValueError(
                f"{name} returned {value!r} for {texts[i][:60]!r}; {expected}. Divide all by the largest score."
            )
        values[i] = number
    return values.clip(-1, 1)


def _number(value: Any) -> float | None:
    """Return a value as a float, nan if it is missing, and None if it is not a number."""
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    value = value.as_py() if hasattr(value, "as_py") else value.item() if hasattr(value, "item") else value
    if value is None:
        return math.nan
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


@functools.cache
def _vader() -> Callable[[str], float | None]:
    """Return a function that scores an English text by VADER, and returns None for a text without letters."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "sentiment='vader' needs the package vaderSentiment, which is not installed: pip install 'segkit[text]'. "
            "Or pass a function that takes a list of texts and returns numbers from -1 to 1."
        ) from error
    analyzer = SentimentIntensityAnalyzer()
    emojis = {ord(sign): f" {words} " for sign, words in analyzer.emojis.items() if len(sign) == 1}

    def score(text: str) -> float | None:
        scores = []
        for sentence in _sentences(_plain(text)):
            words = sentence.translate(emojis).split()
            for start in range(0, len(words), SENTENCE):
                compound = analyzer.polarity_scores(" ".join(words[start : start + SENTENCE]))["compound"]
                # 0 is neutral in English; without Latin letters, VADER has read nothing.
                if compound or _LETTER.search(sentence):
                    scores.append(compound)
        return math.fsum(scores) / len(scores) if scores else None

    return score


def _plain(text: str) -> str:
    """Return a text without markup, links and @names, in which VADER would see feeling."""
    text = _TAG.sub(" ", html.unescape(text))
    return _NAMED.sub(" ", _LINK.sub(" ", text)).strip()


def _sentences(text: str) -> list[str]:
    """Return the sentences of a long text, for which VADER would say only ±1; a short text is returned whole."""
    return [text] if len(text) <= POST else _SENTENCE_END.split(text)
