"""A night of refits: how fast the scheduler and one worker drain them beside pushes, and what they leave behind.

A night takes longer than anybody waits for a benchmark, so a stretch of it is measured and extrapolated.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from time import perf_counter as clock

from sqlalchemy import Row, TextClause, text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, single
from benchmark.consumption import cpu_s
from benchmark.load import Request, open_loop, percentile_ms, request
from benchmark.stack import Stack, running
from benchmark.work.predicting import POINT
from shared.store.engine import Sessions

PUSHED, POINTS_PER_S = 100, 1_667
PREDICTIONS_PER_S = 50
REST_S, ALONE_S, BESIDE_S = 20.0, 40.0, 100.0  # of the measurements
LARGE_S = 300.0  # within which the largest fits end
EXTRAPOLATED = (10_000, 100_000)  # streams
SPARE_POINTS = 24  # between the last point of a stream and now: each measurement adds one
KIB, HOUR_S = 1024, 3_600

_STREAMS = text("""
INSERT INTO streams (series_id, revision, last_timestamp, arrived_at, points, watch)
SELECT :prefix || n, 1, :start + :step * (:points - 1), now(), :points, :watch FROM generate_series(0, :series - 1) n
""")
_POINTS = text("""
INSERT INTO points (series_no, ts, value)
SELECT no, :start + :step * i,
       round(CAST(20 + 5 * sin(2 * pi() * i * :step / 86400.0) + random() - random() AS numeric), 2)
  FROM streams, generate_series(0, :points - 1) i WHERE watch = :watch
""")
_NEW_POINTS = text("""
INSERT INTO points (series_no, ts, value) SELECT no, last_timestamp + :step, 20 FROM streams WHERE watch = :watch
""")
_DUE = text("""
UPDATE streams SET last_timestamp = last_timestamp + :step, points = points + 1, fit_at_points = points + 1,
       fit_due_at = clock_timestamp() WHERE watch = :watch
""")
# Numbers are never reused, so they count fits even if the reconciler has deleted old versions.
_FITTED = text("SELECT coalesce(sum(last_version), 0) FROM series WHERE starts_with(series_id, :prefix)")
_REQUESTED = text("SELECT count(*) FROM fit_jobs WHERE starts_with(series_id, :prefix)")
_LEFT_BEHIND = text("""
SELECT avg(data_size) AS data, avg(state_size) AS state, avg(scores_size) AS scores, avg(fit_ms) AS fit_ms
  FROM versions WHERE starts_with(series_id, :prefix)
