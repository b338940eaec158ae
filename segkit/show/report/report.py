"""The report: one HTML file that shows the segments to a colleague, and asks nothing of a network."""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segkit.analyse.features.basket import BASKET
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.compute import customer_features
from segkit.analyse.features.query import unavailable
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.trend import TREND
from segkit.analyse.prepare import make_preparer
from segkit.collect.events import Events, read_events
from segkit.create.segment import segment
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.explain.profile import profile, segment_sizes
from segkit.methods.fitting import METHODS
from segkit.methods.partition import VALUE_BANDS
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
UNSAID = ("currency", "ratio", "factor", "share")  # units that a figure is read without
STRONGEST = 5  # differences told of each segment
OF_ORDERS = RFM + CADENCE + BASKET + TREND  # what a log of orders tells
MOST_MISSING = 0.5  # features unknown for more of the customers are left out of the automatic choice

HEADED = (
    "sizes",
    "profile",
    "distributions",
    "map",
    "trust",
)  # under a heading that says what their title does

STYLE = """
:root { color-scheme: light dark; --ink: #212121; --soft: #5f5f5f; --line: #dddddd; --page: #ffffff; --card: #f6f6f4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a8a8a8; --line: #3a3a3a; --page: #161616; --card: #202020; }
}
body { margin: 0 auto; max-width: 960px; padding: 40px 24px 80px; background: var(--page); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; } h2 { font-size: 21px; margin: 44px 0 8px; }
p.lead { color: var(--soft); font-size: 17px; margin: 0 0 20px; } p.note { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 14px; margin: 18px 0; }
.card { background: var(--card); border-radius: 10px; padding: 14px 18px; }
.card h3 { margin: 0 0 2px; font-size: 17px; } .card .size { color: var(--soft); }
.card ul { margin: 8px 0 0; padding-left: 18px; }
.chart { overflow-x: auto; margin: 14px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
details { margin: 20px 0; } summary { cursor: pointer; color: var(--soft); }
pre { white-space: pre-wrap; font-size: 13px; }
"""


def report(
    result: Segmentation,
    path: str | Path,
    *,
    scan: pd.DataFrame | None = None,
    title: str | None = None,
) -> Path:
    """Write the segments into one stand-alone HTML file.

    Parameters
    ----------
    result : Segmentation
        What to show; placed on the map of its principal components if it has no embedding.
    path : str or Path
        The file to write.
    scan : DataFrame, optional
        From :func:`segkit.scan_clusters`; made for 2 to 10 segments if not given, and the result is no tiers
        of value, of which any number serves.
    title : str, optional
        "Customer segments" by default.

    Returns
    -------
    Path
        The file. Charts, data and scripts are all inside; opening it asks nothing of a network. It holds
        each drawn customer's id, so give it to those only who may see them.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
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
    path.write_text(_page(result, scan, title or "Customer segments"), encoding="utf-8")
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
    """Lead orders from a file to a report, without a notebook.

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
        The moment the customers are looked at; the day after the last event if not said.
    n_segments : int, optional
        If not said, the most that still hold: see :func:`segkit.trust.suggested_k`.
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
    if n_segments is not None and n_segments < 2:
        raise ValueError(f"n_segments={n_segments} should be 2 or more, or be left out to have it chosen.")
    written: dict[str, Any] = {"timestamp_format": timestamp_format, "timezone": timezone, **columns}
    events = read_events(str(source), kind="purchase", **written)
    moment = as_of or events.last.normalize() + pd.Timedelta(days=1)
    customers = _telling_features(events, moment)
    scan = scan_clusters(customers, k=_possible(customers, n_segments), random_state=random_state)
    chosen = n_segments or suggested_k(scan)
    result = segment(customers, n_segments=chosen, random_state=random_state)
    return report(result, output, scan=scan, title=f"Customer segments of {Path(str(source)).name}")


def _telling_features(events: Events, as_of: str | pd.Timestamp) -> pd.DataFrame:
    """Compute all features that these orders can give, less those that are words, constant or mostly unknown."""
    needs = unavailable(events, OF_ORDERS)
    customers = customer_features(events, [f for f in OF_ORDERS if not needs[f.name]], as_of=as_of)
    numbers = customers.select_dtypes("number")
    telling = [c for c in numbers if numbers[c].nunique() > 1 and numbers[c].isna().mean() <= MOST_MISSING]
    if not telling:
        raise ValueError(
            f"The {len(customers):,} customers do not differ in any feature, so there is nothing to segment by. "
            "Check that --customer-id names the customer, and bring more orders."
        )
    return customers[telling]


def _possible(customers: pd.DataFrame, n_segments: int | None) -> list[int]:
    different = len(np.unique(make_preparer().fit_transform(customers), axis=0))
    return list(range(2, min(max(10, n_segments or 0), different) + 1)) or [2]


