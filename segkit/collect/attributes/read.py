"""Read attributes of customers: one row per customer, and a basis for each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from segkit.collect.attributes.arguments import (
    Named,
    Selection,
    add_frame_types,
    check_types,
    select_columns,
)
from segkit.collect.attributes.attributes import Attributes
from segkit.collect.attributes.column_types import Blank, Column, Raw, read_column
from segkit.collect.attributes.fetch import fetch, keep_rows, one_row_per_customer
from segkit.collect.attributes.regions import Region, map_regions
from segkit.collect.attributes.survey_scores import SurveyScores, survey_scores
from segkit.collect.attributes.written_columns import as_written, check_written
from segkit.collect.sources.csv import CsvOptions
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.core.engine.connection import locked_engine
from segkit.core.moments import read_moment
from segkit.core.schema import BASES


@locked_engine
def read_attributes(
    source: Any,
    *,
    customer_id: str | None = "customer_id",
    demographic: Named = (),
    geographic: Named = (),
    psychographic: Named = (),
    behavioural: Named = (),
    types: Mapping[str, str] | None = None,
    ordered: Mapping[str, Iterable] | None = None,
    scales: Mapping[str, Any] | None = None,
    regions: Mapping[str, Region] | None = None,
    as_of: str | pd.Timestamp | None = None,
    decimal: str | Mapping[str, str] | None = None,
    date_format: str | Mapping[str, str] | None = None,
    duplicates: str = "refuse",
    preset: str | None = None,
    table: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
) -> Attributes:
    """Read attributes of customers: a CRM table, a survey, a list of addresses.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table or relation
        Any source of :func:`read_events`, with one row per customer.
    customer_id : str or None, default="customer_id"
        The column of ids. As in events, 17850, 17850.0 and "17850" are one customer. None, for a survey without ids:
        each row is a customer, numbered from 1 in the order of the source.
    demographic, geographic, psychographic, behavioural : str, list of str, or dict of str to str
        The columns of each basis: ``["age", "income"]``, or ``{"income": "Annual Income (k$)"}`` to give
        them other names. Other columns are left out, and listed in ``.untagged``.
    types : dict of str to {"number", "category", "age", "days"}, optional
        Types of attributes, where the values alone do not show them: "age" is the age in years from a date or
        year of birth, "days" the days since a date; both need `as_of`.
    ordered : dict of str to iterable, optional
        The words of ordered attributes, the lowest first: ``{"income": ["low", "mid", "high"]}``.
    scales : dict of str to Scale, optional
        Survey scales: several questions that become one number, see :class:`Scale`.
    regions : dict of str to Region, optional
        Places grouped into regions, such as postcodes, see :class:`Region`.
    as_of : str or Timestamp, optional
        The moment of ages and days; there is no default, and the clock is never used.
    decimal : {".", ","} or dict of str to these, optional
        The decimal mark of numbers that are text, for all columns or by attribute. The other mark, blanks and
        apostrophes then separate thousands, and numbers may have a sign of currency, a per cent sign (12% is 0.12)
        or an order of magnitude (50k is 50,000).
    date_format : str or dict of str to str, optional
        How dates are written that are not in ISO 8601, such as ``"%d.%m.%Y"``, for all columns or by attribute.
    duplicates : {"refuse", "first", "last"}, default="refuse"
        What to do with a customer whose rows differ: refuse all of them, or keep the first or last in the
        source's order. One of equal rows is always kept.
    preset : str, optional
        Name of the export, such as ``"hubspot_contacts"``, whose columns are then read under their basis.
        Columns named in the other arguments take precedence.
    table : str, optional
        Sheet of a workbook, or table of a database.
    sep, encoding : str, optional
        How a CSV file is written, as in :func:`read_events`.

    Returns
    -------
    Attributes
        Rows that cannot be used are in ``.refused``, and single values in ``.blanked``, with the reasons.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If a named column does not exist or cannot be read as its type, no column is named, or no row can be
        used.
    TypeError
        If the source has a type that cannot be read.

    Notes
    -----
    Words become categories, without surrounding blanks. A column of text becomes numbers if all of its values
    are numbers; a few words among many numbers are an error, since only you know the right type. So are columns of
    which 95 % look like other numbers, money, shares or dates ("$20,000", "12%", "01.03.2024"), unless `decimal` or
    `date_format` says how to read them. Codes stay
    words: whole numbers of a geographic column (postcodes), and text such as "01234". True and false become 1
    and 0. ISO 8601 dates become days before `as_of`. "NaN", "NULL" and "N/A" are missing; "None" is a word,
    since it may be an answer.

    A scale is the mean of the answered items, with reversed ones recoded; it is missing if fewer than half of
    them are answered (see :class:`Scale`). Cronbach's alpha [1]_ with Feldt's interval [2]_ measures the
    consistency of its items; for yes/no items it is KR-20. It grows with the number of items, and a high alpha
    does not prove that they measure a single thing [3]_.

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
    opened = open_source(source, table=table, csv=CsvOptions(sep, encoding))
    by_basis = dict(zip(BASES, (demographic, geographic, psychographic, behavioural), strict=True))
    selection = select_columns(opened, customer_id, by_basis, regions, scales, preset)
    types, ordered = add_frame_types(source, selection, types, ordered)
    check_types(selection, types, ordered)
    if duplicates not in ("refuse", "first", "last"):
        raise ValueError(f"duplicates={duplicates!r} is not one of 'refuse', 'first', 'last'. Choose one.")
    moment = None if as_of is None else read_moment(as_of)
    ids, why_no_id, raws = fetch(opened, selection)
    used, refused = one_row_per_customer(opened, ids, why_no_id, raws, duplicates)
    raws = {name: keep_rows(raw, used) for name, raw in raws.items()}
    decimals = check_written("decimal", decimal, "'.' or ','", selection.columns)
    formats = check_written("date_format", date_format, "a format such as '%d.%m.%Y'", selection.columns)
    written = {
        name: raws[column]
        if name in ordered
        else as_written(name, raws[column], basis, types.get(name), decimals.get(name), formats.get(name))
        for name, (basis, column) in selection.columns.items()
    }
    columns = _read_columns(selection, written, raws, types, ordered, moment)
    scores = survey_scores(selection.scales, raws)
    return _assemble(opened, selection, ids[used], columns, scores, refused, moment)


