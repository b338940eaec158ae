"""Messages in the syntax of tools, briefs without anybody in them, and answers that are checked."""

import json
import re

import jinja2
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import segkit as sg
from segkit.tailor.messages.answer_checks import faults_of, with_fallbacks
from segkit.tailor.messages.brief import FEWEST, MOST_SUBJECT, without_ids, write_brief
from segkit.tailor.messages.built_in_texts import KINDS, LANGUAGES, NEUTRAL, kind_of, version_for
from segkit.tailor.messages.merge_tags import TOOLS, merge_fields

FIELDS = {"first_name": "there", "product": "something new"}
MAILED = ["klaviyo", "mailchimp", "hubspot", "braze"]


def plays(**columns):
    """A playbook of one segment, with some columns replaced."""
    row = {
        "segment_id": 0,
        "segment": "At-risk regulars",
        "goal": "Win them back",
        "strategy": "Remind them of what they used to buy.",
        "offer": "15 % off their next order",
        "channel": "E-mail, to those who agreed",
        "avoid": "Starting with a discount.",
        "why": "They last bought 212 days ago (the others: 40 days); 41% of them buy again (the others: 63%).",
    }
    return pd.DataFrame([row | columns])


def written(subject, body, tool="klaviyo", language="en", **columns):
    """Return what becomes of an answer."""
    answer = {"subject": subject, "body": body}
    table = sg.message_templates(
        plays(**columns), fields=FIELDS, tool=tool, language=language, writer=lambda brief: answer
    )
    return table.iloc[0]


def rendered(text, tool, person):
    """Return a message as the tool sends it, with Jinja as its engine; Mailchimp's conditions by hand."""
    if tool == "mailchimp":
        condition = r"\*\|IF:(\w+)\|\*(.*?)\*\|ELSE:\|\*(.*?)\*\|END:IF\|\*"
        text = re.sub(condition, lambda m: m[2] if person.get(m[1]) else m[3], text)
        return re.sub(r"\*\|(\w+)\|\*", lambda m: person.get(m[1], ""), text)
    # Django and Liquid write the default after a colon, and Braze attributes as ${…}.
    text = re.sub(r"\| ?default: ?('[^']*')", r"| default(\1, true)", text)
    text = re.sub(r"\|lookup:('[^']*')", r"| lookup(\1)", text)
    text = re.sub(r"custom_attribute\.\$\{(\w+)\}", r"\1", text)
    text = re.sub(r"\$\{(\w+)\}", r"\1", text)
    text = re.sub(r"\{% unsubscribe '(\w+)' %\}", r"\1", text)
    engine = jinja2.Environment()
    engine.filters["lookup"] = lambda of, name: of.get(name)
    engine.globals["personalization_token"] = lambda name, default: person.get(name.split(".")[1]) or default
    return engine.from_string(text).render(person=person, unsubscribe_link="link", **person)


@pytest.mark.parametrize("tool", MAILED)
@pytest.mark.parametrize("language", LANGUAGES)
def test_tools_fill_in_fields_and_fallbacks(tool, language):
    table = sg.message_templates(plays(), fields=FIELDS, tool=tool, language=language)
    message = table.iloc[0]
    assert list(table.columns) == ["segment_id", "segment", "subject", "body", "fields_used", "checks"]
    assert message.fields_used == "first_name, product"
    form = TOOLS[tool]
    names = {form.property_of("first_name"): "Ann", form.property_of("product"): "Earl Grey"}
    hello = {"en": "Hi", "de": "Hallo"}[language]
    known, unknown = rendered(message.body, tool, names), rendered(message.body, tool, {})
    assert known.startswith(f"{hello} Ann,") and "Earl Grey" in known
    assert unknown.startswith(f"{hello} there,") and "something new" in unknown
    blank = rendered(message.body, tool, dict.fromkeys(names, ""))
    assert blank == unknown
    assert not set("{}*|%") & set(known + unknown)
    assert {"en": "Unsubscribe", "de": "Abmelden"}[language] in known.splitlines()[-1]


