"""Find claims in a message: free, cheaper, only today, the best, guaranteed.

They are English and German words. A claim may be made where the offer makes one of the same kind.
"""

from __future__ import annotations

import re

NUMBERS = """
two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety
|hundred|half|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|fünfzehn|zwanzig|dreißig|vierzig|fünfzig|hundert
|halbe[nrs]?
"""
UNITS = """
per ?cent|euros?|dollars?|pounds?|cents?|hours?|days?|weeks?|months?|years?|times
|prozent|stunden?|tagen?|wochen?|monaten?|jahren?|mal
"""
CLAIMS = {
    "a number in words": f"(?:{NUMBERS})[ -](?:{UNITS})",
    "something free": r"""
(?<!feel )free(?! to)|complimentary|(?:it is|it['’]s) on us|on the house|no charge|at no cost
|gratis|kostenlos\w*|umsonst|geschenkt|versandfrei|portofrei
""",
    "a discount": r"""
discount\w*|sales?|(?:per ?cent|money|price|half) off|price cuts?|half[- ]price|reduced|bargains?|save up
|you save|savings?|vouchers?|coupons?|promo(?: ?codes?)?|cash ?back
|rabatt\w*|reduziert\w*|halbe\w* preis|sparen sie|preisnachlass\w*|gutschein\w*|sonderangebot\w*|aktionspreis\w*
""",
    "a deadline": r"""
today only|only today|last chance|final (?:hours?|call|chance)|hurry|expir\w+|limited[- ]time|for a short time
|while (?:stocks?|supplies) lasts?|(?:almost|nearly) gone|running out|only \w+ left|selling fast|act (?:now|fast)
|midnight|don['’]?t miss|ends? (?:today|tonight|tomorrow|soon|on|at|in|this)
|(?:until|by|before) (?:today|tonight|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day)
|nur heute|heute nur|letzte chance|beeilen|läuft (?:\w+ )?ab|kurze zeit|solange der vorrat|nur noch|bald vorbei
|mitternacht|jetzt zugreifen|endet|bis (?:heute|morgen|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)
""",
    "a superlative": r"""
(?<!all the )best(?! (?:wishes|regards))(?!,)|cheapest|lowest|greatest|finest|highest|fastest|largest|biggest|unbeatable
|unrivall?ed|unmatched|number one|world[- ]class|leading|favou?rite (?:shop|store|brand)|best[- ]?sell\w+
|award[- ]winning|most (?:popular|loved|trusted|wanted)
|beste[nrsm]?(?! (?:grüße|wünsche))|günstigste\w*|billigste\w*|größte\w*|höchste\w*|beliebteste\w*|einzigartig\w*
|unschlagbar\w*|führend\w*|testsieger\w*|preisgekrönt\w*
""",
    "a promise": r"""
guarante\w+|risk[- ]free|no risk|money[- ]back|promised?|never fails?|proven|clinically|certified|warranty
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
