"""`tsad fit`: a file becomes a fit job."""

import json
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.following import follow, succeeded
from api.cli.output import DEFAULT_URL, AsJson, Key, Url, facts, note, notes, show, show_json
from api.cli.points import Choices, Doubled, read
from api.cli.times import Unit
from shared.domain.series import check_series_id
from shared.errors import Code, InputError

Source = Annotated[str, typer.Argument(help="CSV, NDJSON, JSON or Parquet; - reads standard input.")]
Detector = Annotated[str, typer.Option(help="One of those that the API lists.", show_default="the API's default")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", help="As in threshold=2.5; may be repeated.", metavar="NAME=VALUE"),
]
TimeColumn = Annotated[str | None, typer.Option(help="Name of the column of times.", show_default="guessed")]
ValueColumn = Annotated[str | None, typer.Option(help="Name of the column of values.", show_default="guessed")]
OfUnit = Annotated[Unit | None, typer.Option(help="Of times that are numbers.", show_default="guessed")]
IfDoubled = Annotated[Doubled, typer.Option(help="What to do with several values for one second.")]
Longest = Annotated[float, typer.Option("--timeout", min=0, help="Longest wait, in seconds.")]


def fit(
    source: Source,
    *,
    series: Annotated[str, typer.Option(help="The series to fit.")],
    detector: Detector = "",
    parameter: Parameters = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    timeout: Longest = 900,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: OfUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from a file. Columns and times are guessed, and what was guessed is told.

    [bold]tsad fit boiler.csv --series boiler --wait[/]

    [bold]tsad fit - --series boiler --detector robust -p threshold=2.5 < boiler.ndjson[/]
    """
    path = f"/fit/{check_series_id(series)}"
    points = read(source, Choices(time_column, value_column, unit, doubled))
    for sentence in points.told:
        note(sentence)
    with Client(url, key) as client:
        job = client.post(path, points.body() | asked(detector, parameter))
        if wait:
            job = follow(client, job["job_id"], notes(), timeout)
    show_json(job) if as_json else show(facts(short(job)))
    if wait:
        succeeded(job)


def asked(detector: str, parameters: list[str] | None) -> dict[str, Any]:
    """The fields of a fit that say how to learn; values are JSON where they can be, else words."""
    body: dict[str, Any] = {"detector": detector} if detector else {}
    for given in parameters or ():
        name, equals, value = given.partition("=")
        if not equals:
            raise InputError(Code.INVALID_PARAMETER, f"{given} is no parameter: write it as name=value.")
        body.setdefault("parameters", {})[name] = _decoded(value)
    return body


def short(job: dict[str, Any]) -> dict[str, object]:
    """What people want to know of a job."""
    error = job.get("error")
    return {
        "job": job["job_id"],
        "series": job["series_id"],
        "status": job["status"],
        "version": job.get("version"),
        "points": job["points_used"],
        "detector": job.get("detector"),
        "parameters": job.get("parameters"),
        "progress": job.get("progress"),
        "in line": job.get("queue_position"),
        "worker": job.get("worker"),
        "attempts": job.get("attempts"),
        "retry of": job.get("retry_of"),
        "accepted": job.get("created_at"),
        "started": job.get("started_at"),
        "ended": job.get("finished_at"),
        "error": error and f"{error['code']}: {error['detail']}",
    }


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
