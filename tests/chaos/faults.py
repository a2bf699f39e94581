"""What goes wrong: each kind of fault is a function here, named as the report names it."""

import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from kombu.exceptions import KombuError
from sqlalchemy import text

from shared.errors import UnavailableError
from shared.queue import QUEUE, TASK, announce
from tests.chaos.entry import FULL, TORN
from tests.chaos.field import Field, Undo
from tests.chaos.plan import POISON_POINTS, SLOW_POINTS
from tests.chaos.recoveries import Seen
from tests.chaos.stack import APIS, OURSELVES, WORKERS, signal_all

STOP_BEYOND_LEASE_S = 20.0
STORE_FAILS_S = (2.0, 5.0)
MOST_CRASHES = 2  # a third one would fail the job, as a poisonous one should
BUSY_WITHIN_S = 6.0


# Returns what was hit, in words; nothing when there was nobody to hit.
Fault = Callable[[Field, random.Random], str]


# ------------------------------------------------------------------------------------------------------------- signals


def kill_worker_child(here: Field, rng: random.Random) -> str:
    return _hit_worker(here, rng, "kill_worker_child", signal.SIGKILL, child=True)


def kill_worker(here: Field, rng: random.Random) -> str:
    return _hit_worker(here, rng, "kill_worker", signal.SIGKILL)


def term_worker_child(here: Field, rng: random.Random) -> str:
    return _hit_worker(here, rng, "term_worker_child", signal.SIGTERM, child=True)


def term_worker(here: Field, rng: random.Random) -> str:
    return _hit_worker(here, rng, "term_worker", signal.SIGTERM)


def stop_worker(here: Field, rng: random.Random) -> str:
    """Stop a worker for longer than its lease; it goes on at the worst moment, when a job of it runs elsewhere."""
    name = _a_worker(here, rng, "stop_worker")
    if name is None:
        return ""
    here.stopped.add(name)
    pids = _whole(here, name)

    def go_on() -> None:
        signal_all(pids, signal.SIGCONT)
        here.stopped.discard(name)

    def moment() -> bool:
        return here.recoveries.any_again("stop_worker")

    expired = time.monotonic() + here.stack.settings.lease_s
    here.undos.append(Undo(expired + STOP_BEYOND_LEASE_S, go_on, expired, moment))
    return name


def kill_api(here: Field, rng: random.Random) -> str:
    return _hit_api(here, rng, signal.SIGKILL)


def term_api(here: Field, rng: random.Random) -> str:
    return _hit_api(here, rng, signal.SIGTERM)


def kill_reconciler(here: Field, _rng: random.Random) -> str:
    return _signal(here, "reconciler", signal.SIGKILL)


def term_reconciler(here: Field, _rng: random.Random) -> str:
    return _signal(here, "reconciler", signal.SIGTERM)


def kill_valkey(here: Field, _rng: random.Random) -> str:
    here.recoveries.queue_lost("kill_valkey")
    return _signal(here, "valkey", signal.SIGKILL)


def term_valkey(here: Field, _rng: random.Random) -> str:
    here.recoveries.queue_lost("term_valkey")
    return _signal(here, "valkey", signal.SIGTERM)


def restart_postgres(here: Field, _rng: random.Random) -> str:
    """End PostgreSQL as a power cut would: it recovers from its log."""
    here.hit_apis.append(None)
    here.recoveries.workers_hit("restart_postgres", here.recoveries.running())
    return _signal(here, "postgres", signal.SIGQUIT)


# ---------------------------------------------------------------------------------------------------------- the rest


