"""What of a source becomes an attribute: settled before a row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segkit.collect.attributes.attributes import check_clash
from segkit.collect.attributes.column_types import TYPES
from segkit.collect.attributes.regions import Region, as_region
from segkit.collect.attributes.scales import Scale, as_scale
from segkit.collect.presets.catalogue import ATTRIBUTE_PRESETS, check_is_name
from segkit.collect.sources.source import Source
from segkit.core.messages import did_you_mean, listed
from segkit.core.schema import BASES

Named = str | Iterable[str] | Mapping[str, str]


@dataclass(frozen=True)
class Wanted:
    """What of a source becomes an attribute.

    Attributes
    ----------
    customer_id : str
        The source's column of ids.
    columns : dict of str to (basis, column)
        By the attribute's name.
    regions : dict of str to Region
    scales : dict of str to Scale
    lower : bool
        Whether ids that are e-mail addresses are made small letters.
    """

    customer_id: str
    columns: dict[str, tuple[str, str]]
    regions: dict[str, Region]
    scales: dict[str, Scale]
    lower: bool

    @property
    def names(self) -> list[str]:
        return [*self.columns, *self.regions, *self.scales]

    @property
    def read(self) -> list[str]:
        """Each column of the source that is needed, once, without the ids."""
        needed = [column for _, column in self.columns.values()]
        needed += [region.column for region in self.regions.values()]
        needed += [item for scale in self.scales.values() for item in scale.items]
        return list(dict.fromkeys(needed))


def all_wanted(
    source: Source,
    customer_id: str,
    tagged: Mapping[str, Named],
    regions: Mapping[str, Any],
    scales: Mapping[str, Any],
    preset: str | None,
) -> Wanted:
    """Settle what is to be read, and say so where the source does not have it."""
    _check_arguments(customer_id, regions, scales, preset)
    there = source.table.columns
    columns = {
        name: (basis, column)
        for basis, said in tagged.items()
        for name, column in _named(basis, said).items()
    }
    if len(columns) < sum(len(_named(basis, said)) for basis, said in tagged.items()):
        every = [name for basis, said in tagged.items() for name in _named(basis, said)]
        twice = next(name for name in every if every.count(name) > 1)
        raise ValueError(
            f"The attribute {twice!r} was named under two bases. Say one: a column segments by one basis."
        )
    if preset is not None:
        customer_id, known = _of_preset(source, preset, customer_id)
        columns = {name: found for name, found in known.items() if name not in columns} | columns
        columns = dict(sorted(columns.items(), key=lambda pair: BASES.index(pair[1][0])))
    wanted = Wanted(
        customer_id,
        columns,
        {name: as_region(name, said) for name, said in regions.items()},
        {name: as_scale(name, said) for name, said in scales.items()},
        preset is not None,
    )
    if not wanted.names:
        raise ValueError(
            f"No column of {source.name} was named. It has {listed(there, 30)}. Say which describe the "
            'customer, and on which basis: read_attributes(…, demographic=["age"], psychographic=["attitude"]).'
        )
    for i, name in enumerate(wanted.names):
        check_clash(wanted.names[:i], [name], "Two attributes would be called")
    _check_there(source, "customer_id", customer_id)
    _check_no_id(wanted)
    for column in wanted.read:
        _check_there(source, "", column)
    return wanted


def _check_arguments(customer_id: Any, regions: Any, scales: Any, preset: Any) -> None:
    if not isinstance(customer_id, str):
        raise TypeError(f"customer_id={customer_id!r} should be the name of the column that holds the ids.")
    if preset is not None:
        check_is_name(preset)
    check_mapping("regions", regions, "{'region': Region('country', {'FR': 'Europe', 'JP': 'Asia'})}")
    check_mapping("scales", scales, "{'thrift': Scale(['careful', 'compares'])}")


def check_mapping(argument: str, said: Any, example: str) -> None:
    """Refuse what is no mapping from the names of attributes.

    Raises
    ------
    TypeError
    """
    if not isinstance(said, Mapping) or not all(isinstance(name, str) and name.strip() for name in said):
        raise TypeError(f"{argument}={said!r} should say each attribute's name: {argument}={example}.")


def _named(basis: str, said: Named) -> dict[str, str]:
    if isinstance(said, str):
        said = (said,)
    names = list(said) if isinstance(said, Iterable) else [None]
    columns = list(said.values()) if isinstance(said, Mapping) else names
    if not all(isinstance(word, str) for word in (*names, *columns)) or not all(map(str.strip, names)):
        raise TypeError(f"{basis}={said!r} should name columns: ['age'], or {{'age': 'Year of birth'}}.")
    return dict(zip(names, columns, strict=True))


def _check_no_id(wanted: Wanted) -> None:
    """Refuse the ids as an attribute: they are the index, and no two customers share one."""
    for basis, column in wanted.columns.values():
        if column == wanted.customer_id:
            raise ValueError(
                f"{basis} names {column!r}, which holds the ids of customers: each has another, so it makes no "
                f"segments. Leave it out of {basis}."
            )
    for name in wanted.names:
        if name.lower() == "customer_id":
            raise ValueError(
                f"An attribute would be called {name!r}, as the ids are. Give it another name: "
                f"demographic={{'other_id': {name!r}}}."
            )


def _check_there(source: Source, what: str, column: str) -> None:
    there = source.table.columns
    if column not in there:
        hint = f'Say which one holds the ids: {what}="…".' if what else "Name one of these."
        raise ValueError(
            f"{source.name} has no column {column!r}.{did_you_mean(str(column), there)} Its columns are "
            f"{listed(there, 30)}. {hint}"
        )


def _of_preset(source: Source, name: str, customer_id: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return the column of ids and the attributes that a preset knows, of those that the source has."""
    check_is_name(name)
    if name not in ATTRIBUTE_PRESETS:
        raise ValueError(
            f"There is no preset {name!r} of attributes.{did_you_mean(str(name), ATTRIBUTE_PRESETS)} There are "
            f"{', '.join(ATTRIBUTE_PRESETS)}. Leave it out and name the columns."
        )
    preset = ATTRIBUTE_PRESETS[name]
    lower = {column.lower(): column for column in source.table.columns}

    def first(names: Iterable[str]) -> str | None:
        return next((lower[n.lower()] for n in names if n.lower() in lower), None)

    if customer_id not in source.table.columns:
        customer_id = first(preset.customer_id) or customer_id
    columns = {
        attribute: (basis, column)
        for basis in BASES[:3]
        for attribute, names in getattr(preset, basis).items()
        if (column := first(names)) is not None
    }
    return customer_id, columns


