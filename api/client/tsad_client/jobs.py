"""Fit jobs that a client follows."""

from collections.abc import Callable, Coroutine
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from tsad_client import codes
from tsad_client.answers import JobState, Version
from tsad_client.errors import JobCanceledError, Problem, WaitTimeoutError
from tsad_client.running import Awaiting, Blocking, operation
from tsad_client.sending import Call, Patience, Pause, Steps, ask

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_WAIT_S = 20  # of one request


class _JobOperations:
    """What can be done with a job. `state` is what the service last said about it."""

    patience: Patience

    def __init__(self, state: JobState) -> None:
        self.state = state

    @property
    def job_id(self) -> str:
        return self.state.job_id

    @property
    def series_id(self) -> str:
        return self.state.series_id

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled."""
        return self.state.status

    def __repr__(self) -> str:
        """The ids and the status."""
        return f"{type(self).__name__}({self.job_id!r}, series_id={self.series_id!r}, status={self.status!r})"

    @operation
    def wait(self, timeout_s: float = 600) -> Steps[Version]:
        """Wait until the job has ended, and return the version that it published.

        Raises the error of its code if it failed, such as `codes.FitFailedError`; `JobCanceledError` if it was
        canceled; `WaitTimeoutError` if it has not ended in time.
        """
        deadline = monotonic() + timeout_s
        while True:
            asked_at = monotonic()
            wait_s = min(LONGEST_WAIT_S, max(deadline - asked_at, 0))
            self.state = yield from ask(state_of(self.job_id, wait_s), JobState, self.patience)
            if self.state.has_ended:
                break
            if monotonic() >= deadline:
                raise WaitTimeoutError(f"The job {self.job_id} is still {self.status} after {timeout_s:g} s.")
            if monotonic() - asked_at < wait_s / 2:  # too many clients wait, so the service does not
                yield Pause(1)
        return (yield from ask(version_of(self.state), Version, self.patience))

    @operation
    def refresh(self) -> Steps[JobState]:
        """Ask for the state of the job."""
        self.state = yield from ask(state_of(self.job_id), JobState, self.patience)
        return self.state

    @operation
    def cancel(self) -> Steps[JobState]:
        """Cancel the job: it never publishes a version. Canceling it again changes nothing."""
        call = Call("POST", "/jobs/{job_id}/cancel", {"job_id": self.job_id})
        self.state = yield from ask(call, JobState, self.patience)
        return self.state


class Job(_JobOperations):
    """A fit job of a `Client`."""

    def __init__(self, client: Blocking, state: JobState) -> None:
        super().__init__(state)
        self._client, self.patience = client, client.patience

    def run(self, steps: Steps[T]) -> T:
        """Carry out an operation."""
        return self._client.run(steps)


class AsyncJob(_JobOperations):
    """A fit job of an `AsyncClient`."""

    def __init__(self, client: Awaiting, state: JobState) -> None:
        super().__init__(state)
        self._client, self.patience = client, client.patience

    async def arun(self, steps: Steps[T]) -> T:
        """Carry out an operation."""
        return await self._client.arun(steps)


class job_operation(Generic[P]):  # noqa: N801 - used as a decorator
    """An operation that returns a job: a `Job` of a blocking client, a coroutine of an `AsyncJob` of the other kind."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[JobState]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Blocking, kind: type) -> Callable[P, Job]: ...
    @overload
    def __get__(self, owner: Awaiting, kind: type) -> Callable[P, Coroutine[Any, Any, AsyncJob]]: ...

    def __get__(self, owner: Any, kind: type) -> Any:
        """Bind the operation to a client."""
        bound = self._method.__get__(owner, kind)
        if owner is None:
            return bound  # as `operation` does

        @wraps(bound)
        def start(*args: P.args, **kwargs: P.kwargs) -> Job:
            return Job(owner, owner.run(bound(*args, **kwargs)))

        @wraps(bound)
        async def astart(*args: P.args, **kwargs: P.kwargs) -> AsyncJob:
            return AsyncJob(owner, await owner.arun(bound(*args, **kwargs)))

        return start if hasattr(owner, "run") else astart


def state_of(job_id: str, wait_s: float | None = None) -> Call:
    """Return the request for a job, which the service answers when it has ended or the time is over."""
    return Call("GET", "/jobs/{job_id}", {"job_id": job_id}, {"wait": wait_s}, longest_s=wait_s or 0)


def version_of(state: JobState) -> Call:
    """Return the request for the version of a job; raise the error of a job without one."""
    if state.status == "cancelled":
        raise JobCanceledError(f"The job {state.job_id} of {state.series_id} was canceled.")
    if state.version is None:
        reason = state.error
        detail = reason.detail if reason else f"The job {state.job_id} of {state.series_id} failed."
        raise codes.error_of(Problem(detail, reason.code if reason else "fit_failed", 500))
    return Call("GET", "/series/{series_id}/versions/{version}", _names(state.series_id, state.version))


def _names(series_id: str, version: str) -> dict[str, str]:
    return {"series_id": series_id, "version": version}
