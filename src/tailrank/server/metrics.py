"""Metrics for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable that names the folder of what workers share: their counts, and a model's arrays."""

LATENCY_BUCKETS: Final = (*(0.0005 * 2**n for n in range(12)), 4.096)
LAG_BUCKETS: Final = (0.01, 0.1, 1, 10, 60, 600, 3600, 86_400)


class Metrics:
    """Counts of one worker, or of all if `SHARED_FOLDER` is set."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livemostrecent")
        self.latency = histogram(
            "tailrank_request_seconds",
            "From the arrival of a request to its response.",
            ["endpoint", "status"],
            buckets=LATENCY_BUCKETS,
        )
        self.degraded = counter("tailrank_degraded", "Rankings that were the upstream order.", ["reason"])
        self.shed = counter("tailrank_shed", "Requests refused so that the others stay fast.")
        self.events = counter("tailrank_events", "Events stored.")
        self.event_lag = histogram(
            "tailrank_event_lag_seconds",
            "From an event's timestamp until it was stored; the oldest of each request.",
            buckets=LAG_BUCKETS,
        )
        self.impressions_lost = counter(
            "tailrank_impressions_lost", "Rankings that couldn't be logged: the disk is full, or too slow."
        )
        self.shown_lost = counter(
            "tailrank_shown_lost", "Lists that `already-shown` won't know of: the state was out of reach."
        )
        self.log_removed = counter(
            "tailrank_impression_log_removed_bytes", "Removed from the log to stay within its size."
        )
        self.learned = counter("tailrank_learned_events", "Events that the weights of signals learned from.")
        self.unmatched = counter(
            "tailrank_learning_unmatched_events",
            "Events that belong to no ranking of the last hour, on any machine.",
        )
        self.decisions = counter("tailrank_learning_decisions", "What became of learned weights.", ["action"])
        self.learning_lag = gauge(
            "tailrank_learning_lag_seconds", "Since all events that are logged were learned from."
        )
        self.learned_outcomes = gauge(
            "tailrank_learned_outcomes", "Outcomes that the weights in service learned from."
        )
        self.learned_at = gauge(
            "tailrank_learned_timestamp_seconds", "When learned weights came into service last; 0 before."
        )
        self.exposure = counter("tailrank_exposure", "Items ranked in the first ten.", ["popularity"])
        self.exposure_price = gauge(
            "tailrank_exposure_price", "Expected ndcg that a list loses for one more tail item."
        )
        self.exposure_share = gauge(
            "tailrank_exposure_share",
            "Share of the first places with a tail item, of a worker's latest lists.",
        )
        self.exposure_loss = gauge(
            "tailrank_exposure_loss", "Share of the expected ndcg that this cost, of the same lists."
        )
        self.refused = counter("tailrank_models_refused", "New models that could not be served.")
        self.alerts = Gauge(
            "tailrank_alerts_open",
            "Alerts that are open, of all logs that share the state.",
            ["kind"],
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )
        self.reviews = gauge("tailrank_reviews", "Items by what became of their review.", ["status"])
        self.model = Gauge(
            "tailrank_model_info",
            "The model that ranks.",
            ["model"],
            registry=self.registry,
            multiprocess_mode="liveall",
        )
        self.head, self.tail = (self.exposure.labels(part) for part in ("head", "tail"))
        self._answered: dict[tuple[str, int], Histogram] = {}

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a response."""
        series = self._answered.get((endpoint, status))
        if series is None:  # looking it up by its labels takes as long as the rest
            series = self._answered[endpoint, status] = self.latency.labels(endpoint, status)
        series.observe(seconds)

    def serves(self, model: str, before: str | None = None) -> None:
        """Say which model ranks from now on, and which one did in its place before."""
        if before is not None:
            self.model.labels(before).set(0)
        self.model.labels(model).set(1)

    def reviewed(self, items: Mapping[str, int]) -> None:
        """Say how many items are held, approved and rejected."""
        for status in ("held", "approved", "rejected"):
            self.reviews.labels(status).set(items.get(status, 0))

    def exposition(self) -> tuple[bytes, str]:
        """Return everything in Prometheus' text format, and its media type."""
        return prometheus_client.generate_latest(self.of_all()), prometheus_client.CONTENT_TYPE_LATEST

    def of_all(self) -> CollectorRegistry:
        """Return the counts of all workers."""
        if SHARED_FOLDER not in os.environ:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
