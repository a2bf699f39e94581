"""Predictions of others beside clients that send the most expensive requests."""

import json
from collections.abc import Iterator
from functools import partial

from benchmark.comparing import AT_MOST, Figure, Target, paired
from benchmark.crowd import CLIENTS, crowd
from benchmark.load import open_loop, percentile_ms, request
from benchmark.stack import SERVE, Stack, body_of, is_up, wait_until
from benchmark.work.predicting import POINT, checked
from shared.embedded.ports import free_port
from tests.fuzz import deep, worst

RATE = 100  # predictions of others per second
POINTS = 100_000
LARGE_BYTES = 1024 * 1024  # of a request, whose transfer alone may keep the machine busy
MEASURED = (
    f"point with context, {worst.SLOW}",
    f"1,000 points, {worst.LONG}",
    "1,000 points with contexts",
    "millions of context values",
    f"batch, {worst.SLOW}, causal",
    f"batch, {worst.LONG}, retrospective",
    "fit",
    "fit with many windows",
    "one long line",
    "push",
    "push of new points",
    "line protocol",
    "remote write",
    "simulation",
    "apply",
    f"/series/{worst.STORED}/points?max_points=20000",
    f"/series/{worst.LONG}/versions/1/data",
    f"/plot?series_id={worst.LONG}",
    "/jobs?limit=200",
    "cookie",
    *(
        crowded.name
        for crowded in deep.requests(POINTS)
        if "watch=" not in crowded.path and not crowded.is_endless  # feeds: `attacking`
    ),
)


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure the 99th percentile of others beside `CLIENTS` clients of each request, and compare it with none.

    For large requests, compare it also with the same clients of a server that only reads: on the same machine, these
    cost others as much as the transfer.
    """
    with stack.worker():
        stack.fit("warm", body_of(range(1, 7), [1, 2, 3, 1, 2, 3]))
        for series_id, body in worst.fits(long=20_000).items():
            stack.fit(series_id, json.dumps(body).encode())
    port = free_port()
    stack.start("uvicorn", "benchmark.ceilings:reading", f"--port={port}", "--lifespan=off", *SERVE)
    reader = f"http://127.0.0.1:{port}"
    wait_until(lambda: is_up(reader))
    prediction = [request("POST", "/predict/warm", POINT)]

    def p99() -> float:
        tally = checked(open_loop(stack.api, prediction, 64, RATE, seconds))
        return percentile_ms(tally.latencies, 99)

    with stack.sessions().begin() as session:
        deep.fill(session, POINTS)
    for crowded in (*worst.requests(POINTS), *deep.requests(POINTS)):
        if crowded.name not in MEASURED:
            continue

        def beside(address: str, crowded: worst.Worst = crowded) -> float:
            with crowd(address, crowded):
                return p99()

        ours, work = partial(beside, stack.api), f"others' p99 beside {CLIENTS} clients: {crowded.name}"
        yield paired(work, "ms", ours, p99, Target(AT_MOST, 5), pairs)
        if len(crowded.content) >= LARGE_BYTES:
            work += ", versus clients of a server that only reads"
            yield paired(work, "ms", ours, partial(beside, reader), Target(AT_MOST, 5), pairs)
