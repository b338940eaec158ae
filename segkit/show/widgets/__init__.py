"""Widgets for notebooks: choose features and segments, read the choice back as Python."""
