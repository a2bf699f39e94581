"""Predictions: rate and latency, both idle and while workers fit."""

import json
import random
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import perf_counter as clock
from uuid import uuid4

import msgspec
import numpy as np
from sqlalchemy import text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, paired, single
from benchmark.load import Request, Tally, closed_loop, open_loop, percentile_ms, request
from benchmark.stack import Stack, body_of, running, wait_until
from shared.artifacts import scores_key, state_key

CONNECTIONS = 16
POINT = json.dumps({"timestamp": 1_700_000_000, "value": 2.5}).encode()
SMALL = body_of(range(1, 7), [1, 2, 3, 1, 2, 3])
MANY_SERIES, SERIES_PER_CALL = 10_000, 1000
FILLING_S = 15
BATCH_POINTS = 100_000
BATCH = body_of(range(BATCH_POINTS), np.random.default_rng(1).normal(size=BATCH_POINTS).tolist())


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure all figures of predictions and compare them with the empty endpoint."""
    with stack.worker():
        stack.fit("warm", SMALL)
    empty = [request("POST", "/predict/warm", POINT)]

    def rate(address: str, requests: list[Request]) -> float:
        return checked(closed_loop(address, requests, CONNECTIONS, seconds)).rate

    for work, path, target in (
        ("predict, latest version", "/predict/warm", Target(AT_LEAST, 0.7, 1.0)),
        ("predict, named version", "/predict/warm?version=1", Target(AT_LEAST, 0.8, 1.2)),
    ):
        ours = [request("POST", path, POINT)]
        yield paired(
            work,
            "answers/s",
            lambda ours=ours: rate(stack.api, ours),  # type: ignore[misc]
            lambda: rate(stack.ceiling, empty),
            target,
            pairs,
        )
    copy_series(stack)
    spread = [request("POST", f"/predict/copy-{number}", POINT) for number in range(MANY_SERIES)]
    random.Random(1).shuffle(spread)  # noqa: S311
    checked(closed_loop(stack.api, spread, CONNECTIONS, FILLING_S))  # fills the cache
    yield paired(
        f"predict across {MANY_SERIES:,} series",
        "answers/s",
        lambda: rate(stack.api, spread),
        lambda: rate(stack.ceiling, empty),
        Target(AT_LEAST, 0.5, 0.8),
        pairs,
    )
    points = [{"series_id": f"copy-{number}", "timestamp": 1, "value": 2.5} for number in range(SERIES_PER_CALL)]
    many = [request("POST", "/predict", json.dumps({"points": points}).encode())]
    verdicts = [SERIES_PER_CALL * checked(closed_loop(stack.api, many, 2, seconds)).rate for _ in range(pairs)]
    yield single(f"{SERIES_PER_CALL:,} series in one call", "verdicts/s", verdicts, Target(AT_LEAST, 20_000))
    yield batches(stack, pairs)
    yield from under_fits(stack, pairs, seconds)


def batches(stack: Stack, pairs: int) -> Figure:
    """Compare a batch with parsing its body and serializing its response."""
    content = stack.client.post("/predict/warm/batch", content=BATCH).content
    parsed = msgspec.json.decode(content)
    large = [request("POST", "/predict/warm/batch", BATCH)]

    def ours() -> float:
        return BATCH_POINTS * checked(closed_loop(stack.api, large, 1, 3)).rate

    def theirs() -> float:
        times = []
        for _ in range(8):
            began = clock()
            body = msgspec.json.decode(BATCH)
            np.array(body["timestamps"]), np.array(body["values"])
            msgspec.json.encode(parsed)
            times.append(clock() - began)
        return BATCH_POINTS / statistics.median(times)

    return paired(f"batch of {BATCH_POINTS:,} points", "points/s", ours, theirs, Target(AT_LEAST, 0.5, 0.8), pairs)


def under_fits(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure the 99th percentile at half the capacity of the API while both children of a worker fit.

    Compare it with an idle machine, and with two busy loops of the same niceness, which show the cost of any other load
    on this machine.
    """
    requests = [request("POST", "/predict/warm", POINT)]
    half_capacity = checked(closed_loop(stack.api, requests, CONNECTIONS, seconds)).rate / 2
    large = body_of(range(200_000), np.random.default_rng(1).normal(size=200_000).tolist())
    numbers = count()

    def p99() -> float:
        tally = checked(open_loop(stack.api, requests, 64, half_capacity, 2 * seconds))
        return percentile_ms(tally.latencies, 99)

    def fitting() -> float:
        job_ids = [stack.send(f"busy-{next(numbers)}", large) for _ in range(60)]
        with stack.worker():
            latency = p99()
        for job_id in job_ids:
            stack.client.post(f"/jobs/{job_id}/cancel")
        return latency

    def looping() -> float:
        niceness = str(stack.settings.worker_niceness)
        with ExitStack() as loops:
            for log in (stack.folder / "loop-1.log", stack.folder / "loop-2.log"):
                loops.enter_context(running(log, stack.env, "benchmark.loop", niceness))
                wait_until(log.read_bytes)
            return p99()

    work = "p99 while workers fit, open loop"
    yield paired(work, "ms", fitting, p99, Target(AT_MOST, 3, 1.5), pairs, rate=round(half_capacity))
    yield paired(
        f"{work}, versus busy loops", "ms", fitting, looping, Target(AT_MOST, 2), pairs, rate=round(half_capacity)
    )


def copy_series(stack: Stack, source: str = "warm", prefix: str = "copy-", number: int = MANY_SERIES) -> None:
    """Copy one series many times, with files and rows for each, because fitting them would take minutes."""
    folder = Path(stack.env["MODEL_STATE_FOLDER"])
    state = next(path for path in folder.glob(f"{source}/*.1.*") if "scores" not in path.name)
    content, suffix = state.read_bytes(), state.name.partition(".1")[2]
    rows = []
    for place in range(number):
        series_id, job_id = f"{prefix}{place}", str(uuid4())
        key = state_key(series_id, job_id, 1, suffix)
        (folder / series_id).mkdir()
        (folder / key).write_bytes(content)
        names = {"series_id": series_id, "job_id": job_id, "source": source}
        rows.append({**names, "key": key, "scores": scores_key(series_id, job_id, 1)})
    with stack.sessions().begin() as session:
        # Disable triggers, because these versions have no jobs.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("INSERT INTO series (series_id, last_version) VALUES (:series_id, 1)"), rows)
        session.execute(COPY, rows)


COPY = text("""
INSERT INTO versions (series_id, version, job_id, attempt, detector, parameters, points, first_timestamp,
  last_timestamp, learnt, anomaly_share, sparkline, fit_ms, data_key, data_sha256, data_size, state_key,
  state_sha256, state_size, scores_key, scores_sha256, scores_size)
SELECT :series_id, 1, CAST(:job_id AS uuid), 1, detector, parameters, points, first_timestamp, last_timestamp, learnt,
  anomaly_share, sparkline, fit_ms, data_key, data_sha256, data_size, :key, state_sha256, state_size, :scores,
  scores_sha256, scores_size
FROM versions WHERE series_id = :source AND version = 1
""")


def checked(tally: Tally) -> Tally:
    """Return the tally; end the benchmark if any response was not 2xx, because the rate would be meaningless."""
    if tally.errors:
        sys.exit(f"{tally.errors} requests did not return 2xx.")
    return tally
