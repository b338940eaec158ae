"""Plan an experiment: which lifts each segment can show, and how many customers it takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, fewer_than, hidden_sizes, is_few
from segkit.core.messages import counted, in_words, joined, listed
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.audiences.customer_ids import segment_names, text_of
from segkit.tailor.experiments.experiment_table import EVERYONE, check_is_free
from segkit.tailor.experiments.intervals import FixedLook, ManyLooks
from segkit.tailor.experiments.power import Chance
from segkit.tailor.experiments.wording import amount

OUTCOMES = ("conversion", "spend")


def plan_experiment(
    by: Partition | pd.Series,
    *,
    baseline: float | Mapping[str, float] | pd.Series,
    lift: float | None = None,
    power: float = 0.8,
    holdout: float = 0.1,
    outcome: str = "conversion",
    level: float = 0.95,
    peeking: bool = False,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Plan an experiment: the smallest lift that each segment can show, and the customers that a lift needs.

    Parameters
    ----------
    by : Segmentation or Series
        Segments; a Series holds labels by customer.
    baseline : float, mapping of segment to float, or Series by customer
        Share of the customers who buy untreated: one for all, or by segment; or past outcomes of customers, 0 and 1.
        With ``outcome="spend"``, past spend of customers, which also says how much it varies.
    lift : float, optional
        The lift to plan for, as a difference: 0.02 is two points.
    power : float, default=0.8
        Chance to find a lift.
    holdout : float, default=0.1
        Share of the customers to hold out.
    outcome : {"conversion", "spend"}, default="conversion"
        Whether outcomes are shares or amounts.
    level : float, default=0.95
        Of the intervals of :func:`segkit.lift`.
    peeking : bool, default=False
        Whether results will be looked at while they come in, which takes more customers.
    minimum : int, default=10
        Segments of fewer customers are named without numbers, and one more has no counts, so that theirs do not follow.
        1 shows everything.

    Returns
    -------
    DataFrame
        A row for all customers and one for each `segment`: `customers`, `treated`, `held_out`, `baseline`,
        `smallest_lift` (found with chance `power`), `power` (chance to find `lift`), `customers_needed` (to find `lift`
        with chance `power`) and a `verdict`, which says with which segments one that is too small should be joined:
        those with the nearest baseline. Without `lift`, a segment is too small if only more than a doubling of its
        baseline would be found.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or a segment has no baseline.

    Notes
    -----
    The chance that the interval of :func:`segkit.lift` excludes 0 (Newcombe's for shares), in normal approximation, for
    each segment as if it were asked alone.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> segments = pd.Series(["Loyal"] * 20_000 + ["New"] * 2_000)
    >>> plan = sg.plan_experiment(segments, baseline={"Loyal": 0.10, "New": 0.08}, lift=0.025)
    >>> plan[["segment", "customers", "smallest_lift", "power", "customers_needed"]].round(3)
             segment  customers  smallest_lift  power  customers_needed
    0  all customers      22000          0.020  0.950             13741
    1          Loyal      20000          0.021  0.925             13938
    2            New       2000          0.066  0.132             11722
    >>> plan.loc[2, "verdict"]
    'too small alone: join with Loyal'
    """
    check_minimum(minimum)
    for name, value in {"power": power, "holdout": holdout, "level": level}.items():
        _check_between(name, value)
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome={outcome!r} is not known. Say 'conversion' or 'spend'.")
    if lift is not None and (
        isinstance(lift, bool) or not isinstance(lift, (int, float)) or not 0 < abs(lift) < np.inf
    ):
        raise ValueError(f"lift={lift!r} should be a difference, such as 0.02 for two points.")
    labels = labels_by_customer(by, "by")
    if not len(labels):
        raise ValueError("by holds no customer. Pass the segments of customers.")
    names = segment_names(by, labels.index).cat.remove_unused_categories()
    check_is_free(names.cat.categories)
    table = _baselines(names, baseline, shares=outcome == "conversion")
    held_out = np.rint(table["customers"] * holdout)
    table["treated"], table["held_out"] = (table["customers"] - held_out).astype(int), held_out.astype(int)
    alpha = 1 - level
    z = float(ManyLooks(1.0, alpha).z(alpha) if peeking else FixedLook().z(alpha))
    chance = Chance(
        table["baseline"].to_numpy(), table["variance"].to_numpy(), shares=outcome == "conversion", z=z
    )
    sizes = (table["treated"].to_numpy(), table["held_out"].to_numpy())
    table["smallest_lift"] = chance.smallest_lift(power, *sizes)
    table["power"], table["customers_needed"] = float(power), pd.array([pd.NA] * len(table), dtype="Int64")
    if lift is not None:
        wanted = np.full(len(table), float(lift))
        table["power"] = chance.of(wanted, *sizes)
        table["customers_needed"] = pd.array(chance.customers(wanted, power, holdout), dtype="Int64")
    table["verdict"] = _verdicts(table, lift, power, shares=outcome == "conversion")
    columns = [
        "customers",
        "treated",
        "held_out",
        "baseline",
        "smallest_lift",
        "power",
        "customers_needed",
        "verdict",
    ]
    plan = _without_few(table[["segment", *columns]], minimum)
    plan.attrs["segkit"] = {
        **{"lift": lift, "power": power, "holdout": holdout, "outcome": outcome, "level": level},
        **{"peeking": peeking, "unit": "share" if outcome == "conversion" else "mean"},
    }
    return plan


