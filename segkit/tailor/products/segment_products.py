"""Compare what segments buy: the products that they buy more often than other customers do."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import norm

from segkit.analyse.features.tables.orders import is_bought
from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes, rounded_shares
from segkit.core.engine.connection import locked_engine, run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of
from segkit.core.moments import read_moment
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.products.products_or_categories import check_of

LEVEL = 0.95


def segment_products(
    events: Events,
    by: Partition | pd.Series,
    *,
    as_of: str | pd.Timestamp,
    of: str = "product_id",
    n: int = 10,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Find the products that each segment buys more often than all other customers.

    Parameters
    ----------
    events : Events
        The log; purchases before `as_of` count.
    by : Segmentation or Series
        Segments of customers; a Series holds labels by customer. Customers outside (−1) count among the others.
    as_of : str or Timestamp
        Only events before it count.
    of : {"product_id", "category"}, default="product_id"
        What to compare.
    n : int, default=10
        Products for each segment.
    minimum : int, default=10
        Least buyers of a product in a segment; ``.attrs["segkit"]["few_buyers"]`` says how many products have
        fewer. `buyers` are missing where :func:`segkit.segment_sizes` hides the size of the segment, and shares are
        rounded so that they do not tell it. 1 shows all.

    Returns
    -------
    DataFrame
        The products of each segment, the surest first: `segment_id`, `segment` (its name), `product_id` or `category`,
        `buyers` (customers of the segment who bought it), `share` (buyers among the segment's customers who bought
        anything), `elsewhere` (the same share of all other customers), `ratio` (share over elsewhere, shrunken) and its
        95 % interval `low`, `high`. Only products whose interval lies above 1: a segment that buys like everyone
        else has none.

    Raises
    ------
    ValueError
        If there are no purchases before `as_of`, or events do not know what was bought.

    Notes
    -----
    The logarithm of the ratio has Katz' standard error [1]_, with half a buyer added everywhere. Few buyers give wild
    ratios, so all are shrunken towards 1 by how far true ratios spread (variance components over all products and
    segments [2]_).

    References
    ----------
    .. [1] Katz, Baptista, Azen & Pike (1978), Obtaining confidence intervals for the risk ratio in cohort studies,
       Biometrics 34.
    .. [2] Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 9.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> lines = pd.DataFrame({"customer_id": [f"c{i:02}" for i in range(80)], "timestamp": "2024-01-01",
    ...                       "product_id": ["tea"] * 38 + ["rum"] * 40 + ["tea"] * 2})
    >>> events = sg.read_events(lines, kind="purchase")
    >>> labels = pd.Series(["North"] * 40 + ["South"] * 40, index=lines["customer_id"])
    >>> liked = sg.segment_products(events, labels, as_of="2024-02-01")
    >>> liked[["segment", "product_id", "buyers", "share", "elsewhere"]]
      segment product_id  buyers  share  elsewhere
    0   North        tea      38   0.95       0.05
    1   South        rum      38   0.95       0.05
    """
    checked_events(events)
    labels = labels_by_customer(by, "by")
    moment = read_moment(as_of)
    check_count("n", n, 1)
    check_minimum(minimum)
    check_of(events, of)
    bought, buyers = _buyers(events, labels, moment, of)
    if not len(bought):
        if not len(labels):
            raise ValueError(
                "The segments of 'by' are empty: they hold no customer. Pass a segment for each customer."
            )
        raise ValueError(
            f"No customer of these segments bought anything before {moment}. Say a later as_of, or pass the log of "
            f"these customers: their ids look like {str(labels.index[0])!r}."
        )
    table = _ratios(bought, buyers, of)
    table = table[(table["segment_id"] != OUTSIDE) & (table["low"] > 1)]
    few = table["buyers"] < minimum
    table = _without_sizes(table[~few], buyers, labels, minimum)
    table = table.sort_values(["segment_id", "sure", of], ascending=[True, False, True], kind="stable")
    table = table.groupby("segment_id", sort=False).head(n).drop(columns="sure").reset_index(drop=True)
    names = {s: by.name_of(s) if isinstance(by, Partition) else str(s) for s in table["segment_id"].unique()}
    table.insert(1, "segment", table["segment_id"].map(names).astype("str"))
    table.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "of": of,
        "level": LEVEL,
        "few_buyers": int(few.sum()),
    }
    return table


