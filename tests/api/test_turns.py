"""No request keeps the event loop from others for long, whatever it sends."""

import logging
from collections.abc import Iterator

import httpx
import pytest

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.fuzz import deep, worst
from tests.fuzz.worst import Worst
from tests.processes import serving
from tests.turns import Turns
from worker import training as trainings

MAX_TURN_S = 0.02  # of processor time; on a machine without other load, 0.005 holds
ATTEMPTS = 5  # the least counts: other load on the machine slows a turn down, and nothing speeds it up
POINTS, ROWS = 3_000, 500


@pytest.fixture(scope="module")
def watched(
    settings: Settings, sessions: Sessions, training: trainings.Training
) -> Iterator[tuple[httpx.Client, Turns]]:
    """An API whose turns are measured, and the series and rows that the requests need."""
    turns = Turns()
    with serving(settings, change=turns.install) as api:
        for series_id, body in worst.fits(long=POINTS).items():
            job = api.post(f"/fit/{series_id}", json=body).json()
            trainings.run(training, job["job_id"])
        with sessions.begin() as session:
            deep.fill(session, ROWS)
        yield api, turns
    with sessions.begin() as session:
        deep.empty(session)


def test_no_request_takes_the_event_loop_for_long(
    watched: tuple[httpx.Client, Turns], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # the log of a failed test would contain every path
    api, turns = watched
    slow = []
    for request in (*worst.requests(POINTS), *deep.requests(ROWS)):
        attempts = [turn_s(api, turns, request)]
        while min(attempts) > MAX_TURN_S and len(attempts) < ATTEMPTS:
            attempts.append(turn_s(api, turns, request))
        if min(attempts) > MAX_TURN_S:
            slow.append(f"{request.name}: {1000 * min(attempts):.1f} ms")
    assert not slow


def turn_s(api: httpx.Client, turns: Turns, request: Worst) -> float:
    """The slowest turn while the request is answered."""
    turns.reset()
    answer = request.send(api)
    assert answer.status_code < 500, request.name
    return turns.slowest_s
