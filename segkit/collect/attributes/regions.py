"""Group places, such as postcodes or countries, into regions."""

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
    """A geographic column whose places are grouped into regions.

    Attributes
    ----------
    column : str
        The source's column, such as a postcode or a country.
    mapping : mapping or Series, optional
        Region of each place: ``{"FR": "Europe", "JP": "Asia"}``, or a Series indexed by place. Places without
        a region are missing, and counted. Without a mapping each place is a region.
    match : {"whole", "prefix"}, default="whole"
        Whether the mapping has whole places, or the first characters of postcodes, of which the longest match
        counts.
    min_customers : int, default=1
        Regions with fewer customers are combined as "(other)".

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
                "Use 'prefix' if the mapping has the first characters of postcodes."
            )
        if not isinstance(self.mapping, (Mapping, pd.Series, type(None))):
            raise TypeError(
                f"mapping is a {type(self.mapping).__name__}. It should have the region of each place: "
                "{'FR': 'Europe', 'JP': 'Asia'}, or a Series indexed by place."
            )
        if (
            isinstance(self.min_customers, bool)
            or not isinstance(self.min_customers, int)
            or self.min_customers < 1
        ):
            raise ValueError(f"min_customers={self.min_customers!r} is not a number of customers, 1 or more.")


def as_region(name: str, region: Any) -> Region:
    """Return a region, or raise with an example of one."""
    if isinstance(region, Region):
        return region
    raise TypeError(
        f"The region {name!r} is {region!r}. Write it as Region('country', {{'FR': 'Europe', 'JP': 'Asia'}})."
    )


def map_regions(places: pd.Series, region: Region) -> tuple[pd.Series, list[Blank]]:
    """Return the region of each customer as a category, and the places without a region."""
    regions = places if region.mapping is None else _mapped(places, region)
    blanks = blanked(region.column, "in no region", places, places.notna() & regions.isna())
    counts = regions.value_counts()
    small = counts.index[counts < region.min_customers]
    regions = regions.mask(regions.isin(small), OTHER)
    return regions.astype("str").where(regions.notna()).astype("category"), blanks


def _mapped(places: pd.Series, region: Region) -> pd.Series:
    known = _by_place(region)
    if region.match == "whole":
        return places.map(known)
    regions = pd.Series([None] * len(places), index=places.index, dtype="object")
    for length in sorted({len(place) for place in known}, reverse=True):
        regions = regions.where(regions.notna(), places.str.slice(0, length).map(known))
    return regions


def _by_place(region: Region) -> dict[str, str]:
    pairs = pd.Series(region.mapping, dtype="object")
    pairs = pairs[pairs.notna()]
    pairs.index = words_of(pd.Series(pairs.index))
    known = {str(place): str(name) for place, name in pairs.items() if not pd.isna(place)}
    twice = [place for place in pairs.index[pairs.index.duplicated()] if pairs.loc[place].nunique() > 1]
    if twice:
        raise ValueError(
            f"mapping puts {twice[0]!r} into {' and '.join(map(repr, pairs.loc[twice[0]].unique()[:2]))}. "
            "Give each place one region."
        )
    return known
