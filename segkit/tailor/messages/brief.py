"""Make the brief that a writer gets: what is known of a segment as a whole, and nothing of any customer.

What may stand in it is listed, and the rest left out, so that nothing slips through that nobody thought of:

- a word is of letters only. What holds a digit, an @ or another sign between its letters may be an id, an e-mail
  address, a link or a tag, and becomes "…";
- of `why`, only words of the list `PLAIN` are kept, since any other may name a customer or a product;
- a number is 10 or more, and rounded to two digits; per cent of `why` are rounded to steps of 5. A clause of `why` that
  counts fewer than 10 people, or all but fewer than 10, is left out as a whole, so that no share beside it gives the
  number away;
- a per cent or a price of the offer stands as it is: the message must say the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from segkit.tailor.messages.merge_tags import MergeField, MergeTags

FEWEST = 10  # people in a cell
MOST_SUBJECT, MOST_BODY = 60, 1500  # characters
MOST_TEXT, LONGEST_WORD = 400, 30
GONE = "…"

_PLAIN = """
a about above after ago all among an and any anything are as at average back basket below between biggest bought but
buy buyers buys by categories category change clearly customer customers day days decline discount due e-mail
e-mails each fewer first frequency from full gap gaps get growing half had hardly has have highest household
households in is it items large larger largest last later least less line lines lower lowest margin mean median
messages month months monetary more most nearly next no none not of off on once only order ordered orders other
others over overdue people per place placed price products purchase purchases put recency regularity return returns
sales scale score send seen segment share shares shop since small smaller smallest spend spent than that the their
them they this those time times to trend twice typical under up use usual usually value visit visits week weekend
weekends weeks were what which while who with worth year years
"""
PLAIN = frozenset(_PLAIN.split())
"""Words of `why` that say nothing of a person."""

_PEOPLE = (
    "customer customers buyer buyers people person persons household households member members user users"
)
_MEASURES = """
day days week weeks month months year years hour hours order orders item items line lines product products category
categories visit visits message messages time times
"""
_BEFORE = (
    "spent spend worth others value price score scale to at is of than above below under over nearly about"
)
PEOPLE, MEASURES, BEFORE = (frozenset(words.split()) for words in (_PEOPLE, _MEASURES, _BEFORE))
"""What numbers count: people, or what is no count of people; and what stands before a number of neither.

