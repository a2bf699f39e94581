"""Lines of standard input as they arrive."""

import io
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

_CHUNK_BYTES = 65_536


class Line(NamedTuple):
    """A line of standard input."""

    number: int
    text: str
    arrived_at: int  # seconds since 1970


class Incoming:
    """Lines of standard input in batches; after an interruption, `pending` has those that are not done."""

    def __init__(self) -> None:
        self.pending: list[Line] = []
        self._lines = 0
        self._rest = b""
        self._is_over = sys.stdin is None
        try:
            self._descriptor = sys.stdin.fileno() if sys.stdin else None
        except io.UnsupportedOperation:  # something else stands in for standard input
            self._descriptor = None

    def batches(self, max_lines: int, within_s: float) -> Iterator[list[Line]]:
        """Yield at most `max_lines` lines at a time, about `within_s` seconds after the first of them arrived.

        A batch is done when the caller asks for the next one.
        """
        due_at_s: float | None = None
        while not self._is_over:
            self._read(None if due_at_s is None else max(0.0, due_at_s - time.monotonic()))
            if due_at_s is None and self.pending:
                due_at_s = time.monotonic() + within_s
            is_due = (due_at_s is not None and time.monotonic() >= due_at_s) or self._is_over
            while self.pending and (is_due or len(self.pending) >= max_lines):
                batch = self.pending[:max_lines]
                yield batch
                del self.pending[: len(batch)]
                due_at_s = time.monotonic() + within_s if self.pending else None

    def _read(self, wait_s: float | None) -> None:
        """Add the lines that arrive within `wait_s` seconds to `pending`; wait for any time if that is None."""
        if self._descriptor is None:
            chunk, self._is_over = sys.stdin.buffer.read(), True
        elif select.select([self._descriptor], [], [], wait_s)[0]:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
            self._is_over = not chunk
        else:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._is_over and self._rest:
            lines.append(self._rest)
        for line in lines:
            self._lines += 1
            self.pending.append(Line(self._lines, line.decode(errors="replace"), int(time.time())))
