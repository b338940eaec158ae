"""Provide data to learn and test with: simulated shops with known segments, and real ones."""

from segkit.datasets.complete_journey import CompleteJourney, load_complete_journey
from segkit.datasets.engagement import make_engagement
from segkit.datasets.experiment import Experiment, make_experiment
from segkit.datasets.lifestyles import (
    AGE_BANDS,
    BATTERY,
    INCOME_BANDS,
    LIFESTYLES,
    POSTCODES,
    Lifestyle,
    make_attributes,
)
from segkit.datasets.online_retail import fetch_online_retail
from segkit.datasets.personas import CATEGORIES, PERSONAS, Persona, blended, one_population
from segkit.datasets.play_events import play_events
from segkit.datasets.shop import make_events
from segkit.datasets.shop_over_time import ShopOverTime, make_shop_over_time

__all__ = [
    "AGE_BANDS",
    "BATTERY",
    "CATEGORIES",
    "INCOME_BANDS",
    "LIFESTYLES",
    "PERSONAS",
    "POSTCODES",
    "CompleteJourney",
    "Experiment",
    "Lifestyle",
    "Persona",
    "ShopOverTime",
    "blended",
    "fetch_online_retail",
    "load_complete_journey",
    "make_attributes",
    "make_engagement",
    "make_events",
    "make_experiment",
    "make_shop_over_time",
    "one_population",
    "play_events",
]
