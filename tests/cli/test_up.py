"""`tsad up` as a separate process, from the first line of output to the last."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.embedded.remains import living
from tests.points import ramp
from tests.waiting import until

READY = re.compile(r"^ready: (http://127\.0\.0\.1:\d+)$", re.MULTILINE)
FLOWER = re.compile(r"Flower: (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class Up:
    """A running stack."""

    process: "subprocess.Popen[bytes]"
    home: Path
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    def api(self) -> str:
        match = READY.search(self.text())
        assert match
        return match[1]

    def flower(self) -> httpx.Client:
        match = FLOWER.search(self.text())
        assert match
        password = json.loads((self.home / "state.json").read_text())["secrets"]["flower"]
        return httpx.Client(base_url=match[1], auth=("tsad", password), timeout=20, trust_env=False)


def command(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Run `tsad …` in a folder, without the database and Redis of the environment."""
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli.main", *arguments], env=clean, cwd=folder, stdout=output, stderr=output
        )


@contextmanager
def folder_for_tests() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        Path(folder).chmod(0o711)  # as root, the servers run as another user
        yield Path(folder)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with folder_for_tests() as folder:
        home = folder / "home"
        process = command(folder, "up", "--port=0", "--flower-port=0", f"--home={home}", "--concurrency=1")
        started = Up(process, home, folder / "output")
        try:
            until(lambda: READY.search(started.text()) or process.poll() is not None, 120)
            assert process.poll() is None, started.text()
            yield started
        finally:
            process.terminate()
            process.wait(60)


def test_up_is_ready_when_it_says_so(up: Up) -> None:
    assert httpx.get(f"{up.api()}/readyz", trust_env=False).status_code == 200
    assert up.text().count("ready:") == 1


def test_flower_requires_a_password(up: Up) -> None:
    with up.flower() as flower:
        until(lambda: _listens(flower), 30)
        for path in ("/", "/workers", "/tasks", "/api/tasks", "/api/workers", "/broker"):
            assert httpx.get(f"{flower.base_url}{path}", trust_env=False).status_code == 401, path
            refused = httpx.get(f"{flower.base_url}{path}", auth=("tsad", "guess"), trust_env=False)
            assert refused.status_code == 401, path
        assert flower.get("/workers").status_code == 200


def _listens(flower: httpx.Client) -> bool:
    try:
        flower.get("/workers")
    except httpx.TransportError:
        return False
    return True


def test_flower_shows_a_fit_under_the_id_of_its_job(up: Up) -> None:
    with up.flower() as flower:  # Flower misses events from before it connected
        until(lambda: flower.get("/workers?json=1").json()["data"], 20)
    job_id = httpx.post(f"{up.api()}/fit/seen", json=ramp(), timeout=30, trust_env=False).json()["job_id"]
    job = httpx.get(f"{up.api()}/jobs/{job_id}?wait=30", timeout=40, trust_env=False).json()
    assert job["status"] == "succeeded"
    with up.flower() as flower:
        until(lambda: flower.get(f"/task/{job_id}").status_code == 200, 20)
        page = flower.get(f"/task/{job_id}").text
        assert job_id in page
        until(lambda: "SUCCESS" in flower.get(f"/task/{job_id}").text, 20)


@pytest.mark.parametrize(
    "path",
    [
        "/api/worker/shutdown/{worker}",
        "/api/worker/pool/restart/{worker}",
        "/api/worker/pool/grow/{worker}",
        "/api/worker/queue/cancel-consumer/{worker}?queue=fit",
        "/api/task/revoke/7?terminate=true",
        "/api/task/apply/fit",
        "/api/task/async-apply/fit",
        "/api/task/send-task/fit",
        "/api/task/timeout/fit",
    ],
)
def test_flower_is_read_only(up: Up, path: str) -> None:
    with up.flower() as flower:
        until(lambda: _listens(flower), 30)
        workers = re.findall(r"fit-\d+@[\w.-]+", flower.get("/workers").text)
        answer = flower.post(path.format(worker=workers[0] if workers else "any"), json={"args": ["7"]})
    assert answer.status_code in (401, 403, 404, 405), answer.text[:200]


def test_a_home_in_use_is_reported(up: Up) -> None:
    with folder_for_tests() as folder:
        process = command(folder, "up", "--port=0", "--flower-port=0", f"--home={up.home}")
        assert process.wait(30) not in (0, None)
        output = (folder / "output").read_text()
    assert str(up.home) in output
    assert "Traceback" not in output
    assert httpx.get(f"{up.api()}/readyz", trust_env=False).status_code == 200


def test_a_port_in_use_is_reported() -> None:
    with folder_for_tests() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = command(folder, "up", f"--port={port}", "--flower-port=0", f"--home={folder / 'home'}")
        assert process.wait(30) == 2
        output = (folder / "output").read_text()
    assert f"Port {port}" in output
    assert len(output.strip().splitlines()) == 1


def test_up_exits_with_code_0_on_sigterm_and_leaves_no_process(up: Up) -> None:
    """Runs last, because it stops the stack that the other tests share."""
    children = [int(file.read_text()) for file in (up.home / "run").glob("*.pid")]
    assert len(children) == 7  # each leads a process group
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert up.text().rstrip().endswith("Stopped.")
    until(lambda: not any(living(child) for child in children))
    assert list((up.home / "run").glob("*.pid")) == []
