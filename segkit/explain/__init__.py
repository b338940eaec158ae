"""Describe segments: profiles, evidence, rules and SQL, names, typical customers, cross-tables, the map."""
