"""A feed of alerts: its events, however they arrive, and its continuation after interruptions."""

import asyncio
import math
import secrets
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import msgspec
import pytest

from shared.settings import Settings
from shared.store import alerts
from shared.store.engine import Sessions
from tests.processes import serving
from tsad_client import AsyncClient, Client, Patience, UnreachableError, codes
from tsad_client.errors import UnexpectedResponseError
from tsad_client.following import Progress

NOW = int(time.time()) // 60 * 60
FIELDS = {
    "series_id": "a", "watch": "w", "kind": "deviation", "status": "open", "sentence": "Café \u2028", "began_at": 1,
    "opened_at": 1, "last_anomaly_at": 1, "ended_at": None, "peak": None, "points": 1, "version": "1", "quiet": None,
    "receivers": [], "acknowledged_at": None, "review": None, "note": "", "reviewed_at": None,
    "created_at": "2026-01-05T08:00:00Z",
}  # fmt: skip


def event(number: int, alert_id: str = "1", changed_at: str = "2026-01-05T08:00:00Z", **fields: Any) -> bytes:
    data = msgspec.json.encode(FIELDS | {"alert_id": alert_id, "changed_at": changed_at} | fields)
    return b"id: %d\nevent: alert\ndata: %b\n\n" % (number, data)


def progress(last_id: str | None = None) -> Progress:
    return Progress({"watch": "w"}, last_id, Patience())


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_are_read_in_pieces_of_any_size_and_each_change_is_returned_once(size: int) -> None:
    later = "2026-01-05T08:00:01Z"
    stream = b": nothing new\n\n" + event(5) + event(6, "2") + event(7) + event(8, changed_at=later, points=2)
    reading = progress()
    seen: list[Any] = []
    for start in range(0, len(stream), size):
        alerts_of_piece = reading.read(stream[start : start + size])
        seen.extend((alert.alert_id, alert.points, reading.last_id) for alert in alerts_of_piece)
    assert seen == [("1", 1, "5"), ("2", 1, "6"), ("1", 2, "8")]
    assert reading.call.headers == {"Last-Event-ID": "8"}
    assert progress("4").call.headers == {"Last-Event-ID": "4"}


def test_an_event_that_was_cut_off_is_forgotten_with_its_connection() -> None:
    reading = progress()
    assert not list(reading.read(event(5)[:-1]))
    reading.begin()
    assert [alert.alert_id for alert in reading.read(event(6, "2"))] == ["2"]
    with pytest.raises(UnexpectedResponseError, match="cannot be read"):
        list(reading.read(b'event: alert\ndata: {"a": 1}\n\n'))


def test_interruptions_are_waited_for_but_not_errors_that_stay() -> None:
    reading = progress()
    for outcome in (None, httpx.ReadError("cut"), httpx.ConnectError("refused"), httpx.Response(502, text="nginx")):
        reading.begin()
        assert 0.2 < reading.pause_s(outcome) < 1
    problem = {"detail": "The API key is invalid.", "code": "unauthenticated", "status": 401}
    with pytest.raises(codes.UnauthenticatedError):
        reading.pause_s(httpx.Response(401, json=problem))
    with pytest.raises(UnreachableError):
        list(islice(iter(lambda: reading.pause_s(httpx.ConnectError("refused")), None), 99))


@pytest.fixture
def watched(url: str) -> Iterator[tuple[str, Client]]:
    """A watch and its only series, which is fitted."""
    name = f"client-{secrets.token_hex(4)}"
    points = {"timestamps": range(NOW - 7200, NOW - 600, 60), "values": [1, 2] * 55}
    with Client(url) as client:
        client.fit(name, points, detector="baseline").wait()
        client.put_watch(name, name, silence="off")
        yield name, client
        client.delete_watch(name)


def test_a_feed_continues_after_a_restart_of_the_service_without_a_gap(
    settings: Settings, sessions: Sessions, watched: tuple[str, Client]
) -> None:
    name, client = watched
    with serving(settings, timeout_graceful_shutdown=0) as first:
        port = first.base_url.port or 0
        follower = Client(str(first.base_url), patience=Patience(unreachable_s=math.inf))
        feed = follower.follow_alerts(watch=name)
        client.push_points((name, NOW - 60 * minute, 50) for minute in (9, 8))
        opened = next(feed)
        assert (opened.status, opened.points) == ("open", 2)
    client.push(name, {"timestamps": [NOW - 420], "values": [50]})  # while the service of the follower is away
    with sessions.begin() as session:
        alerts.acknowledge(session, opened.alert_id, "")
    with serving(settings, port), follower, feed:
        missed = next(feed)
        assert (missed.points, missed.acknowledged_at is not None) == (3, True)
        client.push(name, {"timestamps": [NOW - 360], "values": [50]})
        assert next(feed).points == 4
        with follower.follow_alerts(watch=name, last_id=feed.last_id) as later:
            assert next(later).points == 4  # what happened shortly before the last event is sent again


def test_an_event_loop_follows_alerts(url: str, watched: tuple[str, Client]) -> None:
    name, client = watched

    async def follow() -> list[int]:
        async with AsyncClient(url) as following, following.follow_alerts(series_id=name) as feed:
            client.push_points((name, NOW - 60 * minute, 50) for minute in (9, 8))
            seen = [(await anext(feed)).points]
            client.push(name, {"timestamps": [NOW - 420], "values": [50]})
            async for alert in feed:
                return [*seen, alert.points]
        return seen

    assert asyncio.run(follow()) == [2, 3]
