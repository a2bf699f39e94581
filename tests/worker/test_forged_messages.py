"""Messages in Celery's format that tsad did not send. None may stop or block a worker, or run anything but a fit."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from shared.queue import QUEUE, TASK, announce, is_announcement, make_celery
from shared.settings import Settings
from tests.points import ramp
from tests.processes import Process, running, separate_settings, serving, wait_for_worker
from tests.waiting import until

UNKNOWN = "00000000-0000-4000-8000-000000000000"
OPTIONS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
FOREIGN: dict[str, Any] = {
    "task": "os.system",
    "args": ["id"],
    "kwargs": {},
    "options": {},
    "subtask_type": None,
    "immutable": True,
}
FAR_AWAY, LONG_AGO = "2999-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00"


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def headers(**changes: Any) -> dict[str, Any]:
    return {"headers": changes}


BUILT_IN = ("map", "starmap", "chunks", "group", "chain", "chord", "chord_unlock", "accumulate", "backend_cleanup")
FORGED: dict[str, dict[str, Any]] = {
    **{
        f"the built-in task {name}": headers(task=f"celery.{name}")
        for name in (
            "map",
            "starmap",
            "chunks",
            "group",
            "chain",
            "chord",
            "chord_unlock",
            "accumulate",
            "backend_cleanup",
        )
    },
    "an unknown task": headers(task="os.system"),
    "a task without a name": headers(task=None),
    "a list as the task": headers(task=[TASK]),
    "an id that is a number": headers(id=7),
    "an id that is a list": headers(id=[UNKNOWN]),
    "due in a thousand years": headers(eta=FAR_AWAY),
    "a time that is none": headers(eta="tomorrow"),
    "expired long ago": headers(expires=LONG_AGO),
    "an expiry that is none": headers(expires={"at": 1}),
    "time limits that are text": headers(timelimit=["soon", "later"]),
    "no list as time limits": headers(timelimit=7),
    "retries that are text": headers(retries="many"),
    "no headers": {"headers": None},
    "a list as headers": {"headers": [1]},
    "no arguments": {"body": encoded([[], {}, OPTIONS])},
    "too many arguments": {"body": encoded([[UNKNOWN] * 1000, {}, OPTIONS])},
    "an argument of another name": {"body": encoded([[], {"command": "id"}, OPTIONS])},
    "an argument that is a number": {"body": encoded([[7], {}, OPTIONS])},
    "an argument that is a list": {"body": encoded([[[UNKNOWN]], {}, OPTIONS])},
    "a huge argument": {"body": encoded([["x" * 5_000_000], {}, OPTIONS])},
    "callbacks": {"body": encoded([[UNKNOWN], {}, OPTIONS | {"callbacks": [FOREIGN], "chain": [FOREIGN]}])},
    "callbacks that are text": {"body": encoded([[UNKNOWN], {}, OPTIONS | {"callbacks": "id"}])},
    "a body that is a number": {"body": encoded(7)},
    "a deep body": {"body": base64.b64encode(b"[" * 100_000).decode()},
    "a pickle": {"content-type": "application/x-python-serialize", "body": encoded([])},
    "yaml": {"content-type": "application/x-yaml", "body": encoded([])},
    "an encoding that does not exist": {"content-encoding": "rot13-of-nothing"},
    "a compressed body": headers(compression="application/x-gzip")
    | {"body": base64.b64encode(gzip.compress(bytes(50_000_000))).decode()},
    "a compression that does not exist": headers(compression="none/such"),
    "no properties": {"properties": None},
    "properties without a tag": {"properties": {}},
}


@pytest.fixture(scope="module")
def own_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 3) as separated:
        yield separated.model_copy(update={"worker_concurrency": 1})


@pytest.fixture(scope="module")
def worker(own_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(own_settings, tmp_path_factory.mktemp("worker"), "worker") as process:
        wait_for_worker(process)
        yield process


@pytest.fixture(scope="module")
def api(own_settings: Settings) -> Iterator[httpx.Client]:
    with serving(own_settings) as client:
        yield client


@pytest.fixture(scope="module")
def broker(own_settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_settings.redis) as client:
        yield client


@pytest.fixture(scope="module")
def genuine(settings: Settings) -> dict[str, Any]:
    """A message as a worker sends it."""
    url = settings.redis.rsplit("/", 1)[0] + "/12"
    app = make_celery(url, consumes=True)
    app.conf.task_time_limit = 960
    app.task(name=TASK)(encoded)
    app.finalize()
    assert announce(app, [UNKNOWN])
    app.close()
    with redis.Redis.from_url(url) as spare:
        message: dict[str, Any] = json.loads(str(spare.rpop(QUEUE), "utf-8"))
    return message


def test_a_worker_reads_what_workers_send(genuine: dict[str, Any]) -> None:
    assert is_announcement(genuine)


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_worker_drops_a_forged_message_and_fits_the_next_job(
    changes: dict[str, Any], genuine: dict[str, Any], worker: Process, api: httpx.Client, broker: redis.Redis
) -> None:
    message = genuine | {name: value for name, value in changes.items() if name != "headers"}
    if "headers" in changes:
        forged = changes["headers"]
        message["headers"] = genuine["headers"] | forged if isinstance(forged, dict) else forged
    children = Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children").read_text()
    broker.lpush(QUEUE, json.dumps(message))
    job_id = api.post(f"/fit/forged-{uuid4().hex}", json=ramp()).json()["job_id"]
    assert api.get(f"/jobs/{job_id}?wait=30").json()["status"] == "succeeded"
    assert worker.popen.poll() is None
    assert Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children").read_text() == children
    until(lambda: broker.llen(QUEUE) == 0)
