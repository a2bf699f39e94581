"""The slowest turns of the event loop, during the most expensive requests."""

import gc
import json
from collections.abc import Iterator

import httpx

from shared.store.engine import Sessions
from tests.fuzz import deep, worst
from tests.fuzz.report import Row
from tests.turns import Turns
from tests.waiting import until

POINTS = 50_000
ATTEMPTS = 3
WITHIN_S = 120  # for one request, on a busy machine
MAX_TURN_S = 0.05  # of processor time, in the best attempt, on a machine with much other load


def measure(api: httpx.Client, sessions: Sessions, turns: Turns) -> Iterator[Row]:
    """One row for the most expensive requests."""
    api.timeout = httpx.Timeout(WITHIN_S)
    _fit(api)
    with sessions.begin() as session:
        deep.fill(session, POINTS)
    gc.collect()
    gc.freeze()  # as the API does at its start: full collections of everything imported would count as turns
    slowest = []
    for request in (*worst.requests(POINTS), *deep.requests(POINTS)):
        attempts: list[float] = []
        while not attempts or (min(attempts) > MAX_TURN_S and len(attempts) < ATTEMPTS):
            turns.reset()
            answer = request.send(api)
            attempts.append(turns.slowest_s)
        slowest.append((min(attempts), f"{request.name}, answered {answer.status_code}"))
    slowest.sort(reverse=True)
    wrong = [f"a turn of {1000 * seconds:.0f} ms: {request}" for seconds, request in slowest if seconds > MAX_TURN_S]
    shown = "; ".join(f"{1000 * seconds:.1f} ms, {request}" for seconds, request in slowest[:3])
    yield Row("expensive requests", len(slowest), wrong, f"slowest turns: {shown}")


def _fit(api: httpx.Client) -> None:
    for series_id, body in worst.fits(long=20_000).items():
        job_id = api.post(f"/fit/{series_id}", content=json.dumps(body)).json()["job_id"]
        until(lambda job_id=job_id: api.get(f"/jobs/{job_id}?wait=20").json()["status"] == "succeeded", 120)  # type: ignore[misc]
