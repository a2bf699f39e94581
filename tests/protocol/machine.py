"""A state machine of everything that can happen to the store, in any order. Each step checks the invariants."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.protocol import fitting, upkeep
from tests.protocol.history import FINAL, History, violated
from tests.protocol.world import GRACE_S, LEASE_S, WINDOW_S, Commit, World

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SERIES = st.sampled_from(["a", "b"])
INDEXES = st.integers(0, 3)  # counted from the end of a list, where the newest items are
COMMIT = st.sampled_from([Commit.DONE, Commit.DONE, Commit.UNANSWERED, Commit.LOST])
MAX_JOBS = 8  # at a time, so that jobs interact
ROUNDS = 30
T = TypeVar("T")


def budget(examples: int, steps: int = 50) -> settings:
    """Return settings for the same histories in every run; HYPOTHESIS_PROFILE=long tries 50 times as many."""
    return settings(
        max_examples=examples * 50 if LONG else examples,
        stateful_step_count=steps,
        derandomize=not LONG,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    )


def pick(items: Sequence[T], index: int) -> T:
    return items[-1 - index % len(items)]


class ProtocolMachine(RuleBasedStateMachine):
    """The rules are the actions of clients, users, the API, workers, the reconciler and the collector, and failures."""

    def __init__(self, make_world: Callable[[], World]) -> None:
        super().__init__()
        self.world = make_world()
        self.history = History(self.world)

    @initialize(
        fits=st.lists(st.tuples(SERIES, st.sampled_from(["waiting", "published", "failed"])), min_size=1, max_size=4)
    )
    def begin(self, fits: list[tuple[str, str]]) -> None:
        """Start with jobs that had no failures."""
        for series_id, end in fits:
            request = self.world.ask(series_id)
            self.world.accept([request])
            worker = None if end == "waiting" else fitting.deliver(self.world, request.job_id)
            if worker and end == "failed":
                fitting.fail(self.world, worker)
            elif worker:
                fitting.store(self.world, worker)
                fitting.publish(self.world, worker)

    # --- clients and the API ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.has_room())
    @rule(series_id=SERIES, key=st.sampled_from([None, None, "key"]), commit=COMMIT)
    def post(self, series_id: str, key: str | None, commit: Commit) -> None:
        self.world.accept([self.world.ask(series_id, key)], commit)

    @precondition(lambda self: self.has_room())
    @rule(series_id=SERIES)
    def ask(self, series_id: str) -> None:
        self.world.ask(series_id)

    @precondition(lambda self: self.world.requests)
    @rule(index=INDEXES, together=st.booleans(), commit=COMMIT)
    def accept(self, index: int, together: bool, commit: Commit) -> None:  # noqa: FBT001 - drawn by name
        requests = self.world.requests
        self.world.accept(requests if together else [pick(requests, index)], commit)

    @precondition(lambda self: self.world.requests and not self.world.in_flight)
    @rule(index=INDEXES)
    def begin_accept(self, index: int) -> None:
        self.world.begin_accept(pick(self.world.requests, index))

    @precondition(lambda self: self.world.in_flight)
    @rule()
    def end_accept(self) -> None:
        self.world.end_accept()

    @precondition(lambda self: self.world.requests)
    @rule(index=INDEXES)
    def api_dies(self, index: int) -> None:
        self.world.requests.remove(pick(self.world.requests, index))

    # --- users ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.history.now)
    @rule(action=st.sampled_from(["job", "job", "version", "series"]), index=INDEXES)
    def cancel_or_delete(self, action: str, index: int) -> None:
        job = self.history.now[pick(list(self.history.now), index)]
        if action == "job":
            self.world.cancel(job.id)
        elif action == "series":
            self.world.delete_series(job.series_id)
        elif self.history.versions:
            self.world.delete_version(*pick(list(self.history.versions), index))

    @precondition(lambda self: self.history.now)
    @rule(index=INDEXES, commit=COMMIT)
    def retry(self, index: int, commit: Commit) -> None:
        self.world.retry(pick(self.history.retryable() or list(self.history.now), index), commit)

    @precondition(lambda self: self.history.versions)
    @rule(index=INDEXES)
    def pin_or_unpin(self, index: int) -> None:
        series_id, version = pick(list(self.history.versions), index)
        exists = (series_id, version) in self.history.versions_now
        if self.history.pins.get(series_id) == version:
            self.world.unpin(series_id)
        elif self.world.pin(series_id, version) != exists:
            raise violated("P1", f"pinning version {version} of {series_id} should have returned {exists}")

    # --- messages and workers ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, repeated=st.booleans(), commit=COMMIT)
    def deliver(self, index: int, repeated: bool, commit: Commit) -> None:  # noqa: FBT001 - drawn by name
        message = pick(self.world.messages, index)
        if not repeated:
            self.world.messages.remove(message)
        fitting.deliver(self.world, message, commit)

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES)
    def deliver_and_fit(self, index: int) -> None:
        if worker := fitting.deliver(self.world, pick(self.world.messages, index)):
            fitting.store(self.world, worker)

    @precondition(lambda self: self.history.jobs)
    @rule(index=INDEXES)
    def deliver_an_old_message(self, index: int) -> None:
        fitting.deliver(self.world, pick(list(self.history.jobs), index))

    @precondition(lambda self: self.world.messages)
    @rule()
    def lose_all_messages(self) -> None:
        self.world.messages.clear()

    @precondition(lambda self: self.world.workers)
    @rule(index=INDEXES)
    def heartbeat(self, index: int) -> None:
        fitting.heartbeat(self.world, pick(self.world.workers, index))

    @precondition(lambda self: self.world.workers)
    @rule(index=INDEXES)
    def store(self, index: int) -> None:
        fitting.store(self.world, pick(self.world.workers, index))

    @precondition(lambda self: any(worker.new for worker in self.world.workers))
    @rule(index=INDEXES, commit=COMMIT)
    def publish(self, index: int, commit: Commit) -> None:
        fitting.publish(self.world, pick([worker for worker in self.world.workers if worker.new], index), commit)

    @precondition(lambda self: self.world.workers)
    @rule(index=INDEXES, backoff_s=st.sampled_from([None, 0.0, 100.0]), commit=COMMIT)
    def fail_or_release(self, index: int, backoff_s: float | None, commit: Commit) -> None:
        worker = pick(self.world.workers, index)
        if backoff_s is None:
            fitting.fail(self.world, worker, commit)
        else:
            fitting.release(self.world, worker, backoff_s, commit)

    @precondition(lambda self: self.world.workers)
    @rule(index=INDEXES)
    def worker_dies(self, index: int) -> None:
        self.world.workers.remove(pick(self.world.workers, index))

    @precondition(lambda self: self.world.workers)
    @rule(index=INDEXES, successor=st.sampled_from(["none yet", "fits", "publishes"]))
    def worker_is_presumed_dead(self, index: int, successor: str) -> None:
        """Reap the job of a worker that is only suspended: its later actions must change nothing."""
        suspended = pick(self.world.workers, index)
        fitting.store(self.world, suspended)
        self.world.silence(suspended)
        upkeep.reap(self.world)
        self.world.wake()
        successor_worker = None if successor == "none yet" else fitting.deliver(self.world, suspended.claimed.job_id)
        if successor_worker:
            fitting.store(self.world, successor_worker)
            if successor == "publishes":
                fitting.publish(self.world, successor_worker)

    # --- time, the reconciler, the collector ------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([LEASE_S + 1, WINDOW_S + 1, GRACE_S + 1]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.history.now)
    @rule()
    def reconcile(self) -> None:
        upkeep.reap(self.world)
        upkeep.announce(self.world)

    @precondition(lambda self: self.history.now)
    @rule(chore=st.sampled_from([upkeep.release_data, upkeep.prune_jobs, upkeep.prune_versions]))
    def forget_old_rows(self, chore: Callable[[World], None]) -> None:
        chore(self.world)

    @precondition(lambda self: self.history.now or self.world.requests)
    @rule(chore=st.sampled_from([upkeep.note, upkeep.take]))
    def collect(self, chore: Callable[[World], None]) -> None:
        chore(self.world)

    @precondition(lambda self: self.history.now or self.world.requests)
    @rule()
    def collect_through_the_grace(self) -> None:
        upkeep.note(self.world)
        self.world.pass_time(GRACE_S + 1)
        upkeep.take(self.world)
        upkeep.delete_doomed(self.world)

    @precondition(lambda self: self.world.doomed)
    @rule(dies=st.booleans())
    def delete_doomed(self, dies: bool) -> None:  # noqa: FBT001 - drawn by name
        if dies:
            self.world.doomed.clear()
        upkeep.delete_doomed(self.world)

    # --- invariants -------------------------------------------------------------------------------------------------

    @invariant()
    def invariants_hold(self) -> None:
        self.history.observe()

    def teardown(self) -> None:
        """Check that every job becomes final and every orphan is collected."""
        self.world.end_accept()
        self.world.requests.clear()
        for _ in range(ROUNDS):
            self.history.observe()
            if all(job.status in FINAL for job in self.history.now.values()):
                break
            self._round()
        else:
            raise violated("L1", f"still open: {[job for job in self.history.now.values() if job.status not in FINAL]}")
        self._collect()
        self.history.observe()
        if orphans := self.history.stored() - self.history.referenced():
            raise violated("L2", f"never collected: {sorted(orphans)}")

    def _round(self) -> None:
        """Run one round of the work that finishes open jobs."""
        self.world.pass_time(LEASE_S + 1)
        self.world.workers.clear()
        upkeep.reap(self.world)
        self.world.wake()
        upkeep.announce(self.world)
        for job_id in set(self.world.messages):
            fitting.fit(self.world, job_id)
        self.world.messages.clear()

    def _collect(self) -> None:
        self.world.doomed.clear()
        upkeep.note(self.world)
        self.world.pass_time(GRACE_S + 1)
        upkeep.take(self.world)
        upkeep.delete_doomed(self.world)

    def has_room(self) -> bool:
        return len(self.history.now) + len(self.world.requests) < MAX_JOBS


def machine(make_world: Callable[[], World]) -> type[ProtocolMachine]:
    """Return a state machine that starts each run in a new world."""

    class Machine(ProtocolMachine):
        def __init__(self) -> None:
            super().__init__(make_world)

    return Machine
