"""The life of a fit job."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.versions import Artifact
from shared.errors import Code


class Status(StrEnum):
    """Where a fit job is."""

    QUEUED = "queued"  # accepted; waits for a worker, or for an earlier job of its series
    RUNNING = "running"  # one worker holds its lease
    SUCCEEDED = "succeeded"  # it published a version
    FAILED = "failed"  # it never will; the error says why
    CANCELLED = "cancelled"  # somebody stopped it, or deleted its series

    @property
    def is_final(self) -> bool:
        """Whether the job can never change again."""
        return not MOVES[self]


MOVES: dict[Status, frozenset[Status]] = {  # the database enforces the same table
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

# Failures of the workers or of the moment; data and mathematics fail the same way every time.
RETRYABLE = frozenset({Code.WORKER_LOST, Code.FIT_TIMEOUT})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A fit job to be accepted; its training data is in the store already."""

    job_id: str
    series_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    data: Artifact
    request_sha256: bytes  # of series, detector, parameters and data: what an idempotency key stands for
    asked_at: datetime  # the database's clock at admission
    request_id: str = ""
    api_key_id: str = "-"
    idempotency_key: str | None = None
    of_version: int | None = None  # of the same series, whose data is fitted again
    retry_of: str | None = None  # the ended job whose data is fitted again


@dataclass(frozen=True, slots=True)
class Job:
    """A fit job as its row says it is."""

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
    queue_position: int | None  # jobs ahead of a queued one
    data: Artifact | None  # kept, so that it can be fitted, or retried; None once it is a version's, or released
    revision: int  # how often what is seen of it has changed, from 1

    @property
    def holds_data(self) -> bool:
        """Whether its training data is kept."""
        return self.data is not None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to fit a job, as long as `attempt` is the newest and the lease holds."""

    job_id: str
    attempt: int
    series_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    data: Artifact
    request_id: str | None = None  # of the request that asked for the fit, for log lines