def test_tags_are_those_of_the_documentation():
    message = {tool: sg.message_templates(plays(), fields=FIELDS, tool=tool).loc[0, "body"] for tool in TOOLS}
    assert "{{ first_name|default:'there' }}" in message["klaviyo"]
    assert "{{ person|lookup:'product'|default:'something new' }}" in message["klaviyo"]
    assert "*|IF:FNAME|**|FNAME|**|ELSE:|*there*|END:IF|*" in message["mailchimp"]
    assert "{{ personalization_token('contact.firstname', 'there') }}" in message["hubspot"]
    assert "{{${first_name} | default: 'there'}}" in message["braze"]
    assert "{{custom_attribute.${product} | default: 'something new'}}" in message["braze"]
    assert message["plain"].startswith("Hi there,") and not set("{}*|%") & set(message["plain"])
    ends = [
        "{% unsubscribe 'Unsubscribe' %}",
        "Unsubscribe: *|UNSUB|*",
        "Unsubscribe: {{ unsubscribe_link }}",
    ]
    ends.append("Unsubscribe: {{${set_user_to_unsubscribed_url}}}")
    assert [message[tool].splitlines()[-1] for tool in MAILED] == ends
    own = sg.message_templates(
        plays(), fields={"tea": ("Favourite tea", "tea")}, writer=lambda b: ("Tea", b["fields"]["tea"])
    )
    assert own.loc[0, "body"].startswith("{{ person|lookup:'Favourite tea'|default:'tea' }}")
    assert all(tool.cites for tool in TOOLS.values() if tool.name != "plain")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("tool", "fields"), [("klaviyo", {}), ("mailchimp", FIELDS), ("plain", FIELDS)])
def test_own_messages_pass_their_own_checks(language, tool, fields):
    """For each kind of goal: no claims, no numbers, short; and the segment is not named."""
    form, texts = TOOLS[tool], LANGUAGES[language].texts
    usable = merge_fields(fields, form)
    brief = write_brief(dict.fromkeys(plays().columns, ""), usable, form, language)
    assert set(texts) == set(KINDS)
    every = pd.concat([plays(goal=phrases[0]) for phrases in KINDS.values()])
    table = sg.message_templates(every, fields=fields, tool=tool, language=language)
    for kind, message in zip(KINDS, table.itertuples(), strict=True):
        body = message.body.rsplit("\n\n", 1)[0] if form.unsubscribe else message.body
        assert faults_of(message.subject, body, brief, usable, form) == []
        assert message.subject == texts[kind].subject and f"segkit's message: {kind}." in message.checks
        assert "at-risk" not in message.body.casefold()


def test_goals_choose_the_message():
    goals = {
        "Win them back": "win back",
        "Keep them": "reward",
        "Keep them informed": NEUTRAL,
        "Get the next order": "second order",
        "Never miss the next order": "remind",
        "Stop the decline": "keep",
        "Make it good": "put right",
        "One more large order a year": "advise",
        "Sell the warehouse": None,
    }
    assert {goal: kind_of(goal) for goal in goals} == goals
    unknown = sg.message_templates(plays(goal="Sell the warehouse"), fields=FIELDS).iloc[0]
    assert unknown.subject == "News from us"
    assert "no message for the goal 'Sell the warehouse'; this is the neutral one" in unknown.checks
    assert "names no goal" in sg.message_templates(plays(goal=None), fields=FIELDS).loc[0, "checks"]


def test_every_play_has_a_message():
    without = {play.goal for play in sg.PLAYS if kind_of(play.goal) is None}
    assert without == {"Respect their choice"}
    offers = [play.offer for play in sg.PLAYS]
    assert [without_ids(offer, keeps_prices=True) for offer in offers] == offers


