"""The feed of alerts: one query every half second serves all its streams in a process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from weakref import WeakSet

import msgspec
from starlette.responses import StreamingResponse

from api.following.events import CHECK_EVERY_S, COMMENT_EVERY_S, HEADERS
from api.following.unsent import Unsent
from api.lanes import Lane
from api.schemas.watching import AlertAnswer
from shared.errors import BusyError, Code, UnavailableError
from shared.store import alerts
from shared.store.alert_filters import AlertFilter
from shared.store.alerts import StoredAlert
from shared.store.engine import Sessions

POLL_EVERY_S = 0.5
RECENT_S = 10.0  # longer than any of our transactions, so a change is still recent when it is committed
MAX_FEEDS = 200
MAX_CHANGES = 1_000  # per poll
MAX_REMEMBERED = 10_000  # revisions that a stream has sent


class Feed(Unsent[StoredAlert]):
    """The unsent changes of the alerts that match a filter."""

    def __init__(self, selection: AlertFilter) -> None:
        super().__init__()
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
        self._feeds: WeakSet[Feed] = WeakSet()  # a feed disappears with its reader
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def stream(self, selection: AlertFilter) -> Feed:
        """Open a stream of alerts; raise `BusyError` beyond `MAX_FEEDS`."""
        if len(self._feeds) >= MAX_FEEDS:
            sentence = f"{MAX_FEEDS} streams of alerts are already open on this process."
            raise BusyError(Code.TOO_MANY_STREAMS, sentence, retry_after_s=15)
        feed = Feed(selection)
        if self._closed:
            feed.end()
        self._feeds.add(feed)
        if self._task is None:
            self._task = asyncio.create_task(self._poll(), name="alerts")
        return feed

    def close(self) -> None:
        """End every stream now."""
        self._closed = True
        for feed in self._feeds:
            feed.end()

    async def _poll(self) -> None:
        try:
            while self._feeds and not self._closed:
                await asyncio.sleep(POLL_EVERY_S)
                try:
                    changed = await self._lane(self._read)
                    for feed in list(self._feeds):
                        matching = await self._lane(self._matching, feed.selection, changed) if changed else []
                        for stored in matching:
                            feed.offer(stored)
                except UnavailableError:
                    continue
        finally:
            self._task = None

    def _read(self) -> list[StoredAlert]:
        with self._sessions.begin() as session:
            return alerts.changed(session, RECENT_S, MAX_CHANGES)

    def _matching(self, selection: AlertFilter, changed: list[StoredAlert]) -> list[StoredAlert]:
        """Return the changed alerts of a filter; the database decides which, as for a page."""
        with self._sessions.begin() as session:
            found = alerts.find(session, [stored.alert.id for stored in changed], selection)
        return [found[stored.alert.id] for stored in changed if stored.alert.id in found]


def respond(feed: Feed, current: Iterable[StoredAlert], is_allowed: Callable[[], bool]) -> StreamingResponse:
    """Return a response that sends the current alerts, then each that changes, until `is_allowed` returns False."""
    for stored in current:
        feed.offer(stored)
    return StreamingResponse(_events(feed, is_allowed), media_type="text/event-stream", headers=HEADERS)


async def _events(feed: Feed, is_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    quiet_s = 0.0
    while is_allowed():
        changed = await feed.next(CHECK_EVERY_S)
        for stored in changed:
            body = msgspec.json.encode(AlertAnswer.of(stored))
            yield b"id: %d\nevent: alert\ndata: %b\n\n" % (stored.revision, body)
        if feed.ended:
            return
        quiet_s = 0.0 if changed else quiet_s + CHECK_EVERY_S
        if quiet_s >= COMMENT_EVERY_S:
            quiet_s = 0.0
            yield b": nothing new\n\n"
