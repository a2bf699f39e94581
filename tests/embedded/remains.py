"""Processes that remain after others were killed."""

from contextlib import suppress
from pathlib import Path


def living(group: int) -> list[int]:
    """Return the pids of the running processes of a group, without zombies."""
    living_pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended
            state, _parent, process_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                living_pids.append(int(process.name))
    return living_pids
