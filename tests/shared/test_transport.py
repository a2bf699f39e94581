"""The hardened Kombu transport drops malformed entries and delivers messages."""

from uuid import uuid4

import redis
from celery import Celery

from shared.queue import QUEUE, announce, make_celery
from tests.gateway import Gateway

MALFORMED = [
    b"",
    b"garbage",
    b"{}",
    b"[1]",
    b"null",
    b'{"body": 3, "headers": {}, "properties": {}}',
    b"\x80\x04.",
    b"\xff",
]


def received(app: Celery, entries: int) -> list[str]:
    """Return the ids of the messages among the next `entries` entries of the queue."""
    job_ids = []
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        for _ in range(entries):
            try:
                message = queue.get(timeout=0.2)
            except queue.Empty:
                continue
            job_ids.append(message.headers["id"])
            message.ack()
    return job_ids


def test_malformed_entries_are_dropped_and_later_messages_are_received(gateway: Gateway, client: redis.Redis) -> None:
    gateway.open()
    app = make_celery(gateway.url, consumes=True)
    job_ids = [str(uuid4()) for _ in MALFORMED]
    for entry, job_id in zip(MALFORMED, job_ids, strict=True):
        client.lpush(QUEUE, entry)
        assert announce(app, [job_id])
    try:
        assert [job_id for job_id in received(app, 2 * len(MALFORMED)) if job_id in job_ids] == job_ids
        assert client.llen(QUEUE) == 0
    finally:
        app.close()
