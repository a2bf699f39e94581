"""Calls that wait at the same time, carried out as one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from api.lanes import Lane

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouped(Generic[Item, Result]):
    """While one group is carried out in a thread, the next gathers. Belongs to one event loop.

    `call` returns one result for each item, in their order. What it raises, everybody of the group gets.
    """

    def __init__(self, call: Callable[[Sequence[Item]], Sequence[Result]], at_most: int, lane: Lane) -> None:
        self._call = call
        self._at_most = at_most
        self._lane = lane
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The result for this item, as soon as its group is done."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="groups")
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
                await self._carry_out(group)
        finally:
            self._working = None

    async def _carry_out(self, group: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._lane(self._call, [item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - it is theirs who wait
            for _, answer in group:
                if not answer.done():  # its client may have gone away
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(group, results, strict=True):
            if not answer.done():
                answer.set_result(result)
