"""`tsad jobs`: list, show, wait for, cancel and retry fit jobs."""

from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.fits import finish
from api.cli.jobs import print_job
from api.cli.options import DEFAULT_URL, AsJson, Key, Limit, Timeout, Url
from api.cli.output import show_page, to_the_second
from api.cli.patience import PatientClient
from shared.domain.jobs import Status

jobs = typer.Typer(help="List, show, wait for, cancel and retry fit jobs.", no_args_is_help=True)

COLUMNS: dict[str, Callable[[dict[str, Any]], object]] = {
    "job": itemgetter("job_id"),
    "series": itemgetter("series_id"),
    "status": itemgetter("status"),
    "version": itemgetter("version"),
    "detector": itemgetter("detector"),
    "points": itemgetter("points_used"),
    "accepted": lambda job: to_the_second(job["created_at"]),
    "error": lambda job: job["error"] and job["error"]["code"],
}

JobId = Annotated[str, typer.Argument(help="Id of the job.", metavar="JOB")]


@jobs.command("list")
def list_jobs(
    *,
    series: Annotated[str | None, typer.Option(help="Only jobs of this series.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only jobs with this status.")] = None,
    after: Annotated[datetime | None, typer.Option(help="Only jobs accepted after this time, in UTC.")] = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    [bold]tsad jobs list --status failed --json | jq -r .job_id[/]
    """
    filters = {"series_id": series, "status": status, "created_after": after and after.isoformat()}
    with Client(url, key) as client:
        show_page(client.entries("/jobs", "jobs", limit + 1, **filters), COLUMNS, limit, as_json=as_json)


@jobs.command("show")
def show_job(job: JobId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show a job's status, progress and result."""
    with Client(url, key) as client:
        print_job(client.get(_path(job)), as_json=as_json)


@jobs.command("wait")
def wait_for_job(
    job: JobId, *, timeout: Timeout = 900, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False
) -> None:
    """Wait until a job ends and print what it found; the exit code is 1 unless it succeeds."""
    with PatientClient(url, key, timeout) as client:
        finish(client, client.get(_path(job)), timeout, as_json=as_json)


@jobs.command("cancel")
def cancel_job(job: JobId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Cancel a job, so that it publishes no version."""
    with Client(url, key) as client:
        print_job(client.post(f"{_path(job)}/cancel", None), as_json=as_json)


@jobs.command("retry")
def retry_job(
    job: JobId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the new job ends.")] = False,
    timeout: Timeout = 900,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Retry a failed or canceled job as a new job with the same data."""
    with Client(url, key) as client:
        new_job = client.post(f"{_path(job)}/retry", None)
    if not wait:
        print_job(new_job, as_json=as_json)
        return
    with PatientClient(url, key, timeout) as patient:
        finish(patient, new_job, timeout, as_json=as_json)


def _path(job_id: str) -> str:
    return f"/jobs/{segment(job_id)}"
