"""The queue between a poll and the reader of one event stream."""

import asyncio
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Unsent(Generic[Item]):
    """The newest unsent snapshot of each changed item, by id."""

    def __init__(self) -> None:
        self.ended = False
        self._items: dict[str, Item] = {}
        self._wakeup = asyncio.Event()

    def put(self, id_: str, item: Item) -> None:
        """Queue a snapshot in place of an older one of the same item."""
        self._items[id_] = item
        self._wakeup.set()

    def end(self) -> None:
        """Mark the stream as ended, and wake its reader."""
        self.ended = True
        self._wakeup.set()

    async def next(self, seconds: float) -> list[Item]:
        """Return the snapshots queued since the last call; wait up to `seconds` for one. Empty on timeout."""
        try:
            async with asyncio.timeout(seconds):
                await self._wakeup.wait()
        except TimeoutError:
            return []
        self._wakeup.clear()
        items, self._items = self._items, {}
        return list(items.values())
