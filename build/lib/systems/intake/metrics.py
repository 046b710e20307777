"""What a monitor may ask: counts and times, never a label that leads to a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Gauges = Callable[[], Mapping[str, float]]
Health = Callable[[], Mapping[str, Any]]

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.registry = CollectorRegistry()
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

    def watch(self, gauges: Gauges) -> None:
        """Give numbers of the moment too, by name, such as requests that wait."""
        self.registry.register(_Moment(lambda: map(_single, gauges().items())))

    def watch_parts(self, health: Health) -> None:
        """Say of each part of the service whether it works, and what waits to be told to whom."""
        self.registry.register(_Moment(lambda: _of_parts(health().get("parts", {}))))

    def count(self, door: str, outcome: str, seconds: float) -> None:
        """Note one request. outcome: a word or a status, out of few."""
        self._taken.labels(door, outcome).inc()
        self._seconds.labels(door).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _Moment(Collector):
    def __init__(self, gauges: Callable[[], Iterable[Metric]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        try:
            yield from list(self._gauges())
        except Exception as problem:  # noqa: BLE001  # the other numbers are still worth having
            logger.warning("gauges: %s", type(problem).__name__)

    def describe(self) -> list[Metric]:
        return []


def _single(gauge: tuple[str, float]) -> Metric:
    name, value = gauge
    words = name.replace("_", " ")
    return GaugeMetricFamily(f"lethe_{name}", f"{words[:1].upper()}{words[1:]}.", value)


def _of_parts(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    up = GaugeMetricFamily("lethe_part_up", "Whether a part of the service works.", labels=["part"])
    told = GaugeMetricFamily(
        "lethe_notices_waiting", "Notices that an endpoint was not told yet.", labels=["part"]
    )
    for name, part in parts.items():
        up.add_metric([name], float(bool(part["ok"])))
        if "waiting" in part:
            told.add_metric([name], part["waiting"])
    yield from (up, told)
