"""Recommend products to customers, with a reason for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from segkit.analyse.features.tables.orders import MICROSECONDS_A_DAY
from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count
from segkit.core.messages import choose_from
from segkit.core.moments import read_moment, read_span
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.audiences.customer_ids import customer_ids
from segkit.tailor.products.choose_method import Choice, choose_method
from segkit.tailor.products.due_dates import due_dates, gaps_of, words_of_history
from segkit.tailor.products.methods import EASE, ITEM_KNN, OWN_HISTORY, ItemWeights, OwnHistory, fit_method
from segkit.tailor.products.offered_products import (
    excluded_products,
    gone_products,
    product_lives,
    without_returned,
)
from segkit.tailor.products.picks import SCORED, Picks
from segkit.tailor.products.popular_products import PopularProducts, popular_products
from segkit.tailor.products.products_or_categories import products_of
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, like, purchase_matrix
from segkit.tailor.products.reasons import words_of_common_buyers, words_of_popularity

GOALS = ("new", "again")
CHECKED = 0.1  # share of the log, its latest part, that methods are checked on
BASIS = {EASE: "EASE", ITEM_KNN: "bought together", OWN_HISTORY: "own history"}
TICK = 1000  # microseconds by which the log ends after its last purchase


def recommend(
    events: Events,
    *,
    as_of: str | pd.Timestamp,
    goal: str = "new",
    n: int = 10,
    customers: Iterable[object] | None = None,
    by: Partition | pd.Series | None = None,
    exclude: Iterable[object] | None = None,
    horizon: str | timedelta | None = None,
    of: str = "product_id",
) -> pd.DataFrame:
    """Recommend products to each customer, with a reason that can be counted in the log.

    Parameters
    ----------
    events : Events
        The log; purchases and returns before `as_of` count.
    as_of : str or Timestamp
        Only events before it count.
    goal : {"new", "again"}, default="new"
        Products that the customer never bought, or those to buy again.
    n : int, default=10
        Products for each customer.
    customers : list of ids, Index or Series, optional
        Whom to recommend to, the unknown ones too; by default everyone who bought anything.
    by : Segmentation or Series, optional
        Segments; who has no history gets what is popular in the own segment.
    exclude : list of product ids, optional
        Products not to recommend.
    horizon : str or timedelta, optional
        With ``goal="new"``: the latest part of the log, on which methods are checked; by default a tenth of it.

    of : {"product_id", "category"}, default="product_id"
        What to recommend; `exclude` names the same.

    Returns
    -------
    DataFrame
        At most `n` rows for each customer, in the order of the ids as text:

        * `customer_id`, `rank` from 1, `product_id` or `category`
        * `score`, to be compared within a customer and a basis only
        * `due`: when the customer needs it again, a day; missing where unknown, and for new products
        * `why`, such as "with tea, bought by 41 of 77 who bought tea". The own product is the one that adds most to
          the score. Numbers below five are not said, since they might tell what one person bought.
        * `basis`: "EASE", "bought together", "own history", "popular in" a segment or "popular in the shop"

        ``attrs["segkit"]`` holds `method` and `verdict`, how it was chosen; `check`, its NDCG@10 beside that of
        popularity; and counts: `customers`, `without_history`, `fewer` than `n` products, `none` at all, products
        `gone` and `excluded`, and `sent_back`, purchases that were returned.

    Raises
    ------
    ValueError
        If nobody bought a product before `as_of`, or an argument is wrong.

    Warns
    -----
    UserWarning
        If `exclude` has products that nobody bought.

    Notes
    -----
    **New.** EASE [1]_ of the 6,000 products with the most buyers; where there are more, also what is bought together
    (item-kNN). They are learnt without the latest part of the log and checked on it first, and the better one is taken.
    Unless it surely does better there than popularity, recent and lasting, everyone gets what is popular.

    **Again.** The number of orders with a product, halved with each 91 days since the last one, and more for what many
    buy now. It is due after the customer's own median gap, drawn to the product's usual gap as if that were three more
    gaps. A usual gap is known where five customers or more bought a product again.

    Customers without a history get what is popular in their segment with five buyers or more, then in the shop. For new
    products, what is popular in the shop also fills the places for which no score is above 0. What a customer sent back
    entirely is no history, and is not recommended.

    Nobody gets a product that is gone from the shop: nobody bought it in the last tenth of the log, or longer, and its
    days with a purchase, spread evenly over the log, would have put five or more of them there.

    Customers are scored in blocks. A row takes about 60 bytes, and several times as much while it is made: 10 products
    for a million customers 0.6 GB, and 6 GB at the most. For less, ask for `customers` part by part: an answer does not
    depend on who else is asked for.

    References
    ----------
    .. [1] Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data, WWW.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> lines = pd.DataFrame({
    ...     "customer_id": ["ada", "ada", "ada", "bob"], "product_id": ["tea", "tea", "rum", "tea"],
    ...     "timestamp": ["2024-05-01", "2024-05-10", "2024-05-10", "2024-05-12"],
    ... })
    >>> events = sg.read_events(lines, kind="purchase")
    >>> again = sg.recommend(events, as_of="2024-05-25", goal="again", customers=["ada"])
    >>> for row in again.itertuples():
    ...     print(row.product_id, "|", row.due.date(), "|", row.why)
    tea | 2024-05-19 | bought 2 times, about every 9 days; last on 2024-05-10; 6 days overdue
    rum | NaT | bought once, on 2024-05-10
    """
    checked_events(events)
    events = products_of(events, of)
    moment = read_moment(as_of)
    check_count("n", n, 1)
    if goal not in GOALS:
        raise ValueError(f"goal={goal!r} is not known.{choose_from(goal, GOALS)}")
    span = None if horizon is None else read_span(horizon, "horizon")
    if by is not None:
        labels_by_customer(by, "by")
    some = None if customers is None else customer_ids(customers, "customers")[1]
    bought = purchase_matrix(events, moment)
    excluded = excluded_products(exclude, bought.products)
    lives = product_lives(events, moment, bought.products)
    gone = gone_products(lives)
    recent, ended = _since_last_purchase(bought, moment)
    liked = without_returned(events, moment, recent)
    asked = bought.customers if some is None else some.unique().sort_values()
    popular = popular_products(bought, liked, by, asked)
    picks = Picks.none(asked, bought, liked, ~(gone | excluded), min(int(n), len(bought.products)))
    if goal == "again":
        choice = Choice(OWN_HISTORY, "own history: what the customer bought before")
    else:
        started = pd.Timestamp(0) + pd.Timedelta(days=lives["first"].min())
        choice = choose_method(events, started, ended - (span or CHECKED * (ended - started)), ended)
    scorer = fit_method(choice.method, liked)
    if isinstance(scorer, OwnHistory):
        picks.add_history(scorer)
    elif isinstance(scorer, ItemWeights):
        picks.add_scored(scorer)
    picks.add_popular(popular, again=goal == "again")
    table = _table(picks, popular, BASIS.get(choice.method, ""))
    if goal == "again":
        _add_history(table, picks, events, moment)
    table["why"], table["basis"] = table["why"].astype("category"), table["basis"].astype("category")
    rows = (picks.product >= 0).sum(axis=1)
    table = table.rename(columns={"product_id": of})
    table.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "goal": goal,
        "method": choice.method,
        "verdict": choice.verdict,
        "check": choice.check,
        "customers": len(asked),
        "without_history": int((~picks.has_history).sum()),
        "fewer": int(((rows > 0) & (rows < n)).sum()),
        "none": int((rows == 0).sum()),
        "gone": int(gone.sum()),
        "excluded": int(excluded.sum()),
        "sent_back": int(bought.orders.nnz - liked.orders.nnz),
    }
    return table


def _since_last_purchase(bought: PurchaseMatrix, moment: pd.Timestamp) -> tuple[PurchaseMatrix, pd.Timestamp]:
    """Return purchases with their age at the end of the log, and that end: a tick after the last purchase.

    Long after the log, nothing would be recent.
    """
    later = max(round(float(bought.last.data.min()) * MICROSECONDS_A_DAY) - TICK, 0)
    ages = bought.last.data - later / MICROSECONDS_A_DAY
    return replace(bought, last=like(bought.last, ages)), moment - pd.Timedelta(later, "us")


def _table(picks: Picks, popular: PopularProducts, method: str) -> pd.DataFrame:
    """Return a row for each pick, with words for all but those of own history."""
    who, rank = np.nonzero(picks.product >= 0)
    product, source = picks.product[who, rank], picks.source[who, rank]
    scored = source == SCORED
    why, basis = np.empty(len(who), dtype=object), np.empty(len(who), dtype=object)
    basis[scored] = method
    own = picks.own[who, rank]
    known = own >= 0
    why[known] = words_of_common_buyers(picks.bought, own[known], product[known])
    kinds, place = np.unique(
        source[~scored].astype(np.int64) * len(picks.bought.products) + product[~scored], return_inverse=True
    )
    segment, column = np.divmod(kinds, len(picks.bought.products))
    names = [popular.names[at] for at in segment]
    buyers = popular.buyers[segment, column]
    why[~scored] = words_of_popularity(buyers, popular.customers[segment], names)[place]
    basis[~scored] = np.array([f"popular in {name}" for name in popular.names], dtype=object)[source[~scored]]
    return pd.DataFrame(
        {
            "customer_id": picks.asked.take(who),
            "rank": rank + 1,
            "product_id": picks.bought.products.take(product),
            "score": picks.score[who, rank],
            "due": np.full(len(who), np.datetime64("NaT", "us")),
            "why": why,
            "basis": basis,
        }
    )


def _add_history(table: pd.DataFrame, picks: Picks, events: Events, moment: pd.Timestamp) -> None:
    """Write when products that were bought before are due, and why."""
    who, rank = np.nonzero(picks.source == SCORED)
    if not len(who):
        return
    rows, columns = picks.rows[who], picks.product[who, rank]
    bought = picks.bought
    gaps = gaps_of(events, moment, bought)
    ages = np.rint(np.asarray(bought.last[rows, columns], dtype=float) * MICROSECONDS_A_DAY)
    last = pd.Series(np.datetime64(moment, "us") - ages.astype("timedelta64[us]"))
    due = due_dates(last, gaps.expected(rows, columns))
    times = np.asarray(bought.orders[rows, columns])
    at = np.flatnonzero(picks.source[picks.product >= 0] == SCORED)
    table.loc[at, "due"] = due.to_numpy()
    table.loc[at, "why"] = words_of_history(times, last, gaps.own(rows, columns), due, moment)
