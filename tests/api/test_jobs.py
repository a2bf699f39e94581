import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import api_process
from tests.waiting import until
from worker.training import Training, run


def test_a_queued_job_shows_its_request_and_queue_position(api: httpx.Client, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp(7)).json()["job_id"]
    job = api.get(f"/jobs/{job_id}").json()
    assert job["status"] == "queued"
    assert job["series_id"] == series_id
    assert job["detector"] == "baseline"
    assert job["parameters"] == {"threshold": 3.0, "direction": "both", "alarm_rate": "off", "exclude": []}
    assert job["points_used"] == 7
    assert job["progress"] == 0
    assert job["attempts"] == 0
    assert job["queue_position"] >= 0
    unset = ("version", "worker", "retry_of", "error", "started_at", "finished_at")
    assert {name: job[name] for name in unset} == dict.fromkeys(unset)


def test_a_succeeded_job_has_its_version_as_a_string(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    job = api.get(f"/jobs/{fitted(series_id)}").json()
    assert (job["status"], job["version"], job["progress"], job["attempts"]) == ("succeeded", "1", 1.0, 1)
    assert job["worker"] == "in-test"
    assert job["queue_position"] is None
    assert job["created_at"] < job["started_at"] < job["finished_at"]
    for link in job["links"].values():
        assert api.get(link).status_code == 200


@pytest.mark.parametrize("job_id", ["2e6e0eab-0694-448b-8eea-79b35f7a58c1", "7", "not-a-job", "x" * 500])
def test_an_unknown_job_is_not_found_and_never_pending(api: httpx.Client, job_id: str) -> None:
    answer = api.get(f"/jobs/{job_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_a_wait_ends_when_the_job_ends(api: httpx.Client, series_id: str, training: Training) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(api.get, f"/jobs/{job_id}?wait=25")
        run(training, job_id)
        assert waiting.result().json()["status"] == "succeeded"
    assert time.monotonic() - began < 20


def test_a_wait_that_times_out_returns_the_current_state(api: httpx.Client, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    answer = api.get(f"/jobs/{job_id}?wait=0.2")
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


@pytest.mark.parametrize("wait", ["31", "-1", "soon", "NaN", "1e9"])
def test_a_wait_is_at_most_half_a_minute(api: httpx.Client, wait: str) -> None:
    answer = api.get(f"/jobs/{uuid4()}?wait={wait}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def is_polled(sessions: Sessions) -> bool:
    """Whether an API process polled for finished jobs in the last second."""
    with sessions.begin() as session:
        recent_polls = text(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tsad-api' "
            "AND query LIKE '%AS job_id, revision, status%' AND query_start > clock_timestamp() - interval '1 s'"
        )
        return bool(session.execute(recent_polls).scalar())


def test_waits_end_when_the_process_stops(
    settings: Settings, sessions: Sessions, series_id: str, api: httpx.Client, tmp_path: Path
) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    with (
        ThreadPoolExecutor(1) as pool,
        api_process(settings, tmp_path, "--timeout-graceful-shutdown=25") as (process, client),
    ):
        waiting = pool.submit(client.get, f"/jobs/{job_id}?wait=30", timeout=40)
        until(lambda: is_polled(sessions), 10)
        began = time.monotonic()
        process.popen.terminate()
        assert waiting.result().json()["status"] == "queued"
        process.popen.wait()
        assert time.monotonic() - began < 10
