"""Faults of whole parts that last for a while: a full disk, a frozen server, errors, workers that are away."""

import os
import random
import signal
import time
from contextlib import suppress
from threading import Timer

import redis

from shared.queue import messages_waiting
from tests.chaos.field import Field, Undo
from tests.chaos.plan import POISON_POINTS
from tests.chaos.stack import APIS, WORKERS, pids_of, signal_all
from tests.chaos.stopping import MAX_CRASHES, stop_a_worker

KILLS = 10
KILL_EVERY_S, KILLS_WITHIN_S = 1.0, 240.0
REDIS_ERRORS = {
    "NOREPLICAS": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    "OOM": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "READONLY": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
}
STRAY_MESSAGES = 100  # repeated, foreign and late ones that other faults and restarts leave


def fill_disk(field: Field, rng: random.Random) -> str:
    """Fill the disk of the home to its last byte, and free it again."""
    if not field.stack.has_own_disk:
        return ""
    field.hit_apis.append(None)  # PostgreSQL stops too if it needs a new segment of its log
    filler = field.stack.home / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (2**24, 2**16, 2**10, 1):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, size)
    finally:
        size = os.fstat(descriptor).st_size
        os.close(descriptor)

    def free() -> None:
        filler.unlink(missing_ok=True)
        field.freed_at = time.monotonic()

    field.undos.append(Undo(time.monotonic() + rng.uniform(8, 15), free))
    return f"with {size / 2**20:,.0f} MiB"


def answer_errors(field: Field, rng: random.Random) -> str:
    """Let Valkey answer every change with an error."""
    kind = rng.choice(sorted(REDIS_ERRORS))
    cause, cure = (command.split() for command in REDIS_ERRORS[kind])

    def recover() -> None:
        with suppress(redis.RedisError):  # a restart ends the errors too
            field.broker.execute_command(*cure)  # type: ignore[no-untyped-call]

    with suppress(redis.RedisError):
        field.broker.execute_command(*cause)  # type: ignore[no-untyped-call]
        field.undos.append(Undo(time.monotonic() + rng.uniform(5, 12), recover))
        return kind
    return ""


def freeze_postgres(field: Field, rng: random.Random) -> str:
    """Stop PostgreSQL while its connections live on, for less than a lease."""
    pids = pids_of(field.stack, "postgres")
    if not pids:
        return ""
    field.hit_apis.append(None)
    seconds = rng.uniform(0.3, 0.5) * field.stack.settings.lease_s
    signal_all(pids, signal.SIGSTOP)
    resume = Timer(seconds, signal_all, (pids, signal.SIGCONT))  # the run may wait for an answer of the database
    resume.start()
    field.undos.append(Undo(time.monotonic() + seconds, resume.join))
    return f"for {seconds:.0f} s"


def freeze_bucket(field: Field, rng: random.Random) -> str:
    """Stop the service of the bucket for about a minute."""
    if "s3" not in field.stack.services or (pid := field.stack.pid("s3")) is None:
        return ""
    field.hit_apis.append(None)
    signal_all([pid], signal.SIGSTOP)
    field.undos.append(Undo(time.monotonic() + rng.uniform(50, 70), lambda: signal_all([pid], signal.SIGCONT)))
    return "s3"


def send_workers_away(field: Field, rng: random.Random) -> str:
    """Stop all workers, so that jobs and their messages wait; when they return, each job must have one message."""
    away: list[list[int]] = []
    for _ in WORKERS:
        name = stop_a_worker(field, rng, "send_workers_away")
        if name is None:
            break
        field.stopped.add(name)
        away.append(pids_of(field.stack, name))

    def bring_back() -> None:
        if len(away) == len(WORKERS):
            _compare_messages_with_jobs(field)
        for pids in away:
            signal_all(pids, signal.SIGCONT)
        field.stopped.clear()

    if len(away) < len(WORKERS):
        bring_back()
        return ""
    expired = field.stack.settings.lease_s + rng.uniform(10, 20)
    field.undos.append(Undo(time.monotonic() + expired, bring_back))
    return f"for {expired:.0f} s"


def _compare_messages_with_jobs(field: Field) -> None:
    """Each job was announced once when it was accepted, and the reconciler must not have added to that."""
    messages, jobs = messages_waiting(field.broker), field.recoveries.queued()
    if messages is not None and jobs is not None and messages > jobs + STRAY_MESSAGES:
        field.storms.append(f"{messages} messages waited for {jobs} jobs while all workers were away")


def kill_ten_times(field: Field, rng: random.Random) -> str:
    """Kill one process ten times, each time as soon as it runs again."""
    name = rng.choice([name for name in field.stack.services if name != "s3"])
    killed: set[int] = set()
    killed_at = [0.0]

    def kill_again() -> bool:
        pid = field.stack.pid(name)
        rested = time.monotonic() - killed_at[0] >= KILL_EVERY_S
        if pid is not None and pid not in killed and rested and _may_be_killed(field, name):
            _expect_outage(field, name)
            signal_all([pid], signal.SIGKILL)
            killed.add(pid)
            killed_at[0] = time.monotonic()
        return len(killed) >= KILLS

    begin = time.monotonic()
    field.undos.append(Undo(begin + KILLS_WITHIN_S, lambda: None, begin, kill_again))
    return name


def _may_be_killed(field: Field, name: str) -> bool:
    """Check whether a worker has no job whose third crash would fail it. Other processes may always be killed."""
    if name not in WORKERS:
        return True
    jobs = field.recoveries.running(field.stack.hostname(name))
    return name not in field.stopped and all(job.crashes < MAX_CRASHES or job.points == POISON_POINTS for job in jobs)


def _expect_outage(field: Field, name: str) -> None:
    if name in APIS:
        field.hit_apis.append(APIS.index(name))
    elif name == "postgres":
        field.hit_apis.append(None)
    elif name == "valkey":
        field.recoveries.queue_lost("kill_ten_times")
    elif name in WORKERS:
        field.recoveries.workers_hit("kill_ten_times", field.recoveries.running(field.stack.hostname(name)))
