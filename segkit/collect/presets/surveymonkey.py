"""SurveyMonkey: responses."""

from __future__ import annotations

from collections.abc import Mapping

import ibis.expr.datatypes as dt

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.helper_columns import KIND, REFUSED
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value, lowered
from segkit.collect.presets.sql import TEXT, as_number, fields, is_any


def _answers(rows: Rows) -> str | None:
    pages = rows.at("pages")
    if pages is None:
        return None
    questions = f"flatten(list_transform({pages.sql}, lambda page: page['questions']))"
    return f"flatten(list_transform({questions}, lambda question: question['answers']))"


def _rating(rows: Rows) -> Value | None:
    """Return the first weight from 1 to 10 of a choice; NPS choices weigh −100, 0 and 100."""
    answers = _answers(rows)
    if answers is None:
        return None
    weight = as_number("answer['choice_metadata']['weight']")
    weights = f"list_transform({answers}, lambda answer: {weight})"
    return Value(f"list_filter({weights}, lambda weight: weight BETWEEN 1 AND 10)[1]", dt.float64)


def _text(rows: Rows) -> Value | None:
    answers = _answers(rows)
    if answers is None:
        return None
    words = f"list_transform({answers}, lambda answer: answer['text'])"
    return Value(f"nullif(array_to_string({words}, chr(10)), '')", dt.string)


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    status, rating = rows.text("response_status"), _rating(rows)
    preview = is_any(rows.text("collection_mode"), ["preview", "survey_preview"])
    completed = "'survey'"
    if rating is not None:
        completed = f"CASE WHEN ({rating.sql}) IS NOT NULL THEN 'review' ELSE 'survey' END"
    is_completed = f"coalesce({status} = 'completed', true)"
    rows = rows.with_columns(
        {
            REFUSED: f"CASE WHEN {preview} THEN 'preview of the survey' END",
            KIND: f"CASE WHEN {is_completed} THEN {completed} ELSE 'survey_' || {status} END",
        }
    )
    response = rows.at("id")
    if response is None:
        return rows
    latest = [f"{rows.text('date_modified')} DESC", f"NOT ({is_completed})"]
    return refuse_copies(rows, response.sql, "older copy of a response: the latest counts", latest)


SURVEYMONKEY = Preset(
    name="surveymonkey",
    title="SurveyMonkey: responses",
    file="responses of the API (responses/bulk) as JSON lines or Parquet, one response a row.",
    counts=(
        "A completed response is a survey; others become survey_partial, survey_disqualified and "
        "survey_overquota. Previews are refused. "
        "Of several copies of a response, the latest counts. Where the export has choice_metadata, a response is a "
        "review, rated by the weight of the first choice that weighs 1 to 10; NPS choices weigh −100, 0 and "
        "100, and are no rating. The text joins all written answers. The file holds only those who "
        "answered, so survey_response_rate means nothing here."
    ),
    cites=(
        "https://github.com/SurveyMonkey/public_api_docs includes/_responses.md",
        "https://github.com/airbytehq/airbyte source-surveymonkey schemas/survey_responses.json",
    ),
    columns={
        "customer_id": lowered("custom_value", "email_address", "recipient_id"),
        "timestamp": ("date_modified", "date_created"),
        "kind": KIND,
        "campaign": "survey_id",
        "duration": "total_time",
        "rating": _rating,
        "text": _text,
    },
    needs=(
        ("customer_id", ("custom_value", "email_address", "recipient_id")),
        ("kind", ("response_status", "pages")),
    ),
    nested={
        "pages": [
            {"questions": [{"id": TEXT, "answers": [{"text": TEXT, "choice_metadata": fields("weight")}]}]}
        ],
    },
    reshape=_reshape,
)
