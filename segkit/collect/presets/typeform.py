"""Typeform: responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis.expr.datatypes as dt

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value, lowered
from segkit.collect.presets.sql import as_number, as_text, coalesced, fields, is_any


def _answers(rows: Rows, questions: Sequence[str]) -> str | None:
    """Return the list of answers to questions of these kinds."""
    answers = rows.at("answers")
    if answers is None:
        return None
    is_wanted = is_any("answer['field']['type']", questions)
    return f"list_filter({answers.sql}, lambda answer: {is_wanted})"


def _number(rows: Rows, *questions: str) -> Value | None:
    """Return the first answer to a question of these kinds, in the order of the kinds."""
    answers = [_answers(rows, [question]) for question in questions]
    numbers = [as_number(f"{one}[1]['number']") for one in answers if one is not None]
    return Value(coalesced(*numbers), dt.float64) if numbers else None


def _rating(rows: Rows) -> Value | None:
    return _number(rows, "nps", "opinion_scale", "rating")


def _kind(rows: Rows) -> Value:
    """Return survey or review; a response that was not completed, such as partial, is survey_partial."""
    state, answered = rows.text("response_type"), _answered(rows)
    unfinished = f"{state} IS NOT NULL AND {state} != 'completed'"
    return Value(f"CASE WHEN {unfinished} THEN 'survey_' || {state} ELSE {answered.sql} END", dt.string)


def _answered(rows: Rows) -> Value:
    scale, stars = _number(rows, "nps", "opinion_scale"), _number(rows, "rating")
    if scale is None or stars is None:
        return Value("'survey'", dt.string)
    has_stars_only = f"({scale.sql}) IS NULL AND ({stars.sql}) IS NOT NULL"
    return Value(f"CASE WHEN {has_stars_only} THEN 'review' ELSE 'survey' END", dt.string)


def _text(rows: Rows) -> Value | None:
    written = _answers(rows, ["long_text", "short_text"])
    if written is None:
        return None
    words = f"list_transform({written}, lambda answer: answer['text'])"
    return Value(f"nullif(array_to_string({words}, chr(10)), '')", dt.string)


def _email(rows: Rows) -> Value | None:
    answers = _answers(rows, ["email"])
    return None if answers is None else Value(f"{answers}[1]['email']", dt.string)


def _seconds(rows: Rows) -> Value | None:
    landed, submitted = rows.at("landed_at"), rows.at("submitted_at")
    if landed is None or submitted is None:
        return None
    began, ended = (f"epoch(TRY_CAST({as_text(one.sql)} AS TIMESTAMPTZ))" for one in (landed, submitted))
    return Value(f"{ended} - {began}", dt.float64)


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    token = rows.text("response_id", "token", "#")
    # Tokens of digits only may be row numbers.
    token = f"CASE WHEN regexp_matches({token}, '[A-Za-z]') THEN {token} END"
    answers = rows.at("answers")
    most = [] if answers is None else [f"len({answers.sql}) DESC"]
    first = [rows.text("submitted_at", "Submit Date (UTC)"), *most]
    return refuse_copies(rows, token, "response counted already", first)


TYPEFORM = Preset(
    name="typeform",
    title="Typeform: responses",
    file=(
        "items of the Responses API as JSON lines or Parquet, or the CSV of a form's results, one response a row. "
        "In the CSV each question is a column of its own: name those that hold customer_id, rating and text."
    ),
    counts=(
        "A response is a survey, rated by the answer to the NPS question, else to the first opinion scale "
        "(leave nps_class out if that scale is not 0 to 10). A response with neither, but with stars, is a "
        "review, rated by the stars. The text joins all written answers. The customer is the hidden field "
        "customer_id, user_id or email, else the answer to the form's e-mail question. Responses that were not "
        "completed become survey_partial and survey_started. Repeated tokens are "
        "refused. The file holds only those who answered, so survey_response_rate means nothing here."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-typeform schemas/responses.json",
        "https://developers.typeform.com/webhooks/example-payload/",
        "https://docs.memberjunction.org/api/interfaces/_memberjunction_actions-bizapps-formbuilders.TypeformResponseItem.html",
    ),
    columns={
        "customer_id": lowered("hidden.customer_id", "hidden.user_id", "hidden.email", _email),
        "timestamp": ("submitted_at", "Submit Date (UTC)"),
        "kind": _kind,
        "campaign": "form_id",
        "page": "metadata.referer",
        "duration": _seconds,
        "rating": _rating,
        "text": _text,
        "device": "metadata.platform",
    },
    needs=(("customer_id", ("hidden", "answers")),),
    nested={
        "metadata": fields("referer platform"),
        "answers": [{**fields("type text email number"), "field": fields("id ref type")}],
    },
    reshape=_reshape,
)
