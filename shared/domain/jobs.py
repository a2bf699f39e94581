"""Fit jobs: status, transitions, and the records that describe a job."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.versions import Artifact
from shared.errors import Code

SCHEDULER = "-scheduler"  # in the place of an API key: no key has this id, so clients cannot use its idempotency keys


class Status(StrEnum):
    """Status of a fit job."""

    QUEUED = "queued"  # accepted; waiting for a worker, or for an earlier job of its series
    RUNNING = "running"  # one worker holds its lease
    SUCCEEDED = "succeeded"  # published a version
    FAILED = "failed"  # will not publish a version; the error says why
    CANCELLED = "cancelled"  # a user canceled it or deleted its series

    @property
    def is_final(self) -> bool:
        """Whether no transition leaves this status."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[Status, frozenset[Status]] = {  # the database enforces the same transitions
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

# These failures may be temporary; failures of data or mathematics repeat every time.
RETRYABLE = frozenset({Code.WORKER_LOST, Code.FIT_TIMEOUT, Code.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A fit job to insert; its training data is already in the store."""

    job_id: str
    series_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    data: Artifact
    request_sha256: bytes  # of series, detector, parameters and data; identifies the request of an idempotency key
    admitted_at: datetime  # time of admission, by the database's clock
    request_id: str = ""
    api_key_id: str = "-"
    idempotency_key: str | None = None
    of_version: int | None = None  # the version of the same series whose data is fitted again
    retry_of: str | None = None  # the ended job whose data is fitted again


@dataclass(frozen=True, slots=True)
class Job:
    """A fit job as stored in its row."""

    job_id: str
    series_id: str
    status: Status
    progress: float
    detector: str
    parameters: dict[str, Any]
    points: int
    version: int | None
    attempts: int
    worker: str | None
    retry_of: str | None
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None  # number of jobs ahead of a queued job
    data: Artifact | None  # kept for the fit or a retry; None once a version holds it, or it was deleted
    revision: int  # counts the visible changes of the job, from 1

    @property
    def holds_data(self) -> bool:
        """Whether the job still keeps its training data."""
        return self.data is not None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to fit a job while `attempt` is the newest one and the lease has not expired."""

    job_id: str
    attempt: int
    series_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    data: Artifact
    request_id: str | None = None  # of the HTTP request that sent the fit; for log lines
    api_key_id: str = "-"  # of the key that sent it

    @property
    def is_automatic(self) -> bool:
        """Whether the scheduler requested the fit."""
        return self.api_key_id == SCHEDULER