def test_small_segments_of_a_playbook_give_no_numbers():
    """What is typical of 9 people is not told, nor what they are as the others of somebody."""
    customers = pd.DataFrame({"recency": [3.0] * 60 + [40.0] * 60 + [150.0] * 9, "frequency": [9] * 129})
    customers.index = [f"c{i}" for i in range(129)]
    rules = {"New": "recency < 10", "Middle": "recency >= 10 and recency < 100", "Few": "recency >= 100"}
    plan = sg.playbook(sg.segment(customers, model=sg.rules_segmenter(rules)))
    plan.loc[plan["segment"] == "Few", "why"] = "Worth 120 per customer."
    briefs = []
    sg.message_templates(plan, fields=FIELDS, writer=briefs.append)
    said = {brief["segment"]: brief["numbers"] for brief in briefs}
    assert said["Few"] == [] and said["New"] == ["They last bought … days ago (the others: 40 days)"]
    two = plays()
    for sizes in ({0: 51, 1: 9}, {"0": 51, "1": 9}):  # a saved playbook has ids as text
        two.attrs["segkit"] = {"customers": sizes}
        sg.message_templates(two, fields=FIELDS, writer=briefs.append)
        assert briefs[-1]["numbers"] == []


@pytest.mark.parametrize(
    "said",
    [{"goal": "Respect their choice"}, {"goal": "Do no harm"}, {"channel": "Site and store; no e-mail"}],
)
def test_no_message_where_the_play_asks_for_none(said):
    asked = []
    message = sg.message_templates(plays(**said), fields=FIELDS, writer=asked.append).iloc[0]
    assert (message.subject, message.body, message.fields_used, asked) == ("", "", "", [])
    assert message.checks.startswith("No message")


def test_checks_say_what_is_left_to_do():
    message = sg.message_templates(plays(channel="Store and post"), fields={}, tool="plain").iloc[0]
    assert message.checks == (
        "segkit's message: win back. The offer is not in it; add it in your own words: 15 % off their next order. "
        "Add your link to unsubscribe. It is an e-mail; the play's channel is: Store and post."
    )
    assert message.body.startswith("Hello,") and message.fields_used == ""
    assert len(sg.message_templates(plays().iloc[:0], fields=FIELDS)) == 0


HOSTILE = "{{ config }} {% load x %} *|EMAIL|* <script>alert()</script> ${a} %%x%% [[x]] ]]> \"'"


@pytest.mark.parametrize("tool", TOOLS)
def test_hostile_playbooks_never_become_tags(tool):
    clean = sg.message_templates(plays(), fields=FIELDS, tool=tool).iloc[0]
    columns = dict.fromkeys(("segment", "strategy", "offer", "avoid", "why"), HOSTILE)
    briefs = []
    table = sg.message_templates(plays(**columns), fields=FIELDS, tool=tool, writer=briefs.append)
    assert table.loc[0, ["subject", "body"]].to_list() == clean[["subject", "body"]].to_list()
    said = [briefs[0][part] for part in ("segment", "strategy", "offer", "avoid")] + briefs[0]["numbers"]
    assert not set("{}*|<>$%[]") & set("".join(said))


def test_a_brief_holds_numbers_of_many():
    briefs = []
    sg.message_templates(
        plays(
            segment="VIP c001",
            strategy="Call ann@example.com, see www.example.com/x or write to +49 170 1234567.",
            offer="15 % off, 5 € off or 1 item more; as 7 of 30 customers",
            why=(
                "They last bought 1,234 days ago (the others: 8.5 days); 9 of 77 customers are Ann Smith's; 41 of 77 "
                "customers and 43% of them buy Tea42; 70 of 77 came back; customer 42 spent 260 (the others: 80). "
                "They put 7 items in an order; 5% of 150 customers buy; 95 % of 150 buy. "
                "Three customers of 30 buy. Such as 42 and 57, 58; "
                "12 days of customer_id 43"
            ),
        ),
        fields=FIELDS,
        writer=briefs.append,
    )
    (brief,) = briefs
    assert brief["segment"] == "VIP …"
    assert brief["strategy"] == "Call … see … or write to …"
    assert brief["offer"] == "15% off, 5€ off or … item more; as … of 30 customers"
    assert brief["numbers"] == [
        "They last bought 1,200 days ago (the others: … days)",
        "41 of 77 customers and 45% of them buy …",
        "customer … spent 260 (the others: 80)",
        "… customers of 30 buy",
        "12 days of …",
    ]
    assert brief["fields"] == {
        "first_name": "{{ first_name|default:'there' }}",
        "product": "{{ person|lookup:'product'|default:'something new' }}",
    }
    assert json.loads(json.dumps(brief)) == brief
    few = plays().assign(customers=9)
    sg.message_templates(few, fields=FIELDS, writer=briefs.append)
    assert briefs[1]["numbers"] == []


