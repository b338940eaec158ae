"""Hold segkit's own messages: one for each kind of goal, in each language.

A text is written by paragraphs. A paragraph is a tuple of versions, of which the first is taken whose {fields} there
are; where there is none, the paragraph is left out. They make no claims, name no prices and set no deadlines.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

Paragraph = tuple[str, ...]
NEUTRAL = "keep informed"

KINDS = {
    NEUTRAL: (
        "keep them informed",
        "keep informed",
        "stay in touch",
        "at low cost",
        "one more order",
        "margin",
        "first buyers",
        "use their attention",
        "better lines",
        "right time",
        "easy order",
        "visits to the store",
        "as everyone",
        "understand them",
        "what helps",
    ),
    "win back": ("win back", "win them back", "bring them back", "bring back", "reactivate"),
    "put right": ("make it good", "put right", "put it right", "settle"),
    "ask": ("find out who is still there", "leave them in peace", "ask whether"),
    "finish": ("finish the order", "cart"),
    "remind": ("late order", "miss the next order", "remind", "refill", "replenish"),
    "second order": ("next order", "make it a habit", "second order", "second purchase", "order again"),
    "keep": ("stop the decline", "retain", "keep from leaving"),
    "onboard": ("onboard", "welcome"),
    "recommend": ("be recommended", "recommendation", "review"),
    "reward": ("keep them", "keep the habit", "reward", "loyal"),
    "grow": ("grow", "larger order", "second category", "cross-sell", "bundle"),
    "advise": ("advise", "advice", "fewer returns", "visits into orders", "renewed interest", "large order"),
}
"""Kinds of goals, and the words by which they are known in a goal of the playbook; the first that is found counts."""

SILENT = (
    "do no harm",
    "respect their choice",
    "leave alone",
    "leave them alone",
    "do not contact",
    "do not write",
    "no contact",
    "do nothing",
    "no message",
    "no e-mail",
    "no email",
)
"""Words of goals and channels that ask for no e-mail."""


@dataclass(frozen=True)
class Text:
    """A message: its subject, and what it says between greeting and goodbye."""

    subject: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Language:
    """The messages of a language."""

    greeting: Paragraph
    goodbye: str
    unsubscribe: str
    texts: dict[str, Text]


ENGLISH = Language(
    greeting=("Hi {first_name},", "Hello,"),
    goodbye="Kind regards\nYour team",
    unsubscribe="Unsubscribe",
    texts={
        "win back": Text(
            "It has been a while",
            (
                ("It has been a while since your last order. We would be glad to see you again.",),
                ("We thought that you might like {product}.",),
                ("If something was not right, please tell us. We want to do better.",),
            ),
        ),
        "second order": Text(
            "How was your order?",
            (
                ("Thank you for your order. We hope that you are happy with it.",),
                ("If you are thinking of your next one, you might like {product}.",),
                ("If you have a question, please ask us. We are glad to help.",),
            ),
        ),
        "put right": Text(
            "We would like to put things right",
            (
                ("Something did not go as it should have, and we are sorry.",),
                ("Please tell us what went wrong, and what would help. We will look into it.",),
            ),
        ),
        "keep": Text(
            "How are we doing?",
            (
                (
                    "We have not heard from you as often lately, and would like to know how you are getting on.",
                ),
                ("We thought that you might like {product}.",),
                ("If something was not right, please tell us. We want to do better.",),
            ),
        ),
        "remind": Text(
            "Time for your next order?",
            (
                ("Perhaps you are running low. This is a short reminder, in case it helps.",),
                ("You might like {product}.",),
                ("If you need nothing now, that is fine too.",),
            ),
        ),
        "ask": Text(
            "Would you still like to hear from us?",
            (
                ("We have not heard from you for some time, and do not want to write for nothing.",),
                ("Please tell us what you would like to hear about, and how often.",),
                ("If you would rather not, the link below stops these e-mails.",),
            ),
        ),
        "finish": Text(
            "Still thinking about it?",
            (
                ("It seems that you began an order and did not finish it.",),
                ("If something got in your way, please tell us. We are glad to help.",),
                ("If you have changed your mind, that is fine too.",),
            ),
        ),
        "recommend": Text(
            "What would you tell a friend about us?",
            (
                ("Thank you for shopping with us. What you think of us means a lot.",),
                ("If you like, tell others how it was for you, in your own words.",),
            ),
        ),
        "advise": Text(
            "Can we help you choose?",
            (
                ("Choosing is easier with somebody to ask. If you have a question, we are glad to help.",),
                ("You might like {product}.",),
                ("Take the time that you need.",),
            ),
        ),
        "onboard": Text(
            "Welcome, and thank you",
            (
                ("Thank you for choosing us. It is good to have you with us.",),
                ("You might like to begin with {product}.",),
                ("If you have a question, please ask us. We are glad to help.",),
            ),
        ),
        "reward": Text(
            "Thank you for staying with us",
            (
                (
                    "You have come back to us again and again, and we do not take that for granted. Thank you.",
                ),
                ("We thought that you might like {product}.",),
                ("Is there something that we could do better? We would be glad to hear it.",),
            ),
        ),
        "grow": Text(
            "Something else that you might like",
            (
                ("Thank you for your orders. There is more with us that may suit you.",),
                ("We thought of {product}.",),
                ("Have a look when it suits you.",),
            ),
        ),
        NEUTRAL: Text(
            "News from us",
            (
                ("We would like to keep you up to date with what is new here.",),
                ("You might like {product}.",),
                ("Have a look when it suits you.",),
            ),
        ),
    },
)

GERMAN = Language(
    greeting=("Hallo {first_name},", "Guten Tag,"),
    goodbye="Herzliche Grüße\nIhr Team",
    unsubscribe="Abmelden",
    texts={
        "win back": Text(
            "Wir haben länger nichts voneinander gehört",
            (
                ("Ihre letzte Bestellung ist eine Weile her. Wir würden uns freuen, Sie wiederzusehen.",),
                ("Vielleicht gefällt Ihnen das: {product}.",),
                ("Wenn etwas nicht gepasst hat, sagen Sie es uns bitte. Wir möchten es besser machen.",),
            ),
        ),
        "second order": Text(
            "Wie war Ihre Bestellung?",
            (
                ("Vielen Dank für Ihre Bestellung. Wir hoffen, dass Sie zufrieden sind.",),
                ("Wenn Sie schon an die nächste denken, gefällt Ihnen vielleicht das: {product}.",),
                ("Haben Sie eine Frage? Wir helfen gern.",),
            ),
        ),
        "put right": Text(
            "Wir möchten es wiedergutmachen",
            (
                ("Bei uns ist etwas nicht so gelaufen, wie es sollte. Das tut uns leid.",),
                ("Bitte sagen Sie uns, was nicht gepasst hat und was Ihnen hilft. Wir kümmern uns darum.",),
            ),
        ),
        "keep": Text(
            "Sind Sie zufrieden mit uns?",
            (
                (
                    "Wir haben zuletzt seltener von Ihnen gehört und möchten wissen, wie es Ihnen bei uns geht.",
                ),
                ("Vielleicht gefällt Ihnen das: {product}.",),
                ("Wenn etwas nicht gepasst hat, sagen Sie es uns bitte. Wir möchten es besser machen.",),
            ),
        ),
        "remind": Text(
            "Zeit für die nächste Bestellung?",
            (
                (
                    "Vielleicht geht Ihr Vorrat zu Ende. Dies ist eine kurze Erinnerung, falls sie Ihnen hilft.",
                ),
                ("Vielleicht passt das: {product}.",),
                ("Wenn Sie gerade nichts brauchen, ist das auch in Ordnung.",),
            ),
        ),
        "ask": Text(
            "Möchten Sie weiter von uns hören?",
            (
                ("Wir haben länger nichts von Ihnen gehört und möchten Ihnen keine unnötige Post schicken.",),
                ("Bitte sagen Sie uns, worüber Sie etwas hören möchten und wie oft.",),
                ("Wenn nicht, bestellen Sie unsere E-Mails mit dem Link unten ab.",),
            ),
        ),
        "finish": Text(
            "Noch unentschlossen?",
            (
                ("Anscheinend haben Sie eine Bestellung begonnen und nicht abgeschlossen.",),
                ("Wenn Ihnen etwas im Weg war, sagen Sie es uns bitte. Wir helfen gern.",),
                ("Wenn Sie es sich anders überlegt haben, ist das auch in Ordnung.",),
            ),
        ),
        "recommend": Text(
            "Was würden Sie Freunden über uns erzählen?",
            (
                ("Vielen Dank, dass Sie bei uns einkaufen. Ihre Meinung ist uns wichtig.",),
                ("Wenn Sie mögen, erzählen Sie anderen in Ihren eigenen Worten, wie es für Sie war.",),
            ),
        ),
        "advise": Text(
            "Können wir Ihnen beim Aussuchen helfen?",
            (
                ("Zu zweit fällt die Wahl leichter. Wenn Sie eine Frage haben, helfen wir gern.",),
                ("Vielleicht gefällt Ihnen das: {product}.",),
                ("Nehmen Sie sich die Zeit, die Sie brauchen.",),
            ),
        ),
        "onboard": Text(
            "Willkommen und vielen Dank",
            (
                ("Vielen Dank, dass Sie sich für uns entschieden haben. Schön, dass Sie da sind.",),
                ("Für den Anfang gefällt Ihnen vielleicht das: {product}.",),
                ("Haben Sie eine Frage? Wir helfen gern.",),
            ),
        ),
        "reward": Text(
            "Danke, dass Sie uns treu sind",
            (
                ("Sie kommen immer wieder zu uns, und das ist nicht selbstverständlich. Vielen Dank.",),
                ("Vielleicht gefällt Ihnen das: {product}.",),
                ("Können wir etwas besser machen? Wir freuen uns, von Ihnen zu hören.",),
            ),
        ),
        "grow": Text(
            "Das könnte Ihnen auch gefallen",
            (
                (
                    "Vielen Dank für Ihre Bestellungen. Bei uns gibt es noch mehr, das zu Ihnen passen könnte.",
                ),
                ("Wir haben dabei an Folgendes gedacht: {product}.",),
                ("Sehen Sie sich in Ruhe um.",),
            ),
        ),
        NEUTRAL: Text(
            "Neues von uns",
            (
                ("Wir möchten Ihnen zeigen, was es bei uns Neues gibt.",),
                ("Vielleicht gefällt Ihnen das: {product}.",),
                ("Sehen Sie sich in Ruhe um.",),
            ),
        ),
    },
)

LANGUAGES = {"en": ENGLISH, "de": GERMAN}
"""The languages in which segkit has messages of its own."""


def kind_of(goal: str) -> str | None:
    """Return the kind of a goal, or None where it is none that has a text.

    Examples
    --------
    >>> kind_of("Win them back"), kind_of("sell the warehouse")
    ('win back', None)
    """
    words = " ".join(goal.casefold().split())
    found = (kind for kind, phrases in KINDS.items() if any(_stands_in(p, words) for p in phrases))
    return next(found, None)


def asks_for_silence(*texts: str) -> bool:
    """Return whether a goal or channel says that there should be no e-mail."""
    return any(_stands_in(phrase, text.casefold()) for text in texts for phrase in SILENT)


def _stands_in(phrase: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(phrase)}", text) is not None


def version_for(paragraph: Paragraph, fields: Collection[str]) -> str:
    """Return the first version of a paragraph whose fields there are, or ""."""
    versions = (v for v in paragraph if set(re.findall(r"\{(\w+)\}", v)) <= set(fields))
    return next(versions, "")
