"""`python -m worker`: run one worker, with the options that the job protocol relies on."""

import os
import socket

# One BLAS thread per process: fits run in parallel processes instead. NumPy reads these variables on import.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from shared.queue import QUEUE  # noqa: E402 - it imports NumPy
from shared.settings import Settings  # noqa: E402
from worker.main import app  # noqa: E402

Settings.of_process("database", "redis")

exit_code = app.worker_main(
    [
        "worker",
        f"--hostname=fit-{os.getpid()}@{socket.gethostname()}",
        f"--queues={QUEUE}",
        "--pool=prefork",
        "-Ofair",
        "--task-events",
        "--without-gossip",
        "--without-mingle",
        "--loglevel=INFO",
    ]
)
raise SystemExit(exit_code)