def _without_sizes(table: pd.DataFrame, buyers: pd.Series, labels: pd.Series, minimum: int) -> pd.DataFrame:
    """Return the table without what tells how many customers a segment has, where that is hidden."""
    own = buyers.reindex(table["segment_id"])
    sizes = labels.value_counts()
    hidden = sizes.index[hidden_sizes(sizes, minimum)]
    return table.assign(
        buyers=table["buyers"].astype("Int64").mask(table["segment_id"].isin(hidden)),
        share=rounded_shares(table["share"].to_numpy(), own.to_numpy(), minimum),
        elsewhere=rounded_shares(table["elsewhere"].to_numpy(), buyers.sum() - own.to_numpy(), minimum),
        **({} if minimum == 1 else table[["ratio", "low", "high"]].round(2).to_dict("series")),
    )


@locked_engine
def _buyers(
    events: Events, labels: pd.Series, moment: pd.Timestamp, of: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Count who bought each product by segment, and who bought anything by segment."""
    codes, segments = pd.factorize(labels, sort=True)
    ids = pa.array(labels.index.astype("str").to_list(), type=pa.string())
    placed = pa.table({"placed_id": ids, "place": codes.astype("int64")})
    t = events.table
    known = table_of(placed) if dialect_of(t) == "duckdb" else ibis.memtable(placed)
    lines = t.filter((t.kind == "purchase") & (t.timestamp < moment) & t[of].notnull() & is_bought(t))
    pairs = lines.select("customer_id", thing=lines[of]).distinct()
    pairs = pairs.inner_join(known, pairs.customer_id == known.placed_id)
    counted = pairs.group_by(["place", "thing"]).agg(buyers=pairs.count())
    anything = pairs.group_by("place").agg(buyers=pairs.customer_id.nunique())
    counts = run_with_progress(counted, counted.to_pandas, "Counting buyers of products")
    totals = run_with_progress(anything, anything.to_pandas, "Counting buyers").set_index("place")["buyers"]
    counts = counts.assign(segment_id=segments[counts["place"]])
    totals.index = segments[totals.index]
    return counts[["segment_id", "thing", "buyers"]].rename(columns={"thing": of}), totals


def _ratios(bought: pd.DataFrame, totals: pd.Series, of: str) -> pd.DataFrame:
    """Compare the share of buyers in each segment with that of all others, shrunken by how far ratios spread."""
    inside = bought["buyers"].to_numpy(float)
    size = totals.reindex(bought["segment_id"]).to_numpy(float)
    outside = bought.groupby(of)["buyers"].transform("sum").to_numpy(float) - inside
    rest = totals.sum() - size
    with np.errstate(divide="ignore", invalid="ignore"):
        share, elsewhere = inside / size, np.where(rest > 0, outside / rest, np.nan)
    log_ratio = np.log((inside + 0.5) / (size + 1)) - np.log((outside + 0.5) / (rest + 1))
    variance = 1 / (inside + 0.5) - 1 / (size + 1) + 1 / (outside + 0.5) - 1 / (rest + 1)
    kept = 1 / (1 + variance / max(_spread(log_ratio, variance), 1e-12))
    middle, error = kept * log_ratio, np.sqrt(kept * variance)
    wide = norm.ppf(0.5 + LEVEL / 2) * error
    return bought.assign(
        share=share,
        elsewhere=elsewhere,
        ratio=np.exp(middle),
        low=np.exp(middle - wide),
        high=np.exp(middle + wide),
        sure=middle / error,
    )


def _spread(values: np.ndarray, variance: np.ndarray) -> float:
    """Return by how much true values spread around 0, as a variance: their mean square beyond that of chance."""
    return max(0.0, float((values**2 - variance).mean()))
