"""Places rolled up: a postcode, a city or a country as the region that it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segkit.collect.attributes.column_types import Blank, blanked, words_of
from segkit.core.messages import did_you_mean

OTHER = "(other)"


@dataclass(frozen=True, eq=False)
class Region:
    """A geographic column made coarser.

    Attributes
    ----------
    column : str
        The source's column, such as a postcode or a country.
    mapping : mapping or Series, optional
        Region of each place: ``{"FR": "Europe", "JP": "Asia"}``, or a Series indexed by place. Places that
        it does not name are missing, and counted. Without it the places stay as they are.
    match : {"whole", "prefix"}, default="whole"
        Whether the mapping names whole places, or what they begin with, as with postcodes; then the
        longest beginning that fits counts.
    min_customers : int, default=1
        Regions of fewer customers are put together as "(other)".

    Examples
    --------
    >>> from segkit import Region
    >>> Region("postcode", {"75": "Paris", "13": "Marseille"}, match="prefix", min_customers=50).match
    'prefix'
    """

    column: str
    mapping: Mapping[Any, str] | pd.Series | None = None
    match: str = "whole"
    min_customers: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise TypeError(f"column={self.column!r} should be the name of a column, such as 'postcode'.")
        if self.match not in ("whole", "prefix"):
            raise ValueError(
                f"match={self.match!r} is neither 'whole' nor 'prefix'."
                f"{did_you_mean(str(self.match), ('whole', 'prefix'))} "
                "Say 'prefix' where the mapping names what postcodes begin with."
            )
        if not isinstance(self.mapping, (Mapping, pd.Series, type(None))):
            raise TypeError(
                f"mapping is a {type(self.mapping).__name__}. It should say each place's region: "
                "{'FR': 'Europe', 'JP': 'Asia'}, or a Series indexed by place."
            )
        if (
            isinstance(self.min_customers, bool)
            or not isinstance(self.min_customers, int)
            or self.min_customers < 1
        ):
            raise ValueError(f"min_customers={self.min_customers!r} is not a number of customers, 1 or more.")


def as_region(name: str, said: Any) -> Region:
    """Return a region, or say how one is written."""
    if isinstance(said, Region):
        return said
    raise TypeError(
        f"The region {name!r} is {said!r}. Write it as Region('country', {{'FR': 'Europe', 'JP': 'Asia'}})."
    )


def rolled_up(places: pd.Series, region: Region) -> tuple[pd.Series, list[Blank]]:
    """Return each customer's region as a category, and what could not be placed.

    Parameters
    ----------
    places : Series of str
        As the source has them, stripped.
    region : Region

    Returns
    -------
    regions : Series of category
    blanks : list of Blank
    """
    found = places if region.mapping is None else _mapped(places, region)
    blanks = blanked(region.column, "in no region", places, places.notna() & found.isna())
    counts = found.value_counts()
    small = counts.index[counts < region.min_customers]
    found = found.mask(found.isin(small), OTHER)
    return found.astype("str").where(found.notna()).astype("category"), blanks


def _mapped(places: pd.Series, region: Region) -> pd.Series:
    known = _by_place(region)
    if region.match == "whole":
        return places.map(known)
    found = pd.Series([None] * len(places), index=places.index, dtype="object")
    for length in sorted({len(place) for place in known}, reverse=True):
        found = found.where(found.notna(), places.str.slice(0, length).map(known))
    return found


def _by_place(region: Region) -> dict[str, str]:
    pairs = pd.Series(region.mapping, dtype="object")
    pairs = pairs[pairs.notna()]
    pairs.index = words_of(pd.Series(pairs.index))
    known = {str(place): str(name) for place, name in pairs.items() if not pd.isna(place)}
    twice = [place for place in pairs.index[pairs.index.duplicated()] if pairs.loc[place].nunique() > 1]
    if twice:
        raise ValueError(
            f"mapping puts {twice[0]!r} into {' and '.join(map(repr, pairs.loc[twice[0]].unique()[:2]))}. "
            "Say one region for each place."
        )
    return known
