"""Pauses of the machine, in which no process can be quick."""

import threading
import time

STEP_S = 0.05
PAUSE_S = 0.2


class Pauses:
    """Records, in a thread, when this process was not scheduled for `PAUSE_S` or longer."""

    def __init__(self) -> None:
        self._pauses: list[tuple[float, float]] = []  # begin and end, monotonic
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.join()

    def overlap(self, begin: float, end: float) -> bool:
        """Check whether the machine paused between two times."""
        return any(pause_begin < end and begin < pause_end for pause_begin, pause_end in self._pauses)

    def _run(self) -> None:
        before = time.monotonic()
        while not self._closing.wait(STEP_S):
            now = time.monotonic()
            if now - before > STEP_S + PAUSE_S:
                self._pauses.append((before, now))
            before = now
