"""Waiting for what must come true."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 10.0, *, meanwhile: Callable[[], object] = int) -> None:
    """Return as soon as the condition holds, doing something before each look; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (meanwhile(), condition())[1]:
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.01)
