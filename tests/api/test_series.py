import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp


def test_a_series_is_known_while_its_first_fit_is_open(api: httpx.Client, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    series = api.get(f"/series/{series_id}").json()
    assert series["latest_version"] is None
    assert series["versions"] == 0
    assert (series["last_job"]["job_id"], series["last_job"]["status"]) == (job_id, "queued")
    for path in ("versions", "versions/latest", "versions/1", "versions/1/data"):
        assert api.get(f"/series/{series_id}/{path}").json()["code"] == "series_not_found"


def test_a_series_shows_its_latest_version(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id)
    job_id = fitted(series_id, ramp(30))
    series = api.get(f"/series/{series_id}").json()
    assert (series["latest_version"], series["pinned_version"], series["versions"]) == ("2", None, 2)
    assert (series["points"], series["first_timestamp"]) == (30, 1_700_000_000)
    assert series["last_job"]["job_id"] == job_id
    assert series["sparkline"] == ramp(30)["values"]


def test_a_version_shows_its_training_data_and_what_it_learned(
    api: httpx.Client, settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    values = [*ramp(20)["values"], 500.0]
    job_id = fitted(series_id, ramp(21, values=values, parameters={"threshold": 4}))
    version = api.get(f"/series/{series_id}/versions/v1").json()
    assert (version["version"], version["job_id"], version["detector"]) == ("1", job_id, "baseline")
    assert version["parameters"] == {"threshold": 4.0, "direction": "both", "alarm_rate": "off", "exclude": []}
    assert version["threshold"] == version["learnt"]["threshold"] == 4.0
    assert version["learnt"]["mean"] == pytest.approx(sum(values) / 21)
    assert version["anomaly_share"] == pytest.approx(1 / 21)
    assert (version["first_timestamp"], version["last_timestamp"]) == (1_700_000_000, 1_700_001_200)
    assert version["fit_ms"] > 0
    data = Path(settings.training_data_folder, series_id, f"{job_id}.npz")
    assert version["training_data_sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
    state = Path(settings.model_state_folder, series_id, f"{job_id}.1.json")
    assert version["state_sha256"] == hashlib.sha256(state.read_bytes()).hexdigest()
    assert api.get(f"/series/{series_id}/versions/2").json()["code"] == "version_not_found"
    assert api.get(f"/series/{series_id}/versions/x").json()["code"] == "invalid_version"


def test_versions_are_listed_newest_first_page_by_page(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    for _ in range(5):
        fitted(series_id)
    listed, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get(f"/series/{series_id}/versions", params=query).json()
        listed += [version["version"] for version in page["versions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == ["5", "4", "3", "2", "1"]


def test_series_are_listed_by_prefix_in_order_page_by_page(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    names = [f"{series_id}{end}" for end in ("-B", "-a", ".x", "_y", "0")]
    for name in names:
        fitted(name)
    listed, cursor = [], None
    while True:
        query: dict[str, Any] = {"prefix": series_id, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get("/series", params=query).json()
        listed += [series["series_id"] for series in page["series"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == sorted(names)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/series?limit=0", "invalid_request"),
        ("/series?limit=201", "invalid_request"),
        ("/series?limit=many", "invalid_request"),
        ("/series?prefix=%25", "invalid_request"),
        ("/series?cursor=../x", "invalid_cursor"),
        ("/series/a/versions?cursor=x", "invalid_cursor"),
        ("/series/a/versions?cursor=99999999999999999999", "invalid_cursor"),
        ("/series/a/versions/1/data?format=xml", "invalid_request"),
        ("/series/a%20b", "invalid_series_id"),
        ("/nothing/here", "route_not_found"),
    ],
)
def test_an_invalid_parameter_gets_a_problem(api: httpx.Client, path: str, code: str) -> None:
    answer = api.get(path)
    assert answer.json()["code"] == code
    assert answer.status_code == (404 if code == "route_not_found" else 422)


def test_an_unknown_series_is_not_found(api: httpx.Client, series_id: str) -> None:
    for path in ("", "/versions", "/versions/latest", "/versions/1", "/versions/1/data"):
        answer = api.get(f"/series/{series_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "series_not_found")


def test_detectors_are_listed_with_the_schema_of_their_parameters(api: httpx.Client) -> None:
    detectors = {detector["name"]: detector for detector in api.get("/detectors").json()["detectors"]}
    baseline = detectors["baseline"]
    assert baseline["default"] is True
    assert baseline["parameters"]["properties"]["threshold"]["default"] == 3.0
    assert baseline["parameters"]["properties"]["direction"]["enum"] == ["both", "above", "below"]


def test_damaged_training_data_is_an_error_and_is_not_returned(
    api: httpx.Client, settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    job_id = fitted(series_id)
    data = Path(settings.training_data_folder, series_id, f"{job_id}.npz")
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    answer = api.get(f"/series/{series_id}/versions/1/data")
    assert (answer.status_code, answer.json()["code"]) == (500, "artifact_damaged")
