"""HubSpot: contacts."""

from __future__ import annotations

from segkit.collect.presets.preset import AttributePreset

HUBSPOT = AttributePreset(
    name="hubspot_contacts",
    title="HubSpot: contacts",
    file=(
        "the export of contacts as CSV, with the labels of properties as header, or a warehouse's table of contacts, "
        "with their internal names as header; one contact a row, one property a column."
    ),
    cites=(
        "https://developers.hubspot.com/docs/api-reference/legacy/crm-contacts-v1/get-contacts-v1-contactvids-batch",
        "https://github.com/hairsolutionsco/automations_hub hubspot/objects/contacts/properties.md",
        "https://github.com/ryanschuhler/www-workspace HSContactConstants.java",
        "https://github.com/fivetran/dbt_hubspot_source macros/get_contact_columns.sql",
    ),
    customer_id=("Email", "email", "property_email", "Record ID", "id"),
    demographic={
        "gender": ("Gender",),
        "marital_status": ("Marital Status",),
        "degree": ("Degree",),
        "job_title": ("Job Title", "jobtitle", "property_jobtitle"),
        "seniority": ("Seniority",),
        "industry": ("Industry", "industry"),
        "company_size": ("Company size", "company_size"),
        "annual_revenue": ("Annual Revenue", "annualrevenue", "property_annualrevenue"),
    },
    geographic={
        "country": ("Country/Region", "country"),
        "state": ("State/Region", "state"),
        "city": ("City", "city"),
        "postal_code": ("Postal Code", "zip"),
    },
    psychographic={"persona": ("Persona", "hs_persona")},
)
