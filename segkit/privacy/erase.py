"""Erase customers from everything that segkit keeps, and say what was done."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from segkit.collect.events import Events
from segkit.core.checks import check_type, checked_path
from segkit.core.engine.connection import abandoned_folders, is_embedded, run_with_progress, table_of
from segkit.core.engine.event_cache import cached, erase_from_stored_logs
from segkit.core.html import html_table, render
from segkit.core.id_search import IdSearch
from segkit.core.messages import counted, in_words
from segkit.create.segmentation import Segmentation
from segkit.create.storage import CLUSTERERS, ENSEMBLE, MODEL, TABLE, WORDS
from segkit.live.live import Live
from segkit.live.store import FILE, KEPT, LOCK, Store
from segkit.privacy.erase_files import Place, erase_from_file
from segkit.privacy.erase_results import Erased, without_customers
from segkit.privacy.pseudonymise import checked_key, pseudonyms
from segkit.tailor.audiences.customer_ids import customer_ids

GONE, NEVER, STILL = "erased", "was not here", "still found"


@dataclass(frozen=True, eq=False)
class Receipt:
    """What an erasure found and did, without an id: it can be kept and shown.

    Attributes
    ----------
    customers : DataFrame
        Indexed by the salted hash of each id: `outcome`, one of "erased", "was not here" and "still found".
    places : DataFrame
        A row for each place: `place`; `held`, how many of the customers it held; `action`, what was done and why;
        `rows`, how many were erased; `left`, how many of the customers a search finds there afterwards.
    salt : str
        Part of each hash, random: without the id nobody can tell whose it is, except by trying all ids.
    """

    customers: pd.DataFrame = field(repr=False)
    places: pd.DataFrame = field(repr=False)
    salt: str = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether the search afterwards found nothing in any place."""
        return not self.places["left"].any()

    def outcome(self, customer: str) -> str:
        """Return what became of a customer.

        Raises
        ------
        KeyError
            If the customer was not to be erased.
        """
        hashed = _hashed(str(customer), self.salt)
        if hashed not in self.customers.index:
            raise KeyError("This receipt is not of this customer. Pass the id as it was erased.")
        return str(self.customers.loc[hashed, "outcome"])

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain values, such as for JSON."""
        return {
            "salt": self.salt,
            "customers": self.customers["outcome"].to_dict(),
            "places": self.places.to_dict("records"),
        }

    def __repr__(self) -> str:
        lines = [f"  {p.place}: {p.action}" + (f" ({p.rows:,} rows)" * bool(p.rows)) for p in self._shown]
        return "\n".join([f"Receipt: {self._in_words}", *lines])

    @property
    def _in_words(self) -> str:
        counts = self.customers["outcome"].value_counts()
        told = "; ".join(f"{counted(int(n), 'customer')} {outcome}" for outcome, n in counts.items())
        told = told or "No customer was to be erased"
        left = int((self.places["left"] > 0).sum())
        return f"{told}. " + (
            f"Look at {counted(left, 'place')} yourself." if left else "A search finds nothing."
        )

    @property
    def _shown(self) -> list[Any]:
        held = (self.places["held"] > 0) | (self.places["left"] > 0) | (self.places["rows"] > 0)
        return list(self.places[held].itertuples())

    def _repr_html_(self) -> str:
        rows = [(p.place, p.action, f"{p.rows:,}", f"{p.left:,}") for p in self._shown]
        return render(
            "<p><b>Receipt</b>: {{ words }}</p>{{ table }}",
            words=self._in_words,
            table=html_table(
                ["place", "what was done", "rows", "customers found afterwards"], rows, text=(0, 1)
            ),
        )


@dataclass(frozen=True, eq=False)
class Erasure:
    """What is left after an erasure; made by :func:`erase`.

    Attributes
    ----------
    events : Events or None
        Without the customers.
    results : list of Segmentation
        Without them, in the order in which they were passed.
    receipt : Receipt
    """

    events: Events | None
    results: list[Segmentation] = field(repr=False)
    receipt: Receipt


def erase(
    ids: Iterable[str],
    *,
    events: Events | None = None,
    results: Iterable[Segmentation] = (),
    live: Live | Iterable[Live] = (),
    folders: Iterable[str | Path] = (),
    key: str | bytes | None = None,
) -> Erasure:
    """Erase customers from events, segmentations, live folders and files, and search for them afterwards.

    Also searched, without being named: stored logs of this process (:meth:`Events.cache`), and temporary folders of
    segkit that killed processes left behind, which are deleted.

    Parameters
    ----------
    ids : iterable of str
        Of the customers, as in `customer_id`.
    events : Events, optional
        The log.
    results : iterable of Segmentation, optional
        Made again where the model holds something of theirs: where it keeps rows (neighbours, Ward and the like), where
        their segment had fewer than 100 customers, or where the end of a feature's scale was theirs. Otherwise only
        their rows are removed: a centre of so many says nothing of one.
    live : Live or iterable of Live, optional
        Open live segments; see :meth:`Live.erase`.
    folders : iterable of path, optional
        Searched with all that is in them, and in folders that they link to. Saved segmentations, live folders, Parquet,
        CSV, JSON lines and DuckDB files are written anew without the rows whose `customer_id` (or "Customer ID",
        "user id" and the like) is theirs. Other files that hold an id, such as a report, or whose form hides what they
        hold, such as PDF, are named in the receipt: make them again, or delete them.
    key : str or bytes, optional
        That of :func:`segkit.pseudonymise`: their pseudonyms are erased as well.

    Returns
    -------
    Erasure
        `events` and `results` without the customers, and the `receipt`, which holds hashes instead of ids.

    Raises
    ------
    TypeError, ValueError
        If `ids` are no ids, an argument is of another type, a folder does not exist, or a segmentation has no other
        customers. Nothing is erased then.

    Notes
    -----
    Trust and confidence of a segmentation are computed again when they are next looked at. Objects that were passed,
    and attributes, still hold the customers: use what is returned, and read attributes again. Other running processes,
    backups, unused sectors of the disk and systems that received an export are out of reach. Data of Spark or a
    warehouse are only filtered: erase the customers there. An id that is a short number is found wherever that number
    stands.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(400, kinds="purchase")
    >>> customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    >>> result = sg.segment(customers, n_segments=2)
    >>> one = customers.index[0]
    >>> erased = sg.erase([one, "nobody"], events=events, results=[result])
    >>> erased.receipt.outcome(one), erased.receipt.outcome("nobody"), erased.receipt.complete
    ('erased', 'was not here', True)
    >>> len(erased.results[0].customers)
    399
    """
    _, text = customer_ids(list(ids) if isinstance(ids, Iterator) else ids, "ids")
    asked = list(dict.fromkeys(text))
    results, lives = _checked(events, results, live)
    paths = [_checked_folder(folder) for folder in folders]
    secret = None if key is None else checked_key(key)
    eraser = _Eraser(asked, secret)
    for result in results:  # before anything is erased, since this may be refused
        eraser.result(result)
    for each in lives:
        eraser.result(each.result)
    held = (set(), 0) if events is None else _in_events(events, eraser.ids)
    eraser.stored_logs()
    left_events = None if events is None else eraser.events(events, *held)
    eraser.abandoned()
    for each in lives:
        eraser.live(each)
    for path in paths:
        eraser.folder(path, {each.folder.resolve() for each in lives})
    return Erasure(left_events, [eraser.result(r).result for r in results], eraser.receipt())


def _checked(events: Any, results: Any, live: Any) -> tuple[Sequence[Segmentation], Sequence[Live]]:
    if events is not None:
        check_type("events", events, Events, "They should be Events, as from read_events(…).")
    results = [results] if isinstance(results, Segmentation) else list(_iterable("results", results))
    lives = [live] if isinstance(live, Live) else list(_iterable("live", live))
    for result in results:
        check_type("results", result, Segmentation, "It should be a list of segmentations.")
    for each in lives:
        check_type("live", each, Live, "It should be from live_segments(…).")
    return results, lives


def _iterable(name: str, value: Any) -> Iterable[Any]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise TypeError(f"{name} is {in_words(value)}. Pass a list.")
    return value


def _checked_folder(folder: str | Path) -> Path:
    path = checked_path(folder)
    if not path.exists():
        raise ValueError(f"There is no folder {str(folder)!r}. Pass one that exists, or leave it out.")
    return path


def _hashed(text: str, salt: str) -> str:
    return hashlib.sha256(f"{salt} {text}".encode("utf-8", "surrogatepass")).hexdigest()


class _Eraser:
    """Erase customers from one place after the other, and remember what was there."""

    def __init__(self, asked: list[str], secret: bytes | None):
        self._asked = asked
        made = [] if secret is None else pseudonyms(asked, secret)
        self._asked_of = dict(zip(made, asked, strict=False))
        self.ids: Set[str] = {*asked, *made}
        self._search = IdSearch(sorted(self.ids))
        self._results: list[tuple[Segmentation, Erased]] = []
        self._looked_into: set[Path] = set()
        self._places: list[Place] = []

    def result(self, result: Segmentation) -> Erased:
        """Return a segmentation without the customers. Others of the same hash have names or a model of their own."""
        for one, erased in self._results:
            if one is result:
                return erased
        erased = without_customers(result, self.ids)
        self._results.append((result, erased))
        self._note(f"segmentation {result.hash[:8]}", erased.found, erased.action, len(erased.found))
        return erased

    def _note(self, name: str, found: Set[str], action: str, rows: int = 0, left: Iterable[str] = ()) -> None:
        self._places.append(Place(name, set(found), action, rows, set(left)))

    def events(self, events: Events, found: set[str], number: int) -> Events:
        if not found:
            self._note("events", found, "held none of them")
            return events
        embedded = is_embedded(events.table)
        action = (
            "rows removed; drop the events that you passed"
            if embedded
            else "filtered; erase them in the database as well"
        )
        if _in_events(events, self.ids)[0]:  # no stored log
            kept = events.table.anti_join(_table(events, self.ids), "customer_id")
            events = dataclasses.replace(events, table=cached(kept) if embedded else kept)
        examples = [
            "" if self._search.found_in(str(example).encode()) else example
            for example in events.refused["example"]
        ]
        refused = events.refused.assign(example=pd.Series(examples, events.refused.index, dtype="str"))
        consent = None if events.consent is None else events.consent.without(self.ids)
        events = dataclasses.replace(events, refused=refused, consent=consent)
        self._note("events", found, action, number, _in_events(events, self.ids)[0])
        return events

    def stored_logs(self) -> None:
        number = erase_from_stored_logs(self.ids)
        if number:
            self._note(
                "stored logs of this process", set(), "rows removed, and the files written anew", number
            )

    def abandoned(self) -> None:
        for path in abandoned_folders():
            shutil.rmtree(path)
            self._note("a temporary folder that a killed process left", set(), "deleted")

    def live(self, live: Live) -> None:
        found = live.holds(self.ids)
        number = live.erase(self.ids, result=self.result(live.result).result)
        left = live.holds(self.ids)
        self._note(
            f"live folder {live.folder.name}", found, "rows removed, and the file written anew", number, left
        )

    def folder(self, folder: Path, open_here: Set[Path]) -> None:
        """Erase from a folder and all folders in it, or from one file."""
        if folder.is_file():
            self._places.append(erase_from_file(folder, self.ids, self._search))
            return
        if folder.resolve() in self._looked_into:
            return
        self._looked_into.add(folder.resolve())
        if self._search.found_in(folder.name.encode("utf-8", "surrogateescape")):
            self._note("a folder with an id in its name", set(), "rename it", 0, "?")
        done: set[str] = set()
        if folder.resolve() in open_here:
            done |= {FILE, LOCK}
        elif (folder / FILE).exists() and (folder / LOCK).exists():
            if not self._live_folder(folder):
                return  # another process writes to all of it
            done |= {FILE, LOCK}
        if (folder / WORDS).exists() and (folder / TABLE).exists():  # else it was shared without customers
            done |= self._saved(folder)
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            self._note("a folder", set(), f"could not be read, so look yourself: {error.strerror}", 0, "?")
            return
        for path in paths:
            if path.is_dir():
                self.folder(path, open_here)
            elif path.is_file() and path.name not in done:
                self._places.append(erase_from_file(path, self.ids, self._search))

    def _saved(self, folder: Path) -> set[str]:
        """Save a segmentation again without the customers, and return the files that need no further look."""
        name = f"saved segmentation {folder.name}"
        try:
            result = Segmentation.load(folder)
            erased = self.result(result)
            if erased.found:
                erased.result.save(folder, overwrite=True)
                self._note(name, erased.found, "saved again without them", len(erased.found))
        except (ValueError, OSError) as error:
            first = str(error).partition("\n")[0]
            self._note(name, set(), f"not erased, look yourself: {first}", 0, "?")
            return {WORDS, MODEL, TABLE, ENSEMBLE, CLUSTERERS}  # which fit together, and would not any longer
        return {WORDS}

    def _live_folder(self, folder: Path) -> bool:
        """Erase from live segments, and return whether nobody else has them open."""
        try:
            store = Store(folder)
        except BlockingIOError as error:
            self._note(
                f"live folder {folder.name}", set(), f"open elsewhere, so nothing was done: {error}", 0, "?"
            )
            return False
        try:
            before = store.holds(self.ids)
            if (folder / KEPT / WORDS).exists():  # its hash changes with that of the folder
                self._saved(folder / KEPT)
            asked = store.facts["segmentation"]
            now = [erased.result.hash for was, erased in self._results if was.hash == asked]
            number = store.erase(self.ids, now[-1] if now else None)
            left = store.holds(self.ids)
        finally:
            store.close()
        self._note(
            f"live folder {folder.name}", before, "rows removed, and the file written anew", number, left
        )
        return True

    def receipt(self) -> Receipt:
        salt = secrets.token_hex(16)
        found = {self._asked_of.get(text, text) for place in self._places for text in place.found}
        left = {self._asked_of.get(text, text) for place in self._places for text in place.left}
        outcomes = [STILL if text in left else GONE if text in found else NEVER for text in self._asked]
        index = pd.Index([_hashed(text, salt) for text in self._asked], dtype="str", name="hash")
        places = [(p.name, len(p.found), p.action, p.rows, len(p.left)) for p in self._places]
        kinds = {"place": "str", "held": "int64", "action": "str", "rows": "int64", "left": "int64"}
        return Receipt(
            pd.DataFrame({"outcome": pd.Series(outcomes, index, dtype="str")}).sort_index(),
            pd.DataFrame(places, columns=list(kinds)).astype(kinds),
            salt,
        )


def _table(events: Events, ids: Set[str]) -> ibis.Table:
    rows = pa.table({"customer_id": pa.array(sorted(ids), pa.string())})
    return table_of(rows) if is_embedded(events.table) else ibis.memtable(rows)


def _in_events(events: Events, ids: Set[str]) -> tuple[set[str], int]:
    """Return the ids that events hold, and the number of their rows."""
    hers = events.table.select("customer_id").semi_join(_table(events, ids), "customer_id")
    counts = hers.group_by("customer_id").agg(n=hers.count())
    frame = run_with_progress(counts, counts.to_pandas, "Searching events")
    return set(frame["customer_id"]), int(frame["n"].sum())
