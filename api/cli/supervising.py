"""A supervisor that keeps the processes of a stack running, and stops them in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import NoReturn, Self

from api.cli import reaping
from shared.embedded.home import Home
from shared.embedded.locks import hold
from shared.embedded.service import Server, Service
from shared.errors import Code, TsadError, UnavailableError

MAX_DEATHS = 5  # of a service that a start needs
WITHIN_S = 60
MAX_WAIT_S = 10  # so that everything works again within 30 s, for example after somebody frees a full disk
POLL_S = 0.2


@dataclass
class Watched:
    """A service and its recent deaths."""

    service: Service
    deaths: list[float] = field(default_factory=list)
    start_at: float | None = None  # time of the restart, while the service is dead


class Supervisor:
    """Start services in order, restart those that die, and stop them in reverse order.

    Signal all programs before waiting for the first; stop the servers last, when nothing needs them.

    Use it in the main thread only, as `Service` requires. `first_wait_s` is the time from a death to the restart; it
    doubles with each further death within a minute, up to `MAX_WAIT_S`. Once the stack is `ready`, no number of deaths
    ends it: another start would need the same files and servers, and would stop what still works.
    """

    def __init__(
        self, home: Home, services: Sequence[Service], say: Callable[[str], None], *, first_wait_s: float = 0.5
    ) -> None:
        self.home = home
        self.say = say
        self.first_wait_s = first_wait_s
        self.ready = False
        self._watched = [Watched(service) for service in services]

    def __enter__(self) -> Self:
        lock = hold(self.home.run / "reaping.lock")
        self.reaper = subprocess.Popen(
            [sys.executable, "-I", reaping.__file__, str(self.home.run)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(lock,),
        )
        os.close(lock)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as reversed_steps:
            reversed_steps.callback(self.reaper.communicate)
            for watched in self._watched:
                reversed_steps.callback(watched.service.stop)
            for watched in self._watched:
                if not isinstance(watched.service, Server):
                    reversed_steps.callback(watched.service.request_stop)

    def start(self) -> None:
        """Start the services that are not running yet."""
        for watched in self._watched:
            if watched.service.process is None:
                watched.service.launch()

    def watch(self) -> NoReturn:
        """Check the services every `POLL_S` until an exception is raised."""
        while True:
            self.check()
            time.sleep(POLL_S)

    def check(self) -> None:
        """Restart dead services and rotate logs.

        Raise `UnavailableError` if a service that the start needs dies too often before the stack is ready.
        """
        for watched in self._watched:
            watched.service.rotate_log()
            if watched.start_at is None:
                if watched.service.died() and watched.service.process is not None:
                    self._count_death(watched, describe_exit(watched.service.process.returncode))
            elif time.monotonic() >= watched.start_at:
                watched.start_at = None
                try:
                    watched.service.launch()
                except (TsadError, OSError) as error:
                    self._count_death(watched, f"could not be started: {error}")

    def _count_death(self, watched: Watched, cause: str) -> None:
        now = time.monotonic()
        service = watched.service
        watched.deaths = [*(death for death in watched.deaths if now - death < WITHIN_S), now]
        recent_deaths = len(watched.deaths)
        if recent_deaths >= MAX_DEATHS and service.essential and not self.ready:
            raise UnavailableError(
                Code.START_FAILED,
                f"{service.name} {cause}, for the {MAX_DEATHS}th time within a minute. Stopping everything. "
                f"{service.log_tail()}",
            )
        wait_s = min(self.first_wait_s * 2 ** (recent_deaths - 1), MAX_WAIT_S)
        watched.start_at = now + wait_s
        again = f" ({recent_deaths} times within a minute)" if recent_deaths > 1 else ""
        self.say(f"{service.name} {cause}{again}; restarting in {wait_s:g} s. Log: {service.log}")


def describe_exit(returncode: int) -> str:
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"exited with code {returncode}"


@contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """Turn the first Ctrl-C, SIGTERM or hang-up into `KeyboardInterrupt`, and ignore all later ones.

    Yields a function that makes every further signal do nothing: call it before the clean-up.
    SIGINT gets a handler too, because scripts start jobs (&) with SIGINT ignored. After nohup, SIGHUP stays ignored.
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    def ignore_all() -> None:
        nonlocal interrupted
        interrupted = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous_handlers = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield ignore_all
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)
