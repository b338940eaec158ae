"""Measure how sure each customer's segment is, by the votes of refitted models."""