def _page(result: Segmentation, scan: pd.DataFrame | None, title: str) -> str:
    frame, sizes = result.to_frame(), segment_sizes(result)
    facts = result.provenance
    numbers = list(result.customers.select_dtypes("number").columns)
    charts: dict[str, Any] = {"sizes": plot_sizes(sizes)}
    if scan is not None:
        charts |= {"scan": plot_scan(scan, chosen=_marked(result, scan))}
    told, cards = [], ""
    if len(set(result.labels)) > 1:
        table = profile(result)
        charts |= {"profile": plot_profile(table)}
        cards = "".join(_card(result, table, s, sizes.loc[s]) for s in result.segments)
        told = list(dict.fromkeys(table.loc[table["feature"].isin(numbers), "feature"]))[:4]
    trust = result.trust
    charts |= {"trust": plot_trust(trust)}
    if trust.structure is not None and trust.structure.verdict != "too little":
        charts |= {"structure": plot_structure(trust.structure)}
    charts |= {"map": plot_map(frame)} | ({"distributions": plot_distributions(frame, told)} if told else {})
    as_of = f" as of {facts['as_of'][:10]}" if facts.get("as_of") else ""
    sources = ", ".join(facts.get("sources", [])) or "a table of features"
    flat = FLAT_OF_TIERS.format(by=facts["by"]) if _are_tiers(result) else FLAT
    lead = f"{len(frame):,} customers in {len(result.segments)} segments{as_of}, from {sources}."
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{STYLE}</style><script>{_vega()}</script></head><body>
<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>
<p class="note"><b>{html.escape(result.badge)}.</b> {html.escape(result.kind_sentence)}</p>
<div class="cards">{cards}</div>
{_section("How large they are", "sizes", charts)}
{_section("What sets them apart", "profile", charts)}
{_section("How they differ, in natural units", "distributions", charts)}
{_section("The map of customers", "map", charts, flat)}
<h2>How far to trust them</h2><p>{html.escape(_trust(result, scan))}</p>
{_chart("trust", charts)}
{_chart("structure", charts)}
{_chart("scan", charts)}
<h2>Where they came from</h2>{_origin(result)}
<script>
{_embeds(charts)}
</script></body></html>
"""


def _card(result: Segmentation, table: pd.DataFrame, segment_id: int, size: pd.Series) -> str:
    ours = table[table["segment_id"] == segment_id]
    flags = ours["feature"].str.endswith(
        " missing"
    )  # they tend to say the same thing many times over: one will do
    rows = ours[~flags | ~ours["feature"].where(flags).notna().duplicated()].head(STRONGEST)
    meanings = result.provenance.get("meanings", {})
    items = "".join(
        f"<li title='{html.escape(meanings.get(row.feature, ''))}'>{html.escape(_difference(row))}</li>"
        for row in rows.itertuples()
        if not abs(row.effect) < 0.2
    )
    return (
        f"<div class='card'><h3>{html.escape(result.name_of(segment_id))}</h3>"
        f"<div class='size'>{size['customers']:,} customers, {size['share']:.0%}</div>"
        f"<ul>{items or '<li>like everyone else</li>'}</ul></div>"
    )


def _difference(row: Any) -> str:
    if row.unit == "share of customers":
        return f"{row.feature}: {row.inside:.0%} of them, {row.others:.0%} of others"
    way = "higher" if row.inside > row.others or (row.inside == row.others and row.effect > 0) else "lower"
    ours, theirs = (_figure(value, row.unit) for value in (row.inside, row.others))
    unit = "" if row.unit in UNSAID else f" {row.unit}"
    return f"{row.feature} {way}: {ours}{unit}, others {theirs}"


def _figure(value: float, unit: str) -> str:
    if pd.isna(value):
        return "unknown"
    said = f"{value:.0%}" if unit == "share" else f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return said.replace("-", "−")


def _are_tiers(result: Segmentation) -> bool:
    return result.provenance.get("method") == VALUE_BANDS


def _scanned_as(result: Segmentation) -> str | None:
    """Return the method by whose scan these parts can be judged: tiers and models of one's own have none."""
    method = result.provenance.get("method")
    return method if method in METHODS else None


def _marked(result: Segmentation, scan: pd.DataFrame | None) -> int | None:
    k = len(result.segments)
    return k if scan is not None and k in scan.index and _scanned_as(result) else None


def _trust(result: Segmentation, scan: pd.DataFrame | None) -> str:
    k = _marked(result, scan)
    if scan is None or k is None:
        return result.kind_sentence
    row = scan.loc[k]
    return (
        f"{result.kind_sentence} Refitted on resampled customers, {k} segments agree with these by "
        f"{row['stability']:.2f} (adjusted Rand index; 1 is the same, 0 is chance). Their silhouette is "
        f"{row['silhouette']:.2f} on a scale from −1 to 1."
    )


def _origin(result: Segmentation) -> str:
    facts = result.provenance
    rows = "".join(
        f"<tr><td>{html.escape(c)}</td><td>{html.escape(facts.get('units', {}).get(c, ''))}</td>"
        f"<td style='text-align:left'>{html.escape(facts.get('meanings', {}).get(c, ''))}</td></tr>"
        for c in result.customers.columns
    )
    shown = {k: v for k, v in facts.items() if k not in ("units", "meanings", "features")}
    return (
        "<table><thead><tr><th>Feature</th><th>Unit</th><th style='text-align:left'>Meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table><details><summary>Parameters and versions</summary>"
        f"<pre>{html.escape(json.dumps(shown, indent=2, ensure_ascii=False))}</pre></details>"
    )


def _section(title: str, name: str, charts: Mapping[str, Any], note: str = "") -> str:
    if name not in charts:
        return ""
    said = f"<p class='note'>{html.escape(note)}</p>" if note else ""
    return f"<h2>{html.escape(title)}</h2>{said}{_chart(name, charts)}"


def _chart(name: str, charts: Mapping[str, Any]) -> str:
    return f"<div class='chart' id='chart-{name}'></div>" if name in charts else ""


def _embeds(charts: Mapping[str, Any]) -> str:
    return "\n".join(
        f"vegaEmbed('#chart-{name}', {_script_safe(_spec(name, chart))}, {{actions: false, renderer: 'svg'}});"
        for name, chart in charts.items()
    )


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
