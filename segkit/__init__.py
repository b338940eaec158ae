"""segkit: from what customers did to segments that can be seen, trusted and used.

Public names load on first use, so that ``import segkit`` stays instant: neither pandas nor
scikit-learn is imported until something needs them.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "segkit.collect.attributes.attributes": ("Attributes",),
    "segkit.collect.attributes.join": (
        "bases",
        "with_attributes",
    ),
    "segkit.collect.attributes.read": ("read_attributes",),
    "segkit.collect.attributes.regions": ("Region",),
    "segkit.collect.attributes.scales": ("Scale",),
    "segkit.collect.events": ("Events",),
    "segkit.collect.read_events": ("read_events",),
    "segkit.collect.presets.catalogue": ("preset_catalogue",),
    "segkit.collect.quality.check": (
        "EventCheck",
        "check_events",
    ),
    "segkit.analyse.features.basket": ("BASKET",),
    "segkit.analyse.features.cadence": ("CADENCE",),
    "segkit.analyse.features.catalogue": (
        "FAMILIES",
        "available_features",
        "feature_catalogue",
        "select_features",
    ),
    "segkit.analyse.features.compute": (
        "customer_features",
        "snapshots",
    ),
    "segkit.analyse.features.context": (
        "CONTEXT",
        "distance_feature",
    ),
    "segkit.analyse.features.feature": (
        "Feature",
        "family",
        "with_settings",
    ),
    "segkit.analyse.features.feedback": ("FEEDBACK",),
    "segkit.analyse.features.messages": (
        "ADS",
        "EMAIL",
        "PUSH",
        "SMS",
    ),
    "segkit.analyse.features.paths": ("path_feature",),
    "segkit.analyse.features.preference": ("PREFERENCE",),
    "segkit.analyse.features.rfm": ("RFM",),
    "segkit.analyse.features.social": ("SOCIAL",),
    "segkit.analyse.features.sql": ("feature_sql",),
    "segkit.analyse.features.trend": ("TREND",),
    "segkit.analyse.features.web": ("WEB",),
    "segkit.analyse.preparation": ("preparation",),
    "segkit.analyse.prepare": (
        "Preparer",
        "make_preparer",
    ),
    "segkit.methods.rfm": ("RFMSegmenter",),
    "segkit.methods.behaviour_parts": ("BehaviourParts", "SharesPreparer"),
    "segkit.methods.mixed_mixture": ("MixedMixture",),
    "segkit.methods.mixture_preparer": ("MixturePreparer",),
    "segkit.methods.robust_linkage": ("RobustLinkage",),
    "segkit.methods.rules": ("rules_segmenter",),
    "segkit.methods.spectral": ("SpectralGraph",),
    "segkit.methods.target_tree": ("target_tree",),
    "segkit.methods.value_bands": ("ValueBands",),
    "segkit.trust.assess": (
        "Trust",
        "assess",
    ),
    "segkit.trust.multiverse": ("multiverse",),
    "segkit.trust.outcome": (
        "outcome_scoreboard",
        "segment_outcomes",
    ),
    "segkit.trust.scan": ("scan_clusters",),
    "segkit.trust.segment_structure": ("segment_structure",),
    "segkit.trust.stability": ("feature_influence", "stability"),
    "segkit.trust.structure": ("structure_test",),
    "segkit.create.edit": ("make_segment", "merge_segments", "split_segment"),
    "segkit.create.pins": ("pin_segments",),
    "segkit.create.recommend_method": ("recommend_method",),
    "segkit.create.segment": (
        "segment",
        "value_bands",
    ),
    "segkit.create.segmentation": ("Segmentation",),
    "segkit.create.shared": ("SharedSegmentation",),
    "segkit.explain.compare": ("compare",),
    "segkit.explain.cross": ("cross_segments",),
    "segkit.explain.dendrogram": ("dendrogram",),
    "segkit.explain.evidence": ("evidence",),
    "segkit.explain.map": (
        "CustomerMap",
        "make_map",
        "project",
    ),
    "segkit.explain.membership": ("membership",),
    "segkit.explain.names": ("suggest_names",),
    "segkit.explain.profile": (
        "effect_sizes",
        "profile",
        "segment_sizes",
    ),
    "segkit.explain.rules": ("rules",),
    "segkit.explain.sql": ("to_sql",),
    "segkit.explain.typical": ("typical",),
    "segkit.explain.why": ("why",),
    "segkit.live.follow": ("follow",),
    "segkit.live.live_segments": ("live_segments",),
    "segkit.live.sources.file_source": ("file_source",),
    "segkit.live.sources.kafka_source": ("kafka_source",),
    "segkit.live.sources.redis_source": ("redis_source",),
    "segkit.live.webhook_inbox": ("WebhookInbox",),
    "segkit.privacy.k_anonymity": ("k_anonymity",),
    "segkit.privacy.membership_risk": ("membership_risk",),
    "segkit.privacy.proxy_audit": ("proxy_audit",),
    "segkit.privacy.suppress_small": ("suppress_small",),
    "segkit.over_time.drift": ("drift",),
    "segkit.over_time.emerging": ("emerging",),
    "segkit.over_time.match": ("match_segments",),
    "segkit.over_time.migration": ("migration",),
    "segkit.over_time.moves": ("moves",),
    "segkit.over_time.moves_over_time": ("moves_over_time",),
    "segkit.over_time.next_segment": ("next_segment",),
    "segkit.over_time.refit_advice": ("refit_advice",),
    "segkit.over_time.score_next": ("score_next",),
    "segkit.tailor.experiments.arms": (
        "arms_sql",
        "assign_arms",
    ),
    "segkit.tailor.audiences.audience": (
        "Audience",
        "audience",
    ),
    "segkit.tailor.audiences.audience_formats": ("audience_formats",),
    "segkit.tailor.experiments.check": ("check_experiment",),
    "segkit.tailor.audiences.export_audience": ("export_audience",),
    "segkit.tailor.experiments.lift": ("lift",),
    "segkit.tailor.experiments.plan": ("plan_experiment",),
    "segkit.tailor.experiments.policy_value": ("policy_value",),
    "segkit.tailor.messages.message_templates": ("message_templates",),
    "segkit.tailor.plays.playbook": ("playbook",),
    "segkit.tailor.plays.plays": (
        "PLAYS",
        "Play",
    ),
    "segkit.tailor.products.recommend": ("recommend",),
    "segkit.tailor.value.segment_value": ("segment_value",),
    "segkit.tailor.value.customer_value": ("customer_value",),
    "segkit.tailor.products.scoreboard": ("recommendation_scoreboard",),
    "segkit.tailor.products.segment_products": ("segment_products",),
    "segkit.tailor.experiments.targeting": ("targeting",),
    "segkit.privacy.budget": ("PrivacyBudget",),
    "segkit.privacy.data_sheet": ("data_sheet",),
    "segkit.privacy.private": (
        "private_profile",
        "private_sizes",
    ),
    "segkit.privacy.erase": ("erase",),
    "segkit.privacy.pseudonymise": ("pseudonymise",),
    "segkit.privacy.with_consent": ("with_consent",),
    "segkit.show.plots.confidence": ("plot_confidence",),
    "segkit.show.plots.cross": ("plot_cross",),
    "segkit.show.plots.dendrogram": ("plot_dendrogram",),
    "segkit.show.plots.distributions": ("plot_distributions",),
    "segkit.show.plots.evidence": ("plot_evidence",),
    "segkit.show.plots.emerging": ("plot_emerging",),
    "segkit.show.plots.lift": ("plot_lift",),
    "segkit.show.plots.map": ("plot_map",),
    "segkit.show.plots.membership": ("plot_membership",),
    "segkit.show.plots.drift": ("plot_drift",),
    "segkit.show.plots.migration": ("plot_migration",),
    "segkit.show.plots.multiverse": ("plot_multiverse",),
    "segkit.show.plots.next": ("plot_next",),
    "segkit.show.plots.playbook": ("plot_playbook",),
    "segkit.show.plots.power": ("plot_power",),
    "segkit.show.plots.privacy": ("plot_privacy",),
    "segkit.show.plots.profile": ("plot_profile",),
    "segkit.show.plots.qini": ("plot_qini",),
    "segkit.show.plots.quality": ("plot_coverage",),
    "segkit.show.plots.recommendations": ("plot_recommendations",),
    "segkit.show.plots.rules": ("plot_rules",),
    "segkit.show.plots.scan": ("plot_scan",),
    "segkit.show.plots.scoreboard": ("plot_scoreboard",),
    "segkit.show.plots.sizes": ("plot_sizes",),
    "segkit.show.plots.stability": (
        "plot_consensus",
        "plot_stability",
    ),
    "segkit.show.plots.structure": ("plot_structure",),
    "segkit.show.plots.trust": ("plot_trust",),
    "segkit.show.plots.value": ("plot_value",),
    "segkit.show.plots.why": ("plot_why",),
    "segkit.show.report.report": ("report",),
    "segkit.show.service.serve": ("serve",),
    "segkit.show.widgets.audience_builder": ("AudienceBuilder",),
    "segkit.show.widgets.cluster_tuner": ("ClusterTuner",),
    "segkit.show.widgets.experiment_planner": ("ExperimentPlanner",),
    "segkit.show.widgets.feature_picker": ("FeaturePicker",),
    "segkit.show.widgets.live_map": ("LiveMap",),
    "segkit.show.widgets.segment_cards": ("SegmentCards",),
    "segkit.show.widgets.segment_explorer": ("SegmentExplorer",),
    "segkit.show.widgets.segment_studio": ("SegmentStudio",),
    "segkit.show.widgets.segment_timeline": ("SegmentTimeline",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", "datasets", *sorted(_HOME_OF)]


def __getattr__(name):
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name == "datasets":
        value = importlib.import_module("segkit.datasets")
    else:
        raise AttributeError(f"module 'segkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
