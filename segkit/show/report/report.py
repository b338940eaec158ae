"""Write the report: who the segments are, what they look like, the proof, and a data sheet, a page each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from segkit.analyse.prepare import make_preparer
from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count, check_frame, check_type, checked_path
from segkit.core.files import write_file
from segkit.create.segmentation import Segmentation
from segkit.methods.fitting import METHODS
from segkit.methods.partition import check_segments, checked_result
from segkit.privacy.data_sheet import DataSheet
from segkit.show.report.cards import value_title, worth_of
from segkit.show.report.gather import gather
from segkit.show.report.markdown import markdown
from segkit.show.report.page import page
from segkit.show.report.pdf import find_browser, print_pdf
from segkit.show.report.proof import are_tiers, scanned_as
from segkit.show.report.sentences import day
from segkit.tailor.plays.segment_worth import worth_by_segment
from segkit.trust.scan import scan_clusters

SUFFIXES = {"": "html", ".html": "html", ".htm": "html", ".md": "md", ".pdf": "pdf"}
PAPERS = ("A4", "letter")


def report(
    result: Segmentation,
    path: str | Path,
    *,
    events: Events | None = None,
    value: str | pd.Series | pd.DataFrame | None = None,
    playbook: pd.DataFrame | None = None,
    products: Mapping[str, str] | None = None,
    scan: pd.DataFrame | None = None,
    title: str | None = None,
    minimum: int = 10,
    show_ids: bool = False,
    paper: str = "A4",
    sheet: DataSheet | None = None,
) -> Path:
    """Write a report of the segments into one file.

    Page one is for who decides: who was looked at, how far to trust the segments, and a card for each. Page two shows
    what they look like, buy, and did next. Page three has the evidence, rules, features and the code of every
    figure. The last is a data sheet: what for and what not, and what the segments give away.

    Parameters
    ----------
    result : Segmentation
        Unnamed segments get the names of :func:`segkit.suggest_names`, marked by a star. Drawn on the map of
        :func:`segkit.project` if it has no embedding.
    path : str or Path
        The file to write. Its suffix says the format: `.html`; `.md` (text and tables); `.pdf`, printed by Chromium.
    events : Events, optional
        The log. With it the report says what was looked at from when to when, what each segment buys, and what it did
        in the last period.
    value : str, Series or DataFrame, optional
        What each customer is worth: a feature, or a Series by customer id. By default `monetary`, or what they paid. Or
        the table of :func:`segkit.segment_value`: what each segment will bring, with its interval.
    playbook : DataFrame, optional
        What to do: the table of :func:`segkit.playbook`, or a row for each segment, by its id or its name in `segment`,
        with any of `goal`, `strategy`, `offer`, `channel`, `cadence`, `service_level`, `avoid`, `why`, `measure`.
    products : mapping of str to str, optional
        Names of products by their ids. With it the report says which products each segment likes; without it, which
        categories, where the events have them.
    scan : DataFrame, optional
        From :func:`segkit.scan_clusters`; computed for 2 to 10 segments by default, except for value bands.
    title : str, optional
        "Customer segments" by default.
    minimum : int, default=10
        Segments of fewer customers are named and not described, and products need as many buyers. 1 shows everything.
    show_ids : bool, default=False
        Whether to name typical customers. Share such a report only with people who may see their ids.
    paper : {"A4", "letter"}, default="A4"
        Of a PDF.
    sheet : DataSheet, optional
        The last page, from :func:`segkit.data_sheet`; written by default. One of your own can
        say what was audited and spent.

    Returns
    -------
    Path
        The file. It holds no script and no customer id, and loads nothing.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If there is no segment to report, or the path ends in another suffix.
    RuntimeError
        If there is no Chromium for a PDF.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 2] * 10 + [30] * 20}, index=[f"c{i:02}" for i in range(60)])
    >>> result = sg.segment(customers, n_segments=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = sg.report(result, Path(folder) / "segments.md").read_text()
    >>> text.splitlines()[2].split(".")[0]
    'We looked at 60 customers'
    """
    checked_result(result)
    check_segments(result, "a report describes segments")
    path = checked_report_path(path)
    if title is not None:
        check_type("title", title, str, "It should be a text.")
    check_count("minimum", minimum, 1)
    if events is not None:
        checked_events(events)
        as_of = result.provenance.get("as_of")
        if as_of and pd.Timestamp(as_of) <= events.first:
            raise ValueError(
                f"The events begin on {day(events.first)}, after the moment of the segments, {day(as_of)}. Pass the "
                "log that the segments were made from."
            )
    if playbook is not None:
        check_frame("playbook", playbook, "It should be a table with a row for each segment.")
    if products is not None:
        check_type("products", products, Mapping, "It should be a mapping of product ids to names.")
    if sheet is not None:
        check_type("sheet", sheet, DataSheet, "It should come from sg.data_sheet(result, …).")
    if paper not in PAPERS:
        raise ValueError(f"paper={paper!r} is not known. Say 'A4' or 'letter'.")
    form = SUFFIXES[path.suffix.lower()]
    browser = find_browser() if form == "pdf" else ""  # before the long work
    forecast = worth_by_segment(result, value) if isinstance(value, pd.DataFrame) else {}
    worth = None if isinstance(value, pd.DataFrame) else worth_of(result, value, events)
    if scan is None and not are_tiers(result):
        method = scanned_as(result) or METHODS[0]
        scan = scan_clusters(
            result.customers, k=possible_numbers(result.customers), method=method, random_state=0
        )
    facts = gather(
        result if result.assessment is not None else result.with_trust(result.trust),
        title=title or "Customer segments",
        events=events,
        scan=scan,
        value=worth,
        forecast=forecast,
        value_name=value_title(value, forecast),
        playbook=playbook,
        products=products,
        minimum=minimum,
        show_ids=show_ids,
        sheet=sheet,
    )
    if form == "md":
        write_file(path, markdown(facts))
    elif form == "pdf":
        write_file(path, print_pdf(page(facts, paper=paper), browser))
    else:
        write_file(path, page(facts))
    return path


def checked_report_path(path: str | Path) -> Path:
    """Return the path of a report, whose suffix says its format.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError, IsADirectoryError, PermissionError
    """
    path = checked_path(path, "It should be the file to write: report(result, 'segments.html').")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{path.name!r} ends in {path.suffix!r}. Name it {path.stem + '.html'!r}, or end it in .md or .pdf."
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"{str(path)!r} is a folder. Name a file in it: {str(path / 'segments.html')!r}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name} into. Make it, or name another."
        )
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"The folder {str(path.parent)!r} may only be read. Name another to write {path.name} into."
        )
    return path


def possible_numbers(customers: pd.DataFrame, wanted: int | None = None) -> list[int]:
    """Return the numbers of segments to scan: 2 to 10, as far as customers differ."""
    different = len(np.unique(make_preparer().fit_transform(customers), axis=0))
    return list(range(2, min(max(10, wanted or 0), different) + 1)) or [2]
