"""A cache for immutable values, limited by their size in bytes."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Thread-safe LRU cache: evicts the least recently used values beyond `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """Return the value, or None if it is not cached."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Cache a value of `size` bytes, and evict others to make room."""
        with self._lock:
            self._drop(key)
            self._entries[key] = value, size
            self._bytes_left -= size
            while self._bytes_left < 0:
                self._drop(next(iter(self._entries)))

    def forget(self, key: Key) -> None:
        """Evict the value, if it is cached."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        if key in self._entries:
            self._bytes_left += self._entries.pop(key)[1]
