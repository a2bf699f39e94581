"""Batching of concurrent calls into one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from api.lanes import Lane
from shared.errors import TsadError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouped(Generic[Item, Result]):
    """Collects the next group of items while a thread processes the current one. Belongs to one event loop.

    `call` takes at most `max_items` items and returns a result or an error for each, in order. If it raises, every
    caller in the group gets the error.
    """

    def __init__(
        self, call: Callable[[Sequence[Item]], Sequence[Result | TsadError]], max_items: int, lane: Lane
    ) -> None:
        self._call = call
        self._max_items = max_items
        self._lane = lane
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Return the result for this item, or raise its error, once its group is done."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._process_groups(), name="groups")
        return await answer

    async def _process_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._max_items], self._waiting[self._max_items :]
                await self._process(group)
        finally:
            self._task = None

    async def _process(self, group: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._lane(self._call, [item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - the callers get it
            for _, answer in group:
                if not answer.done():  # its client may have disconnected
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(group, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, TsadError):
                answer.set_exception(result)
            else:
                answer.set_result(result)
