"""Detection of a deaf worker: alive, but taking no messages. It exits so that its supervisor restarts it.

Celery workers on Redis can go deaf after a reconnect for many reasons. The check is independent of the reason: messages
are waiting, the worker is idle, and it has not taken a message for a while.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import billiard
import redis

from shared.queue import messages_waiting

logger = logging.getLogger(__name__)

DEAF_AFTER_CHECKS = 15
CHECK_EVERY_S = 1.0
EXIT_CODE = 70  # EX_SOFTWARE


class Watchdog:
    """Checks the worker in its own thread. A Redis outage does not count, because the queue length is unknown then.

    It counts checks instead of seconds, so that a suspended machine or a stopped process is not mistaken for deafness.
    """

    def __init__(self, client: redis.Redis, is_busy: Callable[[], bool]) -> None:
        self._redis = client
        self._is_busy = is_busy
        self._missed = 0

    def start(self) -> None:
        """Start the thread, which checks every `CHECK_EVERY_S` seconds."""
        Thread(target=self._run, name="watchdog", daemon=True).start()

    def message_taken(self, **_: Any) -> None:
        """Reset the count, since the worker took a message."""
        self._missed = 0

    def is_deaf(self) -> bool:
        """Check once; return True if messages waited in more than `DEAF_AFTER_CHECKS` checks in a row."""
        waiting = 0 if self._is_busy() else messages_waiting(self._redis)
        self._missed = self._missed + 1 if waiting else 0
        return self._missed > DEAF_AFTER_CHECKS

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_EVERY_S)
            if self.is_deaf():
                end("messages are waiting, but it takes none")


def end(reason: str) -> None:
    """Kill the children and exit at once. The reconciler requeues their jobs when the leases expire."""
    logger.error("killing this worker and its children: %s", reason)
    for child in billiard.active_children():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(EXIT_CODE)
