"""Deadlines of the client for PostgreSQL. A frozen server, whose TCP connections live on, would hold its clients.

The server's `statement_timeout` cannot help then: the server itself enforces it.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, set_wait_callback

_Connection: Any = psycopg2.extensions.connection


def bounded_connections(connect_s: float, statement_s: float) -> Callable[..., Any]:
    """Return a class of connections whose statements raise `OperationalError` after `statement_s` without an answer.

    The driver waits in Python for every connection of the process from now on, and closes one that is late.
    """

    class Bounded(_Connection):  # type: ignore[misc]
        answer_s = connect_s  # while it connects

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.answer_s = statement_s

    set_wait_callback(_wait)
    return Bounded


@contextmanager
def within(connection: Any, seconds: float) -> Iterator[None]:
    """Give the statements of the block less time, if the connection has a deadline."""
    usual_s = getattr(connection, "answer_s", None)
    if usual_s is not None:
        connection.answer_s = min(seconds, usual_s)
    try:
        yield
    finally:
        if usual_s is not None:
            connection.answer_s = usual_s


@contextmanager
def no_deadlines() -> Iterator[None]:
    """Let the driver wait for as long as a statement takes. COPY requires this, and it concerns the whole process."""
    set_wait_callback(None)
    try:
        yield
    finally:
        set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Wait until the connection has finished its operation."""
    answer_s = getattr(connection, "answer_s", None)
    deadline = None if answer_s is None else time.monotonic() + answer_s
    state = connection.poll()
    while state != POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        if deadline is None:
            poll.poll()
        elif not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise psycopg2.OperationalError(f"the server did not answer within {answer_s:g} s")
        state = connection.poll()
