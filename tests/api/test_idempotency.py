"""Idempotency-Key and Prefer: wait on a fit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from threading import Thread

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp
from tests.processes import serving
from worker.training import Training, run


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": token_hex(8)}


def test_repeating_a_fit_with_its_key_returns_the_same_job(
    api: httpx.Client, training: Training, series_id: str, key: dict[str, str]
) -> None:
    first = api.post(f"/fit/{series_id}", json=ramp(), headers=key)
    assert first.status_code == 202
    run(training, first.json()["job_id"])
    repeated = api.post(f"/fit/{series_id}", json=ramp(), headers=key)
    assert (repeated.status_code, repeated.json()) == (202, first.json() | {"status": "succeeded"})
    assert api.get(f"/series/{series_id}").json()["versions"] == 1


def test_a_key_matches_an_equivalent_request_in_other_notation(
    api: httpx.Client, series_id: str, key: dict[str, str]
) -> None:
    first = api.post(f"/fit/{series_id}", json=ramp(), headers=key).json()["job_id"]
    with_defaults = ramp(
        detector="baseline",
        parameters={"direction": "both", "threshold": 3},
        values=[float(value) for value in ramp()["values"]],
    )
    assert api.post(f"/fit/{series_id}", json=with_defaults, headers=key).json()["job_id"] == first


def test_concurrent_repetitions_create_one_job(api: httpx.Client, series_id: str, key: dict[str, str]) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: api.post(f"/fit/{series_id}", json=ramp(), headers=key), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert len(api.get("/jobs", params={"series_id": series_id}).json()["jobs"]) == 1


@pytest.mark.parametrize(
    "other",
    [ramp(values=[*ramp()["values"][:-1], 77]), ramp(parameters={"threshold": 4}), ramp(timestamps=list(range(20)))],
)
def test_a_key_cannot_be_reused_for_a_different_request(
    api: httpx.Client, series_id: str, key: dict[str, str], other: dict[str, object]
) -> None:
    api.post(f"/fit/{series_id}", json=ramp(), headers=key)
    for path, body in ((f"/fit/{series_id}", other), (f"/fit/{series_id}-b", ramp())):
        answer = api.post(path, json=body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_repetition_is_answered_even_if_the_queue_is_full(
    settings: Settings, api: httpx.Client, series_id: str, key: dict[str, str]
) -> None:
    first = api.post(f"/fit/{series_id}", json=ramp(), headers=key).json()["job_id"]
    with serving(settings.model_copy(update={"max_queued_jobs": 1})) as full:
        assert full.post(f"/fit/{series_id}", json=ramp()).status_code == 429
        assert full.post(f"/fit/{series_id}", json=ramp(), headers=key).json()["job_id"] == first


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "a\tb", "é"])
def test_a_key_must_be_visible_ascii(api: httpx.Client, series_id: str, key: str) -> None:
    answer = api.post(f"/fit/{series_id}", json=ramp(), headers={b"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_response_can_wait_for_the_job(api: httpx.Client, training: Training, series_id: str) -> None:
    def work() -> None:
        while not (jobs := api.get("/jobs", params={"series_id": series_id}).json()["jobs"]):
            pass
        run(training, jobs[0]["job_id"])

    worker = Thread(target=work)
    worker.start()
    answer = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "respond-async, wait=20"})
    worker.join()
    assert (answer.status_code, answer.json()["status"], answer.json()["version"]) == (200, "succeeded", "1")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"] == f"/jobs/{answer.json()['job_id']}"


def test_a_response_whose_wait_timed_out_is_202(api: httpx.Client, series_id: str) -> None:
    answer = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


@pytest.mark.parametrize("prefer", ["wait", "wait=-1", "wait=soon", "return=minimal", "await=9", "wait=0"])
def test_a_preference_that_cannot_be_met_is_ignored(
    api: httpx.Client, series_id: str, prefer: str, fitted: Callable[..., str]
) -> None:
    answer = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
