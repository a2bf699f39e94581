"""Waiting for jobs to end: all waits of a process share one query every tenth of a second.

No LISTEN, so that a transaction pooler between us and PostgreSQL does no harm.
"""

import asyncio
import logging

from shared.errors import UnavailableError
from shared.store import jobs
from shared.store.engine import Sessions

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
MOST_WAITERS = 1000


class Watcher:
    """Tells waiting requests when their job has a final status. Belongs to one event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waiters = 0
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, job_id: str, seconds: float) -> None:
        """Return when the job has ended, the time is over, too many wait already, or the process stops."""
        if seconds <= 0 or self._waiters >= MOST_WAITERS or self._closed:
            return
        ended = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(ended)
        self._waiters += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="watcher")
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters -= 1
            waiting = self._waiting.get(job_id, set())
            waiting.discard(ended)
            if not waiting:
                self._waiting.pop(job_id, None)

    def close(self) -> None:
        """Let every wait end now."""
        self._closed = True
        for job_id in list(self._waiting):
            self._end(job_id)

    async def _look(self) -> None:
        try:
            while self._waiting:
                try:
                    finished = await asyncio.to_thread(self._finished, list(self._waiting))
                except UnavailableError:
                    finished = set()
                for job_id in finished:
                    self._end(job_id)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._looking = None

    def _finished(self, job_ids: list[str]) -> set[str]:
        with self._sessions.begin() as session:
            return jobs.finished(session, job_ids)

    def _end(self, job_id: str) -> None:
        for ended in self._waiting.get(job_id, ()):
            ended.set()
