"""The invariants, and a search through all interleavings.

Safety, in every reachable state
  S1  every artifact that a job or version row refers to is in the store, with its original content
  S2  a job makes at most one version           S3  a job has succeeded if and only if it has made a version
  S4  a finished job never changes its status   S5  no version number is assigned twice
  S6  versions follow the order of acceptance
Liveness, from every reachable state, by steps alone
  L1  every accepted job can finish             L2  every artifact that nothing refers to can be deleted
"""

from collections import deque
from dataclasses import dataclass, field

from tests.protocol.model import FINISHED, OPEN, Bounds, Job, Rules, State, Worker
from tests.protocol.moves import moves

FINALITY = (
    "L2 garbage is never collected",
    "L1 an accepted job can never finish",
    "L1 a call never ends",
)


@dataclass(frozen=True)
class Result:
    """Result of the search."""

    violation: str | None
    states: int
    trace: list[str]  # a shortest trace to the violation


def check(rules: Rules, bounds: Bounds) -> Result:
    """Check every reachable state."""
    return _Search(rules, bounds).run()


# --- invariants -------------------------------------------------------------------------------------------------------


def violation(s: State) -> str | None:
    """Return the first safety property that this state violates."""
    return lost_data(s) or wrong_number_of_versions(s) or damaged_version(s) or wrong_order(s)


def lost_data(s: State) -> str | None:
    for i, job in enumerate(s.jobs):
        if job.data and job.data not in s.store:
            return f"S1 {job.status} job {i}: its data is gone"
    return None


def wrong_number_of_versions(s: State) -> str | None:
    for i, job in enumerate(s.jobs):
        if job.made > 1:
            return f"S2 job {i} made {job.made} versions"
        if (job.status == "succeeded") != (job.made == 1) and job.status != "pruned":
            return f"S3 {job.status} job {i} made {job.made} versions"
    return None


def damaged_version(s: State) -> str | None:
    for version in s.versions:
        for file in (version.state, version.data):
            if file not in s.store:
                overwritten = any(other[:3] == file[:3] for other in s.store)
                return f"S1 version {version.number}: its {file.kind} is {'overwritten' if overwritten else 'gone'}"
    return None


def wrong_order(s: State) -> str | None:
    numbers = [job.version for job in sorted(s.jobs, key=lambda job: job.seq) if job.made and job.status != "pruned"]
    if len(set(numbers)) < len(numbers):
        return f"S5 version numbers {numbers}: one was assigned twice"
    if numbers != sorted(numbers):
        return f"S6 versions {numbers} do not follow the order of acceptance"
    return None


def changed_when_finished(before: State, after: State) -> bool:
    return any(
        job_before.status in FINISHED and job_after.status not in (job_before.status, "pruned")
        for job_before, job_after in zip(before.jobs, after.jobs, strict=True)
    )


def unfinished(s: State) -> str | None:
    """Return what is unfinished; None if every job is final and the store holds only files that rows refer to."""
    garbage, open_job, open_call = FINALITY
    if any(phase not in ("", "over") for phase in s.calls):
        return open_call
    if any(job.status in OPEN for job in s.jobs):
        return open_job
    referenced = {job.data for job in s.jobs} | {file for v in s.versions for file in (v.state, v.data)}
    return None if s.store <= referenced else garbage


# --- the search -------------------------------------------------------------------------------------------------------


@dataclass
class _Search:
    """A breadth-first search, so that the trace to a violation is a shortest one."""

    rules: Rules
    bounds: Bounds
    number: dict[State, int] = field(default_factory=dict)  # the order in which states were found
    came_from: list[tuple[int, str]] = field(default_factory=list)
    steps_into: list[list[int]] = field(default_factory=list)  # predecessors by a step
    settled: list[int] = field(default_factory=list)

    def run(self) -> Result:
        start = self._start()
        self.number[start] = 0
        self.came_from.append((-1, ""))
        self.steps_into.append([])
        queue = deque([start])
        while queue:
            if result := self._expand(queue.popleft(), queue):
                return result
        return self._stuck() or Result(None, len(self.number), [])

    def _start(self) -> State:
        slots = self.bounds.posts + self.bounds.retries
        return State(
            calls=("",) * slots,
            jobs=(Job(),) * slots,
            messages=frozenset(),
            workers=(Worker(),) * self.bounds.workers,
            store=frozenset(),
            versions=frozenset(),
            assigned=0,
            doomed=None,
            faults=self.bounds.faults,
            chores=self.bounds.chores,
        )

    def _expand(self, state: State, queue: deque[State]) -> Result | None:
        """Follow every move from a state, and queue the new states."""
        n = self.number[state]
        if unfinished(state) is None:
            self.settled.append(n)
        for kind, label, successor in moves(state, self.rules, self.bounds):
            if state.jobs is not successor.jobs and changed_when_finished(state, successor):
                return Result("S4 a finished job changed its status", len(self.number), [*self._trace(n), label])
            m = self.number.setdefault(successor, len(self.number))
            if m == len(self.came_from):
                self.came_from.append((n, label))
                self.steps_into.append([])
                if broken_rule := violation(successor):
                    return Result(broken_rule, len(self.number), self._trace(m))
                queue.append(successor)
            if kind == "step":
                self.steps_into[m].append(n)
        return None

    def _stuck(self) -> Result | None:
        """Find a state from which no steps lead to a settled state; prefer the most specific reason."""
        can_settle = set(self.settled)
        pending = deque(self.settled)
        while pending:
            for n in self.steps_into[pending.popleft()]:
                if n not in can_settle:
                    can_settle.add(n)
                    pending.append(n)
        stuck = [(unfinished(state) or "", n) for state, n in self.number.items() if n not in can_settle]
        if not stuck:
            return None
        reason, n = min(stuck, key=lambda item: FINALITY.index(item[0]))
        return Result(reason, len(self.number), self._trace(n))

    def _trace(self, n: int) -> list[str]:
        labels = []
        while n > 0:
            n, label = self.came_from[n]
            labels.append(label)
        return labels[::-1]
