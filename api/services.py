"""What one API process holds: made when it starts, closed when it stops."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Self

import redis

from api.comparing import Band, read_band
from api.histories import Histories
from api.resolving import Resolver
from api.watching import Watcher
from shared.artifacts import Artifacts
from shared.domain.versions import Artifact
from shared.queue import Announcer, make_celery
from shared.settings import Settings
from shared.store import series
from shared.store.engine import Sessions, make_engine
from shared.store.latest import LatestVersions
from shared.telemetry import Latencies, connect

BATCHES_AT_A_TIME = 2
WRITERS = 8
COUNT_KEPT_S = 5.0
BANDS_KEPT = 10_000


@dataclass(frozen=True)
class Services:
    """Connections, threads and caches of the process."""

    settings: Settings
    sessions: Sessions
    artifacts: Artifacts
    redis: redis.Redis
    latencies: Latencies
    announcer: Announcer
    latest: LatestVersions
    resolver: Resolver
    histories: Histories
    watcher: Watcher
    writers: ThreadPoolExecutor  # training data, side by side: each file waits for the disk
    batches: ThreadPoolExecutor  # scoring large batches, beside the threads that serve other requests
    series_trained: "SeriesCount"
    bands: Callable[[Artifact], Band | None]

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Make everything; nothing waits for a server to be there. Needs a running event loop."""
        sessions = Sessions(make_engine(settings, "tsad-api"))
        artifacts = Artifacts.of(settings)
        client = connect(settings.redis)
        latest = LatestVersions(settings)
        latest.start()
        return cls(
            settings=settings,
            sessions=sessions,
            artifacts=artifacts,
            redis=client,
            latencies=Latencies(client, settings.latency_history_limit),
            announcer=Announcer(make_celery(settings.redis, consumes=False)),
            latest=latest,
            resolver=Resolver(latest, sessions, artifacts, settings.state_cache_bytes),
            histories=Histories(artifacts, settings.chart_cache_bytes),
            watcher=Watcher(sessions),
            writers=ThreadPoolExecutor(WRITERS, "writer"),
            batches=ThreadPoolExecutor(BATCHES_AT_A_TIME, "batch"),
            series_trained=SeriesCount(sessions),
            bands=lru_cache(BANDS_KEPT)(partial(read_band, artifacts.states)),
        )

    async def close(self) -> None:
        """End waits, publish what waits to be announced, let connections go."""
        self.watcher.close()
        await self.latest.close()
        self.writers.shutdown(wait=True)
        self.batches.shutdown(wait=True, cancel_futures=True)
        self.announcer.close()
        self.latencies.close()
        self.sessions.engine.dispose()


@dataclass
class SeriesCount:
    """How many series have versions, counted at most every `COUNT_KEPT_S` seconds."""

    sessions: Sessions
    _count: int = 0
    _counted_at: float = field(default=-COUNT_KEPT_S)

    def read(self) -> int:
        """The count; `UnavailableError` when it has to be taken and the database is away."""
        if time.monotonic() - self._counted_at >= COUNT_KEPT_S:
            with self.sessions.begin() as session:
                self._count = series.count(session)
            self._counted_at = time.monotonic()
        return self._count
