"""What customers say: support conversations of Zendesk and Intercom, answers of Typeform and SurveyMonkey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ibis

from segkit.collect.presets.columns import as_number, at, fields, filled, first, is_any, lowered, number, text
from segkit.collect.presets.order_lines import KIND, REFUSED, WHEN, alike, repeats_refused
from segkit.collect.presets.preset import TEXT, Preset

if TYPE_CHECKING:
    import ibis.expr.types as ir

RATING = "segkit rating"
SAID = "segkit text"


def _latest_copies(table: ir.Table, thing: str, rating: Callable[[ir.Table], ir.Column]) -> ir.Table:
    """Refuse what has the id of one that was updated later, or then and was rated."""
    own = at(table, "id")
    if own is None:
        return table
    reason = f"older copy of a {thing}: the latest counts"
    return repeats_refused(
        table,
        own,
        reason,
        lambda copies: [text(copies, "updated_at").desc(), rating(copies).notnull().desc()],
    )


def _with_ratings(talks: ir.Table, rating: ir.Column, when: ir.Column, remark: ir.Column) -> ir.Table:
    """Add a row for each rating: it was given later than the conversation began, and is no part of it."""
    rated = talks.mutate(**{RATING: rating, WHEN: when, SAID: remark, KIND: ibis.literal("review")})
    rated = rated.filter(rated[RATING].notnull())
    if REFUSED in rated.columns:
        rated = rated.filter(rated[REFUSED].isnull())
    return alike(talks.mutate(**{RATING: ibis.null("float64")}), rated)


# --- Zendesk ------------------------------------------------------------------------------------------


def _zendesk_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = _latest_copies(table, "ticket", _zendesk_rating)
    talks = table.mutate(
        **{
            KIND: ibis.literal("chat"),
            WHEN: first(table, "created_at"),
            SAID: text(table, "description", "subject"),
        }
    )
    when = text(talks, "satisfaction_rating.updated_at", "satisfaction_rating.created_at", "updated_at")
    return _with_ratings(talks, _zendesk_rating(talks), when, text(talks, "satisfaction_rating.comment"))


def _zendesk_rating(table: ir.Table) -> ir.Column:
    score = text(table, "satisfaction_rating.score").lower()
    return ibis.cases((score.startswith("good"), 5.0), (score.startswith("bad"), 1.0))


ZENDESK = Preset(
    name="zendesk",
    title="Zendesk Support: tickets",
    file="ticket objects of the API or of the JSON export as JSON lines or Parquet, one ticket a row.",
    counts=(
        "A ticket is a chat when it was created, with its description as the text. A ticket that was rated adds one "
        "row, a review: good is 5, bad is 1, as the stars from 1 to 5 that Intercom has; its time is the rating's, "
        "else the ticket's last update. Of several copies of a ticket the latest counts."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-zendesk-support schemas/shared/tickets.json",
        "https://github.com/airbytehq/airbyte source-zendesk-support schemas/satisfaction_ratings.json",
        "https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/",
    ),
    columns={
        "customer_id": "requester_id",
        "timestamp": WHEN,
        "kind": KIND,
        "channel": "via.channel",
        "rating": RATING,
        "text": SAID,
    },
    needs=(("timestamp", ("created_at",)),),
    nested={
        "via": fields("channel"),
        "satisfaction_rating": fields("score comment created_at updated_at"),
    },
    lines=_zendesk_lines,
)


# --- Intercom -----------------------------------------------------------------------------------------


def _intercom_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = _latest_copies(table, "conversation", _intercom_rating)
    author = text(table, "source.author.type").lower()
    ours = is_any(author, ["admin", "bot", "team"])
    body = text(table, "source.body", "source.subject")
    words = body.re_replace(r"<[^>]*>", " ").re_replace(r"\s+", " ").strip().nullif("")
    talks = table.mutate(
        **{
            KIND: ours.ifelse("outreach", "chat"),
            WHEN: first(table, "created_at"),
            SAID: ours.ifelse(ibis.null("string"), words),
        }
    )
    when = text(talks, "conversation_rating.updated_at", "conversation_rating.created_at", "updated_at")
    remark = text(talks, "conversation_rating.remark")
    return _with_ratings(talks, _intercom_rating(talks), when, remark)


def _intercom_rating(table: ir.Table) -> ir.Column:
    return number(table, "conversation_rating.rating")


INTERCOM = Preset(
    name="intercom",
    title="Intercom: conversations",
    file="conversation objects of the API as JSON lines or Parquet, one conversation a row.",
    counts=(
        "A conversation is a chat when it began, with the first message as the text; one that your side began is an "
        "outreach. A conversation that was rated (1 to 5) adds one row, a review with the remark as its text, at "
        "the time of the rating. Of several copies of a conversation the latest counts."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-intercom schemas/conversations.json",
        "https://developers.intercom.com/docs/references/rest-api/api.intercom.io/Models/contact_reference/",
        "https://developers.intercom.com/docs/references/1.3/rest-api/conversations/conversation-rating-model",
    ),
    columns={
        "customer_id": (
            "contacts.contacts.0.external_id",
            "contacts.contacts.0.id",
            "user.id",
            "customers.0.id",
        ),
        "timestamp": WHEN,
        "kind": KIND,
        "channel": "source.type",
        "page": "source.url",
        "rating": RATING,
        "text": SAID,
    },
    formats=("epoch_s",),
    needs=(("timestamp", ("created_at",)),),
    nested={
        "source": {**fields("type body subject url"), "author": fields("type")},
        "contacts": {"contacts": [fields("id external_id")]},
        "customers": [fields("id")],
        "user": fields("id"),
        "conversation_rating": fields("rating remark created_at updated_at"),
    },
    lines=_intercom_lines,
)


# --- Typeform -----------------------------------------------------------------------------------------


def _answers(kinds_of_field: list[str]) -> Callable[[ir.Table], ir.ArrayColumn | None]:
    def column(table: ir.Table) -> ir.ArrayColumn | None:
        answers = at(table, "answers")
        return (
            None if answers is None else answers.filter(lambda a: is_any(a["field"]["type"], kinds_of_field))
        )

    return column


def _typeform_number(table: ir.Table, *questions: str) -> ir.Column | None:
    """The answer to the first question of the first of these kinds that was answered."""
    asked = [_answers([question])(table) for question in questions]
    numbers = [as_number(answers[0]["number"]) for answers in asked if answers is not None]
    return ibis.coalesce(*numbers) if numbers else None


def _typeform_rating(table: ir.Table) -> ir.Column | None:
    return _typeform_number(table, "nps", "opinion_scale", "rating")


def _typeform_kind(table: ir.Table) -> ir.Column:
    scale, stars = _typeform_number(table, "nps", "opinion_scale"), _typeform_number(table, "rating")
    if scale is None or stars is None:
        return ibis.literal("survey")
    return (scale.isnull() & stars.notnull()).ifelse("review", "survey")


def _typeform_text(table: ir.Table) -> ir.Column | None:
    written = _answers(["long_text", "short_text"])(table)
    return None if written is None else written.map(lambda a: a["text"]).join("\n").nullif("")


def _typeform_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    token = text(table, "response_id", "token", "#")
    token = token.re_search("[A-Za-z]").ifelse(token, ibis.null("string"))  # mere digits may count the rows
    return repeats_refused(table, token, "response counted already", _typeform_first)


def _typeform_first(copies: ir.Table) -> list[ir.Value]:
    """Of copies of a response the earliest comes first, or of one moment that of the most answers."""
    answers = at(copies, "answers")
    more = [] if answers is None else [answers.length().desc()]
    return [text(copies, "submitted_at", "Submit Date (UTC)"), *more]


def _typeform_email(table: ir.Table) -> ir.Column | None:
    asked = _answers(["email"])(table)
    return None if asked is None else asked[0]["email"]


def _typeform_seconds(table: ir.Table) -> ir.Column | None:
    landed, submitted = at(table, "landed_at"), at(table, "submitted_at")
    if landed is None or submitted is None:
        return None
    began, ended = (filled(c).try_cast("timestamp('UTC')").epoch_seconds() for c in (landed, submitted))
    return (ended - began).cast("float64")


TYPEFORM = Preset(
    name="typeform",
    title="Typeform: responses",
    file=(
        "items of the Responses API as JSON lines or Parquet, or the CSV of a form's results, one response a row. "
        "In the CSV each question is a column of its own: name those that hold customer_id, rating and text."
    ),
    counts=(
        "A response is a survey, and its rating the answer to the NPS question, else to the first opinion scale (leave "
        "nps_class out where that does not reach from 0 to 10). One that answers neither, but gives stars, is a "
        "review, rated by them. The text is all that was written, joined. Only who answered is in the file, so "
        "survey_response_rate says nothing here. The customer is the hidden field customer_id, user_id or email, "
        "else the answer to the form's e-mail question. A response whose token came before is refused."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-typeform schemas/responses.json",
        "https://developers.typeform.com/webhooks/example-payload/",
        "https://docs.memberjunction.org/api/interfaces/_memberjunction_actions-bizapps-formbuilders.TypeformResponseItem.html",
    ),
    columns={
        "customer_id": lowered("hidden.customer_id", "hidden.user_id", "hidden.email", _typeform_email),
        "timestamp": ("submitted_at", "Submit Date (UTC)"),
        "kind": _typeform_kind,
        "campaign": "form_id",
        "page": "metadata.referer",
        "duration": _typeform_seconds,
        "rating": _typeform_rating,
        "text": _typeform_text,
        "device": "metadata.platform",
    },
    kinds={},
    needs=(("customer_id", ("hidden", "answers")),),
    nested={
        "metadata": fields("referer platform"),
        "answers": [{**fields("type text email number"), "field": fields("id ref type")}],
    },
    lines=_typeform_lines,
)


# --- SurveyMonkey -------------------------------------------------------------------------------------


def _surveymonkey_answers(pages: ir.ArrayColumn) -> ir.ArrayColumn:
    questions = pages.map(lambda page: page["questions"]).flatten()
    return questions.map(lambda question: question["answers"]).flatten()


def _surveymonkey_rating(table: ir.Table) -> ir.Column | None:
    """The weight of the first choice that has one between 1 and 10: NPS choices weigh −100, 0 and 100."""
    pages = at(table, "pages")
    if pages is None:
        return None
    weights = _surveymonkey_answers(pages).map(lambda answer: as_number(answer["choice_metadata"]["weight"]))
    return weights.filter(lambda weight: (weight >= 1) & (weight <= 10))[0]


def _surveymonkey_text(table: ir.Table) -> ir.Column | None:
    pages = at(table, "pages")
    if pages is None:
        return None
    written = _surveymonkey_answers(pages).map(lambda answer: answer["text"])
    return written.filter(lambda words: words.notnull()).join("\n").nullif("")


def _surveymonkey_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    status = text(table, "response_status")
    preview = is_any(text(table, "collection_mode"), ["preview", "survey_preview"])
    table = table.mutate(**{REFUSED: preview.ifelse("preview of the survey, no answer", ibis.null("string"))})
    whole = (status == "completed").fill_null(True)
    answered = ibis.literal("survey")
    rating = _surveymonkey_rating(table)
    if rating is not None:
        answered = rating.notnull().ifelse("review", answered)
    return table.mutate(**{KIND: whole.ifelse(answered, ibis.literal("survey_") + status)})


SURVEYMONKEY = Preset(
    name="surveymonkey",
    title="SurveyMonkey: responses",
    file="responses of the API (responses/bulk) as JSON lines or Parquet, one response a row.",
    counts=(
        "A completed response is a survey; others become survey_partial, survey_disqualified and survey_overquota, "
        "and previews are refused. Where the export has choice_metadata, the rating is the first choice's weight "
        "from 1 to 10, and the response a review: that weight is of the question's scale, as stars are, and no "
        "answer to an NPS question, whose choices weigh −100, 0 and 100. The text is all that was written, joined. "
        "Only who answered is in the file, so survey_response_rate says nothing here."
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
        "rating": _surveymonkey_rating,
        "text": _surveymonkey_text,
    },
    kinds={},
    needs=(
        ("customer_id", ("custom_value", "email_address", "recipient_id")),
        ("kind", ("response_status", "pages")),
    ),
    nested={
        "pages": [
            {"questions": [{"id": TEXT, "answers": [{"text": TEXT, "choice_metadata": fields("weight")}]}]}
        ],
    },
    lines=_surveymonkey_lines,
)
