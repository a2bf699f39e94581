"""`python -m api.child`: a child of an API process, which carries out the calls that it sends."""

import gc
import os
import signal
import sys
from multiprocessing.connection import Connection

import api.fitting.decoding
import api.predicting.scoring  # noqa: F401 - so that only simulations and bulk fits wait for their modules, once
from api.computing.children import NICENESS, serve
from shared.niceness import give_way


def main() -> None:
    """Serve until the parent ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the parent, too, which finishes its requests
        signal.signal(number, signal.SIG_IGN)
    give_way(NICENESS, session_leader=os.getpid())
    gc.freeze()
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))


if __name__ == "__main__":
    main()
