"""Lanes: thread pools for work outside the event loop. Each kind of work has its own, so none waits for another.

| lane | threads | work |
|---|---|---|
| `requests` | `DATABASE_POOL_SIZE` | database access of requests: routes that are plain functions (FastAPI runs them there), accepting small fits together, finding jobs |
| `accepting` | 8 | accepting larger fits, bulk fits, refits and retries, which read or write training data: a store that hangs must not hold the threads of other requests |
| `states` | 2 | for predictions: finding the states of versions, and loading those that are not in memory, both in groups. Neither queues behind the other or behind requests that wait for the database |
| `upkeep` | 2 | reads for the process itself: API keys, and the jobs that waits and streams follow |
| `probes` | 3 | checks of database, artifact store and Redis for `GET /readyz`, which must not wait for what they check |
| `telemetry` | 2 | reads of latencies and metrics, which must not hold the threads of other requests if Redis, or its name server, is slow |
| `computing` | 2 | decoding large bodies, simulating, scoring batches and points that take long; fair between keys, see `api/computing/fairness.py`; each thread hands its calls to a process of its own, see `api/computing/children.py` |
| `files` | 1 | waiting for processes that read files, one at a time; fair between keys |
| `ingest` | 4 | storing and judging pushed points; one thread of them works for all small pushes together |
| `pushing` | 2 | the same for large pushes and for those of many series; and reading stored points; fair between keys; each thread hands its calls to a process of its own |
| `writers` | 8 | writing training data to the store, concurrently because each file waits for the disk |
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

from api.computing.children import Children
from api.computing.fairness import THREADS, FairLane

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MAX_PUSHES_WAITING_S = 60.0  # of one key: senders such as Prometheus catch up with many requests at once
STATES, UPKEEP, PROBES, TELEMETRY, INGEST, WRITERS, ACCEPTING = 2, 2, 3, 2, 4, 8, 8


class Lane(Protocol):
    """A function that runs a call in a thread and waits for its result. `asyncio.to_thread` is one."""

    async def __call__(
        self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Return the result of the call, or raise its error."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """All lanes of one process.

    The event loop awaits the results of all but `writers`, which threads of another lane use.
    """

    requests: Lane
    accepting: Lane
    states: Lane
    upkeep: Lane
    probes: Lane
    telemetry: Lane
    ingest: Lane
    computing: FairLane
    pushing: FairLane
    files: FairLane
    writers: ThreadPoolExecutor
    _pools: list[ThreadPoolExecutor]

    @classmethod
    def open(cls, request_threads: int, state_bytes: int) -> Self:
        """Create the pools. Needs a running event loop, whose default thread limit is set to `request_threads`.

        state_bytes: of detector states, in all processes that compute.
        """
        current_default_thread_limiter().total_tokens = request_threads
        accepting = ThreadPoolExecutor(ACCEPTING, "accepting")
        states = ThreadPoolExecutor(STATES, "states")
        upkeep = ThreadPoolExecutor(UPKEEP, "upkeep")
        probes = ThreadPoolExecutor(PROBES, "probe")
        telemetry = ThreadPoolExecutor(TELEMETRY, "telemetry")
        ingest = ThreadPoolExecutor(INGEST, "ingest")
        writers = ThreadPoolExecutor(WRITERS, "writer")
        return cls(
            requests=run_in_threadpool,  # type: ignore[arg-type] # its first parameter has a name
            accepting=partial(_run, accepting),
            states=partial(_run, states),
            upkeep=partial(_run, upkeep),
            probes=partial(_run, probes),
            telemetry=partial(_run, telemetry),
            ingest=partial(_run, ingest),
            files=FairLane("files"),
            computing=FairLane("computing", Children(THREADS, state_bytes // THREADS)),
            pushing=FairLane("pushing", Children(THREADS), max_waiting_s=MAX_PUSHES_WAITING_S),
            writers=writers,
            _pools=[accepting, states, upkeep, probes, telemetry, ingest, writers],
        )

    def close(self) -> None:
        """Wait for running calls, and cancel queued ones except those of `writers`."""
        self.computing.close()
        self.pushing.close()
        self.files.close()
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=pool is not self.writers)


async def _run(
    pool: ThreadPoolExecutor,
    call: Callable[Parameters, Result],
    /,
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Result:
    """Run the call in the pool with the context of the request, so that its log lines name the request id."""
    in_context = partial(copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, in_context)
