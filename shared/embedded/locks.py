"""Locks that say whether a process is alive, even after it was killed: the kernel lets go of them."""

import fcntl
import os
import time
from pathlib import Path

POLL_S = 0.05


def hold(path: Path, wait_s: float = 0) -> int:
    """Lock a file and return its descriptor; raise `BlockingIOError` when others keep it longer than `wait_s`.

    The lock lasts until the descriptor is closed here and in every process that inherited it. So a server that got the
    descriptor at its start holds the lock, together with its children, for exactly as long as any of them lives.
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
