"""`tsad doctor`: check an installation, and advise on checks that fail."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import redis
import typer
from rich.progress import Progress

from api.cli.installation import installation, open_sessions, store_of, with_long_transactions
from api.cli.options import AsJson, HomeFolder
from api.cli.output import notes_console, show_list
from shared.artifacts import Artifacts
from shared.domain.watching.condition import complaint
from shared.domain.watching.durations import rough
from shared.errors import DamagedError, TsadError
from shared.queue import announce, make_celery, messages_waiting
from shared.settings import Settings
from shared.store import fetching, inspection, notices, receivers, reconciliation, schema, watches
from shared.store.engine import Sessions
from shared.telemetry import connect, workers_alive
from shared.wording import counted

LONG_QUEUED_S = 60.0
MAX_SKEW_S = 2.0
LOW_SPACE = 2 * 1024**3  # bytes; less is a warning
NO_SPACE = 100 * 1024**2  # bytes; less is a failure
MAX_LISTED = 20
MAX_ANNOUNCED = 500


class State(StrEnum):
    """Severity of a finding; any failed one makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One result of a check; a check may have several."""

    check: str
    state: State
    detail: str


@dataclass(frozen=True)
class Examination:
    """The installation to check, and whether to repair it."""

    settings: Settings
    sessions: Sessions
    artifacts: Artifacts
    redis: redis.Redis
    fix: bool


def doctor(
    *,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Migrate an old schema, and send a new message for queued jobs that have none."),
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Skip the check that reads every artifact.")] = False,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, servers, schema, queue, streams, receivers, sources, artifacts, workers, clocks and disk.

    The exit code is 1 if a check fails.
    Run it on the installation's machine, while the installation runs or while it is stopped.

    [bold]tsad doctor --json | jq -r 'select(.state != "ok")'[/]
    """
    with installation(home) as settings, open_sessions(with_long_transactions(settings), "tsad-doctor") as sessions:
        artifacts = Artifacts.of(settings)
        with closing(connect(settings.redis)) as client:
            findings = list(findings_of(Examination(settings, sessions, artifacts, client, fix), quick=quick))
    show_list(findings, {name: attrgetter(name) for name in ("check", "state", "detail")}, as_json=as_json)
    if any(finding.state == State.FAILED for finding in findings):
        raise typer.Exit(1)


def findings_of(examination: Examination, *, quick: bool) -> Iterator[Finding]:
    """Yield the findings of all checks; an error fails its own check only."""
    yield Finding("settings", State.OK, "valid")
    schema_findings = list(_run(examination, "schema", _schema))
    yield from schema_findings
    yield from _run(examination, "redis", _redis)
    yield from _run(examination, "workers", _workers)
    yield from _run(examination, "clocks", _clocks)
    yield from _run(examination, "disk", _disk)
    if schema_findings[0].state == State.OK:  # otherwise the rows cannot be read
        yield from _run(examination, "queue", _queue)
        yield from _run(examination, "streams", _streams)
        yield from _run(examination, "receivers", _receivers)
        yield from _run(examination, "sources", _sources)
        if not quick:
            yield from _run(examination, "artifacts", _artifacts)


