"""Fits: rate of acceptance, rate of completion, and the cost of a large fit."""

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter as clock

import numpy as np
import redis

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, paired, single
from benchmark.consumption import resident
from benchmark.load import closed_loop, request
from benchmark.stack import Stack, body_of, running, wait_until
from benchmark.work.predicting import CONNECTIONS, SMALL, checked
from shared.queue import QUEUE, make_celery
from shared.store import admissions

JOBS, SERIES = 2000, 500
POINTS = 1_000_000
MIB = 1024 * 1024


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure all figures of fits."""
    fits = [request("POST", f"/fit/accepted-{number}", SMALL) for number in range(SERIES)]
    yield paired(
        "fits accepted, durable",
        "answers/s",
        lambda: checked(closed_loop(stack.api, fits, CONNECTIONS, seconds)).rate,
        lambda: checked(closed_loop(stack.ceiling, fits, CONNECTIONS, seconds)).rate,
        Target(AT_LEAST, 0.06, 0.1),
        pairs,
    )
    cancel_all(stack)
    yield paired(
        f"drain of {JOBS:,} jobs over {SERIES} series",
        "jobs/s",
        lambda: drain(stack),
        lambda: drain_empty_tasks(stack),
        Target(AT_LEAST, 0.25, 0.4),
        pairs,
    )
    yield from large_fit(stack, pairs)


def drain(stack: Stack) -> float:
    """Measure jobs per second, from a ready worker to the last version."""
    lines = b"\n".join(
        json.dumps({"series_id": f"drained-{number % SERIES}", **json.loads(SMALL)}).encode() for number in range(JOBS)
    )
    response = stack.client.post("/fit", content=lines, timeout=300).text
    assert response.count('"job_id"') == JOBS, response[:500]  # noqa: S101
    sessions = stack.sessions()

    def open_jobs() -> int:
        with sessions.statement() as session:
            return admissions.admission(session, max_count=1).open_jobs

    with stack.worker():
        began = clock()
        wait_until(lambda: not open_jobs(), 600, 0.1)
        return JOBS / (clock() - began)


def drain_empty_tasks(stack: Stack) -> float:
    """Measure messages per second with the empty task."""
    url = stack.env["REDIS_URL"].rsplit("/", 1)[0] + "/7"
    app = make_celery(url, consumes=False)
    for number in range(JOBS):
        app.send_task("nothing", args=[str(number)], queue=QUEUE, ignore_result=True)
    log = stack.folder / "nothing.log"
    with redis.Redis.from_url(url) as client, running(log, stack.env, "benchmark.tasks"):
        wait_until(lambda: b" ready." in log.read_bytes())
        began = clock()
        wait_until(lambda: log.read_bytes().count(b"succeeded in") == JOBS, 600, 0.1)
        seconds = clock() - began
        client.flushdb()
    app.close()
    return JOBS / seconds


def large_fit(stack: Stack, pairs: int) -> Iterator[Figure]:
    """Fit a million points.

    Compare the time until the 202 with `json.loads`, and the API's memory with the body; time the job without its fit.
    """
    body = body_of(range(POINTS), np.random.default_rng(1).normal(20, 5, POINTS).tolist())
    accepted, memory, overhead = [], [], []
    with stack.worker():
        for _ in range(pairs):
            loading = statistics.median(timed(json.loads, body) for _ in range(3))
            idle = resident(stack.api_pid, "VmRSS")
            Path(f"/proc/{stack.api_pid}/clear_refs").write_text("5")  # resets the peak
            began = clock()
            job_id = stack.send("large", body)
            to_202 = clock() - began
            accepted.append(to_202 / loading)
            memory.append((resident(stack.api_pid, "VmHWM") - idle) / len(body))
            job = stack.succeeded(job_id)
            version = stack.client.get(f"/series/large/versions/{job['version']}").json()
            overhead.append(clock() - began - to_202 - version["fit_ms"] / 1000)
    mib = round(len(body) / MIB, 1)
    work = f"fit of {POINTS:,} points"
    yield single(f"{work}: 202 versus json.loads", "times", accepted, Target(AT_MOST, 1, 0.6), body_mib=mib)
    yield single(f"{work}: peak memory versus the body", "times", memory, Target(AT_MOST, 6, 3), body_mib=mib)
    yield single(f"{work}: from 202 to its version, without the fit", "s", overhead, Target(AT_MOST, 1))


def cancel_all(stack: Stack) -> None:
    """Cancel all queued jobs and delete their messages, instead of fitting them."""
    with stack.sessions().begin() as session:
        session.exec_driver_sql(
            "UPDATE fit_jobs SET status = 'cancelled', finished_at = clock_timestamp() WHERE status = 'queued'"
        )
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        client.delete(QUEUE)


def timed(call: Callable[[bytes], object], argument: bytes) -> float:
    """Return the seconds that a call takes."""
    began = clock()
    call(argument)
    return clock() - began
