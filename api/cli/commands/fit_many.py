"""`tsad fit-many`: create a fit job from each file of a folder, or from each series of a file."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.client import Client
from api.cli.jobs import Job, polled
from api.cli.options import DEFAULT_URL, AsJson, Detector, Key, Parameters, Timeout, Url, fit_fields, reads_files
from api.cli.output import cell, note, notes_console, show_json
from api.cli.patience import PatientClient
from api.files.choices import Choices
from api.files.folders import point_files, series_name, series_name_of_label
from api.files.points import Points
from api.files.reading import read_series
from shared.domain.series import check_series_id
from shared.errors import BusyError, Code, InputError
from shared.wording import counted

LINES_PER_REQUEST = 200
BYTES_PER_REQUEST = 16 * 1024**2
MAX_PAUSE_S = 30
POLL_S = 10.0


@dataclass(frozen=True)
class Line:
    """A series as one line of a bulk fit."""

    file: str
    series_id: str
    content: bytes
    points: int
    notes: list[str]


@dataclass
class Tally:
    """Results so far."""

    as_json: bool
    job_ids: list[str] = field(default_factory=list)
    unchanged: int = 0  # of these jobs existed before
    rejected: int = 0  # files and series
    failed: int = 0  # jobs


@reads_files()
def fit_many(
    source: Annotated[str, typer.Argument(help="Folder, file, or a quoted pattern such as 'data/*.csv'.")],
    *,
    prefix: Annotated[str, typer.Option(help="Prefix of the series ids.", show_default=False)] = "",
    recursive: Annotated[bool, typer.Option("--recursive", help="Include the files of all folders below.")] = False,
    detector: Detector = "",
    parameter: Parameters = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all jobs end.")] = False,
    timeout: Timeout = 3600,
    choices: Choices,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from each file; its id is the prefix and the file name without extension.

    With --series-column, fit a series from each value of that column; its id is the prefix and the value.
    With --recursive, an id begins with the names of the folders between.
    What tsad inferred or corrected is reported for each file.

    Each fit's idempotency key is a hash of its request.
    Run the command again after an interruption or a full queue: it finds the accepted jobs and adds only missing ones.
    Files that cannot be fitted are reported and skipped; the exit code is then 1.

    [bold]tsad fit-many sensors/ --prefix plant1- --wait[/]
    """
    files = point_files(source, recursive=recursive)
    fields = fit_fields(detector, parameter)
    tally = Tally(as_json)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with PatientClient(url, key, timeout) as client, Progress(*columns, console=notes_console()) as progress:
        bar = progress.add_task("files", total=len(files))
        for group in grouped(lines(files, source, prefix, choices, fields, tally)):
            send(client, group, tally, timeout_s=timeout)
            progress.update(bar, completed=files.index(Path(group[-1].file)) + 1)
        progress.update(bar, completed=len(files))
        if wait:
            finished_bar = progress.add_task("finished", total=len(tally.job_ids))
            for job in finished_jobs(client, tally, timeout):
                progress.advance(finished_bar)
                report_finished(job, tally)
    note(summary(files, tally, of_series=bool(choices.series_column)))
    if tally.rejected or tally.failed:
        raise typer.Exit(1)


def summary(files: list[Path], tally: Tally, *, of_series: bool) -> str:
    """Return how many files or series were accepted, unchanged and rejected."""
    accepted = len(tally.job_ids)
    total = counted(accepted + tally.rejected, "series", "series") if of_series else counted(len(files), "file")
    unchanged = f" ({tally.unchanged:,} unchanged)" if tally.unchanged else ""
    failed = f" {counted(tally.failed, 'job')} did not succeed." if tally.failed else ""
    return f"{accepted:,} of {total} accepted{unchanged}, {tally.rejected:,} rejected.{failed}"


def lines(
    files: list[Path], source: str, prefix: str, choices: Choices, fields: dict[str, Any], tally: Tally
) -> Iterator[Line]:
    """Yield one line per series of the readable files, and reject the other files."""
    file_of_series: dict[str, str] = {}
    for file in files:
        try:
            found = read_series(str(file), choices)
        except InputError as error:
            reject(str(file), error.detail, tally)
            continue
        for label, points in found.items():
            try:
                name = series_name_of_label(label) if choices.series_column else series_name(file, source)
                series_id = claimed(prefix + name, str(file), label, file_of_series)
            except InputError as error:
                reject(str(file), error.detail, tally)
                continue
            yield line(str(file), series_id, points, fields)


