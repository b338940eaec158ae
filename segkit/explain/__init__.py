"""Describe segments: sizes, profiles, cross-tables, the map."""
