"""A process that can be restarted under the same name and with the same log."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.locks import hold
from shared.errors import Code, UnavailableError

POLL_S = 0.02
CHILDREN_EXIT_S = 10  # for the children of a dead process
TAIL_BYTES = 2000
MAX_LOG_BYTES = 50 * 2**20


@dataclass(frozen=True)
class Command:
    """A command line, with its environment and input."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path = Path("/")
    stdin: bytes = field(default=b"", repr=False)  # for secrets: every user of the machine can read argv


class Service(ABC):
    """One process at a time, in its own session so that Ctrl-C does not reach it, with its process id in a file.

    It receives `stop_signal` when this process dies. It holds a lock for as long as it or any of its children lives.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    escalation: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGKILL,)  # sent one by one, `grace_s` apart
    grace_s: ClassVar[float] = 30

    def __init__(self, name: str, home: Home, identity: Identity) -> None:
        self.name = name
        self.home = home
        self.identity = identity
        self.log = home.logs / f"{name}.log"
        self.essential = True  # whether a stack can start only with this service
        self.process: subprocess.Popen[bytes] | None = None
        self._stop_sent = False
        self._swept = True  # nothing is left of the process
        self._pid_file = home.run / f"{name}.pid"

    @abstractmethod
    def command(self) -> Command:
        """Return the command to start. Called at every start, after the previous process is gone."""

    def launch(self) -> None:
        """Start the process without waiting for it to answer.

        Raise `UnavailableError` if a previous process, or a child of it, is still running; `OSError` if the disk is too
        full for a first start. A restart needs no space.
        """
        try:
            lock = hold(self.home.run / f"{self.name}.lock", CHILDREN_EXIT_S)
        except BlockingIOError:
            raise UnavailableError(
                Code.START_FAILED,
                f"A process of the previous {self.name} is still running, so {self.name} cannot be started again.",
            ) from None
        try:
            command = self.command()
            with self.log.open("ab") as log:
                self.process = self.identity.popen(
                    command.argv,
                    death_signal=self.stop_signal,
                    env=command.env,
                    cwd=command.folder,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
                self._stop_sent = self._swept = False
        finally:
            os.close(lock)
        try:
            self._record_pid(str(self.process.pid))
        except OSError:
            self._sweep(self.process)
            raise
        if self.process.stdin is not None:
            with suppress(BrokenPipeError), self.process.stdin as stdin:  # it died at once: its log has the reason
                stdin.write(command.stdin)

    def died(self) -> bool:
        """Check whether the process has ended; if so, kill the children it left behind."""
        if self.process is None or self.process.poll() is None:
            return False
        self._sweep(self.process)
        return True

    def request_stop(self) -> None:
        """Send the stop signal, only once: some programs treat a second signal as a request to abort."""
        if self.process is not None and self.process.poll() is None and not self._stop_sent:
            self._stop_sent = True
            self.process.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Stop the process and all its children: send the stop signal, then a harder one after each `grace_s`."""
        if self.process is None:
            return
        self.request_stop()
        if self.process.poll() is None:
            for harder_signal in self.escalation:
                try:
                    self.process.wait(self.grace_s)
                except subprocess.TimeoutExpired:
                    self.process.send_signal(harder_signal)
            self.process.wait()
        self._sweep(self.process)
        self._pid_file.unlink(missing_ok=True)

    def rotate_log(self) -> None:
        """If the log exceeds `MAX_LOG_BYTES`, copy it over `<name>.log.1` and empty it.

        The process keeps its file open, so a rename would not help. Lines written between copy and truncation are lost.
        """
        with suppress(OSError):
            if self.log.stat().st_size > MAX_LOG_BYTES:
                try:
                    shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                finally:
                    os.truncate(self.log, 0)  # even if the disk has no space for the copy

    def log_tail(self) -> str:
        """Return the end of the log, preceded by its path."""
        with suppress(OSError), self.log.open("rb") as log:
            if log.seek(0, os.SEEK_END) > TAIL_BYTES:
                log.seek(-TAIL_BYTES, os.SEEK_END)
                log.readline()  # skip a partial line
            else:
                log.seek(0)
            return f"The end of {self.log}:\n{log.read().decode(errors='replace').rstrip()}"
        return f"Its log {self.log} cannot be read."

    def _sweep(self, process: subprocess.Popen[bytes]) -> None:
        if not self._swept:  # else the pid may belong to another process
            with suppress(ProcessLookupError, PermissionError):  # no child is left; macOS raises PermissionError
                os.killpg(process.pid, signal.SIGKILL)
            self._swept = True
            with suppress(OSError):
                self._record_pid("")

    def _record_pid(self, pid: str) -> None:
        """Overwrite the pid file in place, which works on a full disk too."""
        descriptor = os.open(self._pid_file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, f"{pid:<10}\n".encode(), 0)
        finally:
            os.close(descriptor)


class Server(Service):
    """A service that accepts connections."""

    @abstractmethod
    def answers(self) -> bool:
        """Check whether the server answers requests now."""

    def start(self) -> None:
        """Start the process and wait until it answers; raise `UnavailableError` if it does not."""
        self.launch()
        self.wait_until_answering()

    def wait_until_answering(self, wait_s: float = 60) -> None:
        """Wait until the server answers.

        Raise `UnavailableError`, with the end of its log, if it dies or does not answer within `wait_s`.
        """
        deadline = time.monotonic() + wait_s
        while not self.answers():
            if self.died():
                raise UnavailableError(Code.START_FAILED, f"{self.name} did not start. {self.log_tail()}")
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    Code.START_FAILED, f"{self.name} did not answer within {wait_s:.0f} seconds. {self.log_tail()}"
                )
            time.sleep(POLL_S)
