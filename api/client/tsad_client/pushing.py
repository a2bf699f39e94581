"""A buffer of points that a thread pushes in batches."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from threading import Condition, Thread
from typing import Self

from tsad_client.errors import PointsLostError, PusherClosedError, PusherFullError, TsadError
from tsad_client.operations.bodies import Moment
from tsad_client.operations.points import Point, line_of, lines_call
from tsad_client.running import Blocking
from tsad_client.sending import Patience, ask
from tsad_client.verdicts import PushedMany, RefusedLine

_CALL = lines_call(b"")
_ONCE, _FOREVER = Patience(0, 0), Patience(inf, inf)  # a pusher waits by itself, and `close` ends it


@dataclass(slots=True)
class Sent:
    """What became of all points of a pusher so far."""

    accepted: int = 0
    late: int = 0
    repeated: int = 0
    refused: int = 0
    lost: int = 0  # by an error that another attempt does not fix, or because the pusher was closed


class Pusher:
    """Pushes points in batches: when there are `max_points`, when the oldest is `max_age_s` old, or at the end.

    Use it as a context manager, or call `close()`. `push` may be called from several threads; it only waits while
    `max_buffered` points are in the buffer. While the service is away, points stay in the buffer. on_refused is called
    with the points that the service refused, from the pusher's thread; `sent` counts all points.
    """

    def __init__(
        self,
        client: Blocking,
        *,
        max_points: int = 1_000,
        max_age_s: float = 1,
        max_buffered: int = 100_000,
        on_refused: Callable[[Sequence[tuple[Point, RefusedLine]]], object] | None = None,
    ) -> None:
        self.sent = Sent()
        self._client, self._on_refused = client, on_refused
        self._max_points, self._max_age_s, self._max_buffered = max_points, max_age_s, max_buffered
        self._buffer: deque[tuple[Point, bytes]] = deque()
        self._oldest_at = 0.0  # when the oldest point of the buffer was pushed
        self._in_flight = 0
        self._wanted = False  # somebody waits for all points to be sent
        self._closed = False
        self._give_up_at = inf  # when `close` stops waiting
        self._failure: Exception | None = None  # not yet raised
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="tsad-pusher", daemon=True)
        self._thread.start()

    def push(self, series_id: str, timestamp: Moment, value: float | None, *, timeout_s: float = 30) -> None:
        """Buffer a point. None is a known gap.

        Raises `PusherFullError` if the buffer stays full, and `PointsLostError` once if earlier points were lost; this
        point is not in the buffer then.
        """
        point = (series_id, timestamp, value)
        line = line_of(point)  # raises here, not in the thread, if the point cannot be sent
        with self._changed:
            self._raise_failure()
            has_room = self._changed.wait_for(lambda: self._closed or self._pending < self._max_buffered, timeout_s)
            if self._closed:
                raise PusherClosedError("The pusher is closed.")
            if not has_room:
                raise PusherFullError(f"The buffer has had {self._max_buffered:,} points for {timeout_s:g} s.")
            if not self._buffer:
                self._oldest_at = time.monotonic()
            self._buffer.append((point, line))
            if len(self._buffer) in (1, self._max_points):
                self._changed.notify_all()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send all buffered points now; return whether all were sent in time. Raises as `push` does."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            sent = self._changed.wait_for(lambda: self._pending == 0, timeout_s)
            self._raise_failure()
            return sent

    def close(self, timeout_s: float = 60) -> None:
        """Send what is buffered and stop. Points that cannot be sent in time are lost, and raise `PointsLostError`."""
        with self._changed:
            if not self._closed:
                self._closed, self._give_up_at = True, time.monotonic() + timeout_s
                self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _pending(self) -> int:
        return len(self._buffer) + self._in_flight

    def _work(self) -> None:
        attempt = 0
        error: Exception | None = None
        while batch := self._next_batch():
            if is_over := self._is_over():
                error = error or PusherClosedError("The pusher was closed.")
            else:
                error = self._send(batch)
            pause_s = None
            if isinstance(error, TsadError) and not is_over:
                pause_s = _FOREVER.pause_s(_CALL, error, attempt, 0)
            attempt = attempt + 1 if pause_s is not None else 0
            with self._changed:
                self._in_flight = 0
                if pause_s is not None:  # the points wait in the buffer for the next attempt
                    self._buffer.extendleft(reversed(batch))
                    self._wait(pause_s)
                elif error is not None:
                    self._lose(len(batch), error)
                self._wanted = self._wanted and bool(self._buffer)
                self._changed.notify_all()

    def _wait(self, pause_s: float) -> None:
        """Wait before the next attempt, but not longer than `close` waits."""
        ends_at = time.monotonic() + pause_s
        while (left_s := min(ends_at, self._give_up_at) - time.monotonic()) > 0:
            self._changed.wait(left_s)

    def _next_batch(self) -> list[tuple[Point, bytes]]:
        """Wait until a batch is due, and take it; an empty one is the end."""
        with self._changed:
            while not self._is_due():
                if self._closed:
                    return []
                age_s = time.monotonic() - self._oldest_at
                self._changed.wait(max(self._max_age_s - age_s, 0) if self._buffer else None)
            batch = [self._buffer.popleft() for _ in range(min(self._max_points, len(self._buffer)))]
            self._oldest_at = time.monotonic()
            self._in_flight = len(batch)
            return batch

    def _is_due(self) -> bool:
        if not self._buffer:
            return False
        is_old = time.monotonic() - self._oldest_at >= self._max_age_s
        return is_old or len(self._buffer) >= self._max_points or self._wanted or self._closed

    def _is_over(self) -> bool:
        return time.monotonic() >= self._give_up_at

    def _send(self, batch: list[tuple[Point, bytes]]) -> Exception | None:
        """Send a batch once and count what became of it; return the error if it failed."""
        call = replace(_CALL, content=b"".join(line for _, line in batch))
        try:
            answer = self._client.run(ask(call, PushedMany, _ONCE))
        except Exception as error:  # noqa: BLE001 - the thread goes on, and the caller gets the error
            return error
        self.sent.accepted += answer.accepted
        self.sent.late += answer.late
        self.sent.repeated += answer.repeated
        self.sent.refused += answer.refused
        if answer.problems and self._on_refused:
            try:
                self._on_refused([(batch[problem.line - 1][0], problem) for problem in answer.problems])
            except Exception as error:  # noqa: BLE001 - of the caller's function: the caller gets it
                self._failure = error
        return None

    def _lose(self, number: int, error: Exception) -> None:
        self.sent.lost += number
        points = f"{self.sent.lost:,} point{'s' if self.sent.lost > 1 else ''}"
        self._failure = PointsLostError(f"{points} could not be sent: {error}")
        self._failure.__cause__ = error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
