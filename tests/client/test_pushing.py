"""Buffered pushes: sent by number, age and at the end, from several threads, through outages."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.processes import serving
from tests.waiting import until
from tsad_client import Client, codes
from tsad_client.errors import InvalidPointsError, PointsLostError, PusherClosedError, PusherFullError

NOW = int(time.time()) - 10_000
LONG_S = 600  # so that only something else sends the points


@pytest.fixture
def name() -> str:
    return f"pushed-{secrets.token_hex(4)}"


@pytest.fixture
def client(api: httpx.Client) -> Client:
    return Client(str(api.base_url))


def test_points_are_sent_when_there_are_enough_when_they_are_old_and_at_the_end(client: Client, name: str) -> None:
    with client, client.pusher(max_points=3, max_age_s=LONG_S) as pusher:
        for second in range(3):
            pusher.push(name, NOW + second, 1)
        until(lambda: pusher.sent.accepted == 3)
        pusher.push(name, NOW + 3, 1)
        assert pusher.flush()
        assert pusher.sent.accepted == 4
        pusher.push(name, NOW + 4, None)
        pusher.close()
        assert pusher.sent.accepted == 5
        with pytest.raises(PusherClosedError):
            pusher.push(name, NOW, 1)
    with Client(str(client._http.base_url)) as other, other.pusher(max_age_s=0.05) as pusher:  # noqa: SLF001
        pusher.push(name, NOW + 5, 1)
        until(lambda: pusher.sent.accepted == 1)


def test_points_of_several_threads_arrive_once_each(client: Client, name: str) -> None:
    with client:
        with client.pusher(max_points=50, max_buffered=100) as pusher, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: pusher.push(f"{name}-{number % 7}", NOW + number, number), range(700)))
        assert (pusher.sent.accepted, pusher.sent.late + pusher.sent.repeated) == (700, pusher.sent.late)
        assert [len(client.stored_points(f"{name}-{number}").timestamps) for number in range(7)] == [100] * 7


def test_refused_points_are_reported_one_by_one(client: Client, name: str) -> None:
    refused: list[Any] = []
    with client, client.pusher(on_refused=refused.extend) as pusher:
        pusher.push(name, NOW, 1)
        pusher.push("not an id", NOW, 2)
        pusher.push(name, "2026-01-01T00:00:00.5Z", 3)
        with pytest.raises(InvalidPointsError, match="'x' is not a number"):
            pusher.push(name, NOW, "x")  # type: ignore[arg-type]
    assert (pusher.sent.accepted, pusher.sent.refused) == (1, 2)
    assert [(point[2], problem.code) for point, problem in refused] == [
        (2, "invalid_series_id"),
        (3, "invalid_timestamp"),
    ]


def test_points_wait_while_the_service_is_away_and_the_buffer_is_limited(settings: Settings, name: str) -> None:
    port = free_port()
    with Client(f"http://127.0.0.1:{port}") as client, client.pusher(max_points=2, max_buffered=3) as pusher:
        for second in range(3):
            pusher.push(name, NOW + second, 1)
        with pytest.raises(PusherFullError, match="3 points"):
            pusher.push(name, NOW + 3, 1, timeout_s=0)
        assert not pusher.flush(timeout_s=0)
        with serving(settings, port):
            assert pusher.flush(timeout_s=30)
        assert (pusher.sent.accepted, pusher.sent.lost) == (3, 0)


def test_points_that_cannot_be_sent_are_counted_and_raise_once(api: httpx.Client, name: str) -> None:
    with Client(f"{api.base_url}/nowhere") as client:
        pusher = client.pusher()
        pusher.push(name, NOW, 1)
        with pytest.raises(PointsLostError, match=r"1 point could not be sent: .*route_not_found") as raised:
            pusher.flush()
        assert isinstance(raised.value.__cause__, codes.RouteNotFoundError)
        pusher.close()
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        pusher = client.pusher()
        pusher.push(name, NOW, 1)
        with pytest.raises(PointsLostError, match=r"got no response|was closed"):
            pusher.close(timeout_s=0.1)
        assert pusher.sent.lost == 1


def test_an_error_of_the_function_for_refused_points_reaches_the_caller(client: Client) -> None:
    with client:
        pusher = client.pusher(on_refused=lambda _: 1 / 0)
        pusher.push("not an id", NOW, 1)
        with pytest.raises(ZeroDivisionError):
            pusher.close()
