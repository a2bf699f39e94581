"""Wait for a fit job and print it."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.client import Client, segment
from api.cli.output import show_fields, to_the_second
from shared.errors import Code, FitError, UnavailableError

POLL_S = 0.5
ID_LENGTH = 8  # characters of the job id next to the progress bar

Job = Mapping[str, Any]  # as the API returns it


def polled(client: Client, job_id: str, deadline_s: float, poll_s: float = POLL_S) -> Iterator[Job]:
    """Yield the job after each poll; the last one has ended.

    deadline_s: by `time.monotonic`. Raises `UnavailableError` if the job is still open then.
    """
    wait_s = 0.0
    while True:
        job = client.get(f"/jobs/{segment(job_id)}", wait=wait_s)
        yield job
        if job["finished_at"]:
            return
        wait_s = min(poll_s, deadline_s - time.monotonic())
        if wait_s <= 0:
            raise UnavailableError(
                Code.START_FAILED,
                f"Job {job_id} is still {job['status']}. It continues: wait for it with `tsad jobs wait {job_id}`.",
            )


def follow(
    client: Client, job_id: str, console: Console, timeout_s: float, check: Callable[[], object] = lambda: None
) -> Job:
    """Poll the job until it ends, with a progress bar, and call `check` after each poll.

    Raises `UnavailableError` after `timeout_s` seconds.
    """
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    job: Job = {}
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"job {job_id[:ID_LENGTH]} queued", total=1.0)
        for job in polled(client, job_id, time.monotonic() + timeout_s):
            progress.update(bar, completed=job["progress"], description=f"job {job_id[:ID_LENGTH]} {job['status']}")
            check()
    return job


def require_success(job: Job) -> None:
    """Raise `FitError` with the job's error unless the job succeeded."""
    if job["status"] != "succeeded":
        reason = (job["error"] or {}).get("detail", "it was stopped before it published a version.")
        raise FitError(Code.FIT_FAILED, f"Job {job['job_id']} {job['status']}: {reason}")


def print_job(job: Job, *, as_json: bool) -> None:
    """Print a job as JSON, or its fields with labels for people."""
    error = job.get("error")
    fields = {
        "job": job["job_id"],
        "series": job["series_id"],
        "status": job["status"],
        "version": job.get("version"),
        "points": job["points_used"],
        "detector": job.get("detector"),
        "parameters": job.get("parameters"),
        "progress": job.get("progress"),
        "queue position": job.get("queue_position"),
        "worker": job.get("worker"),
        "attempts": job.get("attempts"),
        "retry of": job.get("retry_of"),
        "accepted": _moment(job.get("created_at")),
        "started": _moment(job.get("started_at")),
        "finished": _moment(job.get("finished_at")),
        "error": error and f"{error['code']}: {error['detail']}",
    }
    show_fields(job, fields, as_json=as_json)


def _moment(api_time: str | None) -> str | None:
    return to_the_second(api_time) if api_time else None