def _without_few(plan: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return the plan without the numbers of small segments, nor the size of one from which theirs follow."""
    of_segment = plan["segment"] != EVERYONE
    few = is_few(plan["customers"], minimum)
    hidden = np.zeros(len(plan), dtype=bool)
    hidden[of_segment] = hidden_sizes(plan.loc[of_segment, "customers"], minimum)
    hidden |= few
    if not hidden.any():
        return plan
    counts = ["customers", "treated", "held_out", "customers_needed"]
    plan = plan.astype(dict.fromkeys(counts, "Int64"))
    plan[counts] = plan[counts].mask(np.broadcast_to(hidden[:, None], (len(plan), len(counts))))
    plan["verdict"] = plan["verdict"].mask(few, fewer_than(minimum))
    for name in ("baseline", "smallest_lift", "power"):
        near = pd.Series(
            [float(f"{value:.1g}") for value in plan[name]], plan.index
        )  # exact ones would tell the size
        plan[name] = plan[name].mask(hidden, near).mask(few)
    return plan


def _baselines(
    names: pd.Series, baseline: float | Mapping[str, float] | pd.Series, *, shares: bool
) -> pd.DataFrame:
    """Return customers, baseline and variance: of all customers, and of each segment."""
    segments = list(names.cat.categories)
    sizes = names.value_counts().reindex(segments)
    if isinstance(baseline, pd.Series) and not set(segments) <= set(map(str, baseline.index)):
        return _of_past(names, baseline, shares=shares)
    if not shares:
        raise ValueError(
            f"baseline is {in_words(baseline)}. For spend, pass past spend of each customer, a Series by id: it also "
            "says how much spend varies."
        )
    if isinstance(baseline, (pd.Series, Mapping)):
        known = {str(name): value for name, value in baseline.items()}
        unknown = [name for name in segments if name not in known]
        if unknown:
            raise ValueError(
                f"baseline has no share of the segment {unknown[0]!r}. Segments are {listed(segments)}."
            )
        values = [known[name] for name in segments]
    elif isinstance(baseline, (int, float)):
        values = [baseline] * len(segments)
    else:
        raise TypeError(
            f"baseline is {in_words(baseline)}. It should be a share, a share by segment, or past outcomes by customer."
        )
    for value in values:
        _check_between("baseline", value)
    table = pd.DataFrame(
        {"segment": segments, "customers": sizes.to_numpy(), "baseline": np.array(values, dtype=float)}
    )
    mean = float(np.average(table["baseline"], weights=table["customers"]))
    everyone = pd.DataFrame({"segment": [EVERYONE], "customers": [len(names)], "baseline": [mean]})
    table = pd.concat([everyone, table], ignore_index=True)
    return table.assign(variance=table["baseline"] * (1 - table["baseline"]))


def _of_past(names: pd.Series, past: pd.Series, *, shares: bool) -> pd.DataFrame:
    """Return what past outcomes say; of customers whose past is unknown, only their number counts."""
    if not pd.api.types.is_numeric_dtype(past) or not past.index.is_unique:
        raise ValueError("baseline should hold one number for each customer, by id.")
    values = past.set_axis(text_of(past.index, "baseline")).reindex(names.index).astype(float)
    if shares and not values.dropna().isin([0, 1]).all():
        raise ValueError("baseline holds other values than 0 and 1. For amounts, say outcome='spend'.")
    rows = []
    for segment in [EVERYONE, *names.cat.categories]:
        inside = np.ones(len(names), dtype=bool) if segment == EVERYONE else (names == segment).to_numpy()
        known = values[inside].dropna()
        if len(known) < 2:
            raise ValueError(
                f"baseline knows {counted(len(known), 'customer')} of {segment!r}. It takes 2 or more."
            )
        if not shares and known.nunique() == 1:
            raise ValueError(
                f"baseline is {known.iloc[0]:g} for all {len(known):,} customers of {segment!r}, so it does not say "
                "how much spend varies. Pass the spend of a longer time, or join the segment with another."
            )
        rows.append((segment, int(inside.sum()), known.mean(), known.var(ddof=0 if shares else 1)))
    return pd.DataFrame(rows, columns=["segment", "customers", "baseline", "variance"])


def _verdicts(table: pd.DataFrame, lift: float | None, power: float, *, shares: bool) -> list[str]:
    verdicts = []
    rows = table.to_dict("records")
    for row in rows:
        smallest, needed = row["smallest_lift"], row["customers_needed"]
        known = row["baseline"] if lift is None else np.inf
        enough = smallest <= known and (lift is None or (not pd.isna(needed) and row["customers"] >= needed))
        if enough:
            verdicts.append(f"can show {amount(smallest, shares)} or more")
        elif lift is not None and pd.isna(needed):
            verdicts.append(f"a lift of {amount(lift, shares, signed=True)} is not possible here")
        elif row["segment"] == EVERYONE:
            verdicts.append("too small, even all together: hold out more, or run it longer")
        else:
            verdicts.append(_join(row, rows, lift))
    return verdicts


def _join(row: Mapping, rows: list[dict], lift: float | None) -> str:
    """Say with which segments to join a small one: the nearest baselines first, until they are enough."""
    others = [other for other in rows if other["segment"] not in (EVERYONE, row["segment"])]
    others.sort(key=lambda other: (abs(other["baseline"] - row["baseline"]), other["segment"]))
    have, partners = row["customers"], []
    # A doubling takes fewer customers by the square of how much smaller the lift is that they show.
    small = row["smallest_lift"] if row["smallest_lift"] == row["smallest_lift"] else 1.0
    needed = row["customers_needed"] if lift is not None else have * (small / max(row["baseline"], 1e-9)) ** 2
    for other in others:
        if have >= needed:
            break
        have += other["customers"]
        partners.append(other["segment"])
    if have < needed:
        return "too small, even joined with all others"
    if len(partners) > 1 and len(partners) == len(others):
        return "too small alone: only all customers together can answer"
    return f"too small alone: join with {joined(partners)}"


def _check_between(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
        raise ValueError(f"{name}={value!r} should lie between 0 and 1.")
