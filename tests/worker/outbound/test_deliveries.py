"""What outbound promises about deliveries: order, attempts, signatures, and when it gives up."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from shared.domain.watching.receivers import new_secret
from shared.errors import TsadError
from shared.metrics import Metrics
from shared.store import deliveries, receivers
from tests.worker.outbound.conftest import Scene
from tests.worker.outbound.receiving import ReceivingServer
from worker.outbound import delivering
from worker.outbound.__main__ import give_up
from worker.outbound.delivering import retry_after

HOUR_S = 3_600


@pytest.fixture
def watched(scene: Scene, server: ReceivingServer) -> Scene:
    """A scene in which each change is a message to the receiver `oncall`."""
    scene.put_receiver("oncall", server.url)
    scene.put_watch("oncall", group_wait="0s", at_most={"messages": 1000, "per": "1d"})
    return scene


def statuses(scene: Scene) -> list[tuple[str, int]]:
    return [
        (status, attempts) for status, attempts in scene.rows("SELECT status, attempts FROM deliveries ORDER BY id")
    ]


def test_a_receiver_that_returns_after_30_hours_gets_everything_in_order(
    watched: Scene, server: ReceivingServer
) -> None:
    server.answers = [(503, {})] * 1_000
    for hour in range(30):
        watched.open(f"w.{hour}")
        watched.run()
        watched.close(f"w.{hour}")
        watched.run(HOUR_S)
    attempts = len(server.received)
    assert 30 <= attempts <= 70
    assert {request.headers["webhook-id"] for request in server.received} == {f"{watched.alerts['w.0'].id}.1"}
    server.answers = []
    watched.run(700)
    arrived = [request.headers["webhook-id"] for request in server.received[attempts:]]
    assert arrived == [f"{watched.alerts[f'w.{hour}'].id}.{step}" for hour in range(30) for step in (1, 2)]


def test_both_secrets_sign_for_a_day_after_a_rotation(watched: Scene, server: ReceivingServer) -> None:
    first, second = "", new_secret()
    with watched.database.begin() as session:
        first = str(session.execute(text("SELECT secret FROM receivers")).scalar_one())
        receivers.rotate(session, "oncall", second)
    server.answers = [(500, {})]
    watched.open("w.a")
    watched.run()
    watched.run(60)
    for request in server.received:  # each attempt has a signature of its own
        for secret in (first, second):
            assert Webhook(secret).verify(request.body, request.headers)["type"] == "alert.opened"
    failed, delivered = (request.headers for request in server.received)
    assert failed["webhook-id"] == delivered["webhook-id"]
    assert int(delivered["webhook-timestamp"]) == int(failed["webhook-timestamp"]) + 60
    watched.now = watched.now.replace(microsecond=0) + timedelta(days=1, seconds=60)
    watched.open("w.b")
    watched.run()
    signatures = server.received[-1].headers["webhook-signature"].split(" ")
    assert len(signatures) == 1


@pytest.mark.parametrize(
    ("answer", "headers", "wait_s"),
    [
        (500, {}, 4),
        (301, {"Location": "/elsewhere"}, 4),
        (429, {"Retry-After": "120"}, 119),
        (404, {}, 4),
        (204, {}, 0),
    ],
)
def test_everything_but_2xx_is_a_failure_and_retry_after_is_kept(
    watched: Scene, server: ReceivingServer, answer: int, headers: dict[str, str], wait_s: float
) -> None:
    server.answers = [(answer, headers)]
    watched.open("w.a")
    watched.run()
    watched.run(max(wait_s - 1, 0))
    assert len(server.received) == 1
    watched.run(3)
    assert statuses(watched) == [("delivered", 2 if wait_s else 1)]
    assert [request.path for request in server.received] == ["/hook"] * (2 if wait_s else 1)


def test_a_receiver_that_is_put_again_waits_on_and_one_with_another_address_is_tried_at_once(
    watched: Scene, server: ReceivingServer
) -> None:
    server.answers = [(500, {})]
    watched.open("w.a")
    watched.run()
    watched.put_receiver("oncall", server.url, types=["alert.opened"])
    watched.run()
    assert [request.path for request in server.received] == ["/hook"]
    watched.put_receiver("oncall", server.url + "/new")
    watched.run()
    assert [request.path for request in server.received] == ["/hook", "/hook/new"]


def test_a_receiver_that_answers_410_is_disabled_until_somebody_resumes_it(
    watched: Scene, server: ReceivingServer
) -> None:
    server.answers = [(410, {})]
    watched.open("w.a")
    watched.run()
    watched.run(HOUR_S)
    assert len(server.received) == 1
    with watched.database.begin() as session:
        stored = receivers.find(session, "oncall")
        assert (stored.disabled, stored.waiting) == ("The receiver answered 410 Gone.", 1)
        receivers.resume(session, "oncall")
    watched.run()
    assert statuses(watched) == [("delivered", 2)]


def test_a_message_is_given_up_after_two_days_and_can_be_replayed_with_the_same_id(
    watched: Scene, server: ReceivingServer
) -> None:
    server.answers = [(500, {})] * 3
    watched.open("w.a")
    watched.run()
    with watched.database.begin() as session:
        assert deliveries.give_up(session, watched.now + timedelta(hours=47)) == []
        assert deliveries.give_up(session, watched.now + timedelta(hours=49)) == ["oncall"]
        delivery = deliveries.newest(session, "oncall", 10)[0]
        assert (delivery.status, delivery.error) == ("given_up", "The receiver answered 500.")
    server.answers = []
    watched.run(HOUR_S)
    assert len(server.received) == 1
    with watched.database.begin() as session:
        deliveries.replay(session, delivery.id)
    watched.run()
    assert server.received[0].headers["webhook-id"] == server.received[1].headers["webhook-id"]
    give_up(watched.database, Metrics())


def test_one_process_sends_to_a_receiver_and_a_late_one_changes_nothing(
    watched: Scene, server: ReceivingServer
) -> None:
    watched.open("w.a")
    watched.folding.round()
    with watched.database.begin() as session:
        late = deliveries.claim(session, watched.now)
        assert late is not None
        assert deliveries.next_message(session, late, watched.now) is not None
    watched.run()
    assert server.received == []
    watched.run(61)
    assert statuses(watched) == [("delivered", 2)]
    with watched.database.begin() as session:
        assert not deliveries.extend(session, late, watched.now)
        deliveries.release(session, late, watched.now, wait_s=HOUR_S, error="late", disabled="late")
        stored = receivers.find(session, "oncall")
    assert (stored.disabled, stored.failures, stored.error) == (None, 0, None)


def test_a_receiver_without_its_variable_waits_and_one_that_hangs_does_not_delay_others(
    scene: Scene, server: ReceivingServer
) -> None:
    scene.put_receiver("unset", "", "slack", url_env="TSAD_RECEIVER_UNSET")
    scene.put_receiver("fine", server.url)
    scene.put_watch("unset", "fine")
    scene.open("w.a")
    scene.run()
    assert server.types == ["alert.opened"]
    error = "The environment variable TSAD_RECEIVER_UNSET of the outbound process is not set."
    assert scene.rows("SELECT error FROM receivers WHERE name = 'unset'") == [(error,)]
    scene.variables["TSAD_RECEIVER_UNSET"] = server.url
    scene.run(60)
    assert "text" in server.received[1].json
    with scene.database.begin() as session, pytest.raises(TsadError):
        receivers.delete(session, "fine")


def test_a_slow_receiver_gives_way_to_others(
    scene: Scene, server: ReceivingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "TURN_S", 0.0)
    for name in ("one", "two"):
        scene.put_receiver(name, server.url)
    scene.put_watch("one", "two", group_wait="0s", at_most={"messages": 1000, "per": "1d"})
    for series_id in ("w.a", "w.b"):
        scene.open(series_id)
        scene.folding.round()
    for _ in range(2):
        assert scene.delivering.round()
        scene.now += timedelta(seconds=1)
    sent = "SELECT receiver FROM deliveries WHERE status = 'delivered' ORDER BY receiver"
    assert scene.rows(sent) == [("one",), ("two",)]
    scene.run()
    assert len(scene.rows(sent)) == len(server.received) == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("9" * 30, 86_400.0), ("-1", None), ("soon", None), ("²", None),
        ("", None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0), ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0), ("Thu, 01 Jan 2026", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value: str, expected: float | None) -> None:
    assert retry_after({"retry-after": value}, datetime(2026, 1, 1, tzinfo=UTC)) == expected
