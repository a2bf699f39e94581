"""Follow alerts as they change: over one connection after another, without a gap between them."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from typing import Any, Self

import httpx
import msgspec

from tsad_client.errors import TsadError, UnexpectedResponseError, UnreachableError
from tsad_client.running import request_of
from tsad_client.sending import Call, Patience, error_of
from tsad_client.watching import Alert

QUIET_S = 15  # after which the service sends a comment
MAX_REMEMBERED = 10_000  # alerts
_ALERT = msgspec.json.Decoder(Alert)


class Progress:
    """What a follower remembers from one connection to the next, without input or output.

    last_id: of the newest event that was returned, after which the next connection continues.
    """

    def __init__(self, query: Mapping[str, Any], last_id: str | None, patience: Patience) -> None:
        self.last_id = last_id
        self._query = query
        self._patience = patience
        self._returned: dict[str, object] = {}  # time of the last change, by alert
        self.begin()

    @property
    def call(self) -> Call:
        """The request that continues the feed."""
        headers = {"Last-Event-ID": self.last_id}
        return Call("GET", "/alerts/events", query=self._query, headers=headers, longest_s=QUIET_S)

    def begin(self) -> None:
        """Begin to read the response of a new connection."""
        self._attempt, self._waited_s = 0, 0.0
        self._rest, self._event = b"", dict[bytes, bytes]()

    def read(self, piece: bytes) -> Iterator[Alert]:
        """Yield the alerts whose events end in the next piece of the response, without those that were returned."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b":")
            if line:
                self._event[name] = value.removeprefix(b" ")
                continue
            event, self._event = self._event, {}
            if event.get(b"event") == b"alert" and self._is_new(alert := _decoded(event[b"data"])):
                self.last_id = event[b"id"].decode()
                yield alert

    def pause_s(self, outcome: httpx.Response | httpx.HTTPError | None) -> float:
        """Return how long to wait before the next connection; raise the error if another one does not help.

        outcome: of the last connection; None: the service ended it.
        """
        error: TsadError = UnreachableError("The service ended GET /alerts/events.")
        if outcome is not None:
            error = error_of(self.call, outcome)
        pause_s = self._patience.pause_s(self.call, error, self._attempt, self._waited_s)
        if pause_s is None:
            raise error
        self._attempt += 1
        self._waited_s += pause_s
        return pause_s

    def _is_new(self, alert: Alert) -> bool:
        """Whether an alert was not returned as it is now."""
        before = self._returned.pop(alert.alert_id, None)
        self._returned[alert.alert_id] = alert.changed_at
        if len(self._returned) > MAX_REMEMBERED:
            del self._returned[next(iter(self._returned))]
        return before != alert.changed_at


class AlertFeed:
    """Alerts as they change, for a `Client`: iterate over it, and close it."""

    def __init__(self, http: httpx.Client, progress: Progress) -> None:
        self._http, self._progress = http, progress
        self._alerts = self._follow()

    @property
    def last_id(self) -> str | None:
        """Id of the newest change that was returned, after which another feed continues."""
        return self._progress.last_id

    def __iter__(self) -> Iterator[Alert]:
        return self

    def __next__(self) -> Alert:
        return next(self._alerts)

    def close(self) -> None:
        """End the connection."""
        self._alerts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> Generator[Alert]:
        while True:
            outcome: httpx.Response | httpx.HTTPError | None = None
            try:
                response = self._http.send(request_of(self._http, self._progress.call), stream=True)
                try:
                    if response.is_success:
                        self._progress.begin()
                        for piece in response.iter_bytes():
                            yield from self._progress.read(piece)
                    else:
                        response.read()
                        outcome = response
                finally:
                    response.close()
            except httpx.HTTPError as error:
                outcome = error
            time.sleep(self._progress.pause_s(outcome))


class AsyncAlertFeed:
    """Alerts as they change, for an `AsyncClient`: iterate over it with `async for`, and close it."""

    def __init__(self, http: httpx.AsyncClient, progress: Progress) -> None:
        self._http, self._progress = http, progress
        self._alerts = self._follow()

    @property
    def last_id(self) -> str | None:
        """Id of the newest change that was returned, after which another feed continues."""
        return self._progress.last_id

    def __aiter__(self) -> AsyncIterator[Alert]:
        return self

    async def __anext__(self) -> Alert:
        return await anext(self._alerts)

    async def close(self) -> None:
        """End the connection."""
        await self._alerts.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _follow(self) -> AsyncGenerator[Alert]:
        while True:
            outcome: httpx.Response | httpx.HTTPError | None = None
            try:
                response = await self._http.send(request_of(self._http, self._progress.call), stream=True)
                try:
                    if response.is_success:
                        self._progress.begin()
                        async for piece in response.aiter_bytes():
                            for alert in self._progress.read(piece):
                                yield alert
                    else:
                        await response.aread()
                        outcome = response
                finally:
                    await response.aclose()
            except httpx.HTTPError as error:
                outcome = error
            await asyncio.sleep(self._progress.pause_s(outcome))


def _decoded(data: bytes) -> Alert:
    try:
        return _ALERT.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        text = f"An event of GET /alerts/events cannot be read ({error}). Check the releases."
        raise UnexpectedResponseError(text) from None
