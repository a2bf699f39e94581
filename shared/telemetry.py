"""Latencies in Redis: bounded lists that every process appends to and /healthcheck reads.

A thread writes them, so no request waits for Redis.
"""

import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from threading import Event, Lock, Thread

import redis

logger = logging.getLogger(__name__)

_MAX_BUFFERED = 10_000
_FLUSH_EVERY_S = 0.5
_REDIS_TIMEOUT_S = 0.5
_WORKERS = "tsad:workers"
_ALIVE_WITHIN_S = 10
_PROBE, _PROBE_EXPIRES_S = "tsad:latency:probe", 60
_FORGET_WORKERS_AFTER_S = 3600


class Kind(StrEnum):
    """Kind of work that was timed."""

    INFERENCE = "inference"  # a predict request with a 2xx response
    TRAINING = "training"  # a worker's time from claim to published version


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency statistics in milliseconds; 0.0 without samples."""

    avg: float
    p95: float  # by nearest rank

    @classmethod
    def of(cls, samples: list[float]) -> "Latency":
        """Summarize samples in milliseconds."""
        if not samples:
            return cls(0.0, 0.0)
        rank = math.ceil(0.95 * len(samples))
        return cls(round(sum(samples) / len(samples), 3), round(sorted(samples)[rank - 1], 3))


def connect(redis_url: str) -> redis.Redis:
    """Create a client that times out after 0.25 s to connect or 0.5 s per call, so that its caller never hangs."""
    return redis.Redis.from_url(redis_url, socket_connect_timeout=0.25, socket_timeout=_REDIS_TIMEOUT_S)


class Latencies:
    """Buffer of samples that a thread writes to Redis. It drops samples while Redis is unavailable."""

    def __init__(self, client: redis.Redis, keep: int) -> None:
        self._client = client
        self._keep = keep
        self._waiting: deque[tuple[Kind, float]] = deque(maxlen=_MAX_BUFFERED)
        self._writing = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def record(self, kind: Kind, milliseconds: float) -> None:
        """Buffer one sample."""
        self._waiting.append((kind, milliseconds))

    def read(self) -> dict[Kind, Latency] | None:
        """Return the latency of each kind, including this process's buffered samples; None if Redis does not answer."""
        if not self._flush():
            return None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for kind in Kind:
                    pipeline.lrange(_key(kind), 0, self._keep - 1)
                lists = pipeline.execute()
        except redis.RedisError:
            return None
        return {
            kind: Latency.of([float(sample) for sample in samples]) for kind, samples in zip(Kind, lists, strict=True)
        }

    def close(self) -> None:
        """Write the buffered samples, then stop the thread."""
        self._closing.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._closing.wait(_FLUSH_EVERY_S):
            self._flush()
        self._flush()

    def _flush(self) -> bool:
        """Write the buffered samples; return False if Redis does not answer.

        Only one thread writes at a time, so that a reader includes the samples of a write in progress. The wait
        for the lock is limited to the time of one write, so that readers do not queue behind a server that hangs.
        """
        if not self._writing.acquire(timeout=_REDIS_TIMEOUT_S):
            return False
        try:
            return self._write([self._waiting.popleft() for _ in range(len(self._waiting))])
        finally:
            self._writing.release()

    def _write(self, samples: list[tuple[Kind, float]]) -> bool:
        """Write the samples, or drop them; return False if Redis does not answer. An error counts as an answer."""
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
            logger.warning("latency samples dropped: %d (%s)", len(samples), type(error).__name__)
            return isinstance(error, redis.ResponseError)
        return True


def report_alive(client: redis.Redis, worker: str) -> None:
    """Record that a worker consumes messages. The worker calls this every few seconds. Failures are only logged."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.zadd(_WORKERS, {worker: time.time()})
            pipeline.zremrangebyscore(_WORKERS, 0, time.time() - _FORGET_WORKERS_AFTER_S)
            pipeline.execute()
    except redis.RedisError as error:
        logger.warning("cannot report to Redis that this worker is alive: %s", type(error).__name__)


def workers_alive(client: redis.Redis) -> int | None:
    """Return the number of workers that reported within the last 10 s; None if Redis accepts no data.

    Writes first: a Redis with a full disk or too little memory still answers reads.
    """
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.set(_PROBE, 1, ex=_PROBE_EXPIRES_S)
            pipeline.zcount(_WORKERS, time.time() - _ALIVE_WITHIN_S, "+inf")
            return int(pipeline.execute()[1])
    except redis.RedisError:
        return None


def _key(kind: Kind) -> str:
    return f"tsad:latency:{kind}"
