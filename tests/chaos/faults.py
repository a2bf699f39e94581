"""The faults. Each kind is a function with the name that the report shows."""

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
from tests.chaos.lasting import (
    answer_errors,
    fill_disk,
    freeze_bucket,
    freeze_postgres,
    kill_ten_times,
    send_workers_away,
)
from tests.chaos.plan import OUTBOUND_LEASE_S
from tests.chaos.stack import APIS, CHAOS, OUTBOUNDS, pids_of, signal_all
from tests.chaos.stopping import stop_a_worker

STOP_BEYOND_LEASE_S = 20.0
STOP_BEYOND_OUTBOUND_LEASE_S = 5.0
STORE_FAILS_S = (2.0, 5.0)


# Returns a description of the target; empty if none was suitable.
Fault = Callable[[Field, random.Random], str]


# ------------------------------------------------------------------------------------------------------------- signals


def kill_worker_child(field: Field, rng: random.Random) -> str:
    return _hit_worker(field, rng, "kill_worker_child", signal.SIGKILL, child=True)


def kill_worker(field: Field, rng: random.Random) -> str:
    return _hit_worker(field, rng, "kill_worker", signal.SIGKILL)


def term_worker_child(field: Field, rng: random.Random) -> str:
    return _hit_worker(field, rng, "term_worker_child", signal.SIGTERM, child=True)


def term_worker(field: Field, rng: random.Random) -> str:
    return _hit_worker(field, rng, "term_worker", signal.SIGTERM)


def stop_worker(field: Field, rng: random.Random) -> str:
    """Stop a worker for longer than its lease; it resumes at the worst moment, while its job runs elsewhere."""
    name = stop_a_worker(field, rng, "stop_worker")
    if name is None:
        return ""
    field.stopped.add(name)
    pids = pids_of(field.stack, name)

    def resume() -> None:
        signal_all(pids, signal.SIGCONT)
        field.stopped.discard(name)

    def runs_again() -> bool:
        return field.recoveries.any_rerun("stop_worker")

    expired = time.monotonic() + field.stack.settings.lease_s
    field.undos.append(Undo(expired + STOP_BEYOND_LEASE_S, resume, expired, runs_again))
    return name


def kill_api(field: Field, rng: random.Random) -> str:
    return _hit_api(field, rng, signal.SIGKILL)


def term_api(field: Field, rng: random.Random) -> str:
    return _hit_api(field, rng, signal.SIGTERM)


def kill_reconciler(field: Field, _rng: random.Random) -> str:
    return _signal(field, "reconciler", signal.SIGKILL)


def term_reconciler(field: Field, _rng: random.Random) -> str:
    return _signal(field, "reconciler", signal.SIGTERM)


def kill_outbound(field: Field, rng: random.Random) -> str:
    return _signal(field, rng.choice(OUTBOUNDS), signal.SIGKILL)


def term_outbound(field: Field, rng: random.Random) -> str:
    return _signal(field, rng.choice(OUTBOUNDS), signal.SIGTERM)


def stop_outbound(field: Field, rng: random.Random) -> str:
    """Stop a process for longer than its leases of receivers; it resumes while the other one sends."""
    name = rng.choice(OUTBOUNDS)
    if name not in field.stack.services or (pid := field.stack.pid(name)) is None:
        return ""
    signal_all([pid], signal.SIGSTOP)
    end = time.monotonic() + OUTBOUND_LEASE_S + STOP_BEYOND_OUTBOUND_LEASE_S
    field.undos.append(Undo(end, lambda: signal_all([pid], signal.SIGCONT)))
    return name


def kill_valkey(field: Field, _rng: random.Random) -> str:
    field.recoveries.queue_lost("kill_valkey")
    return _signal(field, "valkey", signal.SIGKILL)


def term_valkey(field: Field, _rng: random.Random) -> str:
    field.recoveries.queue_lost("term_valkey")
    return _signal(field, "valkey", signal.SIGTERM)


def restart_postgres(field: Field, _rng: random.Random) -> str:
    """Stop PostgreSQL as a power failure would, so that it recovers from its log."""
    field.hit_apis.append(None)
    field.recoveries.workers_hit("restart_postgres", field.recoveries.running())
    return _signal(field, "postgres", signal.SIGQUIT)


# ------------------------------------------------------------------------------------------------------- other faults


