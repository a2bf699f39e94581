"""The reconciler: recovers from lost messages, lost workers and crashed processes. `python -m worker.reconciling`.

Any number of reconcilers may run; a database lock lets one work at a time.
"""

import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Thread
from typing import Any

import redis
from celery import Celery

from shared import logs
from shared.artifacts import Artifacts
from shared.errors import TsadError, UnavailableError
from shared.fitting.accepting import Acceptor
from shared.metrics import Metrics, Publisher
from shared.queue import announce, make_celery, messages_waiting
from shared.settings import Settings
from shared.store import reconciliation, series, versions
from shared.store.engine import Session, Sessions, make_engine
from shared.telemetry import connect
from shared.watching.rulebook import Rulebook
from worker import collecting, expiring
from worker.scheduling import Scheduler
from worker.silences import Watching

logger = logging.getLogger(__name__)

MAX_CRASHES = 3  # expired leases after which the job itself counts as the cause
ROWS_AT_A_TIME = 500
SERIES_AT_A_TIME = 1000
RESEND_AFTER_S, RESEND_DOUBLINGS = 10.0, 5  # backoff while a message may still wait in Redis
RESEND_LOST_AFTER_S = 2.0  # interval while Redis holds no messages
ROUNDS_PER_PLAN = 5  # planning scans all streams: 30 ms for 100,000
NEVER_S = 1e9


@dataclass(frozen=True)
class Reconciler:
    """The resources of a reconciler."""

    sessions: Sessions
    artifacts: Artifacts
    app: Celery
    redis: redis.Redis
    metrics: Metrics
    settings: Settings

    @cached_property
    def rulebook(self) -> Rulebook:
        """The watches and the maintenance in force."""
        return Rulebook(self.sessions)

    @cached_property
    def watching(self) -> Watching:
        """The round that opens and closes alerts by the clock."""
        return Watching(self.sessions, self.metrics, self.rulebook)

    @cached_property
    def scheduler(self) -> Scheduler:
        """The round that requests automatic fits."""
        writers = ThreadPoolExecutor(1, "writer")
        acceptor = Acceptor(self.sessions, self.artifacts.data, writers, self._announce, self.settings)
        return Scheduler(acceptor, self.rulebook, self.metrics)

    def _announce(self, job_id: str) -> None:
        announce(self.app, [job_id])

    def round(self) -> None:
        """Requeue jobs with expired leases, send lost messages again, announce next jobs, delete old jobs and data."""
        waiting = messages_waiting(self.redis)
        with self.sessions.begin() as session:
            if not reconciliation.take_turn(session):
                return
            settled_s = 5 * self.settings.heartbeat_s
            reaped = reconciliation.reap(session, MAX_CRASHES, settled_s)
            messages = [] if waiting is None else _unsent(session) + _lost(session, waiting)
            reconciliation.release_data(session, self.settings.keep_data_days, ROWS_AT_A_TIME)
            reconciliation.prune_jobs(session, self.settings.keep_jobs_days, ROWS_AT_A_TIME)
        for job in reaped:
            logger.warning("job %s: its lease expired, now %s", job.job_id, job.status)
            self.metrics.rescues.labels(job.status).inc()
        if messages and announce(self.app, messages):
            self.metrics.messages_repeated.inc(len(messages))
        elif messages:  # Redis does not take them: the next round sends them again
            with self.sessions.begin() as session:
                reconciliation.retract(session, messages)

    def tidy(self) -> None:
        """Delete versions, points and alerts beyond their retention, and artifacts that no row refers to."""
        self.prune_versions()
        expiring.expire(self.sessions, self.settings)
        collected = collecting.collect(self.sessions, self.artifacts, self.settings.garbage_grace_s)
        self.metrics.artifacts_collected.inc(collected)

    def watch(self) -> None:
        """Open and close alerts that depend on the clock, and delete points that clients asked to delete."""
        self.watching.round()
        expiring.delete_requested(self.sessions)

    def prune_versions(self) -> int:
        """Delete versions that neither the settings nor `keep_versions` of their watch keep; return how many."""
        keep, days = self.settings.keep_versions, self.settings.keep_versions_days
        rules = self.rulebook.current()
        pruned, after = 0, ""
        while keep or any(watch.keep_versions for watch in rules.watches):
            with self.sessions.begin() as session:
                series_ids = series.series_slice(session, after, SERIES_AT_A_TIME)
                if not series_ids:
                    break
                if keep:
                    pruned += versions.prune_versions(session, series_ids, keep, days)
                if keeps := rules.kept_versions(series_ids):
                    pruned += versions.prune_automatic(session, keeps)
            after = series_ids[-1]
        if pruned:
            logger.info("versions deleted beyond the newest of their series: %d", pruned)
        return pruned


def _unsent(session: Session) -> list[str]:
    """Return due jobs of which no message can be in flight, and mark them as announced."""
    return reconciliation.to_announce(session, NEVER_S, 0, ROWS_AT_A_TIME)


def _lost(session: Session, waiting: int) -> list[str]:
    """Return due jobs whose message is probably lost, and mark them as announced.

    While Redis holds as many messages as jobs are due, none is lost. Repeating some would only delay later jobs: a
    worker has to take and drop each. If messages of other kinds hide a loss, workers soon take them.
    """
    if not waiting:
        return reconciliation.to_announce(session, RESEND_LOST_AFTER_S, 0, ROWS_AT_A_TIME)
    missing = reconciliation.due(session, waiting + ROWS_AT_A_TIME) - waiting
    return reconciliation.to_announce(session, RESEND_AFTER_S, RESEND_DOUBLINGS, max(0, missing))


def run(reconciler: Reconciler, stopping: Event) -> None:
    """Reconcile and tidy until `stopping` is set; retry failed rounds.

    Everything runs in parallel: a scan of all artifacts may take minutes, and leases must not wait for it. All but the
    rounds can be interrupted at any point.
    """
    settings = reconciler.settings
    for name, work, every_s in (
        ("tidying", reconciler.tidy, settings.collect_s),
        ("watching", reconciler.watch, settings.reconcile_s),
        ("scheduling", reconciler.scheduler.round, settings.reconcile_s),
        ("planning", reconciler.scheduler.plan, ROUNDS_PER_PLAN * settings.reconcile_s),
    ):
        Thread(target=_repeat, args=(work, every_s, stopping), name=name, daemon=True).start()
    _repeat(reconciler.round, settings.reconcile_s, stopping)


def _repeat(work: Callable[[], object], every_s: float, stopping: Event) -> None:
    while not stopping.wait(every_s):
        try:
            work()
        except UnavailableError as error:
            logger.warning("%s", error.detail)
        except Exception:
            logger.exception("round failed, the next one will retry")


def main() -> None:
    """Run the reconciler until SIGTERM or SIGINT."""
    try:
        settings = Settings.load()
        logs.configure(settings)
        reconciler = Reconciler(
            sessions=Sessions(make_engine(settings, "tsad-reconciler")),
            artifacts=Artifacts.of(settings),
            app=make_celery(settings.redis, consumes=False),
            redis=connect(settings.redis),
            metrics=Metrics(),
            settings=settings,
        )
    except TsadError as error:
        raise SystemExit(error.detail) from None
    publisher = Publisher(reconciler.metrics, connect(settings.redis))
    stopping = Event()

    def stop(*_: Any) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logger.info("reconciling every %g s", settings.reconcile_s)
    run(reconciler, stopping)
    publisher.close()


if __name__ == "__main__":
    main()
