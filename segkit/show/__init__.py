"""Show people what was computed: charts, widgets, reports."""

from segkit.show.late_grammar import import_jsonschema

import_jsonschema()  # before Altair does
