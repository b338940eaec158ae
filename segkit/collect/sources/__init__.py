"""Open any source (files, frames, databases, Spark) as an Ibis table."""
