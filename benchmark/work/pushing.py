"""Pushed points: rates by detector, streams and size of a push; what predictions of others notice; growth."""

import math
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, product

from sqlalchemy import text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, paired, single
from benchmark.consumption import resident
from benchmark.load import Request, closed_loop, open_loop, percentile_ms, request
from benchmark.stack import Stack, body_of
from benchmark.work.predicting import POINT, checked, copy_series

DETECTORS = ("baseline", "ar", "auto")
STREAMS, BATCHES = (1_000, 10_000), (1, 100, 1_000)
LEARNED, KNOWN = 2_000, 20  # points of the training data, and of each stream until its end, which are not judged
STEADY = "ar"  # the detector of the steady load
PUSHES_AT_ONCE = {1: 32, 100: 8, 1_000: 2}  # connections
LEAST_RATE = 50  # points per second, on a slow machine and one by one
RATE, BATCH = 1_667, 100  # 100,000 streams a minute, in pushes of 100 points
OTHERS_RATE = 100  # predictions per second
GROWN_STREAMS = 100_000
STREAMS_AT_ONCE = 1_000  # in one transaction, while points are generated
STEP_S = 60
STARTED_S = 2  # after which a process pushes


@dataclass
class Feed:
    """The next points of streams, each a minute after the last."""

    names: Sequence[str]
    start: int
    _numbers: Iterator[int] = field(default_factory=count)

    def pushes(self, points: int) -> Iterator[Request]:
        """Yield requests with `points` points, each of another stream."""
        while True:
            lines = [self._line(next(self._numbers)) for _ in range(points)]
            yield request("POST", "/points", "\n".join(lines).encode())

    def _line(self, number: int) -> str:
        turn, place = divmod(number, len(self.names))
        value = 10 + math.sin(turn / 30) + 0.1 * math.sin(7.3 * number)
        timestamp = self.start + STEP_S * turn
        return f'{{"series_id":"{self.names[place]}","timestamp":{timestamp},"value":{value:.4f}}}'


