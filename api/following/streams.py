"""Event streams: each has the unsent changes of what it follows; one poll serves all streams of a kind in a process."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import WeakSet

from shared.errors import BusyError, Code

MAX_STREAMS, MAX_STREAMS_PER_KEY = 200, 50  # of each kind, on one process

Item = TypeVar("Item")


class Stream(ABC, Generic[Item]):
    """The newest unsent snapshot of each changed item, by id, for one reader."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self.ended = False
        self._items: dict[str, Item] = {}
        self._wakeup = asyncio.Event()

    @abstractmethod
    def offer(self, item: Item) -> None:
        """Queue a snapshot if it is new to this stream and belongs to it."""

    def put(self, id_: str, item: Item) -> None:
        """Queue a snapshot in place of an older one of the same item."""
        self._items[id_] = item
        self._wakeup.set()

    def end(self) -> None:
        """Mark the stream as ended once its queued snapshots are sent, and wake its reader."""
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


Kind = TypeVar("Kind", bound=Stream)  # type: ignore[type-arg]


class Streams(Generic[Kind]):
    """The open streams of one kind. Holds weak references: a stream disappears with its reader."""

    def __init__(self) -> None:
        self._open: WeakSet[Kind] = WeakSet()
        self.closed = False

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: Kind) -> Kind:
        """Open a stream, which the reader must keep.

        Raises `BusyError` beyond `MAX_STREAMS`, or `MAX_STREAMS_PER_KEY` of its key; the latter does not apply while
        no keys exist and `key_id` is empty.
        """
        of_key = sum(other.key_id == stream.key_id for other in self._open) if stream.key_id else 0
        if len(self._open) >= MAX_STREAMS or of_key >= MAX_STREAMS_PER_KEY:
            whose = f"{of_key} of them with this key" if of_key else "the most it serves"
            sentence = f"{len(self._open)} such event streams are open on this process, {whose}. Follow more with one."
            raise BusyError(Code.TOO_MANY_STREAMS, sentence, retry_after_s=15)
        if self.closed:
            stream.end()
        self._open.add(stream)
        return stream

    def close(self) -> None:
        """End every stream now, and those to come."""
        self.closed = True
        for stream in self:
            stream.end()
