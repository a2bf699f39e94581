"""The Redis users that `docs/deploy/redis.sh` creates: each has the permissions that it needs, and no others."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import redis

from shared.embedded.binaries import valkey_binary
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.deploy.images import ROOT
from tests.deploy.proxies import serving_at
from tests.points import ramp
from tests.processes import migrated_database, running, serving, wait_for_worker
from tests.waiting import until

NAMES = ("admin", "api", "worker", "flower")
PASSWORD = 'it\'s $HOME `x` "%s"-{}'  # prefixed with the user's name; it must survive the shell
PASSWORDS = {f"REDIS_{name.upper()}_PASSWORD": name + PASSWORD for name in NAMES}
SCRIPT = str(ROOT / "docs/deploy/redis.sh")


FORBIDDEN = {
    "default": ["GET fit", "LLEN fit", "INFO"],
    "api": ["BRPOP fit 1", "PUBLISH /0.celery.pidbox {}", "DEL unacked", "SET else 1"],
    "worker": ["SET tsad:rate:x 1", "SET else 1", "PUBLISH /0.else {}", "SUBSCRIBE else"],
    "flower": ["LPUSH fit {}", "DEL fit", "DEL tsad:metrics", "HGETALL tsad:metrics"],
}
FORBIDDEN_TO_ALL = [
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "CONFIG GET *",
    "SAVE",
    "SHUTDOWN",
    "MONITOR",
    "ACL LIST",
    "SWAPDB 0 1",
]


@dataclass(frozen=True)
class Users:
    """The port of the server, and clients for its users."""

    port: int

    def url(self, name: str) -> str:
        return f"redis://{name}:{quote(name + PASSWORD, safe='')}@127.0.0.1:{self.port}/0"

    @contextmanager
    def client(self, name: str) -> Iterator[redis.Redis]:
        """A connection as this user; the default user has no password."""
        url = self.url(name) if name in NAMES else f"redis://127.0.0.1:{self.port}/0"
        with redis.Redis.from_url(url) as client:
            yield client


def started(folder: Path, *arguments: str, **passwords: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with a command in place of the server."""
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **passwords}
    return subprocess.run(["sh", SCRIPT, *arguments], env=env, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    folder, port, ourselves = tmp_path_factory.mktemp("redis"), free_port(), Identity.ourselves()
    with closing(Home(folder / "home", ourselves)) as home:
        server = str(valkey_binary(home, ourselves))
    argv = ["sh", SCRIPT, server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **PASSWORDS}
    with serving_at(port, ourselves, argv, folder / "valkey.log", env=env):
        yield Users(port)


def test_the_pipeline_runs_with_the_least_redis_permissions(
    users: Users, settings: Settings, server_url: str, tmp_path: Path, series_id: str
) -> None:
    with users.client("admin") as admin:
        admin.acl_log_reset()
    with migrated_database(server_url) as url:

        def settings_of(user: str) -> Settings:
            changes = {"database_url": url, "redis_url": users.url(user), "fit_rate_per_minute": 60}
            return settings.model_copy(update=changes)

        port = free_port()
        flower = ("celery", "--app=worker.main", "flower", "--address=127.0.0.1", f"--port={port}")
        with (
            running(settings_of("worker"), tmp_path, "worker") as worker,
            running(settings_of("api"), tmp_path, "worker.reconciling"),
            running(settings_of("api"), tmp_path, "worker.outbound"),
            running(settings_of("flower"), tmp_path, *flower, PYTHONPATH=str(ROOT), FLOWER_BASIC_AUTH="tsad:tsad"),
            serving(settings_of("api")) as api,
        ):
            wait_for_worker(worker)
            job = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "wait=20"}).json()
            assert job["status"] == "succeeded", job
            assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1}).is_success
            until(lambda: api.get("/healthcheck").json()["training_latency_ms"]["avg"] > 0, 15)
            until(lambda: 'tsad_job_seconds_count{detector="baseline"' in api.get("/metrics").text, 15)
            until(lambda: seen_by_flower(port), 60)
    with users.client("admin") as admin:
        assert [(entry["username"], entry["object"]) for entry in admin.acl_log()] == []


def seen_by_flower(port: int) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/workers?json=1", auth=("tsad", "tsad"), trust_env=False)
    except httpx.HTTPError:
        return False
    return any(worker["status"] for worker in answer.json()["data"])


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_redis_user_has_no_other_permissions(users: Users, name: str) -> None:
    with users.client(name) as client:
        assert client.ping()
        for command in FORBIDDEN_TO_ALL + FORBIDDEN[name]:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_a_redis_user_needs_its_own_password(users: Users) -> None:
    wrong_password = users.url("worker").replace("worker:worker", "worker:flower")
    with redis.Redis.from_url(wrong_password) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def test_redis_passwords_are_neither_written_nor_passed_on(tmp_path: Path) -> None:
    process = started(tmp_path, "sh", "-c", "env", **PASSWORDS)
    assert "PASSWORD" not in process.stdout
    assert PASSWORD not in (tmp_path / "users.acl").read_text()
    assert (tmp_path / "users.acl").stat().st_mode & 0o077 == 0


def test_production_rejects_default_redis_passwords(tmp_path: Path) -> None:
    for name in PASSWORDS:
        process = started(tmp_path, "true", ENVIRONMENT="production", **PASSWORDS | {name: "tsad"})
        assert process.returncode == 78
        assert "is still the default" in process.stderr
