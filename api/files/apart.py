"""Read a file in a process of its own, so that its memory and time are bounded and the API stays responsive.

Python reads most files in a few calls that hold the interpreter, for up to a second if there are a million rows: in a
thread of the API, they would delay all requests.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from api.computing.content import Content
from api.computing.fairness import FairLane
from api.files.choices import Choices
from shared.errors import Code, InputError

START_S = 0.3  # expected processor time of a process that reads nothing
READ_S_PER_BYTE = 0.15e-6
WITHIN_S = 20.0  # less than the API waits for requests when it stops
MAX_MEMORY_BYTES = 2 * 1024**3
MAX_SENTENCE = 2_000  # characters: names of columns can be long
REFUSED = 3  # exit code; the sentence is on standard output

_ROOT = str(Path(__file__).resolve().parents[2])
KEPT = ("PATH", "TMPDIR", "TZDIR", "PYTHONTZPATH", "LD_LIBRARY_PATH")  # not the passwords of the API


class Task(msgspec.Struct, forbid_unknown_fields=True):
    """What a process reads, besides the content of the file."""

    name: str  # of the file, for messages
    choices: Choices
    series: str | None  # read only the points of this series; None for all series of the file
    max_bytes: int  # after decompression


async def read_apart(
    lane: FairLane, owner: str, content: Content, name: str, choices: Choices, series: str | None, max_bytes: int
) -> bytes:
    """Return the series of a file as JSON, encoded by `python -m api.files`; raise `InputError` if it cannot be read.

    lane: shares its threads between owners; one file is read at a time.
    """
    task = Task(name, choices, series, max_bytes)
    return await lane(owner, START_S + len(content) * READ_S_PER_BYTE, _read, content, task)


def _read(content: Content, task: Task) -> bytes:
    argv = [sys.executable, "-P", "-m", "api.files", msgspec.json.encode(task).decode()]
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"PYTHONPATH": _ROOT, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        process = subprocess.run(
            argv, input=content.whole(), env=environment, capture_output=True, timeout=WITHIN_S, check=False,
            start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _gave_up(task.name, f"within {WITHIN_S:.0f} seconds") from None
    if process.returncode == 0:
        return process.stdout
    if process.returncode == REFUSED:
        raise InputError(Code.INVALID_FILE, process.stdout.decode()[:MAX_SENTENCE])
    if process.returncode < 0:  # killed by a signal, such as one of the operating system for too much memory
        raise _gave_up(task.name, "with the memory of this machine")
    raise RuntimeError(f"The process that read a file failed:\n{process.stderr.decode(errors='replace')}")


def _gave_up(name: str, limit: str) -> InputError:
    return InputError(Code.INVALID_FILE, f"{name} cannot be read {limit}. Use `tsad fit`, which has no such limit.")