A number without any of them may be that of a customer.
"""

_NUMBER = re.compile(
    r"(?P<sign>[-+−]?)(?P<money>[$€£¥]?)(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+|,\d\d?)?"
    r"(?P<unit>(?:[%$€£¥×]|EUR|USD|GBP|CHF)?)",
    re.ASCII,
)
_AROUND = "\"'“”‘’„‚()[],.;:!?–—"
_INSIDE = "'’-/&"


def write_brief(
    play: Mapping[str, str], fields: Mapping[str, MergeField], tool: MergeTags, language: str
) -> dict[str, Any]:
    """Return the brief of a segment, as plain JSON.

    Parameters
    ----------
    play : mapping of str to str
        A row of the playbook: `segment`, `goal`, `strategy`, `offer`, `channel`, `avoid`, `why`.
    fields : mapping of str to MergeField
    tool : MergeTags
    language : str
    """
    brief: dict[str, Any] = {
        part: without_ids(play[part]) for part in ("segment", "goal", "strategy", "channel", "avoid")
    }
    return brief | {
        "offer": without_ids(play["offer"], keeps_prices=True),
        "numbers": [clause for raw in _clauses(play["why"]) if (clause := _safe_clause(raw))],
        "fields": {name: field.tag for name, field in fields.items()},
        "tool": tool.title,
        "language": language,
        "tone": "Warm, plain and short. No riddles, no false urgency.",
        "most_characters": {"subject": MOST_SUBJECT, "body": MOST_BODY},
        "rules": [
            "Answer with a subject and a body in plain text.",
            "Copy tags from `fields` as they stand, and use no others.",
            "Say no number, price, discount, deadline or promise that the offer does not hold.",
            "Leave out the name of the segment, links, HTML and the note to unsubscribe, which is added.",
        ],
    }


def without_ids(text: str, *, keeps_prices: bool = False) -> str:
    """Return a text without what may be an id, an e-mail address, a tag, or a number of few people.

    Examples
    --------
    >>> without_ids("Tea for c001, ann@example.com and 4 others: 5 % off", keeps_prices=True)
    'Tea for … and … others: 5% off'
    """
    tokens, kept = _tokens(text), []
    for i, token in enumerate(tokens):
        number = _NUMBER.fullmatch(token.strip(_AROUND))
        if number is None:
            kept.append(token if _is_word(token) else GONE)
            continue
        priced = number["unit"] not in ("", "×") or number["money"] != ""
        if priced and keeps_prices and len(number["digits"]) <= 6:
            kept.append(token)
        elif _value(number) >= FEWEST and (priced or _plain(tokens, i + 1) in PEOPLE | MEASURES):
            kept.append(_rounded(token, number))
        else:
            kept.append(GONE)
    return _joined(kept)


def _safe_clause(clause: str) -> str:
    """Return a clause of `why` that tells of no few people; "" where it does, or says no number."""
    if _tells_of_few(clause):
        return ""
    tokens, kept, says_number, measured = _tokens(clause), [], False, False
    for i, token in enumerate(tokens):
        number = _NUMBER.fullmatch(token.strip(_AROUND))
        if number is None:
            kept.append(token if _is_word(token) and _plain(tokens, i) in PLAIN else GONE)
            continue
        next_word, others = _plain(tokens, i + 1), _plain(tokens, i - 1) == "others"
        people = next_word in PEOPLE
        # "12 orders (the others: 4)": also orders
        measured = bool(number["unit"] or number["money"]) or next_word in MEASURES or (others and measured)
        after = token.startswith("(") and kept[-1:] != [GONE]  # 60 (40 to 80)
        amount = after or next_word == "of" or _plain(tokens, i - 1) in BEFORE
        if not (measured or people or amount):
            kept.append(GONE)  # the number of a customer
        elif _value(number) >= FEWEST:
            kept.append(_rounded(token, number))
            says_number = True
        elif people or not (measured or number["part"]):
            return ""
        else:
            kept.append(GONE)
    return _joined(kept) if says_number else ""


def _tells_of_few(clause: str) -> bool:
    """Return whether "9 of 77", "70 of 77" or "5% of 77" stands in a clause: fewer than 10 people do, or do not."""
    for some, of in re.findall(r"(\d[\d,]*) (?:out )?of (?:the |their |all )?(\d[\d,]*)", clause):
        low, high = (int(n.replace(",", "")) for n in (some, of))
        if min(low, high, high - low) < FEWEST:
            return True
    for share, of in re.findall(r"(\d[\d.]*) ?% of (?:the |their |all )?(\d[\d,]*)", clause):
        part = float(share.rstrip(".")) / 100
        if min(part, 1 - part) * int(of.replace(",", "")) < FEWEST:
            return True
    return False


def _clauses(text: str) -> list[str]:
    return re.split(r"[;\n]|\.\s", text[: 4 * MOST_TEXT])


def _tokens(text: str) -> list[str]:
    """Split a text at blanks, with numbers and their signs together."""
    text = unicodedata.normalize("NFKC", text)[:MOST_TEXT]
    text = re.sub(r"(\d)\s+(?=(?:[%€£¥$×]|EUR|USD|GBP|CHF)(?![\w{}]))", r"\1", text)
    text = re.sub(r"(?<!\w)([€£¥$])\s+(?=\d)", r"\1", text)
    return text.split()


def _plain(tokens: list[str], i: int) -> str:
    return tokens[i].strip(_AROUND).casefold() if 0 <= i < len(tokens) else ""


def _is_word(token: str) -> bool:
    """Return whether a token is of letters, with hyphens and the like only between them; or a mark of its own."""
    word = token.strip(_AROUND)
    if not word:
        return not set(token) & set("[]")
    if len(word) > LONGEST_WORD:
        return False
    letters = [c.isalpha() or unicodedata.category(c).startswith("M") for c in word]
    inner = all(letter or c in _INSIDE for c, letter in zip(word, letters, strict=True))
    return inner and (word in ("&", "-") or (letters[0] and letters[-1])) and not set(token) & set("[]")


def _value(number: re.Match[str]) -> float:
    return abs(float(number["digits"].replace(",", "") + (number["part"] or "").replace(",", ".")))


def _rounded(token: str, number: re.Match[str]) -> str:
    """Return a number with two digits, or a share in steps of 5 per cent, and the marks around it."""
    value = _value(number)
    if number["unit"] == "%":
        rounded = min(max(5 * round(value / 5), FEWEST), 90) if value <= 100 else 10 * round(value / 10)
    else:
        rounded = int(float(f"{value:.1e}"))
    before, after = token.split(number[0], 1)
    return f"{before}{number['sign']}{number['money']}{rounded:,}{number['unit']}{after}"


def _joined(kept: list[str]) -> str:
    return re.sub(rf"{GONE}(?: {GONE})+", GONE, " ".join(kept))
