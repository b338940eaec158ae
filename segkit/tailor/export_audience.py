"""Write an audience as the file that an e-mail tool, an ads tool, a CRM or a database reads."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from segkit.core.checks import check_type, checked_path
from segkit.core.files import write_files
from segkit.core.messages import choose_from, counted, joined, listed
from segkit.tailor.audience import Audience
from segkit.tailor.audience_formats import AudienceFormat, Field, format_named
from segkit.tailor.contact_rules import RULES, e164, shortened
from segkit.tailor.contacts import (
    CONTACTS,
    HASH,
    ROLE,
    Refusals,
    by_value,
    is_hash,
    masked,
    reasons,
    sha256,
    where_matches,
)

FORMULA = "[=+\\-@＝＋－＠]"
NUMBER = r"[+-]?[0-9]+([.][0-9]+)?"
NOT_TEXT = ("email", "phone", "date_of_birth")  # whose values were checked, so that none is a formula
IDS = ("customer_id", "external_id", "external_id_or_customer_id")
ADDRESS_LACKS = "address without all of name, country and zip"
PHONES = ("phone", "phone_digits")
ROWS_AN_INSERT = 500


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


DIALECTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "duckdb": ("VARCHAR", _quoted),
    "postgres": ("TEXT", _quoted),
    "snowflake": ("VARCHAR", _escaped),
    "bigquery": ("STRING", _escaped),
}
"""For each database, the type of text and how a text is written."""


def export_audience(
    audience: Audience, path: str | Path, *, to: str, country_code: str | None = None, dialect: str = "duckdb"
) -> pd.DataFrame:
    """Write an audience as the file that a tool imports.

    Parameters
    ----------
    audience : Audience
    path : str or Path
        The file; its folder must exist. Several files are numbered: `spring_1.csv`, `spring_2.csv`.
    to : {"csv", "google_ads", "meta", "klaviyo", "mailchimp", "hubspot", "salesforce", "sql"}
        The tool; :func:`segkit.audience_formats` lists columns, limits, and the pages that document them.
    country_code : str, optional
        Two letters: the country of phones and addresses without one.
    dialect : {"duckdb", "postgres", "snowflake", "bigquery"}, default="duckdb"
        Of SQL: a script that makes the table `audience_` and the name of the file.

    Returns
    -------
    DataFrame
        For each file: `file`, `rows`, `matched_by` (how many rows have an e-mail, a phone, an address), `refused` (in
        the first row), `sha256`. ``attrs["segkit"]`` says for which reasons rows were refused and values left empty.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be; nobody is left; the consent names other purposes than `to` needs.
    ImportError
        If phones must be written with their country and `phonenumbers` is missing (``pip install 'segkit[ads]'``).

    Warns
    -----
    UserWarning
        If there are fewer people than the tool wants, or files of an earlier export that were not replaced.

    Notes
    -----
    Files for ads hold SHA-256 of contacts, no ids and no segments. In other files a ``'`` stands before text that a
    spreadsheet would take for a formula. For Google Ads, customers who agreed to `ad_user_data` only, and not to
    `ad_personalization`, are in a file of their own.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> labels = pd.Series({"a": "Regulars", "b": "Regulars"})
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "email": ["Ann@example.com", "info@example.com"]})
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> written = sg.export_audience(sg.audience(labels, people), f"{folder}/spring.csv", to="google_ads")
    >>> written[["rows", "matched_by", "refused"]]
       rows matched_by  refused
    0     1    email 1        1
    >>> written.attrs["segkit"]["refused"]
    [{'reason': 'address of a role', 'rows': 1, 'example': 'i***@e***.com'}]
    """
    check_type(
        "audience", audience, Audience, "It should be an Audience, as from audience(result, contacts, …)."
    )
    path = checked_path(path, "It should be the file to write, such as 'spring.csv'.")
    form = format_named(to)
    if dialect not in DIALECTS:
        raise ValueError(f"dialect={dialect!r} is not known.{choose_from(dialect, DIALECTS)}")
    path = _path_of(path, "sql" if to == "sql" else "csv")
    refusals = Refusals(audience.table)
    groups = _groups(audience, form, refusals)
    unusable = Unusable(len(audience.table))
    sources = _sources(audience, form, _country_code(country_code), unusable)
    sheet, headers, filled = _sheet(sources, form, unusable)
    matched = _matched(form, filled, len(sheet))
    unusable.refuse(refusals, ~np.any(list(matched.values()), axis=0), f"no {' or '.join(matched)}")
    if not refusals.kept.any():
        raise ValueError(
            f"Nobody of the {counted(len(sheet), 'customer')} is left for {to}: "
            f"{listed(refusals.counts) or 'the audience is empty'}. Nothing was written."
        )
    files, rows = {}, []
    for suffix, inside in groups.items():
        body = sheet[refusals.kept & inside]
        if not len(body):
            continue
        named = path.with_name(f"{path.stem}{suffix}{path.suffix}")
        parts = (
            [(_script(body, headers, path.stem, dialect), body)]
            if to == "sql"
            else _parts(body, headers, form)
        )
        for i, (content, part) in enumerate(parts, 1):
            file = named if len(parts) == 1 else named.with_name(f"{named.stem}_{i}{named.suffix}")
            by = ", ".join(
                f"{what} {n:,}" for what, where in matched.items() if (n := int(where[part.index].sum()))
            )
            files[file] = content
            rows.append([str(file), len(part), by, 0, hashlib.sha256(content).hexdigest()])
    rows[0][3] = int((~refusals.kept).sum())
    write_files(files)
    _warn_of_few_and_old(files, path, rows, form)
    table = pd.DataFrame(rows, columns=["file", "rows", "matched_by", "refused", "sha256"])
    table.attrs["segkit"] = {
        **audience.provenance,
        "to": to,
        "country_code": country_code,
        "refused": reasons(refusals.counts).to_dict("records"),
        "left_empty_or_changed": unusable.counts(refusals.kept).to_dict("records"),
        "note": form.note,
    }
    return table


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


def _path_of(path: Path, suffix: str) -> Path:
    """Return the path with its ending, in a folder that exists."""
    if path.suffix.lower() not in ("", f".{suffix}"):
        raise ValueError(
            f"The file is {suffix.upper()}, and {path.name!r} ends in {path.suffix!r}. Name it {path.stem}.{suffix}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name} into. Make it, or name another."
        )
    return path if path.suffix else path.with_name(f"{path.name}.{suffix}")


def _country_code(country_code: object) -> str | None:
    if country_code is None:
        return None
    if not isinstance(country_code, str) or not re.fullmatch("[A-Za-z]{2}", country_code):
        raise ValueError(f"country_code={country_code!r} should be two letters, such as 'US' or 'DE'.")
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
) -> tuple[pd.DataFrame, list[str], dict[str, np.ndarray]]:
    """Return the columns of the file, their headers, and which rows have which contact."""
    own = [Field(c, c) for c in sources.columns if c != "external_id_or_customer_id"]
    columns, headers = [], []
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
    sheet = pd.concat(columns, axis=1, keys=range(len(columns)))
    together = [i for i, header in enumerate(headers) if header in form.together]
    if together:
        some, whole = sheet[together].notna().any(axis=1), sheet[together].notna().all(axis=1)
        unusable.add(ADDRESS_LACKS, some & ~whole, sources["customer_id"])
        sheet[together] = sheet[together].where(whole)
    return sheet, headers, filled


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


def _parts(body: pd.DataFrame, headers: list[str], form: AudienceFormat) -> list[tuple[bytes, pd.DataFrame]]:
    """Return CSV files within the limits of a tool, and the rows of each."""
    content = _csv(body, headers)
    parts = max(
        math.ceil(len(body) / form.most_rows) if form.most_rows else 1,
        math.ceil(len(content) / form.most_bytes) if form.most_bytes else 1,
    )
    if parts == 1 or len(body) == 1:
        return [(content, body)]
    edges = np.linspace(0, len(body), min(parts, len(body)) + 1).astype(int)
    pieces = [body.iloc[i:j] for i, j in itertools.pairwise(edges)]
    return [part for piece in pieces for part in _parts(piece, headers, form)]


def _csv(body: pd.DataFrame, headers: list[str]) -> bytes:
    """Return a CSV file in UTF-8; a missing value is an empty cell."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(headers)
    out = pa.BufferOutputStream()
    out.write(line.getvalue().encode())
    names = [f"c{i}" for i in range(len(headers))]
    table = pa.table([pa.array(body[i], from_pandas=True) for i in body], names=names)
    arrow_csv.write_csv(table, out, arrow_csv.WriteOptions(include_header=False))
    return out.getvalue().to_pybytes()


