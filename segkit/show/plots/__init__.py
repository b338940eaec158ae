"""Draw charts: a table in, an Altair chart out."""
