"""Write the report: one HTML file with all segments and charts inside, which loads nothing from a network."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from segkit.analyse.features.basket import BASKET
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.query import unavailable
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.trend import TREND
from segkit.analyse.prepare import make_preparer
from segkit.collect.events import Events
from segkit.collect.read_events import read_events
from segkit.core.checks import checked_path
from segkit.core.files import write_file
from segkit.core.html import html_table, render
from segkit.core.messages import counted, refusals
from segkit.create.segment import segment
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import SHARE_OF_CUSTOMERS, is_share
from segkit.explain.map import project
from segkit.explain.profile import profile, segment_sizes
from segkit.methods.fitting import FIND_THE_NUMBER, METHODS
from segkit.methods.partition import VALUE_BANDS, check_segments, checked_result
from segkit.show.plots.distributions import plot_distributions
from segkit.show.plots.map import plot_map
from segkit.show.plots.profile import plot_profile
from segkit.show.plots.scan import plot_scan
from segkit.show.plots.sizes import plot_sizes
from segkit.show.plots.structure import plot_structure
from segkit.show.plots.trust import plot_trust
from segkit.trust.scan import scan_clusters, suggested_k

FLAT = "For looking only: the segments were made in all dimensions, and this shows two."
FLAT_OF_TIERS = (
    "For looking only: the segments are tiers of {by}, and this shows all features in two dimensions."
)
NO_UNIT = ("currency", "ratio", "factor", "share")  # units that are not written after a figure
STRONGEST = 5  # differences on the card of a segment
SMALL = 0.2  # Cohen's d: a difference below it is not worth a line
OF_ORDERS = RFM + CADENCE + BASKET + TREND  # what orders alone can give
FOLDER = Path(__file__).parent  # of the template and its style
MOST_MISSING = 0.5  # features missing for more of the customers are left out

HEADED = (
    "sizes",
    "profile",
    "distributions",
    "map",
    "trust",
)  # charts under a heading that replaces their title


def report(
    result: Segmentation,
    path: str | Path,
    *,
    scan: pd.DataFrame | None = None,
    title: str | None = None,
) -> Path:
    """Write a report of the segments as one stand-alone HTML file.

    Parameters
    ----------
    result : Segmentation
        Drawn on the map of its principal components if it has no embedding.
    path : str or Path
        The file to write.
    scan : DataFrame, optional
        From :func:`segkit.scan_clusters`; computed for 2 to 10 segments by default, except for value bands.
    title : str, optional
        "Customer segments" by default.

    Returns
    -------
    Path
        The file. Charts, data and scripts are inside; it loads nothing from a network. It holds the ids of the drawn
        customers: share it only with people who may see them.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If there is no segment to report.
    """
    checked_result(result)
    check_segments(result, "a report describes segments")
    path = _checked_path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name} into. Make it, or name another."
        )
    if result.embedding is None:
        result = result.with_embedding(project(result))
    if scan is None and not _are_tiers(result):
        method = _scanned_as(result) or METHODS[0]
        k = _possible(result.customers, None)
        scan = scan_clusters(result.customers, k=k, method=method, random_state=0)
    if result.assessment is None:
        result = result.with_trust(result.trust)
    write_file(path, _page(result, scan, title or "Customer segments"))
    return path


def _checked_path(path: str | Path) -> Path:
    """Return the path of a report, which is HTML whatever the path says.

    Raises
    ------
    TypeError, ValueError
    """
    path = checked_path(path, "It should be the file to write: report(result, 'segments.html').")
    if path.suffix.lower() not in ("", ".html", ".htm"):
        raise ValueError(
            f"The report is HTML, and {path.name!r} ends in {path.suffix!r}. Name it {path.stem + '.html'!r}; for a "
            "PDF, open it in a browser and print it into a file."
        )
    return path


def report_orders(
    source: str | Path,
    output: str | Path,
    *,
    columns: Mapping[str, str],
    timestamp_format: str | None = None,
    timezone: str = "UTC",
    as_of: str | None = None,
    n_segments: int | None = None,
    random_state: int = 0,
) -> Path:
    """Read orders from a file and write a report of their segments.

    Parameters
    ----------
    source : str or Path
        CSV, Parquet or JSON lines, of purchases.
    output : str or Path
        The HTML file to write.
    columns : mapping of str to str
        Standard names to the file's columns, as for :func:`segkit.read_events`.
    timestamp_format, timezone
        As for :func:`segkit.read_events`.
    as_of : str, optional
        The moment that features are computed for; by default the day after the last event.
    n_segments : int, optional
        By default the most that come back: see :func:`segkit.trust.scan.suggested_k`.
    random_state : int, default=0

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file or a column is not there, or the orders cannot be segmented.
    """
    if not Path(output).parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(Path(output).parent)!r} to write {Path(output).name} into."
        )
    if Path(output).exists() and Path(source).exists() and Path(output).samefile(source):
        raise ValueError(
            f"The report would be written over the orders in {Path(source).name}. Name another file: -o segments.html."
        )
    output = _checked_path(output)
    if n_segments is not None and n_segments < 2:
        raise ValueError(f"n_segments={n_segments} should be 2 or more, or be left out to have it chosen.")
    written: dict[str, Any] = {"timestamp_format": timestamp_format, "timezone": timezone, **columns}
    events = read_events(str(source), kind="purchase", **written)
    moment = as_of or events.last.normalize() + pd.Timedelta(days=1)
    customers = _useful_features(events, moment)
    scan = scan_clusters(customers, k=_possible(customers, n_segments), random_state=random_state)
    chosen = n_segments or suggested_k(scan)
    result = segment(customers, n_segments=chosen, random_state=random_state)
    return report(result, output, scan=scan, title=f"Customer segments of {Path(str(source)).name}")


def _useful_features(events: Events, as_of: str | pd.Timestamp) -> pd.DataFrame:
    """Compute all features that these orders can give, without words, constants and those that are mostly missing."""
    needs = unavailable(events, OF_ORDERS)
    customers = customer_features(events, [f for f in OF_ORDERS if not needs[f.name]], as_of=as_of)
    numbers = customers.select_dtypes("number")
    useful = [c for c in numbers if numbers[c].nunique() > 1 and numbers[c].isna().mean() <= MOST_MISSING]
    if not useful:
        raise ValueError(
            f"The {len(customers):,} customers do not differ in any feature, so there is nothing to segment by. "
            "Check that --customer-id names the customer, and bring more orders."
        )
    return customers[useful]


def _possible(customers: pd.DataFrame, n_segments: int | None) -> list[int]:
    different = len(np.unique(make_preparer().fit_transform(customers), axis=0))
    return list(range(2, min(max(10, n_segments or 0), different) + 1)) or [2]


def _page(result: Segmentation, scan: pd.DataFrame | None, title: str) -> str:
    facts = result.provenance
    table = profile(result) if len(set(result.labels)) > 1 else None
    size = f"{counted(len(result.labels), 'customer')} in {counted(len(result.segments), 'segment')}"
    as_of = f" as of {facts['as_of'][:10]}" if facts.get("as_of") else ""
    sources = ", ".join(facts.get("sources", [])) or "a table of features"
    shown = {k: v for k, v in facts.items() if k not in ("units", "meanings", "features")}
    return render(
        (FOLDER / "report.html").read_text(encoding="utf-8"),
        title=title,
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        vega=Markup(_vega()),
        lead=f"{size}{as_of}, from {sources}.",
        refused=refusals(facts["refused"]) if facts.get("refused") else "",
        badge=result.badge,
        kind_sentence=result.kind_sentence,
        cards=[] if table is None else _cards(result, table),
        specs={
            name: Markup(_script_safe(_spec(name, chart)))
            for name, chart in _charts(result, scan, table).items()
        },
        map_note=FLAT_OF_TIERS.format(by=facts["by"]) if _are_tiers(result) else FLAT,
        trust_words=_trust_in_words(result, scan),
        features=_feature_table(result),
        provenance=json.dumps(shown, indent=2, ensure_ascii=False),
    )


def _charts(result: Segmentation, scan: pd.DataFrame | None, table: pd.DataFrame | None) -> dict[str, Any]:
    """Return the charts of the report by name."""
    frame, trust = result.to_frame(), result.trust
    charts: dict[str, Any] = {"sizes": plot_sizes(segment_sizes(result))}
    if scan is not None:
        charts |= {"scan": plot_scan(scan, chosen=_marked(result, scan))}
    distributed: list[str] = []
    if table is not None:
        charts |= {"profile": plot_profile(table)}
        numbers = result.customers.select_dtypes("number").columns
        distributed = list(dict.fromkeys(table.loc[table["feature"].isin(numbers), "feature"]))[:4]
    charts |= {"trust": plot_trust(trust)}
    if trust.structure is not None and trust.structure.verdict != "too little":
        charts |= {"structure": plot_structure(trust.structure)}
    charts |= {"map": plot_map(frame)}
    return charts | ({"distributions": plot_distributions(frame, distributed)} if distributed else {})


def _cards(result: Segmentation, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a card for each segment: its name, its size, and its strongest differences."""
    sizes = segment_sizes(result)
    meanings = result.provenance.get("meanings", {})
    cards = []
    for segment_id in result.segments:
        rows = table[table["segment_id"] == segment_id]
        # Missing flags tend to say the same many times over: one is enough.
        flags = rows["feature"].str.endswith(" missing")
        strongest = rows[~flags | ~rows["feature"].where(flags).notna().duplicated()].head(STRONGEST)
        size = sizes.loc[segment_id]
        cards.append(
            {
                "name": result.name_of(segment_id),
                "size": f"{counted(int(size['customers']), 'customer')}, {size['share']:.0%}",
                "differences": [
                    {"words": _difference(row), "meaning": meanings.get(row.feature, "")}
                    for row in strongest.itertuples()
                    if abs(row.effect) >= SMALL
                ],
            }
        )
    return cards


