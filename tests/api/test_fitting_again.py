"""Fitting the points of a version again."""

from collections.abc import Callable

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp
from worker.training import Training, run

ROBUST = {"detector": "robust", "parameters": {"alarm_rate": "1 in 100"}}


def test_the_points_of_a_version_are_fitted_again_by_another_detector(
    api: httpx.Client, training: Training, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    answer = api.post(f"/series/{series_id}/versions/1/fit", json=ROBUST)
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    assert answer.headers["Location"] == f"/jobs/{job_id}"
    assert answer.json()["points_used"] == 20
    run(training, job_id)
    version = api.get(f"/series/{series_id}/versions/2").json()
    assert (version["detector"], version["parameters"]["alarm_rate"]) == ("robust", "1 in 100")
    assert api.get(f"/series/{series_id}/versions/2/data").json() == ramp()
    assert version["training_data_sha256"] == api.get(f"/series/{series_id}/versions/1").json()["training_data_sha256"]


def test_the_new_version_keeps_the_points_when_the_old_one_is_deleted(
    api: httpx.Client, training: Training, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    job_id = api.post(f"/series/{series_id}/versions/latest/fit", json=ROBUST).json()["job_id"]
    assert api.delete(f"/series/{series_id}/versions/1").status_code == 204
    run(training, job_id)
    assert api.get(f"/series/{series_id}/versions/2/data").json() == ramp()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"detector": "nobody"}, "unknown_detector"),
        ({"detector": "robust", "parameters": {"thresold": 3}}, "unknown_parameter"),
        ({"detector": "robust", "parameters": {"alarm_rate": "never"}}, "invalid_parameter"),
        ({"detector": "msnn"}, "too_few_points"),
        ({"parameters": {"exclude": [[0, 2_000_000_000]]}}, "too_few_points"),
        ({"timestamps": [1, 2, 3]}, "invalid_request"),
        ([], "invalid_request"),
    ],
)
def test_an_invalid_request_to_fit_again_is_refused_at_once(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], body: object, code: str
) -> None:
    fitted(series_id)
    answer = api.post(f"/series/{series_id}/versions/1/fit", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_series_too_short_for_the_cycle_is_refused_at_once(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    four_days = {
        "timestamps": [3_600 * hour for hour in range(96)],
        "values": [float(hour % 24) for hour in range(96)],
    }
    weekly = {"detector": "seasonal", "parameters": {"cycle": "week"}}
    first = api.post(f"/fit/{series_id}", json=four_days | weekly)
    fitted(series_id, four_days)
    refitted = api.post(f"/series/{series_id}/versions/1/fit", json=weekly)
    assert (first.status_code, first.json()["code"]) == (422, "too_few_points")
    assert (refitted.status_code, refitted.json()["code"]) == (422, "too_few_points")
    assert refitted.json()["detail"] == first.json()["detail"]


def test_an_unknown_series_or_version_cannot_be_fitted_again(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    assert api.post(f"/series/{series_id}/versions/1/fit", json=ROBUST).json()["code"] == "series_not_found"
    fitted(series_id)
    assert api.post(f"/series/{series_id}/versions/2/fit", json=ROBUST).json()["code"] == "version_not_found"


def test_a_full_queue_refuses_to_fit_a_version_again(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(series_id)
    monkeypatch.setitem(settings.__dict__, "max_queued_jobs", 0)
    answer = api.post(f"/series/{series_id}/versions/1/fit", json=ROBUST)
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
