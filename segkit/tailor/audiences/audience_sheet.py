"""Turn an audience into the columns that a tool wants: its purposes, values as it reads them, no formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.messages import counted, joined, listed
from segkit.tailor.audiences.audience import Audience
from segkit.tailor.audiences.audience_formats import AudienceFormat, Field, format_named
from segkit.tailor.audiences.contact_rules import RULES, e164, shortened
from segkit.tailor.audiences.contacts import (
    CONTACTS,
    HASH,
    ROLE,
    Refusals,
    by_value,
    is_hash,
    masked,
    reasons,
    sha256,
    shown,
    where_matches,
)

FORMULA = "[=+\\-@＝＋－＠]"
NUMBER = r"[+-]?[0-9]+([.][0-9]+)?"
NOT_TEXT = ("email", "phone", "date_of_birth")  # whose values were checked, so that none is a formula
IDS = ("customer_id", "external_id", "external_id_or_customer_id")
ADDRESS_LACKS = "address without all of name, country and zip"
PHONES = ("phone", "phone_digits")


@dataclass(frozen=True, eq=False)
class AudienceSheet:
    """What a tool gets of an audience, before any file is written.

    Attributes
    ----------
    cells : DataFrame
        A row for each customer of the audience, as the tool wants it; columns are numbered.
    headers, sources : list of str
        The header of each column, and the column of the audience that it is written from; "" for none.
    kept : ndarray of bool
        Which rows are not refused.
    groups : dict of str to ndarray of bool
        Which rows come into which file, by what is added to its name.
    matched : dict of str to ndarray of bool
        Which rows the tool can match, by what.
    refused, changed : DataFrame
        Rows that were refused, and values left empty or changed in the others: `reason`, `rows`, `example`.
    """

    cells: pd.DataFrame
    headers: list[str]
    sources: list[str]
    kept: np.ndarray
    groups: dict[str, np.ndarray]
    matched: dict[str, np.ndarray]
    refused: pd.DataFrame
    changed: pd.DataFrame


def audience_sheet(audience: Audience, *, to: str, country_code: str | None = None) -> AudienceSheet:
    """Return what :func:`export_audience` would write, without writing it.

    Parameters
    ----------
    audience, to, country_code
        As in :func:`export_audience`.

    Raises
    ------
    ValueError, ImportError
        As in :func:`export_audience`.
    """
    form = format_named(to)
    refusals, unusable = Refusals(audience.table), Unusable(len(audience.table))
    groups = _groups(audience, form, refusals)
    values = _sources(audience, form, _country_code(country_code), unusable)
    cells, headers, sources, filled = _sheet(values, form, unusable)
    matched = _matched(form, filled, len(cells))
    unusable.refuse(refusals, ~np.any(list(matched.values()), axis=0), f"no {' or '.join(matched)}")
    if not len(cells):
        raise ValueError("The audience is empty: audience.refused says why. Nothing was written.")
    if not refusals.kept.any():
        raise ValueError(
            f"Nobody of the {counted(len(cells), 'customer')} is left for {to}: {listed(refusals.counts)}. "
            "Nothing was written."
        )
    refused, changed = reasons(refusals.counts), unusable.counts(refusals.kept)
    return AudienceSheet(cells, headers, sources, refusals.kept, groups, matched, refused, changed)


class Unusable:
    """Which values of which rows could not be used, by reason."""

    def __init__(self, n: int):
        self.n = n
        self.where: dict[str, np.ndarray] = {}
        self.values: dict[str, pd.Series] = {}
        self.changed: set[str] = set()

    def add(self, reason: str, where: Any, values: pd.Series, changed: bool = False) -> None:
        """Remember values that could not be used, or not as they were."""
        where = np.asarray(where, dtype=bool)
        self.changed |= {reason} if changed else set()
        if where.any():
            self.where[reason] = self.where.get(reason, np.zeros(self.n, dtype=bool)) | where
            self.values.setdefault(reason, values)

    def refuse(self, refusals: Refusals, unmatched: np.ndarray, otherwise: str) -> None:
        """Refuse rows that nothing is left of, for the reason why."""
        for reason, where in self.where.items():
            if reason not in self.changed:
                refusals.refuse(unmatched & where, reason)
        refusals.refuse(unmatched, otherwise)

    def counts(self, kept: np.ndarray) -> pd.DataFrame:
        """Return how many values were left empty or changed, with a masked example."""
        left = {reason: where & kept for reason, where in self.where.items()}
        return reasons(
            {r: (int(w.sum()), masked(self.values[r].iloc[int(w.argmax())])) for r, w in left.items()}
        )


def _country_code(country_code: object) -> str | None:
    if country_code is None:
        return None
    if not isinstance(country_code, str) or not re.fullmatch("[A-Za-z]{2}", country_code):
        raise ValueError(f"country_code={shown(country_code)} should be two letters, such as 'US' or 'DE'.")
    return country_code.upper()


def _groups(audience: Audience, form: AudienceFormat, refusals: Refusals) -> dict[str, np.ndarray]:
    """Refuse who did not agree to the purposes of a format, and return who comes into which file."""
    everybody = {"": np.ones(len(audience.table), dtype=bool)}
    purposes = audience.consent
    if purposes is None or list(purposes.columns) == ["consent"] or not form.purposes:
        return everybody
    if not any(purpose in purposes for purpose in form.purposes):
        raise ValueError(
            f"consent says nothing of {joined(form.purposes)}, which {form.name} needs; it has "
            f"{listed(purposes.columns, 8)}. Add a column to consent, and make the audience again."
        )
    for purpose in form.purposes:
        agreed = purposes[purpose] if purpose in purposes else pd.Series(False, index=purposes.index)
        refusals.refuse(~agreed, f"no consent to {purpose}")
    if not form.split_by:
        return everybody
    granted = purposes[form.split_by].to_numpy() if form.split_by in purposes else ~everybody[""]
    return {f"_{form.split_by}_granted": granted, f"_{form.split_by}_denied": ~granted}


def _sources(
    audience: Audience, form: AudienceFormat, country: str | None, unusable: Unusable
) -> pd.DataFrame:
    """Return the columns of an audience without what this tool cannot use."""
    table = audience.table.copy(deep=False)
    if not form.fields and audience.consent is not None:
        for purpose in audience.consent.columns:
            name = re.sub(r"\W+", "_", str(purpose))
            table["consent" if name == "consent" else f"consent_{name}"] = audience.consent[
                purpose
            ].to_numpy()
    table["external_id_or_customer_id"] = table.get("external_id", table["customer_id"]).fillna(
        table["customer_id"]
    )
    for column in [c for c in CONTACTS if c in table]:
        hashed = where_matches(table[column], HASH)
        if hashed.any() and not form.takes_hashes:
            unusable.add(f"{column} came as a hash", hashed, table[column])
            table[column] = table[column].mask(hashed)
    if form.is_ads and "email" in table:
        role = where_matches(table["email"], ROLE)
        unusable.add("address of a role", role, table["email"])
        table["email"] = table["email"].mask(role)
    if "phone" in table and any(field.write in PHONES for field in form.fields):
        phones, hashed = table["phone"], where_matches(table["phone"], HASH)
        numbers, why = e164(phones.mask(hashed), table.get("country"), country)
        for reason in why.dropna().unique():
            unusable.add(reason, why == reason, phones)
        table["phone"] = numbers.mask(hashed, phones)
    if form.is_ads and country:
        given = table.get("country", pd.Series(np.nan, index=table.index, dtype="str"))
        table["country"] = given.fillna(country)
    return table


def _sheet(
    sources: pd.DataFrame, form: AudienceFormat, unusable: Unusable
) -> tuple[pd.DataFrame, list[str], list[str], dict[str, np.ndarray]]:
    """Return the columns of the file, their headers and sources, and which rows have which contact."""
    own = [Field(c, c) for c in sources.columns if c != "external_id_or_customer_id"]
    columns, headers, used = [], [], []
    filled: dict[str, np.ndarray] = {}
    for field in form.fields or own:
        if field.source and field.source not in sources and not form.always:
            continue
        values = _written(sources, field, unusable)
        if field.header in form.unique:
            again = values.notna() & values.str.casefold().duplicated()
            unusable.add(f"{field.header} of an earlier customer", again, sources[field.source])
            values = values.mask(again)
        is_text = field.source not in ("", *NOT_TEXT) and values.dtype != bool
        if is_text and not form.is_ads and form.name != "sql":
            values = _guarded(values, field.source, unusable)
        if is_text and form.text_bytes:
            short, long = shortened(values, form.text_bytes)
            unusable.add(f"{field.source} shortened to {form.text_bytes} bytes", long, values, changed=True)
            values = short
        if field.extra and values.isna().all():
            continue
        filled.setdefault(field.source, values.notna().to_numpy())
        columns.append(values)
        headers.append(field.header)
        used.append(field.source)
    sheet = pd.concat(columns, axis=1, keys=range(len(columns)))
    together = [i for i, header in enumerate(headers) if header in form.together]
    if together:
        some, whole = sheet[together].notna().any(axis=1), sheet[together].notna().all(axis=1)
        unusable.add(ADDRESS_LACKS, some & ~whole, sources["customer_id"])
        sheet[together] = sheet[together].where(whole)
    return sheet, headers, used, filled


def _written(sources: pd.DataFrame, field: Field, unusable: Unusable) -> pd.Series:
    """Return the values of one column as the tool wants them, hashed if it wants so."""
    if not field.source:
        return pd.Series(field.write, index=sources.index, dtype="str")
    if field.source not in sources:
        return pd.Series(np.nan, index=sources.index, dtype="str")
    values = sources[field.source]
    if field.write == "text" or (field.write == "phone" and not field.hashed):
        return values
    rule, why = RULES[field.write]

    def write(value: str) -> str | None:
        if field.hashed and is_hash(value):
            return "" if field.extra else value.lower()
        text = rule(value)
        return sha256(text) if text and field.hashed else text

    found = by_value(values, write)
    unusable.add(why, values.notna() & found.isna(), values)
    return found.mask(found == "")


def _guarded(values: pd.Series, source: str, unusable: Unusable) -> pd.Series:
    """Return texts that no spreadsheet takes for a formula; ids that are numbers stay."""
    texts = values.astype("str")
    formula = texts.str.match(FORMULA, na=False)
    if source in IDS:
        formula &= ~texts.str.fullmatch(NUMBER, na=False)
    unusable.add(f"{source} would be a formula: ' put before it", formula, values, changed=True)
    return values.where(~formula, "'" + texts) if formula.any() else values


def _matched(form: AudienceFormat, filled: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """Return which rows the tool can match, by what."""
    found = {}
    for needed in form.needs or (("customer_id",),):
        name = "address" if len(needed) > 1 else needed[0].replace("_or_customer_id", "")
        found[name] = np.all([filled.get(column, np.zeros(n, dtype=bool)) for column in needed], axis=0)
    return found
