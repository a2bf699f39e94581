"""Connections, threads and caches of one API process, created at its start and closed at its stop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Generic, Self, TypeVar

import redis

from api.chain.keyring import Keyring
from api.chain.rates import Rates
from api.charts.histories import Histories
from api.following.alerts import AlertFeed
from api.following.polling import Poller
from api.grouping import Grouped
from api.lanes import Lanes
from api.pages.timeline import Band, read_band
from api.predicting.resolving import Resolver
from api.predicting.scoring import Scorer
from api.probing import Probes
from api.sharing import Shares, Turns
from shared.artifacts import Artifacts
from shared.domain.versions import Artifact
from shared.fitting.accepting import Accepted, Acceptor, accept
from shared.fitting.checking import Fit
from shared.judging.states import States
from shared.metrics import Metrics, Publisher
from shared.queue import Announcer, make_celery
from shared.settings import Settings
from shared.store import inspection, overviews, series, streams
from shared.store.admissions import MAX_JOBS_PER_ACCEPT
from shared.store.engine import Session, Sessions, make_engine
from shared.store.latest import LatestVersions
from shared.telemetry import Kind, Latencies, Latency, connect
from shared.watching.ingesting import Ingest, Taken
from shared.watching.planning import Push
from shared.watching.pushing import Pushing

SERIES_COUNT_CACHE_S = 5.0
LEARNING_SHOWN = 10
HOLDINGS_CACHE_S = 60.0
MAX_CACHED_BANDS = 10_000
MAX_DOWNLOADS, MAX_DOWNLOADS_PER_KEY = 100, 25  # each holds an open file
MAX_PUSHES_PER_GROUP = 500
MAX_READERS = 1_000  # of one read of telemetry

LatenciesRead = dict[Kind, Latency] | None


@dataclass(frozen=True)
class Services:
    """All services of the process, which routes and middleware share."""

    settings: Settings
    lanes: Lanes
    sessions: Sessions
    artifacts: Artifacts
    redis: redis.Redis
    keyring: Keyring
    rates: Rates | None
    latencies: Latencies
    latency_reads: Grouped[Callable[[], LatenciesRead], LatenciesRead]  # concurrent ones share one read
    scrapes: Grouped[Callable[[], bytes], bytes]  # concurrent ones share one scrape
    metrics: Metrics
    publisher: Publisher
    announcer: Announcer
    latest: LatestVersions
    states: States
    resolver: Resolver
    scorer: Scorer
    histories: Histories
    poller: Poller
    downloads: Shares
    turns: Turns  # of reading artifacts in the threads of requests
    probes: Probes
    acceptor: Acceptor
    grouped_fits: Grouped[Fit, Accepted]  # concurrent fits share a transaction
    alert_feed: AlertFeed
    pushing: Pushing
    ingest: Ingest  # of `pushing`
    grouped_pushes: Grouped[Push, Taken]  # concurrent small pushes share a transaction
    series_trained: "Count[int]"
    streams_now: "Count[overviews.Streams]"
    learning_now: "Count[list[str]]"  # ids, at most LEARNING_SHOWN + 1
    holdings: "Count[inspection.Holdings]"
    bands: Callable[[Artifact], Band | None]

    @classmethod
    def start(cls, settings: Settings, metrics: Metrics) -> Self:
        """Create all services, without waiting for any server. Needs a running event loop."""
        lanes = Lanes.open(settings.database_pool_size, settings.state_cache_bytes // 2)
        sessions = Sessions(make_engine(settings, "tsad-api"))
        artifacts = Artifacts.of(settings)
        client = connect(settings.redis)
        latest = LatestVersions(settings)
        latest.start()
        keyring = Keyring(sessions, lanes.upkeep, off=settings.auth == "off")
        keyring.start()
        states = States(artifacts.states, settings.state_cache_bytes)
        announcer = Announcer(make_celery(settings.redis, consumes=False))
        judged = States(artifacts.states, settings.judge_cache_bytes // 2)
        pushing = Pushing.of(settings, sessions, judged, metrics)
        acceptor = Acceptor(sessions, artifacts.data, lanes.writers, announcer.announce, settings)
        turns = Turns(max(settings.database_pool_size // 2, 1))
        return cls(
            settings=settings,
            lanes=lanes,
            sessions=sessions,
            artifacts=artifacts,
            redis=client,
            keyring=keyring,
            rates=Rates(settings.redis) if settings.has_rates else None,
            latencies=Latencies(client, settings.latency_history_limit),
            latency_reads=Grouped(_once, MAX_READERS, lanes.telemetry),
            scrapes=Grouped(_once, MAX_READERS, lanes.telemetry),
            metrics=metrics,
            publisher=Publisher(metrics, client),
            announcer=announcer,
            latest=latest,
            states=states,
            resolver=Resolver(latest, sessions, states, metrics, lanes.states),
            scorer=Scorer(lanes.computing),
            histories=Histories(artifacts, turns, settings.chart_cache_bytes),
            downloads=Shares("downloads", MAX_DOWNLOADS, MAX_DOWNLOADS_PER_KEY),
            turns=turns,
            poller=Poller(sessions, lanes.upkeep),
            probes=Probes(sessions, artifacts, client, lanes.probes),
            acceptor=acceptor,
            grouped_fits=Grouped(partial(accept, acceptor), MAX_JOBS_PER_ACCEPT, lanes.requests),
            alert_feed=AlertFeed(sessions, lanes.upkeep),
            pushing=pushing,
            ingest=pushing.ingest,
            grouped_pushes=Grouped(pushing.ingest, MAX_PUSHES_PER_GROUP, lanes.ingest),
            series_trained=Count(sessions, series.count, SERIES_COUNT_CACHE_S),
            streams_now=Count(sessions, overviews.streams, SERIES_COUNT_CACHE_S),
            learning_now=Count(sessions, _learning, SERIES_COUNT_CACHE_S),
            holdings=Count(sessions, inspection.holdings, HOLDINGS_CACHE_S),
            bands=lru_cache(MAX_CACHED_BANDS)(partial(read_band, artifacts.states, turns)),
        )

    def end_streams(self) -> None:
        """End waits and streams."""
        self.poller.close()
        self.alert_feed.close()

    async def close(self) -> None:
        """End waits and streams, publish pending messages and metrics, and close all connections."""
        self.end_streams()
        await self.keyring.close()
        if self.rates:
            await self.rates.close()
        await self.latest.close()
        self.lanes.close()
        self.announcer.close()
        self.latencies.close()
        self.publisher.close()
        self.sessions.engine.dispose()


def _learning(session: Session, visible_prefix: str) -> list[str]:
    return streams.learning(session, "", "", LEARNING_SHOWN + 1, visible_prefix)


Counted = TypeVar("Counted")
Read = TypeVar("Read")


def _once(reads: Sequence[Callable[[], Read]]) -> list[Read]:
    """Carry out the first of several equal reads, for all of them."""
    return [reads[0]()] * len(reads)


@dataclass
class Count(Generic[Counted]):
    """A slow count, cached for `keep_s` seconds."""

    sessions: Sessions
    count: Callable[..., Counted]  # its arguments: a session, then those of `read`
    keep_s: float
    _cached: dict[tuple[str, ...], tuple[Counted, float]] = field(default_factory=dict)  # count and its monotonic time

    def read(self, *arguments: str) -> Counted:
        """Return the count; raise `UnavailableError` if the cached one is too old and the database is unavailable."""
        if arguments not in self._cached or time.monotonic() - self._cached[arguments][1] >= self.keep_s:
            with self.sessions.begin() as session:
                counted = self.count(session, *arguments)
            self._cached[arguments] = (counted, time.monotonic())
        return self._cached[arguments][0]
