"""Answers. The OpenAPI document is made from these and from the bodies of requests."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from shared.domain import jobs
from shared.domain.versions import SeriesSummary, Version

Fraction = Annotated[float, Meta(ge=0, le=1)]


class JobLinks(Struct, omit_defaults=True):
    """Where to go from a job, and what can be done with it now."""

    self: str
    series: str
    events: str | None = None
    cancel: str | None = None
    retry: str | None = None
    version: str | None = None
    plot: str | None = None

    @classmethod
    def of(cls, job: jobs.Job) -> "JobLinks":
        """Only those that lead somewhere."""
        own = f"/jobs/{job.job_id}"
        links = cls(self=own, series=f"/series/{job.series_id}")
        if not job.status.is_final:
            links.events, links.cancel = f"{own}/events", f"{own}/cancel"
        elif job.holds_data:
            links.retry = f"{own}/retry"
        if job.version is not None:
            links.version = f"/series/{job.series_id}/versions/{job.version}"
            links.plot = f"/plot?series_id={job.series_id}&version={job.version}"
        return links


class AcceptedJob(Struct):
    """A fit was accepted."""

    job_id: str
    series_id: str
    status: str
    points_used: int
    links: JobLinks

    @classmethod
    def of(cls, job_id: str, series_id: str, status: str, points: int) -> "AcceptedJob":
        """What the client needs to follow it."""
        own = f"/jobs/{job_id}"
        links = JobLinks(self=own, series=f"/series/{series_id}", events=f"{own}/events", cancel=f"{own}/cancel")
        return cls(job_id, series_id, status, points, links)


class BulkResult(Struct, omit_defaults=True):
    """What became of one line: a job, or the problem that stands in its place."""

    line: int
    series_id: str | None = None
    job_id: str | None = None
    status: str | None = None
    problem: dict[str, Any] | None = None


class JobPage(Struct):
    """Jobs, newest first; `next_cursor` asks for older ones."""

    jobs: list["JobAnswer"]
    next_cursor: str | None


class DeletedSeries(Struct):
    """What a series consisted of."""

    series_id: str
    deleted_versions: int
    cancelled_jobs: list[str]


class JobError(Struct):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool


class JobAnswer(Struct):
    """Where a fit job is."""

    job_id: str
    series_id: str
    status: str
    progress: Fraction
    detector: str
    parameters: dict[str, Any]
    points_used: int
    version: str | None
    attempts: int
    worker: str | None
    retry_of: str | None
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None
    links: JobLinks

    @classmethod
    def of(cls, job: jobs.Job) -> "JobAnswer":
        """The job as clients see it."""
        error = None
        if job.error_code is not None:
            error = JobError(job.error_code, job.error_detail or "", job.error_code in jobs.RETRYABLE)
        return cls(
            job_id=job.job_id,
            series_id=job.series_id,
            status=job.status,
            progress=job.progress,
            detector=job.detector,
            parameters=job.parameters,
            points_used=job.points,
            version=None if job.version is None else str(job.version),
            attempts=job.attempts,
            worker=job.worker,
            retry_of=job.retry_of,
            error=error,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            queue_position=job.queue_position,
            links=JobLinks.of(job),
        )


class Why(Struct):
    """What a score is made of, for detectors that compare windows."""

    component: str | None
    similar_from: int | None
    similar_distance: float | None


class Verdict(Struct):
    """What a detector says of one point. `score` 1.0 is the decision boundary; null band edges are open."""

    anomaly: bool
    model_version: str
    score: float
    expected: float | None
    lower: float | None
    upper: float | None
    detector: str
    explanation: str | UnsetType = UNSET
    why: Why | UnsetType = UNSET


class BatchVerdicts(Struct):
    """What a detector says of many points, column by column."""

    model_version: str
    detector: str
    anomaly: list[bool | None]  # null where a value is missing, or too little comes before it
    score: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


class PointVerdict(Struct, omit_defaults=True):
    """A verdict, or the problem that stands in its place."""

    series_id: str
    verdict: Verdict | None = None
    problem: dict[str, Any] | None = None


class ManyVerdicts(Struct):
    """One result for each point, in their order."""

    results: list[PointVerdict]


class SeriesAnswer(Struct):
    """A series and its latest version in short."""

    series_id: str
    latest_version: str | None
    pinned_version: str | None
    versions: int
    detector: str | None
    points: int | None
    first_timestamp: int | None
    last_timestamp: int | None
    anomaly_share: float | None
    sparkline: list[float] | None
    fitted_at: datetime | None
    last_job: JobAnswer | UnsetType | None = UNSET

    @classmethod
    def of(cls, summary: SeriesSummary) -> "SeriesAnswer":
        """The series as clients see it."""
        return cls(
            series_id=summary.series_id,
            latest_version=_number(summary.latest_version),
            pinned_version=_number(summary.pinned_version),
            versions=summary.versions,
            detector=summary.detector,
            points=summary.points,
            first_timestamp=summary.first_timestamp,
            last_timestamp=summary.last_timestamp,
            anomaly_share=summary.anomaly_share,
            sparkline=summary.sparkline,
            fitted_at=summary.fitted_at,
        )


class SeriesPage(Struct):
    """Series in the order of their ids; `next_cursor` asks for those behind."""

    series: list[SeriesAnswer]
    next_cursor: str | None


class VersionAnswer(Struct):
    """A version: what it was learnt from, and what was learnt."""

    series_id: str
    version: str
    detector: str
    parameters: dict[str, Any]
    points: int
    first_timestamp: int
    last_timestamp: int
    training_data_sha256: str
    state_sha256: str
    threshold: float | None
    learnt: dict[str, float | str]
    anomaly_share: Fraction
    sparkline: list[float]
    fit_ms: float
    job_id: str
    created_at: datetime

    @classmethod
    def of(cls, version: Version) -> "VersionAnswer":
        """The version as clients see it."""
        return cls(
            series_id=version.series_id,
            version=str(version.version),
            detector=version.detector,
            parameters=version.parameters,
            points=version.points,
            first_timestamp=version.first_timestamp,
            last_timestamp=version.last_timestamp,
            training_data_sha256=version.data.sha256.hex(),
            state_sha256=version.state.sha256.hex(),
            threshold=threshold if isinstance(threshold := version.learnt.get("threshold"), int | float) else None,
            learnt=version.learnt,
            anomaly_share=version.anomaly_share,
            sparkline=version.sparkline,
            fit_ms=version.fit_ms,
            job_id=version.job_id,
            created_at=version.created_at,
        )


class VersionPage(Struct):
    """Versions, newest first; `next_cursor` asks for older ones."""

    versions: list[VersionAnswer]
    next_cursor: str | None


class TrainingData(Struct):
    """The points a version was fitted on."""

    timestamps: list[int]
    values: list[float]


class DetectorAnswer(Struct):
    """A detector and its parameters, as a JSON schema."""

    name: str
    purpose: str
    cost: str
    min_points: int
    context_points: int
    default: bool
    parameters: dict[str, Any]


class DetectorList(Struct):
    """All detectors."""

    detectors: list[DetectorAnswer]


class LatencyAnswer(Struct):
    """Milliseconds."""

    avg: float
    p95: float


class Health(Struct, omit_defaults=True):
    """The service in three figures; `telemetry` is there, and says unavailable, when Redis does not answer."""

    series_trained: int
    inference_latency_ms: LatencyAnswer
    training_latency_ms: LatencyAnswer
    telemetry: str | None = None


class Readiness(Struct):
    """Whether requests can be served, and what is missing."""

    status: str
    checks: dict[str, str]


class Liveness(Struct):
    """The process answers."""

    status: str


class Flaw(Struct):
    """One thing wrong in a request."""

    loc: list[str | int]
    msg: str


class Problem(Struct):
    """Any error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[Flaw]


def _number(version: int | None) -> str | None:
    return None if version is None else str(version)