names = st.text("abcdef", min_size=1, max_size=4)
digits = st.integers(0, 10**6).map(str)
ids = st.one_of(
    st.tuples(names, st.sampled_from(["", "-", "_", "#", "/"]), digits).map("".join),
    st.tuples(names, names).map("_".join),
    st.tuples(names, names).map(lambda pair: f"{pair[0]}@{pair[1]}.de"),
    st.uuids().map(str),
    st.uuids().map(lambda u: u.hex),
)
words = [
    "of",
    "customers",
    ";",
    ". ",
    ",",
    "days",
    "orders",
    "them",
    "(the others:",
    "such as",
    "\n",
    "–",
    "/",
    "%",
    "€",
]
pieces = st.one_of(
    ids,
    st.integers(0, 9).map(str),
    st.integers(0, 99_999).map("{:,}".format),
    st.integers(0, 100).map("{}%".format),
    st.integers(0, 999).map(lambda n: str(n / 10)),
    st.sampled_from(words),
    st.text(max_size=3),
)
texts = st.lists(pieces, max_size=10).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(
    columns=st.fixed_dictionaries(dict.fromkeys(("segment", "strategy", "offer", "avoid", "why"), texts)),
    name=ids,
)
@example(columns={"why": "9of 77 customers;9, customers (9) ９ customers 9–77 9/77 +9 −9 9.0 9e0"}, name="c1")
@example(columns={"why": "all but 3 of 50 customers; 47 of 50 customers; 10 of 15"}, name="c1")
def test_no_brief_holds_an_id_an_email_or_a_small_cell(columns, name):
    """Whatever a playbook says: in what comes from it, digits stand in numbers of 10 or more only, letters apart.

    A share or a price of the offer stays as it is, since the message must say the same.
    """
    columns = {part: f"{text} {name} 4 customers" for part, text in columns.items()}
    brief = write_brief(plays(**columns).iloc[0].to_dict(), {}, TOOLS["plain"], "en")
    parts = [brief[part] for part in ("segment", "goal", "strategy", "channel", "avoid")] + brief["numbers"]
    for text in [
        *parts,
        re.sub(r"[$€£¥]?[\d.,]+(?:[%$€£¥]|EUR|USD|GBP|CHF)|[$€£¥][\d.,]+", "", brief["offer"]),
    ]:
        assert "@" not in text and "_" not in text and name not in text.split()
        for token in re.findall(r"\w*\d[\w.,]*", text):
            assert re.fullmatch(r"[\d.,]+(?:EUR|USD|GBP|CHF)?", token), (text, token)
            assert float(re.sub(r"[^\d.]", "", token.rstrip(".,"))) >= FEWEST, (text, token)
    for text in brief["numbers"]:
        for some, of in re.findall(r"(\d[\d,]*) of (\d[\d,]*)", text):
            assert int(of.replace(",", "")) - int(some.replace(",", "")) >= FEWEST


GOOD = (
    "We thought of you",
    "Hi {{ first_name|default:'there' }},\n\nTake 15% off your next order. All the best, and feel free to write.",
)


