"""The API while Redis refuses or hangs: responses stay the same, and the backlog is kept."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis

from shared.artifacts import Artifacts
from shared.metrics import Metrics
from shared.queue import QUEUE, make_celery
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.telemetry import connect
from tests.gateway import Gateway
from tests.points import ramp
from tests.processes import serving
from tests.waiting import until
from worker.reconciling import Reconciler

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def gateway(redis_url: str) -> Iterator[Gateway]:
    """A gateway to an empty Redis database, initially shut."""
    url = redis_url.rsplit("/", 1)[0] + "/3"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        gateway = Gateway(url)
        yield gateway
        gateway.shut()
        client.flushdb()


@pytest.fixture(params=["refused", "silent"])
def api(settings: Settings, gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    if request.param == "silent":
        gateway.silent()
    with serving(settings.model_copy(update={"redis_url": gateway.url})) as client:
        yield client


def shape(value: Any) -> Any:
    """The structure and types of a response, without its values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_responses_are_the_same_without_redis(
    api: httpx.Client, settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    job_id = fitted(series_id)
    queued = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"/fit/{series_id}", ramp()),
        ("POST", f"/fit/{series_id}", ramp(values=[1])),
        ("POST", f"/predict/{series_id}", {"timestamp": 1, "value": 2}),
        ("POST", f"/predict/{series_id}/batch", ramp()),
        ("GET", f"/jobs/{job_id}", None),
        ("POST", f"/jobs/{queued}/cancel", None),
        ("GET", "/jobs?limit=1", None),
        ("GET", f"/series/{series_id}", None),
        ("GET", f"/series/{series_id}/versions/1/data", None),
    ]
    with serving(settings) as with_redis:
        for method, path, body in calls:
            expected, answer = (client.request(method, path, json=body) for client in (with_redis, api))
            assert (answer.status_code, shape(answer.json())) == (expected.status_code, shape(expected.json())), path
    health = api.get("/healthcheck")
    assert (health.status_code, health.json()["telemetry"]) == (200, "unavailable")
    assert api.get("/readyz").json()["status"] == "degraded"


def test_the_backlog_is_announced_when_redis_returns(
    api: httpx.Client, gateway: Gateway, settings: Settings, sessions: Sessions, series_id: str
) -> None:
    job_ids = {str(api.post(f"/fit/{series_id}-{place}", json=ramp()).json()["job_id"]) for place in range(30)}
    gateway.open()
    gateway_settings = settings.model_copy(update={"redis_url": gateway.url})
    client, app = connect(gateway.url), make_celery(gateway.url, consumes=False)
    with sessions.begin() as session:
        forget_announcements = "UPDATE fit_jobs SET announced_at = NULL WHERE status = 'queued'"
        session.exec_driver_sql(forget_announcements)
    reconciler = Reconciler(
        Sessions(make_engine(gateway_settings, "tsad-tests")),
        Artifacts.of(gateway_settings),
        app,
        client,
        Metrics(),
        gateway_settings,
    )
    until(lambda: job_ids <= set(re.findall(UUID, str(client.lrange(QUEUE, 0, -1)))), meanwhile=reconciler.round)
    reconciler.sessions.engine.dispose()
    app.close()
    client.close()
