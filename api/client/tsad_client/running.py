"""Carry out operations: blocking with `httpx.Client`, or in an event loop with `httpx.AsyncClient`."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

import httpx

from tsad_client.sending import Call, Outcome, Patience, Steps

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    """An object whose operations block."""

    patience: Patience

    def run(self, steps: Steps[T]) -> T: ...


class Awaiting(Protocol):
    """An object whose operations are awaited."""

    patience: Patience

    async def arun(self, steps: Steps[T]) -> T: ...


class operation(Generic[P, T]):  # noqa: N801 - used as a decorator
    """A method written as steps. On a blocking object it returns the result, on the other kind a coroutine."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Blocking, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Awaiting, kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, owner: Any, kind: type) -> Any:
        """Bind the operation to an object."""
        bound = self._method.__get__(owner, kind)
        if owner is None:
            return bound  # the plain function, for `help` and for documentation tools
        run = getattr(owner, "run", None) or owner.arun

        @wraps(bound)
        def start(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(bound(*args, **kwargs))

        return start


def run(http: httpx.Client, steps: Steps[T]) -> T:
    """Carry out steps, blocking this thread."""
    outcome: Outcome = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if isinstance(step, Call):
            try:
                outcome = http.send(request_of(http, step))
            except httpx.HTTPError as error:
                outcome = error
        else:
            time.sleep(step.seconds)
            outcome = None


async def arun(http: httpx.AsyncClient, steps: Steps[T]) -> T:
    """Carry out steps without blocking the event loop."""
    outcome: Outcome = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if isinstance(step, Call):
            try:
                outcome = await http.send(request_of(http, step))
            except httpx.HTTPError as error:
                outcome = error
        else:
            await asyncio.sleep(step.seconds)
            outcome = None


def request_of(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    """Build the request of a call."""
    timeout = http.timeout
    if call.longest_s and timeout.read is not None:
        timeout = httpx.Timeout(**timeout.as_dict() | {"read": timeout.read + call.longest_s})
    return http.build_request(
        call.method, call.url, params=call.parameters, headers=call.all_headers, content=call.content, timeout=timeout
    )