def test_a_good_answer_is_taken():
    message = written(*GOOD)
    assert (message.subject, message.body) == (GOOD[0], GOOD[1] + "\n\n{% unsubscribe 'Unsubscribe' %}")
    assert (message.fields_used, message.checks) == ("first_name", "Your text.")
    pair = sg.message_templates(plays(), fields=FIELDS, writer=lambda brief: GOOD).iloc[0]
    assert pair.body == message.body
    for changed in (
        GOOD[1].replace("{{ ", "{{"),
        GOOD[1].replace("{{ ", "{{ \n"),
        GOOD[1].replace("'there'", "‘there’"),
    ):
        assert changed != GOOD[1]
        tidied = written("We thought of y\u200bou", changed)
        assert (tidied.subject, tidied.body, tidied.checks) == (message.subject, message.body, message.checks)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Hi {{ last_name|default:'there' }}", "none of the fields that you named"),
        ("Hi {{ first_name }}", "lacks the fallback: copy {{ first_name|default:'there' }}"),
        ("Hi {{ first_name|default:'you' }}", "lacks the fallback"),
        ("Hi *|FNAME|*", "no tag of Klaviyo"),
        ("Hi {{${first_name}}}", "“{{${first_name}}}” lacks"),
        ("{% if person.vip %}Hi{% endif %}", "none of the fields"),
        ("Hi [First Name]", "“[First Name]” is no tag"),
        ("Hi {first_name}", "no tag of Klaviyo"),
        ("Hi %%first_name%%", "no tag of Klaviyo"),
        ("Hi &#123;&#123; email }}", "none of the fields"),
        ("Hi \uff5b\uff5b email }}", "none of the fields"),
        ("Take 20% off", "“20%” is a share that the offer does not hold"),
        ("41 % of our customers buy again", "“41 %” is a share that the offer"),
        ("Only 99 €", "“99 €” is a price"),
        ("Only €15", "“€15” is a price"),
        ("We met 213 days ago", "“213” is a number that the brief does not hold"),
        ("Your code: c001", "“001” is a number"),
        ("Twenty percent for you", "“20 percent” is a share"),
        ("Fünfundzwanzig Prozent", "“25 Prozent” is a share"),
        ("Fifty off", "“50” is a number"),
        ("Two for one", "“2” is a number"),
        ("Thousands of customers", "“1000” is a number"),
        ("Half your order", "a number in words"),
        ("Buy one, get one", "something free"),
        ("It heals colds", "a promise"),
        ("This week only", "a deadline"),
        ("It ends Sunday", "a deadline"),
        ("A full refund", "a promise"),
        ("fr\u034fee delivery", "something free"),
        ("fr\u3164ee delivery", "something free"),
        ("fr\ufe0fee delivery", "something free"),
        ("fr\u0435e delivery", "a word of two alphabets: “fr\u0435e”"),
        ("Hi %recipient.email%", "no tag of Klaviyo"),
        ("See evil.click", "a link"),
        ("See evil.co/x", "a link"),
        ("Dear at\u2011risk regulars", "names the segment"),
        ("\u200d\ufe0f", "the body is empty"),
        ("x" * 10**7, "its body has 10,000,000 characters, far too many"),
        ("Delivery is free", "something free"),
        ("15% für jeden zweiten Artikel, und endet bald", "a deadline"),
        ("Today only!", "a deadline"),
        ("Nur heute!", "a deadline"),
        ("The best tea", "a superlative"),
        ("Der günstigste Tee", "a superlative"),
        ("The b\u200ces\u200dt tea", "a superlative"),
        ("{{{ first_name|default:'there' }}}", "no tag of Klaviyo"),
        ("{{ {{ first_name|default:'there' }} }}", "none of the fields"),
        ("Satisfaction guaranteed", "a promise"),
        ("See https://example.com", "a link"),
        ("See example.com/tea", "a link"),
        ("Write to ann@example.com", "an e-mail address: “ann@example.com”"),
        ("<img src=x onerror=alert()>", "HTML: “<i"),
        ("&lt;script&gt;", "HTML"),
        ("Dear at-risk  regulars", "names the segment"),
        ("a\x00b", "control characters"),
        ("", "the body is empty"),
        ("tea " * 500, "the body has 1,999 characters, more than 1,500"),
    ],
)
def test_a_bad_answer_is_refused_with_its_reason(answer, reason):
    message = written("Hello", answer)
    assert reason in message.checks and message.checks.startswith("Your text was refused: ")
    own = sg.message_templates(plays(), fields=FIELDS).iloc[0]
    assert (message.subject, message.body) == (own.subject, own.body)


