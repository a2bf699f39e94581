"""Errors of requests that contradict what was sent before."""

import httpx
from sqlalchemy import text

from shared.errors import Code
from tests.api.provoking.scene import POINT, Scene, Send
from tests.points import ramp
from tests.remote import encoded, send
from worker.training import run


def key_reused(scene: Scene) -> httpx.Response:
    key = {"Idempotency-Key": f"key-of-{scene.succeeded}"}
    assert scene.api.post("/fit/keyed", json=ramp(), headers=key).status_code == 202
    return scene.api.post("/fit/keyed", json=ramp(8), headers=key)


def data_gone(scene: Scene) -> httpx.Response:
    job_id = scene.fit("gone")
    assert scene.api.delete("/series/gone").is_success
    return scene.api.post(f"/jobs/{job_id}/retry")


def context_required(scene: Scene) -> httpx.Response:
    run(scene.training, scene.fit("windowed", points=100, detector="msnn"))
    return scene.api.post("/predict/windowed", json=POINT)


def time_not_learned(scene: Scene) -> httpx.Response:
    hours = [3_600 * hour for hour in range(24 * 28) if 8 <= hour % 24 < 18]
    body = {"timestamps": hours, "values": [hour // 3_600 % 5 for hour in hours], "parameters": {"cycle": "day"}}
    job = scene.api.post("/fit/shop", json={**body, "detector": "seasonal"}).json()
    run(scene.training, job["job_id"])
    return scene.api.post("/predict/shop", json=POINT)


def prefix_taken(scene: Scene) -> httpx.Response:
    assert scene.api.put("/watches/first", json={"prefix": "taken."}).is_success
    return scene.api.put("/watches/second", json={"prefix": "taken."})


def receiver_in_use(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/used", json={"kind": "slack", "url": "https://a.example/"}).is_success
    assert scene.api.put("/watches/using", json={"prefix": "using.", "notify": {"receivers": ["used"]}}).is_success
    return scene.api.delete("/receivers/used")


def receiver_disabled(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/off", json={"kind": "slack", "url": "https://a.example/"}).is_success
    with scene.sessions.begin() as session:
        session.execute(text("UPDATE receivers SET disabled = 'so' WHERE name = 'off'"))
    return scene.api.post("/receivers/off/test")


def no_secret(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/chat", json={"kind": "slack", "url": "https://a.example/"}).is_success
    return scene.api.post("/receivers/chat/rotate")


def points_refused(scene: Scene) -> httpx.Response:
    return send(scene.api, encoded(({"job": "has no name"}, [(1, 1.0)])))


REQUESTS: dict[Code, Send] = {
    Code.IDEMPOTENCY_KEY_REUSED: key_reused,
    Code.DATA_GONE: data_gone,
    Code.CONTEXT_REQUIRED: context_required,
    Code.TIME_NOT_LEARNED: time_not_learned,
    Code.PREFIX_TAKEN: prefix_taken,
    Code.RECEIVER_IN_USE: receiver_in_use,
    Code.RECEIVER_DISABLED: receiver_disabled,
    Code.NO_SECRET: no_secret,
    Code.POINTS_REFUSED: points_refused,
}
