"""Where :mod:`segkit._compressed` used to be."""

from segkit._compressed import (
    MICRO,
    Compressed,
    adjusted_rand,
    compress,
    contingency,
    jaccards,
    kept_pairs,
    labels_with,
)

__all__ = [
    "MICRO",
    "Compressed",
    "adjusted_rand",
    "compress",
    "contingency",
    "jaccards",
    "kept_pairs",
    "labels_with",
]