@pytest.mark.parametrize(
    "body",
    [
        "Dear {{ first_name|default:'there' }},\n\nAs always, thank you for being with us. It's been a while, and a "
        "lot has changed – come and see what is new. What could we do better?\n\nWarmly,\nYour team",
        "Hallo {{ first_name|default:'there' }},\n\nschön, dass Sie da sind! Ihre letzte Bestellung ist eine Weile "
        "her. Auf Ihre nächste gibt es 15 % Rabatt.\n\nMit den besten Grüßen\nIhr Team",
        "Your data: they stay with us.\r\nSee you.",
        "Hi 👩\u200d💻 & friends: tea (green, black) is back… with 15 % off!",
    ],
)
def test_friendly_answers_pass(body):
    assert written("Tea, and a thank-you", body).checks == "Your text."


def test_subjects_are_checked_too():
    assert "the subject has 61 characters, more than 60" in written("x" * 61, "Hello").checks
    assert "several lines" in written("a\nb", "Hello").checks
    assert "a discount" in written("A discount for you", "Hello", offer="Early access; no discount").checks
    # as it reads with the fallback
    long = "{{ first_name|default:'there' }} " + "x" * (MOST_SUBJECT - 6)
    assert written(long, "Hello").checks == "Your text."
    assert with_fallbacks(long, merge_fields(FIELDS, TOOLS["klaviyo"])).startswith("there x")


def test_a_segment_of_a_common_word_is_no_name_in_small_letters():
    assert written("What is new", "See what is new.", segment="New").checks == "Your text."
    assert "names the segment: “New”" in written("Dear New customer", "Hello.", segment="New").checks


def test_numbers_in_words_are_read_as_numbers():
    said = written(
        "Good news", "Take 25 % off, and twelve teas.", offer="twenty-five percent off; 12 products"
    )
    assert said.checks == "Your text."
    assert "“12” is a number" in written("Good news", "Take twelve teas.").checks
    assert "“Cheaper” is a discount" in written("Tea", "Cheaper than ever", offer="Early access").checks


def test_claims_that_the_offer_holds_may_be_made():
    offer = "Free delivery until Sunday; our best tea for 9,99 €"
    said = written("Free delivery", "Until Sunday: our best tea for 9.99 €", offer=offer)
    assert said.checks == "Your text."


def test_a_share_of_the_offer_is_no_discount():
    said = written("Good news", "Take 15% off.", offer="15 % of it goes to a school").checks
    assert "“percent off” is a discount that the offer does not hold" in said and "a share" not in said


class Breaking(dict):
    def get(self, key, default=None):
        raise RuntimeError("no")


def raises(error):
    def writer(brief):
        raise error

    return writer


