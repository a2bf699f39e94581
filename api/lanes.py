"""Lanes: the threads that work leaves the event loop for. Each kind of work has its own, so that none waits for another.

| lane | threads | what goes there |
|---|---|---|
| `requests` | `DATABASE_POOL_SIZE` | what requests ask of the database: routes that are plain functions (FastAPI runs them there), accepting fits, looking up jobs |
| `states` | 1 | the states that predictions need and memory lacks, read in groups: never behind requests that wait for the database |
| `upkeep` | 2 | what the process reads for itself: API keys, and what became of jobs that somebody waits for |
| `batches` | 2 | scoring the points of a batch |
| `writers` | 8 | training data on its way to the store, side by side: each file waits for the disk |
"""  # noqa: E501 - a table

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, Protocol, Self, TypeVar

from anyio.to_thread import current_default_thread_limiter
from starlette.concurrency import run_in_threadpool

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

STATES, UPKEEP, BATCHES, WRITERS = 1, 2, 2, 8


class Lane(Protocol):
    """Carries a call out in a thread and waits for its result. `asyncio.to_thread` is one, too."""

    async def __call__(
        self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Return what the call returns, or raise what it raises."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """All lanes of one process. They belong to its event loop, but for `writers`, whose work others wait for."""

    requests: Lane
    states: Lane
    upkeep: Lane
    batches: Lane
    writers: ThreadPoolExecutor
    _pools: list[ThreadPoolExecutor]

    @classmethod
    def open(cls, request_threads: int) -> Self:
        """Make them; needs the running event loop, whose default threads become those of requests."""
        current_default_thread_limiter().total_tokens = request_threads
        states = ThreadPoolExecutor(STATES, "states")
        upkeep = ThreadPoolExecutor(UPKEEP, "upkeep")
        batches = ThreadPoolExecutor(BATCHES, "batch")
        writers = ThreadPoolExecutor(WRITERS, "writer")
        return cls(
            requests=run_in_threadpool,  # type: ignore[arg-type] # its first parameter has a name
            states=partial(_carry_out, states),
            upkeep=partial(_carry_out, upkeep),
            batches=partial(_carry_out, batches),
            writers=writers,
            _pools=[states, upkeep, batches, writers],
        )

    def close(self) -> None:
        """Wait for what is under way."""
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=pool is not self.writers)


async def _carry_out(
    pool: ThreadPoolExecutor,
    call: Callable[Parameters, Result],
    /,
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Result:
    """Log lines of the call name the request that it is for, as those of the event loop do."""
    in_context = partial(copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, in_context)
