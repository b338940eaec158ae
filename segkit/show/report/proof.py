"""Show how the segments were made and how far to trust them. Page three of the report."""

from __future__ import annotations

import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.explain.differences import figure, is_share
from segkit.explain.rules import rules
from segkit.explain.typical import typical
from segkit.methods.fitting import FIND_THE_NUMBER, METHODS
from segkit.methods.partition import VALUE_BANDS
from segkit.show.plots.rules import plot_rules
from segkit.show.plots.scan import plot_scan
from segkit.show.plots.structure import plot_structure
from segkit.show.report.facts import Table, said_once
from segkit.show.report.figures import Figure, draw

EVERYONE = {"True": "everyone else", "False": "no rule finds them"}
NOT_SHOWN = "not shown"
HEAD = {"real": "Real?", "repeatable": "Repeatable?", "useful": "Useful?"}


def prove(
    result: Segmentation,
    scan: pd.DataFrame | None,
    shown: list[int],
    table: pd.DataFrame | None,
    *,
    show_ids: bool,
    minimum: int,
) -> list[Figure | Table]:
    """Return the pictures and tables of page three; `table` is the profile of the segments that are shown."""
    parts = [
        _verdicts(result, shown),
        _structure(result),
        _scan(result, scan),
        *_rules(result, shown, minimum),
        _profile(table),
        _features(result),
        _typical(result, minimum) if show_ids else None,
    ]
    return [part for part in parts if part is not None]


def are_tiers(result: Segmentation) -> bool:
    """Return whether the segments are tiers of one value."""
    return result.provenance.get("method") == VALUE_BANDS


def scanned_as(result: Segmentation) -> str | None:
    """Return the method whose scan fits these segments; value bands and models of one's own have none."""
    method = result.provenance.get("method")
    return method if method in METHODS and method not in FIND_THE_NUMBER else None


def _verdicts(result: Segmentation, shown: list[int]) -> Table:
    trust = result.trust
    rows = [
        [
            row.name,
            *(f"{getattr(row, c)}" for c in HEAD),
            "" if pd.isna(row.jaccard) else f"{row.jaccard:.2f}",
        ]
        for s, row in zip(trust.segments.index, trust.segments.itertuples(index=False), strict=True)
        if s in shown
    ]
    note = (
        f"{trust.summary} Jaccard similarity: how much of a segment is found again when the customers are resampled; "
        "1 is all of it, 0.75 or more is repeatable."
    )
    head = ["Segment", *HEAD.values(), "Jaccard"]
    return Table(
        "trust", "How far can you trust these segments?", note, head, rows, (0, 1, 2, 3), "result.trust"
    )


def _structure(result: Segmentation) -> Figure | None:
    test = result.trust.structure
    if test is None or test.verdict == "too little":
        return None
    return draw("structure", plot_structure(test), "sg.plot_structure(sg.structure_test(result.customers))")


def _scan(result: Segmentation, scan: pd.DataFrame | None) -> Figure | None:
    if scan is None:
        return None
    k = len(result.segments)
    chosen = k if k in scan.index and scanned_as(result) else None
    code = f"sg.plot_scan(sg.scan_clusters(result.customers), chosen={chosen})"
    drawn = draw("scan", plot_scan(scan, chosen=chosen), code)
    if chosen is None:
        return drawn
    row = scan.loc[chosen]
    agreement = (
        f"Refitted on resampled customers, {k} segments agree with these by {row['stability']:.2f} (adjusted Rand "
        f"index; 1 is the same, 0 is chance). Their silhouette is {row['silhouette']:.2f} on a scale from −1 to 1."
    )
    why = (result.provenance.get("choice") or {}).get("why", "")
    return drawn.with_note(" ".join(filter(None, [why, agreement, drawn.note])))


def _rules(result: Segmentation, shown: list[int], minimum: int) -> list[Figure | Table]:
    if len(result.segments) < 2 or not shown:
        return []
    table = rules(result, minimum=minimum)
    table = table[table.index.isin(shown)]
    facts = table.attrs["segkit"]
    rows = [
        [row.segment, EVERYONE.get(row.rule, row.rule), _share(row.precision), _share(row.recall)]
        for row in table.itertuples(index=False)
    ]
    note = (
        f"A customer belongs to the first rule that holds. These rules put {facts['fidelity']:.0%} of customers from "
        "whom they were not learnt into the segment that the model gives them. Precision: of those whom a rule finds, "
        "the share who are in the segment. Recall: the share of the segment whom it finds."
    )
    head = ["Segment", "Rule", "Precision", "Recall"]
    drawn = draw("fidelity", plot_rules(table), "sg.plot_rules(sg.rules(result))", badge=result.badge)
    return [
        Table("rules", "Which rules give the same segments?", note, head, rows, (0, 1), "sg.rules(result)"),
        drawn,
    ]


def _share(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.0%}"


def _profile(table: pd.DataFrame | None) -> Table | None:
    if table is None:
        return None
    rows = [
        [
            row.segment,
            row.feature,
            NOT_SHOWN if pd.isna(row.effect) else f"{row.effect:+.2f}",
            _said(row.inside, row.unit),
            _said(row.others, row.unit),
            row.unit,
        ]
        for row in table.itertuples()
    ]
    note = (
        "Cohen's d, and medians in natural units, or shares of the customers; the strongest first. What is of few "
        "customers, or unknown, is not shown."
    )
    head = ["Segment", "Feature", "Cohen's d", "Segment", "Others", "Unit"]
    return Table("numbers", "All numbers", note, head, said_once(rows), (0, 1, 5), "sg.profile(result)")


def _said(value: float, unit: str) -> str:
    """Return a value of the profile without its unit."""
    if pd.isna(value):
        return NOT_SHOWN
    return (f"{value:.0%}" if is_share(unit) or unit == "share" else figure(value)).replace("-", "−")


def _features(result: Segmentation) -> Table:
    facts = result.provenance
    units, meanings = facts.get("units", {}), facts.get("meanings", {})
    rows = [[str(c), units.get(c, ""), meanings.get(c, "")] for c in result.customers.columns]
    note = "What is known of each customer, and what the segments were made from."
    head = ["Feature", "Unit", "Meaning"]
    return Table("features", "The features", note, head, rows, (0, 1, 2), "result.customers")


def _typical(result: Segmentation, minimum: int) -> Table | None:
    table = typical(result, minimum=minimum)
    rows = [[result.name_of(row.segment_id), str(row.customer_id), row.role] for row in table.itertuples()]
    note = "Customers in the midst of each segment, and at its border. Share this report only with who may see ids."
    return Table(
        "typical",
        "Typical customers",
        note,
        ["Segment", "Customer", "Role"],
        rows,
        (0, 1, 2),
        "sg.typical(result)",
    )
