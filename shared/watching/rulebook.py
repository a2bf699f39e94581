"""The watches, the maintenance and the sources in force, as this process read them last."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from shared.domain.watching.sources import Source
from shared.domain.watching.watches import Watch, by_prefix, watch_of
from shared.store import sources, spans, watches
from shared.store.engine import Sessions
from shared.store.spans import Span

READ_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Rules:
    """All watches, the longest prefix first, all maintenance, and all sources by name."""

    watches: Sequence[Watch]
    maintenance: Sequence[Span]
    sources: Sequence[Source] = ()

    def watch_of(self, series_id: str) -> Watch | None:
        """Return the watch of a series."""
        return watch_of(series_id, self.watches)

    def kept_versions(self, series_ids: Iterable[str]) -> dict[str, int]:
        """Return how many automatic versions each of these series keeps, without those that keep all."""
        watched = ((series_id, self.watch_of(series_id)) for series_id in series_ids)
        return {series_id: watch.keep_versions for series_id, watch in watched if watch and watch.keep_versions}

    def knows(self, names: Collection[str | None]) -> bool:
        """Whether each name is None or that of a watch."""
        return {name for name in names if name is not None} <= {watch.name for watch in self.watches}

    def maintenance_of(self, series_id: str) -> list[tuple[int, int]]:
        """Return the inclusive intervals in which no alert of a series opens."""
        return [(span.from_ts, span.to_ts) for span in self.maintenance if span.covers(series_id)]


class Rulebook:
    """Reads the rules every `READ_EVERY_S`, when they are needed. Thread-safe."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._lock = Lock()
        self._rules = Rules((), ())
        self._read_at: float | None = None
        self.changes = 0  # after which this process read the rules at once
        self._followed = 0  # of another process

    def current(self) -> Rules:
        """Return the rules, at most `READ_EVERY_S` old; raise `UnavailableError` if they cannot be read."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= READ_EVERY_S:
                self._read()
            return self._rules

    def again(self) -> Rules:
        """Read the rules now, because one of them changed."""
        with self._lock:
            self._read()
            self.changes += 1
            return self._rules

    def follow(self, changes: int) -> None:
        """Read the rules when they are needed next if another process, always the same, counts more changes."""
        with self._lock:
            if changes > self._followed:
                self._followed, self._read_at = changes, None

    def _read(self) -> None:
        began = self._clock()
        with self._sessions.begin() as session:
            by_name = [stored.source for stored in sources.read(session)]
            self._rules = Rules(by_prefix(watches.read(session)), spans.maintenance(session), by_name)
        self._read_at = began
