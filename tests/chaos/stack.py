"""The product's processes under one supervisor: two of each process, PostgreSQL, Valkey and Flower.

A quick run has no Flower, and outbound only runs if points are pushed.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from api.cli.stack import ONE_THREAD, Program, flower
from api.cli.supervising import Supervisor
from benchmark.access import require_key
from shared.embedded import Embedded
from shared.embedded.ports import LOCALHOST, free_port
from shared.embedded.service import Service
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.chaos.entry import SABOTAGE, STORE_SWITCH
from tests.chaos.plan import Options
from tests.chaos.sabotage import BY_NAME
from tests.processes import make_settings
from tests.stores import BUCKET, s3_settings

PROJECT = Path(__file__).resolve().parents[2]
APIS, WORKERS, RECONCILERS = ("api-1", "api-2"), ("worker-1", "worker-2"), ("reconciler", "reconciler-2")
OUTBOUNDS = ("outbound-1", "outbound-2")
ANSWER_S = 3.0  # of PostgreSQL to this program, which has to undo faults meanwhile
CHAOS = "chaos"  # the application name of this program's connections


@dataclass(frozen=True)
class Stack:
    """The running processes."""

    home: Path
    services: Mapping[str, Service]
    supervisor: Supervisor
    settings: Settings
    sessions: Sessions
    addresses: tuple[str, ...]  # of the API processes, in the order of APIS
    store_switch: Path
    has_own_disk: bool  # the home is alone on its file system

    def pid(self, name: str) -> int | None:
        """Return the process id of a service, or None if it does not run."""
        process = self.services[name].process
        return process.pid if process is not None and process.poll() is None else None

    def children(self, name: str) -> list[int]:
        """Return the process ids of a service's children."""
        pid = self.pid(name)
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except (OSError, ValueError):
            return []

    def hostname(self, name: str) -> str:
        """Return the name of a worker as its jobs show it."""
        return f"fit-{self.pid(name)}@{socket.gethostname()}"

    def stop(self, *names: str) -> None:
        """Stop those of the services that exist, as a deployment does."""
        for name in names:
            if name in self.services:
                self.services[name].stop()


@contextmanager
def running_stack(home: Path, options: Options, say: Callable[[str], None]) -> Iterator[Stack]:
    """Migrate and start everything, and stop it afterwards."""
    sabotages = [BY_NAME[name] for name in options.sabotage]
    embedded = Embedded(home, durable=True)
    with closing(embedded.home):
        api_ports, s3_port = [free_port() for _ in APIS], free_port()
        env, switch = _environment(embedded, options, s3_port)
        named = {server.name: server for server in embedded.servers}
        programs = [
            Program(name, embedded.home, _entry(*_api(port)), env) for name, port in zip(APIS, api_ports, strict=True)
        ]
        programs += [Program(name, embedded.home, _entry("worker"), env) for name in WORKERS]
        if options.store == "s3":
            programs.insert(0, Program("s3", embedded.home, ("tests.stores", str(s3_port)), env))
        if options.pushers:
            programs += [Program(name, embedded.home, _entry("worker.outbound"), env) for name in OUTBOUNDS]
        if all(sabotage.reconciler for sabotage in sabotages):
            programs += [Program(name, embedded.home, _entry("worker.reconciling"), env) for name in RECONCILERS]
        if not options.quick:
            programs.append(flower(embedded.home, free_port(), env))
        settings = make_settings(**{name.lower(): value for name, value in env.items() if name in _SETTINGS})
        with Supervisor(embedded.home, [*embedded.servers, *programs], say) as supervisor:
            embedded.start()
            migrate(env["DATABASE_URL"])
            sessions = Sessions(make_engine(settings, CHAOS))
            require_key(sessions)
            with sessions.begin() as session:
                session.execute(text("SET lock_timeout = '5s'"))
                for sabotage in sabotages:
                    sabotage.apply(session)
            supervisor.start()
            supervisor.ready = True
            try:
                yield Stack(
                    home=embedded.home.path,
                    services=named | {program.name: program for program in programs},
                    supervisor=supervisor,
                    settings=settings,
                    sessions=sessions,
                    addresses=tuple(f"http://{LOCALHOST}:{port}" for port in api_ports),
                    store_switch=switch,
                    has_own_disk=os.path.ismount(home.parent),
                )
            finally:
                sessions.engine.dispose()


_SETTINGS = {name.upper() for name in Settings.model_fields}


def _environment(embedded: Embedded, options: Options, s3_port: int) -> tuple[dict[str, str], Path]:
    home = embedded.home.path
    switch = home / "store-fails"
    artifacts, access = str(home / "artifacts"), {}
    if options.store == "s3":
        artifacts, access = f"s3://{BUCKET}", s3_settings(f"http://{LOCALHOST}:{s3_port}")
    env = {
        "DATABASE_URL": embedded.database_url,
        "REDIS_URL": embedded.redis_url,
        "TRAINING_DATA_FOLDER": f"{artifacts}/data",
        "MODEL_STATE_FOLDER": f"{artifacts}/models",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(home),  # killed processes leave their temporary files here
        "PYTHONPATH": str(PROJECT),
        STORE_SWITCH: str(switch),
        SABOTAGE: " ".join(options.sabotage),
        "EGRESS_ALLOW": "127.0.0.0/8",
        **ONE_THREAD,
        **{name.upper(): value for name, value in access.items()},
        **options.settings,
    }
    return env, switch


def _entry(*arguments: str) -> tuple[str, ...]:
    return ("tests.chaos.entry", *arguments)


def _api(port: int) -> tuple[str, ...]:
    listening = (f"--host={LOCALHOST}", f"--port={port}")
    return ("api", *listening)


def pids_of(stack: Stack, name: str) -> list[int]:
    """Return the process ids of a service and its children; empty if it does not run."""
    pid = stack.pid(name)
    return [] if pid is None else [pid, *stack.children(name)]


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to processes; some may have ended already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
