"""Latencies in Redis: bounded lists that every process appends to and /healthcheck reads, off every request's path."""

import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from threading import Event, Lock, Thread

import redis

logger = logging.getLogger(__name__)

_MOST_WAITING = 10_000
_FLUSH_EVERY_S = 0.5
_WORKERS = "tsad:workers"
_ALIVE_WITHIN_S = 10
_FORGET_WORKERS_AFTER_S = 3600


class Kind(StrEnum):
    """What was timed."""

    INFERENCE = "inference"  # a predict request that was answered 2xx
    TRAINING = "training"  # a worker's time from claim to published version


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; 0.0 without samples."""

    avg: float
    p95: float  # by nearest rank

    @classmethod
    def of(cls, samples: list[float]) -> "Latency":
        """Summarise samples in milliseconds."""
        if not samples:
            return cls(0.0, 0.0)
        rank = math.ceil(0.95 * len(samples))
        return cls(round(sum(samples) / len(samples), 3), round(sorted(samples)[rank - 1], 3))


def connect(redis_url: str) -> redis.Redis:
    """A client that would rather fail than keep anybody waiting."""
    return redis.Redis.from_url(redis_url, socket_connect_timeout=0.25, socket_timeout=0.5)


class Latencies:
    """Buffers samples and writes them in the background. Dropped when Redis is away: no sample is worth a wait."""

    def __init__(self, client: redis.Redis, keep: int) -> None:
        self._client = client
        self._keep = keep
        self._waiting: deque[tuple[Kind, float]] = deque(maxlen=_MOST_WAITING)
        self._writing = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def record(self, kind: Kind, milliseconds: float) -> None:
        """Remember one sample."""
        self._waiting.append((kind, milliseconds))

    def read(self) -> dict[Kind, Latency] | None:
        """What is kept of each kind, with what waits to be written here; None when Redis does not answer."""
        if not self._flush():
            return None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for kind in Kind:
                    pipeline.lrange(_key(kind), 0, self._keep - 1)
                answers = pipeline.execute()
        except redis.RedisError:
            return None
        return {
            kind: Latency.of([float(sample) for sample in answer]) for kind, answer in zip(Kind, answers, strict=True)
        }

    def close(self) -> None:
        """Write what waits, then stop."""
        self._closing.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._closing.wait(_FLUSH_EVERY_S):
            self._flush()
        self._flush()

    def _flush(self) -> bool:
        """Write what waits; False when Redis does not take it. One thread at a time, so that a reader misses none."""
        with self._writing:
            samples = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not samples:
                return True
            try:
                with self._client.pipeline(transaction=False) as pipeline:
                    for kind in Kind:
                        if newest := [value for sample_kind, value in samples if sample_kind is kind][-self._keep :]:
                            pipeline.lpush(_key(kind), *newest)
                            pipeline.ltrim(_key(kind), 0, self._keep - 1)
                    pipeline.execute()
            except redis.RedisError as error:
                logger.warning("%d latencies are dropped: %s", len(samples), type(error).__name__)
                return False
            return True


def report_alive(client: redis.Redis, worker: str) -> None:
    """A worker that consumes says so, every few seconds; best effort."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.zadd(_WORKERS, {worker: time.time()})
            pipeline.zremrangebyscore(_WORKERS, 0, time.time() - _FORGET_WORKERS_AFTER_S)
            pipeline.execute()
    except redis.RedisError as error:
        logger.warning("the worker cannot say that it is alive: %s", type(error).__name__)


def workers_alive(client: redis.Redis) -> int | None:
    """How many workers were heard of lately; None when Redis does not answer."""
    try:
        return int(client.zcount(_WORKERS, time.time() - _ALIVE_WITHIN_S, "+inf"))
    except redis.RedisError:
        return None


def _key(kind: Kind) -> str:
    return f"tsad:latency:{kind}"
