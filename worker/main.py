"""The worker's Celery app with its only task. Flower loads it too."""

import os
import signal
from collections.abc import Callable
from functools import cache
from threading import Timer
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, current_task
from celery.signals import (
    heartbeat_sent,
    setup_logging,
    task_failure,
    task_received,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from celery.worker.state import reserved_requests

from shared import logs
from shared.artifacts import Artifacts
from shared.metrics import Metrics, Publisher
from shared.niceness import give_way
from shared.queue import TASK, announce, make_celery
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.telemetry import Latencies, connect, report_alive
from shared.tracing import start as start_tracing
from worker import training
from worker.listening import Watchdog, end

SHUTDOWN_GRACE_S = 15
COLD_SHUTDOWN_GRACE_S = 5
HARD_LIMIT_BEYOND_S = 60  # a fit inside C code does not notice its deadline: Celery kills the process this much later

settings = Settings.of_process("redis")  # Flower loads this module too, without a database
app: Celery = make_celery(settings.redis, consumes=True)
app.conf.update(
    worker_concurrency=settings.worker_concurrency,
    worker_max_memory_per_child=2_000_000,  # KiB; a larger child is replaced between jobs
    task_time_limit=settings.fit_time_limit_s + HARD_LIMIT_BEYOND_S,
)


@cache
def resources() -> training.Training:
    """Create the resources for fits in the child that runs them: connections do not survive a fork."""
    metrics = Metrics()
    Publisher(metrics, connect(settings.redis))
    return training.Training(
        sessions=Sessions(make_engine(settings, "tsad-worker")),
        artifacts=Artifacts.of(settings),
        latencies=Latencies(connect(settings.redis), settings.latency_history_limit),
        metrics=metrics,
        announce=_announce_job,
        settings=settings,
        tracing=start_tracing(settings, "tsad-worker"),
        worker=current_task.request.hostname or "unknown",
        kill_process=_kill_this_process,
    )


def _announce_job(job_id: str) -> None:
    announce(app, [job_id])


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # the parent starts another child


def _is_busy() -> bool:
    return bool(reserved_requests)


@app.task(name=TASK)
def fit(job_id: str) -> None:
    """Fit a job, if it can be claimed."""
    training.run(resources(), job_id)


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure(settings)


@worker_process_init.connect
def _give_way(**_: Any) -> None:
    """Give the API priority on the CPU. The parent is the worker, which usually started the session."""
    give_way(settings.worker_niceness, session_leader=os.getppid())


@cache
def _redis() -> Any:
    return connect(settings.redis)


@heartbeat_sent.connect
def _report_alive(sender: Any, **_: Any) -> None:
    report_alive(_redis(), sender.eventer.hostname)


@worker_ready.connect
def _watch(**_: Any) -> None:
    watchdog = Watchdog(_redis(), is_busy=_is_busy)
    task_received.connect(watchdog.message_taken, weak=False)
    watchdog.start()


@task_failure.connect
def _expire_lease(sender: Any, task_id: str, exception: Exception, **_: Any) -> None:
    """Expire the lease of a job whose child process died, for example out of memory.

    This runs in the parent, but not in a thread: the parent forks the next child now, and the child would inherit any
    lock that a thread holds.
    """
    if isinstance(exception, WorkerLostError):
        training.abandon(settings, task_id, sender.request.hostname)


@worker_shutting_down.connect
def _limit_shutdown(how: str, **_: Any) -> None:
    """Limit the warm shutdown, which waits for running fits. In the cold shutdown after it, fits release their jobs.

    Celery may wait forever for a child that was killed or does not react. In that case, kill all processes.
    """
    if how == "Warm":
        _later(SHUTDOWN_GRACE_S, os.kill, os.getpid(), signal.SIGQUIT)
        _later(SHUTDOWN_GRACE_S + COLD_SHUTDOWN_GRACE_S, end, "it did not shut down in time")


def _later(seconds: float, call: Callable[..., object], *arguments: object) -> None:
    timer = Timer(seconds, call, arguments)
    timer.daemon = True
    timer.start()
