"""`python -m benchmark.loop NICENESS`: a process that does nothing, all the time, as nice as the worker's children."""

import os
import sys
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    os.nice(int(sys.argv[1]))
    with suppress(OSError):  # where sessions are not grouped
        Path("/proc/self/autogroup").write_text(sys.argv[1])
    print("begins", flush=True)
    while True:
        pass
