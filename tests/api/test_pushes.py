"""Pushed points: stored, judged, refused one by one, read and deleted."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.keys import MakeKey
from tests.points import ramp

NOW = int(time.time()) // 60 * 60
NDJSON = {"Content-Type": "application/x-ndjson"}
DAY = 86_400


def recent(values: list[Any], ago: int = 0) -> dict[str, Any]:
    """A body of points a minute apart; the last is `ago` minutes old."""
    return {"timestamps": [NOW - 60 * (ago + place) for place in range(len(values))][::-1], "values": values}


def push(api: httpx.Client, series_id: str, body: dict[str, Any] | str) -> dict[str, Any]:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = api.post(f"/series/{series_id}/points", content=content)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def counts(answer: dict[str, Any]) -> list[int]:
    return [answer[name] for name in ("accepted", "late", "repeated", "refused")]


def test_points_of_a_new_series_are_stored_and_the_series_is_learning(api: httpx.Client, series_id: str) -> None:
    answer = push(api, series_id, recent([1.0, None, 3.0]))
    assert counts(answer) == [3, 0, 0, 0]
    assert (answer["status"], answer["verdicts"], answer["alert_id"]) == ("learning", None, None)
    assert answer["reason"] == "no version and no watch: send a fit, or create a watch that fits it"
    (listed,) = api.get("/series", params={"prefix": series_id}).json()["series"]
    assert (listed["latest_version"], listed["versions"]) == (None, 0)
    assert listed["stream"]["points"] == 3
    assert api.get(f"/series/{series_id}").json()["stream"] == listed["stream"]
    assert api.get("/series", params={"prefix": series_id, "total": True}).json()["total"] == 1
    assert api.get(f"/ui/series/{series_id}").status_code == 200
    start = api.get("/", params={"contains": series_id.upper()}).text
    assert f'href="./ui/series/{series_id}"' in start
    assert listed["stream"]["reason"] in start
    stored = api.get(f"/series/{series_id}/points").json()
    assert (stored["points"], stored["values"], stored["late"]) == (3, [1.0, None, 3.0], [False] * 3)


def test_new_points_get_verdicts_and_a_repetition_returns_the_same(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = recent([2.0, 50.0, None, 2.0])
    fitted(series_id, ramp())
    first = push(api, series_id, body)
    verdicts = first["verdicts"]
    assert (first["status"], counts(first)) == ("watching", [4, 0, 0, 0])
    assert verdicts["anomaly"] == [False, True, None, False]
    assert verdicts["model_version"] == ["1", "1", None, "1"]
    assert verdicts["timestamps"] == body["timestamps"]
    again = push(api, series_id, body | {"values": [0, 0, 0, 0]})
    assert counts(again) == [0, 0, 4, 0]
    assert again["verdicts"] == verdicts
    late = push(api, series_id, recent([50.0], ago=10))
    assert counts(late) == [1, 1, 0, 0]
    assert late["verdicts"] is None
    stored = api.get(f"/series/{series_id}/points", params={"from": body["timestamps"][0]}).json()
    assert [stored[name] for name in ("anomaly", "score")] == [verdicts["anomaly"], verdicts["score"]]
    batch = api.post(f"/predict/{series_id}/batch", json=body).json()
    assert [batch["score"], batch["anomaly"]] == [verdicts["score"], verdicts["anomaly"]]


@pytest.mark.parametrize(
    ("timestamp", "value", "code"),
    [
        (NOW + 3_600, 1, "too_new"),
        (NOW - 36 * DAY, 1, "too_old"),
        (NOW * 1000, 1, "invalid_timestamp"),
        (-1, 1, "invalid_timestamp"),
        (10**30, 1, "invalid_timestamp"),
        (True, 1, "invalid_timestamp"),
        (None, 1, "invalid_timestamp"),
        (1.5, 1, "invalid_timestamp"),
        ("yesterday", 1, "invalid_timestamp"),
        ("2026-01-31T12:00:00.5Z", 1, "invalid_timestamp"),
        ("1900-01-01", 1, "invalid_timestamp"),
        (NOW, True, "not_finite"),
        (NOW, "1", "not_finite"),
        (NOW, [1], "not_finite"),
        (NOW, 1e999, "not_finite"),
    ],
)
def test_an_invalid_point_is_refused_and_the_others_are_stored(
    api: httpx.Client, series_id: str, timestamp: object, value: object, code: str
) -> None:
    body = {"timestamps": [NOW - 60, timestamp, NOW], "values": [1, value, 2]}
    answer = push(api, series_id, json.dumps(body).replace("Infinity", "1e999"))
    assert counts(answer) == [2, 0, 0, 1]
    (error,) = answer["errors"]
    assert error["code"] == code
    assert error["loc"] == ["values" if code == "not_finite" else "timestamps", 1]
    assert error["msg"]
    lines = [{"series_id": f"{series_id}.l", "timestamp": timestamp, "value": value}]
    lines.append({"series_id": f"{series_id}.l", "timestamp": NOW, "value": 1})
    content = "\n".join(map(json.dumps, lines)).replace("Infinity", "1e999")
    answer = api.post("/points", content=content, headers=NDJSON).json()
    assert counts(answer) == [1, 0, 0, 1]
    (problem,) = answer["problems"]
    assert problem["line"] == 1
    assert problem["code"] in (code, "invalid_request")


def test_the_last_of_several_points_of_a_second_counts_in_any_order(api: httpx.Client, series_id: str) -> None:
    iso = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW))
    answer = push(api, series_id, {"timestamps": [NOW, NOW - 60, iso], "values": [1, 2, 3]})
    assert counts(answer) == [2, 0, 1, 0]
    assert api.get(f"/series/{series_id}/points", params={"from": NOW - 60, "to": iso}).json()["values"] == [2, 3]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", "invalid_request"),
        ("{", "invalid_json"),
        ('{"timestamps": [1], "values": [1, 2]}', "lengths_differ"),
        ('{"timestamps": [], "values": []}', "too_few_points"),
        ('{"timestamps": 1, "values": []}', "invalid_request"),
        ('{"timestamps": [1], "values": [NaN]}', "invalid_json"),
        ('{"timestamps": [1]}', "invalid_request"),
        ('{"timestamps": [1], "values": [1], "value": 1}', "invalid_request"),
        ('{"values": [1], "timestamps": ' + "[" * 100_000, "invalid_json"),
    ],
)
def test_a_body_without_columns_stores_nothing(api: httpx.Client, series_id: str, body: str, code: str) -> None:
    answer = api.post(f"/series/{series_id}/points", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert api.get(f"/series/{series_id}").status_code == 404


def test_lines_of_many_series_are_taken_whatever_the_bad_ones_are(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    lines: list[Any] = [
        {"series_id": series_id, "timestamp": NOW - 60, "value": 2},
        {"series_id": f"{series_id}.b", **recent([1, 2, None])},
        {"series_id": "..", "timestamp": NOW, "value": 1},
        {"series_id": series_id, "value": 1},
        "",
        {"series_id": series_id, "timestamp": NOW, "value": 2, "color": "blue"},
        {"series_id": f"{series_id}.b", "timestamps": [NOW + 9_999, NOW - 600], "values": [1, 2]},
        {"series_id": series_id, "timestamp": NOW, "value": None},
    ]
    content = "\n".join("" if line == "" else json.dumps(line) for line in lines) + "\nnot json\n"
    answer = api.post("/points", content=content, headers=NDJSON).json()
    assert (answer["series"], *counts(answer)) == (2, 6, 0, 0, 5)
    assert sorted((problem["line"], problem["code"]) for problem in answer["problems"]) == [
        (3, "invalid_series_id"), (4, "invalid_request"), (6, "invalid_request"), (7, "too_new"), (9, "invalid_json"),
    ]  # fmt: skip
    assert api.get(f"/series/{series_id}/points").json()["anomaly"] == [False, None]


def test_a_key_pushes_only_what_its_scope_and_prefix_allow(
    keyed: httpx.Client, make_key: MakeKey, series_id: str
) -> None:
    writer = make_key("write", prefix=f"{series_id}.")
    reader = make_key("read", "fit", "admin")
    mine, other = f"{series_id}.a", f"{series_id}x"
    body = recent([1.0])
    assert keyed.post(f"/series/{mine}/points", json=body, auth=reader).status_code == 403
    assert keyed.post(f"/series/{mine}/points", json=body, auth=writer).status_code == 200
    assert keyed.post(f"/series/{other}/points", json=body, auth=writer).status_code == 404
    lines = "\n".join(json.dumps({"series_id": name, "timestamp": NOW, "value": 1}) for name in (other, mine))
    answer = keyed.post("/points", content=lines, auth=writer, headers=NDJSON).json()
    assert [problem["code"] for problem in answer["problems"]] == ["series_not_found"]
    assert answer["repeated"] == 1


def test_stored_points_are_fitted_without_gaps_and_late_ones_included(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    push(api, series_id, recent([1, 2, None, 4, 5, 6]))
    push(api, series_id, recent([9], ago=7))
    fitted(series_id, {"stored": "1h"})
    data = api.get(f"/series/{series_id}/versions/1/data").json()
    assert data["values"] == [9, 1, 2, 4, 5, 6]
    fitted(series_id, {"stored": {"from": NOW - 120, "to": NOW}})
    assert api.get(f"/series/{series_id}/versions/2/data").json()["values"] == [4, 5, 6]
    for stored, code in (
        ("often", "invalid_request"), ({"from": NOW, "to": 0}, "invalid_request"), ("1s", "too_few_points"),
        ({"from": 0}, "invalid_request"), (7, "invalid_request"),
    ):  # fmt: skip
        assert api.post(f"/fit/{series_id}", json={"stored": stored}).json()["code"] == code
    assert api.post(f"/fit/{series_id}-x", json={"stored": "1h"}).json()["code"] == "stream_not_found"
    both = {"stored": "1h", **ramp()}
    assert api.post(f"/fit/{series_id}", json=both).json()["code"] == "invalid_request"
    assert api.post(f"/fit/{series_id}", json={"values": [1]}).json()["errors"][0]["loc"] == ["timestamps"]


def test_points_are_downsampled_and_keep_their_extremes(api: httpx.Client, series_id: str) -> None:
    values: list[float] = [float(place % 10) for place in range(3_000)]
    values[1_234] = 99.0
    push(api, series_id, recent(values))
    stored = api.get(f"/series/{series_id}/points", params={"max_points": 100}).json()
    assert stored["points"] == 3_000
    assert len(stored["values"]) <= 100
    assert max(stored["values"]) == 99.0
    assert api.get(f"/series/{series_id}/points", params={"from": 2, "to": 1}).status_code == 422
    assert api.get(f"/series/{series_id}-x/points").json()["code"] == "stream_not_found"


def test_deleting_is_accepted_for_series_with_stored_points(api: httpx.Client, series_id: str) -> None:
    assert api.delete(f"/series/{series_id}/points", params={"before": NOW}).json()["code"] == "stream_not_found"
    push(api, series_id, recent([1.0, 2.0]))
    assert api.delete(f"/series/{series_id}/points", params={"before": NOW}).status_code == 202
    assert api.delete(f"/series/{series_id}").status_code == 200
    assert api.get(f"/series/{series_id}").status_code == 404
    assert counts(push(api, series_id, recent([1.0, 2.0]))) == [2, 0, 0, 0]
