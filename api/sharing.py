"""Shares of something that few requests may hold at a time, so that neither one key nor a slow part takes all of it."""

import threading
from collections import Counter
from types import TracebackType

from shared.errors import BusyError, Code, UnavailableError

PATIENCE_S = 0.2  # in which a store that works finishes a read


class Shares:
    """Counts what each key holds; thread-safe. While no keys exist, all requests share the whole."""

    def __init__(self, what: str, most: int, most_per_key: int) -> None:
        self._what = what
        self._most = most
        self._most_per_key = most_per_key
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, key_id: str) -> None:
        """Take one; raise `BusyError` if the key or the process holds too many."""
        with self._lock:
            if key_id and self._held[key_id] >= self._most_per_key:
                self._refuse(f"This key already has {self._most_per_key} {self._what} open on this process.")
            if self._held.total() >= self._most:
                self._refuse(f"{self._most} {self._what} are already open on this process.")
            self._held[key_id] += 1

    def release(self, key_id: str) -> None:
        """Return one."""
        with self._lock:
            self._held[key_id] -= 1
            if not self._held[key_id]:
                del self._held[key_id]

    def _refuse(self, sentence: str) -> None:
        raise BusyError(Code.TOO_MANY_STREAMS, f"{sentence} Close some, or retry in 15 s.", retry_after_s=15)


class Turns:
    """Lets few threads at a time read artifacts, so that a store that hangs leaves the others free; thread-safe."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    def __enter__(self) -> None:
        """Begin a read; raise `UnavailableError` if the reads of others go on for `PATIENCE_S`."""
        if not self._free.acquire(timeout=PATIENCE_S):
            sentence = "The artifact store is slow: other requests are waiting for it. Try again."
            raise UnavailableError(Code.STORE_UNAVAILABLE, sentence, retry_after_s=5)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
