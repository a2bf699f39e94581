"""Hearing of a shutdown when it begins: the server waits for open requests before it tells the application."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def when_stopping(call: Callable[[], None]) -> None:
    """Call from the event loop at the first SIGTERM or SIGINT, before the server does what it does then."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals reach the main thread only: whoever runs the server elsewhere stops it by other means
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        servers = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None, servers: object = servers) -> None:
            loop.call_soon_threadsafe(call)
            if callable(servers):
                servers(number, frame)

        signal.signal(number, handle)
