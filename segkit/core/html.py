"""Render HTML with jinja2: every value is escaped, and without e-mail addresses; one function for tables."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from segkit.core.disclosure import without_contacts

_TABLE = """
<table>
{%- if head %}<thead><tr>
{%- for cell in head %}<th{% if loop.index0 in text %} style="text-align:left"{% endif %}>{{ cell }}</th>{% endfor -%}
</tr></thead>{% endif -%}
<tbody>
{%- for row in rows %}<tr>
{%- for cell in row %}<td{% if loop.index0 in text %} style="text-align:left"{% endif %}>{{ cell }}</td>{% endfor -%}
</tr>{% endfor -%}
</tbody></table>
"""


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=_finalized)


def _finalized(value: object) -> object:
    """Return a value without e-mail addresses and phone numbers; HTML went through here already."""
    return without_contacts(value) if type(value) is str else value


@functools.cache
def _template(source: str) -> jinja2.Template:
    return _environment().from_string(source.strip())


def render(source: str, **values: Any) -> Markup:
    """Return a template filled with values, each of them escaped unless it is HTML already.

    Parameters
    ----------
    source : str
        A jinja2 template.
    **values
        What the template names.

    Returns
    -------
    Markup
        Text that further templates do not escape again.

    Examples
    --------
    >>> str(render("<b>{{ name }}</b>", name="R&D"))
    '<b>R&amp;D</b>'
    """
    return Markup(_template(source).render(values))


def html_table(
    head: Sequence[object], rows: Iterable[Sequence[object]], *, text: Sequence[int] = (0,)
) -> Markup:
    """Return a table in HTML.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns; empty for none.
    rows : iterable of sequences
        The cells, escaped.
    text : sequence of int, default=(0,)
        Places of the columns that hold words, aligned to the left; numbers are aligned to the right.

    Returns
    -------
    Markup

    Examples
    --------
    >>> html_table(["Name", "Size"], [["A < B", 3]]).count("&lt;")
    1
    """
    return render(_TABLE, head=list(head), rows=[list(row) for row in rows], text=set(text))
