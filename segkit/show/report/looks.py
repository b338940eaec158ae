"""Show what the segments look like: map, profile, products, and what they did next. Page two of the report."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from segkit.analyse.features.catalogue import feature_catalogue, select_features
from segkit.analyse.features.compute import customer_features
from segkit.collect.events import Events
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import VALUE_BANDS
from segkit.show.plots.distributions import plot_distributions
from segkit.show.plots.map import plot_map
from segkit.show.plots.profile import plot_profile
from segkit.show.report.facts import Table, said_once
from segkit.show.report.figures import Figure, draw
from segkit.show.report.sentences import day
from segkit.tailor.products.segment_products import segment_products
from segkit.trust.outcome import segment_outcomes

FLAT = (
    "For looking only: the segments were made in all dimensions, and this shows two. The colours are those of the "
    "cards."
)
FLAT_OF_TIERS = (
    "For looking only: the segments are tiers of {by}, and this shows all features in two dimensions."
)
NOT_SHOWN = "not shown"
DRAWN = 4  # features whose distribution is drawn
PRODUCTS = 5  # of each segment
PERIOD = pd.Timedelta(days=90)  # of what came next, at most
SHORTEST = pd.Timedelta(days=7)
PART = 4  # what came next takes at most this part of the log
DID = {
    "repeat purchase": "Bought again",
    "spend": "Spent, on average",
    "churn": "Stopped buying",
}


def look_at(
    result: Segmentation,
    events: Events | None,
    shown: list[int],
    table: pd.DataFrame | None,
    liked: pd.DataFrame | None,
    minimum: int,
) -> list[Figure | Table]:
    """Return the pictures and tables of page two; `table` is the profile of the segments that are shown."""
    parts = [
        _map(result, shown, minimum),
        *_profiles(result, table, minimum),
        _products(liked),
        _next_period(result, events, shown, minimum),
    ]
    return [part for part in parts if part is not None]


def _map(result: Segmentation, shown: list[int], minimum: int) -> Figure | None:
    """Draw the customers of the segments that are shown, and those outside where they are many enough."""
    if not shown:
        return None
    code = "sg.plot_map(result)"
    frame = result.to_frame()
    figure = draw("map", plot_map(frame, minimum=minimum), code, badge=result.badge, legend=False)
    tiers = result.provenance.get("method") == VALUE_BANDS
    note = FLAT_OF_TIERS.format(by=result.provenance.get("by", "value")) if tiers else FLAT
    return figure.with_note(f"{figure.note} {note}")


def _profiles(result: Segmentation, table: pd.DataFrame | None, minimum: int) -> list[Figure]:
    """Draw what sets segments apart, and the distribution of the features that do so most."""
    if table is None:
        return []
    figures = [
        draw("profile", plot_profile(table), "sg.plot_profile(sg.profile(result))", badge=result.badge)
    ]
    numbers = result.customers.select_dtypes("number").columns
    strongest = table.assign(effect=table["effect"].abs()).sort_values(
        "effect", ascending=False, kind="stable"
    )
    features = list(dict.fromkeys(strongest.loc[strongest["feature"].isin(numbers), "feature"]))[:DRAWN]
    if features:
        frame = result.to_frame()
        code = f"sg.plot_distributions(result, {features!r})"
        figures.append(
            draw(
                "distributions",
                plot_distributions(frame, features, minimum=minimum),
                code,
                badge=result.badge,
            )
        )
    return figures


def liked_products(
    result: Segmentation,
    events: Events | None,
    shown: list[int],
    minimum: int,
    products: Mapping[str, str] | None,
) -> pd.DataFrame | None:
    """Return what each segment buys more often than others, from events that know it: categories, else products.

    Rows of fewer than `minimum` buyers are left out. In `named` stand the names of products, where they are given.
    """
    as_of = result.provenance.get("as_of")
    if events is None or not as_of or "purchase" not in events.kinds().index:
        return None
    order = ("category", "product_id") if products is None else ("product_id", "category")
    of = next((c for c in order if c in events.columns), None)
    if of is None:
        return None
    table = segment_products(events, result, as_of=as_of, of=of, n=PRODUCTS, minimum=minimum)
    table = table[table["segment_id"].isin(shown)]
    named = [str((products or {}).get(thing, _spelt(thing, of))) for thing in table[of]]
    return table.assign(named=pd.Series(named, table.index, dtype="str"))


def _spelt(thing: str, of: str) -> str:
    """Return the words of a category not in capitals, and say that a product's id is one."""
    if of == "product_id":
        return f"product {thing}"
    return thing.capitalize() if thing.isupper() else thing


