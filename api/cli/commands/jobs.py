"""`tsad jobs`: look at fit jobs, wait for them, stop them, run them again."""

from datetime import datetime
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.jobs import follow, print_job, require_success
from api.cli.options import DEFAULT_URL, AsJson, Key, Limit, Longest, Url
from api.cli.output import notes, show, show_json, table
from shared.domain.jobs import Status

jobs = typer.Typer(help="Look at fit jobs, wait for them, stop them, run them again.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Id of the job.", metavar="JOB")]


@jobs.command("list")
def list_jobs(
    *,
    series: Annotated[str | None, typer.Option(help="Only jobs of this series.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only jobs of this status.")] = None,
    after: Annotated[datetime | None, typer.Option(help="Only jobs accepted after this time, in UTC.")] = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    [bold]tsad jobs list --status failed --json | jq -r .job_id[/]
    """
    wanted = {"series_id": series, "status": status, "created_after": after and after.isoformat()}
    with Client(url, key) as client:
        found = list(client.listed("/jobs", "jobs", limit, **wanted))
    if as_json:
        for job in found:
            show_json(job)
        return
    columns = ("job", "series", "status", "version", "detector", "points", "accepted", "error")
    show(table(columns, (_row(job) for job in found)))


@jobs.command("show")
def show_job(job: JobId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show where a job is."""
    with Client(url, key) as client:
        print_job(client.get(_path(job)), as_json=as_json)


@jobs.command("wait")
def wait_for_job(
    job: JobId, *, timeout: Longest = 900, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False
) -> None:
    """Wait until a job has ended; exit code 1 unless it succeeded."""
    with Client(url, key) as client:
        found = follow(client, client.get(_path(job))["job_id"], notes(), timeout)
    print_job(found, as_json=as_json)
    require_success(found)


@jobs.command("cancel")
def cancel_job(job: JobId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Stop a job: it publishes nothing any more."""
    with Client(url, key) as client:
        print_job(client.post(f"{_path(job)}/cancel", None), as_json=as_json)


@jobs.command("retry")
def retry_job(
    job: JobId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the new job has ended.")] = False,
    timeout: Longest = 900,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit the data of a failed or cancelled job again, as a new job."""
    with Client(url, key) as client:
        found = client.post(f"{_path(job)}/retry", None)
        if wait:
            found = follow(client, found["job_id"], notes(), timeout)
    print_job(found, as_json=as_json)
    if wait:
        require_success(found)


def _path(job_id: str) -> str:
    return f"/jobs/{segment(job_id)}"


def _row(job: dict[str, Any]) -> tuple[object, ...]:
    fields = ("job_id", "series_id", "status", "version", "detector", "points_used")
    return (*(job[field] for field in fields), job["created_at"][:19] + "Z", job["error"] and job["error"]["code"])
