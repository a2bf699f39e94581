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


@pytest.fixture
def trained(series_id: str, fitted: Callable[..., str]) -> str:
    fitted(series_id)
    return series_id


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


@pytest.mark.parametrize("values", [[2.5, 13.0, -4.0, 2.0], [2.5]])
def test_a_batch_gives_the_same_verdicts_as_single_predictions(
    api: httpx.Client, trained: str, values: list[float]
) -> None:
    body: dict[str, list[Any]] = {"timestamps": [10, 20, 30, 40][: len(values)], "values": values}
    batch = api.post(f"/predict/{trained}/batch", json=body).json()
    assert (batch["model_version"], batch["detector"]) == ("1", "baseline")
    for place, value in enumerate(values):
        single = api.post(f"/predict/{trained}", json={"timestamp": body["timestamps"][place], "value": value}).json()
        for column in ("anomaly", "score", "expected", "lower", "upper"):
            assert len(batch[column]) == len(values)
            assert batch[column][place] == single[column]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"timestamps": [], "values": []}, "too_few_points"),
        ({"timestamps": [1], "values": [1, 2]}, "lengths_differ"),
        ({"timestamps": [2, 1], "values": [1, 2]}, "timestamps_not_increasing"),
        ({"timestamps": [1, 2**70], "values": [1, 2]}, "invalid_timestamp"),
        ({"timestamps": [1], "values": [True]}, "invalid_request"),
        ({"timestamps": [1], "values": [1], "detector": "baseline"}, "invalid_request"),
    ],
)
def test_an_invalid_batch_gets_a_problem(api: httpx.Client, trained: str, body: Any, code: str) -> None:
    answer = api.post(f"/predict/{trained}/batch", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_batch_over_the_size_limit_or_with_an_unknown_mode_is_refused(
    api: httpx.Client, settings: Settings, trained: str
) -> None:
    single = {"timestamps": [1], "values": [7.0]}
    assert api.post(f"/predict/{trained}/batch?mode=causal", json=single).status_code == 200
    assert api.post(f"/predict/{trained}/batch?mode=psychic", json=single).json()["code"] == "invalid_request"
    with serving(settings.model_copy(update={"max_batch_points": 3})) as small:
        answer = small.post(f"/predict/{trained}/batch", json=ramp(4))
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_points")


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


def test_points_of_many_series_each_get_a_verdict_or_a_problem_in_order(api: httpx.Client, trained: str) -> None:
    points = [
        {"series_id": trained, "timestamp": 1, "value": 2.0},
        {"series_id": "no-such-series", "timestamp": 1, "value": 2.0},
        {"series_id": "..", "timestamp": 1, "value": 2.0},
        {"series_id": trained, "timestamp": -5, "value": 2.0},
        {"series_id": trained, "timestamp": "7", "value": 13.0, "version": "v1"},
        {"series_id": trained, "timestamp": 7, "value": 13.0, "version": 9},
        {"series_id": trained, "timestamp": 7, "value": 13.0, "version": "x"},
    ]
    answer = api.post("/predict", json={"points": points})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["series_id"] for result in results] == [point["series_id"] for point in points]
    outcomes = [
        result["verdict"]["anomaly"] if "verdict" in result else result["problem"]["code"] for result in results
    ]
    wrong = ["series_not_found", "invalid_series_id", "invalid_timestamp"]
    assert outcomes == [False, *wrong, True, "version_not_found", "invalid_version"]


UNREADABLE = [
    ('{"series_id": "a", "timestamp": 1, "value": null}', "a", "is null"),
    ('{"series_id": "a", "timestamp": 1, "value": NaN}', "a", "is null"),
    ('{"series_id": "a", "timestamp": 1, "value": -Infinity}', "a", "out of range at points[1].value"),
    ('{"series_id": "a", "timestamp": 1, "value": 1e999}', "a", "out of range at points[1].value"),
    ('{"series_id": "a", "timestamp": 1, "value": "2"}', "a", "got str at points[1].value"),
    ('{"series_id": "a", "timestamp": 1, "value": true}', "a", "got bool at points[1].value"),
    ('{"series_id": "a", "timestamp": 1}', "a", "missing required field value"),
    ('{"series_id": "a", "timestamp": 1.0, "value": 2}', "a", "got float at points[1].timestamp"),
    ('{"series_id": "a", "timestamp": null, "value": 2}', "a", "got null at points[1].timestamp"),
    ('{"series_id": "a", "timestamp": false, "value": 2}', "a", "got bool at points[1].timestamp"),
    ('{"series_id": "a", "timestamp": 1, "value": 2, "extra": 1}', "a", "Unknown field: extra"),
    ('{"series_id": "a", "timestamp": 1, "value": 2, "context": [1, "NaN"]}', "a", "got str at points[1].context[1]"),
    ('{"series_id": "a", "timestamp": 1, "value": 2, "version": 1.5}', "a", "got float at points[1].version"),
    ('{"series_id": 7, "timestamp": 1, "value": 2}', "", "got int at points[1].series_id"),
    ('{"timestamp": 1, "value": 2}', "", "missing required field series_id"),
    ("null", "", "got null at points[1]"),
    ('["a", 1, 2]', "", "got array at points[1]"),
]


@pytest.mark.parametrize(("row", "series", "reason"), UNREADABLE)
def test_a_point_that_cannot_be_read_gets_a_problem_in_its_place(
    api: httpx.Client, trained: str, row: str, series: str, reason: str
) -> None:
    good = f'{{"series_id": "{trained}", "timestamp": 1, "value": %s}}'
    answer = api.post("/predict", content=f'{{"points": [{good % 2}, {row}, {good % 13}]}}')
    assert answer.status_code == 200
    first, unreadable, last = answer.json()["results"]
    assert [first["verdict"]["anomaly"], last["verdict"]["anomaly"]] == [False, True]
    assert (unreadable["series_id"], unreadable["problem"]["code"]) == (series, "invalid_request")
    assert reason in unreadable["problem"]["detail"]
    assert "verdict" not in unreadable


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"points": [{"series_id": "a", "timestamp": 1, "value": }]}', "invalid_json"),
        ('{"points": [NaN', "invalid_json"),
        ('{"points": 3}', "invalid_request"),
        ('{"points": [], "version": 1}', "invalid_request"),
        (f'{{"points": [{",".join(["null"] * 1001)}]}}', "invalid_request"),
    ],
)
def test_a_body_that_holds_no_list_of_points_is_refused(
    api: httpx.Client, trained: str, content: str, code: str
) -> None:
    answer = api.post("/predict", content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_constant_inside_a_string_stays_text(api: httpx.Client, trained: str) -> None:
    content = (
        '{"points": [{"series_id": "NaN", "timestamp": 1, "value": NaN}, {"series_id": "\\"NaN", "timestamp": 1}]}'
    )
    results = api.post("/predict", content=content).json()["results"]
    assert [result["series_id"] for result in results] == ["NaN", '"NaN']


def test_at_most_a_thousand_points_are_accepted(api: httpx.Client, trained: str) -> None:
    point = {"series_id": trained, "timestamp": 1, "value": 2.0}
    assert len(api.post("/predict", json={"points": [point] * 1000}).json()["results"]) == 1000
    assert api.post("/predict", json={"points": [point] * 1001}).json()["code"] == "invalid_request"
    assert api.post("/predict", json={"points": []}).json() == {"results": []}


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
