"""A key with a series prefix does not see other series."""

import json
from dataclasses import replace
from secrets import token_hex
from typing import Any, NamedTuple

import httpx
import pytest

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.keys import Key, MakeKey
from tests.points import ramp
from tests.waiting import until
from worker.training import Training, run

POINT = {"timestamp": 1, "value": 1}


class Scene(NamedTuple):
    """Two series, and a key that sees one of them."""

    api: httpx.Client
    key: Key
    root: Key
    prefix: str
    visible: str
    hidden: str
    hidden_job: str


@pytest.fixture(scope="module")
def trained(keyed_settings: Settings, keyed_sessions: Sessions, training: Training) -> Training:
    return replace(training, sessions=keyed_sessions, settings=keyed_settings, announce=lambda _: None)


@pytest.fixture(scope="module")
def scene(keyed: httpx.Client, root: Key, make_key: MakeKey, trained: Training) -> Scene:
    plant = token_hex(4)
    visible, hidden, jobs = f"{plant}.pump", f"other-{plant}.pump", {}
    for series_id in (visible, hidden):
        jobs[series_id] = keyed.post(f"/fit/{series_id}", json=ramp(), auth=root).json()["job_id"]
        run(trained, jobs[series_id])
    return Scene(keyed, make_key(prefix=f"{plant}."), root, f"{plant}.", visible, hidden, jobs[hidden])


ON_A_SERIES = [
    ("POST", "/fit/{}", ramp()),
    ("POST", "/predict/{}", POINT),
    ("POST", "/predict/{}?version=1", POINT),
    ("POST", "/predict/{}/batch", ramp(3)),
    ("GET", "/series/{}", None),
    ("GET", "/series/{}/versions", None),
    ("GET", "/series/{}/versions/1", None),
    ("GET", "/series/{}/versions/1/data", None),
    ("PUT", "/series/{}/pin", {"version": 1}),
    ("DELETE", "/series/{}/pin", None),
    ("DELETE", "/series/{}/versions/1", None),
    ("DELETE", "/series/{}", None),
    ("GET", "/series/{}/versions/1/points", None),
    ("GET", "/plot?series_id={}", None),
    ("GET", "/plot.svg?series_id={}", None),
    ("GET", "/ui/series/{}", None),
    ("POST", "/series/{}/versions/1/fit", {"detector": "robust"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ON_A_SERIES)
def test_other_series_are_not_found(scene: Scene, method: str, path: str, body: Any) -> None:
    answers = [
        scene.api.request(method, path.format(series_id), json=body, auth=scene.key)
        for series_id in (scene.hidden, "never-fitted")
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "series_not_found")] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert scene.api.get(f"/series/{scene.hidden}", auth=scene.root).json()["versions"] == 1


@pytest.mark.parametrize(("method", "path", "body"), [request for request in ON_A_SERIES if request[0] != "DELETE"])
def test_series_with_the_prefix_are_found(scene: Scene, method: str, path: str, body: Any) -> None:
    assert scene.api.request(method, path.format(scene.visible), json=body, auth=scene.key).is_success


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")])
def test_jobs_of_other_series_are_not_found(scene: Scene, method: str, end: str) -> None:
    answer = scene.api.request(method, f"/jobs/{scene.hidden_job}{end}", auth=scene.key)
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_an_open_job_of_another_series_is_not_canceled(scene: Scene) -> None:
    job = scene.api.post(f"/fit/{scene.hidden}", json=ramp(), auth=scene.root).json()["job_id"]
    assert scene.api.post(f"/jobs/{job}/cancel", auth=scene.key).status_code == 404
    assert scene.api.get(f"/jobs/{job}", auth=scene.root).json()["status"] == "queued"


def test_lists_and_counts_include_only_series_with_the_prefix(scene: Scene) -> None:
    for prefix in ("", scene.prefix, scene.prefix[:2]):
        page = scene.api.get("/series", params={"prefix": prefix}, auth=scene.key).json()
        assert [series["series_id"] for series in page["series"]] == [scene.visible]
    assert scene.api.get("/series", params={"prefix": "other"}, auth=scene.key).json()["series"] == []
    jobs = scene.api.get("/jobs", auth=scene.key).json()["jobs"]
    assert {job["series_id"] for job in jobs} == {scene.visible}
    assert scene.api.get("/jobs", params={"series_id": scene.hidden}, auth=scene.key).json()["jobs"] == []
    assert scene.api.get("/healthcheck", auth=scene.key).json()["series_trained"] == 1


def test_a_bulk_fit_is_refused_line_by_line(scene: Scene) -> None:
    lines = [json.dumps({"series_id": series_id, **ramp()}) for series_id in (scene.hidden, scene.visible)]
    answer = scene.api.post("/fit", content="\n".join(lines), auth=scene.key)
    refused, accepted = [json.loads(line) for line in answer.text.splitlines()]
    assert refused["problem"]["code"] == "series_not_found"
    assert accepted["status"] == "queued"


def test_among_many_points_only_those_of_other_series_are_refused(scene: Scene) -> None:
    points = [POINT | {"series_id": series_id} for series_id in (scene.hidden, scene.visible)]
    refused, judged = scene.api.post("/predict", json={"points": points}, auth=scene.key).json()["results"]
    assert refused["problem"]["code"] == "series_not_found"
    assert judged["verdict"]["model_version"] == "1"


def test_a_stream_shows_only_series_with_the_prefix(scene: Scene) -> None:
    with scene.api.stream("GET", "/jobs/events", auth=scene.key) as stream:
        lines = stream.iter_lines()
        accepted = [
            scene.api.post(f"/fit/{series_id}", json=ramp(), auth=scene.root)
            for series_id in (scene.hidden, scene.visible)
        ]
        visible_job = accepted[1].json()["job_id"]
        received: list[str] = []
        until(lambda: visible_job in received[-1], meanwhile=lambda: received.append(next(lines)))
    assert not [line for line in received if scene.hidden in line]
