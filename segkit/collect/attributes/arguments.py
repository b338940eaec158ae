"""Resolve the arguments of read_attributes before any row is read."""

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
class Selection:
    """The columns of a source that become attributes.

    Attributes
    ----------
    customer_id : str, optional
        The source's column of ids. None: each row is a customer, numbered from 1.
    columns : dict of str to (basis, column)
        By the attribute's name.
    regions : dict of str to Region
    scales : dict of str to Scale
    lower : bool
        Whether ids with an "@" are converted to lower case.
    """

    customer_id: str | None
    columns: dict[str, tuple[str, str]]
    regions: dict[str, Region]
    scales: dict[str, Scale]
    lower: bool

    @property
    def names(self) -> list[str]:
        return [*self.columns, *self.regions, *self.scales]

    @property
    def needed(self) -> list[str]:
        """Each column of the source that is needed, once, without the ids."""
        needed = [column for _, column in self.columns.values()]
        needed += [region.column for region in self.regions.values()]
        needed += [item for scale in self.scales.values() for item in scale.items]
        return list(dict.fromkeys(needed))


def select_columns(
    source: Source,
    customer_id: str | None,
    by_basis: Mapping[str, Named],
    regions: Mapping[str, Any] | None,
    scales: Mapping[str, Any] | None,
    preset: str | None,
) -> Selection:
    """Return the columns to read, or raise where the source does not have them."""
    regions, scales = ({} if mapping is None else mapping for mapping in (regions, scales))
    _check_arguments(customer_id, regions, scales, preset)
    named = [
        (name, basis, column)
        for basis, names in by_basis.items()
        for name, column in _named(basis, names).items()
    ]
    columns = {name: (basis, column) for name, basis, column in named}
    if len(columns) < len(named):
        names = [name for name, *_ in named]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"The attribute {twice!r} was named under two bases. Name it under one: each attribute has one basis."
        )
    if preset is not None:
        customer_id, known = _of_preset(source, preset, customer_id)
        columns = {name: column for name, column in known.items() if name not in columns} | columns
        columns = dict(sorted(columns.items(), key=lambda pair: BASES.index(pair[1][0])))
    selection = Selection(
        customer_id,
        columns,
        {name: as_region(name, region) for name, region in regions.items()},
        {name: as_scale(name, scale) for name, scale in scales.items()},
        preset is not None,
    )
    if not selection.names:
        raise ValueError(
            f"No column of {source.name} was named. It has {listed(source.table.columns, 30)}. Name those that "
            "describe the customer, each under its basis: "
            'read_attributes(…, demographic=["age"], psychographic=["attitude"]).'
        )
    for i, name in enumerate(selection.names):
        check_clash(selection.names[:i], [name], "Two attributes would be called")
    if customer_id is not None:
        _check_exists(source, "customer_id", customer_id)
    _check_no_id(selection)
    for column in selection.needed:
        _check_exists(source, "", column)
    return selection


def _check_arguments(customer_id: Any, regions: Any, scales: Any, preset: Any) -> None:
    if not isinstance(customer_id, str | None):
        raise TypeError(
            f"customer_id={customer_id!r} should be the name of the column that holds the ids, or None for a table "
            "without ids."
        )
    if preset is not None:
        check_is_name(preset)
    check_mapping("regions", regions, "{'region': Region('country', {'FR': 'Europe', 'JP': 'Asia'})}")
    check_mapping("scales", scales, "{'thrift': Scale(['careful', 'compares'])}")


def check_mapping(argument: str, value: Any, example: str) -> None:
    """Raise a TypeError unless an argument is a mapping by attribute name."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name.strip() for name in value):
        raise TypeError(
            f"{argument}={value!r} should be a dict with each attribute's name: {argument}={example}."
        )


def _named(basis: str, value: Named) -> dict[str, str]:
    """Return the source's columns by attribute name."""
    if isinstance(value, str):
        value = (value,)
    names = list(value) if isinstance(value, Iterable) else [None]
    columns = list(value.values()) if isinstance(value, Mapping) else names
    if not all(isinstance(word, str) for word in (*names, *columns)) or not all(map(str.strip, names)):
        raise TypeError(f"{basis}={value!r} should name columns: ['age'], or {{'age': 'Year of birth'}}.")
    return dict(zip(names, columns, strict=True))


