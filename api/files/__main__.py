"""`python -m api.files TASK`: read the file on standard input, and write its series as JSON to standard output.

The API starts this process for each file that a page sends, see `api.files.apart`.
"""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from api.files.apart import MAX_MEMORY_BYTES, REFUSED, Task
from api.files.content import decompressed
from api.files.folders import id_from
from api.files.reading import points_of, series_of
from shared.errors import InputError
from shared.niceness import give_way

_LIMIT_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")
NICENESS = 10  # requests that the API answers itself come first
_CHOSEN_FIRST = Path("/proc/self/oom_score_adj")


def main() -> int:
    """Read within `memory_bytes`; return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes(), memory_bytes()))
    give_way(NICENESS, session_leader=os.getpid())
    with suppress(OSError):  # if memory runs out nevertheless, Linux kills this process, and not the API
        _CHOSEN_FIRST.write_text("1000")
    task = msgspec.json.decode(sys.argv[1], type=Task)
    try:
        sys.stdout.buffer.write(answer(sys.stdin.buffer.read(), task))
    except InputError as error:
        sys.stdout.write(error.detail)
        return REFUSED
    return 0


def memory_bytes() -> int:
    """Return how much memory this process may use: at most half of what its container may use."""
    try:
        limit = int(_LIMIT_OF_CONTAINER.read_text())
    except (OSError, ValueError):  # no container, or no limit
        return MAX_MEMORY_BYTES
    return min(limit // 2, MAX_MEMORY_BYTES)


def answer(content: bytes, task: Task) -> bytes:
    """Return each series with its points, the notes about them, and an id that it can have; raise `InputError`."""
    content = decompressed(content, task.name, task.max_bytes)
    if task.series is None:
        found = series_of(content, task.name, task.choices)
    else:
        found = {task.series: points_of(content, task.name, task.choices, task.series)}
    series = [
        {"series_id": id_from(label or task.name), "label": label, "notes": points.notes} | points.body()
        for label, points in found.items()
    ]
    return msgspec.json.encode({"series": series})


if __name__ == "__main__":
    sys.exit(main())
