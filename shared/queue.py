"""Celery on Redis carries job ids from the API to the workers.

PostgreSQL holds the jobs; a message only tells a worker which row to look at.
"""

import base64
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any

import redis
from celery import Celery
from kombu.entity import Exchange
from kombu.entity import Queue as BrokerQueue
from kombu.exceptions import KombuError

from shared import transport

logger = logging.getLogger(__name__)

TASK = "fit"
QUEUE = "fit"
_BATCH_SIZE = 500
_MAX_BODY = 1000  # characters; a body with one job id has 150

# Publishing must fail fast, not hang for seconds while Redis is down: the reconciler sends lost messages again.
_PUBLISH_OPTIONS = {"max_retries": 0, "socket_connect_timeout": 0.25, "socket_timeout": 0.5}
# A worker would add its own time limit, and no worker reads such a message.
_SEND_OPTIONS = {"queue": QUEUE, "ignore_result": True, "time_limit": None, "soft_time_limit": None, "expires": None}
# A worker waits for messages indefinitely, but detects a dead connection.
_CONSUME_OPTIONS = {"socket_keepalive": True, "health_check_interval": 10, "socket_connect_timeout": 5}


def make_celery(redis_url: str, *, consumes: bool) -> Celery:
    """Create the Celery app: for a worker if `consumes` is true, else for a process that only publishes.

    It acknowledges early and has no result backend. The reconciler sends lost messages again, an expired lease reveals
    a lost worker, and the row holds the outcome of a job. Redelivery by Celery would be a second, slower mechanism.
    """
    transport.install({QUEUE: is_announcement})
    app = Celery("tsad", broker=redis_url, amqp="shared.transport:Amqp")
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_publish_retry=False,
        # The default exchange needs no binding in Redis, which FLUSHALL would delete.
        task_queues=[BrokerQueue(QUEUE, Exchange(""), routing_key=QUEUE)],
        task_default_queue=QUEUE,
        task_default_exchange="",
        task_default_routing_key=QUEUE,
        broker_transport_options=_CONSUME_OPTIONS if consumes else _PUBLISH_OPTIONS,
        broker_connection_timeout=5 if consumes else 0.25,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_disable_prefetch=True,  # a prefetched message would wait behind a long fit
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,  # for Flower
        worker_hijack_root_logger=False,
        worker_enable_remote_control=True,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def is_announcement(message: Any) -> bool:
    """Check whether a message is one that `announce` sends: only these are read.

    Celery knows many others: other tasks, delays, callbacks, compression. Redis holds such a message only if somebody
    forged it, and some would block a worker or exhaust its memory.
    """
    try:
        headers, body = message["headers"], message["body"]
        if len(body) > _MAX_BODY or message["content-type"] != "application/json" or headers.get("compression"):
            return False
        (job_id,), keywords, options = json.loads(base64.b64decode(body, validate=True))
        return (
            headers["task"] == TASK
            and isinstance(job_id, str)
            and headers["id"] == job_id
            and (headers["eta"], headers["expires"], headers["retries"]) == (None, None, 0)
            and headers["timelimit"] == [None, None]
            and keywords == {}
            and not any(options.values())
            and message["content-encoding"] == "utf-8"
            and message["properties"]["body_encoding"] == "base64"
            and isinstance(message["properties"]["delivery_tag"], str)
            and isinstance(message["properties"]["delivery_info"], dict)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def announce(app: Celery, job_ids: Sequence[str]) -> bool:
    """Publish the messages of jobs in one batch; return False if that fails: the reconciler sends them again."""
    try:
        with app.producer_pool.acquire(block=True) as producer, producer.batch():
            for job_id in job_ids:
                app.send_task(TASK, args=[job_id], task_id=job_id, producer=producer, **_SEND_OPTIONS)
    except (KombuError, redis.RedisError, OSError) as error:
        logger.warning(
            "messages not published, the reconciler will send them again: %d (%s)", len(job_ids), type(error).__name__
        )
        return False
    return True


def messages_waiting(client: redis.Redis) -> int | None:
    """Return the number of messages that no worker has taken yet; None if Redis does not answer."""
    try:
        return int(client.llen(QUEUE))
    except redis.RedisError:
        return None


class Announcer:
    """Publishes in its own thread, so that no response waits for Redis. Drops messages beyond `max_waiting`."""

    def __init__(self, app: Celery, max_waiting: int = 10_000) -> None:
        self._app = app
        self._waiting: Queue[str | None] = Queue(max_waiting)
        self._thread = Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def announce(self, job_id: str) -> None:
        """Queue the job's message for publication, or drop it if the queue is full."""
        with suppress(Full):
            self._waiting.put_nowait(job_id)

    def close(self) -> None:
        """Publish the pending messages, then stop the thread."""
        with suppress(Full):
            self._waiting.put_nowait(None)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        ending = False
        while not ending:
            batch = [self._waiting.get()]
            with suppress(Empty):
                while len(batch) < _BATCH_SIZE:
                    batch.append(self._waiting.get_nowait())
            job_ids = [job_id for job_id in batch if job_id is not None]
            ending = len(job_ids) < len(batch)
            if job_ids and not announce(self._app, job_ids):
                self._drop_waiting()  # they would hit the same timeout

    def _drop_waiting(self) -> None:
        with suppress(Empty):
            while self._waiting.get_nowait() is not None:
                pass
            self._waiting.put_nowait(None)
