"""Locks that show whether a process is alive: the kernel releases them even when the process is killed."""

import fcntl
import os
import time
from pathlib import Path

POLL_S = 0.05


def hold(path: Path, wait_s: float = 0) -> int:
    """Lock a file and return its descriptor; raise `BlockingIOError` if others hold it longer than `wait_s`.

    The lock lasts until this process and every process that inherited the descriptor have closed it. A server that
    inherits the descriptor therefore holds the lock for exactly as long as it or any of its children lives.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise
            time.sleep(POLL_S)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor
