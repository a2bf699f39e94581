"""The real store and a real folder, used by simulated processes that crash, stall, repeat and lose messages.

Everything happens in one thread, one transaction after another, except for one accept that may stay in flight:
transactions that would have to wait for it give up. Leases, the accept window and the grace are far longer than a
test; `pass_time` moves all timestamps back, in the database and in the memory of processes.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import Any

from sqlalchemy import text

from shared import artifacts as keys
from shared.artifacts import Artifacts
from shared.domain.jobs import Claim, Job, NewJob
from shared.domain.versions import Artifact, NewVersion, Version
from shared.errors import UnavailableError
from shared.settings import Settings
from shared.store import admissions, jobs, series, versions
from shared.store.engine import Session, Sessions

LEASE_S, WINDOW_S, GRACE_S = 1_000.0, 2_000.0, 3_000.0
EVERYTHING = 10_000

_PASS_TIME = [
    text("""
UPDATE fit_jobs SET available_at = available_at - make_interval(secs => :s),
       lease_until = lease_until - make_interval(secs => :s), announced_at = announced_at - make_interval(secs => :s),
       created_at = created_at - make_interval(secs => :s), started_at = started_at - make_interval(secs => :s),
       finished_at = finished_at - make_interval(secs => :s)
"""),
    text("UPDATE garbage SET noted_at = noted_at - make_interval(secs => :s)"),
]
_WAKE = text("UPDATE fit_jobs SET available_at = clock_timestamp() WHERE available_at > clock_timestamp()")
_SILENCE = text("""
UPDATE fit_jobs SET lease_until = clock_timestamp() - interval '1 s'
 WHERE id = CAST(:job_id AS uuid) AND status = 'running'
