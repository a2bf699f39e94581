"""The processes of the month, one after another at each tick: two that ingest, a reconciler, and a worker."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.watching.watches import parse
from shared.errors import TsadError
from shared.fitting.accepting import Acceptor
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import reconciliation, scheduled, series, watches
from shared.store.engine import Sessions
from shared.watching.ingesting import Ingest
from shared.watching.planning import Push
from shared.watching.rulebook import Rulebook
from tests.month.clock import Clock
from tests.month.signals import KINDS, Interval, Signal, prefix_of
from tests.month.telling import RECEIVER
from worker import collecting, expiring
from worker import training as trainings
from worker.reconciling import Reconciler
from worker.scheduling import Scheduler
from worker.silences import Watching

DAYS = 35
NOTIFY = {"receivers": [RECEIVER], "at_most": {"messages": 10_000, "per": "1d"}}


class SettledSlot(NamedTuple):
    """A slot that the scheduler settled."""

    slot: int
    outcome: str
    at: int


@dataclass
class Ledger:
    """What was sent of one series."""

    values: dict[int, float] = field(default_factory=dict)  # the first value of each timestamp
    late: set[int] = field(default_factory=set)  # timestamps that came after a newer one
    arrived: int | None = None  # when the newest point in order came


class World:
    """Everything that runs in the month. `tick` lets a moment pass."""

    def __init__(
        self,
        sessions: Sessions,
        artifacts: Artifacts,
        settings: Settings,
        clock: Clock,
        rng: np.random.Generator,
        tick_s: int,
    ) -> None:
        self.sessions, self.artifacts, self.settings, self.clock = sessions, artifacts, settings, clock
        self.rng, self.tick_s = rng, tick_s
        self.metrics = Metrics()
        self.ledgers: dict[str, Ledger] = defaultdict(Ledger)
        self.slots: dict[str, list[SettledSlot]] = defaultdict(list)
        self.outages: list[Interval] = []  # of the scheduler
        self.reconciled_at = clock.now
        self.fits = 0
        self.incidents = Counter[bool]()  # judged ones, by whether they are part of an alert
        self._queued: list[str] = []
        self._resources = ThreadPoolExecutor(1)
        rulebook = Rulebook(sessions, clock)
        acceptor = Acceptor(sessions, artifacts.data, self._resources, self._queued.append, settings)
        self.scheduler = Scheduler(acceptor, rulebook, self.metrics)
        self.watching = Watching(sessions, self.metrics, rulebook, started_at=0, clock=clock)
        self.pruner = Reconciler(sessions, artifacts, cast("Any", None), cast("Any", None), self.metrics, settings)
        self.processes = [self._process(), self._process()]
        self.training = trainings.Training(
            sessions, artifacts, cast("Any", _Unrecorded()), self.metrics, self._queued.append, settings, "month", _fail
        )

    @contextmanager
    def running(self) -> Iterator["World"]:
        try:
            yield self
        finally:
            self._resources.shutdown()

    def _process(self) -> Ingest:
        process = Ingest(self.sessions, States(self.artifacts.states, 10**8), self.settings, self.metrics, self.clock)
        process.rulebook = Rulebook(self.sessions, self.clock)
        return process

    def watch(self) -> None:
        """Create the watches of all kinds."""
        with self.sessions.begin() as session:
            for kind, rule in KINDS.items():
                document = {"prefix": prefix_of(kind), "close": {"after": "12h"}, "notify": NOTIFY, **rule}
                watches.put(session, parse(kind, document, max_window_s=DAYS * 86_400))

    def rows(self, statement: str) -> list[Any]:
        with self.sessions.begin() as session:
            return list(session.execute(text(statement)))

    # --- clients -----------------------------------------------------------------------------------------------------

    def send(self, signals: list[Signal], since: int) -> None:
        """Send what arrives after `since` and until now; some of it twice, some of that with other values."""
        pushes = []
        for signal in signals:
            due = (signal.arrivals > since) & (signal.arrivals <= self.clock.now)
            if due.any():
                pushes.append(Push(signal.series_id, signal.timestamps[due], signal.values[due]))
        self._push(pushes)
        doubled = [push for push in pushes if "doubled" in push.series_id]
        other = [Push(push.series_id, push.timestamps, push.values + 1) for push in doubled]
        self._push(doubled if self.rng.random() < 0.5 else other)

    def _push(self, pushes: list[Push]) -> None:
        if not pushes:
            return
        outcomes = self.processes[int(self.rng.integers(2))](pushes)
        assert not [outcome for outcome in outcomes if isinstance(outcome, TsadError)]
        for push in pushes:
            ledger = self.ledgers[push.series_id]
            newest = max(ledger.values, default=-1)
            for timestamp, value in zip(push.timestamps.tolist(), push.values.tolist(), strict=True):
                if timestamp not in ledger.values and timestamp < newest:
                    ledger.late.add(timestamp)
                ledger.values.setdefault(timestamp, value)
            if int(push.timestamps[-1]) > newest:
                ledger.arrived = self.clock.now

    # --- the service -------------------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Do what the reconciler does every few seconds."""
        self.watching.round()
        if any(first <= self.clock.now <= last for first, last in self.outages):
            return
        self.reconciled_at = self.clock.now
        self.scheduler.plan()
        self.scheduler.round()
        for row in self.rows("SELECT series_id, fit_slot, fit_outcome FROM streams WHERE fit_slot IS NOT NULL"):
            known = self.slots[row.series_id]
            if not known or known[-1].slot != row.fit_slot:
                known.append(SettledSlot(row.fit_slot, row.fit_outcome, self.clock.now))

    def work(self) -> None:
        """Fit every queued job whose message arrived; one in ten is lost, and sent again at the next tick."""
        messages, self._queued[:] = list(self._queued), []
        for job_id in messages:
            if self.rng.random() > 0.1:
                trainings.run(self.training, job_id)
                self.fits += 1
        with self.sessions.begin() as session:
            assert reconciliation.take_turn(session)
            self._queued += reconciliation.to_announce(session, 1, 0, 1_000)

    def tidy(self) -> None:
        """Do what the reconciler does every minute, once a day: retention and garbage."""
        self.pruner.prune_versions()
        expiring.expire(self.sessions, self.settings)
        collecting.collect(self.sessions, self.artifacts, self.settings.garbage_grace_s)

    def pin(self) -> None:
        """Pin the first version of each series of that kind, once it has one."""
        with self.sessions.begin() as session:
            statement = "SELECT series_id FROM series WHERE series_id LIKE :prefix AND pinned_version IS NULL"
            for row in session.execute(text(statement), {"prefix": f"{prefix_of('pinned')}%"}).all():
                series.pin(session, row.series_id, 1)

    def end(self) -> None:
        """Fit and settle what is open, after the last points."""
        for _ in range(100):
            self.work()
            with self.sessions.begin() as session:
                scheduled.note_ended(session, 1_000)
            if not self.rows("SELECT 1 FROM fit_jobs WHERE status IN ('queued', 'running')"):
                return
            self.clock.set(self.clock.now + 60)


class _Unrecorded:
    """In the place of the latencies, which concern Redis."""

    def record(self, _kind: object, _milliseconds: float) -> None:
        return


def _fail() -> None:
    raise AssertionError("the worker asked to stop, which would end the month")
