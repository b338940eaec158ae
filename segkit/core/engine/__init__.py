"""Run queries: the DuckDB connection, other SQL dialects, interrupts, kept logs."""
