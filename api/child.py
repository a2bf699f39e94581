"""`python -m api.child NICENESS DESCRIPTOR BYTES`: a child of an API process, which carries out its calls."""

import gc
import os
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection

from shared.niceness import give_way

SOON_NEEDED = "api.fitting.decoding", "api.predicting.scoring"  # so only simulations and pushes wait for modules, once


def main() -> None:
    """Serve until the parent ends. Importing takes a second of the processor, so this process gives way before."""
    niceness, descriptor, kept_bytes = map(int, sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the parent, too, which finishes its requests
        signal.signal(number, signal.SIG_IGN)
    give_way(niceness, session_leader=os.getpid())
    for module in SOON_NEEDED:
        import_module(module)
    gc.freeze()
    import_module("api.computing.children").serve(Connection(descriptor), kept_bytes)


if __name__ == "__main__":
    main()
