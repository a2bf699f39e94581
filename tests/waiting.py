"""Wait for a condition to hold."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 10.0, *, meanwhile: Callable[[], object] = int) -> None:
    """Call `meanwhile` repeatedly until the condition holds; fail after this many seconds."""
    deadline = time.monotonic() + seconds
    meanwhile()
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.01)
        meanwhile()
