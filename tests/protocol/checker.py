"""What must hold, and the search through every interleaving.

Safety, in every reachable state
  S1  what a job row or a version row refers to is in the store, with the content it was written for
  S2  a job makes at most one version           S3  a job has succeeded if and only if it has made a version
  S4  a finished job never changes its status   S5  no version number is given out twice
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
    """What the search came to."""

    found: str | None  # the violation
    states: int
    trace: list[str]  # a shortest way to it


def check(rules: Rules, bounds: Bounds) -> Result:
    """Look at every state that can be reached."""
    return _Search(rules, bounds).run()


# --- what must hold ---------------------------------------------------------------------------------------------------


def violation(s: State) -> str | None:
    """The first safety property that does not hold here."""
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
    made = [job.version for job in sorted(s.jobs, key=lambda job: job.seq) if job.made and job.status != "pruned"]
    if len(set(made)) < len(made):
        return f"S5 version numbers {made}: one was given out twice"
    if made != sorted(made):
        return f"S6 versions {made} do not follow the order of acceptance"
    return None


def changed_when_finished(before: State, after: State) -> bool:
    return any(
        old.status in FINISHED and new.status not in (old.status, "pruned")
        for old, new in zip(before.jobs, after.jobs, strict=True)
    )


def unfinished(s: State) -> str | None:
    """What is still to be done; None when everything is settled and the store holds what rows refer to, no more."""
    garbage, open_job, open_call = FINALITY
    if any(phase not in ("", "over") for phase in s.calls):
        return open_call
    if any(job.status in OPEN for job in s.jobs):
        return open_job
    held = {job.data for job in s.jobs} | {file for v in s.versions for file in (v.state, v.data)}
    return None if s.store <= held else garbage


# --- the search -------------------------------------------------------------------------------------------------------


@dataclass
class _Search:
    """Breadth first, so that the trace to a violation is a shortest one."""

    rules: Rules
    bounds: Bounds
    number: dict[State, int] = field(default_factory=dict)  # the order in which states were found
    came_from: list[tuple[int, str]] = field(default_factory=list)
    steps_into: list[list[int]] = field(default_factory=list)  # by steps alone
    settled: list[int] = field(default_factory=list)

    def run(self) -> Result:
        start = self._start()
        self.number[start] = 0
        self.came_from.append((-1, ""))
        self.steps_into.append([])
        queue = deque([start])
        while queue:
            if found := self._expand(queue.popleft(), queue):
                return found
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
            given=0,
            doomed=None,
            faults=self.bounds.faults,
            chores=self.bounds.chores,
        )

    def _expand(self, here: State, queue: deque[State]) -> Result | None:
        """Follow every move from here; what is new is queued."""
        n = self.number[here]
        if unfinished(here) is None:
            self.settled.append(n)
        for kind, what, there in moves(here, self.rules, self.bounds):
            if here.jobs is not there.jobs and changed_when_finished(here, there):
                return Result("S4 a finished job changed its status", len(self.number), [*self._trace(n), what])
            m = self.number.setdefault(there, len(self.number))
            if m == len(self.came_from):
                self.came_from.append((n, what))
                self.steps_into.append([])
                if found := violation(there):
                    return Result(found, len(self.number), self._trace(m))
                queue.append(there)
            if kind == "step":
                self.steps_into[m].append(n)
        return None

    def _stuck(self) -> Result | None:
        """A state from which no steps lead to a settled one; the most final reason says best what is missing."""
        can_settle = set(self.settled)
        todo = deque(self.settled)
        while todo:
            for n in self.steps_into[todo.popleft()]:
                if n not in can_settle:
                    can_settle.add(n)
                    todo.append(n)
        stuck = [(unfinished(state) or "", n) for state, n in self.number.items() if n not in can_settle]
        if not stuck:
            return None
        reason, n = min(stuck, key=lambda item: FINALITY.index(item[0]))
        return Result(reason, len(self.number), self._trace(n))

    def _trace(self, n: int) -> list[str]:
        way = []
        while n > 0:
            n, what = self.came_from[n]
            way.append(what)
        return way[::-1]
