"""How fits let everything else have the processor first."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def give_way(niceness: int, began_session: int) -> None:
    """Be nice, as this process, and as its session where the process `began_session` began it.

    Linux may share the processor between sessions before it looks at the niceness of their processes. Then the session
    has a niceness too, which is for those to set whose session it is.
    """
    os.nice(niceness)
    if os.getsid(0) == began_session:
        with suppress(OSError):  # another system, or sessions are not grouped
            AUTOGROUP.write_text(str(niceness))
