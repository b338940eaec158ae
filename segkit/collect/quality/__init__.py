"""Check a log of events for faults before features are computed."""