def _difference(row: Any) -> str:
    if is_share(row.unit):
        which = row.unit.removeprefix(SHARE_OF_CUSTOMERS)  # such as " above 0"
        return f"{row.feature}{which}: {row.inside:.0%} of them, {row.others:.0%} of others"
    way = "higher" if row.inside > row.others or (row.inside == row.others and row.effect > 0) else "lower"
    ours, theirs = (_figure(value, row.unit) for value in (row.inside, row.others))
    unit = "" if row.unit in NO_UNIT else f" {row.unit}"
    return f"{row.feature} {way}: {ours}{unit}, others {theirs}"


def _figure(value: float, unit: str) -> str:
    if pd.isna(value):
        return "unknown"
    figure = f"{value:.0%}" if unit == "share" else f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return figure.replace("-", "−")


def _are_tiers(result: Segmentation) -> bool:
    return result.provenance.get("method") == VALUE_BANDS


def _scanned_as(result: Segmentation) -> str | None:
    """Return the method whose scan fits these segments; value bands and models of one's own have none."""
    method = result.provenance.get("method")
    return method if method in METHODS and method not in FIND_THE_NUMBER else None


def _marked(result: Segmentation, scan: pd.DataFrame | None) -> int | None:
    k = len(result.segments)
    return k if scan is not None and k in scan.index and _scanned_as(result) else None


