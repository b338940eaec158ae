"""List and look up the exports that ``read_events(…, preset="…")`` can read.

Each preset cites the documentation of its header. There are none for the CSV files of Mailchimp's account export, of
Klaviyo's metrics and of Zendesk's tickets, whose headers are not documented, nor for SurveyMonkey's CSV, which has two
header lines and a column for each choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.collect.presets.ga4 import GA4
from segkit.collect.presets.hubspot import HUBSPOT
from segkit.collect.presets.intercom import INTERCOM
from segkit.collect.presets.klaviyo import KLAVIYO
from segkit.collect.presets.mailchimp import MAILCHIMP
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.segment import SEGMENT
from segkit.collect.presets.shopify import SHOPIFY
from segkit.collect.presets.snowplow import SNOWPLOW
from segkit.collect.presets.stripe import STRIPE
from segkit.collect.presets.surveymonkey import SURVEYMONKEY
from segkit.collect.presets.typeform import TYPEFORM
from segkit.collect.presets.zendesk import ZENDESK
from segkit.core.messages import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

PRESETS = {
    preset.name: preset
    for preset in (
        GA4,
        SEGMENT,
        SNOWPLOW,
        SHOPIFY,
        STRIPE,
        KLAVIYO,
        MAILCHIMP,
        ZENDESK,
        INTERCOM,
        TYPEFORM,
        SURVEYMONKEY,
    )
}
"""The presets of `read_events`, by name."""

ATTRIBUTE_PRESETS = {preset.name: preset for preset in (HUBSPOT,)}
"""The presets of `read_attributes`, by name."""


def check_is_name(preset: str) -> None:
    """Check that a preset is given by its name.

    Raises
    ------
    TypeError
        If it is not text, such as a list of several.
    """
    if not isinstance(preset, str):
        raise TypeError(
            f"preset={preset!r} is a {type(preset).__name__}; a preset is the name of one export, such as 'ga4'. "
            "preset_catalogue() lists them. Read each export by itself, and add the events: events + more_events."
        )


def preset_named(name: str) -> Preset:
    """Return the preset of this name.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If the name is not text.

    Examples
    --------
    >>> preset_named("ga4").title
    'Google Analytics 4, event export to BigQuery'
    """
    check_is_name(name)
    if name in PRESETS:
        return PRESETS[name]
    if name in ATTRIBUTE_PRESETS:
        raise ValueError(
            f"preset={name!r} reads attributes of customers, not events. Use read_attributes(…, "
            f"preset={name!r})."
        )
    raise ValueError(
        f"There is no preset {name!r}.{did_you_mean(str(name), PRESETS)} read_events knows {', '.join(PRESETS)}. "
        "preset_catalogue() says what each reads; without a preset, name the columns."
    )


def preset_catalogue() -> pd.DataFrame:
    """List the exports that can be read by name.

    Returns
    -------
    DataFrame
        Indexed by `preset`: its `title`, what `reads` it (`read_events` or `read_attributes`), the `file`
        that it reads, how rows and money are `counted`, and the documentation of its header (`sources`).

    Examples
    --------
    >>> preset_catalogue().loc["ga4", ["title", "reads"]].to_list()
    ['Google Analytics 4, event export to BigQuery', 'read_events']
    """
    import pandas as pd

    lines = [
        (p.name, p.title, "read_events", p.file, p.counts, "\n".join(p.cites)) for p in PRESETS.values()
    ] + [
        (p.name, p.title, "read_attributes", p.file, "One customer a row.", "\n".join(p.cites))
        for p in ATTRIBUTE_PRESETS.values()
    ]
    names = ["preset", "title", "reads", "file", "counted", "sources"]
    return pd.DataFrame(lines, columns=names, dtype="str").set_index("preset")
