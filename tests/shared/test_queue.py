"""Messages contain only job ids, and publishing them never blocks."""

import base64
import json
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
from celery import Celery

from shared.queue import QUEUE, Announcer, announce, make_celery, messages_waiting
from tests.gateway import Gateway
from tests.waiting import until


@pytest.fixture
def app(gateway: Gateway) -> Iterator[Celery]:
    app = make_celery(gateway.url, consumes=False)
    yield app
    app.close()


def test_a_message_contains_only_the_job_id(app: Celery, gateway: Gateway, client: redis.Redis) -> None:
    gateway.open()
    job_id = str(uuid4())
    assert announce(app, [job_id])
    assert messages_waiting(client) == 1
    (raw,) = client.lrange(QUEUE, 0, -1)
    message = json.loads(raw)
    arguments, options, _ = json.loads(base64.b64decode(message["body"]))
    assert (arguments, options) == ([job_id], {})
    assert message["headers"]["id"] == job_id
    assert message["content-type"] == "application/json"


@pytest.mark.parametrize("state", ["shut", "silent"])
def test_publishing_fails_fast_without_redis(app: Celery, gateway: Gateway, state: str) -> None:
    if state == "silent":
        gateway.silent()
    began = time.monotonic()
    assert announce(app, [str(uuid4())]) is False
    assert time.monotonic() - began < 5


def test_a_redis_outage_between_two_messages_raises_no_error(
    app: Celery, gateway: Gateway, client: redis.Redis
) -> None:
    for _ in range(2):
        gateway.open()
        until(lambda: announce(app, [str(uuid4())]))
        gateway.shut()
        assert announce(app, [str(uuid4())]) is False
    assert messages_waiting(client)


def test_messages_waiting_is_none_without_redis(gateway: Gateway) -> None:
    with redis.Redis.from_url(gateway.url, socket_connect_timeout=0.25) as client:
        assert messages_waiting(client) is None


def test_the_announcer_publishes_pending_messages_on_close(app: Celery, gateway: Gateway, client: redis.Redis) -> None:
    gateway.open()
    announcer = Announcer(app)
    for _ in range(50):
        announcer.announce(str(uuid4()))
    announcer.close()
    assert messages_waiting(client) == 50


def test_the_announcer_drops_excess_messages_without_blocking(app: Celery, gateway: Gateway) -> None:
    gateway.silent()
    announcer = Announcer(app, max_waiting=5)
    began = time.monotonic()
    for _ in range(10_000):
        announcer.announce(str(uuid4()))
    assert time.monotonic() - began < 2
    announcer.close()


def test_the_announcer_recovers_when_redis_does(app: Celery, gateway: Gateway, client: redis.Redis) -> None:
    announcer = Announcer(app)
    for _ in range(2):
        announcer.announce(str(uuid4()))
        gateway.open()
        until(lambda: messages_waiting(client), meanwhile=lambda: announcer.announce(str(uuid4())))
        gateway.shut()
        client.flushdb()
    announcer.close()