def line(file: str, series_id: str, points: Points, fields: dict[str, Any]) -> Line:
    """Return the line of a bulk fit; a hash of the request is its idempotency key."""
    content = json.dumps({"series_id": series_id, **points.body(), **fields})
    key = hashlib.sha256(content.encode()).hexdigest()
    with_key = f'{{"idempotency_key": "{key}", {content[1:]}'.encode()
    return Line(file, series_id, with_key, len(points.timestamps), points.notes)


def claimed(series_id: str, file: str, label: str, file_of_series: dict[str, str]) -> str:
    """Claim the series id of a file and return it; raise `InputError` if it is invalid or already claimed."""
    checked = check_series_id(series_id)
    owner = f"{label} in {file}" if label else file
    claimed_by = file_of_series.setdefault(checked, owner)
    if claimed_by != owner:
        raise InputError(Code.INVALID_SERIES_ID, f"{claimed_by} has the same series id {checked}.")
    return checked


def grouped(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Yield lines in groups that are small enough for one request."""
    group: list[Line] = []
    size = 0
    for line in lines:
        if group and (len(group) == LINES_PER_REQUEST or size + len(line.content) > BYTES_PER_REQUEST):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line.content)
    if group:
        yield group


def send(client: Client, group: list[Line], tally: Tally, *, timeout_s: float) -> None:
    """Send lines until each is accepted or rejected; retry with backoff while the queue is full.

    Raises `BusyError` if the queue stays full for `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = 1.0
    while group:
        results = client.post_lines("/fit", (line.content for line in group))
        to_retry = group[len(results) :]
        for line, result in zip(group, results, strict=False):
            problem = result.get("problem")
            if problem and problem["status"] in (429, 503):
                to_retry.append(line)
            elif problem:
                reject(line.file, problem["detail"], tally)
            else:
                accept(line, result, tally)
        if to_retry:
            if time.monotonic() + pause_s > deadline:
                raise BusyError(
                    Code.QUEUE_FULL, "The queue is still full. Run the same command again later; it resumes from here."
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
        group = to_retry


def finished_jobs(client: Client, tally: Tally, timeout_s: float) -> Iterator[Job]:
    """Wait for each accepted job and yield it, in the order of acceptance.

    Raises `UnavailableError` after `timeout_s` seconds.
    """
    deadline_s = time.monotonic() + timeout_s
    for job_id in tally.job_ids:
        *_, job = polled(client, job_id, deadline_s, POLL_S)
        yield job


def report_finished(job: Job, tally: Tally) -> None:
    """Print a finished job as JSON, and a note if it did not succeed."""
    if tally.as_json:
        show_json(job)
    if job["status"] != "succeeded":
        tally.failed += 1
        note(f"{job['series_id']}: job {job['job_id']} {job['status']}: {(job['error'] or {}).get('detail', '')}")


def accept(line: Line, result: dict[str, Any], tally: Tally) -> None:
    """Count an accepted series, and print what tsad inferred and corrected."""
    unchanged = bool(result.get("unchanged"))
    tally.job_ids.append(result["job_id"])
    tally.unchanged += unchanged
    if tally.as_json:
        names = ("series_id", "job_id", "status")
        details = {"unchanged": unchanged, "points": line.points, "notes": line.notes}
        show_json({"file": line.file, **{name: result[name] for name in names}, **details})
    outcome = "unchanged" if unchanged else counted(line.points, "point")
    place = line.file if line.series_id in line.file else f"{line.file} ({line.series_id})"
    notes_console().print(cell(f"{place}: {outcome}; {'; '.join(line.notes)}"))


def reject(file: str, reason: str, tally: Tally) -> None:
    """Count a rejected file or series, and print the reason."""
    tally.rejected += 1
    if tally.as_json:
        show_json({"rejected": file, "reason": reason})
    notes_console().print(cell(reason if reason.startswith(file) else f"{file}: {reason}"))
