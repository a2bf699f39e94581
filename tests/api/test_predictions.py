"""Predictions: the verdict on a point, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.points import ramp
from tests.processes import serving

# mean 2, standard deviation √2: the normal band is 2 ± 4.24
POINT = {"timestamp": 1_800_000_000, "value": 2.5}


def test_a_verdict_has_score_expected_value_and_band(api: httpx.Client, trained: str) -> None:
    verdict = api.post(f"/predict/{trained}", json={"timestamp": "1705000010", "value": 13.0}).json()
    assert verdict.pop("anomaly") is True
    assert verdict.pop("model_version") == "1"
    assert verdict.pop("detector") == "baseline"
    assert verdict == {
        "score": pytest.approx(11 / (3 * math.sqrt(2))),
        "expected": pytest.approx(2),
        "lower": pytest.approx(2 - 3 * math.sqrt(2)),
        "upper": pytest.approx(2 + 3 * math.sqrt(2)),
    }
    assert api.post(f"/predict/{trained}", json=POINT).json()["anomaly"] is False


@pytest.mark.parametrize("version", ["", "0", "latest", "2", "v2", "V2"])
def test_the_latest_version_is_used_unless_another_is_given(
    api: httpx.Client, trained: str, fitted: Callable[..., str], version: str
) -> None:
    fitted(trained, ramp(values=[value * 10 for value in ramp()["values"]]))
    query = {"version": version} if version else {}
    verdict = api.post(f"/predict/{trained}", json=POINT, params=query).json()
    assert verdict["model_version"] == "2"
    assert verdict["expected"] == pytest.approx(20)
    assert api.post(f"/predict/{trained}?version=1", json=POINT).json()["expected"] == pytest.approx(2)


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "v", "latest2", "99999999999", "%00", "%D9%A1"])
def test_an_invalid_version_is_refused(api: httpx.Client, trained: str, version: str) -> None:
    answer = api.post(f"/predict/{trained}?version={version}", json=POINT)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_version")


@pytest.mark.parametrize("version", ["2", "9999999999"])
def test_a_version_that_does_not_exist_is_not_found(api: httpx.Client, trained: str, version: str) -> None:
    answer = api.post(f"/predict/{trained}?version={version}", json=POINT)
    assert (answer.status_code, answer.json()["code"]) == (404, "version_not_found")


@pytest.mark.parametrize("query", ["", "?version=1"])
def test_a_series_without_versions_is_not_found(api: httpx.Client, series_id: str, query: str) -> None:
    answer = api.post(f"/predict/{series_id}{query}", json=POINT)
    assert (answer.status_code, answer.json()["code"]) == (404, "series_not_found")


def test_an_explanation_is_a_sentence_with_the_numbers(api: httpx.Client, trained: str) -> None:
    verdict = api.post(f"/predict/{trained}?explain=true", json={"timestamp": 1, "value": 13}).json()
    assert verdict["explanation"].startswith("13 is outside the normal band")
    assert "explanation" not in api.post(f"/predict/{trained}", json=POINT).json()


@pytest.mark.parametrize("direction", ["above", "below"])
def test_the_open_side_of_a_one_sided_band_is_null(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], direction: str
) -> None:
    fitted(series_id, ramp(parameters={"direction": direction}))
    high = api.post(f"/predict/{series_id}?explain=1", json={"timestamp": 1, "value": 1000}).json()
    low = api.post(f"/predict/{series_id}?explain=1", json={"timestamp": 1, "value": -1000}).json()
    assert (high["anomaly"], low["anomaly"]) == (direction == "above", direction == "below")
    assert (high["lower"] is None, high["upper"] is None) == (direction == "above", direction == "below")
    batch = api.post(f"/predict/{series_id}/batch", json={"timestamps": [1, 2], "values": [1, 2]}).json()
    assert batch["lower" if direction == "above" else "upper"] == [None, None]


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324])
def test_every_number_of_a_verdict_is_finite(api: httpx.Client, trained: str, value: float) -> None:
    verdict = api.post(f"/predict/{trained}", json={"timestamp": 1, "value": value}).json()
    assert all(math.isfinite(verdict[name]) for name in ("score", "expected", "lower", "upper"))


BAD_POINTS: list[tuple[Any, str]] = [
    ({}, "invalid_request"),
    ([], "invalid_request"),
    ({"timestamp": 1}, "invalid_request"),
    ({"value": 1}, "invalid_request"),
    ({"timestamp": 1, "value": "1"}, "invalid_request"),
    ({"timestamp": 1, "value": True}, "invalid_request"),
    ({"timestamp": 1, "value": None}, "invalid_request"),
    ({"timestamp": True, "value": 1}, "invalid_request"),
    ({"timestamp": 1.5, "value": 1}, "invalid_request"),
    ({"timestamp": None, "value": 1}, "invalid_request"),
    ({"timestamp": 1, "value": 1, "extra": 1}, "invalid_request"),
    ({"timestamp": 1, "value": 1, "context": ["a"]}, "invalid_request"),
    ({"timestamp": "", "value": 1}, "invalid_timestamp"),
    ({"timestamp": "soon", "value": 1}, "invalid_timestamp"),
    ({"timestamp": "1.5", "value": 1}, "invalid_timestamp"),
    ({"timestamp": "-1", "value": 1}, "invalid_timestamp"),
    ({"timestamp": "9" * 400, "value": 1}, "invalid_timestamp"),
    ({"timestamp": -1, "value": 1}, "invalid_timestamp"),
    ({"timestamp": 1_705_000_000_000, "value": 1}, "invalid_timestamp"),
    ({"timestamp": 10**30, "value": 1}, "invalid_timestamp"),
    ({"timestamp": 1, "value": 1, "context": [1.0] * 5000}, "too_many_points"),
]


@pytest.mark.parametrize(
    ("body", "code"), BAD_POINTS, ids=[f"{code}-{place}" for place, (_, code) in enumerate(BAD_POINTS)]
)
def test_an_invalid_point_gets_a_problem(api: httpx.Client, trained: str, body: Any, code: str) -> None:
    answer = api.post(f"/predict/{trained}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b'{"timestamp":1,"value":NaN}', b'{"timestamp":1,"value":-Infinity}']
)
def test_a_point_that_is_not_json_gets_a_problem(api: httpx.Client, trained: str, body: bytes) -> None:
    answer = api.post(f"/predict/{trained}", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")
    for path in (f"/predict/{trained}/batch", "/predict"):  # these routes check fields first
        answer = api.post(path, content=body)
        assert answer.status_code == 422
        assert answer.json()["code"] in ("invalid_json", "invalid_request")


def test_excluded_points_are_not_used_for_training(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = ramp(60)
    body["values"][20:25] = [1e6] * 5
    incident = [body["timestamps"][20], body["timestamps"][24]]
    fitted(series_id, {**body, "parameters": {"exclude": [incident]}})
    assert api.post(f"/predict/{series_id}", json=POINT).json()["upper"] < 10
    everything = {"exclude": [[0, 253_402_300_799]]}
    answer = api.post(f"/fit/{series_id}", json={**body, "parameters": everything})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_points")


def test_a_damaged_state_is_an_error(
    settings: Settings, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp(37))  # points that no other test fits, because a cached state is not read again
    (state,) = Path(settings.model_state_folder, series_id).glob("*.json")
    state.write_text(json.dumps({"detector": "baseline"}))
    answer = api.post(f"/predict/{series_id}", json=POINT)
    assert (answer.status_code, answer.json()["code"]) == (500, "artifact_damaged")


def test_every_process_uses_a_version_once_any_process_reported_its_job_as_succeeded(
    api: httpx.Client, settings: Settings, trained: str, fitted: Callable[..., str]
) -> None:
    with serving(settings) as other:
        for number in range(2, 12):
            for process in (api, other):
                assert process.post(f"/predict/{trained}", json=POINT).json()["model_version"] == str(number - 1)
            fitted(trained)
            for process in (other, api):
                assert process.post(f"/predict/{trained}", json=POINT).json()["model_version"] == str(number)


def test_without_redis_predictions_are_answered(settings: Settings, trained: str) -> None:
    with serving(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})) as api:
        assert api.post(f"/predict/{trained}", json=POINT).status_code == 200


def test_without_a_database_no_stale_verdict_is_given(settings: Settings, trained: str) -> None:
    unreachable = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with serving(settings.model_copy(update={"database_url": unreachable})) as api:
        for path in (f"/predict/{trained}", f"/predict/{trained}?version=1"):
            answer = api.post(path, json=POINT)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert "Retry-After" in answer.headers


def test_an_invalid_timestamp_is_located_in_the_body(api: httpx.Client, trained: str) -> None:
    answer = api.post(f"/predict/{trained}", json={"timestamp": 1_700_000_000_000, "value": 1}).json()
    assert answer["errors"][0]["loc"] == ["timestamp"]
    assert "milliseconds" in answer["detail"]
    assert "timestamps[" not in answer["detail"]
