"""Count how many customers share what others know of each, and generalise until enough do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from segkit.core.checks import check_count, check_frame
from segkit.core.html import html_table, render
from segkit.core.messages import counted, did_you_mean, in_words, joined
from segkit.privacy.generalisations import Generalisation, generalisations_of

LEFT_OUT = 0.02  # of the customers, at most, so that a few odd ones do not make all values coarse

_SHOWN = """
<p><b>{{ k }}-anonymity</b> by {{ by }}. {{ sentence }}</p>{{ table }}
"""


@dataclass(frozen=True, eq=False)
class KAnonymity:
    """How many customers share what others know of each, and a generalisation that reaches k.

    Attributes
    ----------
    k : int
    quasi : tuple of str
        The columns that others may know of a person.
    smallest : int
        Customers of the smallest class: those who have the same values in all these columns.
    below : int
        Customers in classes of fewer than k.
    columns : DataFrame
        Indexed by column: `values`, how many there are; `generalised`, to what they are made coarser, in words; and
        `values_left`.
    generalised : DataFrame
        The table with coarser values, without those who are `left_out`: each class holds k customers or more. Its
        index and its other columns are as they were.
    left_out : Index
        The customers who would still be in a class of fewer than k.
    sentence : str
    """

    k: int
    quasi: tuple[str, ...]
    smallest: int
    below: int
    columns: pd.DataFrame = field(repr=False)
    generalised: pd.DataFrame = field(repr=False)
    left_out: pd.Index = field(repr=False)
    sentence: str

    def _repr_html_(self) -> str:
        rows = self.columns.reset_index().itertuples(index=False)
        table = html_table(["column", "values", "generalised", "values left"], rows, text=(0, 2))
        return str(render(_SHOWN, k=self.k, by=joined(self.quasi), sentence=self.sentence, table=table))


def k_anonymity(table: pd.DataFrame, quasi: Sequence[str] | str, *, k: int = 10) -> KAnonymity:
    """Count the customers whom few others resemble, and generalise the table until each is one of k.

    Parameters
    ----------
    table : DataFrame of shape (n_customers, n_columns)
        A row for each customer.
    quasi : str or sequence of str
        Quasi-identifiers [1]_: columns that others may know of a person, such as age, region and gender.
    k : int, default=10
        Customers that should share each combination of values; 2 or more.

    Returns
    -------
    KAnonymity
        `smallest`, `below`, and a generalisation that reaches k: `columns`, `generalised`, `left_out`.

    Raises
    ------
    TypeError
        If the table is no DataFrame.
    ValueError
        If there is no such column, there are fewer customers than k, or k is below 2.

    Notes
    -----
    Numbers become bands, times months and years, and rare words "other"; at last a column says "any". One step at a
    time, the column with most values is made coarser [2]_, and steps that were not needed are taken back: none of the
    columns could be a step finer. Up to 2 % of the customers are left out, if that is enough. Missing values are values
    as others are. Bands at the ends are open, so that they do not tell the oldest age.

    It says who can be picked out, not what is then learned: a class of k customers who all have the same illness tells
    it of each of them.

    References
    ----------
    .. [1] Samarati (2001), Protecting respondents' identities in microdata release, IEEE Transactions on Knowledge and
       Data Engineering 13.
    .. [2] Sweeney (2002), Achieving k-anonymity privacy protection using generalization and suppression, International
       Journal of Uncertainty, Fuzziness and Knowledge-Based Systems 10.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> people = pd.DataFrame({"age": [*range(20, 60)] * 2, "city": ["York"] * 50 + ["Leeds"] * 30})
    >>> found = sg.k_anonymity(people, ["age", "city"], k=5)
    >>> found.smallest, found.below
    (1, 80)
    >>> int(found.generalised.value_counts().min())
    9
    """
    check_frame("table", table, "It should be a DataFrame with a row for each customer.")
    names = _checked_quasi(quasi, table)
    check_count("k", k, 2)
    n = len(table)
    if k > n:
        raise ValueError(f"k={k:,} is more than the {counted(n, 'customer')} of the table. Lower k.")
    ways = [generalisations_of(table[name]) for name in names]
    levels = _reached(ways, k, int(LEFT_OUT * n))
    before = class_sizes([way[0].codes for way in ways])
    chosen = [way[level] for way, level in zip(ways, levels, strict=True)]
    kept = class_sizes([one.codes for one in chosen]) >= k
    columns = pd.DataFrame(
        {
            "values": [len(way[0].values) for way in ways],
            "generalised": pd.array([one.words for one in chosen], dtype="str"),
            "values_left": [len(np.unique(one.codes[kept])) for one in chosen],
        },
        index=pd.Index(names, name="column"),
    )
    coarser = {
        name: one.column(table.index) for name, one, level in zip(names, chosen, levels, strict=True) if level
    }
    return KAnonymity(
        k=int(k),
        quasi=tuple(names),
        smallest=int(before.min()),
        below=int((before < k).sum()),
        columns=columns,
        generalised=table.assign(**coarser)[kept],
        left_out=table.index[~kept],
        sentence=_sentence(before, k, names, chosen, levels, int((~kept).sum())),
    )


def class_sizes(codes: list[np.ndarray]) -> np.ndarray:
    """Return for each customer how many have the same codes.

    Examples
    --------
    >>> class_sizes([np.array([0, 0, 1]), np.array([1, 1, 1])]).tolist()
    [2, 2, 1]
    """
    classes = codes[0]
    for more in codes[1:]:
        classes = pd.factorize(classes.astype("int64") * (int(more.max()) + 1) + more)[0]
    return np.bincount(classes)[classes]


def _reached(ways: list[list[Generalisation]], k: int, leave_out: int) -> list[int]:
    """Return a level for each column that reaches k, so that no column could be a level finer."""

    def below(levels: list[int]) -> int:
        return int((class_sizes([way[at].codes for way, at in zip(ways, levels, strict=True)]) < k).sum())

    def step(levels: list[int], at: int, by: int) -> list[int]:
        return [level + by * (i == at) for i, level in enumerate(levels)]

    levels = [0] * len(ways)
    while below(levels) > leave_out:
        values = [len(way[at].values) for way, at in zip(ways, levels, strict=True)]
        levels = step(levels, int(np.argmax(values)), 1)
    finer = True
    while finer:
        finer = False
        for at in range(len(ways)):
            while levels[at] and below(step(levels, at, -1)) <= leave_out:
                levels, finer = step(levels, at, -1), True
    return levels


def _checked_quasi(quasi: Sequence[str] | str, table: pd.DataFrame) -> list[str]:
    if not isinstance(quasi, (Sequence, pd.Index)):
        raise TypeError(f"quasi is {in_words(quasi)}. Name columns of the table: quasi=['age', 'region'].")
    names = [quasi] if isinstance(quasi, str) else list(dict.fromkeys(quasi))
    if not names:
        raise ValueError(
            "quasi is empty. Name the columns that others may know of a person: quasi=['age', 'region']."
        )
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"quasi names {name!r}, which is no column of the table.{did_you_mean(str(name), table.columns)} Its "
                "columns hold what is known of each customer; name those that others may know too."
            )
        column = table[name]
        if isinstance(column, pd.DataFrame):
            raise ValueError(f"The table has two columns {name!r}. Drop or rename one.")
        if column.dtype == object and not column.map(pd.api.types.is_hashable).all():
            raise TypeError(
                f"{name!r} holds lists or the like, not one value a customer. Leave it out of quasi."
            )
    return names


def _sentence(
    before: np.ndarray,
    k: int,
    names: list[str],
    chosen: list[Generalisation],
    levels: list[int],
    left_out: int,
) -> str:
    few = int((before < k).sum())
    if not few:
        return f"Each customer is one of {before.min():,} or more who have the same values."
    share = "has" if few == 1 else "have"
    steps = [f"{name} {one.words}" for name, one, level in zip(names, chosen, levels, strict=True) if level]
    made = f" with {joined(steps)}" if steps else ""
    left = f" once {counted(left_out, 'customer is', 'customers are')} left out" if left_out else ""
    return (
        f"{few:,} of {counted(len(before), 'customer')} {share} the same values as fewer than {k - 1:,} others; the "
        f"smallest class holds {before.min():,}. Each is one of {k:,} or more{made}{left}."
    )