def _products(liked: pd.DataFrame | None) -> Table | None:
    if liked is None:
        return None
    of, as_of = liked.attrs["segkit"]["of"], liked.attrs["segkit"]["as_of"]
    what = "category" if of == "category" else "product"
    if not len(liked):
        note = f"No {what} is bought clearly more often in one segment than in the others: they do not differ in taste."
        return Table("products", "What do they like?", note, [], [])
    rows = [
        [row.segment, row.named, NOT_SHOWN if pd.isna(row.buyers) else f"{row.buyers:,}",
         f"{row.share:.0%}", f"{row.elsewhere:.0%}",
         f"{row.ratio:.1f} ({row.low:.1f} to {row.high:.1f})"]
        for row in liked.itertuples()
    ]  # fmt: skip
    note = "What a segment buys more often than all others, the surest first. Ratios of few buyers are drawn towards 1."
    head = ["Segment", what.capitalize(), "Buyers", "Share", "Others", "Ratio (95 % interval)"]
    code = f"sg.segment_products(events, result, as_of={as_of!r}, of={of!r}, n={PRODUCTS})"
    return Table("products", "What do they like?", note, head, said_once(rows), (0, 1), code)


def _next_period(result: Segmentation, events: Events | None, shown: list[int], minimum: int) -> Table | None:
    """Compare what segments did next: after their moment, or in the last period, placed by what was known before it."""
    as_of = result.provenance.get("as_of")
    if events is None or not as_of or "purchase" not in events.kinds().index:
        return None
    moment, end = pd.Timestamp(as_of), events.last.ceil("D")
    horizon = min(PERIOD, (end - events.first) / PART).floor("D")
    if horizon < SHORTEST:
        return None
    code = f"sg.segment_outcomes(events, result, as_of={as_of!r}, horizon='{horizon.days} days')"
    groups, note = (
        result.labels,
        f"In the {horizon.days} days from {day(moment)}, after the segments were made.",
    )
    if end - moment < horizon:
        moment = min(end, moment) - horizon
        earlier = _placed(result, events, moment)
        if earlier is None:
            return None
        groups = earlier
        note = (
            f"In the {horizon.days} days from {day(moment)}: customers are placed by what was known then, "
            "by the same rules, so nobody's segment knows what came next."
        )
        names = [f.name for f in select_features(*result.customers.columns)]
        code = (
            f"then = sg.customer_features(events, sg.select_features(*{names!r}), as_of='{moment}')\n"
            f"sg.segment_outcomes(events, result.assign(then), as_of='{moment}', horizon='{horizon.days} days')"
        )
    outcomes = segment_outcomes(events, groups, as_of=moment, horizon=horizon, minimum=minimum)
    head = ["Segment", *(DID[o] for o in DID if o in outcomes.index.get_level_values(0))]
    rows = [
        [
            result.name_of(s),
            *(_outcome(o, outcomes.loc[(o, s)]) for o in DID if (o, s) in outcomes.index),
        ]
        for s in shown
        if (groups == s).sum() >= minimum
    ]
    if not rows:
        return None
    note += " In brackets: all other customers. Stopped buying: of those who had bought in as long before."
    return Table("next", "What did they do next?", note, head, rows, code=code)


def _placed(result: Segmentation, events: Events, moment: pd.Timestamp) -> pd.Series | None:
    """Return customers' segments at an earlier moment, or None where their features are not of the catalogue."""
    names = list(result.customers.columns)
    if not set(names) <= set(feature_catalogue()["name"]):
        return None
    window = result.provenance.get("window")
    then = customer_features(
        events, select_features(*names), as_of=moment, **({"window": window} if window else {})
    )
    return result.assign(then) if len(then) else None


def _outcome(outcome: str, row: pd.Series) -> str:
    own, rest = (
        NOT_SHOWN if pd.isna(value) else f"{value:,.0f}" if outcome == "spend" else f"{value:.0%}"
        for value in (row["mean"], row["others"])
    )
    return f"{own} ({rest})"
