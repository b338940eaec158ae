"""Show people what was computed: charts, widgets, reports."""
