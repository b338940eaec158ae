"""Protect people: pseudonyms, consent, erasure, and what an export gives away."""
