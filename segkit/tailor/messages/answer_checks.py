"""Check what a writer answered, before it may stand in for segkit's own message."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segkit.core.checks import JOINERS
from segkit.core.messages import in_words
from segkit.tailor.messages.claims import new_claims, with_digits
from segkit.tailor.messages.merge_tags import MergeField, MergeTags

WANTED = 'It should answer {"subject": "…", "body": "…"}'
FIELD = "\ue000"  # what stands for a tag while the words around it are checked
SHOWN = 60  # characters of a piece that a reason quotes
FAR_TOO_LONG = 10_000  # characters of a part, beyond which nothing else is looked at

TAGS = {
    "*|…|*": re.compile(r"\*\|[^|]*\|\*|\*\||\|\*"),
    "{{…}}": re.compile(r"\{\{.*?\}\}\}?|\{\{|\}\}|\$\{[^}]*\}"),
    "{%…%}": re.compile(r"\{%.*?%\}|\{%|%\}|\{#|#\}"),
    "%%…%%": re.compile(r"%%[^%\s]*%%|%[A-Za-z_][\w.]+%"),
    "<%…%>": re.compile(r"<%.{0,200}?%>|<%|%>|<<.{0,200}?>>|<<"),
    "{…}": re.compile(r"\{[^{}]*\}|[{}]"),
    "[…]": re.compile(r"\[[^\]]*\]"),
}
"""How tools and people write places to fill in; the first that matches is named."""

UNSEEN = JOINERS + "\ufe0f"  # show nothing themselves, but are part of emoji and of words in some scripts
_FILLER_RANGES = (
    *((0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065)),
    *((0x3164, 0x3164), (0xFE00, 0xFE0E), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF)),
)
FILLERS = "".join(chr(code) for first, last in _FILLER_RANGES for code in range(first, last + 1))
"""Letters and marks that show nothing (Default_Ignorable_Code_Point in Unicode)."""

_LINK = re.compile(
    r"\b(?:https?|ftp|mailto|tel|sms|javascript):|\bdata:\w+/|\bwww\."
    r"|\b[\w-]+\.(?:com|org|net|io|de|eu|uk|shop|store|info|biz|app|fr|ch|at|nl|es|it|ly|gg|dev)\b"
    r"|(?-i:\b\w[\w-]*\.[a-z]{2,})\b",  # mail programs make a link of any such word
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_HTML = re.compile(r"<\s*[a-z!/?]", re.IGNORECASE)

_NUMBERS = re.compile(
    r"(?P<before>[$€£¥])?\s?(?P<digits>\d(?:[\d.,]*\d)?)\s?"
    r"(?P<after>%|[$€£¥]|per ?cent\b|prozent\b|eur(?:os?)?\b|usd\b|gbp\b|chf\b|dollars?\b|pounds?\b)?",
    re.IGNORECASE,
)


def read_answer(answer: object) -> tuple[str, str] | str:
    """Return subject and body of a writer's answer, or why there are none.

    Examples
    --------
    >>> read_answer({"subject": "Hello", "body": "Hi there,"})
    ('Hello', 'Hi there,')
    >>> read_answer(None)
    'It answered None. It should answer {"subject": "…", "body": "…"}'
    """
    if isinstance(answer, Mapping):
        parts = [answer.get("subject"), answer.get("body")]
    elif isinstance(answer, (tuple, list)) and len(answer) == 2:
        parts = list(answer)
    else:
        return f"It answered {in_words(answer)}. {WANTED}"
    subject, body = parts
    for part, name in ((subject, "subject"), (body, "body")):
        if not isinstance(part, str):
            return f"Its {name} is {in_words(part)}. {WANTED}"
        if len(part) > FAR_TOO_LONG:
            return f"Its {name} has {len(part):,} characters, far too many"
    return _visible(str(subject)).strip(), _visible(str(body)).strip()


def faults_of(
    subject: str, body: str, brief: Mapping[str, Any], fields: Mapping[str, MergeField], tool: MergeTags
) -> list[str]:
    """Return what is wrong with a message, in words; nothing where it may be used.

    Parameters
    ----------
    subject, body : str
    brief : mapping
        What the writer was given.
    fields : mapping of str to MergeField
        The fields that it may use.
    tool : MergeTags
    """
    faults = []
    for name, text in (("subject", subject), ("body", body)):
        most = brief["most_characters"][name]
        shown = with_fallbacks(text, fields)
        length = len(shown)
        if not _without(UNSEEN, shown).strip():
            faults.append(f"the {name} is empty")
        elif length > most:
            faults.append(f"the {name} has {length:,} characters, more than {most:,}")
    if "\n" in subject:
        faults.append("the subject has several lines")
    if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in subject + body):
        faults.append("it holds control characters")
    words = _words_alone(f"{subject}\n{body}", fields)
    return faults + _wrong_tags(words, fields, tool) + _leaks(words, brief) + _invented(words, brief)


def fields_in(text: str, fields: Mapping[str, MergeField]) -> list[str]:
    """Return the fields whose tags stand in a text."""
    return [name for name, field in fields.items() if _tag_pattern(field).search(text)]


def with_fallbacks(text: str, fields: Mapping[str, MergeField]) -> str:
    """Return a text as it reads where a customer has none of the fields."""
    return _replaced(text, fields, lambda field: field.fallback)


def with_exact_tags(text: str, fields: Mapping[str, MergeField]) -> str:
    """Return a text with its tags as the brief gives them: writers change blanks and quotes."""
    return _replaced(text, fields, lambda field: field.tag)


def _replaced(text: str, fields: Mapping[str, MergeField], by: Callable[[MergeField], str]) -> str:
    for field in _longest_first(fields.values()):
        text = _tag_pattern(field).sub(by(field).replace("\\", r"\\"), text)
    return text


def _tag_pattern(field: MergeField) -> re.Pattern[str]:
    """Return the pattern of a tag, with blanks and quotes as a writer may set them."""
    if not re.search(r"[{*]", field.tag):  # plain text: the fallback itself, which is no tag
        return re.compile(r"(?!)")
    parts = (re.escape(part).replace("'", "['‘’]") for part in field.tag.split())
    return re.compile(r"\s*".join(parts))


def _longest_first(fields: Iterable[MergeField]) -> list[MergeField]:
    return sorted(fields, key=lambda f: -len(f.tag))


def _words_alone(text: str, fields: Mapping[str, MergeField]) -> str:
    """Return a text as a reader sees it, with one sign for each allowed tag."""
    text = _replaced(text, fields, lambda _: FIELD)
    return unicodedata.normalize("NFKC", html.unescape(_without(UNSEEN, text)))


def _visible(text: str) -> str:
    """Return a text without signs that show nothing, in which words and tags could hide; with plain ends of lines."""
    text = "\n".join(text.splitlines())
    return "".join(
        c for c in _without(FILLERS, text) if c in UNSEEN or unicodedata.category(c) not in ("Cf", "Co", "Cs")
    )


def _without(signs: str, text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, signs)))


def _wrong_tags(words: str, fields: Mapping[str, MergeField], tool: MergeTags) -> list[str]:
    """Return a fault for each tag that is not as the brief gives it."""
    faults = []
    ours = next((shape for shape, pattern in TAGS.items() if pattern.search(tool.tag)), "")
    for shape, pattern in TAGS.items():
        for piece in dict.fromkeys(pattern.findall(words)):
            named = next((f for f in fields.values() if re.search(rf"\b{re.escape(f.prop)}\b", piece)), None)
            if shape != ours and shape != ours.replace("{{…}}", "{%…%}"):
                fault = f"{_quoted(piece)} is no tag of {tool.title}, and not a text for customers"
            elif named:
                fault = f"{_quoted(piece)} lacks the fallback: copy {named.tag} from the brief"
            else:
                fault = f"{_quoted(piece)} is none of the fields that you named"
            faults.append(fault)
        words = pattern.sub(" ", words)
    return faults


def _leaks(words: str, brief: Mapping[str, Any]) -> list[str]:
    faults = [
        f"it holds {what}: {_quoted(found[0])}"
        for what, pattern in (("HTML", _HTML), ("an e-mail address", _EMAIL), ("a link", _LINK))
        if (found := pattern.search(words))
    ]
    name, spaced = (" ".join(re.findall(r"\w+", said)) for said in (str(brief["segment"]), words))
    # a single word such as New is a name only where it is written so
    case = re.IGNORECASE if " " in name else re.NOFLAG
    if len(name) > 2 and re.search(rf"\b{name}\b", spaced, case):
        faults.append(f"it names the segment: {_quoted(str(brief['segment']))}")
    mixed = (word for word in re.findall(r"\w+", words) if _is_mixed(word))
    return faults + [f"a word of two alphabets: {_quoted(word)}" for word in dict.fromkeys(mixed)]


def _is_mixed(word: str) -> bool:
    """Return whether Latin letters stand beside Cyrillic or Greek ones, which look alike."""
    alphabets = {unicodedata.name(c, "").split(" ")[0] for c in word if c.isalpha()}
    return "LATIN" in alphabets and bool(alphabets & {"CYRILLIC", "GREEK"})


def _invented(words: str, brief: Mapping[str, Any]) -> list[str]:
    """Return a fault for each number and claim that the brief does not hold.

    Shares and prices, and claims, must stand in the offer: a share of the segment is no discount.
    """
    offer = unicodedata.normalize("NFKC", str(brief["offer"]))
    whole = " ".join([offer, *(str(brief[part]) for part in ("goal", "strategy")), *brief["numbers"]])
    held = _numbers_of(offer) | {pair for pair in _numbers_of(whole) if pair[0] == "a number"}
    faults = []
    for kind, value, piece in _numbers_in(with_digits(words)):
        if (kind, value) not in held:
            faults.append(
                f"{_quoted(piece)} is {kind} that the {'offer' if kind != 'a number' else 'brief'} does not hold"
            )
    faults += [
        f"{_quoted(said)} is {claim} that the offer does not hold" for claim, said in new_claims(words, offer)
    ]
    return list(dict.fromkeys(faults))


def _numbers_of(text: str) -> set[tuple[str, float | str]]:
    return {(kind, value) for kind, value, _ in _numbers_in(with_digits(text))}


def _numbers_in(text: str) -> list[tuple[str, float | str, str]]:
    """Return each number of a text: a share, a price or neither; its value; and how it is written."""
    found: list[tuple[str, float | str, str]] = []
    for match in _NUMBERS.finditer(text):
        after = (match["after"] or "").casefold().replace(" ", "")
        share = after in ("%", "percent", "prozent")
        kind = "a share" if share else "a price" if after or match["before"] else "a number"
        around = text[: match.start("digits")][-1:] + ("" if after else text[match.end("digits") :][:1])
        if any(c.isalpha() or c == "_" for c in around):  # c001, 40th
            found.append(("a number", match[0] + around, match[0].strip()))
        else:
            found.append((kind, _value(match["digits"]), match[0].strip()))
    return found


def _value(digits: str) -> float | str:
    """Return the value of a number, with either decimal mark; of anything else, such as a date, its signs."""
    if re.fullmatch(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*", digits):
        return float(re.sub(r"[.,]", "", digits))
    if re.fullmatch(r"\d+(?:[.,]\d+)?", digits):
        return float(digits.replace(",", "."))
    return digits


def _quoted(piece: str) -> str:
    """Return a piece of an answer in quotes, cut, with what is a field shown so."""
    piece = " ".join(piece.replace(FIELD, "(field)").split())
    return f"“{piece[:SHOWN]}{'…' if len(piece) > SHOWN else ''}”"
