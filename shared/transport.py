"""Kombu's Redis transport, hardened against malformed queue entries and Redis outages."""

import logging
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection as KombuConnection
from kombu.transport import TRANSPORT_ALIASES, redis
from redis import ResponseError

logger = logging.getLogger(__name__)

# Parsing a malformed message raises these. Connection errors are of other types.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class QoS(redis.QoS):
    """Restores unacknowledged messages when a channel closes, if Redis is still reachable.

    Kombu also tries this on a lost connection, where the error would end the worker and the fits of its children.
    """

    def restore_unacked(self, client: Any = None) -> None:
        """Restore the messages as kombu does, but drop them on any error: the reconciler sends them again."""
        try:
            super().restore_unacked(client)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - from Redis, the socket, or a half-closed connection
            logger.warning(
                "unacknowledged messages not restored, the reconciler will send them again: %d (%s)",
                len(self._delivered),
                type(error).__name__,
            )
            self._delivered.clear()


class Channel(redis.Channel):
    """Drops malformed queue entries and continues. The reconciler sends the messages of lost jobs again."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            logger.error("dropped a malformed queue entry: %s", type(error).__name__)  # noqa: TRY400
            raise Empty from None


class Transport(redis.Transport):
    """The Redis transport with the tolerant channel.

    A Redis that answers with errors (a full disk, too little memory, a replica) counts as lost: its clients reconnect
    until it recovers. Kombu takes such an answer for a mistake of the caller, and the worker would end.
    """

    Channel = Channel
    accepts: Mapping[str, Callable[[Any], bool]] = {}  # by queue; all messages of other queues are delivered
    connection_errors = (*redis.Transport.connection_errors, ResponseError)

    def _deliver(self, message: Any, queue: str) -> None:
        """Deliver a message, or raise `ValueError` before anything reads it.

        An error after that leaves the message unacknowledged, and the worker then takes no others.
        """
        if queue in self.accepts and not self.accepts[queue](message):
            raise ValueError("not a message of this service")
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


class Connection(KombuConnection):
    """Retries at least every two seconds: kombu's backoff grows to 30 s, in which a worker receives nothing."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Reconnect as kombu does, with a shorter backoff."""
        backoff = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": 2}
        return super().ensure_connection(*arguments, **backoff | options)  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    """Celery's AMQP layer with the faster reconnect."""

    Connection = Connection


def install(accepts: Mapping[str, Callable[[Any], bool]]) -> None:
    """Use this transport for redis:// and rediss:// URLs. accepts: checks of the messages in a queue."""
    Transport.accepts = accepts
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