def measure(stack: Stack, pairs: int, seconds: float, stretch_s: float, grown: int) -> Iterator[Figure]:
    """Measure rates, then growth by many points, and beside these latencies of pushes and of others, and memory."""
    begin = int(time.time()) // STEP_S * STEP_S - 30 * 86_400
    feeds = {}
    with stack.worker():
        for detector in DETECTORS:
            fit(stack, detector, begin)
        stack.fit("others", body_of(range(1, 7), [1, 2, 3, 1, 2, 3]))
    for detector, streams in product(DETECTORS, STREAMS):
        prefix = f"{detector}-{streams}-"
        copy_series(stack, f"pushed-{detector}", prefix, streams)
        feed = Feed([f"{prefix}{number}" for number in range(streams)], begin - STEP_S * (KNOWN - 1))
        send(stack, feed.pushes(1_000), KNOWN * streams // 1_000)
        feeds[detector, streams] = feed
    for (detector, streams), feed in feeds.items():
        yield from rates(stack, f"{detector}, {streams:,} streams", feed, pairs, seconds)
    yield growth(stack, feeds["baseline", max(STREAMS)], pairs, seconds, grown // GROWN_STREAMS)
    steady = feeds[STEADY, max(STREAMS)]
    yield from beside_others(stack, steady, pairs, max(5 * seconds, 10))
    yield from stretch(stack, steady, stretch_s)


def fit(stack: Stack, detector: str, end: int) -> None:
    """Fit a wave with noise that ends at a time."""
    noise = random.Random(1)  # noqa: S311 - a fixed series
    times = range(end - STEP_S * (LEARNED - 1), end + 1, STEP_S)
    values = [10 + math.sin(place / 30) + noise.gauss(0, 0.1) for place in range(LEARNED)]
    stack.fit(f"pushed-{detector}", body_of(times, values)[:-1] + f', "detector": "{detector}"}}'.encode())


def send(stack: Stack, pushes: Iterator[Request], number: int) -> None:
    """Send this many pushes, one after the other."""
    for _ in range(number):
        body = next(pushes).partition(b"\r\n\r\n")[2]
        stack.client.post("/points", content=body).raise_for_status()


def rates(stack: Stack, what: str, feed: Feed, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure points per second in pushes of each size. No stream is in two requests at once."""
    for batch in BATCHES:
        connections = min(PUSHES_AT_ONCE[batch], len(feed.names) // batch)
        values = [
            batch * checked(closed_loop(stack.api, feed.pushes(batch), connections, seconds)).rate for _ in range(pairs)
        ]
        yield single(f"push, {what}, {batch:,} points each", "points/s", values, Target(AT_LEAST, LEAST_RATE))


def beside_others(stack: Stack, feed: Feed, pairs: int, seconds: float) -> Iterator[Figure]:
    """Compare the 99th percentile of predictions of others beside pushes with the one at rest."""
    prediction = [request("POST", "/predict/others", POINT)]

    def p99() -> float:
        return percentile_ms(checked(open_loop(stack.api, prediction, 64, OTHERS_RATE, seconds)).latencies, 99)

    def beside() -> float:
        with steady(stack, feed, seconds + 1):
            return p99()

    yield paired(f"others' p99 beside {RATE:,} points/s", "ms", beside, p99, Target(AT_MOST, 3), pairs)


@contextmanager
def steady(stack: Stack, feed: Feed, seconds: float) -> Iterator[None]:
    """Push points at the steady rate from another process. The block begins once it does, and may take the seconds."""
    seconds += STARTED_S
    process = multiprocessing.get_context("spawn").Process(
        target=open_loop, args=(stack.api, prepared(feed, seconds), 16, RATE / BATCH, seconds)
    )
    process.start()
    try:
        time.sleep(STARTED_S)
        yield
    finally:
        process.join()


def prepared(feed: Feed, seconds: float) -> list[Request]:
    """Return the pushes of this many seconds."""
    pushes = feed.pushes(BATCH)
    return [next(pushes) for _ in range(int(seconds * RATE / BATCH) + 1)]


def stretch(stack: Stack, feed: Feed, seconds: float) -> Iterator[Figure]:
    """Measure latencies of pushes at a steady rate, the memory of the API, and the size of a point."""
    tally = checked(open_loop(stack.api, prepared(feed, seconds), 32, RATE / BATCH, seconds))
    p50, p99 = (percentile_ms(tally.latencies, hundredth) for hundredth in (50, 99))
    work = f"{RATE:,} points/s for {seconds:,.0f} s, {STEADY}, {len(feed.names):,} streams, {BATCH} points each"
    yield single(f"{work}: p50 of pushes", "ms", [p50], Target(AT_MOST, 50))
    yield single(f"{work}: p99 of pushes", "ms", [p99], Target(AT_MOST, 250))
    yield single(
        "resident memory of the API", "MiB", [resident(stack.api_pid, "VmRSS") / 2**20], Target(AT_MOST, 1_024)
    )
    size, points = table_size(stack)
    yield single("a stored point with its index", "bytes", [size / points], Target(AT_MOST, 250), points=points)


def growth(stack: Stack, feed: Feed, pairs: int, seconds: float, points: int) -> Figure:
    """Compare the time of a push before and after many more streams with this many points each are stored."""

    def p50() -> float:
        tally = checked(closed_loop(stack.api, prepared(feed, 60), 1, seconds))
        return percentile_ms(tally.latencies, 50)

    before = [p50() for _ in range(pairs)]
    grow(stack, {"streams": GROWN_STREAMS, "points": points, "step": STEP_S, "first": feed.start})
    values = [p50() / statistics.median(before) for _ in range(pairs)]
    stored = f"{GROWN_STREAMS:,} streams and {GROWN_STREAMS * points:,} points"
    return single(f"a push of {BATCH} points beside {stored} more", "times", values, Target(AT_MOST, 1.3))


def grow(stack: Stack, shape: Mapping[str, int]) -> None:
    """Store more streams with points."""
    with stack.sessions().begin() as session:
        first = session.execute(_STREAMS, shape).scalar_one()
    for no in range(first, first + GROWN_STREAMS, STREAMS_AT_ONCE):
        with stack.sessions().begin() as session:
            session.execute(_POINTS, {**shape, "from": no, "to": no + STREAMS_AT_ONCE - 1})


def table_size(stack: Stack) -> tuple[int, int]:
    """Return the bytes of the stored points with their index, and their number."""
    with stack.sessions().begin() as session:
        row = session.execute(text("SELECT pg_total_relation_size('points'), count(*) FROM points")).one()
    return int(row[0]), int(row[1])


_STREAMS = text("""
WITH made AS (
    INSERT INTO streams (series_id, points, last_timestamp, arrived_at)
    SELECT 'grown-' || number, :points, :first + :step * (:points - 1), clock_timestamp()
      FROM generate_series(1, :streams) AS number
    RETURNING no
)
SELECT min(no) FROM made
""")
_POINTS = text("""
INSERT INTO points (series_no, ts, value, score, expected, lower, upper, boundary, version)
SELECT no, :first + :step * place, random(), random(), random(), 0, 1, 1, 1
  FROM generate_series(:from, :to) AS no CROSS JOIN generate_series(0, :points - 1) AS place
""")
