"""List how tools write a customer's field in a message, with a fallback, and the page that documents it.

To add a tool, add a `MergeTags` here. Copies of the pages were read on 2026-11-29; beside each is the date that the
page itself gives, or "undated".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from segkit.core.checks import check_type
from segkit.core.messages import choose_from, in_words

MOST_LETTERS = 60  # of a fallback
FIELDS_WANTED = 'It should name fields and their fallbacks, such as {"first_name": "there"}.'
# A fallback stands between quotes in most tools and bare in others: none of these may end it, or begin a tag.
_NOT_IN_FALLBACK = re.compile(r"[^\w .,!?:;()’\-&+/]")


@dataclass(frozen=True)
class MergeTags:
    """How one tool writes fields.

    Attributes
    ----------
    name, title : str
        The argument `tool`, and what the tool is called.
    cites : tuple of (str, str)
        The pages that document it, and their dates.
    tag : str
        A field of the tool itself; PROPERTY and FALLBACK stand for what differs.
    own_tag : str
        A field that the shop added; empty where it is written like any other.
    properties : dict
        Our name of a field, and the tool's.
    looks_like : str
        Regular expression of names that the tool allows.
    in_capitals : bool
        Whether the tool's names are in capitals.
    unsubscribe : str
        The tag to stop e-mails, after WORD where that is a link with a text; empty for none.
    """

    name: str
    title: str
    cites: tuple[tuple[str, str], ...] = ()
    tag: str = "FALLBACK"
    own_tag: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    looks_like: str = r"[\w $-]{1,80}"
    in_capitals: bool = False
    unsubscribe: str = ""

    def property_of(self, name: str) -> str:
        """Return what the tool calls a field."""
        known = self.properties.get(name, name)
        return known.upper() if self.in_capitals else known

    def write(self, prop: str, fallback: str) -> str:
        """Return the tag of a property."""
        own = self.own_tag and prop not in self.properties.values()
        tag = self.own_tag if own else self.tag
        return tag.replace("PROPERTY", prop).replace("FALLBACK", fallback)


KLAVIYO = MergeTags(
    name="klaviyo",
    title="Klaviyo",
    cites=(
        # filters, without blanks around | and :
        ("https://developers.klaviyo.com/en/docs/use_filters_to_customize_variables", "2026-04-17"),
        ("https://help.klaviyo.com/hc/en-us/articles/360058466052", "undated"),  # default, lookup
        ("https://help.klaviyo.com/hc/en-us/articles/115005078267", "undated"),  # unsubscribe, and its text
    ),
    tag="{{ PROPERTY|default:'FALLBACK' }}",
    own_tag="{{ person|lookup:'PROPERTY'|default:'FALLBACK' }}",
    properties={"first_name": "first_name", "last_name": "last_name", "email": "email"},
    unsubscribe="{% unsubscribe 'WORD' %}",
)

MAILCHIMP = MergeTags(
    name="mailchimp",
    title="Mailchimp",
    cites=(
        ("https://mailchimp.com/developer/marketing/docs/merge-fields", "undated"),  # FNAME, LNAME, PHONE
        # IF, ELSE and END:IF
        ("https://mailchimp.com/developer/transactional/docs/templates-dynamic-content/", "undated"),
        ("http://kb.mailchimp.com/tag/unsubscribe", "undated"),  # UNSUB, required
    ),
    tag="*|IF:PROPERTY|**|PROPERTY|**|ELSE:|*FALLBACK*|END:IF|*",
    properties={"first_name": "FNAME", "last_name": "LNAME", "email": "EMAIL", "phone": "PHONE"},
    looks_like=r"[A-Z0-9_]{1,10}",
    in_capitals=True,
    unsubscribe="WORD: *|UNSUB|*",
)

HUBSPOT = MergeTags(
    name="hubspot",
    title="HubSpot",
    cites=(
        (
            "https://developers.hubspot.com/docs/reference/cms/hubl/functions",
            "2025-08-28",
        ),  # personalization_token
        (
            "https://developers.hubspot.com/docs/cms/reference/hubl/variables",
            "undated",
        ),  # contact, required variables
        (
            "https://knowledge.hubspot.com/articles/kcs_article/cos-general/"
            "what-options-do-i-have-to-allow-my-contacts-to-unsubscribe",
            "2016-03-15",
        ),
    ),
    tag="{{ personalization_token('contact.PROPERTY', 'FALLBACK') }}",
    properties={"first_name": "firstname", "last_name": "lastname"},
    looks_like=r"[a-z0-9_]{1,100}",
    unsubscribe="WORD: {{ unsubscribe_link }}",
)

BRAZE = MergeTags(
    name="braze",
    title="Braze",
    cites=(
        (
            "https://www.braze.com/docs/user_guide/personalization_and_dynamic_content/liquid/setting_default_values/",
            "undated",
        ),
        # attributes of Braze and of the shop
        (
            "https://braze.com/docs/user_guide/messaging/design_and_edit/personalize/sources/user_profile/",
            "undated",
        ),
        # the link must be in a custom footer
        (
            "https://www.braze.com/docs/user_guide/message_building_by_channel/email/managing_user_subscriptions/",
            "undated",
        ),
    ),
    tag="{{${PROPERTY} | default: 'FALLBACK'}}",
    own_tag="{{custom_attribute.${PROPERTY} | default: 'FALLBACK'}}",
    properties={
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email_address",
        "phone": "phone_number",
        "city": "city",
        "country": "country",
    },
    unsubscribe="WORD: {{${set_user_to_unsubscribed_url}}}",
)

TOOLS = {tool.name: tool for tool in (KLAVIYO, MAILCHIMP, HUBSPOT, BRAZE, MergeTags("plain", "plain text"))}
"""The tools that `message_templates` writes for, by name."""


def tool_named(tool: object) -> MergeTags:
    """Return how this tool writes fields.

    Raises
    ------
    ValueError
        If it is not known.
    """
    if not isinstance(tool, str) or tool not in TOOLS:
        raise ValueError(f"tool={tool!r} is not known.{choose_from(tool, TOOLS)}")
    return TOOLS[tool]


@dataclass(frozen=True)
class MergeField:
    """A field: its name, what the tool calls it, what stands where a customer has none, and its tag."""

    name: str
    prop: str
    fallback: str
    tag: str


def merge_fields(fields: Mapping[str, str | tuple[str, str]], tool: MergeTags) -> dict[str, MergeField]:
    """Return the fields that a message may hold.

    Parameters
    ----------
    fields : mapping
        Of names to fallbacks, or to the tool's own name and a fallback.
    tool : MergeTags

    Raises
    ------
    TypeError, ValueError
        If a name or a fallback cannot be written in the tool's syntax.

    Examples
    --------
    >>> merge_fields({"first_name": "there", "tea": ("Favourite tea", "tea")}, KLAVIYO)["tea"].tag
    "{{ person|lookup:'Favourite tea'|default:'tea' }}"
    """
    check_type("fields", fields, Mapping, FIELDS_WANTED)
    found = {}
    for name, said in fields.items():
        if not isinstance(name, str) or not re.fullmatch(r"[^\W\d]\w*", name):
            raise ValueError(f"fields holds the name {name!r}. Name fields by letters and _, as first_name.")
        pair = said if isinstance(said, (tuple, list)) else (tool.property_of(name), said)
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TypeError(
                f"fields[{name!r}] is {in_words(said)}. It should be the fallback, such as 'there', or the "
                f"name in {tool.title} and the fallback: ('Name', 'there')."
            )
        prop, fallback = (part.strip() for part in pair)
        if not re.fullmatch(tool.looks_like, prop):
            raise ValueError(
                f"fields[{name!r}] would be {prop!r} in {tool.title}, which cannot be its name there. Say what it is "
                f"called: {{{name!r}: ('NAME', {fallback[:20]!r})}}."
            )
        wrong = sorted(set(_NOT_IN_FALLBACK.findall(fallback)))
        if wrong or not 0 < len(fallback) <= MOST_LETTERS:
            why = f"holds {' '.join(map(repr, wrong))}" if wrong else f"has {len(fallback)} characters"
            raise ValueError(
                f"The fallback of fields[{name!r}] {why}. Use 1 to {MOST_LETTERS} letters, digits, blanks and simple "
                "marks; it stands where a customer has no value."
            )
        found[name] = MergeField(name, prop, fallback, tool.write(prop, fallback))
    return found
