"""What is wrong with a log of events, before features are made of it."""

from segkit.quality._check import EventCheck, check_events

__all__ = ["EventCheck", "check_events"]
