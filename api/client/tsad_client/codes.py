"""An exception for each code of the service: `except codes.SeriesNotFoundError`.

A code that a newer release of the service adds raises the class of its HTTP status, such as `NotFoundError`.
"""

from typing import TypeVar

from tsad_client.errors import (
    AccessError,
    BusyError,
    ConflictError,
    NotFoundError,
    Problem,
    ProblemError,
    RequestError,
    ServerError,
    UnavailableError,
    group_of,
)

Group = TypeVar("Group", bound=ProblemError)

_classes: dict[str, type[ProblemError]] = {}


def error_of(problem: Problem, retry_after_s: float | None = None) -> ProblemError:
    """Return the error of a problem: of its code if this release knows it, else of its status."""
    return _classes.get(problem.code, group_of(problem.status))(problem, retry_after_s)


def _problem(code: str, group: type[Group]) -> type[Group]:
    """Make the class of a code; its name is the code in CamelCase, and `Error`."""
    name = "".join(map(str.capitalize, code.split("_"))).removesuffix("Error") + "Error"
    made = type(name, (group,), {"__module__": __name__, "__doc__": f"The problem `{code}`."})
    _classes[code] = made
    return made


InvalidJsonError = _problem("invalid_json", RequestError)
InvalidRequestError = _problem("invalid_request", RequestError)
InvalidEncodingError = _problem("invalid_encoding", RequestError)
MalformedRequestError = _problem("malformed_request", RequestError)
HeadTooLargeError = _problem("head_too_large", RequestError)
BodyTooLargeError = _problem("body_too_large", RequestError)
BodyTooSlowError = _problem("body_too_slow", RequestError)
UnknownHostError = _problem("unknown_host", RequestError)
MethodNotAllowedError = _problem("method_not_allowed", RequestError)
RouteNotFoundError = _problem("route_not_found", NotFoundError)
UnauthenticatedError = _problem("unauthenticated", AccessError)
ForbiddenError = _problem("forbidden", AccessError)
ForeignOriginError = _problem("foreign_origin", AccessError)
RateLimitedError = _problem("rate_limited", BusyError)
InvalidSeriesIdError = _problem("invalid_series_id", RequestError)
InvalidVersionError = _problem("invalid_version", RequestError)
InvalidCursorError = _problem("invalid_cursor", RequestError)
SeriesNotFoundError = _problem("series_not_found", NotFoundError)
VersionNotFoundError = _problem("version_not_found", NotFoundError)
JobNotFoundError = _problem("job_not_found", NotFoundError)
LengthsDifferError = _problem("lengths_differ", RequestError)
TooFewPointsError = _problem("too_few_points", RequestError)
TooManyPointsError = _problem("too_many_points", RequestError)
InvalidTimestampError = _problem("invalid_timestamp", RequestError)
TimestampsNotIncreasingError = _problem("timestamps_not_increasing", RequestError)
NotFiniteError = _problem("not_finite", RequestError)
ValuesTooLargeError = _problem("values_too_large", RequestError)
ConstantSeriesError = _problem("constant_series", RequestError)
UnknownDetectorError = _problem("unknown_detector", RequestError)
UnknownParameterError = _problem("unknown_parameter", RequestError)
InvalidParameterError = _problem("invalid_parameter", RequestError)
ContextRequiredError = _problem("context_required", RequestError)
TimeNotLearnedError = _problem("time_not_learned", RequestError)
TooNewError = _problem("too_new", RequestError)
TooOldError = _problem("too_old", RequestError)
SeriesLimitError = _problem("series_limit", RequestError)
StreamBusyError = _problem("stream_busy", UnavailableError)
StreamNotFoundError = _problem("stream_not_found", NotFoundError)
InvalidWatchError = _problem("invalid_watch", RequestError)
WatchNotFoundError = _problem("watch_not_found", NotFoundError)
PrefixTakenError = _problem("prefix_taken", ConflictError)
InvalidConfigurationError = _problem("invalid_configuration", RequestError)
InvalidSpanError = _problem("invalid_span", RequestError)
SpanNotFoundError = _problem("span_not_found", NotFoundError)
AlertNotFoundError = _problem("alert_not_found", NotFoundError)
InvalidSourceError = _problem("invalid_source", RequestError)
SourceNotFoundError = _problem("source_not_found", NotFoundError)
UnsupportedMediaTypeError = _problem("unsupported_media_type", RequestError)
PointsRefusedError = _problem("points_refused", RequestError)
OutboundSilentError = _problem("outbound_silent", UnavailableError)
SeriesIdTakenError = _problem("series_id_taken", RequestError)
InvalidReceiverError = _problem("invalid_receiver", RequestError)
UnknownReceiverError = _problem("unknown_receiver", RequestError)
ReceiverNotFoundError = _problem("receiver_not_found", NotFoundError)
ReceiverInUseError = _problem("receiver_in_use", ConflictError)
ReceiverDisabledError = _problem("receiver_disabled", ConflictError)
NoSecretError = _problem("no_secret", ConflictError)
DeliveryNotFoundError = _problem("delivery_not_found", NotFoundError)
QueueFullError = _problem("queue_full", BusyError)
IdempotencyKeyReusedError = _problem("idempotency_key_reused", RequestError)
TooManyLinesError = _problem("too_many_lines", RequestError)
JobFinishedError = _problem("job_finished", ConflictError)
JobNotRetryableError = _problem("job_not_retryable", ConflictError)
DataGoneError = _problem("data_gone", ConflictError)
TooManyStreamsError = _problem("too_many_streams", BusyError)
VersionPinnedError = _problem("version_pinned", ConflictError)
FitFailedError = _problem("fit_failed", ServerError)
FitTimeoutError = _problem("fit_timeout", ServerError)
OutOfMemoryError = _problem("out_of_memory", ServerError)
WorkerLostError = _problem("worker_lost", ServerError)
OverloadedError = _problem("overloaded", UnavailableError)
DatabaseUnavailableError = _problem("database_unavailable", UnavailableError)
StoreUnavailableError = _problem("store_unavailable", UnavailableError)
OutcomeUnknownError = _problem("outcome_unknown", UnavailableError)
AcceptTooLateError = _problem("accept_too_late", UnavailableError)
ArtifactDamagedError = _problem("artifact_damaged", ServerError)
InternalError = _problem("internal_error", ServerError)
