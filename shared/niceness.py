"""Low CPU priority, for processes whose work may wait."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def give_way(niceness: int, session_leader: int) -> None:
    """Raise the niceness of this process, and of its session if the process `session_leader` started it.

    Linux may divide CPU time between sessions before it considers the niceness of processes (autogroups). A session
    then has its own niceness, which only the owner of the session should set.
    """
    os.nice(niceness)
    if os.getsid(0) == session_leader:
        with suppress(OSError):  # not Linux, or without autogroups
            AUTOGROUP.write_text(str(niceness))
