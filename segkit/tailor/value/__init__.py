"""Estimate what customers and segments will bring."""
