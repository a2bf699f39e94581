"""Clients that send one request over and over, from their own process, which keeps the measurement quick."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.synchronize import Event

import httpx

from benchmark.access import HEADERS
from tests.fuzz.worst import Worst

CLIENTS = 16


def crowd(address: str, request: Worst) -> AbstractContextManager[None]:
    """Let `CLIENTS` clients send the request during the block; what they are answered does not matter."""
    return beside(_send, address, request)


@contextmanager
def beside(run: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run a function in a process of its own during the block, which begins once it has set the first of two events.

    The function gets the arguments and both events; the second is set when it must return.
    """
    context = multiprocessing.get_context("spawn")
    began, ends = context.Event(), context.Event()
    process = context.Process(target=run, args=(*arguments, began, ends))
    process.start()
    try:
        began.wait(60)
        yield
    finally:
        ends.set()
        process.join(60)
        process.kill()


def _send(address: str, request: Worst, began: Event, ends: Event) -> None:
    def repeat() -> None:
        with httpx.Client(base_url=address, headers=HEADERS, timeout=60, trust_env=False) as client:
            while not ends.is_set():
                try:
                    request.send(client)
                except httpx.HTTPError:
                    ends.wait(0.1)
                began.set()

    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
