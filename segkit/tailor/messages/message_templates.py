"""Write a message for each segment of a playbook, in the syntax of an e-mail tool."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from segkit.core.checks import check_frame
from segkit.core.messages import choose_from, in_words
from segkit.tailor.messages.answer_checks import faults_of, fields_in, read_answer, with_exact_tags
from segkit.tailor.messages.brief import FEWEST, without_ids, write_brief
from segkit.tailor.messages.built_in_texts import (
    LANGUAGES,
    NEUTRAL,
    Language,
    asks_for_silence,
    kind_of,
    version_for,
)
from segkit.tailor.messages.merge_tags import MergeField, MergeTags, merge_fields, tool_named
from segkit.tailor.plays.playbook import fact_by_segment

Writer = Callable[[dict[str, Any]], Any]
COLUMNS = ("segment_id", "segment", "subject", "body", "fields_used", "checks")
NEEDED = ("segment_id", "segment", "goal")
OF_A_PLAY = ("segment", "goal", "strategy", "offer", "channel", "avoid", "why")


def message_templates(
    playbook: pd.DataFrame,
    *,
    fields: Mapping[str, str | tuple[str, str]],
    tool: str = "klaviyo",
    language: str = "en",
    writer: Writer | Mapping[Any, Any] | None = None,
) -> pd.DataFrame:
    """Write an e-mail for each segment: subject and body, with fields in the tool's syntax.

    Parameters
    ----------
    playbook : DataFrame
        A row a segment, as from :func:`segkit.playbook`: `segment_id`, `segment`, `goal`; with `strategy`, `offer`,
        `channel`, `avoid` and `why` for a writer.
    fields : mapping
        What may be filled in for each customer, and the fallback where one has none: ``{"first_name": "there"}``.
        Where the tool calls it something else, give both: ``{"product": ("Next product", "something new")}``.
        segkit's own messages use `first_name` and `product`.
    tool : {"klaviyo", "mailchimp", "hubspot", "braze", "plain"}, default="klaviyo"
        Whose merge tags to write; "plain" writes the fallbacks.
    language : str, default="en"
        "en" or "de"; any, with a writer.
    writer : callable or mapping, optional
        Texts that you have, by name or id of the segment: ``{"Lapsed": {"subject": …, "body": …}}``. Or a function of
        yours, such as a call of a language model. It gets a brief, a dict of plain JSON (`segment`, `goal`, `strategy`,
        `offer`, `channel`, `avoid`, `numbers`, `fields` with their tags, `tool`, `language`, `tone`, `most_characters`,
        `rules`), and answers ``{"subject": …, "body": …}``. What it raises, such as a time-out, is told in `checks`.

    Returns
    -------
    DataFrame
        A row a segment: `segment_id`, `segment`, `subject`, `body` (plain text; with the tool's tag to unsubscribe),
        `fields_used`, and `checks`: whose text it is, why an answer of the writer was refused, what is left to do.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be, or segkit has no messages in the language and there is no writer.

    Notes
    -----
    segkit's own messages are chosen by the goal. They make no claims, and nothing of the playbook is copied into them:
    add the offer, as `checks` says, in your own words. Where the goal or channel asks for no e-mail, there is none.

    A brief holds no ids, no e-mail addresses, no counts of fewer than 10 people, and rounded numbers. An answer is
    refused, and segkit's own message stands in its place, if it uses fields that you did not name, tags of another tool
    or tags without their fallback; numbers (in words too), prices, discounts, deadlines, superlatives or promises that
    the brief does not hold; links, HTML or e-mail addresses; words of Latin and look-alike letters; the name of the
    segment; or too many characters (60 in the subject). The words of numbers and claims are English and German. segkit
    calls no network. Read each message before you send it.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> plays = pd.DataFrame({"segment_id": [0], "segment": ["Lapsed"], "goal": ["Win them back"]})
    >>> messages = sg.message_templates(plays, fields={"first_name": "there"})
    >>> messages.loc[0, "subject"]
    'It has been a while'
    >>> print(messages.loc[0, "body"].split("\\n")[0])
    Hi {{ first_name|default:'there' }},
    """
    check_frame("playbook", playbook, "It should be the table of playbook(result, …).")
    missing = [column for column in NEEDED if column not in playbook.columns]
    if missing:
        raise ValueError(
            f"The table has no column {', '.join(map(repr, missing))}. It should be that of playbook(result, …)."
        )
    form = tool_named(tool)
    usable = merge_fields(fields, form)
    own = _own_language(language, writer)
    if isinstance(writer, Mapping):
        _check_known(writer, playbook)
    rows = []
    for _, row in playbook.iterrows():
        play = {part: _text(row.get(part)) for part in OF_A_PLAY}
        if _is_of_few(row, playbook):
            play["why"] = ""  # whatever it says, it says of few people
        message = _message(play, usable, form, language, own, _writer_of(row, writer))
        rows.append((row["segment_id"], row["segment"], *message))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        dict.fromkeys(("subject", "body", "fields_used", "checks"), "str")
    )
    table.attrs["segkit"] = {
        **(playbook.attrs.get("segkit") or {}),
        "tool": tool,
        "language": language,
        "fields": {name: field.tag for name, field in usable.items()},
        "sources": dict(form.cites),
    }
    return table


def _is_of_few(row: pd.Series, playbook: pd.DataFrame) -> bool:
    """Return whether a segment, or the others that it is compared with, are fewer than 10 customers."""
    sizes = fact_by_segment(playbook, "customers")
    if row["segment_id"] not in sizes:
        return bool(row.get("customers", FEWEST) < FEWEST)
    size = sizes[row["segment_id"]]
    return size < FEWEST or 0 < sum(sizes.values()) - size < FEWEST


def _check_known(texts: Mapping[Any, Any], playbook: pd.DataFrame) -> None:
    known = {*playbook["segment"], *playbook["segment_id"]}
    for segment in texts:
        if segment not in known:
            names = list(map(str, playbook["segment"]))
            raise ValueError(
                f"writer has a text for {segment!r}, which is no segment.{choose_from(segment, names)}"
            )


def _writer_of(row: pd.Series, writer: Writer | Mapping[Any, Any] | None) -> Writer | None:
    """Return who writes to a segment; None where texts were given for other segments only."""
    if not isinstance(writer, Mapping):
        return writer
    for key in (row["segment"], row["segment_id"]):
        if key in writer:
            return lambda _: writer[key]
    return None


def _own_language(language: object, writer: object) -> Language | None:
    """Return segkit's messages in a language; None where only the writer has any."""
    if writer is not None and not callable(writer) and not isinstance(writer, Mapping):
        raise TypeError(
            f"writer is {in_words(writer)}. It should be a function that takes a brief and answers "
            '{"subject": "…", "body": "…"}, or such texts by segment.'
        )
    if not isinstance(language, str) or not language.strip():
        raise TypeError(f"language is {in_words(language)}. It should be a code, such as 'en'.")
    own = LANGUAGES.get(language)
    if own is None and writer is None:
        raise ValueError(
            f"segkit has no messages in language={language!r}.{choose_from(language, LANGUAGES)} For others, give a "
            "writer."
        )
    return own


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _message(
    play: dict[str, str],
    fields: Mapping[str, MergeField],
    tool: MergeTags,
    language: str,
    own: Language | None,
    writer: Writer | None,
) -> tuple[str, str, str, str]:
    """Return subject, body, fields used, and checks."""
    if asks_for_silence(play["goal"], play["channel"]):
        return "", "", "", "No message: the play asks for no e-mail to this segment."
    checks = []
    subject = body = ""
    if writer is not None:
        brief = write_brief(play, fields, tool, language)
        subject, body, refused = _written(writer, brief, fields, tool)
        checks.append(f"Your text was refused: {refused}." if refused else "Your text.")
        if own is None and not refused:
            checks.append("Read it for claims: segkit knows their words in English and German only.")
    if not body and own is not None:
        subject, body, said = _own_message(play["goal"], fields, own)
        checks.append(said)
        if play["offer"]:
            checks.append(
                f"The offer is not in it; add it in your own words: {play['offer']}.".replace("..", ".")
            )
    if not body:
        checks.append(f"No message: segkit has none in {language!r}.")
        return "", "", "", " ".join(checks)
    used = fields_in(f"{subject}\n{body}", fields)
    if tool.unsubscribe:
        word = (own or LANGUAGES["en"]).unsubscribe
        if own is None:
            checks.append("The link to unsubscribe is in English; translate it.")
        body = f"{body}\n\n{tool.unsubscribe.replace('WORD', word)}"
    else:
        checks.append("Add your link to unsubscribe.")
    if play["channel"] and "mail" not in play["channel"].casefold():
        checks.append(f"It is an e-mail; the play's channel is: {play['channel']}.")
    return subject, body, ", ".join(used), " ".join(checks)


def _own_message(goal: str, fields: Mapping[str, MergeField], language: Language) -> tuple[str, str, str]:
    """Return segkit's message for a goal, and which one it is."""
    kind = kind_of(goal)
    text = language.texts[kind or NEUTRAL]
    paragraphs = [version_for(paragraph, fields) for paragraph in (language.greeting, *text.paragraphs)]
    tags = {name: field.tag for name, field in fields.items()}
    body = "\n\n".join([p.format(**tags) for p in paragraphs if p] + [language.goodbye])
    if kind:
        return text.subject, body, f"segkit's message: {kind}."
    said = f"segkit has no message for the goal '{goal}'" if goal else "The play names no goal"
    return text.subject, body, f"{said}; this is the neutral one."


def _written(
    writer: Writer, brief: dict[str, Any], fields: Mapping[str, MergeField], tool: MergeTags
) -> tuple[str, str, str]:
    """Return a writer's subject and body, or why they were refused."""
    try:
        read = read_answer(writer(copy.deepcopy(brief)))
    except Exception as error:  # whatever a user's function raises is a reason to refuse, and is told
        # what it says may hold a key or an address
        said = without_ids(str(error))
        return "", "", f"it raised {type(error).__name__}{f' ({said})' if said else ''}"
    if isinstance(read, str):
        return "", "", f"{read[0].lower()}{read[1:]}"
    faults = faults_of(*read, brief, fields, tool)
    if faults:
        return "", "", "; ".join(faults)
    subject, body = (with_exact_tags(text, fields) for text in read)
    return subject, body, ""
