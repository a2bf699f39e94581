"""`tsad fit-many`: a fit job from each file of a folder."""

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
from api.cli.options import (
    DEFAULT_URL,
    AsJson,
    Detector,
    IfDoubled,
    Key,
    Longest,
    OfUnit,
    Parameters,
    TimeColumn,
    Url,
    ValueColumn,
    fit_fields,
)
from api.cli.output import cell, note, notes_console, show_json
from api.cli.points import Choices, Doubled, read
from shared.domain.series import check_series_id
from shared.errors import BusyError, Code, InputError, UnavailableError

SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet")
LINES_PER_REQUEST = 200
BYTES_PER_REQUEST = 16 * 1024**2
LONGEST_PAUSE_S = 30
POLL_S = 10.0


@dataclass
class Tally:
    """Outcome of the files so far."""

    accepted: dict[str, str] = field(default_factory=dict)  # job ids by file
    rejected: int = 0
    failed: int = 0  # jobs


@dataclass(frozen=True)
class Line:
    """A file as a line of a bulk fit."""

    file: str
    content: bytes


def fit_many(
    source: Annotated[str, typer.Argument(help="A folder, or a pattern in quotes as in 'data/*.csv'.")],
    *,
    prefix: Annotated[str, typer.Option(help="What the ids of the series begin with.", show_default=False)] = "",
    detector: Detector = "",
    parameter: Parameters = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all jobs have ended.")] = False,
    timeout: Longest = 3600,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: OfUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from each file; its id is the file's name without the ending.

    The idempotency key of each fit is made from all that is asked, so running it again, after an interruption or a full
    queue, gives the jobs that were accepted before and adds only what is missing. A file that cannot be fitted is told,
    and hurts no other; exit code 1 then.

    [bold]tsad fit-many sensors/ --prefix plant1- --wait[/]
    """
    files = point_files(source)
    choices = Choices(time_column, value_column, unit, doubled)
    fields = fit_fields(detector, parameter)
    tally = Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Client(url, key) as client, Progress(*columns, console=notes_console()) as progress:
        bar = progress.add_task("accepted", total=len(files))
        for group in grouped(lines(files, prefix, choices, fields, tally)):
            send(client, group, tally, as_json=as_json, longest_s=timeout)
            progress.update(bar, completed=len(tally.accepted) + tally.rejected)
        progress.update(bar, completed=len(files))
        if wait:
            ended = progress.add_task("ended", total=len(tally.accepted))
            for job in ended_jobs(client, tally, timeout):
                progress.advance(ended)
                report_end(job, tally, as_json=as_json)
    note(f"{len(tally.accepted):,} of {len(files):,} files are accepted, {tally.rejected:,} refused.")
    if tally.rejected or tally.failed:
        raise typer.Exit(1)


def point_files(source: str) -> list[Path]:
    """List the files of points in a folder, or those of a pattern, by name; raise `InputError` without any."""
    folder = Path(source)
    if folder.is_dir():
        files = [file for file in folder.iterdir() if file.is_file() and ending(file)]
    else:
        files = [Path(name) for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - a pattern may be absolute
    if not files:
        raise InputError(Code.INVALID_FILE, f"{source} holds no files of points: {', '.join(SUFFIXES)}, packed or not.")
    return sorted(files)


def ending(file: Path) -> str:
    """Return the suffix that says how points are stored in a file, or an empty string if it holds none."""
    match = re.search(rf"({'|'.join(map(re.escape, SUFFIXES))})(\.gz)?$", file.name, re.IGNORECASE)
    return match[0] if match else ""


def lines(files: list[Path], prefix: str, choices: Choices, fields: dict[str, Any], tally: Tally) -> Iterator[Line]:
    """Yield a line for each readable file, and reject the others."""
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
    """Claim the series id of a file and return it; raise `InputError` if it is invalid or claimed already."""
    series_id = check_series_id(prefix + file.name.removesuffix(ending(file)))
    other = file_of_series.setdefault(series_id, file)
    if other != file:
        raise InputError(Code.INVALID_SERIES_ID, f"The series {series_id} is fitted from {other} already.")
    return series_id


def grouped(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Yield lines in groups, each small enough for a request."""
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


def send(client: Client, group: list[Line], tally: Tally, *, as_json: bool, longest_s: float) -> None:
    """Send lines, and again those that find the queue full, until each is accepted or rejected.

    Raises `BusyError` if the queue stays full for `longest_s` seconds.
    """
    deadline = time.monotonic() + longest_s
    pause_s = 1.0
    while group:
        try:
            results = client.post_lines("/fit", (line.content for line in group))
        except (BusyError, UnavailableError) as error:
            if error.code is Code.API_UNREACHABLE:
                raise
            results = []  # retrying is safe because the lines have idempotency keys
        again = group[len(results) :]
        for line, result in zip(group, results, strict=False):
            problem = result.get("problem")
            if problem and problem["status"] in (429, 503):
                again.append(line)
            elif problem:
                reject(line.file, problem["detail"], tally)
            else:
                tally.accepted[line.file] = result["job_id"]
                if as_json:
                    show_json({"file": line.file, **{name: result[name] for name in ("series_id", "job_id", "status")}})
        if again:
            if time.monotonic() + pause_s > deadline:
                raise BusyError(
                    Code.QUEUE_FULL, "The queue stays full: run the same command again later, it goes on from here."
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        group = again


def ended_jobs(client: Client, tally: Tally, longest_s: float) -> Iterator[dict[str, Any]]:
    """Wait for each accepted job and yield it, in the order of acceptance.

    Raises `UnavailableError` after `longest_s` seconds.
    """
    deadline = time.monotonic() + longest_s
    for job_id in tally.accepted.values():
        while not (job := client.get(f"/jobs/{job_id}", wait=POLL_S))["finished_at"]:
            if time.monotonic() > deadline:
                raise UnavailableError(Code.START_FAILED, f"Not all jobs have ended after {longest_s:g} s.")
        yield job


def report_end(job: dict[str, Any], tally: Tally, *, as_json: bool) -> None:
    """Print an ended job as JSON, and a note if it did not succeed."""
    if as_json:
        show_json(job)
    if job["status"] != "succeeded":
        tally.failed += 1
        note(f"{job['series_id']}: the job {job['job_id']} {job['status']}: {(job['error'] or {}).get('detail', '')}")


def reject(file: str, reason: str, tally: Tally) -> None:
    """Count a file that is not fitted, and print the reason."""
    tally.rejected += 1
    notes_console().print(cell(f"{file}: {reason}"))
