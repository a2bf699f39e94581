"""Content of GET /metrics: sums over all processes, and the current state of queue, versions and artifacts."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import redis
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from api.services import Services
from shared import __version__
from shared.artifacts import Artifacts
from shared.errors import UnavailableError
from shared.metrics import sums
from shared.queue import messages_waiting
from shared.store import deliveries, inspection, notices, watches
from shared.store.deliveries import Figures
from shared.store.newest import Newest
from shared.telemetry import workers_alive

MEDIA_TYPE = CONTENT_TYPE_LATEST
SERIES_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SERIES_METRICS = {
    "value": "Newest value of a series",
    "score": "Score of the newest point; above 1, it is an anomaly",
    "expected": "Expected value of the newest point",
    "lower": "Lower bound of the normal band of the newest point",
    "upper": "Upper bound of the normal band of the newest point",
    "alert_open": "Whether an alert of the series is open",
}


class _Scrape(Collector):
    """All metrics at the time of a scrape. If a server is unavailable, only its metrics are missing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        yield _gauge("tsad_build_info", "Release of this service", {"version": __version__}, 1)
        try:
            yield from sums(self._services.redis)
            alive = workers_alive(self._services.redis)
            yield from _of_redis(self._services.redis, alive or 0)
            redis_up = int(alive is not None)
        except redis.RedisError:
            redis_up = 0
        try:
            yield from _of_database(self._services)
            database_up = 1
        except UnavailableError:
            database_up = 0
        yield _free_space(self._services.artifacts)
        up = GaugeMetricFamily("tsad_server_up", "Whether a server answered this scrape", labels=["server"])
        up.add_metric(["redis"], redis_up)
        up.add_metric(["database"], database_up)
        yield up


def exposition(services: Services) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Scrape(services))
    return generate_latest(registry)


def series_exposition(watch: str, points: Sequence[Newest]) -> str:
    """Return the newest points of a watch's series, and whether an alert is open, in the text format of Prometheus."""
    lines = []
    for name, documentation in SERIES_METRICS.items():
        lines += [f"# HELP tsad_{name} {documentation}", f"# TYPE tsad_{name} gauge"]
        lines += [
            f'tsad_{name}{{series_id="{point.series_id}",watch="{watch}"}} {value!r}'
            for point in points
            if (value := int(point.is_open) if name == "alert_open" else getattr(point, name)) is not None
        ]
    return "\n".join([*lines, ""])


def _of_redis(client: redis.Redis, alive: int) -> Iterator[Metric]:
    yield _gauge("tsad_messages_waiting", "Messages that no worker has taken yet", {}, messages_waiting(client) or 0)
    yield _gauge("tsad_workers_alive", "Workers with a recent heartbeat", {}, alive)


def _free_space(artifacts: Artifacts) -> Metric:
    free = GaugeMetricFamily("tsad_free_bytes", "Space left on the disk of an artifact folder", labels=["folder"])
    for name, store in (("data", artifacts.data), ("states", artifacts.states)):
        with suppress(UnavailableError):  # its disk is away, which /readyz reports
            if (size := store.free_bytes()) is not None:
                free.add_metric([name], size)
    return free


def _of_database(services: Services) -> Iterator[Metric]:
    with services.sessions.begin() as session:
        queue = inspection.queue(session)
        watching = inspection.watching(session)
        receivers = deliveries.figures(session)
        overdue = notices.overdue(session, watches.read(session), inspection.clock(session))
    jobs = GaugeMetricFamily("tsad_open_jobs", "Jobs that have not ended", labels=["status"])
    jobs.add_metric(["queued"], queue.queued)
    jobs.add_metric(["running"], queue.running)
    yield jobs
    yield _gauge("tsad_oldest_queued_seconds", "Age of the oldest queued job", {}, queue.oldest_queued_s)
    yield _gauge("tsad_expired_leases", "Running jobs whose lease has expired", {}, queue.expired)
    yield _gauge("tsad_open_data_bytes", "Training data of open jobs", {}, queue.bytes)
    yield _gauge("tsad_streams", "Series with stored points", {}, watching.streams)
    yield _gauge("tsad_silent_streams", "Streams from which nothing came for too long", {}, watching.silent)
    yield _gauge("tsad_open_alerts", "Alerts that are open", {}, watching.open_alerts)
    yield _gauge("tsad_late_automatic_fits", "Automatic fits due for more than 10 minutes", {}, watching.late_fits)
    yield _gauge("tsad_watches_overdue", "Watches whose changes no outbound process handles", {}, len(overdue))
    yield from _of_receivers(receivers)
    holdings = services.holdings.read()
    yield _gauge("tsad_series", "Series that have versions", {}, services.series_trained.read())
    yield _gauge("tsad_versions", "Versions", {}, holdings.versions)
    stored = GaugeMetricFamily("tsad_artifact_bytes", "Bytes of stored artifacts", labels=["kind"])
    for kind, size in (
        ("data", holdings.data_bytes),
        ("state", holdings.state_bytes),
        ("scores", holdings.scores_bytes),
    ):
        stored.add_metric([kind], size)
    yield stored


def _of_receivers(receivers: Sequence[Figures]) -> Iterator[Metric]:
    disabled = [figures for figures in receivers if figures.is_disabled]
    failing = [figures for figures in receivers if figures.failures and not figures.is_disabled]
    waiting = sum(figures.waiting for figures in receivers)
    oldest_s = max((figures.oldest_s for figures in receivers), default=0.0)
    yield _gauge("tsad_deliveries_waiting", "Messages that wait to be delivered", {}, waiting)
    yield _gauge("tsad_oldest_delivery_seconds", "Age of the oldest of them", {}, oldest_s)
    yield _gauge("tsad_receivers_failing", "Receivers whose last attempt failed", {}, len(failing))
    yield _gauge("tsad_receivers_disabled", "Receivers that get no messages", {}, len(disabled))
    ages = GaugeMetricFamily("tsad_receiver_waiting_seconds", "Age of a receiver's oldest message", labels=["receiver"])
    failures = GaugeMetricFamily("tsad_receiver_failures", "Failed attempts in a row", labels=["receiver"])
    for figures in receivers:
        ages.add_metric([figures.receiver], figures.oldest_s)
        failures.add_metric([figures.receiver], figures.failures)
    yield ages
    yield failures


def _gauge(name: str, documentation: str, labels: dict[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
