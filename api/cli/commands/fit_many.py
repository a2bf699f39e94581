"""`tsad fit-many`: create a fit job from each file of a folder."""

import glob
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.client import Client
from api.cli.jobs import Job, polled
from api.cli.options import (
    DEFAULT_URL,
    AsJson,
    Detector,
    IfDoubled,
    Key,
    Parameters,
    TimeColumn,
    Timeout,
    TimeUnit,
    Url,
    ValueColumn,
    fit_fields,
)
from api.cli.output import cell, note, notes_console, show_json
from api.cli.patience import PatientClient
from api.cli.points import Choices, Doubled, read
from shared.domain.series import check_series_id
from shared.errors import BusyError, Code, InputError
from shared.wording import counted

SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet")
LINES_PER_REQUEST = 200
BYTES_PER_REQUEST = 16 * 1024**2
MAX_PAUSE_S = 30
POLL_S = 10.0


@dataclass
class Tally:
    """Results so far."""

    accepted: dict[str, str] = field(default_factory=dict)  # job ids by file
    rejected: int = 0  # files
    failed: int = 0  # jobs


@dataclass(frozen=True)
class Line:
    """A file as one line of a bulk fit."""

    file: str
    content: bytes


def fit_many(
    source: Annotated[str, typer.Argument(help="Folder, or a quoted pattern such as 'data/*.csv'.")],
    *,
    prefix: Annotated[str, typer.Option(help="Prefix of the series ids.", show_default=False)] = "",
    detector: Detector = "",
    parameter: Parameters = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all jobs end.")] = False,
    timeout: Timeout = 3600,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: TimeUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from each file; its id is the prefix and the file name without extension.

    Each fit's idempotency key is a hash of its request.
    Run the command again after an interruption or a full queue: it finds the accepted jobs and adds only missing ones.
    Files that cannot be fitted are reported and skipped; the exit code is then 1.

    [bold]tsad fit-many sensors/ --prefix plant1- --wait[/]
    """
    files = point_files(source)
    choices = Choices(time_column, value_column, unit, doubled)
    fields = fit_fields(detector, parameter)
    tally = Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with PatientClient(url, key, timeout) as client, Progress(*columns, console=notes_console()) as progress:
        bar = progress.add_task("accepted", total=len(files))
        for group in grouped(lines(files, prefix, choices, fields, tally)):
            send(client, group, tally, as_json=as_json, timeout_s=timeout)
            progress.update(bar, completed=len(tally.accepted) + tally.rejected)
        progress.update(bar, completed=len(files))
        if wait:
            finished_bar = progress.add_task("finished", total=len(tally.accepted))
            for job in finished_jobs(client, tally, timeout):
                progress.advance(finished_bar)
                report_finished(job, tally, as_json=as_json)
    note(f"{len(tally.accepted):,} of {counted(len(files), 'file')} accepted, {tally.rejected:,} rejected.")
    if tally.rejected or tally.failed:
        raise typer.Exit(1)


def point_files(source: str) -> list[Path]:
    """List a folder's files with one of `SUFFIXES`, or a pattern's files, by name; raise `InputError` if none."""
    folder = Path(source)
    if folder.is_dir():
        files = [file for file in folder.iterdir() if file.is_file() and suffix_of(file)]
    else:
        files = [Path(name) for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - a pattern may be absolute
    if not files:
        raise InputError(
            Code.INVALID_FILE,
            f"No files in {source}. A folder needs files ending in {', '.join(SUFFIXES)}, optionally with .gz.",
        )
    return sorted(files)


def suffix_of(file: Path) -> str:
    """Return the suffix that is in `SUFFIXES`, with any `.gz`; an empty string for any other file."""
    match = re.search(rf"({'|'.join(map(re.escape, SUFFIXES))})(\.gz)?$", file.name, re.IGNORECASE)
    return match[0] if match else ""


def lines(files: list[Path], prefix: str, choices: Choices, fields: dict[str, Any], tally: Tally) -> Iterator[Line]:
    """Yield one line per readable file, and reject the other files."""
    file_of_series: dict[str, Path] = {}
    for file in files:
        try:
            body = {"series_id": series_of(file, prefix, file_of_series), **read(str(file), choices).body(), **fields}
        except InputError as error:
            reject(str(file), error.detail, tally)
            continue
        content = json.dumps(body)
        key = hashlib.sha256(content.encode()).hexdigest()
        yield Line(str(file), f'{{"idempotency_key": "{key}", {content[1:]}'.encode())


def series_of(file: Path, prefix: str, file_of_series: dict[str, Path]) -> str:
    """Claim the series id of a file and return it; raise `InputError` if it is invalid or already claimed."""
    series_id = check_series_id(prefix + file.name.removesuffix(suffix_of(file)))
    claimed_by = file_of_series.setdefault(series_id, file)
    if claimed_by != file:
        raise InputError(Code.INVALID_SERIES_ID, f"{claimed_by} has the same series id {series_id}.")
    return series_id


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


def send(client: Client, group: list[Line], tally: Tally, *, as_json: bool, timeout_s: float) -> None:
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
                tally.accepted[line.file] = result["job_id"]
                if as_json:
                    show_json({"file": line.file, **{name: result[name] for name in ("series_id", "job_id", "status")}})
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
    for job_id in tally.accepted.values():
        *_, job = polled(client, job_id, deadline_s, POLL_S)
        yield job


def report_finished(job: Job, tally: Tally, *, as_json: bool) -> None:
    """Print a finished job as JSON, and a note if it did not succeed."""
    if as_json:
        show_json(job)
    if job["status"] != "succeeded":
        tally.failed += 1
        note(f"{job['series_id']}: job {job['job_id']} {job['status']}: {(job['error'] or {}).get('detail', '')}")


def reject(file: str, reason: str, tally: Tally) -> None:
    """Count a rejected file, and print the reason."""
    tally.rejected += 1
    notes_console().print(cell(f"{file}: {reason}"))
