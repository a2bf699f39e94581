"""Every error this project raises on purpose: one tree, one catalogue of codes, no HTTP in it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """What went wrong, as a stable word. The API's table of statuses and `docs/errors.md` name each of them."""

    # the request
    INVALID_JSON = "invalid_json"  # the body is not JSON
    INVALID_REQUEST = "invalid_request"  # a field is missing, unknown or of the wrong type
    INVALID_ENCODING = "invalid_encoding"  # a Content-Encoding other than gzip, or damaged gzip
    HEAD_TOO_LARGE = "head_too_large"  # address and headers
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_SLOW = "body_too_slow"  # it stopped arriving before its end
    UNKNOWN_HOST = "unknown_host"  # asked under a name that is not ours
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ROUTE_NOT_FOUND = "route_not_found"
    # the caller
    UNAUTHENTICATED = "unauthenticated"  # no key, or one that is unknown, revoked or expired
    FORBIDDEN = "forbidden"  # the key lacks the scope
    FOREIGN_ORIGIN = "foreign_origin"  # a page of another site asked for a change
    RATE_LIMITED = "rate_limited"  # the key asks more often than it may
    # names
    INVALID_SERIES_ID = "invalid_series_id"
    INVALID_VERSION = "invalid_version"  # neither latest, 0, a number nor v and a number
    INVALID_CURSOR = "invalid_cursor"
    SERIES_NOT_FOUND = "series_not_found"  # no version of it was ever published, or it was deleted
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
    CONTEXT_REQUIRED = "context_required"  # the detector judges a value by those before it, and too few were given
    # the queue
    QUEUE_FULL = "queue_full"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"  # the key stands for another request
    TOO_MANY_LINES = "too_many_lines"  # of a bulk fit
    JOB_FINISHED = "job_finished"  # too late to cancel
    JOB_NOT_RETRYABLE = "job_not_retryable"  # it succeeded, or is still open
    DATA_GONE = "data_gone"  # the training data of the job to retry was let go
    TOO_MANY_STREAMS = "too_many_streams"
    VERSION_PINNED = "version_pinned"  # what latest means cannot be deleted
    # jobs that failed
    FIT_FAILED = "fit_failed"  # the detector could not be fitted to these points
    FIT_TIMEOUT = "fit_timeout"
    WORKER_LOST = "worker_lost"  # the job's workers died again and again
    # the service
    OVERLOADED = "overloaded"  # more bytes in flight, or more waiting, than this process may hold
    DATABASE_UNAVAILABLE = "database_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"  # artifacts cannot be written or read at the moment
    OUTCOME_UNKNOWN = "outcome_unknown"  # the database was lost while it committed, and did not come back in time
    ACCEPT_TOO_LATE = "accept_too_late"  # the job was not stored within its window
    ARTIFACT_DAMAGED = "artifact_damaged"  # a file in the store is gone, or not what was stored
    INTERNAL_ERROR = "internal_error"
    # the command line
    CONFIGURATION = "configuration"
    START_FAILED = "start_failed"
    API_UNREACHABLE = "api_unreachable"
    INVALID_FILE = "invalid_file"  # points cannot be read from it


class Flaw(NamedTuple):
    """One thing wrong in an input: where (`("values", 3)`) and what."""

    loc: tuple[str | int, ...]
    msg: str


class TsadError(Exception):
    """A failure somebody is told about: `code` for programs, `detail` is the sentence for people."""

    def __init__(
        self, code: Code, detail: str, *, flaws: Sequence[Flaw] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.flaws = tuple(flaws)
        self.retry_after_s = retry_after_s


class InputError(TsadError):
    """What the caller sent cannot be accepted; sending it again changes nothing."""


class AccessError(TsadError):
    """The caller is unknown, or may not do this."""


class NotFoundError(TsadError):
    """The series, version or job that was named does not exist."""


class BusyError(TsadError):
    """A bound is reached; the same request may succeed after `retry_after_s` seconds."""


class UnavailableError(TsadError):
    """Infrastructure failed (database, artifact store): nothing is wrong with the request or the job."""


class DamagedError(TsadError):
    """An artifact is missing or its bytes are not those that were stored."""


class FitError(TsadError):
    """The data or the mathematics: this fit can never succeed."""


class SetupError(TsadError):
    """The operator has to change something before a process can start."""
