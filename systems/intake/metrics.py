"""What a monitor may ask: counts and times, never a label that leads to a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Gauges = Callable[[], Mapping[str, float]]

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds


class Metrics:
    """The counters of one process."""

    def __init__(self, gauges: Gauges) -> None:
        """gauges: gives numbers of the moment by name, such as requests that wait."""
        self.registry = CollectorRegistry()
        self.registry.register(_Moment(gauges))
        self._taken = Counter(
            "lethe_intake_requests",
            "Requests that came to a door, by what became of them.",
            ("door", "outcome"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "lethe_intake_seconds",
            "Seconds until a request was durable and answered.",
            ("door",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def count(self, door: str, outcome: str, seconds: float) -> None:
        """Note one request. outcome: a word or a status, out of few."""
        self._taken.labels(door, outcome).inc()
        self._seconds.labels(door).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _Moment(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        try:
            found = self._gauges()
        except Exception as problem:  # noqa: BLE001  # the other numbers are still worth having
            logger.warning("gauges: %s", type(problem).__name__)
            return
        for name, value in found.items():
            words = name.replace("_", " ")
            yield GaugeMetricFamily(f"lethe_{name}", f"{words[:1].upper()}{words[1:]}.", value)

    def describe(self) -> list[Metric]:
        return []
