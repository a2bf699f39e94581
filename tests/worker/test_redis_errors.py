"""A Redis that answers every command with an error counts as a Redis that is away, in every process."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import redis

from shared.embedded import Embedded
from shared.settings import Settings
from tests.points import ramp
from tests.processes import Process, migrated_database, running, serving, wait_for_worker
from tests.waiting import until

NOWHERE = "127.0.0.1 1"
# How to cause each error, and how to end it.
ERRORS = {
    "NOREPLICAS": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    "OOM": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "READONLY": (f"REPLICAOF {NOWHERE}", "REPLICAOF NO ONE"),
    "MASTERDOWN": (f"CONFIG SET replica-serve-stale-data no|REPLICAOF {NOWHERE}", "REPLICAOF NO ONE"),
    "LOADING": (
        (
            "CONFIG SET replica-read-only no|CONFIG SET key-load-delay 50000|"
            "CONFIG SET loading-process-events-interval-bytes 1024|CONFIG SET masterauth {password}|"
            "REPLICAOF 127.0.0.1 {port}"
        ),
        "CONFIG SET key-load-delay 0|REPLICAOF NO ONE|CONFIG SET replica-read-only yes|FLUSHALL",
    ),
    "NOAUTH": (
        "ACL SETUSER default resetpass >other|CLIENT KILL TYPE normal SKIPME yes",
        "ACL SETUSER default >{password}",
    ),
    "NOPERM": (
        "ACL SETUSER default -@all +acl +client|CLIENT KILL TYPE normal SKIPME yes",
        "ACL SETUSER default +@all",
    ),
}


@pytest.fixture(scope="module")
def valkey() -> Iterator[Embedded]:
    """A server of our own: its errors would stop other tests."""
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        Path(folder).chmod(0o711)
        with Embedded(Path(folder, "home"), postgres=False, durable=False) as embedded:
            yield embedded


@pytest.fixture(scope="module")
def dump() -> Iterator[Embedded]:
    """A server with so much data that one that copies it answers LOADING for a while."""
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        Path(folder).chmod(0o711)
        with Embedded(Path(folder, "home"), postgres=False, durable=False) as embedded:
            with closing(redis.Redis.from_url(embedded.redis_url)) as client:
                client.config_set("repl-diskless-sync-delay", 0)
                client.mset({f"key-{number}": os.urandom(2000) for number in range(1000)})
            yield embedded


@pytest.fixture(scope="module")
def own_settings(settings: Settings, server_url: str, valkey: Embedded) -> Iterator[Settings]:
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url, "redis_url": valkey.redis_url, "worker_concurrency": 1})


@pytest.fixture(scope="module")
def processes(own_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    folder = tmp_path_factory.mktemp("processes")
    with (
        running(own_settings, folder, "worker") as worker,
        running(own_settings, folder, "worker.reconciling") as reconciler,
    ):
        wait_for_worker(worker)
        yield [worker, reconciler]


@pytest.fixture(scope="module")
def api(own_settings: Settings) -> Iterator[httpx.Client]:
    with serving(own_settings) as client:
        yield client


@pytest.mark.parametrize("error", ERRORS)
def test_every_process_outlives_a_redis_that_answers_errors(
    api: httpx.Client, processes: list[Process], valkey: Embedded, dump: Embedded, error: str
) -> None:
    cause, cure = ERRORS[error]
    worker, reconciler = processes
    errors_before = error_lines(worker)
    with closing(redis.Redis.from_url(valkey.redis_url)) as operator:
        operator.ping()
        for command in cause.format(password=dump.valkey.password, port=dump.valkey.port).split("|"):
            operator.execute_command(*command.split())  # type: ignore[no-untyped-call]
        api.post("/fit/a", json=ramp())
        until(lambda: api.get("/readyz").json()["checks"]["redis"] == "unavailable", 20)
        assert api.get("/readyz").json()["status"] == "degraded"
        job_id = api.post("/fit/a", json=ramp()).json()["job_id"]
        until(lambda: error_lines(worker) > errors_before, 20)
        for command in cure.format(password=valkey.valkey.password).split("|"):
            operator.execute_command(*command.split())  # type: ignore[no-untyped-call]
            until(lambda: not operator.info("persistence")["loading"], 20)
    assert api.get(f"/jobs/{job_id}?wait=30").json()["status"] == "succeeded"
    assert [worker.popen.poll(), reconciler.popen.poll()] == [None, None]
    until(lambda: api.get("/readyz").json()["status"] == "ready", 20)


def error_lines(process: Process) -> int:
    return process.log.read_text().count("Error")
