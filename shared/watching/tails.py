"""Cache of the last points of streams, as arrays, valid for one revision of the stream."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from shared.caching import Cache
from shared.store import points
from shared.store.engine import Session
from shared.store.points import Tail
from shared.store.streams import Stream

OVERHEAD_BYTES = 400  # memory of an entry beside its numbers
EMPTY = Tail(np.empty(0, dtype=np.int64), np.empty(0))


class _Entry(NamedTuple):
    revision: int
    length: int  # that was asked: a shorter tail is the whole stream
    tail: Tail


class Tails:
    """Thread-safe cache of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._cache: Cache[int, _Entry] = Cache(max_bytes)

    def read(self, session: Session, needed: Iterable[tuple[Stream, int]]) -> dict[int, Tail]:
        """Return the tails of streams as they are at their revisions, by number.

        needed: streams, and the number of points that each needs.

        If a stream has changed since it was read, its tail may be too new; the intake then finds another revision.
        """
        found: dict[int, Tail] = {}
        missing: dict[int, int] = {}
        for stream, length in needed:
            entry = self._cache.get(stream.no)
            if length == 0 or stream.last_timestamp is None:
                found[stream.no] = EMPTY
            elif entry and entry.revision == stream.revision and entry.length >= length:
                found[stream.no] = entry.tail
            else:
                missing[stream.no] = length
        return found | points.tails(session, missing) if missing else found

    def extend(self, no: int, revision: int, length: int, tail: Tail, new: Tail) -> None:
        """Keep the last `length` points of a tail and the points after it, which made this revision."""
        timestamps = np.concatenate((tail.timestamps, new.timestamps))[-length:]
        values = np.concatenate((tail.values, new.values))[-length:]
        size = timestamps.nbytes + values.nbytes + OVERHEAD_BYTES
        self._cache.put(no, _Entry(revision, length, Tail(timestamps, values)), size)
