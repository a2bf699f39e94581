"""Bodies of responses, except those about jobs. The OpenAPI document includes them."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.jobs import Fraction, JobAnswer, JobId, Moment, one_of
from api.schemas.problems import Problem
from shared.domain.detectors.contract import CAUSAL, CENTRED, RETROSPECTIVE
from shared.domain.series import Values
from shared.domain.versions import SeriesSummary, Version


class DeletedSeries(Struct):
    """The number of deleted versions and the ids of canceled jobs."""

    series_id: str
    deleted_versions: int
    cancelled_jobs: list[JobId]


class Why(Struct):
    """The component that contributed most to a score, and the most similar window if the detector compares windows."""

    component: str | None
    similar_from: int | None
    similar_distance: float | None
    direction: Annotated[str, one_of("high", "low", "shape")] | UnsetType = UNSET
    once_in_s: float | UnsetType = UNSET


class Verdict(Struct):
    """The verdict on one point. `score` 1.0 is the decision boundary; a null `lower` or `upper` means no bound."""

    anomaly: bool
    model_version: str
    score: float
    expected: float | None
    lower: float | None
    upper: float | None
    detector: str
    boundary: float | UnsetType = UNSET
    absorbed: bool | UnsetType = UNSET
    explanation: str | UnsetType = UNSET
    why: Why | UnsetType = UNSET


class BatchVerdicts(Struct):
    """The verdicts on many points, as columns."""

    model_version: str
    detector: str
    anomaly: Annotated[
        list[bool | None],
        Meta(description="Null: the value is missing, has too few before it, or is at a time without training data"),
    ]
    score: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    boundary: list[float] | UnsetType = UNSET
    absorbed: list[bool | None] | UnsetType = UNSET


class PointVerdict(Struct, omit_defaults=True):
    """A verdict, or the problem in its place."""

    series_id: str
    verdict: Verdict | None = None
    problem: Problem | None = None


class ManyVerdicts(Struct):
    """One result per point, in order."""

    results: list[PointVerdict]


class StreamAnswer(Struct):
    """The live side of a series: its stored points."""

    status: str  # learning, watching, ended, silent or paused
    reason: str
    points: int  # ever stored
    late: int  # of these: came after a newer one, so never judged
    last_timestamp: int | None
    watch: str | None
    alert_id: str | None


class SeriesAnswer(Struct):
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
    sparkline: list[float] | None
    fitted_at: Moment | None
    stream: StreamAnswer | UnsetType = UNSET  # absent if no points were pushed
    last_job: JobAnswer | UnsetType | None = UNSET

    @classmethod
    def of(cls, summary: SeriesSummary) -> "SeriesAnswer":
        """Convert a summary; `last_job` stays unset."""
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
    """Series ordered by id; `next_cursor` is the cursor of the next page."""

    series: list[SeriesAnswer]
    next_cursor: str | None
    total: int | UnsetType = UNSET


class VersionAnswer(Struct):
    """A version: what it was fitted on, and what it learned."""

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
    incidents: list[list[int]]
    sparkline: list[float]
    fit_ms: float
    job_id: JobId
    created_at: Moment

    @classmethod
    def of(cls, version: Version) -> "VersionAnswer":
        """Convert a version; `threshold` is None unless the detector learned a numeric one."""
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
            incidents=version.incidents,
            sparkline=version.sparkline,
            fit_ms=version.fit_ms,
            job_id=version.job_id,
            created_at=version.created_at,
        )


class VersionPage(Struct):
    """Versions, newest first; `next_cursor` is the cursor of the next page."""

    versions: list[VersionAnswer]
    next_cursor: str | None


class TrainingData(Struct):
    """The points a version was fitted on."""

    timestamps: list[int]
    values: list[float]


class PointsAnswer(Struct):
    """A span of a version's training data with scores and band, downsampled for a chart."""

    series_id: str
    version: str
    detector: str
    points: Annotated[int, Meta(description="Number of points in the span, including those not returned")]
    anomalies: int
    timestamps: list[int]
    values: list[float]
    score: Annotated[
        list[float | None], Meta(description="Null where a long series stores only the higher score of a neighbor")
    ]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


class DetectorAnswer(Struct):
    """A detector; `parameters` is the JSON schema of its parameters."""

    name: str
    purpose: str
    cost: str
    false_alarms: str
    min_points: int
    context_points: int
    modes: list[Annotated[str, one_of(CAUSAL, CENTRED, RETROSPECTIVE)]]
    default: bool
    parameters: dict[str, Any]


class DetectorList(Struct):
    """All detectors."""

    detectors: list[DetectorAnswer]


class LatencyAnswer(Struct):
    """Mean and 95th percentile in milliseconds."""

    avg: float
    p95: float


class Health(Struct, omit_defaults=True):
    """Key figures of the service. `telemetry` is `unavailable` if Redis does not respond, and absent otherwise."""

    series_trained: int
    inference_latency_ms: LatencyAnswer
    training_latency_ms: LatencyAnswer
    telemetry: Annotated[str, one_of("unavailable")] | None = None


class Readiness(Struct):
    """Whether requests can be served, and the state of each dependency."""

    status: Annotated[str, one_of("ready", "degraded", "unavailable")]
    checks: dict[str, str] | UnsetType = UNSET


class Liveness(Struct):
    """The process responds."""

    status: Annotated[str, one_of("alive")]


def nullable(column: Values) -> list[float | None]:
    """Return the column for JSON, with None instead of NaN."""
    return [None if number != number else number for number in column.tolist()]  # noqa: PLR0124 - only NaN differs from itself


def _number(version: int | None) -> str | None:
    return None if version is None else str(version)
