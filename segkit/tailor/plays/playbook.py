"""Write a playbook: what to do for each segment, why, and whether that is measured or only custom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segkit.core.messages import in_words, joined
from segkit.create.segmentation import Segmentation
from segkit.explain.traits import of_data
from segkit.methods.partition import check_segments, checked_result
from segkit.tailor.plays.fitting_play import Describer, Fit, clauses, fitting_play
from segkit.tailor.plays.measured_arms import HARMED, HELPED, UNSEEN, UNUSED, Measured, measured_by_segment
from segkit.tailor.plays.plays import HIGH, LOW, PLAYS, Play
from segkit.tailor.plays.segment_rows import segment_rows
from segkit.tailor.plays.segment_worth import STANDARD, Worth, service_levels, worth_by_segment

MEASURED, SEEN, CUSTOM = "measured lift", "seen in the data", "custom of the trade"
GRADES = (MEASURED, SEEN, CUSTOM)
COLUMNS = [
    *("segment_id", "segment", "goal", "strategy", "offer", "channel", "cadence", "service_level"),
    *("avoid", "why", "measure", "evidence"),
]
OFFERED = 2  # products in an offer
NEEDED = ("share", "elsewhere", "ratio", "low")
MEDIA = {"email": "e-mail", "push": "push messages", "sms": "text messages"}
AGREED = "to those who agreed"
CLEARLY = 1.25  # least ratio of their share to the others' for an offer
PROVE = "{}, against 10% held out: plan_experiment(…)"
ALONE = "There are no other customers to differ from."
NO_VALUE = "Service is the same for all: pass value=segment_value(events, result, …) to tell levels apart."
UNKNOWN = "Service is the same for all: value is known of less than two segments."
UNCHECKED = "Service is the same for all: intervals of value were not checked on earlier periods."


@dataclass
class Row:
    """A row of a playbook while it is written: advice by column, the grade of each, and the sentences of `why`."""

    advice: dict[str, str]
    grades: dict[str, str] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    def say(self, column: str, text: str, grade: str) -> None:
        """Write advice with its grade; a goal is a wish and needs none."""
        self.advice[column] = text
        if text and column != "goal":
            self.grades[column] = grade
        else:
            self.grades.pop(column, None)

    @property
    def evidence(self) -> str:
        return min(self.grades.values(), key=GRADES.index, default=CUSTOM)


def playbook(
    result: Segmentation,
    *,
    value: pd.DataFrame | None = None,
    products: pd.DataFrame | None = None,
    lift: pd.DataFrame | None = None,
    plays: Iterable[Play] = PLAYS,
) -> pd.DataFrame:
    """Say what to do for each segment, why, and how far that is proven.

    Parameters
    ----------
    result : Segmentation
    value : DataFrame, optional
        From :func:`segkit.segment_value`. Levels of service differ only where intervals of value per customer do not
        overlap; without it, all get the standard.
    products : DataFrame, optional
        From :func:`segkit.segment_products`: what each segment buys more often goes into its offer. Of products, put
        names in the place of ids: ``products.assign(product_id=products["product_id"].map(names))``.
    lift : DataFrame, optional
        From ``segkit.lift(..., by=result)``: what was measured goes before any play. A campaign that harmed a segment
        stands under `avoid`, and no play is proposed.
    plays : iterable of Play, default=PLAYS
        Add your own: ``plays=sg.PLAYS + (sg.Play(...),)``.

    Returns
    -------
    DataFrame
        A row a segment; customers outside (−1) have none. Columns `segment_id`, `segment`, `goal`, `strategy`, `offer`,
        `channel`, `cadence`, `service_level` ("priority", "standard" or "self-service"), `avoid`; `why`, with numbers
        of that segment and of the other customers; `measure`, which would prove it; and `evidence`, that of the
        best-proven line of the row:

        * "measured lift": an experiment showed it in this segment
        * "seen in the data": they buy, read or differ so; nobody has tried whether the advice pays
        * "custom of the trade": what marketers usually do

        ``attrs["segkit"]["evidence"]`` has the grade of each line, by `segment_id`; ``attrs["segkit"]["play"]`` the
        name of the play; ``attrs["segkit"]["service"]`` what the levels of service rest on.

    Raises
    ------
    TypeError, ValueError
        If there is no segment, or a table is of other segments.

    Notes
    -----
    A segment that nothing sets apart is treated as everyone, and where no play fits, the playbook says so. Plays depend
    on behaviour, never on age, gender or other protected attributes. A level of service is about care, never about
    rights: answers to complaints and returns are the same for all. Write only to customers who agreed to it:
    ``segkit.audience(result, contacts, ...)`` leaves out the others.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> recency = [3, 5, 8, 9, 10, 12] * 5 + [140, 150, 160] * 10
    >>> customers = pd.DataFrame({"recency": recency}, index=[f"c{i:02}" for i in range(60)])
    >>> result = sg.segment(customers, n_segments=2).with_names({0: "Lapsed", 1: "Active"})
    >>> plays = sg.playbook(result)
    >>> plays[["segment", "goal", "evidence"]]
      segment                goal             evidence
    0  Lapsed     Bring them back  custom of the trade
    1  Active  Get the next order  custom of the trade
    >>> plays.loc[0, "why"].split(". ")[0]
    'They last bought 150 days ago (the others: 8.5 days)'
    """
    checked_result(result)
    check_segments(result, "a playbook says what to do for each segment")
    plays = _checked_plays(plays)
    worth = worth_by_segment(result, value)
    levels = service_levels(worth)
    liked = (
        {}
        if products is None
        else segment_rows(result, products, "products", NEEDED, "segment_products(events, result, …)")
    )
    measured = measured_by_segment(result, lift)
    described = Describer(result)
    rows, grades, chosen = [], {}, {}
    for s in result.segments:
        fit = fitting_play(described, s, plays)
        row = _played(described, s, fit) if fit else _unplayed(described, s)
        if worth.get(s) is not None and worth[s].known:
            row.why.append(f"Worth {worth[s].per_customer()}.")
        found = {m.found for m in measured.get(s, [])}
        if (fit is None or fit.play.sells) and not found & {HARMED, HELPED}:
            _offer(row, liked.get(s))
            _reach(row, described, s, fit)
        _heed(row, measured.get(s, []))
        if CUSTOM in row.grades.values():
            row.why.append(_custom(row))
        grades[s], chosen[s] = row.grades, fit.play.name if fit else ""
        facts = {"segment_id": s, "segment": result.name_of(s), "service_level": levels.get(s, STANDARD)}
        rows.append(row.advice | facts | {"why": " ".join(row.why), "evidence": row.evidence})
    table = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], "str"))
    table.attrs["segkit"] = {
        "badge": result.badge,
        "kind": result.kind,
        "customers": {s: int((result.labels == s).sum()) for s in result.segments},
        "evidence": grades,
        "play": chosen,
        "service": _service(value, worth, levels),
    }
    return table


def fact_by_segment(playbook: pd.DataFrame, name: str) -> dict[int, Any]:
    """Return a fact of each segment from the attrs of a playbook, also of a saved one, in which ids became text.

    Examples
    --------
    >>> table = pd.DataFrame()
    >>> table.attrs["segkit"] = {"customers": {"0": 40, "1": 120}}
    >>> fact_by_segment(table, "customers")
    {0: 40, 1: 120}
    """
    facts = (playbook.attrs.get("segkit") or {}).get(name) or {}
    return {int(segment): fact for segment, fact in facts.items()}


def _checked_plays(plays: Iterable[Play]) -> tuple[Play, ...]:
    wanted = "It should be plays: sg.PLAYS + (sg.Play(...),)."
    if isinstance(plays, (str, Play)) or not isinstance(plays, Iterable):
        raise TypeError(f"plays is {in_words(plays)}. {wanted}")
    plays = tuple(plays)
    for play in plays:
        if not isinstance(play, Play):
            raise TypeError(f"plays holds {in_words(play)}. {wanted}")
    return plays


def _played(described: Describer, segment: int, fit: Fit) -> Row:
    """Begin a row with the words of a play, all custom, and with what it rests on."""
    play = fit.play
    row = Row({})
    for column in ("goal", "strategy", "offer", "channel", "cadence", "avoid"):
        row.say(column, getattr(play, column), CUSTOM)
    if not play.channel:
        row.say("channel", f"E-mail, {AGREED}", CUSTOM)
    row.advice["measure"] = PROVE.format(play.measure.rstrip(".")) if play.measure else ""
    said = clauses(described, segment, fit)
    row.why.append(_they(said) if said else "")
    row.why = [sentence for sentence in row.why if sentence]
    return row


def _unplayed(described: Describer, segment: int) -> Row:
    """Begin a row of a segment that no play fits: like everyone, or different in what no play speaks of."""
    row = Row({"offer": "", "channel": "", "cadence": "", "avoid": ""})
    apart, sentence = described.differs(segment) if described.compared else (False, ALONE)
    if apart:
        row.say("goal", "Understand them first", CUSTOM)
        row.say("strategy", "No play fits: describe them with profile(), and ask some of them.", CUSTOM)
        row.say("avoid", "Guessing what they want.", CUSTOM)
        row.advice["measure"] = PROVE.format("Orders in the next 90 days")
    else:
        row.say("goal", "Treat as everyone", SEEN)
        row.say("strategy", "Send them what all customers get.", SEEN)
        row.advice["measure"] = "Nothing to prove: they are treated as everyone."
    row.why.append(sentence)
    return row


def _offer(row: Row, liked: pd.DataFrame | None) -> None:
    """Put the products that a segment buys more often before the offer of the play."""
    if liked is None:
        return
    of = "product_id" if "product_id" in liked else "category"
    some = liked[(liked["low"] > 1) & (liked["ratio"] >= CLEARLY)].head(OFFERED)
    if of not in liked or not len(some):
        return
    names = [of_data(str(name)) for name in some[of]]
    usual = row.advice["offer"]
    more = f"; {usual[:1].lower()}{usual[1:]}" if usual else ""
    text = f"{joined(names)}{more}"
    row.say("offer", text[:1].upper() + text[1:] if of == "category" else text, SEEN)
    shares = [
        f"{share:.0%} buy {name} (the others: {elsewhere:.0%})"
        for name, share, elsewhere in zip(names, some["share"], some["elsewhere"], strict=True)
    ]
    row.why.append(f"Of those who buy, {joined(shares)}.")


def _reach(row: Row, described: Describer, segment: int, fit: Fit | None) -> None:
    """Choose the medium that a segment responds to more than other customers, where the features know it."""
    if fit is not None and fit.play.channel:
        return
    reached, cold = [], []
    for medium, words in MEDIA.items():
        for feature in (f"{medium}_click_rate", f"{medium}_open_rate"):
            column = described.column(feature)
            if column is None or not described.is_number(column):
                continue
            rank = described.rank(segment, column)
            if rank >= HIGH:
                reached.append((rank, words, described.says(segment, column)))
            elif rank <= LOW:
                cold.append((rank, words, described.says(segment, column)))
            break
    if not reached and not cold:
        return
    if reached:
        _, words, said = max(reached)
        row.say("channel", f"{words[:1].upper()}{words[1:]}, {AGREED}", SEEN)
    else:
        _, words, said = min(cold)
        row.say("channel", f"Not {words} alone: try another way, {AGREED}", SEEN)
    known = " ".join(row.why)
    if said and said not in known:
        row.why.append(_they([said]))


def _heed(row: Row, measured: list[Measured]) -> None:
    """Put what was measured in this segment before any play."""
    helped = [m for m in measured if m.found == HELPED]
    harmed = [m for m in measured if m.found == HARMED]
    if harmed or helped:
        for column in ("offer", "channel", "cadence", "avoid"):
            row.say(column, "", CUSTOM)
    if harmed:
        row.say("goal", "Do no harm", MEASURED)
        row.say(
            "strategy",
            "Stop it here. Send what all customers get, until a test shows what helps.",
            CUSTOM,
        )
        row.advice["measure"] = PROVE.format("Orders in the next 90 days")
        row.say("avoid", joined([f"“{m.arm}”" for m in harmed]) + ": it harmed this segment.", MEASURED)
        row.why += [f"“{m.arm}” did harm here: {m.words}." for m in harmed]
    if helped:
        best = helped[0]
        if harmed:
            row.say("goal", "More of what helps, nothing of what harms", MEASURED)
        row.say("strategy", f"Do “{best.arm}” again: it helped this segment.", MEASURED)
        for column in ("offer", "channel", "cadence"):
            row.say(column, f"As in “{best.arm}”", MEASURED)
        row.advice["measure"] = PROVE.format(f"The same outcome as of “{best.arm}”")
        row.why += [f"“{m.arm}” helped here: {m.words}." for m in helped]
    for m in measured:
        if m.found in (UNSEEN, UNUSED):
            row.why.append(f"“{m.arm}” was tried here: {m.words.rstrip('.')}.")


def _custom(row: Row) -> str:
    """Say that advice is only custom."""
    which = "The advice" if set(row.grades.values()) == {CUSTOM} else "The rest of the advice"
    return f"{which} is custom of the trade: nobody has measured it here."


def _service(value: pd.DataFrame | None, worth: dict[int, Worth], levels: dict[int, str]) -> str:
    if value is None:
        return NO_VALUE
    if sum(w.known for w in worth.values()) < 2:
        return UNKNOWN
    if len(levels) < 2:
        return UNCHECKED
    if len(set(levels.values())) < 2:
        return "Service is the same for all: the intervals of value per customer overlap."
    return "Service differs where the intervals of value per customer do not overlap."


def _they(said: list[str]) -> str:
    """Return clauses about a segment as a sentence."""
    of_them = [" of them " in clause or clause.split(" ", 1)[0] in ("all", "none") for clause in said]
    text = said[0] if of_them[0] else f"they {said[0]}"
    for clause, of in zip(said[1:], of_them[1:], strict=True):
        text += f"; {clause}" if of else f"; they {clause}"
    return f"{text[:1].upper()}{text[1:]}."
