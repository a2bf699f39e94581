"""Child processes for computations, which share neither Python's global lock nor their priority with the event loop.

A call and its outcome are pickled. They travel through a pair of sockets that only a process and its child hold, so
nobody else can send such bytes.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from api.computing.pickling import keep, message_of, receive
from shared.caching import Cache
from shared.errors import TsadError
from shared.settings import MIB

if TYPE_CHECKING:
    from shared.domain.detectors.contract import Fitted

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

WORTH_S = 1.0  # of computation in the threads of this process, before it starts a child
AGAIN_AFTER_S = 10.0  # if a child could not start, or died
NICENESS = 5  # between the event loop and fits (WORKER_NICENESS)
_SOCKET_BYTES = MIB


class Outcome(NamedTuple, Generic[Result]):
    """What became of a call."""

    seconds: float  # of processor time
    result: Result | None = None
    error: Exception | None = None


def carried_out(call: Callable[[], Result]) -> Outcome[Result]:
    """Carry out a call.

    An expected error loses its traceback and that of its cause, whose frames hold the body: freeing that can take long,
    so it must not happen in the event loop, or only at a garbage collection.
    """
    began = time.thread_time()
    try:
        result = call()
    except TsadError as error:
        error.__context__ = None  # set even for `raise … from None`
        return Outcome(time.thread_time() - began, error=error.with_traceback(None))
    except Exception as error:  # noqa: BLE001 - the request raises it
        return Outcome(time.thread_time() - began, error=error)
    return Outcome(time.thread_time() - began, result)


class Children:
    """Up to `most` processes that carry out calls. Thread-safe.

    They start once computing has taken `WORTH_S`. Until one is ready, and when one dies, the thread that needs it
    carries out the call itself.
    """

    def __init__(self, most: int, kept_bytes: int = 0) -> None:
        self._most = most
        self._kept_bytes = kept_bytes  # of states, in each child
        self._lock = threading.Lock()
        self._all: set[_Child] = set()
        self._idle: deque[_Child] = deque()
        self._computed_s = 0.0
        self._none_before = 0.0  # monotonic

    def run(self, call: Callable[[], Result]) -> Outcome[Result]:
        """Return the outcome of a call. The call and its result must be picklable."""
        if child := self._take():
            try:
                outcome: Outcome[Result] | None = child.run(call)
            except Exception as error:  # noqa: BLE001 - it died, or a part of the call cannot be pickled
                self._lose(child, error)
            else:
                self._idle.append(child)
                if outcome:
                    return outcome
        outcome = carried_out(call)
        self._computed_s += outcome.seconds
        return outcome

    def close(self) -> None:
        """End all children. No call may be running."""
        for child in self._all:
            child.end()

    def _take(self) -> "_Child | None":
        """Return an idle child, or a new one; None if there may be no more, or it is not yet worth it."""
        with self._lock:
            if self._idle:
                return self._idle.pop()  # the last one that was busy: it has the states of the last calls
            is_wanted = self._computed_s >= WORTH_S and len(self._all) < self._most
            if not is_wanted or time.monotonic() < self._none_before:
                return None
            try:
                child = _Child(self._kept_bytes)
            except OSError as error:
                self._none_before = time.monotonic() + AGAIN_AFTER_S
                logger.warning("No process for computations could start: %s", error)
                return None
            self._all.add(child)
            return child

    def _lose(self, child: "_Child", error: Exception) -> None:
        with self._lock:
            self._all.discard(child)
            self._none_before = time.monotonic() + AGAIN_AFTER_S
        logger.warning(
            "A process for computations ended with exit code %d (%r). Threads compute until another is ready.",
            child.end(),
            error,
        )


class _Child:
    """A process that carries out one call at a time."""

    def __init__(self, kept_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            numbers = map(str, (NICENESS, theirs.fileno(), kept_bytes))
            self._process = subprocess.Popen(  # in its own session, which can have a lower priority
                [sys.executable, "-m", "api.child", *numbers],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            self._connection = Connection(ours.detach())
        self._is_ready = False
        self._kept: Cache[int, Fitted] = Cache(kept_bytes)  # by id; the child keeps the same

    def run(self, call: Callable[[], Result]) -> Outcome[Result] | None:
        """Return the outcome of a call, or None while the process starts; raise `OSError` or `EOFError` if it died."""
        if not self._is_ready:
            if not self._connection.poll():
                return None
            self._is_ready = bool(self._connection.recv_bytes())
        message_of(call, self._kept).send(self._connection)
        outcome: Outcome[Result] = receive(self._connection)
        return outcome

    def end(self) -> int:
        """End the process, and return its exit code."""
        self._connection.close()  # which ends the process
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(1)
        self._process.kill()
        return self._process.wait()


def serve(connection: Connection, kept_bytes: int) -> None:
    """Carry out the calls that the parent process sends, until it ends or closes the connection."""
    keep(kept_bytes)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send_bytes(b"ready")
        while True:
            outcome = carried_out(receive(connection))
            if outcome.error and not isinstance(outcome.error, TsadError):
                outcome.error.add_note("".join(traceback.format_exception(outcome.error)))
            message_of(outcome).send(connection)