def as_declared(
    source: Any, wanted: Wanted, types: Mapping[str, str], ordered: Mapping[str, Iterable]
) -> tuple[dict[str, str], dict[str, Iterable]]:
    """Add what a frame says of its own columns: its categories stay categories, in their own order."""
    check_mapping("types", types, "{'born': 'age'}")
    check_mapping("ordered", ordered, "{'size': ['S', 'M', 'L']}")
    types, ordered = dict(types), dict(ordered)
    if isinstance(source, pd.DataFrame):
        for name, (_, column) in wanted.columns.items():
            kind = source.dtypes.get(column)
            if isinstance(kind, pd.CategoricalDtype) and name not in types and name not in ordered:
                if kind.ordered:
                    ordered[name] = list(kind.categories)
                else:
                    types[name] = "category"
    return types, ordered


def check_types(wanted: Wanted, types: Mapping[str, str], ordered: Mapping[str, Iterable]) -> None:
    for argument, said in (("types", types), ("ordered", ordered)):
        for name in said:
            if name not in wanted.columns:
                raise ValueError(
                    f"{argument} names {name!r}, which is not among the attributes."
                    f"{did_you_mean(str(name), wanted.columns)} "
                    f"They are {listed(list(wanted.columns), 30)}."
                )
    for name, how in types.items():
        if how not in TYPES:
            raise ValueError(
                f"types says that {name!r} is {how!r}.{did_you_mean(str(how), TYPES)} It can be {', '.join(TYPES)}."
            )
        if name in ordered:
            raise ValueError(f"Both types and ordered say what {name!r} is. Leave one out.")
    for name, levels in ordered.items():
        if isinstance(levels, str) or not isinstance(levels, Iterable):
            raise TypeError(
                f"ordered says {levels!r} of {name!r}. It should list its words, the lowest first."
            )
