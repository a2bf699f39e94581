"""A night of refits: how fast the scheduler and one worker drain them, beside pushes, and what they leave behind."""

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter as clock

from sqlalchemy import text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, paired, single
from benchmark.load import Tally, open_loop, request
from benchmark.stack import Stack, running, wait_until
from benchmark.work.predicting import checked
from shared.store.engine import Sessions

SERIES, POINTS = 6, 28 * 1_440  # 28 days of minutes
PUSHED, PUSHES_PER_S = 100, 1_667 / 100
KIB = 1024

_STREAMS = text("""
INSERT INTO streams (series_id, revision, last_timestamp, arrived_at, points, watch)
SELECT 'refitted-' || n, 1, :start + 60 * (:points - 1), now(), :points, 'refitted' FROM generate_series(1, :series) n
""")
_POINTS = text("""
INSERT INTO points (series_no, ts, value)
SELECT no, :start + 60 * i,
       round(CAST(20 + 5 * sin(2 * pi() * i / 1440.0) + random() - random() AS numeric), 2)
  FROM streams, generate_series(0, :points - 1) i WHERE watch = 'refitted'
""")
_NEW_POINTS = text("INSERT INTO points (series_no, ts, value) SELECT no, last_timestamp + 60, 20 FROM streams"
                   " WHERE watch = 'refitted'")  # fmt: skip
_DUE = text("""
UPDATE streams SET last_timestamp = last_timestamp + 60, points = points + 1, fit_at_points = points + 1,
       fit_due_at = clock_timestamp() WHERE watch = 'refitted'
""")
_FITTED = text("SELECT count(*) FROM versions WHERE automatic")
_LEFT_BEHIND = text("""
SELECT avg(data_size) AS data, avg(state_size) AS state, avg(scores_size) AS scores, avg(fit_ms) AS fit_ms
  FROM versions WHERE automatic
""")


@dataclass
class Night:
    """Streams with a window of points, and series that are pushed to meanwhile."""

    stack: Stack
    sessions: Sessions
    places: "count[int]"

    def refits_per_minute(self) -> float:
        """Let every stream be due, and measure refits from then to the last version."""
        with self.sessions.begin() as session:
            before: int = session.execute(_FITTED).scalar_one()
            session.execute(_NEW_POINTS)
            session.execute(_DUE)
        began = clock()
        wait_until(lambda: self._fitted() >= before + SERIES, 600, 0.05)
        return 60 * SERIES / (clock() - began)

    def _fitted(self) -> int:
        with self.sessions.statement() as session:
            return int(session.execute(_FITTED).scalar_one())

    def pushes(self, seconds: float) -> Tally:
        """Push 1,667 points per second in batches of 100 series."""
        start = int(time.time()) - 2_000_000
        requests = (
            request("POST", "/points", b"\n".join(_line(number, start + place) for number in range(PUSHED)))
            for place in self.places
        )
        return checked(open_loop(self.stack.api, requests, 4, PUSHES_PER_S, seconds))

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Push during the block."""
        stopping = threading.Event()

        def push() -> None:
            while not stopping.is_set():
                self.pushes(1)

        thread = threading.Thread(target=push)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def beside_pushes(self) -> float:
        with self.pushing():
            return self.refits_per_minute()


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure refits of 28 days of minutes by `auto`, and pushes beside them."""
    night = _night(stack)
    reconciler_log = stack.folder / "reconciler.log"
    with stack.worker() as worker, running(reconciler_log, stack.env, "worker.reconciling") as reconciler:
        night.refits_per_minute()  # the first fits begin with cold caches
        before = cpu_s(worker.pid), cpu_s(reconciler.pid)
        night.refits_per_minute()
        costs = [(cpu_s(pid) - used) / SERIES for pid, used in zip((worker.pid, reconciler.pid), before, strict=True)]
        yield single("CPU of a refit, worker", "s", [costs[0]], Target(AT_MOST, 10))
        yield single("CPU of a refit, scheduler", "s", [costs[1]], Target(AT_MOST, 0.5))
        yield paired(
            "refits beside 1,667 pushed points/s",
            "refits/min",
            night.beside_pushes,
            night.refits_per_minute,
            Target(AT_LEAST, 0.5),
            pairs,
        )
        yield paired(
            "p99 of pushes of 100 points beside refits",
            "ms",
            lambda: _beside_refits(night, seconds),
            lambda: _p99(night.pushes(seconds)),
            Target(AT_MOST, 5),
            pairs,
        )
    with night.sessions.begin() as session:
        row = session.execute(_LEFT_BEHIND).one()
    yield single(
        "stored by a refit of 40,320 points",
        "KiB",
        [float(row.data + row.state + row.scores) / KIB],
        Target(AT_MOST, 400),
        data_bytes=int(row.data),
        state_bytes=int(row.state),
        scores_bytes=int(row.scores),
        fit_ms=round(row.fit_ms),
    )


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, which share its session."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            columns = path.read_text().rpartition(")")[2].split()
            if int(columns[3]) == pid:
                ticks += int(columns[11]) + int(columns[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _night(stack: Stack) -> Night:
    sessions = stack.sessions()
    watch = {"prefix": "refitted-", "refit": "off", "keep_versions": 3, "silence": "off"}
    assert stack.client.put("/watches/refitted", json=watch).status_code == 200  # noqa: S101
    parameters = {"start": int(time.time()) // 60 * 60 - 60 * (POINTS + 1_000), "points": POINTS, "series": SERIES}
    with sessions.begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(_STREAMS, parameters)
        session.execute(_POINTS, parameters)
    body = json.dumps({"timestamps": list(range(60)), "values": [place % 7 for place in range(60)]}).encode()
    with stack.worker():
        for job_id in [stack.send(f"pushed-{number}", body) for number in range(PUSHED)]:
            stack.succeeded(job_id)
    return Night(stack, sessions, count())


def _line(number: int, timestamp: int) -> bytes:
    return json.dumps({"series_id": f"pushed-{number}", "timestamp": timestamp, "value": timestamp % 7}).encode()


def _p99(tally: Tally) -> float:
    return 1000 * statistics.quantiles(tally.latencies, n=100)[98]


def _beside_refits(night: Night, seconds: float) -> float:
    stopping = threading.Event()

    def refit() -> None:
        while not stopping.is_set():
            night.refits_per_minute()

    thread = threading.Thread(target=refit)
    thread.start()
    try:
        return _p99(night.pushes(seconds))
    finally:
        stopping.set()
        thread.join()