@pytest.mark.parametrize(
    ("writer", "reason"),
    [
        (raises(TimeoutError("no answer after 30 s")), "it raised TimeoutError (no answer after … s)"),
        (raises(KeyError("sk-12345 of ann@example.com")), "it raised KeyError (… of …)"),
        (lambda brief: None, "it answered None"),
        (lambda brief: "Hello", "it answered the text 'Hello'"),
        (lambda brief: ("a", "b", "c"), "it answered a tuple"),
        (lambda brief: {"subject": "Hello"}, "its body is None"),
        (lambda brief: {"subject": 3, "body": "Hello"}, "its subject is 3"),
        (lambda: GOOD, "it raised TypeError"),
        (lambda brief: Breaking(), "it raised RuntimeError (no)"),
        (lambda brief: brief["fields"].update(email="x") or ("Hi", "Hi {{ email }}"), "none of the fields"),
        (lambda brief: brief.update(offer="all is free") or ("Hi", "All is free"), "something free"),
    ],
)
def test_a_writer_that_fails_is_replaced(writer, reason):
    message = sg.message_templates(plays(), fields=FIELDS, writer=writer).iloc[0]
    assert f"refused: {reason}" in message.checks or reason in message.checks
    assert message.subject == "It has been a while" and "segkit's message: win back" in message.checks


def test_a_writer_brings_other_languages():
    taken = written("Bonjour", "Bonjour {{ first_name|default:'there' }}", language="fr")
    assert taken.checks == (
        "Your text. Read it for claims: segkit knows their words in English and German only. The link to unsubscribe "
        "is in English; translate it."
    )
    refused = written("Bonjour", "100 €", language="fr")
    assert refused.body == "" and refused.checks.endswith("No message: segkit has none in 'fr'.")


def test_interrupts_pass():
    with pytest.raises(KeyboardInterrupt):
        sg.message_templates(plays(), fields=FIELDS, writer=raises(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"tool": "klavio"}, ValueError, "tool='klavio' is not known. Did you mean 'klaviyo'"),
        (
            {"language": "fr"},
            ValueError,
            r"no messages in language='fr'.* Choose from en, de\. For others, give a writer",
        ),
        ({"language": None}, TypeError, "language is None"),
        ({"writer": "gpt"}, TypeError, "writer is the text 'gpt'"),
        ({"fields": ["first_name"]}, TypeError, "fields is a list"),
        ({"fields": {"first name": "x"}}, ValueError, "holds the name 'first name'"),
        ({"fields": {"first_name": ""}}, ValueError, "has 0 characters"),
        ({"fields": {"first_name": None}}, TypeError, r"fields\['first_name'\] is None"),
        ({"fields": {"first_name": "it's"}}, ValueError, 'holds "\'"'),
        ({"fields": {"first_name": "}}{{ x"}}, ValueError, "holds '{' '}'"),
        ({"fields": {"first_name": "*|X|*"}}, ValueError, "holds"),
        ({"fields": {"tea": ("x'|y", "tea")}}, ValueError, "cannot be its name"),
        (
            {"fields": {"favourite_tea": "tea"}, "tool": "mailchimp"},
            ValueError,
            "would be 'FAVOURITE_TEA' in Mailchimp",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        sg.message_templates(plays(), **({"fields": FIELDS} | arguments))


def test_versions_need_all_their_fields():
    assert version_for(("{a} and {b}", "{a}", "none"), ["a"]) == "{a}"
    assert version_for(("{a}",), []) == ""
    with pytest.raises(ValueError, match="The table has no column 'segment_id', 'goal'"):
        sg.message_templates(plays()[["segment"]], fields=FIELDS)


def test_texts_given_by_segment_are_checked():
    plays = pd.DataFrame(
        {"segment_id": [0, 1, 2], "segment": ["Best", "Lapsed", "New"], "goal": ["Win them back"] * 3}
    )
    texts = {
        "Best": {"subject": "Thank you", "body": "Dear reader, thank you."},
        1: {"subject": "50 % off", "body": "Come back."},
    }
    table = sg.message_templates(plays, fields={}, writer=texts)
    assert table.loc[0, "subject"] == "Thank you" and table.loc[0, "checks"] == "Your text."
    assert "refused: “50 %” is a share" in table.loc[1, "checks"]
    assert table["subject"][1] == table["subject"][2] == "It has been a while"
    with pytest.raises(ValueError, match="'Lapsd', which is no segment"):
        sg.message_templates(plays, fields={}, writer={"Lapsd": texts[1]})
