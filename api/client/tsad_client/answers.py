"""Responses of the service. Fields that a newer release adds are ignored."""

from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct, field

from tsad_client.errors import Problem

Column: TypeAlias = list[float | None]


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


class Why(Answer):
    """What contributed most to a score."""

    component: str | None
    similar_from: int | None
    similar_distance: float | None
    direction: str | None = None
    once_in_s: float | None = None


class Verdict(Answer):
    """The verdict on one point: an anomaly if `score` is above 1. No `lower` or `upper`: there is no such bound."""

    anomaly: bool
    score: float
    expected: float | None
    lower: float | None
    upper: float | None
    model_version: str
    detector: str
    boundary: float | None = None
    absorbed: bool | None = None
    explanation: str | None = None
    why: Why | None = None


class BatchVerdicts(Answer):
    """The verdicts on many points, as columns; None where a point has none."""

    model_version: str
    detector: str
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    boundary: list[float] | None = None
    absorbed: list[bool | None] | None = None


class SeriesVerdict(Answer):
    """The verdict on one of many points, or the problem in its place."""

    series_id: str
    verdict: Verdict | None = None
    problem: Problem | None = None


class StreamVerdicts(Answer):
    """Stored points with their verdicts, as columns; None where a point has none."""

    timestamps: list[int]
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    model_version: list[str | None]


class RefusedPoint(Answer):
    """A point that was refused, and why."""

    loc: list[str | int]
    code: str
    msg: str


class Pushed(Answer):
    """What became of pushed points of one series. Everything is committed."""

    series_id: str
    accepted: int
    late: int
    repeated: int
    refused: int
    errors: list[RefusedPoint]
    status: str
    reason: str
    verdicts: StreamVerdicts | None
    alert_id: str | None


class RefusedLine(Answer):
    """A point of many series that was refused, and why. `line` counts from 1."""

    line: int
    series_id: str | None
    code: str
    detail: str


class PushedMany(Answer):
    """What became of pushed points of many series. Everything is committed."""

    series: int
    accepted: int
    late: int
    repeated: int
    refused: int
    problems: list[RefusedLine]
    alerts: list[str]


class StoredPoints(Answer):
    """A span of stored points with the verdicts that they got when they arrived, as columns."""

    series_id: str
    points: int  # in the span, including those not returned
    timestamps: list[int]
    values: Column
    late: list[bool]
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    model_version: list[str | None]


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


class Watch(Answer):
    """A watch with all its fields, and what it watches."""

    name: str
    prefix: str
    detector: str
    parameters: dict[str, Any]
    window: str
    open: dict[str, Any]
    close: dict[str, Any]
    merge_within: str
    gates: dict[str, Any]
    silence: str
    notify_within: str
    paused: bool
    streams: int
    learning: int
    open_alerts: int


class WatchList(Answer):
    watches: list[Watch]


class Peak(Answer):
    """The anomaly with the highest score."""

    timestamp: int
    value: float
    score: float
    expected: float | None
    lower: float | None
    upper: float | None


class Alert(Answer):
    """An alert. Its times are timestamps of points."""

    alert_id: str
    series_id: str | None
    watch: str
    kind: str  # deviation or silence
    status: str  # open, ended or closed
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: Peak | None
    points: int
    version: str | None
    quiet: str | None
    acknowledged_at: datetime | None
    created_at: datetime
    changed_at: datetime


class AlertPage(Answer):
    alerts: list[Alert]
    next_cursor: str | None


class SimulatedAlert(Answer):
    """An alert that would have opened, as it was in the end."""

    alert_id: str
    status: str
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: Peak | None
    points: int


class Simulation(Answer):
    """What a watch would have done with points of the past."""

    points: int
    alerts: list[SimulatedAlert]
    notices_per_week: float
    values: Column
    verdicts: StreamVerdicts


class ManyVerdicts(Answer):
    results: list[SeriesVerdict]
