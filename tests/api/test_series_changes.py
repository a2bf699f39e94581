"""Pinning, unpinning and deleting."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp
from tests.processes import serving
from worker.training import Training, run

Fitted = Callable[..., str]


@pytest.fixture
def three_versions(series_id: str, fitted: Fitted) -> str:
    """A series of three versions with different means."""
    for place in range(3):
        fitted(series_id, ramp(values=[value + 100 * place for value in ramp()["values"]]))
    return series_id


def verdict(api: httpx.Client, series_id: str, **query: Any) -> tuple[int, Any]:
    answer = api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 2}, params=query)
    return answer.status_code, answer.json().get("model_version", answer.json().get("code"))


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_pinned_version_is_latest_until_the_pin_is_removed(
    api: httpx.Client, three_versions: str, fitted: Fitted
) -> None:
    pinned = api.put(f"/series/{three_versions}/pin", json={"version": 2})
    assert (pinned.status_code, pinned.json()["pinned_version"], pinned.json()["latest_version"]) == (200, "2", "2")
    assert verdict(api, three_versions) == (200, "2")
    fitted(three_versions)
    assert verdict(api, three_versions) == (200, "2")
    assert verdict(api, three_versions, version="4") == (200, "4")
    unpinned = api.delete(f"/series/{three_versions}/pin").json()
    assert (unpinned["pinned_version"], unpinned["latest_version"]) == (None, "4")
    assert verdict(api, three_versions) == (200, "4")
    assert api.delete(f"/series/{three_versions}/pin").status_code == 200


def test_every_process_follows_a_pin_as_soon_as_it_is_confirmed(
    api: httpx.Client, three_versions: str, settings: Settings
) -> None:
    with serving(settings) as other:
        for version in (1, 2, 3, 1, 3, 2) * 5:
            api.put(f"/series/{three_versions}/pin", json={"version": version})
            assert verdict(other, three_versions) == verdict(api, three_versions) == (200, str(version))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"version": 4}, (404, "version_not_found")),
        ({"version": 0}, (422, "invalid_request")),
        ({"version": "2"}, (422, "invalid_request")),
        ({"version": True}, (422, "invalid_request")),
        ({"version": 2**31}, (422, "invalid_request")),
        ({}, (422, "invalid_request")),
        ([], (422, "invalid_request")),
    ],
)
def test_only_an_existing_version_can_be_pinned(
    api: httpx.Client, three_versions: str, body: object, expected: tuple[int, str]
) -> None:
    assert problem(api.put(f"/series/{three_versions}/pin", json=body)) == expected
    assert verdict(api, three_versions) == (200, "3")


def test_an_unknown_series_cannot_be_changed(api: httpx.Client, series_id: str) -> None:
    not_found = (404, "series_not_found")
    assert problem(api.put(f"/series/{series_id}/pin", json={"version": 1})) == not_found
    assert problem(api.delete(f"/series/{series_id}/pin")) == not_found
    assert problem(api.delete(f"/series/{series_id}")) == not_found
    assert problem(api.delete(f"/series/{series_id}/versions/1")) == not_found


def test_a_deleted_version_is_gone_and_its_number_is_never_reused(
    api: httpx.Client, three_versions: str, fitted: Fitted
) -> None:
    deleted = api.delete(f"/series/{three_versions}/versions/3")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert verdict(api, three_versions) == (200, "2")
    assert problem(api.get(f"/series/{three_versions}/versions/3")) == (404, "version_not_found")
    assert problem(api.delete(f"/series/{three_versions}/versions/v3")) == (404, "version_not_found")
    fitted(three_versions)
    numbers = [version["version"] for version in api.get(f"/series/{three_versions}/versions").json()["versions"]]
    assert numbers == ["4", "2", "1"]


def test_a_job_may_name_a_version_that_has_since_been_deleted(
    api: httpx.Client, series_id: str, fitted: Fitted
) -> None:
    job_id = fitted(series_id)
    api.delete(f"/series/{series_id}/versions/1")
    assert api.get(f"/jobs/{job_id}").json()["version"] == "1"


@pytest.mark.parametrize("version", ["latest", "0", "-1", "one", "1.0"])
def test_a_version_to_delete_must_be_named_by_its_number(api: httpx.Client, three_versions: str, version: str) -> None:
    assert problem(api.delete(f"/series/{three_versions}/versions/{version}")) == (422, "invalid_version")


def test_a_pinned_version_cannot_be_deleted(api: httpx.Client, three_versions: str) -> None:
    api.put(f"/series/{three_versions}/pin", json={"version": 2})
    assert problem(api.delete(f"/series/{three_versions}/versions/2")) == (409, "version_pinned")
    assert verdict(api, three_versions) == (200, "2")
    api.delete(f"/series/{three_versions}/pin")
    assert api.delete(f"/series/{three_versions}/versions/2").status_code == 204


def test_a_deleted_series_is_gone_and_restarts_with_higher_version_numbers(
    api: httpx.Client, training: Training, three_versions: str, fitted: Fitted, settings: Settings
) -> None:
    api.put(f"/series/{three_versions}/pin", json={"version": 2})
    open_job = api.post(f"/fit/{three_versions}", json=ramp()).json()["job_id"]
    with serving(settings) as other:
        assert verdict(other, three_versions) == (200, "2")
        deleted = api.delete(f"/series/{three_versions}")
        assert (deleted.status_code, deleted.json()) == (
            200,
            {"series_id": three_versions, "deleted_versions": 3, "cancelled_jobs": [open_job]},
        )
        assert verdict(other, three_versions) == verdict(api, three_versions) == (404, "series_not_found")
    run(training, open_job)
    assert api.get(f"/jobs/{open_job}").json()["status"] == "cancelled"
    assert problem(api.get(f"/series/{three_versions}")) == (404, "series_not_found")
    assert problem(api.delete(f"/series/{three_versions}")) == (404, "series_not_found")
    assert three_versions not in [
        series["series_id"] for series in api.get("/series", params={"prefix": three_versions}).json()["series"]
    ]
    fitted(three_versions)
    assert verdict(api, three_versions) == (200, "4")


def test_a_series_without_versions_exists_as_long_as_one_of_its_jobs_can_be_retried(
    api: httpx.Client, series_id: str, fitted: Fitted
) -> None:
    cancelled = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    api.post(f"/jobs/{cancelled}/cancel")
    fitted(series_id)
    assert api.delete(f"/series/{series_id}/versions/1").status_code == 204
    assert api.get(f"/series/{series_id}").status_code == api.get(f"/ui/series/{series_id}").status_code == 200
    assert api.delete(f"/series/{series_id}").status_code == 200
    assert api.get(f"/series/{series_id}").status_code == api.get(f"/ui/series/{series_id}").status_code == 404


def test_a_series_whose_first_fit_is_still_open_can_be_deleted(api: httpx.Client, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    assert api.get(f"/series/{series_id}").json()["last_job"]["job_id"] == job_id
    assert api.delete(f"/series/{series_id}").json()["cancelled_jobs"] == [job_id]


def test_concurrent_fits_and_deletions_leave_a_consistent_state(
    api: httpx.Client, training: Training, series_id: str
) -> None:
    def fit(_: int) -> str:
        return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])

    def delete(_: int) -> int:
        return api.delete(f"/series/{series_id}").status_code

    with ThreadPoolExecutor(8) as pool:
        fits = pool.map(fit, range(12))
        deletions = set(pool.map(delete, range(12)))
        job_ids = list(fits)
    assert deletions <= {200, 404}
    open_jobs = [job_id for job_id in job_ids if api.get(f"/jobs/{job_id}").json()["status"] == "queued"]
    for job_id in reversed(open_jobs * len(open_jobs)):
        run(training, job_id)
    statuses = [api.get(f"/jobs/{job_id}").json()["status"] for job_id in job_ids]
    assert statuses.count("succeeded") == len(open_jobs)
    assert statuses.count("cancelled") == len(job_ids) - len(open_jobs)
