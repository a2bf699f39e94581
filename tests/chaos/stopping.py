"""Stop a worker without pushing one of its jobs over the limit of crashes."""

import random
import signal
import time

from tests.chaos.field import Field
from tests.chaos.plan import POISON_POINTS, SLOW_POINTS
from tests.chaos.recoveries import JobSnapshot
from tests.chaos.stack import WORKERS, pids_of, signal_all

MAX_CRASHES = 2  # a third crash fails a job, and only poison jobs may fail this way


def stop_a_worker(field: Field, rng: random.Random, kind: str) -> str | None:
    """Stop a worker, preferably one with a running job, and record its jobs; return None if no worker is suitable.

    A stopped worker claims nothing, so its rows show what the fault interrupts. A worker whose job crashed twice is
    spared: a third crash would fail the job. Fits may progress slowly on a busy machine: after a while a job that has
    just begun is enough, and later the worker needs no job.
    """
    began = time.monotonic()
    while True:
        waited_s = time.monotonic() - began
        names = [name for name in WORKERS if field.stack.pid(name) is not None and name not in field.stopped]
        rng.shuffle(names)
        for name in names:
            pids = pids_of(field.stack, name)
            signal_all(pids, signal.SIGSTOP)
            time.sleep(0.05)  # so that a claim in flight reaches the database
            jobs = field.recoveries.running(field.stack.hostname(name))
            unpoisoned = [job for job in jobs if job.points != POISON_POINTS]
            well_started = (
                unpoisoned if waited_s >= field.busy_within_s else [job for job in unpoisoned if _is_under_way(job)]
            )
            is_busy = bool(well_started) or waited_s >= 2 * field.busy_within_s
            if is_busy and all(job.crashes < MAX_CRASHES for job in unpoisoned):
                field.recoveries.workers_hit(kind, jobs)
                return name
            signal_all(pids, signal.SIGCONT)
        if waited_s >= 2 * field.busy_within_s:
            return None
        field.tick()
        time.sleep(0.1)


def _is_under_way(job: JobSnapshot) -> bool:
    """Check whether a fit has so much progress that a new attempt cannot overtake it."""
    return job.points in SLOW_POINTS and job.progress > 0.1