""")
_PATIENCE = text("SET LOCAL lock_timeout = '5ms'")


class Commit(StrEnum):
    """The outcome of a COMMIT."""

    DONE = "done"
    UNANSWERED = "done, but the answer is lost"
    LOST = "not done, and the answer is lost"


class UnansweredError(Exception):
    """The connection broke during a commit, or a lock was not available."""


@dataclass
class Worker:
    """A worker process, from its claim to its last answer."""

    claimed: Claim
    new: NewVersion | None = None  # stored, ready to be published


@dataclass
class World:
    """PostgreSQL, the folder, and the memory of every process."""

    sessions: Sessions
    artifacts: Artifacts
    requests: list[NewJob] = field(default_factory=list)  # data stored, not accepted yet
    promised: set[str] = field(default_factory=set)  # jobs whose acceptance was reported to a client
    in_flight: NewJob | None = None  # inserted, not committed
    messages: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)  # artifacts that a collector is about to delete
    deleted: set[tuple[str, int]] = field(default_factory=set)  # versions that a user or retention deleted
    _transaction: ExitStack = field(default_factory=ExitStack)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def of(cls, sessions: Sessions, settings: Settings) -> "World":
        return cls(sessions, Artifacts.of(settings))

    def new_id(self) -> str:
        """A job id that is the same in every run, so that a failure can be repeated."""
        return str(uuid.UUID(int=next(self._numbers)))

    @contextmanager
    def transaction(self, commit: Commit = Commit.DONE) -> Iterator[Session]:
        with self.sessions.begin() as session:
            yield session
            if commit is Commit.LOST:
                raise UnansweredError
        if commit is Commit.UNANSWERED:
            raise UnansweredError

    @contextmanager
    def turn(self, commit: Commit = Commit.DONE) -> Iterator[Session]:
        """A transaction that takes the lock of a series, which the accept in flight may hold."""
        try:
            with self.transaction(commit) as session:
                if self.in_flight:
                    session.execute(_PATIENCE)
                yield session
        except UnavailableError as error:
            if self.in_flight is None or "lock timeout" not in str(error.__cause__):
                raise
            raise UnansweredError from error

    # --- time -------------------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        with self.transaction() as session:
            for statement in _PASS_TIME:
                session.execute(statement, {"s": seconds})
        earlier = timedelta(seconds=seconds)
        self.requests = [replace(request, admitted_at=request.admitted_at - earlier) for request in self.requests]

    def silence(self, worker: Worker) -> None:
        """Let one lease expire: its worker is dead, or only sleeps."""
        with self.transaction() as session:
            session.execute(_SILENCE, {"job_id": worker.claimed.job_id})

    def wake(self) -> None:
        """End every backoff."""
        with self.transaction() as session:
            session.execute(_WAKE)

    # --- the API ----------------------------------------------------------------------------------------------------

    def ask(self, series_id: str, idempotency_key: str | None = None) -> NewJob:
        """Pass admission and store the training data; the insert comes later."""
        job_id = self.new_id()
        with self.transaction() as session:
            admitted_at = admissions.admission(session, EVERYTHING).admitted_at
        data = self.artifacts.data.put(keys.data_key(series_id, job_id), f"data of {job_id}".encode())
        request = NewJob(
            job_id=job_id,
            series_id=series_id,
            detector="baseline",
            parameters={},
            points=3,
            data=data,
            request_sha256=hashlib.sha256(series_id.encode()).digest(),
            admitted_at=admitted_at,
            idempotency_key=idempotency_key,
        )
        self.requests.append(request)
        return request

    def accept(self, requests: list[NewJob], commit: Commit = Commit.DONE) -> None:
        """Insert requests in one transaction. A client without an answer keeps its requests and may repeat them."""
        try:
            with self.turn(commit) as session:
                accepted = admissions.accept(session, requests, WINDOW_S)
                for request in requests:
                    existing = admissions.existing_job(session, request)
                    if existing and existing.same_id:
                        accepted.add(request.job_id)
        except UnansweredError:
            return
        self.requests = [request for request in self.requests if request not in requests]
        self._promise(accepted)

    def begin_accept(self, request: NewJob) -> None:
        """Insert, and leave the transaction open."""
        session = self._transaction.enter_context(self.sessions.begin())
        if admissions.accept(session, [request], WINDOW_S):
            self.in_flight = request
        else:  # too late, or accepted before
            self._transaction.close()
        self.requests.remove(request)

    def end_accept(self) -> None:
        """Commit the accept in flight."""
        if self.in_flight:
            self._transaction.close()
            self._promise({self.in_flight.job_id})
            self.in_flight = None

    def _promise(self, job_ids: set[str]) -> None:
        self.promised |= job_ids
        self.messages += sorted(job_ids)

    # --- users ------------------------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        with self.transaction() as session:
            series_id = jobs.cancel(session, job_id)
        if series_id:
            self.announce_next(series_id)

    def retry(self, job_id: str, commit: Commit = Commit.DONE) -> str | None:
        """Retry a job; return the id of the new job."""
        request = self.ask_again(job_id)
        try:
            with self.turn(commit) as session:
                retried = admissions.accept(session, [request] if request else [], WINDOW_S)
                open_retry = admissions.open_retry(session, job_id)
        except UnansweredError:
            return None
        self._promise(retried)
        return open_retry.job_id if open_retry else None

    def ask_again(self, job_id: str) -> NewJob | None:
        """The insert of a retry, not yet executed; None if the job holds no data."""
        with self.transaction() as session:
            job = jobs.find(session, [job_id]).get(job_id)
            admitted_at = admissions.admission(session, EVERYTHING).admitted_at
        if job is None or job.data is None:
            return None
        return _refit(self.new_id(), job, job.data, admitted_at, retry_of=job_id)

    def fit_again(self, version: Version) -> NewJob:
        """The insert of a new fit of a version's data, not yet executed."""
        with self.transaction() as session:
            admitted_at = admissions.admission(session, EVERYTHING).admitted_at
        return _refit(self.new_id(), version, version.data, admitted_at, of_version=version.version)

    def delete_version(self, series_id: str, version: int) -> None:
        try:
            with self.transaction() as session:
                if versions.delete_version(session, series_id, version):
                    self.deleted.add((series_id, version))
        except versions.PinnedError:
            self.deleted.discard((series_id, version))

    def delete_series(self, series_id: str) -> None:
        try:
            with self.turn() as session:
                deletion = series.delete_series(session, series_id)
        except UnansweredError:
            return
        self.deleted |= {(series_id, version) for version in deletion.versions}

    def pin(self, series_id: str, version: int) -> bool:
        with self.transaction() as session:
            return series.pin(session, series_id, version)

    def unpin(self, series_id: str) -> None:
        with self.transaction() as session:
            series.unpin(session, series_id)

    # --- all processes ----------------------------------------------------------------------------------------------

    def announce_next(self, series_id: str) -> None:
        """After a final status, send the message of the next job."""
        with self.transaction() as session:
            next_job_id = jobs.next_of_series(session, series_id)
        self.messages += [next_job_id] if next_job_id else []


def _refit(job_id: str, fitted: Job | Version, data: Artifact, admitted_at: datetime, **holder: Any) -> NewJob:
    return NewJob(
        job_id=job_id,
        series_id=fitted.series_id,
        detector=fitted.detector,
        parameters=fitted.parameters,
        points=fitted.points,
        data=data,
        request_sha256=data.sha256,
        admitted_at=admitted_at,
        **holder,
    )
