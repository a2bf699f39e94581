"""Every move that is possible from a state.

The system makes a *step* on its own, a client begins a *call*, a user or retention does a *chore* (cancel, retry,
delete, prune), and a *fault* is a failure.
"""

from collections.abc import Callable, Iterator
from functools import partial

from tests.protocol.model import (
    FINISHED,
    MAX_CRASHES,
    OPEN,
    Bounds,
    File,
    Rules,
    State,
    Version,
    Worker,
    accept,
    announce,
    announce_next,
    call,
    chore,
    delete,
    fault,
    first_in_line,
    put,
    with_job,
    with_worker,
)

Move = tuple[str, str, State]  # "step", "call", "chore" or "fault"; its label; the next state


def moves(s: State, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield all moves from a state."""
    for i in range(bounds.posts):
        yield from post_moves(s, rules, i)
    for i in range(bounds.posts, len(s.jobs)):
        yield from retry_moves(s, rules, i)
    yield from worker_moves(s, rules)
    yield from broker_and_reconciler_moves(s, rules)
    yield from chore_moves(s, rules)
    yield from collector_moves(s, rules)


# --- the API ----------------------------------------------------------------------------------------------------------


def post_moves(s: State, rules: Rules, i: int) -> Iterator[Move]:
    phase = s.calls[i]
    data = File("data", i, 0, 0)
    if phase == "" and (i == 0 or s.calls[i - 1] != ""):  # calls are interchangeable: they begin in order
        started = call(s, i, "put")
        started = put(started, data) if rules.data_before_row else started
        started = started if rules.row_before_message else announce(started, i)
        yield "call", f"POST {i}: PUT data" if rules.data_before_row else f"POST {i}", started
    elif phase in ("put", "late"):  # before and after the end of the accept window
        yield from window_moves(s, rules, i)
    elif phase == "inserting":
        committed = accept(call(s, i, "over" if rules.data_before_row else "owes data"), i, data)
        yield "step", f"POST {i}: COMMIT", announce(committed, i) if rules.row_before_message else committed
        if s.faults:
            yield "fault", f"POST {i}: COMMIT, API dies before the message", fault(committed)
            if not rules.api_never_deletes:
                yield "fault", f"POST {i}: COMMIT raises, API deletes data", delete(fault(committed), data)
    elif phase == "owes data":
        yield "step", f"POST {i}: PUT data", put(call(s, i, "over"), data)


def window_moves(s: State, rules: Rules, i: int) -> Iterator[Move]:
    in_time = s.calls[i] == "put" or not rules.accept_deadline
    if in_time and "inserting" not in s.calls:  # the lock of the series
        yield "step", f"POST {i}: INSERT, in time", call(s, i, "inserting")
    if not in_time:
        yield "step", f"POST {i}: rejected, 503", call(s, i, "over")
    if s.faults and s.calls[i] == "put":
        yield "fault", f"POST {i}: slow, window over", call(fault(s), i, "late")
        yield "fault", f"POST {i}: API dies", call(fault(s), i, "over")


def retry_moves(s: State, rules: Rules, i: int) -> Iterator[Move]:
    read = s.calls[i]
    if isinstance(read, File):
        yield "step", f"retry {i}: INSERT", announce(accept(call(s, i, "over"), i, read), i)
    elif read == "" and s.chores:
        for old in s.jobs:
            if old.status in ("failed", "cancelled") and old.data:
                if rules.retry_locks_old_row:
                    yield "chore", f"retry {i}", announce(accept(call(chore(s), i, "over"), i, old.data), i)
                else:
                    yield "chore", f"retry {i}: reads the old row", call(chore(s), i, old.data)


# --- workers ----------------------------------------------------------------------------------------------------------


def worker_moves(s: State, rules: Rules) -> Iterator[Move]:
    for k, worker in enumerate(s.workers):
        if k and worker == s.workers[k - 1]:
            continue  # an identical worker made these moves
        to = partial(with_worker, k)
        if worker.job < 0:
            yield from idle_worker_moves(s, rules, to)
        else:
            if s.faults:
                yield "fault", f"worker {worker.job}.{worker.attempt}: SIGKILL", to(fault(s))
            yield from busy_worker_moves(s, rules, worker, to)


def idle_worker_moves(s: State, rules: Rules, to: Callable[..., State]) -> Iterator[Move]:
    for i in sorted(s.messages):
        job = s.jobs[i]
        after, label = s, f"worker drops message {i}"
        if job.status == "queued" and (first_in_line(s, i) or not rules.first_in_line):
            attempt = job.attempt + 1
            after = to(with_job(s, i, status="running", attempt=attempt), "fitting", i, attempt)
            label = f"worker claims {i}.{attempt}"
        yield "step", label, after._replace(messages=s.messages - {i})
        if s.faults:
            yield "fault", label + ", message repeated", fault(after)


def busy_worker_moves(s: State, rules: Rules, worker: Worker, to: Callable[..., State]) -> Iterator[Move]:
    i, attempt, phase = worker
    name = f"worker {i}.{attempt}"
    owns_job = s.jobs[i].status == "running" and s.jobs[i].attempt == attempt
    state = File("state", i, attempt if rules.attempt_in_key else 0, attempt)
    if phase == "fitting":
        if rules.state_before_commit:
            yield "step", f"{name}: PUT state", to(put(s, state), "stored", i, attempt)
        else:
            yield "step", f"{name}: fitted", to(s, "stored", i, attempt)
        if s.faults and owns_job:
            yield "fault", f"{name}: store is down, release", to(with_job(fault(s), i, status="queued"))
            failed = with_job(fault(s), i, status="failed")
            yield "fault", f"{name}: bad data, fail", to(announce_next(failed, rules))
    elif phase == "stored":
        # Without the fence, the guard trigger still rejects jobs that are neither running nor succeeded.
        may_publish = owns_job if rules.fence else s.jobs[i].status in ("running", "succeeded")
        if may_publish and not (rules.unique_job and any(v.job == i for v in s.versions)):
            yield from publish_moves(s, rules, state, worker, to)
        else:
            yield "step", f"{name}: fenced off", to(s)
    elif phase == "half published":
        yield "step", f"{name}: COMMIT of the job", to(with_job(s, i, status="succeeded", data=None) if owns_job else s)
    elif phase == "owes state":
        yield "step", f"{name}: PUT state", to(put(s, state))


def publish_moves(s: State, rules: Rules, state: File, worker: Worker, to: Callable[..., State]) -> Iterator[Move]:
    i, attempt, _ = worker
    name = f"worker {i}.{attempt}"
    number = (s.assigned if rules.number_from_counter else max((v.number for v in s.versions), default=0)) + 1
    row = Version(number, i, state, s.jobs[i].data or File("data", i, 0, 0))
    half_published = s._replace(versions=s.versions | {row}, assigned=s.assigned + 1)
    half_published = with_job(half_published, i, version=number, made=s.jobs[i].made + 1)
    published = with_job(half_published, i, status="succeeded", data=None)
    if not rules.one_transaction:
        yield "step", f"{name}: COMMIT of the version", to(half_published, "half published", i, attempt)
        return
    after = to(published) if rules.state_before_commit else to(published, "owes state", i, attempt)
    yield "step", f"{name}: COMMIT", announce_next(after, rules)
    if s.faults:
        yield "fault", f"{name}: COMMIT, then SIGKILL", to(fault(published))
        yield "fault", f"{name}: COMMIT, answer lost, tries again", to(fault(published), "stored", i, attempt)
        if not rules.worker_never_deletes:
            yield "fault", f"{name}: COMMIT raises, deletes state", delete(to(fault(published)), state)


# --- broker, reconciler, users, collector -----------------------------------------------------------------------------


def broker_and_reconciler_moves(s: State, rules: Rules) -> Iterator[Move]:
    for i in sorted(s.messages):
        if s.faults:
            yield "fault", f"message {i} lost", fault(s)._replace(messages=s.messages - {i})
    for i, job in enumerate(s.jobs):
        if job.status == "queued" and i not in s.messages and first_in_line(s, i) and rules.announce_again:
            yield "step", f"announce {i} again", announce(s, i)
        if job.status == "running" and rules.reap:
            if job.crashes + 1 == MAX_CRASHES:
                reaped = announce_next(with_job(s, i, status="failed", crashes=MAX_CRASHES), rules)
            else:
                reaped = with_job(s, i, status="queued", crashes=job.crashes + 1)
            if not any(w.job == i and w.attempt == job.attempt for w in s.workers):
                yield "step", f"reap {i}.{job.attempt}", reaped
            elif s.faults:
                yield "fault", f"reap {i}.{job.attempt}, whose worker only sleeps", fault(reaped)


def chore_moves(s: State, rules: Rules) -> Iterator[Move]:
    if not s.chores:
        return
    for i, job in enumerate(s.jobs):
        if job.status in OPEN:
            yield "chore", f"cancel {i}", announce_next(with_job(chore(s), i, status="cancelled"), rules)
        elif job.status in FINISHED:
            yield "chore", f"prune job {i}", with_job(chore(s), i, status="pruned", data=None)
    for version in sorted(s.versions):
        after = chore(s)._replace(versions=s.versions - {version})
        after = after if rules.rows_only else delete(after, version.state, version.data)
        yield "chore", f"delete version {version.number}", after


def is_garbage(s: State, rules: Rules, file: File) -> bool:
    """Whether the collector takes the file; by the rules, no row refers to it and no open job may still write it."""
    job_in_key = s.jobs[file.job]
    if not rules.collects_unknown and job_in_key.status in ("", "pruned"):
        return False
    if file.kind == "state":
        if job_in_key.status in OPEN and rules.spares_open_states:
            return False
        return not any(v.state[:3] == file[:3] for v in s.versions)
    for i, job in enumerate(s.jobs):
        is_seen = rules.sees_open_jobs if job.status in OPEN else rules.sees_failed_jobs
        if job.data == file and is_seen and (i == file.job or rules.follows_references):
            return False
    return not any(v.data == file and (v.job == file.job or rules.follows_references) for v in s.versions)


def collector_moves(s: State, rules: Rules) -> Iterator[Move]:
    if s.doomed:
        yield "step", f"collector deletes {s.doomed.kind} {s.doomed.job}", delete(s, s.doomed)._replace(doomed=None)
        return
    if rules.waits_for_accepts and "inserting" in s.calls:
        return
    for file in sorted(s.store):
        in_grace = rules.grace and file.kind == "data" and s.calls[file.job] == "put"
        if not in_grace and is_garbage(s, rules, file):
            yield "step", f"collector dooms {file.kind} {file.job}", s._replace(doomed=file)
