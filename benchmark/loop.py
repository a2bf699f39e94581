"""`python -m benchmark.loop NICENESS`: a busy loop with the same niceness as the worker's children."""

import os
import sys

from shared.niceness import give_way

if __name__ == "__main__":
    give_way(int(sys.argv[1]), session_leader=os.getpid())
    print("started", flush=True)
    while True:
        pass
