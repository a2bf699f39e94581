"""A process that can be started again after it died, under the same name and with the same log."""

import os
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
REMAINS_S = 10  # how long the children of a dead process may take to notice
TAIL_BYTES = 2000


@dataclass(frozen=True)
class Command:
    """What to start."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path = Path("/")
    stdin: bytes = field(default=b"", repr=False)  # the way for secrets: everybody on the machine can read argv


class Service(ABC):
    """One process at a time, in a session of its own so that Ctrl-C does not reach it, with its process id in a file.

    It is asked to end when we die, and holds a lock for as long as it or a child of it lives.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    insisting: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGKILL,)  # one after the other where it does not stop
    grace_s: ClassVar[float] = 30

    def __init__(self, name: str, home: Home, identity: Identity) -> None:
        self.name = name
        self.home = home
        self.identity = identity
        self.log = home.logs / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._asked_to_end = False
        self._pid_file = home.run / f"{name}.pid"

    @abstractmethod
    def command(self) -> Command:
        """Say what to start. It is asked at every start, when nothing is left of the process before."""

    def launch(self) -> None:
        """Start the process without waiting until it answers."""
        try:
            lock = hold(self.home.run / f"{self.name}.lock", REMAINS_S)
        except BlockingIOError:
            raise UnavailableError(
                Code.START_FAILED, f"A process of the last {self.name} does not end, so it cannot be started again."
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
                self._asked_to_end = False
        finally:
            os.close(lock)
        self._pid_file.write_text(f"{self.process.pid}\n")
        if self.process.stdin is not None:
            with suppress(BrokenPipeError), self.process.stdin as stdin:  # it died at once: its log says why
                stdin.write(command.stdin)

    def died(self) -> bool:
        """Tell whether the process has ended, and if so end the children it left behind."""
        if self.process is None or self.process.poll() is None:
            return False
        self._sweep(self.process)
        return True

    def ask_to_end(self) -> None:
        """Tell the process to end, once: some take a second time for impatience."""
        if self.process is not None and self.process.poll() is None and not self._asked_to_end:
            self._asked_to_end = True
            self.process.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Ask the process to end and wait; insist after `grace_s`. Nothing of it remains."""
        if self.process is None:
            return
        self.ask_to_end()
        if self.process.poll() is None:
            for harder in self.insisting:
                try:
                    self.process.wait(self.grace_s)
                except subprocess.TimeoutExpired:
                    self.process.send_signal(harder)
            self.process.wait()
        self._sweep(self.process)

    def log_tail(self) -> str:
        """Return the end of the log, introduced by where it is."""
        with suppress(OSError), self.log.open("rb") as log:
            if log.seek(0, os.SEEK_END) > TAIL_BYTES:
                log.seek(-TAIL_BYTES, os.SEEK_END)
                log.readline()  # the rest of a line
            else:
                log.seek(0)
            return f"The end of {self.log}:\n{log.read().decode(errors='replace').rstrip()}"
        return f"Its log {self.log} cannot be read."

    def _sweep(self, process: subprocess.Popen[bytes]) -> None:
        if self._pid_file.exists():  # else it was done before, and somebody else may have the number now
            with suppress(ProcessLookupError, PermissionError):  # no child is left; macOS says it differently
                os.killpg(process.pid, signal.SIGKILL)
            self._pid_file.unlink()


class Server(Service):
    """A service that others connect to."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether it does its work now."""

    def start(self) -> None:
        self.launch()
        self.wait_until_answering()

    def wait_until_answering(self, wait_s: float = 60) -> None:
        """Return as soon as it does its work; raise `UnavailableError` with the end of its log if it never does."""
        deadline = time.monotonic() + wait_s
        while not self.answers():
            if self.died():
                raise UnavailableError(Code.START_FAILED, f"{self.name} did not start. {self.log_tail()}")
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    Code.START_FAILED, f"{self.name} does not answer after {wait_s:.0f} seconds. {self.log_tail()}"
                )
            time.sleep(POLL_S)
