"""Notices a worker that lives but takes no messages any more, and ends it, so that it is started again.

Celery workers on Redis have gone deaf after a reconnect in many ways. This does not ask why: messages wait, and none
was taken for a while, although nothing is in hand.
"""

import logging
import os
import signal
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import billiard
import redis

from shared.queue import messages_waiting

logger = logging.getLogger(__name__)

DEAF_AFTER_LOOKS = 15
LOOK_EVERY_S = 1.0
EXIT_CODE = 70  # EX_SOFTWARE


class Watchdog:
    """Looks from a thread of its own. Redis being away is no deafness: nobody knows what waits there.

    Looks are counted instead of seconds, so that a machine that slept, or a process that was stopped, is not blamed.
    """

    def __init__(self, client: redis.Redis, in_hand: Callable[[], bool]) -> None:
        self._redis = client
        self._in_hand = in_hand
        self._missed = 0

    def start(self) -> None:
        """Begin to look."""
        Thread(target=self._run, name="watchdog", daemon=True).start()

    def heard(self, **_: Any) -> None:
        """A message was taken."""
        self._missed = 0

    def is_deaf(self) -> bool:
        """Look once: whether messages have been left waiting too often."""
        waiting = 0 if self._in_hand() else messages_waiting(self._redis)
        self._missed = self._missed + 1 if waiting else 0
        return self._missed > DEAF_AFTER_LOOKS

    def _run(self) -> None:
        pause = Event()
        while not pause.wait(LOOK_EVERY_S):
            if self.is_deaf():
                end("messages wait, and it takes none")


def end(reason: str) -> None:
    """End this process and its children at once: their jobs are taken back when their leases run out."""
    logger.error("the worker ends itself and its children: %s", reason)
    for child in billiard.active_children():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(EXIT_CODE)
