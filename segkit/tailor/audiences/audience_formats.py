"""List the files that `export_audience` writes: their columns, limits, and the page that documents each.

To add one, add an `AudienceFormat` here. Copies of the pages were read on 2026-11-29; beside each is the date that the
page itself gives, or "undated".
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from segkit.core.messages import choose_from, listed

MEGABYTE = 1_000_000  # the smaller reading of "MB"


@dataclass(frozen=True)
class Field:
    """A column of a file: its header, the column of the audience, and how values are written.

    `write` is a rule in `contact_rules.py`. `extra` columns are left out where they hold nothing.
    """

    header: str
    source: str
    write: str = "text"
    hashed: bool = False
    extra: bool = False


@dataclass(frozen=True)
class AudienceFormat:
    """The file that one tool reads.

    Attributes
    ----------
    name, title : str
        The argument `to`, and the name of the import.
    cites : tuple of (str, str)
        The pages that document it, and their dates.
    fields : tuple of Field
        Its columns; empty for those of the audience itself.
    needs : tuple of tuple of str
        Columns of which a row needs all of one tuple, so that the tool can match it; empty if ids are enough.
    note : str
        What to know before uploading it.
    always : bool
        Whether all columns are written; otherwise only those that the audience has.
    together : tuple of str
        Headers that are empty in a row unless all are filled.
    unique : tuple of str
        Headers whose values may occur once, whatever their case.
    purposes : tuple of str
        Purposes that customers must have agreed to, where `consent` names purposes.
    split_by : str
        The purpose by which there is a file for those who agreed and one for the others.
    is_ads : bool
        Ads: no addresses of roles.
    takes_hashes : bool
        Whether values that came as hashes can be used.
    most_rows, most_bytes, text_bytes, fewest : int
        Limits of a file, of a text, and how many people it should hold; 0 for none.
    """

    name: str
    title: str
    cites: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    note: str = ""
    always: bool = False
    together: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    split_by: str = ""
    is_ads: bool = False
    takes_hashes: bool = False
    most_rows: int = 0
    most_bytes: int = 0
    text_bytes: int = 0
    fewest: int = 0


PERSON = (("email",), ("phone",), ("first_name", "last_name", "country", "zip"))

GOOGLE_ADS = AudienceFormat(
    name="google_ads",
    title="Google Ads, Customer Match, hashed CSV file",
    cites=(
        ("https://support.google.com/google-ads/answer/7659867", "undated"),  # header, several Email columns
        ("https://support.google.com/adwords/answer/7476159", "undated"),  # hashed files
        # Gmail's dots and plus; E.164
        ("https://developers.google.com/data-manager/api/devguides/concepts/formatting", "undated"),
        ("https://support.google.com/google-ads/answer/14310715", "undated"),  # consent in the EEA
    ),
    fields=(
        Field("Email", "email", "email_google", hashed=True),
        Field("Phone", "phone", "phone", hashed=True),
        Field("First Name", "first_name", "lower", hashed=True),
        Field("Last Name", "last_name", "lower", hashed=True),
        Field("Country", "country", "country"),
        Field("Zip", "zip", "zip"),
        # Gmail's address as it is written, where that differs
        Field("Email", "email", "email_as_written", hashed=True, extra=True),
    ),
    needs=PERSON,
    note="People in the EEA need both purposes, so upload the file named ad_personalization_denied as not granted.",
    always=True,
    together=("First Name", "Last Name", "Country", "Zip"),
    purposes=("ad_user_data",),
    split_by="ad_personalization",
    is_ads=True,
    takes_hashes=True,
)

META = AudienceFormat(
    name="meta",
    title="Meta, customer list of a custom audience, hashed CSV file",
    cites=(
        ("https://www.facebook.com/business/help/2082575038703844", "undated"),  # headers; read from a copy
        # how values are written before hashing, date of birth too
        (
            "https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/"
            "customer-information-parameters",
            "2026-01-09",
        ),
    ),
    fields=(
        Field("email", "email", "lower", hashed=True),
        Field("phone", "phone", "phone_digits", hashed=True),
        Field("fn", "first_name", "letters", hashed=True),
        Field("ln", "last_name", "letters", hashed=True),
        Field("ct", "city", "place", hashed=True),
        Field("st", "state", "place", hashed=True),
        Field("zip", "zip", "zip_before_dash", hashed=True),
        Field("country", "country", "country_lower", hashed=True),
        Field("dob", "date_of_birth", "day_digits", hashed=True),
    ),
    needs=PERSON,
    note="Lists of fewer than 100 people should be avoided.",
    purposes=("ad_user_data", "ad_personalization"),
    is_ads=True,
    takes_hashes=True,
    fewest=100,
)

KLAVIYO = AudienceFormat(
    name="klaviyo",
    title="Klaviyo, list upload",
    cites=(
        ("https://help.klaviyo.com/hc/en-us/articles/115005078967", "2024-09-26"),  # first header, 50 MB
        ("https://help.klaviyo.com/hc/en-us/articles/115005078807", "2024-10-03"),  # no duplicates
        # phones in E.164
        ("https://developers.klaviyo.com/en/docs/sftp_import_tool", "2026-09-17"),
    ),
    fields=(
        Field("Email", "email"),
        Field("Phone Number", "phone", "phone"),
        Field("First Name", "first_name"),
        Field("Last Name", "last_name"),
        # No page was found for the headers below; Klaviyo asks for the property when the file is uploaded.
        Field("City", "city"),
        Field("Region", "state"),
        Field("Zip", "zip"),
        Field("Country", "country"),
        Field("Birthday", "date_of_birth"),
        Field("External ID", "external_id"),
        Field("Segment", "segment"),
        Field("Arm", "arm"),
    ),
    needs=(("email",), ("phone",)),
    note="An upload does not ask people to confirm; text messages need consent of their own.",
    unique=("Email", "Phone Number"),
    purposes=("email",),
    most_bytes=50 * MEGABYTE,
)

MAILCHIMP = AudienceFormat(
    name="mailchimp",
    title="Mailchimp, contacts import",
    cites=(("https://mailchimp.com/help/format-guidelines-for-your-import-file/", "undated"),),
    fields=(
        Field("Email Address", "email", "email_ascii"),
        Field("First Name", "first_name"),
        Field("Last Name", "last_name"),
        Field("Phone Number", "phone"),
        Field("City", "city"),
        Field("State", "state"),
        Field("Zip", "zip"),
        Field("Country", "country"),
        Field("Birthday", "date_of_birth", "month_day"),
        Field("External ID", "external_id"),
        Field("Segment", "segment"),
        Field("Arm", "arm"),
    ),
    needs=(("email",),),
    note="City, State, Zip and Country are texts: Mailchimp's address field needs the street in the same cell.",
    purposes=("email",),
    text_bytes=255,
)

HUBSPOT = AudienceFormat(
    name="hubspot",
    title="HubSpot, contacts import",
    cites=(("https://knowledge.hubspot.com/import-and-export/set-up-your-import-file", "2025-10-03"),),
    fields=(
        Field("Email", "email"),
        Field("First Name", "first_name"),
        Field("Last Name", "last_name"),
        Field("Phone Number", "phone"),
        Field("City", "city"),
        Field("State/Region", "state"),
        Field("Postal Code", "zip"),
        Field("Country/Region", "country"),
        Field("Date of birth", "date_of_birth"),
        Field("External ID", "external_id"),
        Field("Segment", "segment"),
        Field("Arm", "arm"),
    ),
    needs=(("email",),),
    note="Free tools take files of up to 20 MB. Properties for Segment, Arm and External ID must exist before.",
    purposes=("email",),
    most_rows=1_048_576 - 1,  # the header may count
    most_bytes=512 * MEGABYTE,
)

SALESFORCE = AudienceFormat(
    name="salesforce",
    title="Salesforce, campaign members in the Data Import Wizard",
    cites=(
        ("https://help.salesforce.com/s/articleView?id=xcloud.for_campaign_members.htm", "undated"),
        ("https://help.salesforce.com/s/articleView?id=xcloud.import_limits.htm", "undated"),
    ),
    fields=(
        Field("External ID", "external_id_or_customer_id"),
        Field("Campaign Member Status", "", "Sent"),
        Field("Email", "email"),
        Field("First Name", "first_name"),
        Field("Last Name", "last_name"),
        Field("Phone", "phone"),
        Field("Mailing City", "city"),
        Field("Mailing State/Province", "state"),
        Field("Mailing Zip/Postal Code", "zip"),
        Field("Mailing Country", "country"),
        Field("Birthdate", "date_of_birth"),
        Field("Segment", "segment"),
        Field("Arm", "arm"),
    ),
    needs=(("external_id_or_customer_id",),),
    note="Match by External ID: a custom field that is unique. 'Sent' must be a member status of the campaign.",
    unique=("External ID",),
    purposes=("email",),
    most_rows=50_000,
    most_bytes=100 * MEGABYTE,
)

FORMATS = {
    form.name: form
    for form in (
        AudienceFormat("csv", "CSV file with the columns of the audience", takes_hashes=True),
        GOOGLE_ADS,
        META,
        KLAVIYO,
        MAILCHIMP,
        HUBSPOT,
        SALESFORCE,
        AudienceFormat("sql", "SQL script that makes a table of the audience", takes_hashes=True),
    )
}
"""What `export_audience` writes, by name."""


def format_named(to: object) -> AudienceFormat:
    """Return the format of this name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not isinstance(to, str) or to not in FORMATS:
        raise ValueError(f"to={to!r} is no format of audiences.{choose_from(to, FORMATS)}")
    return FORMATS[to]


def audience_formats() -> pd.DataFrame:
    """List the files that `export_audience` writes.

    Returns
    -------
    DataFrame
        Indexed by `to`: `title`, the `columns` of the file, its `limits`, a `note`, and the pages that document it
        (`sources`), with their dates.

    Examples
    --------
    >>> audience_formats().loc["hubspot", ["title", "limits"]].to_list()
    ['HubSpot, contacts import', '1,048,575 rows, 512 MB']
    """
    lines = []
    for form in FORMATS.values():
        limits = [f"{form.most_rows:,} rows"] * bool(form.most_rows)
        limits += [f"{form.most_bytes // MEGABYTE} MB"] * bool(form.most_bytes)
        limits += [f"{form.text_bytes} bytes a text"] * bool(form.text_bytes)
        headers = listed(f.header for f in form.fields) or "those of the audience"
        sources = "\n".join(f"{url} ({date})" for url, date in form.cites)
        lines.append((form.name, form.title, headers, ", ".join(limits), form.note, sources))
    columns = ["to", "title", "columns", "limits", "note", "sources"]
    return pd.DataFrame(lines, columns=columns, dtype="str").set_index("to")
