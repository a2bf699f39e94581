"""Verdicts on a run: pure functions of the clients' ledger and the evidence."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from shared.domain.jobs import SCHEDULER, Status
from tests.chaos.evidence import Evidence, JobRow
from tests.chaos.ledger import Ledger, Promise
from tests.chaos.plan import Ending


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, with its job if it concerns one."""

    kind: str  # lost, duplicated, or another word
    sentence: str
    job_id: str | None = None


def violations(ledger: Ledger, evidence: Evidence) -> list[Violation]:
    """Return all broken promises."""
    return [
        *(violation for promise in ledger.promises.values() for violation in _promise_violations(promise, evidence)),
        *_unknown_jobs(ledger, evidence),
        *_version_violations(ledger, evidence),
        *_order_violations(ledger, evidence),
        *_file_violations(evidence),
        *(Violation("artifact", flaw, job_id) for job_id, flaw in evidence.flaws),
        *(Violation("answer", complaint) for complaint in ledger.complaints),
    ]


def _promise_violations(promise: Promise, evidence: Evidence) -> Iterator[Violation]:
    job_id, order = promise.job_id, promise.order
    row = evidence.jobs.get(job_id)
    if row is None:
        yield Violation("lost", f"Job {job_id} was accepted but has no row.", job_id)
        return
    if not Status(row.status).is_final:
        yield Violation("lost", f"Job {job_id} was accepted but is still {row.status}.", job_id)
        return
    if row.series_id != order.series_id:
        yield Violation("answer", f"Job {job_id} belongs to series {row.series_id}, not {order.series_id}.", job_id)
    if promise.status is not None and (promise.status, promise.version) != (row.status, row.version):
        reported = f"{promise.status} (version {promise.version})"
        yield Violation("answer", f"Job {job_id} was reported as {reported} but is {row.status}.", job_id)
    if promise.cancelled:
        if row.status != Status.CANCELLED:
            yield Violation("cancelled", f"Job {job_id} was reported as cancelled but is {row.status}.", job_id)
    elif row.status == Status.CANCELLED and not promise.cancel_asked:
        yield Violation("cancelled", f"Job {job_id} is cancelled, although no client canceled it.", job_id)
    if row.status in (Status.SUCCEEDED, Status.FAILED):
        ending = Ending.SUCCEEDED if row.status == Status.SUCCEEDED else row.error_code
        if ending != order.ending:
            yield Violation("failed", f"Job {job_id} ended with {ending} instead of {order.ending}.", job_id)


def _unknown_jobs(ledger: Ledger, evidence: Evidence) -> Iterator[Violation]:
    """Yield violations by jobs that clients do not know: each must come from a request whose answer was lost."""
    job_of_request: dict[str, str] = {}
    for row in evidence.jobs.values():
        if row.owner == SCHEDULER:
            continue
        other = job_of_request.setdefault(row.request_id, row.job_id)
        if other != row.job_id:
            yield Violation("duplicated", f"Jobs {other} and {row.job_id} come from one request.", row.job_id)
        if row.job_id in ledger.promises or row.request_id in ledger.unsettled:
            continue
        origin = "that was rejected" if row.request_id in ledger.refused else "that no client sent"
        yield Violation("duplicated", f"Job {row.job_id} comes from a request {origin} ({row.request_id}).", row.job_id)


def _version_violations(ledger: Ledger, evidence: Evidence) -> Iterator[Violation]:
    of_job: dict[str, list[int]] = defaultdict(list)
    existing: dict[str, set[int]] = defaultdict(set)
    for version in evidence.versions:
        of_job[version.job_id].append(version.version)
        existing[version.series_id].add(version.version)
        row = evidence.jobs.get(version.job_id)
        name = f"Version {version.version} of {version.series_id}"
        if row is None or row.status != Status.SUCCEEDED or row.series_id != version.series_id:
            yield Violation("version", f"{name} belongs to no succeeded job.", version.job_id)
        elif version.attempt != row.attempt:
            published = f"{name} was published by attempt {version.attempt} of job {row.job_id}"
            yield Violation("fenced", f"{published}, after attempt {row.attempt} had taken over.", row.job_id)
    for job_id, numbers in of_job.items():
        if len(numbers) > 1:
            yield Violation("duplicated", f"Job {job_id} has the versions {numbers}.", job_id)
    for series_id, rows in _succeeded(evidence).items():
        numbers = [row.version or 0 for row in rows]
        if sorted(numbers) != list(range(1, evidence.last_versions.get(series_id, 0) + 1)):
            last = evidence.last_versions.get(series_id)
            yield Violation("version", f"The jobs of {series_id} have the versions {numbers}; its last is {last}.")
        may_miss = {number for series, number in ledger.maybe_deleted if series == series_id}
        must_miss = {number for series, number in ledger.deleted if series == series_id}
        missing = set(numbers) - existing[series_id]
        if not must_miss <= missing <= may_miss | must_miss:
            yield Violation(
                "version",
                f"{series_id} lacks the versions {sorted(missing)}; clients deleted {sorted(must_miss)}.",
            )


def _order_violations(ledger: Ledger, evidence: Evidence) -> Iterator[Violation]:
    for series_id, rows in _succeeded(evidence).items():
        for row, later in pairwise(rows):
            if later.version is None or row.version is None or later.version < row.version:
                sentence = f"Job {row.job_id} of {series_id} was accepted before {later.job_id} and published after it."
                yield Violation("order", sentence, later.job_id)
    by_series: dict[str, list[Promise]] = defaultdict(list)
    for promise in ledger.promises.values():
        if promise.version is not None:
            by_series[promise.order.series_id].append(promise)
    for promises in by_series.values():
        # `highest` is the highest version of the jobs that were accepted before this one was requested.
        answered = sorted(promises, key=lambda promise: promise.answered_at)
        highest, place = 0, 0
        for promise in sorted(promises, key=lambda promise: promise.sent_at):
            while answered[place].answered_at < promise.sent_at:
                highest = max(highest, answered[place].version or 0)
                place += 1
            if (promise.version or 0) < highest:
                order = f"Job {promise.job_id} was submitted after the job of version {highest} was accepted"
                yield Violation("order", f"{order}, but became version {promise.version}.", promise.job_id)


def _file_violations(evidence: Evidence) -> Iterator[Violation]:
    owned = {key for version in evidence.versions for key in version.keys}
    owned |= {row.data_key for row in evidence.jobs.values() if row.data_key}
    for key in sorted(owned - evidence.files):
        yield Violation("artifact", f"A row refers to {key}, which is not in the store.")
    for key in sorted(evidence.files - owned):
        yield Violation("orphan", f"{key} is in the store, but no row refers to it after garbage collection.")


def _succeeded(evidence: Evidence) -> dict[str, list[JobRow]]:
    """Return the succeeded jobs of each series, in the order of acceptance."""
    rows: dict[str, list[JobRow]] = defaultdict(list)
    for row in sorted(evidence.jobs.values(), key=lambda row: row.seq):
        if row.status == Status.SUCCEEDED:
            rows[row.series_id].append(row)
    for series_id in evidence.last_versions:
        rows.setdefault(series_id, [])
    return rows
