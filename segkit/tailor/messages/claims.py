"""Find claims in a message: free, cheaper, only today, the best, guaranteed.

They are English and German words. A claim may be made where the offer makes one of the same kind.
"""

from __future__ import annotations

import re

_ONES = "two three four five six seven eight nine"
_EINER = "zwei drei vier fünf sechs sieben acht neun"
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_ZEHN = "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ZIGER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_MANY = {12: "dozen dozens dutzend", 100: "hundred hundreds hundert hunderte"}
_MANY |= {1000: "thousand thousands tausend tausende", 1_000_000: "million millions millionen"}


def _counted_from(words: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * i for i, word in enumerate(words.split())}


NUMBERS = {
    **{word: n for words in (_ONES, _EINER) for word, n in _counted_from(words, 2).items()},
    **{word: n for words in (_TEENS, _ZEHN) for word, n in _counted_from(words, 10).items()},
    **{word: n for words in (_TENS, _ZIGER) for word, n in _counted_from(words, 20, 10).items()},
    **{
        f"{ten} {one}": many + few
        for ten, many in _counted_from(_TENS, 20, 10).items()
        for one, few in _counted_from(f"one {_ONES}", 1).items()
    },
    **{
        f"{one}und{ten}": many + few
        for ten, many in _counted_from(_ZIGER, 20, 10).items()
        for one, few in _counted_from(f"ein {_EINER}", 1).items()
    },
    **{word: n for n, words in _MANY.items() for word in words.split()},
}
"""Words of numbers, from two on; "one" and "ein" are seldom numbers."""

_NUMBER_WORDS = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(NUMBERS, key=len, reverse=True)).replace(' ', '[ -]')})(?!\w)",
    re.IGNORECASE,
)


def with_digits(text: str) -> str:
    """Return a text with its numbers in words, English or German, as digits.

    Examples
    --------
    >>> with_digits("Twenty-five percent, and zwei Euro")
    '25 percent, and 2 Euro'
    """
    return _NUMBER_WORDS.sub(lambda match: str(NUMBERS[match[0].lower().replace("-", " ")]), text)


CLAIMS = {
    "a number in words": r"""
twice|thrice|doubled?|tripled?|half (?:the|your|of)|one half|(?:third|quarter) off
|hälfte|halbe[nrs]? (?:prozent|stunden?)|doppelt\w*|verdoppel\w*|dreifach\w*
""",
    "something free": r"""
(?<!feel )free(?! to)|complimentary|(?:it is|it['’]s) on us|on the house|no charge|at no cost
|freebies?|giveaways?|bogo|buy one|a gift for you|gift inside|zero cost|costs? nothing|without charge
|gratis|kostenlos\w*|umsonst|geschenkt|versandfrei|portofrei
""",
    "a discount": r"""
discount\w*|sales?|(?:per ?cent|money|price|half) off|price cuts?|half[- ]price|reduced|bargains?|save up
|you save|clearance|cheap(?:er)?|savings?|vouchers?|coupons?|promo(?: ?codes?)?|cash ?back
|billiger\w*|günstiger\w*|\w+verkauf
|rabatt\w*|reduziert\w*|halbe\w* preis|sparen sie|preisnachlass\w*|gutschein\w*|sonderangebot\w*|aktionspreis\w*
""",
    "a deadline": r"""
today only|only today|last chance|final (?:hours?|call|chance)|hurry|expir\w+|limited[- ]time|for a short time
|while (?:stocks?|supplies) lasts?|(?:almost|nearly) gone|running out|only \w+ left|selling fast|act (?:now|fast)
|midnight|don['’]?t miss|ends? (?:today|tonight|tomorrow|soon|on|at|in|this|(?:mon|tues|wednes|thurs|fri|satur|sun)day)
|this \w+ only|only this \w+|too late|urgent\w*
|(?:until|by|before) (?:today|tonight|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day)
|nur dies\w+|zu spät|dringend\w*
|nur heute|heute nur|letzte chance|beeilen|läuft (?:\w+ )?ab|kurze zeit|solange der vorrat|nur noch|bald vorbei
|mitternacht|jetzt zugreifen|endet|bis (?:heute|morgen|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)
""",
    "a superlative": r"""
(?<!all the )best(?! (?:wishes|regards))(?!,)|cheapest|lowest|greatest|finest|highest|fastest|largest|biggest|unbeatable
|unrivall?ed|unmatched|number one|world[- ]class|leading|favou?rite (?:shop|store|brand)|best[- ]?sell\w+
|award[- ]winning|top[- ]rated|most (?:popular|loved|beloved|trusted|wanted)
|beste[nrsm]?(?! (?:grüße|wünsche))|günstigste\w*|billigste\w*|größte\w*|höchste\w*|beliebteste\w*|einzigartig\w*
|unschlagbar\w*|führend\w*|testsieger\w*|preisgekrönt\w*
""",
    "a promise": r"""
guarante\w+|risk[- ]free|no risk|money[- ]back|promised?|never fails?|proven|clinically|certified|warranty
|refund\w*|cures?|heals?|scientifically|prizes?|winners?|you(?:['’]ve| have) won
|erstatt\w+|heilt|gewonnen|gewinnspiel\w*|gewinner\w*
|garantie\w*|garantiert\w*|versprechen|versprochen|risikofrei\w*|geld[- ]zurück|bewiesen\w*
""",
}
"""The words of each kind of claim, as regular expressions."""

_PATTERNS = {
    claim: re.compile(rf"(?<!\w)(?:{words.replace(chr(10), '')})(?!\w)", re.IGNORECASE)
    for claim, words in CLAIMS.items()
}
_DENIED = re.compile(r"\b(?:no|not|never|nothing|without|kein\w*|nicht|nie|ohne)\b[^.;,:]*", re.IGNORECASE)


def new_claims(text: str, offer: str) -> list[tuple[str, str]]:
    """Return the claims of a text that an offer does not make: the kind, and the words.

    Examples
    --------
    >>> new_claims("Free delivery today only", "Free delivery; no discount")
    [('a deadline', 'today only')]
    """
    text, offer = (said.replace("%", " percent ").replace("  ", " ") for said in (text, offer))
    offered = _DENIED.sub(" ", offer)  # "no discount" offers none
    found = (
        (claim, pattern.search(text)) for claim, pattern in _PATTERNS.items() if not pattern.search(offered)
    )
    return [(claim, match[0]) for claim, match in found if match]