def cut_connections(field: Field, rng: random.Random) -> str:
    """Terminate about half of the connections to PostgreSQL."""
    field.hit_apis.append(None)
    listed = text("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tsad%' ORDER BY pid")
    with suppress(UnavailableError), field.stack.sessions.begin() as session:
        pids = list(session.execute(listed).scalars())
        chosen = rng.sample(pids, (len(pids) + 1) // 2)
        session.execute(
            text("SELECT pg_terminate_backend(pid) FROM unnest(CAST(:pids AS int[])) pid"), {"pids": chosen}
        )
        return f"{len(chosen)} of {len(pids)}"
    return ""


def full_store(field: Field, rng: random.Random) -> str:
    return _fail_store(field, rng, FULL)


def torn_store(field: Field, rng: random.Random) -> str:
    return _fail_store(field, rng, TORN)


def flushall(field: Field, _rng: random.Random) -> str:
    field.recoveries.queue_lost("flushall")
    with suppress(redis.RedisError):
        field.broker.flushall()
        return "Valkey"
    return ""


def strange_messages(field: Field, rng: random.Random) -> str:
    """Send repeated and late messages, messages for unknown jobs and tasks, and invalid ones."""
    statement = text("SELECT CAST(id AS text) FROM fit_jobs WHERE status = :status ORDER BY seq DESC LIMIT 20")
    by_status: dict[str, list[str]] = {}
    with suppress(UnavailableError), field.stack.sessions.begin() as session:
        for status in ("queued", "running", "succeeded", "cancelled", "failed"):
            by_status[status] = list(session.execute(statement, {"status": status}).scalars())
    late_or_repeated = [job_id for jobs in by_status.values() for job_id in rng.sample(jobs, min(len(jobs), 4))]
    for job_id in [*late_or_repeated, str(uuid.UUID(int=rng.getrandbits(128), version=4)), "no-id"]:
        announce(field.app, [job_id])
    with suppress(redis.RedisError, KombuError):
        template = json.loads(_celery_message(field))
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
            field.broker.rpush(QUEUE, garbage)
        return f"{len(late_or_repeated) + 10}"
    return ""


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_worker_child,
        kill_worker,
        kill_api,
        kill_reconciler,
        kill_outbound,
        kill_valkey,
        term_worker_child,
        term_worker,
        term_api,
        term_reconciler,
        term_outbound,
        term_valkey,
        stop_worker,
        stop_outbound,
        restart_postgres,
        cut_connections,
        full_store,
        torn_store,
        flushall,
        strange_messages,
        fill_disk,
        answer_errors,
        freeze_postgres,
        freeze_bucket,
        send_workers_away,
        kill_ten_times,
    )
}


# ------------------------------------------------------------------------------------------------------------- helpers


def _signal(field: Field, name: str, number: int) -> str:
    if name not in field.stack.services or (pid := field.stack.pid(name)) is None:
        return ""
    signal_all([pid], number)
    return name


def _hit_api(field: Field, rng: random.Random, number: int) -> str:
    api = rng.randrange(len(APIS))
    field.hit_apis.append(api)
    return _signal(field, APIS[api], number)


def _hit_worker(field: Field, rng: random.Random, kind: str, number: int, *, child: bool = False) -> str:
    name = stop_a_worker(field, rng, kind)
    if name is None:
        return ""
    pids = pids_of(field.stack, name)
    children = field.stack.children(name)
    targets = [rng.choice(children)] if child and children else pids[:1]
    signal_all(targets, number)
    signal_all(pids, signal.SIGCONT)
    return f"{name} {targets[0]}"


def _fail_store(field: Field, rng: random.Random, mode: str) -> str:
    field.stack.store_switch.write_text(mode)
    end = time.monotonic() + rng.uniform(*STORE_FAILS_S)
    field.undos.append(Undo(end, lambda: field.stack.store_switch.unlink(missing_ok=True)))
    return mode


def _celery_message(field: Field) -> Any:
    """Return a message as Celery writes it, by way of a queue that nobody reads."""
    spare = f"{CHAOS}-{os.getpid()}"
    field.app.send_task(TASK, args=[str(uuid.uuid4())], queue=spare, ignore_result=True)
    message = field.broker.rpop(spare)
    if message is None:
        raise redis.RedisError("the message was lost")
    return message