def _read_columns(
    selection: Selection,
    written: Mapping[str, Raw],
    raws: Mapping[str, Raw],
    types: Mapping[str, str],
    ordered: Mapping[str, Iterable],
    as_of: pd.Timestamp | None,
) -> dict[str, Column]:
    """Read the named columns and the regions."""
    read = {
        name: read_column(name, written[name], basis, types.get(name), ordered.get(name), as_of)
        for name, (basis, _) in selection.columns.items()
    }
    for name, region in selection.regions.items():
        raw = raws[region.column]
        values, blanks = map_regions(raw.known_words, region)
        read[name] = Column(values, "category", f"Region of {region.column} of {raw.source}.", tuple(blanks))
    return read


def _assemble(
    source: Source,
    selection: Selection,
    ids: pd.Series,
    columns: Mapping[str, Column],
    scores: SurveyScores,
    refused: pd.DataFrame,
    as_of: pd.Timestamp | None,
) -> Attributes:
    """Return the attributes, columns ordered by basis and customers by id."""
    facts = {}
    for name, column in columns.items():
        basis = "geographic" if name in selection.regions else selection.columns[name][0]
        facts[name] = (basis, column.unit, source.name, column.meaning)
    for name, scale in selection.scales.items():
        unit = f"{scale.low:g} to {scale.high:g}"
        facts[name] = (scale.basis, unit, source.name, scores.meanings[name])
    order = sorted(facts, key=lambda name: BASES.index(facts[name][0]))
    values = {name: column.values for name, column in columns.items()} | scores.scores
    index = pd.Index(ids.to_numpy(), name="customer_id", dtype="str")
    table = pd.DataFrame({name: values[name].set_axis(index) for name in order}, index=index).sort_index()
    about = pd.DataFrame(
        [facts[name] for name in order],
        columns=["basis", "unit", "source", "meaning"],
        index=pd.Index(order, name="attribute", dtype="str"),
        dtype="str",
    )
    blanks = [blank for column in columns.values() for blank in column.blanks] + scores.blanks
    used = {selection.customer_id, *selection.needed}
    untagged = tuple(column for column in source.table.columns if column not in used)
    return Attributes(
        table,
        about,
        refused,
        _blanks_table(blanks),
        scores.scales,
        scores.items,
        untagged,
        (source.name,),
        as_of,
    )


def _blanks_table(blanks: Sequence[Blank]) -> pd.DataFrame:
    different = dict.fromkeys((b.column, b.reason, b.count, b.example) for b in blanks)
    columns = {"column": "str", "reason": "str", "count": "int64", "example": "str"}
    return pd.DataFrame(list(different), columns=list(columns)).astype(columns)
