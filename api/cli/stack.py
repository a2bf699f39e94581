"""Start and stop all processes of an installation on one machine."""

import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, NamedTuple

from api.cli.installation import folders
from api.cli.supervising import POLL_S, Supervisor, one_interrupt
from shared.embedded import Embedded
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.ports import LOCALHOST, free_port, is_free
from shared.embedded.service import Command, Service
from shared.errors import Code, SetupError, UnavailableError
from shared.settings import Settings
from shared.store.schema import migrate

FLOWER_USER = "tsad"
READY_S = 90
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB")}


class Program(Service):
    """A Python module of this project, run as this user in the current directory, so that it reads the same `.env`."""

    grace_s: ClassVar[float] = 35  # longer than the API waits for its requests and the worker for its fits

    def __init__(
        self, name: str, home: Home, arguments: tuple[str, ...], env: Mapping[str, str], *, essential: bool = False
    ) -> None:
        super().__init__(name, home, Identity.ourselves())
        self.essential = essential
        self._command = Command((sys.executable, "-m", *arguments), {**os.environ, **env}, Path.cwd())

    def command(self) -> Command:
        return self._command


class Ports(NamedTuple):
    """Ports to listen on."""

    api: int
    flower: int


@dataclass(frozen=True)
class Stack:
    """A running stack and its addresses."""

    api_url: str
    flower_url: str
    flower_password: str  # of the user `FLOWER_USER`
    home: Path
    supervisor: Supervisor


@contextmanager
def running_stack(
    home: Path,
    *,
    port: int = 0,
    flower_port: int = 0,
    concurrency: int | None = None,
    api_processes: int = 1,
    say: Callable[[str], None] = print,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Run all processes until the block ends; the API is ready when the block begins. Port 0 picks a free port.

    `variables` are environment variables of the processes, in addition to those of this process.

    Starts PostgreSQL and Valkey unless the settings name other servers. Inside the block, the first Ctrl-C or SIGTERM
    raises `KeyboardInterrupt`. A long block must call `supervisor.check()` to restart services that die.
    """
    settings = Settings.load()
    starts_postgres = not (settings.database_url or settings.database_host)
    embedded = Embedded(home, postgres=starts_postgres, valkey=not settings.redis_url)
    with one_interrupt() as ignore_interrupts, closing(embedded.home):
        ports = chosen_ports(port, flower_port)
        env = environment(embedded, settings, concurrency) | dict(variables or {})
        programs = [
            flower(embedded.home, ports.flower, env),
            Program("reconciler", embedded.home, ("worker.reconciling",), env),
            Program("worker", embedded.home, ("worker",), env),
            Program("outbound", embedded.home, ("worker.outbound",), env),
            api(embedded.home, ports.api, api_processes, {"FLOWER_URL": f"http://{LOCALHOST}:{ports.flower}", **env}),
        ]
        with Supervisor(embedded.home, [*embedded.servers, *programs], say) as supervisor:
            stack = Stack(
                api_url=f"http://{LOCALHOST}:{ports.api}",
                flower_url=f"http://{LOCALHOST}:{ports.flower}",
                flower_password=embedded.home.secret("flower"),
                home=embedded.home.path,
                supervisor=supervisor,
            )
            try:
                embedded.start()
                migrate(env["DATABASE_URL"])
                supervisor.start()
                wait_until_ready(stack, programs[-1])
                supervisor.ready = True
                yield stack
            finally:
                ignore_interrupts()


def api(home: Home, port: int, processes: int, env: Mapping[str, str]) -> Program:
    listening = (f"--host={LOCALHOST}", f"--port={port}", f"--workers={processes}")
    arguments = ("api", *listening)
    return Program("api", home, arguments, env, essential=True)


def flower(home: Home, port: int, env: Mapping[str, str]) -> Program:
    # Pass the password in the environment: every user of the machine can read argv.
    access = {"FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{home.secret('flower')}", "FLOWER_READ_ONLY": "true"}
    arguments = ("celery", "--app=worker.main", "flower", f"--address={LOCALHOST}", f"--port={port}")
    return Program("flower", home, arguments, {**env, **access})


def environment(embedded: Embedded, settings: Settings, concurrency: int | None) -> dict[str, str]:
    """Return the programs' environment variables, in addition to those they inherit."""
    servers = {server.name for server in embedded.servers}
    env = {
        "DATABASE_URL": embedded.database_url if "postgres" in servers else settings.database,
        "REDIS_URL": embedded.redis_url if "valkey" in servers else settings.redis,
        "WORKER_CONCURRENCY": str(concurrency or settings.worker_concurrency),
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # the folder in which `tsad up` starts may hold files named like modules
        **ONE_THREAD,
    }
    if settings.flower_url:
        env["FLOWER_URL"] = settings.flower_url
    return env | {name.upper(): str(folder) for name, folder in folders(settings, embedded.home.path).items()}


def chosen_ports(api: int, flower: int) -> Ports:
    """Replace 0 with a free port; raise `SetupError` if a port is in use."""
    for port, owner, option in ((api, "the API", "--port"), (flower, "Flower", "--flower-port")):
        if port and not is_free(port):
            raise SetupError(
                Code.START_FAILED,
                f"Port {port} for {owner} is in use: free it, or choose another with {option}.",
            )
    if api and api == flower:
        raise SetupError(
            Code.START_FAILED, f"The API and Flower cannot share port {api}: change --port or --flower-port."
        )
    api = api or free_port(exclude=[flower])
    return Ports(api, flower or free_port(exclude=[api]))


def wait_until_ready(stack: Stack, api: Service) -> None:
    deadline = time.monotonic() + READY_S
    while not is_ready(stack.api_url):
        if time.monotonic() >= deadline:
            raise UnavailableError(Code.START_FAILED, f"The API is not ready after {READY_S} seconds. {api.log_tail()}")
        stack.supervisor.check()
        time.sleep(POLL_S)


def is_ready(api_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api_url}/readyz", timeout=5) as answer:  # noqa: S310 - a local address # nosec B310
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
