"""Servers that hang: a PostgreSQL that is stopped while its TCP connections live on, and slow name servers."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import pytest

from api.predicting import resolving
from shared.settings import Settings
from shared.store.latest import LatestVersions
from tests.gateway import Gateway
from tests.points import ramp
from tests.processes import serving
from tests.waiting import until

POINT = {"timestamp": 1, "value": 1}


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Gateway]:
    gateway = Gateway(settings.database)
    gateway.open()
    yield gateway
    gateway.shut()


@pytest.fixture
def api(settings: Settings, gateway: Gateway) -> Iterator[httpx.Client]:
    changes = {"database_url": gateway.url, "database_statement_timeout_s": 1.0, "database_connect_timeout_s": 1}
    with serving(settings.model_copy(update=changes)) as client:
        yield client


def test_every_call_is_answered_while_the_database_is_frozen(
    api: httpx.Client,
    gateway: Gateway,
    series_id: str,
    fitted: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted(series_id)
    named = f"/predict/{series_id}?version=1"
    assert api.post(named, json=POINT).status_code == 200
    assert api.get("/readyz").status_code == 200
    monkeypatch.setattr(resolving, "TRUST_NAMED_S", 0)
    gateway.freeze()
    calls: list[tuple[str, str, Any]] = [
        ("POST", named, POINT),
        ("POST", f"/predict/{series_id}", POINT),
        ("POST", f"/fit/{series_id}", ramp()),
        ("GET", "/readyz", None),
        ("GET", "/jobs", None),
        ("GET", "/livez", None),
    ]
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(lambda call: api.request(call[0], call[1], json=call[2]), calls))
    assert [answer.status_code for answer in answers] == [200, 503, 503, 503, 503, 200]
    assert answers[3].json()["checks"]["database"] != "ok"
    gateway.thaw()
    until(lambda: api.get("/readyz").status_code == 200, 20)
    until(lambda: api.post(f"/predict/{series_id}", json=POINT).status_code == 200)


def test_a_slow_name_server_does_not_hold_the_event_loop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up, answer, lookup = Event(), Event(), socket.getaddrinfo

    def slow_lookup(*arguments: Any, **options: Any) -> Any:
        looked_up.set()
        answer.wait()
        return lookup("127.0.0.1", *arguments[1:], **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow_lookup)
    named = settings.model_copy(update={"database_url": settings.database.replace("127.0.0.1", "database.invalid")})

    async def scenario() -> None:
        latest = LatestVersions(named)
        latest.start()
        try:
            while not looked_up.is_set():  # noqa: ASYNC110 - a thread sets it
                await asyncio.sleep(0.01)
            answer.set()  # reached only if the lookup leaves the event loop free
            assert await latest.resolve("unknown") is None
        finally:
            answer.set()
            await latest.close()

    asyncio.run(scenario())


def test_a_slow_name_server_of_redis_holds_no_thread_that_others_need(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, lookup = Event(), socket.getaddrinfo

    def slow_lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == "redis.invalid":
            answer.wait()
        return lookup("127.0.0.1" if host == "redis.invalid" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow_lookup)
    changes = {"redis_url": settings.redis.replace("127.0.0.1", "redis.invalid"), "database_pool_size": 2}
    with ThreadPoolExecutor(16) as clients, serving(settings.model_copy(update=changes)) as api:
        try:
            waiting = [clients.submit(api.get, path) for path in ("/healthcheck", "/metrics") * 8]
            for _ in range(20):
                assert api.get("/series").status_code == 200
            assert api.get("/readyz").json()["status"] == "degraded"
        finally:
            answer.set()
        assert {call.result().status_code for call in waiting} == {200}
