"""Wait for a fit job and print it."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.client import Client
from api.cli.output import show_fields
from shared.errors import Code, FitError, UnavailableError

POLL_S = 0.5
ID_LENGTH = 8  # characters of the job id next to the progress bar


def follow(
    client: Client, job_id: str, console: Console, timeout_s: float, check: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Poll the job until it ends, with a progress bar, and call `check` after each poll.

    Raises `UnavailableError` after `timeout_s` seconds.
    """
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    job: dict[str, Any] = {}
    deadline = time.monotonic() + timeout_s
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"job {job_id[:ID_LENGTH]} queued", total=1.0)
        while not job.get("finished_at"):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 and job:
                raise UnavailableError(
                    Code.START_FAILED, f"Job {job_id} is still {job['status']} after {timeout_s:g} s."
                )
            job = client.get(f"/jobs/{job_id}", wait=max(0.0, min(POLL_S, remaining_s)))
            progress.update(bar, completed=job["progress"], description=f"job {job_id[:ID_LENGTH]} {job['status']}")
            check()
    return job


def require_success(job: dict[str, Any]) -> None:
    """Raise `FitError` with the job's error unless the job succeeded."""
    if job["status"] != "succeeded":
        reason = (job["error"] or {}).get("detail", "it was stopped before it published a version.")
        raise FitError(Code.FIT_FAILED, f"Job {job['job_id']} {job['status']}: {reason}")


def print_job(job: dict[str, Any], *, as_json: bool) -> None:
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
        "accepted": job.get("created_at"),
        "started": job.get("started_at"),
        "finished": job.get("finished_at"),
        "error": error and f"{error['code']}: {error['detail']}",
    }
    show_fields(job, fields, as_json=as_json)
