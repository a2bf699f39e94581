"""Lists of jobs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.points import ramp


def accepted(api: httpx.Client, series_id: str, jobs: int = 1) -> list[str]:
    return [str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]) for _ in range(jobs)]


def listed(api: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/jobs", params=query)
    assert answer.status_code == 200, answer.text
    jobs: list[dict[str, Any]] = answer.json()["jobs"]
    return jobs


def test_jobs_are_listed_newest_first(api: httpx.Client, series_id: str) -> None:
    job_ids = accepted(api, series_id, 3)
    assert [job["job_id"] for job in listed(api, series_id=series_id)] == job_ids[::-1]
    assert listed(api, limit=1)[0]["job_id"] == job_ids[-1]
    assert listed(api, series_id=series_id)[0] == api.get(f"/jobs/{job_ids[-1]}").json()


def test_pages_contain_every_job_once_while_new_ones_arrive(api: httpx.Client, series_id: str) -> None:
    job_ids = accepted(api, series_id, 5)
    listed_ids: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = api.get("/jobs", params=dict[str, Any](series_id=series_id, limit=2) | cursor).json()
        listed_ids += [job["job_id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        accepted(api, series_id)
    assert listed_ids == job_ids[::-1]


def test_a_list_can_be_limited_to_one_status(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    succeeded = fitted(series_id)
    cancelled, queued = accepted(api, series_id, 2)
    api.post(f"/jobs/{cancelled}/cancel")
    for status, job_id in (("succeeded", succeeded), ("cancelled", cancelled), ("queued", queued)):
        assert [job["job_id"] for job in listed(api, series_id=series_id, status=status)] == [job_id]
    assert listed(api, series_id=series_id, status="running") == []


def test_a_list_can_be_limited_by_time(api: httpx.Client, series_id: str) -> None:
    first, second, third = accepted(api, series_id, 3)
    middle = datetime.fromisoformat(api.get(f"/jobs/{second}").json()["created_at"])
    after = listed(api, series_id=series_id, created_after=middle.isoformat())
    before = listed(api, series_id=series_id, created_before=middle.isoformat())
    assert ([job["job_id"] for job in after], [job["job_id"] for job in before]) == ([third], [first])
    bounds: dict[str, Any] = {
        "created_after": (middle - timedelta(microseconds=1)).isoformat(),
        "created_before": int(middle.timestamp()) + 60,
    }
    assert second in [job["job_id"] for job in listed(api, series_id=series_id, **bounds)]


def test_the_queue_position_counts_the_jobs_ahead(api: httpx.Client, series_id: str) -> None:
    accepted(api, series_id, 3)
    places = [job["queue_position"] for job in listed(api, series_id=series_id)]
    assert places == [places[-1] + 2, places[-1] + 1, places[-1]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_request"),
        ("limit=201", "invalid_request"),
        ("status=pending", "invalid_request"),
        ("created_after=0001-01-01T00:00:00%2B20:27", "invalid_request"),
        ("created_after=yesterday", "invalid_request"),
        ("series_id=..", "invalid_series_id"),
        ("cursor=1", "invalid_cursor"),
        ("cursor=99999999999999999999-1", "invalid_cursor"),
        ("cursor=99999999999999999-1", ""),
        ("cursor=1-999999999999999999", ""),
        ("cursor=%00", "invalid_cursor"),
    ],
)
def test_list_parameters_are_validated(api: httpx.Client, query: str, code: str) -> None:
    answer = api.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json().get("code", "")) == (422 if code else 200, code)


def test_a_time_may_have_an_offset_that_the_database_rejects(api: httpx.Client) -> None:
    assert api.get("/jobs?created_before=0474-05-07T06:33:05.861-20:27").json()["jobs"] == []
