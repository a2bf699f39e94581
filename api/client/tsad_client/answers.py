"""Responses about jobs, series and versions. Fields that a newer release adds are ignored."""

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from tsad_client.errors import Problem


class Answer(Struct, kw_only=True):
    """A response, or a part of one. Times are seconds since 1970 unless they are datetimes."""


class JobError(Answer):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool


class JobState(Answer):
    """A fit job."""

    job_id: str
    series_id: str
    status: str  # queued, running, succeeded, failed or cancelled
    points_used: int
    version: str | None = None  # that it has published
    error: JobError | None = None
    progress: float = 0
    detector: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        return self.status not in ("queued", "running")


class BulkResult(Answer):
    """What became of the fit of one series: a job, or a problem."""

    series_id: str | None = None
    job_id: str | None = None
    status: str | None = None
    unchanged: bool = False  # the job was accepted by an earlier attempt
    problem: Problem | None = None


class Stream(Answer):
    """The live side of a series: its stored points, the watch that it belongs to, and its open alert."""

    status: str
    reason: str
    points: int
    last_timestamp: int | None
    watch: str | None
    alert_id: str | None


class Series(Answer):
    """A series and a summary of its latest version."""

    series_id: str
    latest_version: str | None
    pinned_version: str | None
    versions: int
    detector: str | None
    points: int | None
    first_timestamp: int | None
    last_timestamp: int | None
    anomaly_share: float | None
    fitted_at: datetime | None
    stream: Stream | None = None
    last_job: JobState | None = None


class SeriesPage(Answer):
    series: list[Series]
    next_cursor: str | None


class Version(Answer):
    """A version: what it was fitted on, and what it learned."""

    series_id: str
    version: str
    detector: str
    parameters: dict[str, Any]
    points: int
    first_timestamp: int
    last_timestamp: int
    threshold: float | None
    learnt: dict[str, float | str]
    anomaly_share: float
    incidents: list[list[int]]
    fit_ms: float
    job_id: str
    created_at: datetime


class VersionPage(Answer):
    versions: list[Version]
    next_cursor: str | None


class Detector(Answer):
    """A detector; `parameters` is the JSON schema of its parameters."""

    name: str
    purpose: str
    cost: str
    false_alarms: str
    min_points: int
    context_points: int
    modes: list[str]
    default: bool
    parameters: dict[str, Any]


class DetectorList(Answer):
    detectors: list[Detector]


class DeletedSeries(Answer):
    """What was deleted, and which jobs were canceled."""

    series_id: str
    deleted_versions: int
    cancelled_jobs: list[str]
