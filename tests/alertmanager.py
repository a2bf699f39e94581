"""A real Alertmanager for tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.waiting import until

PROGRAMS = ("prometheus-alertmanager", "alertmanager")  # as Debian calls it, and as everybody else does
CONFIGURATION = """
route: {{receiver: test, group_by: [...], group_wait: 10ms, group_interval: 200ms, repeat_interval: 1h}}
receivers: [{{name: test, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@contextmanager
def alertmanager(folder: Path, port: int, url: str) -> Iterator[None]:
    """Run an Alertmanager with its data in the folder; it ends with SIGTERM, and keeps what it has sent."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        assert not os.environ.get("CI"), "install prometheus-alertmanager"
        pytest.skip("Alertmanager is not installed")
    (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=url))
    arguments = (
        "--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    )  # fmt: skip
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: is_ready(port) or process.poll() is not None, 30)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield
    finally:
        process.terminate()
        process.wait(30)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False
