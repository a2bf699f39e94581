"""Prometheus metrics of each process. A thread adds the increments to sums in Redis, so no request waits for Redis.

GET /metrics therefore covers all processes on all machines, no matter which process answers it. A process that ends
loses only its last seconds. Scrape one address, not each process: all of them report the same sums.
"""

import json
import logging
from collections.abc import Iterator
from threading import Event, Thread

import redis
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric

logger = logging.getLogger(__name__)

_SUMS = "tsad:metrics"
_FLUSH_EVERY_S = 2.0
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_DELIVERY_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_JOB_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """Counters and histograms of one process. Frequently counted labels are bound once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tsad_requests", "Answered requests", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "tsad_request_seconds",
            "Seconds from the head of a request to the end of its response, including waits and streams",
            ["method", "route"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.refusals = Counter(
            "tsad_refusals",
            "Requests rejected before they reach a route, by error code",
            ["code"],
            registry=self.registry,
        )
        self.cached_states = Counter(
            "tsad_state_lookups",
            "State lookups of predictions in the cache of the process",
            ["result"],
            registry=self.registry,
        )
        self.hits, self.misses = (self.cached_states.labels(result) for result in ("hit", "miss"))
        self.points = Counter(
            "tsad_points",
            "Pushed points: in_order (new), late (after a newer one) or repeated (stored already)",
            ["outcome"],
            registry=self.registry,
        )
        self.refused_points = Counter(
            "tsad_points_refused", "Pushed points that were refused, by reason", ["code"], registry=self.registry
        )
        self.ignored_samples = Counter(
            "tsad_samples_ignored",
            "Samples of Prometheus remote write that are not stored: not_selected, histogram, or collision",
            ["reason"],
            registry=self.registry,
        )
        self.source_runs = Counter(
            "tsad_source_runs", "Runs that fetched a source: succeeded or failed", ["outcome"], registry=self.registry
        )
        self.unknown_points = Counter(
            "tsad_points_unknown",
            "New points without a verdict, by reason: no_version, in_training, context, gap or state_unavailable",
            ["reason"],
            registry=self.registry,
        )
        self.notices = Counter(
            "tsad_notices",
            "Changes of alerts, by type; quiet is the reason why nobody is notified, or empty",
            ["type", "quiet"],
            registry=self.registry,
        )
        self.automatic_fits = Counter(
            "tsad_automatic_fits",
            "Automatic fits of watched series: requested, skipped (pinned, or no new points) or refused",
            ["outcome"],
            registry=self.registry,
        )
        self.unreported_alerts = Counter(
            "tsad_alerts_unreported", "Alerts that nobody was notified of, over budget", registry=self.registry
        )
        self.deliveries = Counter(
            "tsad_delivery_attempts",
            "Attempts to send a message, by kind of the receiver: delivered or failed",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.given_up = Counter(
            "tsad_deliveries_given_up", "Messages that no attempt of two days delivered", registry=self.registry
        )
        self.delivery_seconds = Histogram(
            "tsad_delivery_seconds",
            "Seconds from a change of an alert to the receiver of its message, if the first attempt succeeds",
            buckets=_DELIVERY_BUCKETS,
            registry=self.registry,
        )
        self.retries = Counter("tsad_retries", "Jobs that users retried", registry=self.registry)
        self.job_seconds = Histogram(
            "tsad_job_seconds",
            "Seconds of an attempt, from claim to end: succeeded, failed, released (requeued) or lost",
            ["detector", "outcome"],
            buckets=_JOB_BUCKETS,
            registry=self.registry,
        )
        self.fencing_rejections = Counter(
            "tsad_fencing_rejections",
            "Versions rejected because their attempt no longer owned the job",
            registry=self.registry,
        )
        self.rescues = Counter(
            "tsad_rescues",
            "Jobs whose lease expired, by their new status: queued or failed",
            ["into"],
            registry=self.registry,
        )
        self.messages_repeated = Counter(
            "tsad_messages_repeated", "Messages sent again because they may have been lost", registry=self.registry
        )
        self.artifacts_collected = Counter(
            "tsad_artifacts_collected", "Orphaned artifacts that were deleted", registry=self.registry
        )


class Publisher:
    """Adds the counts of a process to the sums in Redis, and retries increments that Redis did not accept."""

    def __init__(self, metrics: Metrics, client: redis.Redis) -> None:
        self._registry = metrics.registry
        self._client = client
        self._added: dict[str, float] = {}  # the amount of each sample that is already in the sums
        self._closing = Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Add the last increments, then stop the thread."""
        self._closing.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._closing.wait(_FLUSH_EVERY_S):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Add the increments since the last flush to the sums."""
        current = {
            json.dumps([sample.name, sample.labels]): sample.value
            for metric in self._registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }
        changed = {field: value for field, value in current.items() if value != self._added.get(field, 0.0)}
        if not changed:
            return
        try:
            with self._client.pipeline(transaction=True) as pipeline:
                for field, value in changed.items():
                    pipeline.hincrbyfloat(_SUMS, field, value - self._added.get(field, 0.0))
                pipeline.execute()
        except redis.RedisError as error:
            logger.warning("cannot write metrics to Redis, will retry: %s", type(error).__name__)
        else:
            self._added.update(changed)


def sums(client: redis.Redis) -> Iterator[Metric]:
    """Yield the sums of all processes; raise `RedisError` if they cannot be read."""
    families = {family.name: Metric(family.name, family.documentation, family.type) for family in _known()}
    for field, value in sorted(client.hgetall(_SUMS).items(), key=lambda item: _sort_key(item[0])):
        name, labels = json.loads(field)
        family = name.removesuffix("_total").removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        if family in families:  # a process of another release may have other metrics
            families[family].add_sample(name, labels, float(value))
    yield from families.values()


def _known() -> Iterator[Metric]:
    return iter(Metrics().registry.collect())


def _sort_key(field: bytes | str) -> tuple[str, str, float]:
    """Order samples by name and labels, and the buckets of a histogram by bound, as the Prometheus format requires."""
    name, labels = json.loads(field)
    bound = float(labels.pop("le", "inf"))
    return name, json.dumps(labels), bound
