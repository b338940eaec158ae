"""Sentiment at the door: each different text is scored once, and the score is kept beside it."""

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

BATCH = 1_000  # texts that a scorer is given at once
CHUNK = 100_000  # texts that leave the engine at once, which bounds the memory
POST = 280  # characters: VADER was made for posts, and what is longer is scored sentence by sentence
SENTENCE = 100  # words: VADER's time grows with the square of them, so that no sentence may be longer
ROUNDING = 1e-6  # how far beyond ±1 a number of 32 bits may come to lie

_TAG = re.compile(r"<[A-Za-z/!][^<>]{0,2000}>")  # a letter first: "<3" is a heart
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_NAMED = re.compile(r"(?<!\w)@\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_LETTER = re.compile(r"[A-Za-z]")

Scores = Callable[[list[str]], Sequence[Any]]


@dataclass(frozen=True)
class Scorer:
    """Something that scores a batch of texts, and what to call it.

    Attributes
    ----------
    score : callable
        From a list of texts to as many numbers from −1 to 1, or nothing where a text says nothing.
    name : str
        Its name and version.
    language : str or None
        Of the texts, where it was said.
    """

    score: Scores
    name: str
    language: str | None = None

    def in_words(self, own: int) -> str:
        """Say who scored, as a note on where events came from."""
        language = f" as language {self.language!r}" if self.language else ""
        but = f", but for {own:,} that came with a sentiment" if own else ""
        return f"texts scored by {self.name}{language}{but}"


def asked_scorer(
    sentiment: str | Scores | None,
    language: str | None,
    table: ir.Table,
    source: str,
    columns: dict[str, str],
) -> tuple[dict[str, str], Scorer | None]:
    """Settle whether a column holds the sentiment, or something is to score the texts.

    Parameters
    ----------
    sentiment, language
        As said to ``read_events``.
    table : ibis Table
        The source.
    source : str
        What it is called in messages.
    columns : dict of str to str
        Standard name to the source's column, as said.

    Returns
    -------
    columns : dict of str to str
        With the column of the sentiment, where that was meant.
    scorer : Scorer or None

    Raises
    ------
    ValueError
        If there is no such column or scorer, VADER is to read another language than English, or the
        texts live elsewhere.
    ModuleNotFoundError
        If VADER is not installed.
    """
    if language is not None and (not isinstance(language, str) or not language.strip()):
        raise ValueError(
            f"language={language!r} is not a language. Say the code of the texts': language='en'."
        )
    if sentiment is None and language is None:
        return columns, None
    if sentiment is None:
        raise ValueError(
            f"language={language!r} was said, but no text is to be scored. Say sentiment='vader' too, or leave it out."
        )
    if isinstance(sentiment, str) and sentiment in table.columns and language is None:
        return columns | {"sentiment": sentiment}, None
    if isinstance(sentiment, str) and sentiment != "vader":
        raise ValueError(
            f"sentiment={sentiment!r} is neither a column of {source} nor a scorer."
            f"{did_you_mean(sentiment, [*table.columns, 'vader'])} "
            "Name the column that holds it, say sentiment='vader' and the "
            "language, or pass a function from a list of texts to as many numbers from -1 to 1."
        )
    if not isinstance(sentiment, str) and not callable(sentiment):
        raise TypeError(
            f"sentiment={sentiment!r} is neither a column, 'vader' nor a function from a list of texts to numbers."
        )
    _check_place(table, source)
    if isinstance(sentiment, str):
        return columns, _vader_scorer(language)
    return columns, Scorer(sentiment, _called(sentiment), language)


def _vader_scorer(language: str | None) -> Scorer:
    if language is None:
        raise ValueError(
            "sentiment='vader' needs the language of the texts: VADER reads English only. Say language='en' if that "
            "is what they are; for others pass a function from a list of texts to numbers from -1 to 1."
        )
    if re.split("[-_]", language.strip().lower())[0] != "en":
        raise ValueError(
            f"sentiment='vader' was asked to read language={language!r}, and VADER reads English only "
            "(language='en'). For other languages pass a function as sentiment=: it is given a list of texts, and "
            "returns as many numbers from -1 (bad) to 1 (good)."
        )
    vader = _vader()
    name = f"vaderSentiment {importlib.metadata.version('vaderSentiment')}"
    return Scorer(lambda texts: [vader(text) for text in texts], name, language)


def _called(scorer: Scores) -> str:
    """Return what a function is called, with the version of the package that it comes from."""
    told = getattr(scorer, "__qualname__", None) or type(scorer).__qualname__
    module = getattr(scorer, "__module__", None) or ""
    version = getattr(sys.modules.get(module.partition(".")[0]), "__version__", None)
    name = told if module in ("", "__main__", "builtins") else f"{module}.{told}"
    return f"{name} {version}" if version else name


def scored(table: ir.Table, scorer: Scorer, source: str) -> tuple[ir.Table, int]:
    """Return events with the sentiment of their texts; what had one keeps it.

    Parameters
    ----------
    table : ibis Table
        Events with a column `text`.
    scorer : Scorer
    source : str
        What the events are called in messages.

    Returns
    -------
    table : ibis Table
        A copy in the engine. `sentiment` is missing where a text is missing or blank, or says nothing.
    own : int
        Events whose sentiment the source gave.
    """
    known = table.sentiment if "sentiment" in table.columns else ibis.null("float64")
    own = int(known.count().to_pyarrow().as_py()) if "sentiment" in table.columns else 0
    different = table.filter(known.isnull(), table.text.strip() != "").select("text").distinct()
    # In the order of the texts, so that a scorer sees the same batches whatever the order of the rows.
    texts = materialise(different.select("text", number=ibis.row_number().over(order_by=different.text)))
    scores = table_of(_scores_of(texts, scorer, source))
    found = texts.inner_join(scores, "number").select("text", "score")
    joined = table.left_join(found, "text")
    values = {name: table[name] for name in table.columns} | {"sentiment": known.fill_null(joined.score)}
    return materialise(joined.select(**{name: values[name] for name in STANDARD if name in values})), own


def _check_place(table: ir.Table, source: str) -> None:
    """Refuse to score texts that live in an engine of their own: they are read where they are, not changed."""
    backends = table._find_backends()[0]
    if backends and backends != [engine()]:
        raise ValueError(
            f"{source} lives in {backends[0].name}, where texts are not scored: a scorer is Python. Score them there "
            'and name the column, read_events(…, sentiment="your_column"), or bring some here: '
            "read_events(table.limit(100_000).to_pyarrow(), …)."
        )


def _scores_of(texts: ir.Table, scorer: Scorer, source: str) -> Any:
    """Score each text of a numbered table, and return numbers and scores as an Arrow table."""
    import pyarrow as pa

    total = int(texts.count().to_pyarrow().as_py())
    parts = []
    # Without a bar for what takes less than a second. An interruption leaves nothing behind.
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


def checked_scores(answer: Any, texts: list[str], name: str) -> np.ndarray:
    """Return what a scorer said of some texts as numbers, missing where it said nothing.

    Raises
    ------
    TypeError
        If it is no sequence of numbers.
    ValueError
        If there are more or fewer than texts, or one lies outside −1 to 1.
    """
    expected = (
        f"for {len(texts):,} texts; expected were as many numbers from -1 to 1, or None for want of words"
    )
    if isinstance(answer, (str, bytes, dict, pd.DataFrame)) or not hasattr(answer, "__len__"):
        raise TypeError(
            f"{name} returned a {type(answer).__qualname__} {expected}. Return them as a list or an array."
        )
    if len(answer) != len(texts):
        raise ValueError(
            f"{name} returned {len(answer):,} scores {expected}. Return one for each, in their order."
        )
    values = np.empty(len(texts))
    for i, value in enumerate(answer):
        number = _number(value)
        if number is None:
            raise TypeError(
                f"{name} returned {_short(value)} for {texts[i][:60]!r}; {expected}. Turn it into one number."
            )
        if abs(number) > 1 + ROUNDING:
            raise ValueError(
                f"{name} returned {value!r} for {texts[i][:60]!r}; {expected}. Divide by its greatest."
            )
        values[i] = number
    return values.clip(-1, 1)


def _number(value: Any) -> float | None:
    """Return a number as one of Python's, nan for a missing one, and nothing for what is no number."""
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
    """Return what scores one English text by VADER; nothing where there is nothing that it can read."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "sentiment='vader' takes the package vaderSentiment, which is not installed: pip install 'segkit[text]'. "
            "Or pass a function of your own from a list of texts to numbers from -1 to 1."
        ) from error
    analyzer = SentimentIntensityAnalyzer()
    in_words = {ord(sign): f" {told} " for sign, told in analyzer.emojis.items() if len(sign) == 1}

    def score(text: str) -> float | None:
        moods = []
        for sentence in _sentences(_plain(text)):
            words = sentence.translate(in_words).split()
            for start in range(0, len(words), SENTENCE):
                mood = analyzer.polarity_scores(" ".join(words[start : start + SENTENCE]))["compound"]
                if mood or _LETTER.search(
                    sentence
                ):  # 0 is neutral in English; in Chinese, it is not read at all
                    moods.append(mood)
        return math.fsum(moods) / len(moods) if moods else None

    return score


def _plain(text: str) -> str:
    """Return a text without markup, links and names: in "?", and in @united, VADER would see feeling."""
    text = _TAG.sub(" ", html.unescape(text))
    return _NAMED.sub(" ", _LINK.sub(" ", text)).strip()


def _sentences(text: str) -> list[str]:
    """Return a post whole, and a longer text by its sentences: of many words together, VADER says only ±1."""
    return [text] if len(text) <= POST else _SENTENCE_END.split(text)
