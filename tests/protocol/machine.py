"""Everything that can happen to the store, in any order; what must hold is looked at after every step."""

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
WHICH = st.integers(0, 3)  # a place in a list, however long the list is: counted from the end, where the young are
COMMIT = st.sampled_from([Commit.DONE, Commit.DONE, Commit.UNANSWERED, Commit.LOST])
MOST_JOBS = 8  # at a time, so that histories meet each other instead of growing side by side
ROUNDS = 30
T = TypeVar("T")


def budget(examples: int, steps: int = 50) -> settings:
    """The same histories in every run; with HYPOTHESIS_PROFILE=long others, and fifty times as many."""
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


def pick(things: Sequence[T], which: int) -> T:
    return things[-1 - which % len(things)]


class ProtocolMachine(RuleBasedStateMachine):
    """Rules are what clients, users, the API, workers, the reconciler, the collector, time and bad luck do."""

    def __init__(self, make_world: Callable[[], World]) -> None:
        super().__init__()
        self.world = make_world()
        self.history = History(self.world)

    @initialize(
        fits=st.lists(st.tuples(SERIES, st.sampled_from(["waiting", "published", "failed"])), min_size=1, max_size=4)
    )
    def begin(self, fits: list[tuple[str, str]]) -> None:
        """Something has happened before, without any trouble."""
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
    @rule(which=WHICH, together=st.booleans(), commit=COMMIT)
    def accept(self, which: int, together: bool, commit: Commit) -> None:  # noqa: FBT001 - drawn by name
        requests = self.world.requests
        self.world.accept(requests if together else [pick(requests, which)], commit)

    @precondition(lambda self: self.world.requests and not self.world.in_flight)
    @rule(which=WHICH)
    def begin_accept(self, which: int) -> None:
        self.world.begin_accept(pick(self.world.requests, which))

    @precondition(lambda self: self.world.in_flight)
    @rule()
    def end_accept(self) -> None:
        self.world.end_accept()

    @precondition(lambda self: self.world.requests)
    @rule(which=WHICH)
    def api_dies(self, which: int) -> None:
        self.world.requests.remove(pick(self.world.requests, which))

    # --- users ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.history.now)
    @rule(what=st.sampled_from(["job", "job", "version", "series"]), which=WHICH)
    def take_back(self, what: str, which: int) -> None:
        job = self.history.now[pick(list(self.history.now), which)]
        if what == "job":
            self.world.cancel(job.id)
        elif what == "series":
            self.world.delete_series(job.series_id)
        elif self.history.versions:
            self.world.delete_version(*pick(list(self.history.versions), which))

    @precondition(lambda self: self.history.now)
    @rule(which=WHICH, commit=COMMIT)
    def retry(self, which: int, commit: Commit) -> None:
        self.world.retry(pick(self.history.retryable() or list(self.history.now), which), commit)

    @precondition(lambda self: self.history.versions)
    @rule(which=WHICH)
    def pin_or_unpin(self, which: int) -> None:
        series_id, version = pick(list(self.history.versions), which)
        there = (series_id, version) in self.history.versions_now
        if self.history.pins.get(series_id) == version:
            self.world.unpin(series_id)
        elif self.world.pin(series_id, version) != there:
            raise violated("P1", f"version {version} of {series_id} was pinned, and it is {there} that it exists")

    # --- messages and workers ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.messages)
    @rule(which=WHICH, repeated=st.booleans(), commit=COMMIT)
    def deliver(self, which: int, repeated: bool, commit: Commit) -> None:  # noqa: FBT001 - drawn by name
        message = pick(self.world.messages, which)
        if not repeated:
            self.world.messages.remove(message)
        fitting.deliver(self.world, message, commit)

    @precondition(lambda self: self.world.messages)
    @rule(which=WHICH)
    def deliver_and_fit(self, which: int) -> None:
        if worker := fitting.deliver(self.world, pick(self.world.messages, which)):
            fitting.store(self.world, worker)

    @precondition(lambda self: self.history.jobs)
    @rule(which=WHICH)
    def deliver_a_message_of_old(self, which: int) -> None:
        fitting.deliver(self.world, pick(list(self.history.jobs), which))

    @precondition(lambda self: self.world.messages)
    @rule()
    def lose_all_messages(self) -> None:
        self.world.messages.clear()

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH)
    def beat(self, which: int) -> None:
        fitting.beat(self.world, pick(self.world.workers, which))

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH)
    def store(self, which: int) -> None:
        fitting.store(self.world, pick(self.world.workers, which))

    @precondition(lambda self: any(worker.new for worker in self.world.workers))
    @rule(which=WHICH, commit=COMMIT)
    def publish(self, which: int, commit: Commit) -> None:
        fitting.publish(self.world, pick([worker for worker in self.world.workers if worker.new], which), commit)

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH, backoff_s=st.sampled_from([None, 0.0, 100.0]), commit=COMMIT)
    def fail_or_release(self, which: int, backoff_s: float | None, commit: Commit) -> None:
        worker = pick(self.world.workers, which)
        if backoff_s is None:
            fitting.fail(self.world, worker, commit)
        else:
            fitting.release(self.world, worker, backoff_s, commit)

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH)
    def worker_dies(self, which: int) -> None:
        self.world.workers.remove(pick(self.world.workers, which))

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH, successor=st.sampled_from(["none yet", "fits", "publishes"]))
    def worker_is_taken_for_dead(self, which: int, successor: str) -> None:
        """It only sleeps: what it does later must change nothing."""
        sleeper = pick(self.world.workers, which)
        fitting.store(self.world, sleeper)
        self.world.silence(sleeper)
        upkeep.reap(self.world)
        self.world.wake()
        other = None if successor == "none yet" else fitting.deliver(self.world, sleeper.claimed.job_id)
        if other:
            fitting.store(self.world, other)
            if successor == "publishes":
                fitting.publish(self.world, other)

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
    @rule(what=st.sampled_from([upkeep.release_data, upkeep.prune_jobs, upkeep.prune_versions]))
    def forget_the_old(self, what: Callable[[World], None]) -> None:
        what(self.world)

    @precondition(lambda self: self.history.now or self.world.requests)
    @rule(what=st.sampled_from([upkeep.note, upkeep.take]))
    def collect(self, what: Callable[[World], None]) -> None:
        what(self.world)

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

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.history.observe()

    def teardown(self) -> None:
        """In the end everybody does what is theirs, and all is settled: each job final, each orphan collected."""
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
        if orphans := self.history.stored() - self.history.held():
            raise violated("L2", f"never collected: {sorted(orphans)}")

    def _round(self) -> None:
        """One of those by which the system alone ends what is open."""
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
        return len(self.history.now) + len(self.world.requests) < MOST_JOBS


def machine(make_world: Callable[[], World]) -> type[ProtocolMachine]:
    """The machine, each run of which begins in a new world."""

    class Machine(ProtocolMachine):
        def __init__(self) -> None:
            super().__init__(make_world)

    return Machine
