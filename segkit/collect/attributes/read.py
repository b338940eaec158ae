"""The door for what is known of customers: one row a customer, each named column under its basis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from segkit.collect.attributes.arguments import (
    Named,
    Wanted,
    all_wanted,
    as_declared,
    check_types,
)
from segkit.collect.attributes.attributes import Attributes
from segkit.collect.attributes.column_types import Blank, Column, Raw, read_column
from segkit.collect.attributes.fetch import fetched, one_row_each, taken
from segkit.collect.attributes.regions import Region, rolled_up
from segkit.collect.attributes.survey_scores import Batteries, batteries
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.core.engine.connection import locked_engine
from segkit.core.moments import read_moment
from segkit.core.schema import BASES


@locked_engine
def read_attributes(
    source: Any,
    *,
    customer_id: str = "customer_id",
    demographic: Named = (),
    geographic: Named = (),
    psychographic: Named = (),
    behavioural: Named = (),
    types: Mapping[str, str] | None = None,
    ordered: Mapping[str, Iterable] | None = None,
    scales: Mapping[str, Any] | None = None,
    regions: Mapping[str, Region] | None = None,
    as_of: str | pd.Timestamp | None = None,
    duplicates: str = "refuse",
    preset: str | None = None,
    table: str | None = None,
) -> Attributes:
    """Read what is known of customers beside what they did: a CRM table, a survey, a list of addresses.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table or relation
        Whatever :func:`read_events` reads. One row a customer.
    customer_id : str, default="customer_id"
        The column of ids, read as those of events: 17850, 17850.0 and "17850" are one customer.
    demographic, geographic, psychographic, behavioural : str, list of str, or dict of str to str
        The columns of each basis: ``["age", "income"]``, or ``{"income": "Annual Income (k$)"}`` to give
        them other names. Columns that are not named are left out, and listed in ``.untagged``.
    types : dict of str to {"number", "category", "age", "days"}, optional
        How to read an attribute where it is not to be told from its values: "age" makes years of a date or
        year of birth, "days" counts the days since a date; both need `as_of`.
    ordered : dict of str to iterable, optional
        The words of ordered attributes, the lowest first: ``{"income": ["low", "mid", "high"]}``.
    scales : dict of str to Scale, optional
        Batteries of survey questions, each of which becomes one number, see :class:`Scale`.
    regions : dict of str to Region, optional
        Places rolled up, such as postcodes to regions, see :class:`Region`.
    as_of : str or Timestamp, optional
        The moment at which ages and days are counted. Never the clock.
    duplicates : {"refuse", "first", "last"}, default="refuse"
        What to do with a customer whose rows differ: refuse them all, or keep the first or last in the
        source's order. Of equal rows one is always kept.
    preset : str, optional
        The export that it is, such as ``"hubspot_contacts"``: names the columns, those that are there are
        read. What is named besides goes before it.
    table : str, optional
        Which sheet of a workbook, or table of a database.

    Returns
    -------
    Attributes
        Rows that cannot be used are in ``.refused``, and single values in ``.blanked``, with their reasons.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a named column is not there, cannot be read as what was said, no column was named, or no row
        can be used.
    TypeError
        If the source is not something that can be read.

    Notes
    -----
    Words are stripped of blanks around them and become categories. Text is read as numbers if all of it
    is numbers; a few words among many numbers are an error, since only you know which was meant. Not read
    as numbers are codes: whole numbers of a geographic column (postcodes), and text such as "01234". True
    and false become 1 and 0. Dates are read where they are ISO 8601, and become days before `as_of`. The
    word "None" is a word, since it may be an answer; "NaN", "NULL" and "N/A" are none.

    A scale is the mean of the items answered, reversed ones turned round; missing where fewer than half of
    them were (see :class:`Scale`). Cronbach's alpha [1]_ says whether its items move together, with Feldt's
    interval [2]_; of yes/no items it is KR-20. It grows with the number of items, and a high one does not
    prove that they measure a single thing [3]_.

    References
    ----------
    .. [1] Cronbach (1951), Coefficient alpha and the internal structure of tests, Psychometrika 16.
    .. [2] Feldt (1965), The approximate sampling distribution of Kuder-Richardson reliability coefficient
       twenty, Psychometrika 30; Feldt, Woodruff & Salih (1987), Statistical inference for coefficient alpha,
       Applied Psychological Measurement 11.
    .. [3] Cortina (1993), What is coefficient alpha? An examination of theory and applications, Journal of
       Applied Psychology 78. The words of ``.scales`` begin at 0.7 as in Nunnally (1978), Psychometric Theory.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> survey = pd.DataFrame({"who": [1.0, 2.0, 3.0], "born": [1990, 1985, 1893], "zip": ["75001", "13002", "75009"],
    ...                        "careful": [5, 2, 9], "splurges": [1, 4, 2]})
    >>> attributes = sg.read_attributes(
    ...     survey, customer_id="who", demographic={"age": "born"}, types={"age": "age"}, as_of="2024-07-01",
    ...     regions={"region": sg.Region("zip", {"75": "Paris", "13": "Marseille"}, match="prefix")},
    ...     scales={"thrift": sg.Scale(["careful", "splurges"], reversed=["splurges"])})
    >>> attributes.table
                  age     region  thrift
    customer_id
    1            34.0      Paris     5.0
    2            39.0  Marseille     2.0
    3             NaN      Paris     4.0
    >>> attributes.blanked[["reason", "count", "example"]]
                     reason  count    example
    0  older than 110 years      1  born=1893
    1        outside 1 to 5      1  careful=9
    """
    opened = open_source(source, table=table)
    tagged = dict(zip(BASES, (demographic, geographic, psychographic, behavioural), strict=True))
    wanted = all_wanted(opened, customer_id, tagged, _or_none(regions), _or_none(scales), preset)
    types, ordered = as_declared(source, wanted, _or_none(types), _or_none(ordered))
    check_types(wanted, types, ordered)
    if duplicates not in ("refuse", "first", "last"):
        raise ValueError(f"duplicates={duplicates!r} is none of 'refuse', 'first', 'last'. Say one of these.")
    moment = None if as_of is None else read_moment(as_of)
    ids, why_none, raws = fetched(opened, wanted)
    used, refused = one_row_each(opened, ids, why_none, raws, duplicates)
    raws = {name: taken(raw, used) for name, raw in raws.items()}
    columns = _columns(wanted, raws, types, ordered, moment)
    answered = batteries(wanted.scales, raws)
    return _assembled(opened, wanted, ids[used], columns, answered, refused, moment)


def _or_none(said: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {} if said is None else said


def _columns(
    wanted: Wanted,
    raws: Mapping[str, Raw],
    types: Mapping[str, str],
    ordered: Mapping[str, Iterable],
    as_of: pd.Timestamp | None,
) -> dict[str, Column]:
    """Read the columns that were named, and the regions."""
    read = {
        name: read_column(name, raws[column], basis, types.get(name), ordered.get(name), as_of)
        for name, (basis, column) in wanted.columns.items()
    }
    for name, region in wanted.regions.items():
        raw = raws[region.column]
        values, blanks = rolled_up(raw.answered, region)
        read[name] = Column(values, "category", f"Region of {region.column} of {raw.source}.", tuple(blanks))
    return read


def _assembled(
    source: Source,
    wanted: Wanted,
    ids: pd.Series,
    columns: Mapping[str, Column],
    answered: Batteries,
    refused: pd.DataFrame,
    as_of: pd.Timestamp | None,
) -> Attributes:
    """Put the columns in the order of their bases, and the customers in that of their ids."""
    basis = {name: of for name, (of, _) in wanted.columns.items()} | dict.fromkeys(
        wanted.regions, "geographic"
    )
    told = {name: (basis[name], column.unit, column.meaning) for name, column in columns.items()}
    for name, scale in wanted.scales.items():
        told[name] = (scale.basis, f"{scale.low:g} to {scale.high:g}", answered.meanings[name])
    order = sorted(told, key=lambda name: BASES.index(told[name][0]))
    values = {name: column.values for name, column in columns.items()} | answered.scores
    index = pd.Index(ids.to_numpy(), name="customer_id", dtype="str")
    table = pd.DataFrame({name: values[name].set_axis(index) for name in order}, index=index).sort_index()
    about = pd.DataFrame(
        [(told[name][0], told[name][1], source.name, told[name][2]) for name in order],
        columns=["basis", "unit", "source", "meaning"],
        index=pd.Index(order, name="attribute", dtype="str"),
        dtype="str",
    )
    blanks = [blank for column in columns.values() for blank in column.blanks] + answered.blanks
    used = {wanted.customer_id, *wanted.read}
    untagged = tuple(column for column in source.table.columns if column not in used)
    return Attributes(
        table,
        about,
        refused,
        _as_table(blanks),
        answered.scales,
        answered.items,
        untagged,
        (source.name,),
        as_of,
    )


def _as_table(blanks: Sequence[Blank]) -> pd.DataFrame:
    different = dict.fromkeys((b.column, b.reason, b.count, b.example) for b in blanks)
    columns = {"column": "str", "reason": "str", "count": "int64", "example": "str"}
    return pd.DataFrame(list(different), columns=list(columns)).astype(columns)
