"""A program that ends the processes of a killed supervisor. It uses only the standard library.

The kernel signals the children of a killed supervisor, but not its grandchildren: the API's worker processes and the
worker's pool. This program waits until its standard input closes, which happens no matter how the supervisor ends.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

GRACE_S = 10
POLL_S = 0.1


def main(run: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    pid_files = list(run.glob("*.pid"))  # none after a clean stop
    pids = [int(pid) for pid in (file.read_text() for file in pid_files) if pid.strip()]
    send_signal(os.kill, pids, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while send_signal(os.kill, pids, 0) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    send_signal(os.killpg, pids, signal.SIGKILL)  # each leads a process group, whose members may outlive it
    for file in pid_files:
        file.unlink(missing_ok=True)


def send_signal(kill: Callable[[int, int], None], pids: Iterable[int], number: int) -> list[int]:
    """Send a signal, or none if `number` is 0, and return the process ids that exist."""
    received = []
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, number)
            received.append(pid)
    return received


if __name__ == "__main__":
    main(Path(sys.argv[1]))
