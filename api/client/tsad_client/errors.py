"""What can go wrong: one class tree. `tsad_client.codes` has a class for each code of the service."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Flaw(Struct, frozen=True):
    """One defect of a request: its location, such as `["values", 3]`, and a message."""

    loc: list[str | int]
    msg: str


class Problem(Struct, frozen=True):
    """The body of a failed request (RFC 9457)."""

    detail: str
    code: str
    status: int = 0
    title: str = ""
    request_id: str = ""
    errors: Sequence[Flaw] = ()


class TsadError(Exception):
    """Every error that this package raises on purpose. Its text is a sentence for people."""


class InvalidPointsError(TsadError, ValueError):
    """The points cannot be sent: the message names the column or the row, and what to do."""


class InvalidWebhookError(TsadError, ValueError):
    """The message does not come from tsad, is damaged, or is too old."""


class UnreachableError(TsadError):
    """The service could not be reached, or the connection broke before its response was complete.

    `maybe_done` is False if the request certainly did not arrive.
    """

    def __init__(self, text: str, *, maybe_done: bool = True) -> None:
        super().__init__(text)
        self.maybe_done = maybe_done

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling."""
        return type(self), self.args, {"maybe_done": self.maybe_done}


class UnexpectedResponseError(TsadError):
    """The response is not from the API of tsad, or from a release that this package cannot read."""


class JobCanceledError(TsadError):
    """Somebody canceled the job before it published a version."""


class WaitTimeoutError(TsadError, TimeoutError):
    """The job had not ended in the given time. It continues: `wait()` again."""


class PusherFullError(TsadError):
    """The buffer is full, because the service has not taken points for a while. The point is not in it."""


class PusherClosedError(TsadError):
    """The pusher is closed, so the point is not sent."""


class PointsLostError(TsadError):
    """Points that a pusher had buffered could not be sent; the cause is the error of the last attempt."""


class ProblemError(TsadError):
    """The service refused the request, or failed.

    `code` is stable and for programs, `detail` a sentence for people, `errors` says which fields are wrong, and
    `request_id` is in the service's log. `retry_after_s` is set if the same request may succeed later.
    """

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling, as process pools need."""
        return type(self), (self.problem, self.retry_after_s)

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def detail(self) -> str:
        return self.problem.detail

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def errors(self) -> Sequence[Flaw]:
        return self.problem.errors

    @property
    def request_id(self) -> str:
        return self.problem.request_id

    def __str__(self) -> str:
        """The detail, the flaws that it does not mention, and the code."""
        flaws = [f"{'.'.join(map(str, flaw.loc))}: {flaw.msg}" for flaw in self.errors if flaw.msg not in self.detail]
        return " ".join([self.detail, *flaws, f"({self.code})"])


class RequestError(ProblemError):
    """The request is wrong; sending it again gives the same error."""


class AccessError(ProblemError):
    """The key is missing, not valid, or lacks the scope."""


class NotFoundError(ProblemError):
    """The series, version, job, watch or alert does not exist, or the key does not see it."""


class ConflictError(ProblemError):
    """The current state does not allow it, such as canceling a job that has ended."""


class BusyError(ProblemError):
    """A limit is reached; the request may succeed after `retry_after_s`."""


class UnavailableError(ProblemError):
    """The service or a part of it is not available; the request may succeed after `retry_after_s`."""


class ServerError(ProblemError):
    """The service or a fit failed."""


def group_of(status: int) -> type[ProblemError]:
    """Return the class of all problems with this HTTP status."""
    if status in (401, 403):
        return AccessError
    if status == 404:
        return NotFoundError
    if status in (409, 410):
        return ConflictError
    if status == 429:
        return BusyError
    if status in (502, 503, 504):
        return UnavailableError
    return ServerError if status >= 500 else RequestError