def _script(body: pd.DataFrame, headers: list[str], stem: str, dialect: str) -> bytes:
    """Return SQL that makes a table and fills it."""
    text, quote = DIALECTS[dialect]
    plain = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_").lower()
    name = plain if plain.startswith("audience") else f"audience_{plain}".rstrip("_")
    columns, kinds = [], []
    for i, header in enumerate(headers):
        if body[i].dtype == bool:
            kinds.append(f"{header} BOOLEAN")
            columns.append(["TRUE" if value else "FALSE" for value in body[i]])
        else:
            kinds.append(f"{header} {text}")
            columns.append(by_value(body[i].astype("str"), quote).fillna("NULL").to_list())
    rows = [f"({', '.join(row)})" for row in zip(*columns, strict=True)]
    into = f"INSERT INTO {name} ({', '.join(headers)}) VALUES\n"
    blocks = [
        into + ",\n".join(rows[i : i + ROWS_AN_INSERT]) + ";\n" for i in range(0, len(rows), ROWS_AN_INSERT)
    ]
    return "".join([f"CREATE TABLE {name} ({', '.join(kinds)});\n", *blocks]).encode()


def _warn_of_few_and_old(
    files: dict[Path, bytes], path: Path, rows: list[list[Any]], form: AudienceFormat
) -> None:
    people = sum(row[1] for row in rows)
    if people < form.fewest:
        warnings.warn(
            f"{form.title} should hold {form.fewest} people or more; these are {people}.", stacklevel=3
        )
    part = re.compile(
        rf"{re.escape(path.stem)}(_{form.split_by or '!'}_(granted|denied))?(_\d+)?{re.escape(path.suffix)}"
    )
    old = sorted(p.name for p in path.parent.iterdir() if part.fullmatch(p.name) and p not in files)
    if old:
        warnings.warn(
            f"Files of an earlier export are still there: {listed(old, 5)}. Their people may not be in this one; "
            "delete them unless you need them.",
            stacklevel=3,
        )
