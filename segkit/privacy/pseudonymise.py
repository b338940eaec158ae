"""Replace the ids of customers by pseudonyms that only the holder of a key can make again."""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Iterable
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from segkit.collect.attributes.attributes import Attributes
from segkit.collect.events import Events
from segkit.core.checks import check_type
from segkit.core.engine.connection import is_embedded, locked_engine, run_with_progress, table_of
from segkit.core.engine.event_cache import cached
from segkit.core.messages import in_words, listed
from segkit.tailor.audiences.contacts import by_value, read_contacts

Data = TypeVar("Data", Events, Attributes, pd.DataFrame)

SHORTEST_KEY = 16  # bytes
DIRECT = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "external_id",
)  # contacts that name a person by themselves
MADE = "hmac:"  # before a pseudonym of a contact, so that nobody uploads it as the SHA-256 of an address


def pseudonymise(data: Data, *, key: str | bytes) -> Data:
    """Replace the ids of customers by pseudonyms, the same in each table that the same key is used for.

    A pseudonym is the HMAC-SHA256 [1]_ of the id in UTF-8, in hexadecimal digits: the same each time, and nobody can
    make it, or find the id, without the key.

    Parameters
    ----------
    data : Events, Attributes or DataFrame
        A DataFrame holds contacts, as for :func:`segkit.export_audience`.
    key : str or bytes
        A secret of at least 16 bytes, such as ``secrets.token_bytes(32)``. It is never saved: keep it apart from the
        data, and not in the notebook.

    Returns
    -------
    Events, Attributes or DataFrame
        The same rows, in the order of the pseudonyms. Examples of refused rows are left out, since they may hold ids.
        Events are stored like those of :meth:`Events.cache`. In contacts, e-mails, phones, names and external ids are
        pseudonyms too, after "hmac:", so that nobody takes them for the SHA-256 of an address.

    Raises
    ------
    TypeError
        If `data` is none of these.
    ValueError
        If the key is short, the events are a table of another engine than DuckDB, or contacts have a column that
        segkit does not know.

    Notes
    -----
    Pseudonymous data are still personal data: whoever has the key, or knows what a person bought, can find her. All
    other columns stay as they are, so an order number or a text may still name a person.

    References
    ----------
    .. [1] Krawczyk, Bellare & Canetti (1997), HMAC: keyed-hashing for message authentication, RFC 2104.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "ada"], "timestamp": ["2024-01-01", "2024-01-11"]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> hidden = sg.pseudonymise(events, key="correct horse battery staple")
    >>> hidden.table.to_pandas()["customer_id"].str[:12].to_list()
    ['fb9e9e217d33', 'fb9e9e217d33']
    """
    wanted = "It should be Events, Attributes, or a DataFrame of contacts."
    check_type("data", data, (Events, Attributes, pd.DataFrame), wanted)
    secret = checked_key(key)
    if isinstance(data, Events):
        return _events(data, secret)
    if isinstance(data, Attributes):
        return _attributes(data, secret)
    return _contacts(data, secret)


def checked_key(key: object) -> bytes:
    """Return a key as bytes; errors do not show it.

    Raises
    ------
    TypeError, ValueError
    """
    wanted = f"Pass a secret of at least {SHORTEST_KEY} bytes, such as secrets.token_bytes(32)."
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"key is {in_words(key)}. {wanted}")
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < SHORTEST_KEY:
        raise ValueError(f"key has {len(secret)} bytes, so that it could be guessed. {wanted}")
    return secret


def pseudonyms(ids: Iterable[str], secret: bytes) -> list[str]:
    """Return the pseudonym of each id."""
    started = hmac.new(secret, digestmod="sha256")
    made = []
    for text in ids:
        one = started.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        made.append(one.hexdigest())
    return made


@locked_engine
def _events(events: Events, secret: bytes) -> Events:
    if not is_embedded(events.table):
        raise ValueError(
            "These events are a table of another engine, and pseudonyms are made in this process, so that the key does "
            "not leave it. Read them first: read_events(events.table.to_pyarrow())."
        )
    table = events.table
    query = table.select("customer_id").distinct()
    ids = run_with_progress(query, query.to_pyarrow, "Reading ids")["customer_id"]
    made = table_of(pa.table({"was": ids, "pseudonym": pa.array(pseudonyms(ids.to_pylist(), secret))}))
    joined = table.join(made, table.customer_id == made.was)
    hidden = joined.select(**{c: joined["pseudonym" if c == "customer_id" else c] for c in table.columns})
    consent = None if events.consent is None else events.consent.renamed(lambda ids: pseudonyms(ids, secret))
    refused = _without_examples(events.refused)
    return dataclasses.replace(events, table=cached(hidden), refused=refused, consent=consent)


def _attributes(attributes: Attributes, secret: bytes) -> Attributes:
    table = attributes.table
    index = pd.Index(pseudonyms(table.index, secret), dtype="str", name=table.index.name)
    return dataclasses.replace(
        attributes,
        table=table.set_axis(index).sort_index(),
        refused=_without_examples(attributes.refused),
        blanked=_without_examples(attributes.blanked),
    )


def _contacts(contacts: pd.DataFrame, secret: bytes) -> pd.DataFrame:
    frame, _, unused = read_contacts(contacts)
    if unused:
        raise ValueError(
            f"contacts has columns that segkit does not know, so they may name people: {listed(map(repr, unused), 5)}. "
            "Drop them, or rename them to one of those that export_audience reads."
        )
    frame["customer_id"] = by_value(frame["customer_id"], lambda text: pseudonyms([text], secret)[0])
    for name in DIRECT:
        if name in frame:
            frame[name] = by_value(frame[name], lambda text: MADE + pseudonyms([text], secret)[0])
    return frame.sort_values("customer_id", ignore_index=True)


def _without_examples(refused: pd.DataFrame) -> pd.DataFrame:
    return refused.assign(example=pd.Series("", index=refused.index, dtype="str"))
