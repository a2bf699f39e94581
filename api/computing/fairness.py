"""A lane for computations, which shares its threads fairly between keys and answers small requests before large ones.

Each thread may hand its calls to a process of its own, see `api/computing/children.py`.

Among requests of one size, the one with the earliest virtual finish time runs next (self-clocked fair queueing,
Golestani 1994). So a key that sends many requests delays mainly its own, and a key's first request waits for little.
"""

import asyncio
import heapq
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from api.computing.children import Children, Outcome, carried_out
from shared.errors import BusyError, Code

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

THREADS = 2  # one runs large computations, if any wait; small ones use both
SMALL_S = 0.05  # expected seconds; with less, a computation is small
MAX_WAITING_S = 10.0  # expected seconds that one key may have waiting in most lanes
SLICE_S = 0.25  # of a large computation, before the lane serves another key


class Slice(NamedTuple):
    """What a part of a computation returns."""

    rest: bytes | None  # for the next part; None if the computation has ended
    result: bytes = b""


@dataclass(order=True)
class _Waiting:
    finish: float  # virtual time at which it would end if all keys had equal shares
    number: int
    owner: str = field(compare=False)
    cost_s: float = field(compare=False)
    call: Callable[[], Any] = field(compare=False)
    answer: "asyncio.Future[Any]" = field(compare=False)


class FairLane:
    """Runs calls in `THREADS` threads, in a fair order. Belongs to one event loop."""

    def __init__(self, name: str, children: Children | None = None, max_waiting_s: float = MAX_WAITING_S) -> None:
        self._pool = ThreadPoolExecutor(THREADS, name)
        self._children = children
        self._max_waiting_s = max_waiting_s
        self._small: list[_Waiting] = []
        self._large: list[_Waiting] = []
        self._numbers = count()
        self._now = 0.0  # virtual time: finish time of the last call that started
        self._finish: dict[str, float] = {}  # virtual time at which each owner's calls end
        self._waiting_s: dict[str, float] = {}  # expected seconds of each owner's waiting calls
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # of owners, see `in_slices`
        self._running = 0
        self._running_large = 0

    async def __call__(
        self,
        owner: str,
        cost_s: float,
        call: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Return the result of the call, or raise its error. With children, all of it must be picklable.

        owner: id of the key that sent the request. cost_s: expected seconds of the call; the actual ones count later.
        Raises `BusyError` if the owner's waiting calls would exceed the lane's limit. The first one may always wait.
        """
        self._admit(owner, cost_s)
        return await self._queued(owner, cost_s, partial(call, *args, **kwargs))

    async def in_slices(self, owner: str, cost_s: float, compute: Callable[[bytes], Slice], work: bytes) -> bytes:
        """Return the result of a computation whose parts take about `SLICE_S`, between which others have their turn.

        compute: gets `work`, then what the part before has left. The large computations of an owner follow one another,
        and only those that have not begun count as waiting. Raises like a call, but only before the first part.
        """
        self._admit(owner, cost_s)
        is_large = cost_s >= SMALL_S
        turn = self._turns.setdefault(owner, asyncio.Lock())
        if is_large:
            self._expect(owner, cost_s)
            try:
                await turn.acquire()
            finally:
                self._expect(owner, -cost_s)
        try:
            part = Slice(work)
            while part.rest is not None:
                part = await self._queued(owner, min(cost_s, SLICE_S), partial(compute, part.rest))
            return part.result
        finally:
            if is_large:
                turn.release()

    def close(self) -> None:
        """Wait for running calls, and cancel queued ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._children:
            self._children.close()

    def _admit(self, owner: str, cost_s: float) -> None:
        """Raise `BusyError` if the owner's waiting calls would exceed the lane's limit."""
        waiting_s = self._waiting_s.get(owner, 0.0)
        if waiting_s and waiting_s + cost_s > self._max_waiting_s:
            retry_after_s = math.ceil(waiting_s)
            raise BusyError(
                Code.OVERLOADED,
                f"This key's waiting requests need about {retry_after_s} s of computation. Retry in {retry_after_s} s.",
                retry_after_s=retry_after_s,
            )

    async def _queued(self, owner: str, cost_s: float, call: Callable[[], Result]) -> Result:
        """Put a call into its queue, and return its result."""
        self._finish[owner] = finish = max(self._now, self._finish.get(owner, 0.0)) + cost_s
        self._expect(owner, cost_s)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        item = _Waiting(finish, next(self._numbers), owner, cost_s, call, answer)
        heapq.heappush(self._small if cost_s < SMALL_S else self._large, item)
        self._start()
        return await answer

    def _start(self) -> None:
        """Start calls while threads are free."""
        while self._running < THREADS:
            if self._large and not self._running_large:
                queue = self._large
            elif self._small:
                queue = self._small
            else:
                return
            item = heapq.heappop(queue)
            self._expect(item.owner, -item.cost_s)
            if item.answer.done():  # its request was canceled
                continue
            self._now = max(self._now, item.finish)
            self._running += 1
            self._running_large += queue is self._large
            carry_out = self._children.run if self._children else carried_out
            running = asyncio.get_running_loop().run_in_executor(self._pool, carry_out, item.call)
            running.add_done_callback(partial(self._end, item, is_large=queue is self._large))

    def _expect(self, owner: str, seconds: float) -> None:
        """Add seconds to those that an owner's calls wait for."""
        waiting_s = self._waiting_s.get(owner, 0.0) + seconds
        if waiting_s > 1e-9:  # sums of floats
            self._waiting_s[owner] = waiting_s
        else:
            self._waiting_s.pop(owner, None)

    def _end(self, item: _Waiting, running: "asyncio.Future[Outcome[Any]]", *, is_large: bool) -> None:
        """Settle the answer, and start the next call."""
        self._running -= 1
        self._running_large -= is_large
        if running.cancelled():
            item.answer.cancel()
        else:
            self._settle(item, running.result())
        if not (self._small or self._large or self._running):
            self._finish.clear()
            self._now = 0.0
        self._start()

    def _settle(self, item: _Waiting, outcome: Outcome[Any]) -> None:
        """Charge the owner for the actual seconds, and pass on the outcome unless the request was canceled."""
        self._finish[item.owner] += max(outcome.seconds - item.cost_s, 0.0)
        if item.answer.done():
            return
        if outcome.error:
            item.answer.set_exception(outcome.error)
        else:
            item.answer.set_result(outcome.result)
