"""The model of the fit-job protocol: rules of the design, bounds, and states.

One series, PostgreSQL (statements are atomic), an artifact store, a broker that may lose and repeat messages, API
processes, workers, a reconciler and the collector. Time is abstract: a lease may expire and an accept window may end at
any moment that the rules allow. Not modeled: backoff, idempotency keys, pins, release of data, deletion of a series.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

OPEN = ("queued", "running")
FINISHED = ("succeeded", "failed", "cancelled")
MAX_CRASHES = 2  # the second expired lease fails the job


@dataclass(frozen=True)
class Rules:
    """The decisions of the design. False breaks one of them."""

    data_before_row: bool = True  # API: PUT the data artifact, then INSERT the job row
    row_before_message: bool = True  # API: COMMIT the row, then send the message
    accept_deadline: bool = True  # API: the INSERT is rejected after its window
    api_never_deletes: bool = True  # API: leaves its artifact alone when COMMIT raises
    retry_locks_old_row: bool = True  # retry: the old row stays until the new one is committed
    first_in_line: bool = True  # claim: only the oldest open job of its series
    attempt_in_key: bool = True  # worker: one key per attempt for state artifacts, not one per job
    state_before_commit: bool = True  # worker: PUT the state artifact, then publish
    worker_never_deletes: bool = True  # worker: leaves its artifact alone when COMMIT raises
    fence: bool = True  # publish: only the attempt that holds the job now
    unique_job: bool = True  # publish: UNIQUE (job_id)
    one_transaction: bool = True  # publish: the version row and the job's success together
    number_from_counter: bool = True  # publish: a counter, not max(version) + 1
    announce_next: bool = True  # whichever process ends a job announces the next of its series
    announce_again: bool = True  # reconciler: announces queued jobs whose message may be lost
    reap: bool = True  # reconciler: requeues jobs with expired leases
    rows_only: bool = True  # deleting a version removes its row; the files go through the collector
    grace: bool = True  # collector: waits until no accept can add a row
    waits_for_accepts: bool = True  # collector: ... including one in time that is not committed yet
    sees_open_jobs: bool = True  # collector: an open job holds its data
    sees_failed_jobs: bool = True  # collector: so does a failed or canceled one, which may be retried
    follows_references: bool = True  # collector: asks all rows for the key, not only the job named in it
    spares_open_states: bool = True  # collector: leaves the state artifacts of open jobs alone
    collects_unknown: bool = True  # collector: also takes artifacts of jobs that have no row


@dataclass(frozen=True)
class Bounds:
    """The number of posts, retries and so on that the search tries."""

    posts: int = 2
    retries: int = 0
    workers: int = 2
    faults: int = 2
    chores: int = 0

    def __str__(self) -> str:
        return f"{self.posts} {self.retries} {self.workers} {self.faults} {self.chores}"


class File(NamedTuple):
    """An artifact; the first three fields are its key."""

    kind: str  # "data" or "state"
    job: int
    attempt: int  # 0 for data
    content: int  # the attempt that wrote it; a version row knows it by its digest


class Job(NamedTuple):
    status: str = ""  # "" = no row
    seq: int = 0
    attempt: int = 0
    crashes: int = 0
    data: File | None = None  # the artifact that this row refers to
    version: int = 0
    made: int = 0  # versions made; known to the model only


class Version(NamedTuple):
    number: int
    job: int
    state: File
    data: File


class Worker(NamedTuple):
    job: int = -1  # -1 = idle
    attempt: int = 0
    phase: str = ""  # "fitting", "stored", "half published", "owes state"


class State(NamedTuple):
    calls: tuple[str | File, ...]  # API, one per job slot: "", "put", "late", "inserting", "owes data", "over"
    jobs: tuple[Job, ...]  # slots for POSTs, then slots for retries
    messages: frozenset[int]
    workers: tuple[Worker, ...]  # sorted: workers are interchangeable
    store: frozenset[File]
    versions: frozenset[Version]
    assigned: int  # version numbers so far
    doomed: File | None  # what the collector has decided to delete
    faults: int  # left
    chores: int  # left


Move = tuple[str, str, State]  # "step", "call", "chore" or "fault"; its label; the next state


# --- small changes of a state -----------------------------------------------------------------------------------------


def call(s: State, i: int, phase: str | File) -> State:
    return s._replace(calls=(*s.calls[:i], phase, *s.calls[i + 1 :]))


def with_job(s: State, i: int, **changes: Any) -> State:
    return s._replace(jobs=(*s.jobs[:i], s.jobs[i]._replace(**changes), *s.jobs[i + 1 :]))


def accept(s: State, i: int, data: File) -> State:
    return with_job(s, i, status="queued", data=data, seq=1 + max(job.seq for job in s.jobs))


def announce(s: State, i: int) -> State:
    return s._replace(messages=s.messages | {i})


def announce_next(s: State, rules: Rules) -> State:
    queued = [(job.seq, i) for i, job in enumerate(s.jobs) if job.status == "queued"]
    return announce(s, min(queued)[1]) if queued and rules.announce_next else s


def put(s: State, file: File) -> State:
    return s._replace(store=delete(s, file).store | {file})


def delete(s: State, *files: File) -> State:
    keys = [file[:3] for file in files]
    return s._replace(store=frozenset(f for f in s.store if f[:3] not in keys))


def fault(s: State) -> State:
    return s._replace(faults=s.faults - 1)


def chore(s: State) -> State:
    return s._replace(chores=s.chores - 1)


def with_worker(k: int, s: State, phase: str = "", i: int = -1, attempt: int = 0) -> State:
    return s._replace(workers=tuple(sorted((*s.workers[:k], Worker(i, attempt, phase), *s.workers[k + 1 :]))))


def first_in_line(s: State, i: int) -> bool:
    return not any(job.status in OPEN and job.seq < s.jobs[i].seq for job in s.jobs)
