"""Hold attributes of customers in one table whose columns have a basis."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segkit.core.html import html_table, render
from segkit.core.messages import counted, did_you_mean, listed
from segkit.core.schema import BASES


@dataclass(frozen=True, eq=False)
class Attributes:
    """Attributes of customers, with the basis of each column, and what could not be read.

    Made by :func:`read_attributes`; joined with ``+``; ``attributes[["age", "income"]]`` keeps some columns.

    Attributes
    ----------
    table : DataFrame of shape (n_customers, n_attributes)
        Indexed by `customer_id` (text, sorted). Numbers are float64, words are categories; unknown values
        are missing.
    about : DataFrame of shape (n_attributes, 4)
        Indexed by `attribute`, in the order of the columns: its `basis`, `unit`, `source` and `meaning`.
    refused : DataFrame
        Rows that could not be used: columns `reason`, `count`, `example`. The rows of `table` and the sum of
        `count` add up to the rows of the source.
    blanked : DataFrame
        Values that could not be used, in rows that could: columns `column`, `reason`, `count`, `example`.
    scales : DataFrame of shape (n_scales, 6)
        Indexed by `scale`: number of `items`, number `n` of customers with complete answers, Cronbach's
        `alpha` with its 95 % interval `low` to `high`, and its meaning in words, `says`.
    items : DataFrame of shape (n_items, 5)
        Indexed by `scale` and `item`: `reversed`, number of customers who `answered`, their `mean`, the
        correlation `with_rest` of the items, and `alpha_without` this one.
    untagged : tuple of str
        Columns of the source that were not named, and are left out.
    sources : tuple of str
        Names of the sources.
    as_of : Timestamp or None
        The moment of ages and days.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> people = pd.DataFrame({"customer_id": ["ada", "bob", None], "age": [36, 41, 50], "town": list("PQP")})
    >>> attributes = sg.read_attributes(people, demographic=["age"], geographic=["town"])
    >>> attributes
    Attributes of 2 customers: demographic age; geographic town; 1 row refused
    >>> attributes.table
                  age town
    customer_id
    ada          36.0    P
    bob          41.0    Q
    """

    table: pd.DataFrame
    about: pd.DataFrame = field(repr=False)
    refused: pd.DataFrame = field(repr=False)
    blanked: pd.DataFrame = field(repr=False)
    scales: pd.DataFrame = field(repr=False)
    items: pd.DataFrame = field(repr=False)
    untagged: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    as_of: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", self.table.copy(deep=False))  # so that the caller's attrs stay
        self.table.attrs["segkit"] = {
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "sources": list(self.sources),
            "units": self.about["unit"].to_dict(),
            "meanings": self.about["meaning"].to_dict(),
            "bases": self.bases,
        }

    @property
    def bases(self) -> dict[str, str]:
        """The basis of each column."""
        return self.about["basis"].to_dict()

    @property
    def columns(self) -> tuple[str, ...]:
        """The attributes, in their order."""
        return tuple(self.table.columns)

    def of(self, bases: str | Iterable[str]) -> tuple[str, ...]:
        """Return the columns of one basis, or of several.

        Parameters
        ----------
        bases : str or iterable of str
            Such as ``"demographic"``.

        Returns
        -------
        tuple of str

        Raises
        ------
        ValueError
            If a basis does not exist.
        """
        chosen = check_bases(bases)
        return tuple(name for name, basis in self.bases.items() if basis in chosen)

    def __getitem__(self, names: Sequence[str]) -> Attributes:
        if isinstance(names, str):
            raise TypeError(
                f"attributes[{names!r}] is one name. Pass a list, attributes[[{names!r}]], or take the column: "
                f"attributes.table[{names!r}]."
            )
        names = list(names)
        for name in names:
            if name not in self.table.columns:
                raise ValueError(
                    f"There is no attribute {name!r}.{did_you_mean(str(name), self.columns)} The attributes are "
                    f"{', '.join(self.columns)}."
                )
        if len(set(names)) < len(names):
            raise ValueError(f"{names!r} names an attribute twice. Name each once.")
        kept = self.scales.index.intersection(names, sort=False)
        return dataclasses.replace(
            self,
            table=self.table[names],
            about=self.about.loc[names],
            scales=self.scales.loc[kept],
            items=self.items[self.items.index.get_level_values("scale").isin(kept)],
        )

    def __add__(self, other: Attributes) -> Attributes:
        if not isinstance(other, Attributes):
            return NotImplemented
        check_clash(self.columns, other.columns, "The two tables of attributes both have")
        if None not in (self.as_of, other.as_of) and self.as_of != other.as_of:
            raise ValueError(
                f"The attributes are as of {self.as_of} and {other.as_of}. Read both with the same as_of."
            )
        refused = pd.concat([self.refused, other.refused], ignore_index=True)
        refused = refused.groupby("reason", sort=False).agg(
            count=("count", "sum"), example=("example", "first")
        )
        return Attributes(
            table=_joined(self.table, other.table),
            about=pd.concat([self.about, other.about]),
            refused=refused.reset_index(),
            blanked=pd.concat([self.blanked, other.blanked], ignore_index=True),
            scales=pd.concat([self.scales, other.scales]),
            items=pd.concat([self.items, other.items]),
            untagged=self.untagged + other.untagged,
            sources=self.sources + other.sources,
            as_of=other.as_of if self.as_of is None else self.as_of,
        )

    def __repr__(self) -> str:
        lines = [f"Attributes of {self._in_words()}"]
        lines += [f"  {row.Index}: {scale_in_words(row)}" for row in self.scales.itertuples()]
        return "\n".join(lines)

    def _in_words(self) -> str:
        blocks = {basis: self.of(basis) for basis in BASES}
        parts = [f"{basis} {listed(names, 6)}" for basis, names in blocks.items() if names]
        parts.append(counted(int(self.refused["count"].sum()), "row") + " refused")
        if len(self.blanked):
            parts.append(counted(int(self.blanked["count"].sum()), "value") + " set aside")
        if self.untagged:
            parts.append(f"left out: {listed(self.untagged, 6)}")
        return f"{counted(len(self.table), 'customer')}: {'; '.join(parts)}"

    def _repr_html_(self) -> str:
        columns = [
            [basis, name, values_in_words(self.table[name]), _missing(self.table[name])]
            for basis in BASES
            for name in self.of(basis)
        ]
        scales = [
            [row.Index, row.items, f"{row.n:,}", _alpha(row), row.says] for row in self.scales.itertuples()
        ]
        refused, blanked = (
            [
                [reason, f"{n:,}", example]
                for reason, n, example in table[["reason", "count", "example"]].itertuples(index=False)
            ]
            for table in (self.refused, self.blanked)
        )
        tables = [
            html_table(head, rows, text=text)
            for head, rows, text in (
                (["basis", "attribute", "values", "missing"], columns, (0, 1, 2)),
                (["scale", "items", "complete answers", "Cronbach's alpha", "in words"], scales, (0, 3, 4)),
                (["reason for refusing rows", "rows", "example"], refused, (0, 2)),
                (["reason for setting values aside", "values", "example"], blanked, (0, 2)),
            )
            if rows
        ]
        return render(
            "<p><b>Attributes</b> from {{ sources }}: {{ words }}</p>{% for table in tables %}{{ table }}{% endfor %}",
            sources=", ".join(self.sources),
            words=self._in_words(),
            tables=tables,
        )


def check_bases(bases: str | Iterable[str]) -> tuple[str, ...]:
    """Return bases as a tuple, or raise if one does not exist."""
    if not isinstance(bases, Iterable):
        raise TypeError(f"bases={bases!r} should be one or several of {', '.join(BASES)}.")
    chosen = (bases,) if isinstance(bases, str) else tuple(bases)
    for basis in chosen:
        if basis not in BASES:
            raise ValueError(
                f"There is no basis {basis!r}.{did_you_mean(str(basis), BASES)} The bases are {', '.join(BASES)}."
            )
    return chosen


def check_clash(ours: Iterable[str], theirs: Iterable[str], who: str) -> None:
    """Raise if two names are equal except for capitals, which databases ignore."""
    lower = {str(name).lower(): str(name) for name in ours}
    for name in theirs:
        if str(name).lower() in lower:
            other = lower[str(name).lower()]
            both = repr(other) if other == name else f"{other!r} and {name!r}"
            raise ValueError(
                f"{who} {both}. Give one of them another name: read_attributes(…, "
                f"demographic={{'own_{str(name).lower()}': {name!r}}})."
            )


def _joined(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    everyone = one.index.union(other.index).astype("str").rename("customer_id")
    parts = [part.reindex(everyone) for part in (one, other)]
    for part in parts:
        part.attrs = {}
    return pd.concat(parts, axis=1)


def scale_in_words(row: Any) -> str:
    """Describe the consistency of a scale, from its row in ``Attributes.scales``."""
    return f"Cronbach's alpha {_alpha(row)} of {row.items} items, {row.n:,} complete answers: {row.says}"


def _alpha(row: Any) -> str:
    return "unknown" if pd.isna(row.alpha) else f"{row.alpha:.2f} ({row.low:.2f} to {row.high:.2f})"


def values_in_words(values: pd.Series) -> str:
    """Describe the values of a column in a few words."""
    known = values.dropna()
    if not len(known):
        return "nothing"
    if isinstance(values.dtype, pd.CategoricalDtype):
        often = [str(word)[:40] for word in known.value_counts().index[:3]]
        words = counted(known.nunique(), "word")
        text = f"{words}: {listed(often, 6)}{', …' if known.nunique() > 3 else ''}"
        return f"ordered, {text}" if values.cat.ordered else text
    return f"{known.min():,.4g} to {known.max():,.4g}, median {known.median():,.4g}"


def _missing(values: pd.Series) -> str:
    share = values.isna().mean() if len(values) else 0.0
    return "" if share == 0 else f"{share:.1%}" if share >= 0.0005 else "< 0.1%"
