"""Downloads: long responses that a thread makes part by part, for as long as their key stays valid."""

import time
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

CHECK_EVERY_S = 2.0  # whether the key is still valid


class Download(StreamingResponse):
    """A response of many parts; `close` is called at its end, whatever ended it."""

    def __init__(
        self, parts: Iterator[bytes], is_allowed: Callable[[], bool], close: Callable[[], object], **options: object
    ) -> None:
        super().__init__(_while_allowed(parts, is_allowed), **options)  # type: ignore[arg-type]
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


async def _while_allowed(parts: Iterator[bytes], is_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the parts; break the connection if the key becomes invalid, so that nobody takes them for complete."""
    checked_at = time.monotonic()
    async for part in iterate_in_threadpool(parts):
        if time.monotonic() - checked_at >= CHECK_EVERY_S:
            checked_at = time.monotonic()
            if not is_allowed():
                raise ClientDisconnect
        yield part
