"""`tsad doctor`: whether an installation is well, and what to do where it is not."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import redis
import typer
from rich.progress import Progress

from api.cli.installation import installation, open_sessions, store_of, with_long_transactions
from api.cli.options import AsJson, OfHome
from api.cli.output import notes_console, show_list
from shared.artifacts import Artifacts
from shared.errors import DamagedError, TsadError
from shared.queue import announce, make_celery, messages_waiting
from shared.settings import Settings
from shared.store import inspection, reconciliation, schema
from shared.store.engine import Sessions
from shared.telemetry import connect, workers_alive

OK, WARNING, FAILED = "ok", "warning", "failed"
LONG_QUEUED_S = 60.0
MOST_SKEW_S = 2.0
LITTLE_SPACE, NO_SPACE = 2 * 1024**3, 100 * 1024**2  # bytes
MOST_LISTED = 20
MOST_ANNOUNCED = 500


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    check: str
    state: str
    detail: str


@dataclass(frozen=True)
class Patient:
    """What is looked at."""

    settings: Settings
    sessions: Sessions
    artifacts: Artifacts
    redis: redis.Redis
    fix: bool


def doctor(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended: migrate, announce jobs that wait unannounced.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not read every artifact.")] = False,
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Look whether settings, servers, schema, queue, artifacts, workers, clocks and disk are as they should be.

    Exit code 1 when something failed. Works where the installation is, beside it or while it stands still.

    [bold]tsad doctor --json | jq -r 'select(.state != "ok")'[/]
    """
    with (
        installation(home) as settings,
        open_sessions(with_long_transactions(settings), "tsad-doctor") as sessions,
        closing(connect(settings.redis)) as client,
    ):
        patient = Patient(settings, sessions, Artifacts.of(settings), client, fix)
        findings = list(looked_at(patient, quick=quick))
    show_list(findings, {name: attrgetter(name) for name in ("check", "state", "detail")}, as_json=as_json)
    if any(finding.state == FAILED for finding in findings):
        raise typer.Exit(1)


def looked_at(patient: Patient, *, quick: bool) -> Iterator[Finding]:
    """All findings. What a check needs and does not get is its finding, so that the others still look."""
    yield Finding("settings", OK, "they are as they have to be")
    schema_findings = list(_look(patient, "schema", _schema))
    yield from schema_findings
    yield from _look(patient, "redis", _redis)
    yield from _look(patient, "workers", _workers)
    yield from _look(patient, "clocks", _clocks)
    yield from _look(patient, "disk", _disk)
    if schema_findings[0].state == OK:  # else there are no rows to be read
        yield from _look(patient, "queue", _queue)
        if not quick:
            yield from _look(patient, "artifacts", _artifacts)


def _look(patient: Patient, name: str, check: Callable[[Patient], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check(patient)
    except TsadError as error:
        yield Finding(name, FAILED, error.detail)


def _schema(patient: Patient) -> Iterator[Finding]:
    found, expected = schema.current_revision(patient.sessions), schema.expected_revision()
    if found != expected and patient.fix:
        schema.migrate(patient.settings.database)
        yield Finding("schema", OK, f"was {found}, and is now migrated to {expected}")
    elif found != expected:
        yield Finding("schema", FAILED, f"it is {found}, this release needs {expected}: run `tsad migrate`")
    else:
        yield Finding("schema", OK, f"it is {expected}, as this release needs it")


def _redis(patient: Patient) -> Iterator[Finding]:
    waiting = messages_waiting(patient.redis)
    if waiting is None:
        yield Finding("redis", FAILED, "it does not answer: fits are accepted, and wait until it does")
    else:
        yield Finding("redis", OK, f"it answers; {waiting:,} messages wait")


def _workers(patient: Patient) -> Iterator[Finding]:
    alive = workers_alive(patient.redis)
    state = OK if alive else FAILED
    yield Finding("workers", state, f"{alive or 'none'} heard of lately" + ("" if alive else ": jobs wait"))


def _queue(patient: Patient) -> Iterator[Finding]:
    """Rows against messages: a reconciler makes good what is missing, so that only what lasts is wrong."""
    with patient.sessions.begin() as session:
        queue = inspection.queue(session)
    about = f"{queue.queued:,} queued, {queue.running:,} running"
    if queue.expired:
        yield Finding(
            "queue", WARNING, f"{about}; {queue.expired:,} without a sign of their worker: does the reconciler run?"
        )
    elif queue.oldest_queued_s > LONG_QUEUED_S and messages_waiting(patient.redis) == 0:
        detail = f"{about}; the oldest waits for {queue.oldest_queued_s:.0f} s, and no message announces it"
        if patient.fix:
            yield Finding("queue", OK, f"{detail}; {_announce(patient):,} are announced again")
        else:
            yield Finding("queue", WARNING, f"{detail}: does the reconciler run?")
    else:
        yield Finding("queue", OK, about)


def _announce(patient: Patient) -> int:
    with patient.sessions.begin() as session:
        if not reconciliation.take_turn(session):
            return 0
        job_ids = reconciliation.to_announce(session, 0, 0, limit=MOST_ANNOUNCED)
    app = make_celery(patient.settings.redis, consumes=False)
    try:
        return len(job_ids) if announce(app, job_ids) else 0
    finally:
        app.close()


def _clocks(patient: Patient) -> Iterator[Finding]:
    """Only the database's decides, but logs and figures of machines whose clocks differ are hard to read."""
    began = time.time()
    with patient.sessions.begin() as session:
        theirs = inspection.clock(session)
    skew = (theirs - datetime.fromtimestamp((began + time.time()) / 2, UTC)).total_seconds()
    state = OK if abs(skew) <= MOST_SKEW_S else WARNING
    yield Finding("clocks", state, f"the database's and this machine's differ by {abs(skew):.1f} s")


def _disk(patient: Patient) -> Iterator[Finding]:
    patient.artifacts.data.check()
    patient.artifacts.states.check()
    for folder in (patient.settings.training_data_folder, patient.settings.model_state_folder):
        if not isinstance(folder, Path):
            yield Finding("disk", OK, f"{folder} can be written")
            continue
        free = shutil.disk_usage(folder).free
        state = FAILED if free < NO_SPACE else WARNING if free < LITTLE_SPACE else OK
        yield Finding("disk", state, f"{free / 1024**3:.1f} GiB are free for {folder}")


def _artifacts(patient: Patient) -> Iterator[Finding]:
    """Read every file that a row refers to, and compare it with its sha256."""
    damaged, read = [], 0
    with Progress(console=notes_console(), transient=True) as progress:
        bar = progress.add_task("reading artifacts", total=None)
        with patient.sessions.begin() as session:
            for reference in inspection.references(session):
                read += 1
                progress.advance(bar)
                try:
                    store_of(patient.artifacts, reference).get(reference.artifact)
                except DamagedError as error:
                    damaged.append(f"{reference.artifact.key}, of {reference.owner}: {error.detail}")
    for sentence in damaged[:MOST_LISTED]:
        yield Finding("artifacts", FAILED, sentence)
    if len(damaged) > MOST_LISTED:
        yield Finding("artifacts", FAILED, f"{len(damaged) - MOST_LISTED:,} more like these")
    whole = read - len(damaged)
    yield Finding("artifacts", OK if not damaged else FAILED, f"{whole:,} of {read:,} are there and whole")
