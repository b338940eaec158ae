"""Widget to choose features by ticking them."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets as t
from markupsafe import Markup
from tqdm.auto import tqdm

from segkit.analyse.check_features import ENOUGH
from segkit.analyse.features.catalogue import FAMILIES, code_for
from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.query import unavailable
from segkit.analyse.preparation import same_as
from segkit.analyse.prepare import make_preparer
from segkit.analyse.redundancy import SAME
from segkit.collect.attributes.attributes import Attributes, check_clash
from segkit.collect.attributes.join import with_attributes
from segkit.collect.events import Events, checked_events
from segkit.core.html import render
from segkit.core.messages import counted, did_you_mean, joined
from segkit.core.schema import BASES
from segkit.create.segment import segment
from segkit.show.widgets.parts import STYLE, code_line, script
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.trust.stability import feature_influence

BINS = 23
LOOKED = 5_000  # customers by whom features are compared; of more, as many at equal steps by id
GOOD_START = (
    "recency",
    "frequency",
    "monetary",
    "average_order_value",
    "gap_cv",
    "variety",
    "discount_share",
    "return_rate",
    "orders_change",
    "email_open_rate",
    "negative_share",
)
"""Ticked at first, where the events have them: each adds something that the others do not."""
_STILL = """
<b>{{ n }} chosen</b>
<ul>{% for name, doc in rows %}<li>{{ name }}: {{ doc }}</li>{% endfor %}</ul>
{{ code }}
"""
PER_COLUMN = {"units", "meanings", "bases", "settings"}  # notes of a table by column


class FeaturePicker(WithStill, anywidget.AnyWidget):
    """Choose features by ticking them; read them back from ``features``.

    Parameters
    ----------
    events : Events
        The log. All offered features are computed once, to show their distributions.
    as_of : str or Timestamp
        The moment that features are computed for.
    window : str or timedelta, optional
        How far back the features reach.
    offered : iterable of Feature, default=FAMILIES
        Features to choose from. Those that the events cannot give are shown greyed out.
    attributes : Attributes, optional
        Attributes to choose from too. None is ticked at first.
    chosen : iterable of str, optional
        Names of the features and attributes ticked at first; by default a good start.
    n_segments : int, default=5
        Number of segments that "What if I leave one out?" compares.
    method : str, default="kmeans"
        Their method, as for :func:`segkit.segment`.

    Attributes
    ----------
    value : list of str
        Names of the ticked features, and after them of the ticked attributes.
    code : str
        The same choice as Python; `events` and `attributes` are the arguments.
    note : str
        How many customers have attributes, where some have none.
    same : str
        Which of the ticked features say the same, in a sentence; "" if none do.
    influence : DataFrame or None
        What :func:`segkit.feature_influence` says of segments of the ticked features, once it was asked for by the
        button or :meth:`leave_one_out`; None again when other features are ticked.

    Raises
    ------
    TypeError
        If `chosen` is one name and no list.
    ValueError
        If a name is not offered, or a feature and an attribute share one.
    """

    _esm = script("feature_picker")
    _css = STYLE
    options = t.List(t.Dict()).tag(sync=True)
    value = t.List(t.Unicode()).tag(sync=True)
    code = t.Unicode().tag(sync=True)
    note = t.Unicode().tag(sync=True)
    same = t.Unicode().tag(sync=True)
    n_segments = t.Int(5, min=2).tag(sync=True)
    method = t.Unicode("kmeans")
    influence = t.Instance(pd.DataFrame, allow_none=True)
    agreement = t.Dict().tag(sync=True)
    error = t.Unicode().tag(sync=True)
    asked = t.Int().tag(sync=True)
    answered = t.Int().tag(sync=True)
    """How often the page asked what if a feature is left out, and which of these questions was answered last."""

    def __init__(
        self,
        events: Events,
        *,
        as_of: str | pd.Timestamp | None = None,
        window: str | timedelta | None = None,
        offered: Iterable[Feature] = FAMILIES,
        attributes: Attributes | None = None,
        chosen: Iterable[str] | None = None,
        n_segments: int = 5,
        method: str = "kmeans",
    ):
        checked_events(events)
        if isinstance(chosen, str):
            raise TypeError(f"chosen={chosen!r} should be a list of names: chosen=[{chosen!r}].")
        offered = distinct_features(offered)
        needs = unavailable(events, offered)
        self._offered = {f.name: f for f in offered if not needs[f.name]}
        self._looked = {"as_of": as_of, "window": window}
        self._of_events = _computed(events, tuple(self._offered.values()), self._looked)
        self._all = self._of_events
        options = [_option(f, self._all.get(f.name), needs[f.name]) for f in offered]
        if attributes is not None:
            check_clash(
                [f.name for f in offered], attributes.columns, "A feature and an attribute are both called"
            )
            self._all = with_attributes(self._of_events, attributes)
            options += [_attribute_option(name, attributes, self._all[name]) for name in attributes.columns]
        self._like = _alike(self._all)
        for option in options:
            option["like"] = self._like.get(option["name"], [])
        options.sort(key=lambda option: BASES.index(option["basis"]))
        value = list(self._good_start() if chosen is None else chosen)
        super().__init__(
            options=options, value=value, note=_note(self._all), n_segments=n_segments, method=method
        )

    def _good_start(self) -> list[str]:
        known = self._of_events
        good = [
            n for n in GOOD_START if n in known and known[n].nunique() > 1 and known[n].notna().mean() >= 0.5
        ]
        return good or list(self._offered)

    @t.validate("value")
    def _only_offered(self, proposal: t.Bunch) -> list[str]:
        offered = list(self._all.columns)
        for name in proposal["value"]:
            if name not in offered:
                raise t.TraitError(
                    f"{name!r} is not offered.{did_you_mean(str(name), offered)} Choose from {', '.join(offered)}."
                )
        if not proposal["value"]:
            raise t.TraitError("No feature is left. Keep at least one.")
        return [name for name in offered if name in proposal["value"]]

    @t.observe("value")
    def _write_code(self, _change: t.Bunch) -> None:
        when = "".join(
            f", {name}={str(value)!r}" for name, value in self._looked.items() if value is not None
        )
        lines = [f"customers = sg.customer_features(events, {code_for(self._computed)}{when})"]
        if known := self._known:
            only = "" if self.features else f"[{known!r}]"
            lines.append(f"customers = sg.with_attributes(customers, attributes[{known!r}]){only}")
        self.code = "\n".join(lines)
        self.same = self._in_words()

    def still(self) -> Markup:
        """Return the ticked features and their meanings, and the code."""
        docs = {option["name"]: option["doc"] for option in self.options}
        return render(
            _STILL,
            n=counted(len(self.value), "feature"),
            rows=[(name, docs[name]) for name in self.value],
            code=code_line(self.code),
        )

    @t.observe("value", "n_segments", "method")
    def _forget_influence(self, _change: t.Bunch) -> None:
        self.influence, self.agreement, self.error = None, {}, ""

    @t.observe("asked")
    @shows_errors
    def _on_asked(self, _change: t.Bunch) -> None:
        try:
            self.leave_one_out()
        except ValueError as error:
            self.error = str(error)
        finally:
            self.answered = self.asked

    def leave_one_out(self) -> pd.DataFrame:
        """Segment by the ticked features, and by all but one of them; return how far the segments agree.

        Returns
        -------
        DataFrame of shape (n_features, 1)
            From :func:`segkit.feature_influence`. The ticked features show it.
        """
        result = segment(self.customers, n_segments=self.n_segments, method=self.method)
        self.influence, self.error = feature_influence(result), ""
        self.agreement = self.influence["agreement"].dropna().to_dict()
        return self.influence

    def _in_words(self) -> str:
        """Say which ticked features say the same."""
        groups: list[list[str]] = []
        for name in self.value:
            group = [name, *(other for other in self._like.get(name, []) if other in self.value)]
            if len(group) > 1 and not any(name in earlier for earlier in groups):
                groups.append(group)
        if not groups:
            return ""
        label = {option["name"]: option["label"] for option in self.options}
        named = "; ".join(f"{joined([label[name] for name in group])} say the same" for group in groups)
        return f"{named} (correlation of {SAME} or more) and count as one: keep one of them."

    @property
    def features(self) -> tuple[Feature, ...]:
        """The ticked features, without attributes."""
        return tuple(self._offered[name] for name in self.value if name in self._offered)

    @property
    def _computed(self) -> tuple[Feature, ...]:
        """The features to compute: at least one, since it lists the customers."""
        return self.features or tuple(self._offered.values())[:1]

    @property
    def _known(self) -> list[str]:
        """The ticked attributes."""
        return [name for name in self.value if name not in self._offered]

    @property
    def customers(self) -> pd.DataFrame:
        """The ticked features and attributes of each customer: what `code` computes, already computed."""
        known = self._known
        table = (self._all if known else self._of_events)[list(self.value)].copy()
        facts = table.attrs["segkit"]
        names = {*known, *(f.name for f in self._computed)}
        for key in PER_COLUMN & set(facts):
            facts[key] = {name: note for name, note in facts[key].items() if name in names}
        return table


def _computed(events: Events, features: tuple[Feature, ...], looked: dict[str, Any]) -> pd.DataFrame:
    """Compute features by family: all at once would hold all partial sums in memory."""
    families = list(dict.fromkeys(f.family for f in features))
    bar = tqdm(families, desc="Computing features", unit="family", leave=False, disable=len(families) < 4)
    parts = [customer_features(events, [f for f in features if f.family == name], **looked) for name in bar]
    table = pd.concat(parts, axis=1)
    notes = {key: dict(ChainMap(*(part.attrs["segkit"][key] for part in parts))) for key in PER_COLUMN}
    table.attrs["segkit"] = parts[0].attrs["segkit"] | notes
    return table[[f.name for f in features]]


def _alike(customers: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each feature those that say the same; none of few customers, where that may be chance."""
    if len(customers) < ENOUGH:
        return {}
    looked = customers.iloc[:: max(len(customers) // LOOKED, 1)]
    return same_as(make_preparer().fit(looked), flags=False)


def _option(feature: Feature, column: pd.Series | None, needs: str) -> dict:
    option = {
        "name": feature.name,
        "label": feature.label,
        "synonyms": " ".join(feature.synonyms),
        "family": feature.family,
        "basis": feature.basis,
        "unit": feature.unit,
        "doc": feature.doc,
        "needs": needs,
    }
    if column is None:
        return option | {"bars": [], "range": "", "missing": 0.0, "same": False}
    return option | _distribution(column)


def _attribute_option(name: str, attributes: Attributes, column: pd.Series) -> dict:
    about = attributes.about.loc[name]
    option = {
        "name": name,
        "label": name,
        "synonyms": "",
        "family": re.sub("^the ", "Your ", about["source"]),  # a name, or what it is: the DataFrame
        "basis": about["basis"],
        "unit": about["unit"],
        "doc": about["meaning"],
        "needs": "",
    }
    return option | _distribution(column)


def _note(customers: pd.DataFrame) -> str:
    counts = customers.attrs["segkit"].get("attributes", {"unknown": 0})
    if not counts["unknown"]:
        return ""
    everyone = counted(counts["known"] + counts["unknown"], "customer")
    return f"Attributes are known for {counts['known']:,} of {everyone}; for the others they are missing."


def _distribution(column: pd.Series) -> dict:
    """Describe a column: its distribution, its missing share, and whether it is constant."""
    shown = _of_numbers(column) if pd.api.types.is_numeric_dtype(column.dtype) else _of_words(column)
    same = len(column) > 1 and column.notna().all() and column.nunique() == 1
    return shown | {"missing": float(column.isna().mean()), "same": bool(same)}


def _of_words(column: pd.Series) -> dict:
    """Summarise words by the counts of the most frequent, 0 to 1; ordered words in their order."""
    counts = column.value_counts()
    counts = counts[counts > 0]
    if not len(counts):
        return {"bars": [], "range": "unknown for all"}
    often = counts.index[0]
    if getattr(column.dtype, "ordered", False):
        counts = counts.reindex([word for word in column.cat.categories if word in counts.index])
    bars = (counts / counts.max()).head(BINS).tolist()
    return {"bars": bars, "range": f"{len(counts)} words, most often {often}"}


def _of_numbers(column: pd.Series) -> dict:
    """Summarise numbers by the heights of a few bars, 0 to 1; long tails on a logarithmic scale."""
    known = column.dropna().to_numpy(dtype=float)
    if len(known) == 0:
        return {"bars": [], "range": "unknown for all"}
    low, high = known.min(), known.max()
    long_tail = low >= 0 and pd.Series(known).skew() > 1
    counts, _ = np.histogram(np.log1p(known) if long_tail else known, bins=BINS)
    words = f"{low:,.4g} to {high:,.4g}, median {np.median(known):,.4g}{', logarithmic' if long_tail else ''}"
    return {"bars": (counts / counts.max()).tolist(), "range": words}
