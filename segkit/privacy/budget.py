"""Keep a privacy budget in a file: what each release spent, and no release past its end."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from segkit.core.checks import check_type, checked_path
from segkit.core.html import html_table, render
from segkit.core.messages import counted

MOST_EPSILON = 100  # with more, noise hides nobody
MOST_DELTA = 0.01  # with more, one customer in a hundred could be published as she is
WAIT = 60  # seconds for another process to finish its entry

# The first entry is the budget itself. Numbers are text, so that 0.1 three times is 0.3 exactly.
_TABLE = (
    "CREATE TABLE ledger (number INTEGER PRIMARY KEY, what TEXT, epsilon TEXT, delta TEXT, chain TEXT)",
    "CREATE TRIGGER keep_entries BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'append only'); END",
    "CREATE TRIGGER keep_all BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'append only'); END",
)
_BUDGET = "budget"
_SHOWN = "<div><p>{{ sentence }}</p>{{ table }}</div>"


class Entry(NamedTuple):
    """A release, and what it spent."""

    what: str
    epsilon: Decimal
    delta: Decimal


KEPT = "Bring it back from a backup."
_ADVICE = {
    "epsilon": "Spend less, with more noise, or go on with what was released before.",
    "delta": "Leave delta out, for Laplace noise, or say a smaller one.",
}


class PrivacyBudget:
    """Limit what all releases about the same customers give away together.

    Every table with noise gives a little away, and the average of many has no noise left. So each spends from one
    budget, which a file keeps: after a restart and among processes. A release past the budget is refused.

    Parameters
    ----------
    path : str or Path
        The ledger, an SQLite file; made where there is none. Keep one for each set of customers, where nobody who
        releases tables can delete it.
    epsilon : float, optional
        The budget for all releases; about 1 protects well, and from 10 little. A ledger keeps what it began with, so
        it may be left out later.
    delta : float, default=0
        How likely the promise may fail, for releases with Gaussian noise. Keep it far below 1 / number of customers.

    Attributes
    ----------
    epsilon, delta : float
        The whole budget.
    ledger : DataFrame
        `release`, `epsilon`, `delta` and `left` (the epsilon after it) of each release so far.
    spent, left : float
        Epsilon, in sum.

    Raises
    ------
    ValueError
        If epsilon or delta is no such number, differs from the one in the ledger, or the file is no ledger or was
        changed by hand.

    Notes
    -----
    Epsilons and deltas add up (basic composition [1]_), which is always safe. Each entry has a hash of all before it,
    so that a changed or missing one is found; entries cut off at the end are not.

    References
    ----------
    .. [1] Dwork & Roth (2014), The algorithmic foundations of differential privacy, theorem 3.16.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import segkit as sg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     budget = sg.PrivacyBudget(Path(folder) / "budget.sqlite", epsilon=1)
    ...     budget.spend("a table of my own", epsilon=0.4)
    ...     budget
    PrivacyBudget: 0.4 of epsilon 1 spent in 1 release; 0.6 left
    """

    def __init__(self, path: str | Path, epsilon: float | None = None, *, delta: float | None = None):
        self.path = checked_path(path, "It should be the file of the ledger, such as 'budget.sqlite'.")
        if epsilon is not None:
            check_epsilon(epsilon)
        if delta is not None:
            check_delta(delta)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"There is no folder {str(self.path.parent)!r} for a ledger. Make it, or name another."
            )
        if epsilon is None and not self.path.exists():
            raise FileNotFoundError(
                f"There is no ledger {str(path)!r}. To begin one, say how much may be spent: epsilon=1."
            )
        with self._open("rw" if epsilon is None else "rwc") as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if not tables and epsilon is not None:
                for statement in _TABLE:
                    connection.execute(statement)
                _append(connection, 0, "", Entry(_BUDGET, _decimal(epsilon), _decimal(delta or 0)))
            elif "ledger" not in tables:
                raise ValueError(f"{str(path)!r} holds no ledger of a privacy budget. Name another file.")
            budget = self._entries(connection)[0][0]
        self.epsilon, self.delta = float(budget.epsilon), float(budget.delta)
        for name, said, kept in (("epsilon", epsilon, self.epsilon), ("delta", delta, self.delta)):
            if said is not None and said != kept:
                raise ValueError(
                    f"The ledger {self.path.name!r} was begun with {name}={kept:g}, and this is {name}={said:g}. "
                    f"A budget stays as it was begun: leave {name} out."
                )

    @contextlib.contextmanager
    def _open(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """Open the ledger for this process alone; what is written stays only if nothing fails."""
        place = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            with contextlib.closing(
                sqlite3.connect(place, uri=True, timeout=WAIT, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    yield connection
        except sqlite3.OperationalError as error:
            if self.path.is_dir():
                raise IsADirectoryError(
                    f"{str(self.path)!r} is a folder. Name a file in it: {str(self.path / 'budget.sqlite')!r}."
                ) from error
            if self.path.exists():
                raise
            raise FileNotFoundError(
                f"The ledger {str(self.path)!r} is gone, so nobody knows what was spent. {KEPT}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{str(self.path)!r} holds no ledger of a privacy budget ({error}). Name another file."
            ) from error

    def _entries(self, connection: sqlite3.Connection) -> tuple[list[Entry], str]:
        """Return all entries, the budget first, and the hash of them, after checking that none was changed."""
        rows = connection.execute("SELECT * FROM ledger ORDER BY number").fetchall()
        chain = ""
        for number, (kept, *entry, link) in enumerate(rows):
            chain = _link(chain, number, *entry)
            if (kept, link) != (number, chain):
                raise ValueError(
                    f"The ledger {str(self.path)!r} was changed at entry {number}, so nobody knows what was spent. "
                    f"{KEPT}"
                )
        if not rows:
            raise ValueError(
                f"The ledger {str(self.path)!r} is empty, so nobody knows what was spent. {KEPT}"
            )
        return [Entry(what, Decimal(epsilon), Decimal(delta)) for _, what, epsilon, delta, _ in rows], chain

    def spend(self, what: str, *, epsilon: float, delta: float = 0.0) -> None:
        """Write a release into the ledger, before it is made; a failure after that leaves it spent.

        :func:`segkit.private_sizes` and :func:`segkit.private_profile` call it. Call it for releases of your own.

        Parameters
        ----------
        what : str
            What is released; no name or number of a customer, since the ledger is kept.
        epsilon, delta : float
            What it spends.

        Raises
        ------
        ValueError
            If that is more than what is left. Nothing is written then.
        """
        check_type("what", what, str, "It should be a text: what is released.")
        check_epsilon(epsilon)
        check_delta(delta)
        with self._open() as connection:
            (budget, *releases), chain = self._entries(connection)
            for name, amount in (("epsilon", epsilon), ("delta", delta)):
                whole = getattr(budget, name)
                left = whole - sum((getattr(entry, name) for entry in releases), Decimal(0))
                if _decimal(amount) > left:
                    raise ValueError(
                        f"{what} would spend {name}={amount:g}, and {float(left):g} of {float(whole):g} is left. "
                        f"Nothing was released. {_ADVICE[name]}"
                    )
            _append(connection, len(releases) + 1, chain, Entry(what, _decimal(epsilon), _decimal(delta)))

    @property
    def ledger(self) -> pd.DataFrame:
        """The releases so far, in their order: `release`, `epsilon`, `delta`, and `left`, the epsilon after it."""
        with self._open() as connection:
            (budget, *releases), _ = self._entries(connection)
        table = pd.DataFrame(
            {
                "release": pd.array([entry.what for entry in releases], dtype="str"),
                "epsilon": np.array([float(entry.epsilon) for entry in releases], dtype=float),
                "delta": np.array([float(entry.delta) for entry in releases], dtype=float),
            }
        )
        spent = itertools.accumulate(entry.epsilon for entry in releases)
        return table.assign(left=np.array([float(budget.epsilon - amount) for amount in spent], dtype=float))

    @property
    def left(self) -> float:
        """The epsilon that is left."""
        ledger = self.ledger
        return float(ledger["left"].iloc[-1]) if len(ledger) else self.epsilon

    @property
    def spent(self) -> float:
        """The epsilon that all releases together have spent."""
        return float(_decimal(self.epsilon) - _decimal(self.left))

    def __repr__(self) -> str:
        releases = counted(len(self.ledger), "release")
        return f"PrivacyBudget: {self.spent:g} of epsilon {self.epsilon:g} spent in {releases}; {self.left:g} left"

    def _repr_html_(self) -> str:
        rows = [
            [e.release, f"{e.epsilon:g}", f"{e.delta:g}", f"{e.left:g}"] for e in self.ledger.itertuples()
        ]
        table = html_table(["Release", "Epsilon", "Delta", "Left"], rows)
        return render(_SHOWN, sentence=repr(self), table=table)


def check_epsilon(value: object) -> None:
    """Check that `epsilon` is above 0 and at most 100; infinite would be no noise.

    Raises
    ------
    ValueError
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value <= MOST_EPSILON:  # type: ignore[operator]
        raise ValueError(
            f"epsilon={value!r} should be above 0 and at most {MOST_EPSILON}, such as 0.5: less protects "
            "better, and adds more noise."
        )


def check_delta(value: object) -> None:
    """Check that `delta` is a small probability.

    Raises
    ------
    ValueError
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST_DELTA:  # type: ignore[operator]
        raise ValueError(
            f"delta={value!r} should be 0, or far below 1 / number of customers, such as 0.000001."
        )


def _decimal(value: object) -> Decimal:
    return Decimal(repr(float(value)))  # type: ignore[arg-type]


def _link(before: str, *entry: object) -> str:
    return hashlib.sha256(json.dumps([before, *entry]).encode()).hexdigest()


def _append(connection: sqlite3.Connection, number: int, chain: str, entry: Entry) -> None:
    row = (number, entry.what, str(entry.epsilon), str(entry.delta))
    connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", (*row, _link(chain, *row)))
