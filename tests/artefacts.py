"""Look through what leaves: tables, pages, charts and the state of widgets, for counts of few and for contacts."""

import json
import re
from html.parser import HTMLParser

import pandas as pd

COUNTS = re.compile(r"(n_)?(customers|buyers|people|households)", re.IGNORECASE)
IN_WORDS = re.compile(r"(?<![\d.,–-])([1-9])\s(?:customers?|households?|people|buyers?)\b")
OF_THE_GATE = re.compile(r"fewer than \d+ customers|\d+ customers or more|\d+ customers? erased")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
LEAST = 10


def few_in(what):
    """Counts below 10 in a table, a chart, the state of a widget, or a page, each with where it stands."""
    if hasattr(what, "to_dict") and not isinstance(what, pd.DataFrame):
        what = what.to_dict()
    if isinstance(what, pd.DataFrame):
        return [
            f"{column}={value}"
            for column in what
            for value in what[column]
            if COUNTS.fullmatch(str(column)) and few(value)
        ]
    if isinstance(what, str):
        return few_in_page(what)
    if isinstance(what, dict):
        own = [f"{k}={v}" for k, v in what.items() if (COUNTS.fullmatch(str(k)) or is_size(k, v)) and few(v)]
        return own + [found for v in what.values() for found in few_in(v)]
    return [found for part in what for found in few_in(part)] if isinstance(what, (list, tuple)) else []


def is_size(name, value):
    """A size in words, "20 (33%)"; numbers are those of marks."""
    return name == "size" and isinstance(value, str)


def few(value):
    if isinstance(value, str):
        plain = re.match(r"([\d,]+)(?: \(|$)", value)
        value = float(plain[1].replace(",", "")) if plain and plain[1].strip(",") else 0
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < LEAST


def few_in_page(text):
    """In words, and in tables of a page."""
    if text[:1] in "{[":
        try:
            return few_in(json.loads(text))
        except ValueError:
            pass
    found = [m[0] for m in IN_WORDS.finditer(OF_THE_GATE.sub("", text))]
    if "<table" in text:
        reader = Tables()
        reader.feed(text)
        for head, *rows in (rows for rows in reader.tables if rows):
            for row in rows:
                found += few_in(dict(zip(head, row, strict=False)))
    return found


class Tables(HTMLParser):
    """The cells of all tables of a page."""

    def __init__(self):
        super().__init__()
        self.tables, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        self.inside = tag in ("td", "th") and bool(self.tables and self.tables[-1])
        if self.inside:
            self.tables[-1][-1].append("")

    def handle_data(self, data):
        if self.inside:
            self.tables[-1][-1][-1] += data.strip()

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")


def contacts_in(what):
    """E-mail addresses in anything that was written."""
    return EMAIL.findall(what if isinstance(what, str) else json.dumps(what, default=str))


def outputs_of(notebook):
    """Everything that a notebook shows: texts, tables, charts and the state of its widgets."""
    shown = [notebook.metadata.get("widgets", {})]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown += [output.get("text", ""), *output.get("data", {}).values()]
    return shown