""")


@dataclass(frozen=True, slots=True)
class Size:
    """Streams that are refitted at once, each with so many points."""

    name: str
    series: int
    step_s: int
    points: int

    @property
    def prefix(self) -> str:
        return f"{self.name}-"


# Each with 28 days of points.
NIGHT, LARGE = Size("hours", 1_000, 3_600, 28 * 24), Size("minutes", 2, 60, 28 * 24 * 60)


@dataclass(frozen=True, slots=True)
class Drained:
    """The fits of a measurement."""

    refits: int
    seconds: float
    worker_s: float  # CPU of a refit
    scheduler_s: float  # CPU of a request for one

    @property
    def cpu_s(self) -> float:
        return self.worker_s + self.scheduler_s

    @property
    def per_minute(self) -> float:
        return 60 * self.refits / self.seconds


@dataclass
class Refits:
    """Streams of one size under a watch, and the measurement of their refits."""

    stack: Stack
    sessions: Sessions
    size: Size
    pids: tuple[int, int] = (0, 0)  # of the worker and of the scheduler

    def create(self) -> None:
        """Create the watch, and streams with points but without a version."""
        self.watch("off")
        start = int(time.time()) // HOUR_S * HOUR_S - (self.size.points + SPARE_POINTS) * self.size.step_s
        parameters = {"start": start, "points": self.size.points, "series": self.size.series, **self._streams()}
        with self.sessions.begin() as session:
            session.execute(_STREAMS, parameters | {"prefix": self.size.prefix})
            session.execute(_POINTS, parameters)

    def watch(self, refit: str | dict[str, str]) -> None:
        """Create or change the watch. refit: its schedule, or `off`."""
        watch = {"prefix": self.size.prefix, "refit": refit, "keep_versions": 3, "silence": "off", "timezone": "UTC"}
        self.stack.client.put(f"/watches/{self.size.name}", json=watch).raise_for_status()

    def drain(self, seconds: float) -> Drained:
        """Let every stream be due, and measure until each has a new version, or for so many seconds."""
        with self.sessions.begin() as session:
            session.execute(_NEW_POINTS, self._streams())
            session.execute(_DUE, self._streams())
        fitted, requested = self.fitted(), self._count(_REQUESTED)
        used, began = [cpu_s(pid) for pid in self.pids], clock()
        while (refits := self.fitted() - fitted) < self.size.series and clock() - began < seconds:
            time.sleep(0.1)
        elapsed = clock() - began
        if not refits:
            sys.exit(f"No refit ended within {seconds:g} s, so there is nothing to measure: the machine is too busy.")
        worker_s, scheduler_s = (cpu_s(pid) - cpu for pid, cpu in zip(self.pids, used, strict=True))
        return Drained(refits, elapsed, worker_s / refits, scheduler_s / (self._count(_REQUESTED) - requested))

    def fitted(self) -> int:
        """Return how many fits have ended."""
        return self._count(_FITTED)

    def left_behind(self) -> Row[tuple[float, float, float, float]]:
        """Return the mean sizes of the artifacts of a version, and the mean time of a fit."""
        with self.sessions.statement() as session:
            return session.execute(_LEFT_BEHIND, {"prefix": self.size.prefix}).one()

    def _count(self, statement: TextClause) -> int:
        with self.sessions.statement() as session:
            return int(session.execute(statement, {"prefix": self.size.prefix}).scalar_one())

    def _streams(self) -> dict[str, object]:
        return {"watch": self.size.name, "step": self.size.step_s}


class Clients:
    """Clients that push points in batches of 100 series, and that predict."""

    def __init__(self, stack: Stack, points_per_s: float = POINTS_PER_S) -> None:
        self._stack = stack
        self._pushes_per_s = points_per_s / PUSHED
        self._places = count()
        self._start = int(time.time()) - 2_000_000
        self._stopping = threading.Event()
        self._latencies: dict[str, list[float]] = {}
        self.refused = 0

    def create(self) -> None:
        """Fit the series that are pushed to."""
        body = json.dumps({"timestamps": list(range(60)), "values": [place % 7 for place in range(60)]}).encode()
        with self._stack.worker():
            for job_id in [self._stack.send(f"pushed-{number}", body) for number in range(PUSHED)]:
                self._stack.succeeded(job_id)

    def start(self) -> list[threading.Thread]:
        self._stopping.clear()
        self._latencies = {"pushes": [], "predictions": []}
        threads = [
            threading.Thread(target=self._repeat, args=("pushes", self._pushes(), 4, self._pushes_per_s)),
            threading.Thread(
                target=self._repeat,
                args=("predictions", [request("POST", "/predict/pushed-0", POINT)], 8, PREDICTIONS_PER_S),
            ),
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: list[threading.Thread]) -> dict[str, float]:
        """Stop, and return the 99th percentile of the latencies in milliseconds."""
        self._stopping.set()
        for thread in threads:
            thread.join()
        return {name: percentile_ms(seconds, 99) for name, seconds in self._latencies.items()}

    def _repeat(self, name: str, requests: Iterator[Request] | list[Request], connections: int, rate: float) -> None:
        while not self._stopping.is_set():
            tally = open_loop(self._stack.api, requests, connections, rate, 2)
            self._latencies[name] += tally.latencies
            self.refused += tally.errors

    def _pushes(self) -> Iterator[Request]:
        for place in self._places:
            lines = (_line(number, self._start + place) for number in range(PUSHED))
            yield request("POST", "/points", b"\n".join(lines))


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:  # noqa: ARG001 - one stretch is measured
    """Measure refits by `auto` of windows of minutes, then a stretch of a night of refits beside pushes."""
    clients, sessions = Clients(stack), stack.sessions()
    clients.create()
    night, large = Refits(stack, sessions, NIGHT), Refits(stack, sessions, LARGE)
    night.create()
    large.create()
    with (
        stack.worker() as worker,
        running(stack.folder / "reconciler.log", stack.env, "worker.reconciling") as scheduler,
    ):
        night.pids = large.pids = worker.pid, scheduler.pid
        large.drain(LARGE_S)  # the first fits
        yield from _of_cost(large, large.drain(LARGE_S))
        threads = clients.start()
        time.sleep(REST_S)
        at_rest = clients.stop(threads)
        alone = night.drain(ALONE_S)
        threads = clients.start()
        drained = night.drain(BESIDE_S)
        beside = clients.stop(threads)
    yield from _of_night(night, alone, drained)
    for name, p99 in beside.items():
        work = f"p99 of {name} beside refits"
        yield Figure(work, "ms", p99, at_rest[name], [p99 / at_rest[name]], Target(AT_MOST, 5))
    yield single("requests beside refits that were refused", "", [clients.refused], Target(AT_MOST, 0))


def _of_night(night: Refits, alone: Drained, beside: Drained) -> Iterator[Figure]:
    """Return the figures of many streams that are due at once."""
    work = f"refits of {night.size.points:,} points beside 1,667 pushed points/s"
    facts = {"refits": beside.refits, "seconds": round(beside.seconds)}
    ratio = beside.per_minute / alone.per_minute
    yield Figure(work, "refits/min", beside.per_minute, alone.per_minute, [ratio], Target(AT_LEAST, 0.5), facts)
    yield from _of_cost(night, beside)


def _of_cost(refits: Refits, drained: Drained) -> Iterator[Figure]:
    """Return what a refit costs, and extrapolate this to many."""
    what = f"of {refits.size.points:,} points"
    yield single(f"CPU of a refit {what}, worker", "s", [drained.worker_s], Target(AT_MOST, 10))
    yield single(f"CPU of a refit {what}, scheduler", "s", [drained.scheduler_s], Target(AT_MOST, 0.5))
    row = refits.left_behind()
    sizes = {"data_bytes": int(row.data), "state_bytes": int(row.state), "scores_bytes": int(row.scores)}
    stored = sum(sizes.values()) / KIB
    yield single(f"stored by a refit {what}", "KiB", [stored], Target(AT_MOST, 400), fit_ms=round(row.fit_ms), **sizes)
    for streams in EXTRAPOLATED:
        work = f"{streams:,} refits {what} on one core, extrapolated"
        facts = {"measured": drained.refits, "gib": round(streams * stored / KIB**2, 1)}
        limit = Target(AT_MOST, 8 * streams / EXTRAPOLATED[0])
        yield single(work, "h", [streams * drained.cpu_s / HOUR_S], limit, **facts)


def _line(number: int, timestamp: int) -> bytes:
    return json.dumps({"series_id": f"pushed-{number}", "timestamp": timestamp, "value": timestamp % 7}).encode()
