"""Watches, alerts and spans over HTTP: from a push to an alert that somebody acknowledges."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.store import scheduled
from shared.store.engine import Sessions
from tests.keys import MakeKey
from tests.points import ramp
from tests.watched import NOW, push, put

SKIPPED = text("""
UPDATE streams SET fit_slot = 1000000000, fit_outcome = 'skipped', fit_detail = 'no new points',
       fit_settled_at = to_timestamp(1000000000), fit_due_at = to_timestamp(2000000000) WHERE series_id = :series_id
""")


def test_a_watch_shows_its_defaults_and_putting_it_again_changes_nothing(api: httpx.Client, series_id: str) -> None:
    created = put(api, series_id)
    assert created["open"] == {"anomalies": 2, "of": 3, "at_once": 3.0}
    assert (created["silence"], created["paused"], created["streams"]) == ("auto", False, 0)
    assert put(api, series_id) == created
    changed = put(api, series_id, silence="10m", gates={"direction": "up"})
    assert (changed["silence"], changed["gates"]) == ("10m", {"direction": "up", "min_abs": None})
    assert api.get(f"/watches/{series_id}").json() == changed
    assert changed in api.get("/watches").json()["watches"]
    push(api, series_id, [1.0])
    assert api.get(f"/watches/{series_id}").json()["learning"] == 1
    assert api.delete(f"/watches/{series_id}").status_code == 204
    assert api.get(f"/watches/{series_id}").json()["code"] == "watch_not_found"


def test_wrong_watches_are_refused_with_every_wrong_field(api: httpx.Client, series_id: str) -> None:
    answer = api.put(f"/watches/{series_id}", json={"prefx": "a", "open": {"of": 0}, "notify": []})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_watch")
    assert sorted(".".join(error["loc"]) for error in answer.json()["errors"]) == [
        "notify", "open.of", "prefix", "prefx",
    ]  # fmt: skip
    assert api.put(f"/watches/{series_id}", content="[]").json()["code"] == "invalid_watch"
    assert api.put(f"/watches/{series_id}", content="{").json()["code"] == "invalid_json"
    assert api.put("/watches/a%20b", json={"prefix": "a"}).json()["code"] == "invalid_watch"
    put(api, series_id)
    other = api.put(f"/watches/{series_id}-2", json={"prefix": series_id})
    assert (other.status_code, other.json()["code"]) == (409, "prefix_taken")


def test_an_alert_is_opened_listed_followed_and_acknowledged(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp())
    put(api, series_id)
    assert push(api, series_id, [2.0, 2.0], ago=5)["alert_id"] is None
    alert_id = push(api, series_id, [50.0, 50.0], ago=3)["alert_id"]
    alert = api.get(f"/alerts/{alert_id}").json()
    assert (alert["kind"], alert["status"], alert["quiet"], alert["points"]) == ("deviation", "open", None, 2)
    assert (alert["began_at"], alert["peak"]["value"], alert["peak"]["expected"]) == (NOW - 240, 50.0, 2.0)
    assert alert["sentence"].startswith(f"{series_id} deviates since ")
    assert api.get(f"/series/{series_id}").json()["stream"]["alert_id"] == alert_id
    for query in ({"series_id": series_id}, {"prefix": series_id}, {"watch": series_id, "status": "open"}):
        assert api.get("/alerts", params=query).json()["alerts"] == [alert]
    others: list[dict[str, Any]] = [{"status": "closed"}, {"kind": "silence"}, {"to": NOW - 3_600}, {"from": NOW}]
    for other in others:
        assert api.get("/alerts", params={"series_id": series_id, **other}).json()["alerts"] == []
    acknowledged = api.post(f"/alerts/{alert_id}/acknowledge").json()
    assert acknowledged["acknowledged_at"]
    assert api.post(f"/alerts/{alert_id}/acknowledge").json() == acknowledged
    with api.stream("GET", "/alerts/events", params={"series_id": series_id}) as events:
        lines = events.iter_lines()
        last_id = next(lines).removeprefix("id: ")
        assert next(lines) == "event: alert"
        assert json.loads(next(lines).removeprefix("data: ")) == acknowledged
        push(api, series_id, [50.0], ago=2)
        changed = next(json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
        assert changed["points"] == 3
    resumed = api.stream("GET", "/alerts/events", params={"series_id": series_id}, headers={"Last-Event-ID": last_id})
    with resumed as events:
        lines = events.iter_lines()
        assert int(next(lines).removeprefix("id: ")) > int(last_id)
        assert next(lines) == "event: alert"
        assert json.loads(next(lines).removeprefix("data: ")) == changed
    api.delete(f"/watches/{series_id}")
    closed = api.get(f"/alerts/{alert_id}").json()
    assert (closed["status"], closed["step"], closed["ended_at"]) == ("closed", 2, NOW - 120)


def test_a_paused_watch_and_maintenance_open_nothing(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp())
    put(api, series_id)
    assert api.post(f"/watches/{series_id}/pause").json()["paused"] is True
    paused = push(api, series_id, [50.0, 50.0], ago=10)
    assert (paused["status"], paused["alert_id"], paused["verdicts"]["anomaly"]) == ("paused", None, [True, True])
    assert put(api, series_id)["paused"] is True
    assert api.post(f"/watches/{series_id}/resume").json()["paused"] is False
    span = {"from": NOW - 480, "to": NOW - 360, "kind": "maintenance", "note": "new pump"}
    created = api.post(f"/series/{series_id}/spans", json=span)
    assert created.status_code == 201
    assert push(api, series_id, [50.0, 50.0], ago=6)["alert_id"] is None
    assert push(api, series_id, [50.0, 50.0], ago=2)["alert_id"] is not None
    (listed,) = api.get("/spans", params={"series_id": series_id}).json()["spans"]
    assert listed == created.json()
    assert (listed["note"], listed["from"]) == ("new pump", NOW - 480)
    assert api.delete(f"/spans/{listed['span_id']}").status_code == 204
    assert api.delete(f"/spans/{listed['span_id']}").json()["code"] == "span_not_found"


def test_marked_spans_are_left_out_of_fits_of_stored_points(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    push(api, series_id, [1, 2, 3, 4, 99, 99, 5, 6])
    api.post("/spans", json={"prefix": series_id, "from": NOW - 180, "to": NOW - 120, "kind": "exclude"})
    fitted(series_id, {"stored": "1d"})
    version = api.get(f"/series/{series_id}/versions/1").json()
    assert version["parameters"]["exclude"] == [[NOW - 180, NOW - 120]]
    assert version["learnt"]["mean"] == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("change", "location"),
    [({"kind": "holiday"}, "kind"), ({"to": 0}, "to"), ({"from": "soon"}, "from"), ({"note": "x" * 501}, "note")],
)
def test_an_invalid_span_is_refused(api: httpx.Client, series_id: str, change: dict[str, Any], location: str) -> None:
    span = {"from": NOW - 60, "to": NOW, "kind": "exclude", **change}
    answer = api.post(f"/series/{series_id}/spans", json=span)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == [location]


def test_alerts_are_paged_newest_first(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    names = [f"{series_id}.{number}" for number in range(5)]
    put(api, series_id)
    for name in names:
        fitted(name, ramp())
        push(api, name, [50.0, 50.0])
    listed, cursor = [], None
    while True:
        query: dict[str, Any] = {"prefix": series_id, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get("/alerts", params=query).json()
        listed += [alert["series_id"] for alert in page["alerts"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == names[::-1]
    assert api.get("/alerts", params={"cursor": "1-2"}).json()["code"] == "invalid_cursor"
    assert api.get("/alerts/none").json()["code"] == "alert_not_found"


def test_a_key_with_a_prefix_sees_and_changes_only_its_own(
    keyed: httpx.Client, make_key: MakeKey, series_id: str
) -> None:
    admin, outside, inside = make_key(), make_key(prefix="elsewhere."), make_key(prefix=f"{series_id}.")
    document = {"prefix": f"{series_id}."}
    assert keyed.put(f"/watches/{series_id}", json=document, auth=outside).json()["code"] == "invalid_watch"
    assert keyed.put(f"/watches/{series_id}", json={"prefix": ""}, auth=inside).json()["code"] == "invalid_watch"
    assert keyed.put(f"/watches/{series_id}", json=document, auth=admin).status_code == 200
    assert keyed.get(f"/watches/{series_id}", auth=inside).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause")):
        answer = keyed.request(method, f"/watches/{series_id}{path}", auth=outside)
        assert answer.json()["code"] == "watch_not_found"
    taken = keyed.put(f"/watches/{series_id}", json={"prefix": "elsewhere.x"}, auth=outside)
    assert taken.json()["code"] == "watch_not_found"
    assert keyed.get("/watches", auth=outside).json()["watches"] == []
    span = {"prefix": "", "from": 0, "to": 1, "kind": "exclude"}
    assert keyed.post("/spans", json=span, auth=inside).json()["code"] == "invalid_span"
    created = keyed.post("/spans", json={**span, "prefix": f"{series_id}.a"}, auth=inside).json()
    assert keyed.get("/spans", auth=outside).json()["spans"] == []
    assert keyed.delete(f"/spans/{created['span_id']}", auth=outside).status_code == 404
    assert keyed.delete(f"/spans/{created['span_id']}", auth=inside).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/alerts?watch=a%00", ""),
        ("GET", "/alerts?status=opened", ""),
        ("GET", "/alerts?from=99999999999999999999", ""),
        ("GET", "/alerts?series_id=a%00", ""),
        ("GET", "/spans?series_id=%00", ""),
        ("PUT", "/watches/w", '{"\\ud800": 1}'),
        ("PUT", "/watches/w", '{"prefix": "a", "open": {"of": 1e400}}'),
        ("PUT", "/watches/w", '{"prefix": "a", "close": {"below": ' + "9" * 400 + "}}"),
        ("PUT", "/watches/w", '{"prefix": "a", "parameters": {"exclude": [[1, "\\u0000"]]}}'),
        ("PUT", "/watches/w", '{"prefix": "a", "gates": ' + "[" * 5_000),
        ("POST", "/spans", '{"prefix": "a", "from": 1, "to": 2, "kind": "exclude", "note": "\\u0000"}'),
        ("POST", "/spans", '{"prefix": null, "from": 1, "to": 2, "kind": "exclude"}'),
        ("POST", "/points", "[" * 100_000),
        ("POST", "/points", '{"series_id": "a", "timestamp": 1, "value": 1, "values": [1]}'),
        ("POST", "/simulate", '{"timestamps": [1], "values": [1], "watch": {"silence": {}}}'),
        ("POST", "/simulate", '{"timestamps": [1], "values": [1], "watch": {"parameters": {"alarm_rate": []}}}'),
        ("DELETE", "/series/a/points?before=-1", ""),
        ("DELETE", "/series/a/points?before=soon", ""),
    ],
)
def test_hostile_requests_get_problems(api: httpx.Client, method: str, path: str, content: str) -> None:
    answer = api.request(method, path, content=content)
    if answer.status_code == 200:  # a push of lines reports each line
        assert answer.json()["accepted"] == 0
        assert answer.json()["problems"]
    else:
        assert answer.status_code in (404, 422), answer.text
        assert answer.json()["code"] != "internal_error"


def test_a_series_shows_its_schedule_and_can_be_refitted_at_once(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    assert api.get(f"/series/{series_id}/schedule").json()["code"] == "stream_not_found"
    assert api.post(f"/series/{series_id}/refit").json()["code"] == "watch_not_found"
    document = {"refit": {"every": "1d", "at": "03:00"}, "timezone": "Europe/Berlin", "keep_versions": 2}
    watch = put(api, series_id, detector="baseline", **document)
    assert {name: watch[name] for name in document} == document
    assert (watch["failing"], watch["last_fit_at"], watch["next_fit_at"]) == (0, None, None)
    assert api.post(f"/series/{series_id}/refit").json()["code"] == "stream_not_found"
    push(api, series_id, [1, 2, 3, 4])
    key = {"Idempotency-Key": series_id}
    accepted = api.post(f"/series/{series_id}/refit", headers=key)
    assert (accepted.status_code, accepted.json()["points_used"]) == (202, 4)
    job_id = accepted.json()["job_id"]
    assert api.post(f"/series/{series_id}/refit", headers=key).json()["job_id"] == job_id
    schedule = api.get(f"/series/{series_id}/schedule").json()
    assert schedule == {
        "series_id": series_id,
        "watch": series_id,
        "window": "28d",
        "timezone": "Europe/Berlin",
        "refit": document["refit"],
        "next_fit_at": None,
        "fit_at_points": None,
        "points": 4,
        "failures": 0,
        "last": None,
    }
    with sessions.begin() as session:
        session.execute(SKIPPED, {"series_id": series_id})
    schedule = api.get(f"/series/{series_id}/schedule").json()
    assert schedule["next_fit_at"] == "2033-05-18T03:33:20Z"
    last = {"slot": "2001-09-09T01:46:40Z", "at_points": None, "outcome": "skipped", "reason": "no new points"}
    assert schedule["last"] == {**last, "settled_at": "2001-09-09T01:46:40Z", "job_id": None}
    page = api.get(f"/ui/series/{series_id}").text
    assert "last automatic fit skipped" in page
    assert "next fit 2033-05-18 03:33:20 UTC" in page
    assert "next fit 2033-05-18 03:33:20 UTC" in api.get(f"/ui/watches/{series_id}").text
    assert api.get(f"/watches/{series_id}").json()["next_fit_at"] == "2033-05-18T03:33:20Z"
    push(api, f"{series_id}.constant", [1, 1, 1, 1])
    assert api.post(f"/series/{series_id}.constant/refit").json()["code"] == "constant_series"


def test_fits_that_keep_failing_are_an_alert_on_every_page(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    put(api, series_id)
    push(api, series_id, [1, 2, 3])
    with sessions.begin() as session:
        stream = scheduled.find(session, series_id)
        assert stream is not None
        assert scheduled.open_failing(session, [(stream.no, series_id, series_id, NOW)]) == 1
        assert scheduled.open_failing(session, [(stream.no, series_id, series_id, NOW)]) == 0
    (alert,) = api.get("/alerts", params={"series_id": series_id, "kind": "refit_failing"}).json()["alerts"]
    assert (alert["status"], alert["peak"], alert["points"]) == ("open", None, 3)
    assert alert["sentence"].startswith(f"The last 3 automatic fits of {series_id} failed, the newest one at ")
    for page in (f"/ui/alerts?series_id={series_id}", f"/ui/alerts/{alert['alert_id']}", f"/ui/watches/{series_id}"):
        assert "automatic fits" in api.get(page).text, page
    assert api.get("/").status_code == 200
    api.delete(f"/watches/{series_id}")
    assert api.get(f"/alerts/{alert['alert_id']}").json()["status"] == "closed"
