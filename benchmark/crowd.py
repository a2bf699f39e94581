"""Clients that send one request over and over, from their own process, which keeps the measurement quick."""

import http.client
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.synchronize import Event
from urllib.parse import urlsplit

from benchmark.access import HEADERS
from shared.niceness import give_way
from tests.fuzz.worst import Worst

CLIENTS = 16
NICENESS = 10  # clients are usually on other machines, so they must not compete with the service for the processor


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
    os.setsid()
    give_way(NICENESS, session_leader=os.getpid())
    url = urlsplit(address)

    def repeat() -> None:
        # Not httpx, which copies the rest of a body for each part that it sends, and so takes most of a processor.
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
        while not ends.is_set():
            try:
                connection.request(request.method, request.path, request.content, HEADERS | request.headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):  # such as a refusal before all is sent
                connection.close()
                ends.wait(0.1)
            began.set()
        connection.close()

    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
