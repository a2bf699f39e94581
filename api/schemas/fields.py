"""What each field of a body means. A name means the same in every body, so one table describes them all."""

from collections.abc import Iterator
from typing import Any

_SECONDS = "in seconds since 1970"

FIELDS: dict[str, str] = {
    # series and versions
    "series_id": "Id of the series",
    "detector": "Name of the detector; without it in a fit, DEFAULT_DETECTOR",
    "parameters": "Parameters of the detector by name; GET /detectors describes them",
    "points": "Number of points",
    "points_used": "Number of points of the fit",
    "timestamps": f"Times of the points, {_SECONDS}, strictly increasing",
    "values": "Finite numbers, one for each timestamp",
    "first_timestamp": f"Time of the first point, {_SECONDS}",
    "last_timestamp": f"Time of the last point, {_SECONDS}",
    "version": "Version number",
    "versions": "The versions, or their number",
    "latest_version": "The pinned version, otherwise the highest one",
    "pinned_version": "The version that is served as latest; null if none is pinned",
    "anomaly_share": "Share of the training points that the version flags",
    "sparkline": "Training values, downsampled",
    "fitted_at": "When the latest version was fitted",
    "last_job": "The newest job of the series; only in the answer for one series",
    "training_data_sha256": "SHA-256 of the stored training data",
    "state_sha256": "SHA-256 of the stored state",
    "threshold": "The learned threshold; null if the detector has no numeric one",
    "learnt": "What the detector learned, by name",
    "fit_ms": "Duration of the fit in milliseconds",
    "deleted_versions": "Number of deleted versions",
    "cancelled_jobs": "Ids of the jobs that were canceled",
    # verdicts
    "timestamp": f"Time of the point, {_SECONDS}, as a number or a string of digits",
    "value": "A finite number; null where it is missing",
    "context": "Values before the point, oldest first; GET /detectors lists how many each detector needs",
    "anomaly": "Whether the point is an anomaly: its score is above 1.0",
    "model_version": "The version that scored the points",
    "score": "Distance from normal; 1.0 is the decision boundary of every detector",
    "expected": "The most likely value; null if the detector does not predict one",
    "lower": "Lower bound of the normal band; null if there is none",
    "upper": "Upper bound of the normal band; null if there is none",
    "boundary": "Divisor of the score, if the boundary adapts to earlier points",
    "absorbed": "Normal only because earlier anomalies raised the boundary: the event that they began goes on",
    "explanation": "The verdict as sentences",
    "why": "What the verdict is based on",
    "component": "The component that contributed most to the score",
    "similar_from": f"Start of the most similar window of the training data, {_SECONDS}",
    "similar_distance": "Distance to the most similar window",
    "direction": "Whether the value is too high or too low, or its surroundings have an unusual shape",
    "once_in_s": "Usual time between two normal points with such a score, in seconds",
    "results": "One result for each point, in order",
    "verdict": "The verdict; absent if there is a problem",
    "problem": "The problem, shaped like Problem; absent if there is none",
    "anomalies": "Number of anomalies in the span; a long series counts at most one per block of points",
    # stored points
    "stored": "Instead of columns: pushed points, of a duration before the newest one, such as 14d, or of an interval",
    "from": "First second: since 1970, or ISO 8601",
    "to": "Last second: since 1970, or ISO 8601",
    "accepted": "Number of points that the request stored",
    "late": "Points that came after a newer one, so they are never judged",
    "repeated": "Number of points that were stored before, or that a later point of the request replaced",
    "refused": "Number of points that were refused",
    "reason": "Why the stream has this status",
    "verdicts": "Verdicts on the points; null for more than 5,000 points, and while no version judges them",
    "alert_id": "The alert that is open; null if none is",
    "alerts": "The alerts",
    "problems": "The first 100 lines, or points in them, that were refused",
    "before": "Points before this second are deleted, since 1970",
    "stream": "The live side of the series; absent if no points were pushed",
    "watch": "Name of the watch",
    # jobs
    "job_id": "Id of the fit job",
    "status": "State of the job, the process or the service; in a problem, the HTTP status",
    "progress": "Share of the fit that is done",
    "attempts": "How many times a worker has started the job",
    "worker": "The worker that started the job last",
    "retry_of": "The job whose data this one fits again",
    "error": "Why the job failed; null unless it did",
    "created_at": "When the job or version was created",
    "started_at": "When a worker started the job",
    "finished_at": "When the job ended",
    "queue_position": "Number of jobs ahead; null unless queued",
    "links": "Paths of related resources; only those that the state of the job allows",
    "self": "The job",
    "series": "The series",
    "events": "Server-sent events of the job",
    "cancel": "POST cancels the job",
    "retry": "POST retries the job",
    "plot": "The plot of the version",
    "jobs": "The jobs of this page",
    "line": "Number of the line, from 1",
    "unchanged": "Whether the idempotency key returned an existing job",
    "idempotency_key": "A repeated line with the same key returns the job of the first one",
    # detectors
    "detectors": "All detectors",
    "name": "Name",
    "purpose": "What the detector is good for",
    "cost": "How fit and prediction times grow",
    "false_alarms": "What a false alarm means, and how often it happens",
    "min_points": "Minimum points of a fit",
    "context_points": "Number of values before a point that the detector needs",
    "modes": "Modes of a batch prediction that the detector supports",
    "default": "Whether fits without a detector use this one",
    # health
    "series_trained": "Number of series that have a version",
    "inference_latency_ms": "Latencies of recent predictions",
    "training_latency_ms": "Latencies of recent fits",
    "telemetry": "unavailable while Redis does not respond; otherwise absent",
    "avg": "Mean in milliseconds",
    "p95": "95th percentile in milliseconds",
    "checks": "State of each dependency; only for callers with a key",
    # problems and pages
    "type": "urn:tsad:problem: and the code",
    "title": "Short title of the code",
    "detail": "What is wrong and what to do",
    "code": "Stable code of the error. Releases may add codes",
    "retryable": "Whether a retry may succeed without other data",
    "request_id": "Id of the request, as in the log",
    "errors": "Each defect of the request",
    "loc": "Where the defect is: names and indices",
    "msg": "What is wrong there",
    "next_cursor": "Cursor of the next page; null on the last one",
}


def describe(components: dict[str, Any]) -> None:
    """Add the descriptions to the fields of all bodies, where a body has none of its own."""
    for field, schema in _fields(components):
        if "description" not in schema and field in FIELDS:
            schema["description"] = FIELDS[field]


def _fields(components: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for component in components.values():
        yield from component.get("properties", {}).items()
