"""Errors of requests that exceed a limit."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.chain import bodies
from api.following import streams
from shared.errors import Code
from tests.api.provoking.scene import Scene, Send
from tests.points import ramp
from tests.waiting import until
from tests.wire import wired


def exchange(api: httpx.Client, send: Callable[[Any], None]) -> httpx.Response:
    """Send raw bytes that no HTTP client would send, and return the answer."""
    with wired(api) as wire:
        send(wire)
        reply = wire.reply()
    return httpx.Response(reply.status, headers=list(reply.headers.items()), content=reply.body)


def unknown_host(scene: Scene) -> httpx.Response:
    with scene.serving(allowed_hosts="tsad.example") as api:
        return api.get("/series")


def too_large(scene: Scene) -> httpx.Response:
    return exchange(scene.api, lambda wire: wire.head("POST", "/fit/a", Content_Length=10**12))


def too_slow(scene: Scene) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "MAX_PAUSE_S", 0.05)
        return exchange(scene.api, lambda wire: wire.head("POST", "/fit/a", Content_Length=10))


def overloaded(scene: Scene) -> httpx.Response:
    bounds = {"max_body_bytes": 10**6, "max_body_bytes_in_flight": 10**6}
    with pytest.MonkeyPatch.context() as patch, scene.serving(**bounds) as api, wired(api) as other:
        patch.setattr(bodies, "WAIT_FOR_BUDGET_S", 0.05)
        other.head("POST", "/fit/a", Content_Length=500_000)
        other.send(b" " * 400_000)
        answers = [api.get("/livez")]
        until(
            lambda: answers[-1].status_code == 503,
            meanwhile=lambda: answers.append(api.post("/fit/a", content=b" " * 400_000)),
        )
        return answers[-1]


def queue_full(scene: Scene) -> httpx.Response:
    with scene.serving(max_queued_jobs=1) as api:
        scene.fit("full")
        return api.post("/fit/full", json=ramp())


def series_limit(scene: Scene) -> httpx.Response:
    points = {"timestamps": [int(time.time())], "values": [1]}
    with scene.serving(max_streams=1) as api:
        answers = [api.post(f"/series/{series_id}/points", json=points) for series_id in ("limit-a", "limit-b")]
    return answers[-1]


def too_many_streams(scene: Scene) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "MAX_STREAMS", 0)
        return scene.api.get("/jobs/events")


REQUESTS: dict[Code, Send] = {
    Code.UNKNOWN_HOST: unknown_host,
    Code.BODY_TOO_LARGE: too_large,
    Code.BODY_TOO_SLOW: too_slow,
    Code.OVERLOADED: overloaded,
    Code.QUEUE_FULL: queue_full,
    Code.SERIES_LIMIT: series_limit,
    Code.TOO_MANY_STREAMS: too_many_streams,
}
