"""Wait for a condition to hold."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 10.0, *, meanwhile: Callable[[], object] = int) -> None:
    """Call `meanwhile` and check the condition, again and again, until it holds; fail after this many seconds."""
    deadline = time.monotonic() + seconds
    meanwhile()
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.01)
        meanwhile()
