"""Predictions of many points: batches of one series, and points of many."""

from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp
from tests.processes import serving


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
