"""A watchdog of the event loop: the longest turn, in processor time, and the request that began last before it.

Processor time of the loop's thread does not count pauses of the machine, nor the time other threads compute.
"""

import asyncio
import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

EVERY_S = 0.0005


class Turns:
    """Measures the turns of the loop that serves an application, from its first request on."""

    def __init__(self) -> None:
        self.slowest_s = 0.0
        self.request = ""  # during the slowest turn
        self._current = ""
        self._before: float | None = None

    def install(self, app: FastAPI) -> None:
        """Watch the application, which must not have started."""
        app.add_middleware(_Watched, turns=self)

    def reset(self) -> None:
        """Forget the slowest turn."""
        self.slowest_s, self.request = 0.0, ""

    def begin(self, request: str) -> None:
        """Note that a request begins."""
        self._current = request
        if self._before is None:
            self._tick()

    def _tick(self) -> None:
        now = time.thread_time()
        if self._before is not None and now - self._before > self.slowest_s:
            self.slowest_s, self.request = now - self._before, self._current
        self._before = now
        asyncio.get_running_loop().call_later(EVERY_S, self._tick)


class _Watched:
    def __init__(self, app: ASGIApp, turns: Turns) -> None:
        self.app = app
        self.turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.turns.begin(f"{scope['method']} {scope['path'][:80]}")
        await self.app(scope, receive, send)
