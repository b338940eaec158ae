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
from segkit.core.messages import choose_from, listed
from segkit.tailor.audiences.audience import Audience
from segkit.tailor.audiences.audience_formats import AudienceFormat, format_named
from segkit.tailor.audiences.audience_sheet import audience_sheet
from segkit.tailor.audiences.contacts import by_value

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
    sheet = audience_sheet(audience, to=to, country_code=country_code)
    files, rows = {}, []
    for suffix, inside in sheet.groups.items():
        body = sheet.cells[sheet.kept & inside]
        if not len(body):
            continue
        named = path.with_name(f"{path.stem}{suffix}{path.suffix}")
        parts = (
            [(_script(body, sheet.headers, path.stem, dialect), body)]
            if to == "sql"
            else _parts(body, sheet.headers, form)
        )
        for i, (content, part) in enumerate(parts, 1):
            file = named if len(parts) == 1 else named.with_name(f"{named.stem}_{i}{named.suffix}")
            by = ", ".join(
                f"{what} {n:,}"
                for what, where in sheet.matched.items()
                if (n := int(where[part.index].sum()))
            )
            files[file] = content
            rows.append([str(file), len(part), by, 0, hashlib.sha256(content).hexdigest()])
    rows[0][3] = int((~sheet.kept).sum())
    write_files(files)
    _warn_of_few_and_old(files, path, rows, form)
    table = pd.DataFrame(rows, columns=["file", "rows", "matched_by", "refused", "sha256"])
    table.attrs["segkit"] = {
        **audience.provenance,
        "to": to,
        "country_code": country_code,
        "refused": sheet.refused.to_dict("records"),
        "left_empty_or_changed": sheet.changed.to_dict("records"),
        "note": form.note,
    }
    return table


def _path_of(path: Path, suffix: str) -> Path:
    """Return the path with its ending, in a folder that exists."""
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder. Name the file to write in it, such as spring.{suffix}.")
    if path.suffix.lower() not in ("", f".{suffix}"):
        raise ValueError(
            f"The file is {suffix.upper()}, and {path.name!r} ends in {path.suffix!r}. Name it "
            f"{path.stem.removesuffix(f'.{suffix}')}.{suffix}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name} into. Make it, or name another."
        )
    return path if path.suffix else path.with_name(f"{path.name}.{suffix}")


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
