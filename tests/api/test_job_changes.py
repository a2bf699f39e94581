"""Canceling and retrying jobs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain import detectors
from shared.errors import Code, FitError
from shared.settings import Settings
from shared.store import attempts
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import serving
from worker import training as trainings
from worker.training import Training, run

Fitted = Callable[..., str]


@pytest.fixture
def job_id(api: httpx.Client, series_id: str) -> str:
    return accepted(api, series_id)


def accepted(api: httpx.Client, series_id: str) -> str:
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])


def failed(api: httpx.Client, training: Training, monkeypatch: pytest.MonkeyPatch, series_id: str) -> str:
    def fail(*_: object) -> None:
        raise FitError(Code.FIT_FAILED, "No two points are alike.")

    job_id = accepted(api, series_id)
    with monkeypatch.context() as patch:
        patch.setattr(trainings, "named", lambda name: replace(detectors.named(name), fit=fail))
        run(training, job_id)
    return job_id


def test_a_queued_job_is_canceled_at_once_and_permanently(
    api: httpx.Client, training: Training, series_id: str, job_id: str
) -> None:
    cancelled = api.post(f"/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["finished_at"]
    run(training, job_id)
    assert api.get(f"/jobs/{job_id}").json() == cancelled.json()
    assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1}).status_code == 404


def test_canceling_again_changes_nothing(api: httpx.Client, job_id: str) -> None:
    first, second = (api.post(f"/jobs/{job_id}/cancel") for _ in range(2))
    assert (second.status_code, second.json()) == (200, first.json())


def test_a_canceled_running_job_publishes_nothing(
    api: httpx.Client, training: Training, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = detectors.named("baseline")

    def fit(series: Any, parameters: Any, progress: Any) -> Any:
        assert api.get(f"/jobs/{job_id}").json()["status"] == "running"
        assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
        return real.fit(series, parameters, progress)

    with monkeypatch.context() as patch:
        patch.setattr(trainings, "named", lambda _: replace(real, fit=fit))
        run(training, job_id)
    job = api.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["version"], job["error"]) == ("cancelled", None, None)


def test_the_next_job_of_the_series_follows_a_canceled_one(
    api: httpx.Client, training: Training, series_id: str, job_id: str
) -> None:
    following = accepted(api, series_id)
    api.post(f"/jobs/{job_id}/cancel")
    run(training, following)
    assert api.get(f"/jobs/{following}").json()["version"] == "1"


def test_a_job_that_has_ended_cannot_be_canceled(
    api: httpx.Client, training: Training, fitted: Fitted, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for finished_job, status in (
        (fitted(series_id), "succeeded"),
        (failed(api, training, monkeypatch, series_id), "failed"),
    ):
        answer = api.post(f"/jobs/{finished_job}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
        assert status in answer.json()["detail"]


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("unknown", ["2e6e0eab-0694-448b-8eea-79b35f7a58c1", "7"])
def test_an_unknown_job_can_neither_be_canceled_nor_retried(api: httpx.Client, action: str, unknown: str) -> None:
    answer = api.post(f"/jobs/{unknown}/{action}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_a_failed_job_is_retried_as_a_new_one_with_the_same_data(
    api: httpx.Client, training: Training, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = failed(api, training, monkeypatch, series_id)
    answer = api.post(f"/jobs/{old}/retry")
    assert answer.status_code == 202
    new = answer.json()["job_id"]
    assert answer.headers["Location"] == f"/jobs/{new}"
    assert new != old
    job = api.get(f"/jobs/{new}").json()
    assert (job["retry_of"], job["status"], job["points_used"]) == (old, "queued", 20)
    run(training, new)
    assert api.get(f"/jobs/{new}").json()["version"] == "1"
    assert api.get(f"/series/{series_id}/versions/1/data").json() == ramp()


def test_a_canceled_job_can_be_retried(api: httpx.Client, training: Training, job_id: str) -> None:
    link = api.post(f"/jobs/{job_id}/cancel").json()["links"]["retry"]
    new = api.post(link).json()["job_id"]
    run(training, new)
    assert api.get(f"/jobs/{new}").json()["status"] == "succeeded"


def test_concurrent_retries_create_one_open_job(api: httpx.Client, training: Training, job_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post(f"/jobs/{job_id}/retry"), range(16)))
    assert {answer.status_code for answer in answers} == {202}
    (new,) = {answer.json()["job_id"] for answer in answers}
    run(training, new)
    assert api.post(f"/jobs/{job_id}/retry").json()["job_id"] != new


def test_retrying_again_returns_the_open_retry(api: httpx.Client, sessions: Sessions, job_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    new = api.post(f"/jobs/{job_id}/retry").json()["job_id"]
    with sessions.begin() as session:
        assert attempts.claim(session, new, "another", 60)
    answer = api.post(f"/jobs/{job_id}/retry").json()
    assert (answer["job_id"], answer["status"]) == (new, "running")


def test_a_job_that_succeeded_or_is_open_is_not_retried(
    api: httpx.Client, fitted: Fitted, series_id: str, job_id: str
) -> None:
    for job in (job_id, fitted(f"{series_id}-b")):
        answer = api.post(f"/jobs/{job}/retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_retryable")


def test_the_data_of_a_deleted_series_is_gone(api: httpx.Client, series_id: str, job_id: str) -> None:
    assert api.delete(f"/series/{series_id}").json()["cancelled_jobs"] == [job_id]
    answer = api.post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (410, "data_gone")
    assert "retry" not in api.get(f"/jobs/{job_id}").json()["links"]


def test_a_full_queue_refuses_retries_too(settings: Settings, api: httpx.Client, job_id: str, series_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    accepted(api, series_id)
    with serving(settings.model_copy(update={"max_queued_jobs": 1})) as full_api:
        answer = full_api.post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_retry_is_checked_like_a_fit(settings: Settings, api: httpx.Client, job_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    with serving(settings.model_copy(update={"min_training_data_points": 21})) as strict_api:
        answer = strict_api.post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_points")
    assert api.post(f"/jobs/{job_id}/retry").status_code == 202


def test_a_retry_is_refused_at_once_if_its_data_is_damaged(settings: Settings, api: httpx.Client, job_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    (data,) = Path(settings.training_data_folder).glob(f"*/{job_id}.npz")
    data.write_bytes(b"damaged")
    answer = api.post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (500, "artifact_damaged")


def test_links_show_the_possible_actions_on_a_job(
    api: httpx.Client, sessions: Sessions, fitted: Fitted, series_id: str, job_id: str
) -> None:
    always = {"self": f"/jobs/{job_id}", "series": f"/series/{series_id}"}
    while_open = always | {"events": f"/jobs/{job_id}/events", "cancel": f"/jobs/{job_id}/cancel"}
    assert api.get(f"/jobs/{job_id}").json()["links"] == while_open
    with sessions.begin() as session:
        assert attempts.claim(session, job_id, "another", 60)
    assert api.get(f"/jobs/{job_id}").json()["links"] == while_open
    api.post(f"/jobs/{job_id}/cancel")
    assert api.get(f"/jobs/{job_id}").json()["links"] == always | {"retry": f"/jobs/{job_id}/retry"}
    succeeded = api.get(f"/jobs/{fitted(series_id)}").json()["links"]
    assert {"version", "plot"} <= set(succeeded)
    assert not {"events", "cancel", "retry"} & set(succeeded)
