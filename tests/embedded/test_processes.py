"""The servers of a killed process, as root and as an ordinary user."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.embedded.remains import living
from tests.waiting import until

SERVE = """
import sys
from pathlib import Path
from shared.embedded import Embedded
embedded = Embedded(Path(sys.argv[1]), durable=False)
embedded.start()
print(*[server.process.pid for server in embedded.servers], embedded.postgres.identity.uid, flush=True)
sys.stdin.read()
embedded.stop()
"""
PROJECT, SITE = Path(__file__).resolve().parents[2], Path(psycopg2.__file__).resolve().parents[1]
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": f"{PROJECT}{os.pathsep}{SITE}"}


class Serving:
    """A separate process that runs the servers until its standard input closes."""

    def __init__(self, home: Path, python: str = sys.executable, **user: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-c", SERVE, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
            **user,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the servers did not start"
        self.postgres, self.valkey, self.uid = map(int, line.split())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


def test_killing_the_parent_ends_the_servers(home: Path) -> None:
    serving = Serving(home)
    serving.kill()
    until(lambda: not living(serving.postgres) + living(serving.valkey))


def test_a_start_right_after_the_parent_was_killed_waits_for_its_servers(home: Path) -> None:
    for _ in range(3):
        Serving(home).kill()
    Serving(home).stop()


@pytest.mark.usefixtures("as_root")
def test_an_ordinary_user_needs_no_root(home: Path) -> None:
    nobody = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    home.chmod(0o711)
    user_home = home / "user"
    user_home.mkdir()
    shutil.chown(user_home, "nobody")
    serving = Serving(user_home / "home", python_for(nobody), **nobody)
    serving.stop()
    assert serving.uid == pwd.getpwnam("nobody").pw_uid == (user_home / "home" / "postgres").stat().st_uid
    assert (user_home / "home").stat().st_mode & 0o077 == 0


def python_for(user: dict[str, Any]) -> str:
    """Find an interpreter that the user can run: only root may be able to run the one of the tests."""
    for python in (sys.executable, shutil.which("python3", path=ENVIRONMENT["PATH"])):
        command = [python or "", "-c", "import psycopg2, shared.embedded"]
        try:
            subprocess.run(command, env=ENVIRONMENT, cwd="/", check=True, capture_output=True, **user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(python)
    pytest.skip("no interpreter that other users can run")
