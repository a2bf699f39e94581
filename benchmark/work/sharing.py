"""Predictions of others beside clients that send the most expensive requests."""

import json
import statistics
from collections.abc import Iterator

from benchmark.comparing import AT_MOST, Figure, Target, paired
from benchmark.crowd import CLIENTS, crowd
from benchmark.load import open_loop, request
from benchmark.stack import Stack, body_of
from benchmark.work.predicting import POINT, checked
from tests.fuzz import worst

RATE = 100  # predictions of others per second
POINTS = 100_000
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
)


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Measure the 99th percentile of others beside `CLIENTS` clients of each request, and compare it with none."""
    with stack.worker():
        stack.fit("warm", body_of(range(1, 7), [1, 2, 3, 1, 2, 3]))
        for series_id, body in worst.fits(long=20_000).items():
            stack.fit(series_id, json.dumps(body).encode())
    prediction = [request("POST", "/predict/warm", POINT)]

    def p99() -> float:
        tally = checked(open_loop(stack.api, prediction, 64, RATE, seconds))
        return 1000 * statistics.quantiles(tally.latencies, n=100)[98]

    for crowded in worst.requests(POINTS):
        if crowded.name not in MEASURED:
            continue

        def beside(crowded: worst.Worst = crowded) -> float:
            with crowd(stack.api, crowded):
                return p99()

        yield paired(
            f"others' p99 beside {CLIENTS} clients: {crowded.name}", "ms", beside, p99, Target(AT_MOST, 5), pairs
        )
