"""Every error this project raises on purpose: one class tree and one catalog of codes, without HTTP."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple


class Code(StrEnum):
    """Stable code of an error. The API's table of statuses and `docs/reference/errors.md` list each code."""

    # the request
    INVALID_JSON = "invalid_json"  # the body is not JSON
    INVALID_REQUEST = "invalid_request"  # a field is missing, unknown or of the wrong type
    INVALID_ENCODING = "invalid_encoding"  # a Content-Encoding other than gzip, or invalid gzip
    MALFORMED_REQUEST = "malformed_request"  # not HTTP
    HEAD_TOO_LARGE = "head_too_large"  # request line and headers
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_SLOW = "body_too_slow"  # the body stopped arriving before its end
    UNKNOWN_HOST = "unknown_host"  # the Host header is not in ALLOWED_HOSTS
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ROUTE_NOT_FOUND = "route_not_found"
    # the caller
    UNAUTHENTICATED = "unauthenticated"  # no key, or an unknown, revoked or expired one
    FORBIDDEN = "forbidden"  # the key lacks the scope
    FOREIGN_ORIGIN = "foreign_origin"  # a page of another site requested a change
    RATE_LIMITED = "rate_limited"  # the key exceeds its request rate
    # names
    INVALID_SERIES_ID = "invalid_series_id"
    INVALID_VERSION = "invalid_version"  # expected: latest, 0, a number, or v and a number
    INVALID_CURSOR = "invalid_cursor"
    SERIES_NOT_FOUND = "series_not_found"  # no version was ever published, or the series was deleted
    VERSION_NOT_FOUND = "version_not_found"
    JOB_NOT_FOUND = "job_not_found"
    # points
    LENGTHS_DIFFER = "lengths_differ"
    TOO_FEW_POINTS = "too_few_points"
    TOO_MANY_POINTS = "too_many_points"
    INVALID_TIMESTAMP = "invalid_timestamp"  # outside 0 … 253402300799, the end of the year 9999
    TIMESTAMPS_NOT_INCREASING = "timestamps_not_increasing"
    NOT_FINITE = "not_finite"  # NaN or infinity
    VALUES_TOO_LARGE = "values_too_large"  # their mean or spread overflows a float64
    CONSTANT_SERIES = "constant_series"
    # detectors
    UNKNOWN_DETECTOR = "unknown_detector"
    UNKNOWN_PARAMETER = "unknown_parameter"
    INVALID_PARAMETER = "invalid_parameter"
    CONTEXT_REQUIRED = "context_required"  # the detector needs more previous values than the request has
    TIME_NOT_LEARNED = "time_not_learned"  # the training data has no points at this time of day or week
    # stored points, watches and alerts
    TOO_NEW = "too_new"  # the timestamp is later than the clock by more than FUTURE_SLACK_S
    TOO_OLD = "too_old"  # the point would be deleted soon, by KEEP_POINTS_DAYS
    SERIES_LIMIT = "series_limit"  # MAX_STREAMS series have stored points
    STREAM_BUSY = "stream_busy"  # the series was deleted and begun again, over and over
    STREAM_NOT_FOUND = "stream_not_found"  # no points of the series are stored
    INVALID_WATCH = "invalid_watch"
    WATCH_NOT_FOUND = "watch_not_found"
    PREFIX_TAKEN = "prefix_taken"  # another watch has this prefix
    INVALID_CONFIGURATION = "invalid_configuration"  # documents of watches or other objects, applied together
    INVALID_SPAN = "invalid_span"
    SPAN_NOT_FOUND = "span_not_found"
    ALERT_NOT_FOUND = "alert_not_found"
    INVALID_SOURCE = "invalid_source"
    SOURCE_NOT_FOUND = "source_not_found"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"  # of remote write: a version of the protocol other than 1
    POINTS_REFUSED = "points_refused"  # by remote write or line protocol: some were, the others are stored
    OUTBOUND_SILENT = "outbound_silent"  # no outbound process tried the source in time
    SERIES_ID_TAKEN = "series_id_taken"  # by a series with other labels
    # messages
    INVALID_RECEIVER = "invalid_receiver"
    UNKNOWN_RECEIVER = "unknown_receiver"  # a watch names a receiver that does not exist
    RECEIVER_NOT_FOUND = "receiver_not_found"
    RECEIVER_IN_USE = "receiver_in_use"  # a watch names it
    RECEIVER_DISABLED = "receiver_disabled"
    NO_SECRET = "no_secret"  # noqa: S105 - only webhooks have one
    DELIVERY_NOT_FOUND = "delivery_not_found"
    # the queue
    QUEUE_FULL = "queue_full"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"  # the key belongs to a different request
    TOO_MANY_LINES = "too_many_lines"  # of a bulk fit
    JOB_FINISHED = "job_finished"  # too late to cancel
    JOB_NOT_RETRYABLE = "job_not_retryable"  # the job succeeded, or is still open
    DATA_GONE = "data_gone"  # the job's training data was deleted, so it cannot be retried
    TOO_MANY_STREAMS = "too_many_streams"
    VERSION_PINNED = "version_pinned"  # a pinned version cannot be deleted
    # jobs that failed
    FIT_FAILED = "fit_failed"  # the detector could not be fitted to these points
    FIT_TIMEOUT = "fit_timeout"
    OUT_OF_MEMORY = "out_of_memory"  # the worker could not allocate what the fit needs
    WORKER_LOST = "worker_lost"  # the job's workers died repeatedly
    # the service
    OVERLOADED = "overloaded"  # too many bytes in flight, or too many requests waiting
    DATABASE_UNAVAILABLE = "database_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"  # artifacts cannot be written or read now
    OUTCOME_UNKNOWN = "outcome_unknown"  # the connection broke during COMMIT and was not restored in time
    ACCEPT_TOO_LATE = "accept_too_late"  # the job was not stored within ACCEPT_WINDOW_S
    ARTIFACT_DAMAGED = "artifact_damaged"  # a stored file is missing or its bytes changed
    INTERNAL_ERROR = "internal_error"
    # the command line
    CONFIGURATION = "configuration"
    START_FAILED = "start_failed"
    API_UNREACHABLE = "api_unreachable"
    INVALID_FILE = "invalid_file"  # no points can be read from the file


MAX_FLAWS = 20  # reported per input


class Flaw(NamedTuple):
    """One defect of an input: its location, such as `("values", 3)`, and a message."""

    loc: tuple[str | int, ...]
    msg: str


class TsadError(Exception):
    """An error that is reported to a user: `code` is for programs, `detail` is a sentence for people."""

    def __init__(
        self, code: Code, detail: str, *, flaws: Sequence[Flaw] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.flaws = tuple(flaws)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling: Celery logs the error of a child process in its parent."""
        return _restored, (type(self), self.args, self.__dict__)


class InputError(TsadError):
    """The input cannot be accepted; sending it again gives the same error."""


class AccessError(TsadError):
    """The caller is unknown, or lacks permission."""


class NotFoundError(TsadError):
    """The requested series, version or job does not exist."""


class BusyError(TsadError):
    """A limit is reached; the same request may succeed after `retry_after_s` seconds."""


class UnavailableError(TsadError):
    """Infrastructure (database, artifact store) failed; the request and the job are valid."""


class DamagedError(TsadError):
    """An artifact is missing, or its bytes differ from those that were stored."""


class FitError(TsadError):
    """The data or the mathematics make this fit fail every time."""


class SetupError(TsadError):
    """The operator must change the configuration or the machine before a process can start."""


def _restored(kind: type[TsadError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> TsadError:
    """Rebuild a pickled error without its constructor, whose parameters differ between classes."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error
