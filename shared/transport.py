"""Kombu's Redis transport, made to survive what is no message: left alone, one foreign entry ends the worker."""

import logging
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

logger = logging.getLogger(__name__)

# What taking apart a malformed message raises. Errors of the connection are none of these.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class Channel(redis.Channel):
    """Drops entries of the queue that are no messages, and goes on. Their jobs, if any, are announced again."""

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            logger.error("an entry of the queue that is no message is dropped: %s", type(error).__name__)  # noqa: TRY400
            raise Empty from None


class Transport(redis.Transport):
    """The same with that channel."""

    Channel = Channel


def install() -> None:
    """Use this transport for redis:// and rediss:// addresses."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