def _trust_in_words(result: Segmentation, scan: pd.DataFrame | None) -> str:
    k = _marked(result, scan)
    if scan is None or k is None:
        return result.trust.summary
    row = scan.loc[k]
    return (
        f"{result.trust.summary} Refitted on resampled customers, {k} segments agree with these by "
        f"{row['stability']:.2f} (adjusted Rand index; 1 is the same, 0 is chance). Their silhouette is "
        f"{row['silhouette']:.2f} on a scale from −1 to 1."
    )


def _feature_table(result: Segmentation) -> str:
    facts = result.provenance
    rows = [
        (c, facts.get("units", {}).get(c, ""), facts.get("meanings", {}).get(c, ""))
        for c in result.customers.columns
    ]
    return html_table(["Feature", "Unit", "Meaning"], rows, text=(0, 2))


def _spec(name: str, chart: Any) -> str:
    """Return a chart as JSON, without the title that the heading above it says already."""
    spec = chart.to_dict()
    subtitle = spec["title"].get("subtitle")
    if name in HEADED and subtitle:
        spec["title"] = {"text": subtitle, "fontSize": 12, "fontWeight": "normal"}
    return json.dumps(spec, ensure_ascii=False)


def _script_safe(text: str) -> str:
    """Return JSON that cannot end the script it stands in."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@functools.cache
def _vega() -> str:
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")
