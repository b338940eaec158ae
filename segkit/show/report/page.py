"""Write the facts as one HTML page, without scripts, which loads nothing."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from segkit.core.html import html_table, render
from segkit.show.report.facts import Facts
from segkit.show.report.sentences import percent

FOLDER = Path(__file__).parent  # of the template and its style


def page(facts: Facts, *, paper: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    facts : Facts
    paper : str, optional
        Size of the sheets it is printed on, such as "A4"; the printer's own by default.
    """
    return render(
        (FOLDER / "report.html").read_text(encoding="utf-8"),
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        facts=facts,
        paper=paper,
        table=lambda head, rows, text: html_table(head, rows, text=text),
        percent=percent,
    )
