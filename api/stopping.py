"""A hook for the start of a shutdown: Uvicorn waits for open requests before it notifies the application."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def when_stopping(call: Callable[[], None]) -> None:
    """Run `call` in the event loop on each SIGTERM and SIGINT, before the server's handler."""
    if threading.current_thread() is not threading.main_thread():
        return  # Python handles signals only in the main thread; a server in another thread is stopped without them
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None, previous: object = previous) -> None:
            loop.call_soon_threadsafe(call)
            if callable(previous):
                previous(number, frame)

        signal.signal(number, handle)
