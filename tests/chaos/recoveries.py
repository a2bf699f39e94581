"""Measure, from the rows of jobs, how long they take to recover from a fault."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, TextClause, text

from shared.errors import UnavailableError
from shared.store.engine import Sessions
from tests.chaos.plan import POISON_POINTS

LOOK_EVERY_S = 0.25
FINAL = ("succeeded", "failed", "cancelled")

_RUNNING = text("""
SELECT CAST(id AS text) AS job_id, attempt, crashes, points, announcements, progress FROM fit_jobs
 WHERE status = 'running' AND (CAST(:worker AS text) IS NULL OR worker = :worker)
""")
# Due and first of their series: a message is in the queue, or will be soon.
_WAITING = text("""
SELECT CAST(id AS text) AS job_id, attempt, crashes, points, announcements, progress FROM fit_jobs q
 WHERE status = 'queued' AND available_at <= clock_timestamp()
   AND NOT EXISTS (SELECT 1 FROM fit_jobs o
                    WHERE o.series_id = q.series_id AND o.status IN ('queued', 'running') AND o.seq < q.seq)
""")
_QUEUED = text("SELECT count(*) FROM fit_jobs WHERE status = 'queued'")
_LOOK = text("""
SELECT CAST(id AS text) AS job_id, attempt, status, announcements FROM fit_jobs
 WHERE id = ANY (CAST(:job_ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job at the moment of a fault."""

    job_id: str
    attempt: int
    crashes: int
    points: int
    announcements: int
    progress: float


@dataclass(slots=True)
class _Watch:
    kind: str
    at: float
    seen: JobSnapshot
    rerun: bool = False  # a new attempt has begun


@dataclass(slots=True)
class _LostQueue:
    kind: str
    at: float
    seen: dict[str, JobSnapshot]


@dataclass
class Recoveries:
    """Seconds by kind of fault.

    They count until a job ran again, until it succeeded, until a job of a lost queue was claimed, and until everything
    worked after a full disk had space again.
    """

    sessions: Sessions
    rerun: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    succeeded: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    queues: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    disks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _watches: list[_Watch] = field(default_factory=list)
    _lost: list[_LostQueue] = field(default_factory=list)
    _looked_at: float = 0.0

    def running(self, worker: str | None = None) -> list[JobSnapshot]:
        """Return the running jobs of one worker, or of all."""
        return self._rows(_RUNNING, worker=worker)

    def queued(self) -> int | None:
        """Return the number of queued jobs; None while the database is unavailable."""
        try:
            with self.sessions.begin() as session:
                return int(session.execute(_QUEUED).scalar_one())
        except UnavailableError:
            return None

    def workers_hit(self, kind: str, jobs: list[JobSnapshot]) -> None:
        """Watch jobs that may have lost their worker; one that simply continues kept it.

        A job that is already watched lost its worker to an earlier fault. A poison job kills its worker itself.
        """
        awaited = {watch.seen.job_id for watch in self._watches if not watch.rerun}
        victims = [job for job in jobs if job.points != POISON_POINTS and job.job_id not in awaited]
        self._watches += [_Watch(kind, time.monotonic(), job) for job in victims]

    def any_rerun(self, kind: str) -> bool:
        """Check whether a job that lost its worker to such a fault runs again, or no such job is left."""
        affected = [watch for watch in self._watches if watch.kind == kind]
        return not affected or any(watch.rerun for watch in affected)

    def queue_lost(self, kind: str) -> None:
        """Watch all waiting jobs, whose messages are about to be lost."""
        if waiting := self._rows(_WAITING):
            self._lost.append(_LostQueue(kind, time.monotonic(), {job.job_id: job for job in waiting}))

    def look(self) -> None:
        """Record recoveries; query the database at most four times a second."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S or not (self._watches or self._lost):
            return
        self._looked_at = now
        job_ids = {watch.seen.job_id for watch in self._watches} | {
            job_id for lost in self._lost for job_id in lost.seen
        }
        try:
            with self.sessions.begin() as session:
                rows = {row.job_id: row for row in session.execute(_LOOK, {"job_ids": list(job_ids)})}
        except UnavailableError:
            return
        self._watches = [watch for watch in self._watches if self._is_unfinished(watch, rows.get(watch.seen.job_id))]
        self._lost = [lost for lost in self._lost if self._still_lost(lost, rows)]

    def _is_unfinished(self, watch: _Watch, row: Row[Any] | None) -> bool:
        """Record the recovery of a job; return False once there is nothing more to record."""
        if row is None:
            return False
        attempt, status = row.attempt, row.status
        elapsed = time.monotonic() - watch.at
        if attempt > watch.seen.attempt and not watch.rerun:
            watch.rerun = True
            self.rerun[watch.kind].append(elapsed)
        if status in FINAL:
            if watch.rerun and status == "succeeded":
                self.succeeded[watch.kind].append(elapsed)
            return False
        return True

    def _still_lost(self, lost: _LostQueue, rows: dict[str, Row[Any]]) -> bool:
        open_jobs = 0
        for job_id, seen in lost.seen.items():
            row = rows.get(job_id)
            if row is None:
                continue
            repeated = row.announcements > seen.announcements
            claimed = row.attempt > seen.attempt
            if claimed and repeated:
                self.queues[lost.kind].append(time.monotonic() - lost.at)
                return False
            open_jobs += not claimed and row.status == "queued"
        return open_jobs > 0

    def _rows(self, statement: TextClause, **parameters: object) -> list[JobSnapshot]:
        try:
            with self.sessions.begin() as session:
                return [JobSnapshot(*row) for row in session.execute(statement, parameters)]
        except UnavailableError:
            return []
