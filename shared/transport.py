"""Kombu's way to Redis, made to survive what a long life brings: foreign entries in the queue, Redis gone."""

import logging
from queue import Empty
from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection as KombuConnection
from kombu.transport import TRANSPORT_ALIASES, redis

logger = logging.getLogger(__name__)

# What taking apart a malformed message raises. Errors of the connection are none of these.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class QoS(redis.QoS):
    """Gives back the messages in hand when a channel closes, where Redis is still there to take them.

    Kombu tries that with a lost connection too, and the error would end the worker and the fits of its children.
    """

    def restore_unacked(self, client: Any = None) -> None:
        """As kombu does it, or not at all: what is lost is announced again."""
        try:
            super().restore_unacked(client)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - of Redis, of the socket, or of a connection half taken apart
            logger.warning("%d messages in hand are not given back: %s", len(self._delivered), type(error).__name__)
            self._delivered.clear()


class Channel(redis.Channel):
    """Drops entries of the queue that are no messages, and goes on. Their jobs, if any, are announced again."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            logger.error("an entry of the queue that is no message is dropped: %s", type(error).__name__)  # noqa: TRY400
            raise Empty from None


class Transport(redis.Transport):
    """The same with that channel."""

    Channel = Channel


class Connection(KombuConnection):
    """Tries again every two seconds: kombu's own pauses grow to half a minute, for which a worker would be deaf."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """As kombu does it, sooner."""
        sooner = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": 2}
        return super().ensure_connection(*arguments, **sooner | options)  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    """What Celery makes its connections with."""

    Connection = Connection


def install() -> None:
    """Use this transport for redis:// and rediss:// addresses."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