def _check_no_id(selection: Selection) -> None:
    """Raise if the customer id is an attribute: no two customers share one."""
    for basis, column in selection.columns.values():
        if column == selection.customer_id:
            raise ValueError(
                f"{basis} names {column!r}, the customer id. It differs for each customer, so it cannot form segments. "
                f"Leave it out of {basis}."
            )
    for name in selection.names:
        if name.lower() == "customer_id":
            raise ValueError(
                f"An attribute cannot be called {name!r}, the name of the customer id. Give it another name: "
                f"demographic={{'other_id': {name!r}}}."
            )


def _check_exists(source: Source, argument: str, column: str) -> None:
    source.check_once(column)
    columns = source.table.columns
    if column not in columns:
        hint = (
            f'Name the column of the ids: {argument}="…". If it has none, {argument}=None numbers the rows from 1.'
            if argument
            else "Name one of these."
        )
        raise ValueError(
            f"{source.name} has no column {column!r}.{did_you_mean(str(column), columns)} Its columns are "
            f"{listed(columns, 30)}. {hint}"
        )


def _of_preset(
    source: Source, name: str, customer_id: str | None
) -> tuple[str | None, dict[str, tuple[str, str]]]:
    """Return the column of ids, and the attributes of a preset that the source has."""
    check_is_name(name)
    if name not in ATTRIBUTE_PRESETS:
        raise ValueError(
            f"There is no preset {name!r} for attributes.{did_you_mean(str(name), ATTRIBUTE_PRESETS)} The presets are "
            f"{', '.join(ATTRIBUTE_PRESETS)}. Choose one, or leave preset out and name the columns."
        )
    preset = ATTRIBUTE_PRESETS[name]
    lower = {column.lower(): column for column in source.table.columns}

    def first(names: Iterable[str]) -> str | None:
        for name in names:
            source.check_once(name)
        return next((lower[n.lower()] for n in names if n.lower() in lower), None)

    if customer_id is not None and customer_id not in source.table.columns:
        customer_id = first(preset.customer_id) or customer_id
    columns = {
        attribute: (basis, column)
        for basis in BASES[:3]
        for attribute, names in getattr(preset, basis).items()
        if (column := first(names)) is not None
    }
    return customer_id, columns


def add_frame_types(
    source: Any,
    selection: Selection,
    types: Mapping[str, str] | None,
    ordered: Mapping[str, Iterable] | None,
) -> tuple[dict[str, str], dict[str, Iterable]]:
    """Return types and order of columns, with those of a DataFrame's own categories added."""
    types, ordered = {} if types is None else types, {} if ordered is None else ordered
    check_mapping("types", types, "{'born': 'age'}")
    check_mapping("ordered", ordered, "{'size': ['S', 'M', 'L']}")
    types, ordered = dict(types), dict(ordered)
    if isinstance(source, pd.DataFrame):
        for name, (_, column) in selection.columns.items():
            kind = source.dtypes.get(column)
            if isinstance(kind, pd.CategoricalDtype) and name not in types and name not in ordered:
                if kind.ordered:
                    ordered[name] = list(kind.categories)
                else:
                    types[name] = "category"
    return types, ordered


def check_types(selection: Selection, types: Mapping[str, str], ordered: Mapping[str, Iterable]) -> None:
    """Raise unless `types` and `ordered` name attributes and possible types."""
    for argument, names in (("types", types), ("ordered", ordered)):
        for name in names:
            if name not in selection.columns:
                raise ValueError(
                    f"{argument} names {name!r}, which is not an attribute."
                    f"{did_you_mean(str(name), selection.columns)} "
                    f"The attributes are {listed(list(selection.columns), 30)}."
                )
    for name, type_ in types.items():
        if type_ not in TYPES:
            raise ValueError(
                f"types has {type_!r} for {name!r}.{did_you_mean(str(type_), TYPES)} Choose one of {', '.join(TYPES)}."
            )
        if name in ordered:
            raise ValueError(f"Both types and ordered have {name!r}. Leave one out.")
    for name, levels in ordered.items():
        if isinstance(levels, str) or not isinstance(levels, Iterable):
            raise TypeError(
                f"ordered has {levels!r} for {name!r}. It should list the words of {name!r}, the lowest first."
            )
