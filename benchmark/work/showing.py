"""Pages, startup, hostile requests, and query times as the tables grow."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from time import perf_counter as clock

import httpx
import numpy as np
from sqlalchemy import text

from benchmark.access import HEADERS
from benchmark.comparing import AT_MOST, Figure, Target, single
from benchmark.plans import HOT, plan, whole_tables
from benchmark.stack import Stack, body_of, is_up, running, wait_until
from benchmark.work.fitting import POINTS
from shared.embedded.ports import free_port
from shared.store.engine import Session
from tests.fuzz.hostile import ALL

KIB = 1024
GROWN_SERIES, GROWN_VERSIONS, GROWN_JOBS = 100_000, 1_000_000, 1_000_000


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:  # noqa: ARG001
    """Measure all figures; growth comes last, because the tables stay large."""
    yield from plots(stack, pairs)
    yield from starts(stack, pairs)
    yield from hostile(stack, pairs)
    yield from growth(stack, pairs)


def plots(stack: Stack, pairs: int) -> Iterator[Figure]:
    """Measure the plot page of a million points."""
    with stack.worker():
        stack.fit("plotted", body_of(range(POINTS), np.random.default_rng(1).normal(20, 5, POINTS).tolist()))
    seconds, sizes = [], []
    for _ in range(pairs):
        began = clock()
        page = stack.client.get("/plot?series_id=plotted", headers={"Accept-Encoding": "identity"})
        seconds.append(clock() - began)
        sizes.append(len(page.content) / KIB)
    pictures, points = [], []
    for _ in range(pairs):
        began = clock()
        stack.client.get("/plot.svg?series_id=plotted")
        pictures.append(clock() - began)
        began = clock()
        stack.client.get("/series/plotted/versions/latest/points?from=1000&to=500000")
        points.append(clock() - began)
    yield single(f"plot of {POINTS:,} points: static picture", "s", pictures, Target(AT_MOST, 0.2))
    yield single(f"plot of {POINTS:,} points: zooming in", "s", points, Target(AT_MOST, 0.2))
    yield single(f"plot of {POINTS:,} points: answer", "s", seconds, Target(AT_MOST, 0.5))
    yield single(f"plot of {POINTS:,} points: page without the cached script", "KiB", sizes, Target(AT_MOST, 500))


def starts(stack: Stack, pairs: int) -> Iterator[Figure]:
    """Measure the time from starting a process until it is ready."""
    serving, working = [], []
    for _ in range(pairs):
        port = free_port()
        began = clock()
        with running(stack.folder / "start.log", stack.env, "api", f"--port={port}"):
            wait_until(lambda port=port: is_up(f"http://127.0.0.1:{port}/readyz"))  # type: ignore[misc]
            serving.append(clock() - began)
        began = clock()
        with stack.worker():
            working.append(clock() - began)
    yield single("start of the API", "s", serving, Target(AT_MOST, 3))
    yield single("start of a worker", "s", working, Target(AT_MOST, 4))


def hostile(stack: Stack, pairs: int) -> Iterator[Figure]:
    """Measure the slowest of the hostile requests in each round."""
    slowest = []
    for _ in range(pairs + 1):  # the first round opens connections
        times = []
        for hostile_request in ALL:
            began = clock()
            hostile_request.send(stack.client)
            times.append(1000 * (clock() - began))
        slowest.append(max(times))
    yield single(f"the slowest of {len(ALL)} hostile requests", "ms", slowest[1:], Target(AT_MOST, 50))


def growth(stack: Stack, rounds: int) -> Iterator[Figure]:
    """Time the queries on the hot paths first in small tables, then in those of a large installation."""
    grow(stack, 100, 1000, 1000)
    before = [timed_queries(stack) for _ in range(rounds)]
    grow(stack, GROWN_SERIES, GROWN_VERSIONS, GROWN_JOBS)
    after = [timed_queries(stack) for _ in range(rounds)]
    lines = plans(stack)
    for name in before[0]:
        before_ms = [figures[name] for figures in before]
        after_ms = [figures[name] for figures in after]
        ratios = [milliseconds / statistics.median(before_ms) for milliseconds in after_ms]
        facts = {
            "before_ms": [round(milliseconds, 3) for milliseconds in before_ms],
            "after_ms": [round(milliseconds, 3) for milliseconds in after_ms],
        }
        yield single(f"growth: {name}", "times", ratios, Target(AT_MOST, 1.3), **facts, plan=lines.get(name, []))


def timed_queries(stack: Stack) -> dict[str, float]:
    """Return the median milliseconds of each query; the prediction includes the HTTP round trip."""
    sessions = stack.sessions()

    def timed(query: Callable[[Session], object]) -> float:
        times = []
        for _ in range(200):
            with sessions.begin() as session:
                began = clock()
                query(session)
                times.append(clock() - began)
        return 1000 * statistics.median(times)

    figures = {name: timed(query) for name, query in HOT.items()}
    times = []
    with httpx.Client(base_url=stack.api, headers=HEADERS, trust_env=False) as client:
        for _ in range(300):
            began = clock()
            client.post("/predict/plotted", json={"timestamp": 1, "value": 1})
            times.append(clock() - began)
    return figures | {"a prediction": 1000 * statistics.median(times)}


def plans(stack: Stack) -> dict[str, list[str]]:
    """Return the plan of each query; end the benchmark if one scans a whole table."""
    lines = {}
    for name, query in HOT.items():
        with stack.sessions().begin() as session:
            lines[name] = plan(session, query)
        print("\n".join([f"  {name}:", *(f"    {line}" for line in lines[name])]), file=sys.stderr)
        if tables := whole_tables(lines[name]):
            sys.exit(f"The query for {name} scans all of {', '.join(tables)}.")
    return lines


def grow(stack: Stack, series: int, versions: int, jobs: int) -> None:
    """Generate rows like those of past jobs, and update the planner statistics."""
    numbers = {"series": series, "versions": versions, "jobs": jobs}
    with stack.sessions().begin() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in ROWS:
            session.execute(text(statement), numbers)
    with stack.sessions().begin() as session:
        session.execute(text("ANALYZE"))
    time.sleep(1)  # lets the database flush the pages of the tables


ROWS = (
    """
    INSERT INTO series (series_id, last_version)
    SELECT 'grown-' || i, CAST(:versions AS integer) / CAST(:series AS integer) FROM generate_series(0, :series - 1) i
    ON CONFLICT (series_id) DO UPDATE SET last_version = EXCLUDED.last_version
    """,
    """
    INSERT INTO versions (series_id, version, job_id, attempt, detector, parameters, points, first_timestamp,
      last_timestamp, learnt, anomaly_share, sparkline, fit_ms, data_key, data_sha256, data_size, state_key,
      state_sha256, state_size, scores_key, scores_sha256, scores_size)
    SELECT 'grown-' || i % :series, 1 + i / :series, gen_random_uuid(), 1, 'baseline', '{}', 1000, 0, 999, '{}', 0,
      array_fill(1.5::float8, ARRAY[60]), 1, 'd' || i, sha256('d'), 1, 's' || i, sha256('s'), 1, 'c' || i,
      sha256('c'), 1
    FROM generate_series(0, :versions - 1) i ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO fit_jobs (id, series_id, detector, points, data_sha256, data_size, status, version, created_at,
      finished_at)
    SELECT gen_random_uuid(), 'grown-' || i % :series, 'baseline', 1000, sha256('d'), 1, 'succeeded', 1,
      now() - interval '1 s' * i, now() - interval '1 s' * i FROM generate_series(1, :jobs) i
    """,
)
