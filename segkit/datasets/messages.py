"""Simulate the messages of a shop, and their opens, clicks and unsubscribes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.datasets.event_log import DAY, Coded, Column, Piece
from segkit.datasets.people import People

MEDIA = {
    # days between campaigns, share of customers reached, opens and clicks relative to e-mail, hours to open
    "email": (7, 1.0, 1.0, 1.0, 4.0),
    "push": (14, 0.6, 0.6, 0.7, 0.5),
    "sms": (30, 0.4, 1.8, 0.5, 0.2),
    "ad": (10, 0.8, 0.5, 0.3, 12.0),
}
"""How each medium is used; an ad is opened when it is in view, and unsubscribed when it is hidden."""


def messages(
    medium: str, people: People, n_days: int, start: pd.Timestamp, rng: np.random.Generator
) -> list[Piece]:
    """Draw the campaigns of a medium: each goes to the whole list, and some customers open, click or unsubscribe.

    Parameters
    ----------
    medium : {"email", "push", "sms", "ad"}
    people : People
        Customers are on the list from the day after joining until they unsubscribe. Those who stopped buying
        stay on it, and open a fifth as often.
    n_days : int
    start : Timestamp
    rng : Generator

    Returns
    -------
    list of Piece
        A customer gets a campaign at most once, so `campaign` connects an open or click with its message.
    """
    every, reach, opens, clicks, hours = MEDIA[medium]
    days = np.arange(every, n_days, every)
    names = [f"{medium} {start + pd.Timedelta(days=int(day)):%Y-%m-%d}" for day in days]
    reached = rng.random(len(people)) < reach
    campaign, customer = np.nonzero((people.joined[None, :] < days[:, None]) & reached[None, :])
    sent = days[campaign] * DAY + 9 * 3600 + rng.integers(0, 3600, len(campaign))

    still = np.where(days[campaign] < people.left[customer], 1.0, 0.2)
    p_open = np.minimum(people.traits["opens"][customer] * opens * still, 0.95)
    opened = rng.random(len(sent)) < p_open
    open_at = sent + 1 + np.floor(3600 * hours * np.exp(rng.normal(0, 1, len(sent))))
    clicked = opened & (rng.random(len(sent)) < people.traits["clicks"][customer] * clicks)
    click_at = open_at + rng.integers(3, 180, len(sent))
    leaves = opened & (rng.random(len(sent)) < people.traits["unsubscribes"][customer])
    leave_at = open_at + rng.integers(3, 180, len(sent))

    left_list = np.full(len(people), np.inf)
    np.minimum.at(left_list, customer[leaves], leave_at[leaves])
    received = sent < left_list[customer]
    leaves &= leave_at == left_list[customer]

    phone = (rng.random(len(sent)) < people.traits["mobile"][customer]).astype(np.int64)
    log = []
    for what, which, seconds in (
        ("sent", received, sent),
        ("open", received & opened, open_at),
        ("click", received & clicked, click_at),
        ("unsubscribe", received & leaves, leave_at),
    ):
        columns: dict[str, Column] = {"campaign": Coded(names, campaign[which]), "channel": medium}
        if what in ("open", "click"):
            columns["device"] = Coded(("desktop", "phone"), phone[which])
        log.append(Piece(f"{medium}_{what}", customer[which], seconds[which], columns))
    return log