def cut_connections(here: Field, rng: random.Random) -> str:
    """Terminate about half of the connections to PostgreSQL."""
    here.hit_apis.append(None)
    listed = text("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tsad%' ORDER BY pid")
    with suppress(UnavailableError), here.stack.sessions.begin() as session:
        pids = list(session.execute(listed).scalars())
        chosen = rng.sample(pids, (len(pids) + 1) // 2)
        session.execute(
            text("SELECT pg_terminate_backend(pid) FROM unnest(CAST(:pids AS int[])) pid"), {"pids": chosen}
        )
        return f"{len(chosen)} of {len(pids)}"
    return ""


def full_store(here: Field, rng: random.Random) -> str:
    return _fail_store(here, rng, FULL)


def torn_store(here: Field, rng: random.Random) -> str:
    return _fail_store(here, rng, TORN)


def flushall(here: Field, _rng: random.Random) -> str:
    here.recoveries.queue_lost("flushall")
    with suppress(redis.RedisError):
        here.broker.flushall()
        return "Valkey"
    return ""


def strange_messages(here: Field, rng: random.Random) -> str:
    """Messages that are repeated, late, of nobody's jobs, of other tasks, and no messages at all."""
    statement = text("SELECT CAST(id AS text) FROM fit_jobs WHERE status = :status ORDER BY seq DESC LIMIT 20")
    known: dict[str, list[str]] = {}
    with suppress(UnavailableError), here.stack.sessions.begin() as session:
        for status in ("queued", "running", "succeeded", "cancelled", "failed"):
            known[status] = list(session.execute(statement, {"status": status}).scalars())
    late_or_repeated = [job_id for jobs in known.values() for job_id in rng.sample(jobs, min(len(jobs), 4))]
    for job_id in [*late_or_repeated, str(uuid.UUID(int=rng.getrandbits(128), version=4)), "no-id"]:
        announce(here.app, [job_id])
    with suppress(redis.RedisError, KombuError):
        template = json.loads(_a_message(here))
        for garbage in (
            b"",
            rng.randbytes(30),
            b"{}",
            b"[1, 2]",
            json.dumps(template | {"body": "bm90IGpzb24="}).encode(),
            json.dumps(template | {"content-type": "application/x-python-serialize"}).encode(),
            json.dumps(template | {"headers": template["headers"] | {"task": "nobody.knows"}}).encode(),
            json.dumps(template | {"headers": template["headers"] | {"task": TASK, "retries": "many"}}).encode(),
        ):
            here.broker.rpush(QUEUE, garbage)
        return f"{len(late_or_repeated) + 10}"
    return ""


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_worker_child,
        kill_worker,
        kill_api,
        kill_reconciler,
        kill_valkey,
        term_worker_child,
        term_worker,
        term_api,
        term_reconciler,
        term_valkey,
        stop_worker,
        restart_postgres,
        cut_connections,
        full_store,
        torn_store,
        flushall,
        strange_messages,
    )
}


# ------------------------------------------------------------------------------------------------------------- helpers


def _signal(here: Field, name: str, number: int) -> str:
    if name not in here.stack.services or (pid := here.stack.pid(name)) is None:
        return ""
    signal_all([pid], number)
    return name


def _whole(here: Field, name: str) -> list[int]:
    pid = here.stack.pid(name)
    return [] if pid is None else [pid, *here.stack.children(name)]


def _hit_api(here: Field, rng: random.Random, number: int) -> str:
    api = rng.randrange(len(APIS))
    here.hit_apis.append(api)
    return _signal(here, APIS[api], number)


def _hit_worker(here: Field, rng: random.Random, kind: str, number: int, *, child: bool = False) -> str:
    name = _a_worker(here, rng, kind)
    if name is None:
        return ""
    pids = _whole(here, name)
    children = here.stack.children(name)
    targets = [rng.choice(children)] if child and children else pids[:1]
    signal_all(targets, number)
    signal_all(pids, signal.SIGCONT)
    return f"{name} {targets[0]}"


def _a_worker(here: Field, rng: random.Random, kind: str) -> str | None:
    """Stop a worker, one with a running job if there is any soon, and note what it runs; None when none will do.

    Whoever stands still claims nothing, so what its rows say now is what the fault costs. A worker whose job crashed
    twice is spared: a third time would rightly fail a job that is innocent. On a machine that is full, fits may take
    long to come anywhere: then a job that has just begun will do, and at last none.
    """
    began = time.monotonic()
    while True:
        waited_s = time.monotonic() - began
        names = [name for name in WORKERS if here.stack.pid(name) is not None and name not in here.stopped]
        rng.shuffle(names)
        for name in names:
            pids = _whole(here, name)
            signal_all(pids, signal.SIGSTOP)
            time.sleep(0.05)  # for a claim that was on its way to the database
            jobs = here.recoveries.running(here.stack.hostname(name))
            innocent = [job for job in jobs if job.points != POISON_POINTS]
            under_way = innocent if waited_s >= BUSY_WITHIN_S else [job for job in innocent if _is_under_way(job)]
            is_busy = bool(under_way) or waited_s >= 2 * BUSY_WITHIN_S
            if is_busy and all(job.crashes < MOST_CRASHES for job in innocent):
                here.recoveries.workers_hit(kind, jobs)
                return name
            signal_all(pids, signal.SIGCONT)
        if waited_s >= 2 * BUSY_WITHIN_S:
            return None
        here.tick()
        time.sleep(0.1)


def _is_under_way(job: Seen) -> bool:
    """Whether a fit has come so far that one that begins now will not overtake it."""
    return job.points in SLOW_POINTS and job.progress > 0.1


def _fail_store(here: Field, rng: random.Random, how: str) -> str:
    here.stack.store_switch.write_text(how)
    end = time.monotonic() + rng.uniform(*STORE_FAILS_S)
    here.undos.append(Undo(end, lambda: here.stack.store_switch.unlink(missing_ok=True)))
    return how


def _a_message(here: Field) -> Any:
    """A message as Celery writes it, taken from a queue that nobody reads."""
    spare = f"{OURSELVES}-{os.getpid()}"
    here.app.send_task(TASK, args=[str(uuid.uuid4())], queue=spare, ignore_result=True)
    message = here.broker.rpop(spare)
    if message is None:
        raise redis.RedisError("the message is gone")
    return message
