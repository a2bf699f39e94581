"""The feed of alerts: one query every half second serves all its streams in a process."""

import asyncio
import time

from api.following.streams import Stream, Streams
from api.lanes import Lane
from shared.errors import UnavailableError
from shared.store import alerts
from shared.store.alert_filters import AlertFilter
from shared.store.alerts import StoredAlert
from shared.store.engine import Sessions

POLL_EVERY_S = 0.5
RECENT_S = 10.0  # longer than any of our transactions, so a change is still recent when it is committed
MAX_CHANGES = 1_000  # per poll
MAX_REMEMBERED = 10_000  # revisions that a stream has sent


class AlertStream(Stream[StoredAlert]):
    """Changes of the alerts that match a filter."""

    def __init__(self, selection: AlertFilter, key_id: str) -> None:
        super().__init__(key_id)
        self.selection = selection
        self._sent: dict[str, int] = {}  # revisions by alert

    def offer(self, stored: StoredAlert) -> None:
        """Queue the alert if its revision is new."""
        if self._sent.get(stored.alert.id, 0) >= stored.revision:
            return
        self._sent.pop(stored.alert.id, None)
        self._sent[stored.alert.id] = stored.revision
        if len(self._sent) > MAX_REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self.put(stored.alert.id, stored)


class AlertFeed:
    """Polls for changed alerts while anybody follows them. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, lane: Lane) -> None:
        self._sessions = sessions
        self._lane = lane
        self._streams: Streams[AlertStream] = Streams()
        self._task: asyncio.Task[None] | None = None
        self._read_at = 0.0  # by `time.monotonic`, when the last query that succeeded began

    def stream(self, selection: AlertFilter, key_id: str) -> AlertStream:
        """Open a stream of alerts; raise `BusyError` as `Streams.add` does."""
        stream = self._streams.add(AlertStream(selection, key_id))
        if self._task is None:
            self._read_at = time.monotonic()
            self._task = asyncio.create_task(self._poll(), name="alerts")
        return stream

    def close(self) -> None:
        """End every stream now."""
        self._streams.close()

    async def _poll(self) -> None:
        try:
            while self._streams and not self._streams.closed:
                await asyncio.sleep(POLL_EVERY_S)
                try:
                    if changed := await self._lane(self._read):
                        await self._offer(changed)
                except UnavailableError:
                    continue
        finally:
            self._task = None

    async def _offer(self, changed: list[StoredAlert]) -> None:
        for stream in self._streams:
            for stored in await self._lane(self._matching, stream.selection, changed):
                stream.offer(stored)

    def _read(self) -> list[StoredAlert]:
        """Return what changed since the last query that succeeded, however long the database was away."""
        began = time.monotonic()
        with self._sessions.begin() as session:
            found = alerts.changed(session, RECENT_S + began - self._read_at, MAX_CHANGES)
        self._read_at = began
        return found

    def _matching(self, selection: AlertFilter, changed: list[StoredAlert]) -> list[StoredAlert]:
        """Return the changed alerts of a filter; the database decides which, as for a page."""
        with self._sessions.begin() as session:
            found = alerts.find(session, [stored.alert.id for stored in changed], selection)
        return [found[stored.alert.id] for stored in changed if stored.alert.id in found]
