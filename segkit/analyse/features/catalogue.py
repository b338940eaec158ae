"""List the built-in features and select them by name."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from segkit.analyse.features.basket import BASKET
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.context import CONTEXT
from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.feedback import FEEDBACK
from segkit.analyse.features.messages import ADS, EMAIL, PUSH, SMS
from segkit.analyse.features.preference import PREFERENCE
from segkit.analyse.features.query import lacking, unavailable
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.social import SOCIAL
from segkit.analyse.features.to_code import code_of
from segkit.analyse.features.trend import TREND
from segkit.analyse.features.web import WEB
from segkit.collect.events import Events, checked_events
from segkit.core.messages import choose_from, in_words

BY_FAMILY: dict[str, tuple[Feature, ...]] = {
    "RFM": RFM,
    "CADENCE": CADENCE,
    "BASKET": BASKET,
    "TREND": TREND,
    "PREFERENCE": PREFERENCE,
    "WEB": WEB,
    "EMAIL": EMAIL,
    "PUSH": PUSH,
    "SMS": SMS,
    "ADS": ADS,
    "FEEDBACK": FEEDBACK,
    "SOCIAL": SOCIAL,
    "CONTEXT": CONTEXT,
}
"""The built-in families by name."""

FAMILIES: tuple[Feature, ...] = tuple(feature for members in BY_FAMILY.values() for feature in members)
"""All built-in features."""


def feature_catalogue(
    features: tuple[Feature, ...] = FAMILIES, *, events: Events | None = None
) -> pd.DataFrame:
    """List features with their label, unit, kinds of event and meaning.

    Parameters
    ----------
    features : tuple of Feature, default=FAMILIES
        The features to list.
    events : Events, optional
        If given, a column `needs` shows what these events lack for each feature; empty if nothing.

    Returns
    -------
    DataFrame of shape (n_features, 8 or 9)
        Columns `family`, `name`, `label` (its name for people), `unit`, `basis`, `kinds`, `meaning`, `synonyms` (and
        `needs`).

    Examples
    --------
    >>> import segkit as sg
    >>> sg.feature_catalogue(sg.RFM)[["name", "unit", "meaning"]].head(2)
            name    unit                                 meaning
    0    recency    days              Time since the last order.
    1  frequency  orders  Number of orders, including the first.
    """
    features = distinct_features(features)
    table = pd.DataFrame(
        {
            "family": [f.family for f in features],
            "name": [f.name for f in features],
            "label": [f.label for f in features],
            "unit": [f.unit for f in features],
            "basis": [f.basis for f in features],
            "kinds": [", ".join(f.kinds) or "any" for f in features],
            "meaning": [f.doc for f in features],
            "synonyms": [", ".join(f.synonyms) for f in features],
        }
    )
    if events is not None:
        table["needs"] = list(unavailable(checked_events(events), features).values())
    return table


def available_features(events: Events, features: Iterable[Feature] | None = None) -> pd.DataFrame:
    """List which features a log can support, and what is missing for the others.

    Parameters
    ----------
    events : Events
        The log.
    features : iterable of Feature, optional
        The features to list; all built-in ones by default.

    Returns
    -------
    DataFrame of shape (n_features, 3)
        Indexed by `feature`: its `family`; whether it is `available`; and what is `missing`, a column or kinds of
        events ("" for nothing). ``customer_features(…, unavailable="skip")`` leaves out those that are not available.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "amount": [30.0]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> sg.available_features(events, sg.select_features("monetary", "email_open_rate"))
                    family  available          missing
    feature
    monetary           RFM       True
    email_open_rate  EMAIL      False  email_sent events
    """
    chosen = FAMILIES if features is None else distinct_features(features)
    missing = lacking(checked_events(events), chosen)
    columns = {
        "family": [f.family for f in chosen],
        "available": [not missing[f.name] for f in chosen],
        "missing": [missing[f.name] for f in chosen],
    }
    return pd.DataFrame(columns, index=pd.Index([f.name for f in chosen], name="feature"))


def select_features(*names: str, offered: tuple[Feature, ...] = FAMILIES) -> tuple[Feature, ...]:
    """Select features by name.

    Parameters
    ----------
    *names : str
        Names of features.
    offered : tuple of Feature, default=FAMILIES
        The features to select from.

    Returns
    -------
    tuple of Feature
        In the order of the names. Adds to families with ``+``.

    Raises
    ------
    TypeError
        If a name is not text.
    ValueError
        If there is no feature of that name.

    Examples
    --------
    >>> import segkit as sg
    >>> [f.unit for f in sg.select_features("overdue", "monetary")]
    ['ratio', 'currency']
    """
    by_name = {f.name: f for f in offered}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"select_features got {in_words(name)}, which is not a name. Pass the names one by one, such as "
                'select_features("recency", "monetary"), or a list of them as select_features(*names).'
            )
        if name not in by_name:
            raise ValueError(f"There is no feature {name!r}.{choose_from(name, by_name)}")
    return tuple(by_name[name] for name in names)


def code_for(features: tuple[Feature, ...]) -> str:
    """Write Python code for features, in their order: whole families by name, others one by one."""
    return code_of(features, BY_FAMILY)
