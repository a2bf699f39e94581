"""Following a fit job until it has ended, with a progress bar where somebody watches."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.client import Client
from shared.errors import Code, FitError, UnavailableError

LOOK_S = 0.5


def follow(
    client: Client, job_id: str, console: Console, longest_s: float, check: Callable[[], object] = int
) -> dict[str, Any]:
    """Poll the job until it has ended; `UnavailableError` when that takes longer than `longest_s`."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    job: dict[str, Any] = {}
    deadline = time.monotonic() + longest_s
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"job {job_id[:8]} queued", total=1.0)
        while not job.get("finished_at"):
            left = deadline - time.monotonic()
            if left <= 0 and job:
                raise UnavailableError(
                    Code.START_FAILED, f"The job {job_id} is still {job['status']} after {longest_s:g} s."
                )
            job = client.get(f"/jobs/{job_id}", wait=max(0.0, min(LOOK_S, left)))
            progress.update(bar, completed=job["progress"], description=f"job {job_id[:8]} {job['status']}")
            check()
    return job


def succeeded(job: dict[str, Any]) -> dict[str, Any]:
    """The job; `FitError` with its own sentence unless it succeeded."""
    if job["status"] != "succeeded":
        reason = (job["error"] or {}).get("detail", "it was stopped before it published a version.")
        raise FitError(Code.FIT_FAILED, f"The job {job['job_id']} {job['status']}: {reason}")
    return job
