"""`python -m tests.crashes.entry api PORT | worker | reconciler`: a real process that dies at armed steps.

A file in the folder ARMED names an actor (a job id, or the process) and a step. The process that reaches the step
renames the file and kills itself, so each death happens once. The API and the reconciler are then restarted.
"""

import ctypes
import importlib
import os
import pathlib
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery.signals import worker_process_init

from shared.errors import Code, DamagedError, UnavailableError
from shared.store.engine import Session
from tests.crashes.steps import IN_TRANSACTION, functions, moments

ARMED = pathlib.Path(os.environ["ARMED"])
UNAVAILABLE = UnavailableError(Code.DATABASE_UNAVAILABLE, "Temporarily unavailable.")
DAMAGED = DamagedError(Code.ARTIFACT_DAMAGED, "The artifact is missing.")
rename = pathlib.Path.rename
lost_answers: list[int] = []
after_commits: dict[Any, list[Callable[[], None]]] = {}
actor = ""  # id of the job being fitted, or name of the process


def is_armed(function: str) -> bool:
    return any((ARMED / f"{actor}~{function}~{moment}").exists() for moment in moments(function))


def reach(function: str, moment: str) -> None:
    """Kill this process if the step is armed."""
    name = f"{actor}~{function}~{moment}"
    try:
        rename(ARMED / name, ARMED / f"hit~{name}")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def provoke(function: str, session: Session | None) -> None:
    """Cause the failures that some steps need in order to be reached."""
    if function == "artifacts.get":
        while is_armed("attempts.heartbeat"):
            time.sleep(0.01)
        if is_armed("attempts.release"):
            raise UNAVAILABLE
        if is_armed("attempts.fail"):
            raise DAMAGED
    if function == "versions.publish":
        hold()
        if is_armed("jobs.find"):
            raise UNAVAILABLE
    if function == "admissions.accept" and is_armed("admissions.existing_job") and not lost_answers:
        after_commit(session, lose_the_answer)


def hold() -> None:
    """Wait while the test holds fits, and write this process's id to a file."""
    while (ARMED / "hold").exists():
        unfinished = ARMED / f"{os.getpid()}"
        unfinished.write_text(str(os.getpid()))
        rename(unfinished, ARMED / f"holds~{actor}")
        time.sleep(0.01)


def lose_the_answer() -> None:
    lost_answers.append(1)
    raise UNAVAILABLE


def after_commit(session: Any, call: Callable[[], None]) -> None:
    """Run `call` after the commit, before the committing code continues."""
    dialect = session.dialect
    if "do_commit" not in vars(dialect):
        commit, rollback = dialect.do_commit, dialect.do_rollback

        def commit_and_call(connection: Any) -> None:
            commit(connection)
            for callback in after_commits.pop(connection.dbapi_connection, ()):
                callback()

        def roll_back(connection: Any) -> None:
            after_commits.pop(connection.dbapi_connection, None)
            rollback(connection)

        dialect.do_commit, dialect.do_rollback = commit_and_call, roll_back
    after_commits.setdefault(session.connection.dbapi_connection, []).append(call)


def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def call(*arguments: Any, **named: Any) -> Any:
        reach(name, "before")
        session = arguments[0] if moments(name) == IN_TRANSACTION else None
        if name == "attempts.claim" and is_armed("attempts.message_spent"):
            return None
        provoke(name, session)
        if session is not None:
            after_commit(session, lambda: reach(name, "committed"))
        result = real(*arguments, **named)
        if name == "jobs.next_of_series" and result is None and is_armed("queue.announce"):
            result = actor  # the reconciler announced it first: any message will do, even without a claimable job
        reach(name, "after")
        return result

    return call


def arm(process: str) -> None:
    """Wrap every function that the process calls."""
    for name in functions(process):
        module, function = name.split(".")
        owner: Any = importlib.import_module(
            f"shared.{module}" if module in ("queue", "artifacts") else f"shared.store.{module}"
        )
        owner = owner.LocalFolder if module == "artifacts" else owner
        setattr(owner, function, wrapped(name, getattr(owner, function)))

    def rename_watched(path: pathlib.Path, target: Any) -> Any:
        is_artifact = path.name.startswith(".part-")
        if is_artifact:
            reach("artifacts.put", "written")
        result = rename(path, target)
        if is_artifact:
            reach("artifacts.put", "renamed")
        return result

    pathlib.Path.rename = rename_watched  # type: ignore[method-assign, assignment]


def end_with_parent() -> None:
    """Die with the parent process, so that a failed test leaves nothing behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def keep_running(main: Callable[[], object]) -> None:
    """Run `main` in a child process, and restart it whenever it is killed."""
    child = 0

    def stop(*_: object) -> None:
        os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while True:
        child = os.fork()
        if child == 0:
            end_with_parent()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            main()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code != -signal.SIGKILL:
            sys.exit(0 if code == -signal.SIGTERM else code)


def api(port: str) -> None:
    import uvicorn  # noqa: PLC0415 - after the wrapping

    from api.main import create_app  # noqa: PLC0415

    listening = socket.create_server(("127.0.0.1", int(port)))
    keep_running(lambda: uvicorn.Server(uvicorn.Config(create_app(), log_config=None)).run([listening]))


def worker() -> None:
    from worker import training as trainings  # noqa: PLC0415 - after the wrapping
    from worker.training import Training  # noqa: PLC0415

    run = trainings.run

    def fit(training: Training, job_id: str) -> None:
        global actor  # noqa: PLW0603 - one job at a time in a child
        actor = job_id
        run(training, job_id)

    trainings.run = fit
    worker_process_init.connect(lambda **_: end_with_parent(), weak=False)
    runpy.run_module("worker", run_name="__main__")


def reconciler() -> None:
    from worker import reconciling  # noqa: PLC0415 - after the wrapping

    keep_running(reconciling.main)


if __name__ == "__main__":
    actor, *arguments = sys.argv[1:]
    sys.argv[1:] = []
    arm(actor)
    if actor == "api":
        api(*arguments)
    elif actor == "worker":
        worker()
    else:
        reconciler()