def _run(examination: Examination, name: str, check: Callable[[Examination], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check(examination)
    except TsadError as error:
        yield Finding(name, State.FAILED, error.detail)


def _schema(examination: Examination) -> Iterator[Finding]:
    current = schema.current_revision(examination.sessions)
    expected = schema.expected_revision()
    if current != expected and examination.fix:
        schema.migrate(examination.settings.database)
        yield Finding("schema", State.OK, f"migrated from revision {current or 'none'} to {expected}")
    elif current != expected:
        detail = f"revision {current or 'none'}, but this release requires {expected}: {schema.HOW_TO_MIGRATE}"
        yield Finding("schema", State.FAILED, detail)
    else:
        yield Finding("schema", State.OK, f"revision {expected}, as this release requires")


def _redis(examination: Examination) -> Iterator[Finding]:
    waiting = messages_waiting(examination.redis)
    if waiting is None:
        yield Finding("redis", State.FAILED, "does not answer: accepted fits stay queued until it does")
    else:
        yield Finding("redis", State.OK, f"answers; {counted(waiting, 'message')} waiting")


def _workers(examination: Examination) -> Iterator[Finding]:
    alive = workers_alive(examination.redis)
    state = State.OK if alive else State.FAILED
    yield Finding("workers", state, f"{alive:,} alive" if alive else "no recent heartbeat: jobs stay queued")


def _queue(examination: Examination) -> Iterator[Finding]:
    """Compare rows with messages. The reconciler repeats lost messages, so only a lasting difference is a finding."""
    with examination.sessions.begin() as session:
        queue = inspection.queue(session)
    summary = f"{queue.queued:,} queued, {queue.running:,} running"
    if queue.expired:
        detail = f"{summary}; {queue.expired:,} with an expired lease: is the reconciler running?"
        yield Finding("queue", State.WARNING, detail)
    elif queue.oldest_queued_s > LONG_QUEUED_S and messages_waiting(examination.redis) == 0:
        detail = f"{summary}; the oldest has waited for {queue.oldest_queued_s:.0f} s without a message"
        if examination.fix:
            yield Finding("queue", State.OK, f"{detail}; sent {counted(_announce(examination), 'message')} again")
        else:
            yield Finding("queue", State.WARNING, f"{detail}: is the reconciler running?")
    else:
        yield Finding("queue", State.OK, summary)


def _streams(examination: Examination) -> Iterator[Finding]:
    with examination.sessions.begin() as session:
        watching = inspection.watching(session)
    alerts = counted(watching.open_alerts, "open alert")
    summary = f"{counted(watching.streams, 'stream')}, {watching.silent:,} silent; {alerts}"
    if watching.late_fits:
        detail = f"{summary}; {counted(watching.late_fits, 'automatic fit')} due for more than 10 minutes"
        yield Finding("streams", State.WARNING, f"{detail}: is the reconciler running, or the queue half full?")
    else:
        yield Finding("streams", State.OK, summary)


def _receivers(examination: Examination) -> Iterator[Finding]:
    """Report receivers that get no messages, and changes that nobody reports."""
    with examination.sessions.begin() as session:
        known = receivers.read(session)
        overdue = notices.overdue(session, watches.read(session), inspection.clock(session))
    for stored in known:
        name = stored.receiver.name
        if stored.disabled:
            detail = f"{name} is disabled: {stored.disabled} Enable it with `tsad receivers resume {name}`"
            yield Finding("receivers", State.WARNING, detail)
        elif stored.failures:
            failed = f"{name} failed {counted(stored.failures, 'time')} in a row"
            yield Finding("receivers", State.WARNING, f"{failed}: {stored.error}")
    if overdue:
        detail = f"changes of {', '.join(overdue[:3])} are not reported: is `python -m worker.outbound` running?"
        yield Finding("receivers", State.WARNING, detail)
    else:
        waiting = counted(sum(stored.waiting for stored in known), "message")
        yield Finding("receivers", State.OK, f"{counted(len(known), 'receiver')}, {waiting} waiting")


def _sources(examination: Examination) -> Iterator[Finding]:
    """Report sources that fail, that nothing fetches, or that bring nothing."""
    with examination.sessions.begin() as session:
        now = inspection.clock(session)
        found = fetching.conditions(session, now, is_deep=True)
    complaints = [sentence for condition in found if (sentence := complaint(condition, now))]
    for sentence in complaints:
        yield Finding("sources", State.WARNING, sentence)
    lags = [lag for condition in found if (lag := condition.lag_s(now)) is not None]
    newest = f"; the newest points of the slowest are {rough(max(lags))} old" if lags else ""
    if not complaints:
        yield Finding("sources", State.OK, f"{counted(len(found), 'source')}{newest}")


def _announce(examination: Examination) -> int:
    with examination.sessions.begin() as session:
        if not reconciliation.take_turn(session):
            return 0
        job_ids = reconciliation.to_announce(session, 0, 0, limit=MAX_ANNOUNCED)
    app = make_celery(examination.settings.redis, consumes=False)
    try:
        return len(job_ids) if announce(app, job_ids) else 0
    finally:
        app.close()


def _clocks(examination: Examination) -> Iterator[Finding]:
    """Compare the clocks. Only the database's matters, but logs are hard to read when clocks differ."""
    start = time.time()
    with examination.sessions.begin() as session:
        database_time = inspection.clock(session)
    skew_s = (database_time - datetime.fromtimestamp((start + time.time()) / 2, UTC)).total_seconds()
    state = State.OK if abs(skew_s) <= MAX_SKEW_S else State.WARNING
    yield Finding("clocks", state, f"the database and this machine differ by {abs(skew_s):.1f} s")


def _disk(examination: Examination) -> Iterator[Finding]:
    examination.artifacts.data.check()
    examination.artifacts.states.check()
    for folder in (examination.settings.training_data_folder, examination.settings.model_state_folder):
        if not isinstance(folder, Path):
            yield Finding("disk", State.OK, f"{folder} is writable")
            continue
        free = shutil.disk_usage(folder).free
        state = State.FAILED if free < NO_SPACE else State.WARNING if free < LOW_SPACE else State.OK
        yield Finding("disk", state, f"{free / 1024**3:.1f} GiB free in {folder}")


def _artifacts(examination: Examination) -> Iterator[Finding]:
    """Read every file that a row refers to, and verify its SHA-256."""
    damaged: list[str] = []
    read = 0
    with Progress(console=notes_console(), transient=True) as progress:
        bar = progress.add_task("reading artifacts", total=None)
        with examination.sessions.begin() as session:
            for reference in inspection.references(session):
                read += 1
                progress.advance(bar)
                try:
                    store_of(examination.artifacts, reference).get(reference.artifact)
                except DamagedError as error:
                    damaged.append(f"{reference.artifact.key} ({reference.owner}): {error.detail}")
    for sentence in damaged[:MAX_LISTED]:
        yield Finding("artifacts", State.FAILED, sentence)
    if len(damaged) > MAX_LISTED:
        yield Finding("artifacts", State.FAILED, f"{len(damaged) - MAX_LISTED:,} more damaged or missing")
    intact = read - len(damaged)
    yield Finding("artifacts", State.OK if not damaged else State.FAILED, f"{intact:,} of {read:,} intact")
