"""`tsad predict`: score one point, or the points of a file."""

import time
from itertools import repeat
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, AsJson, IfDoubled, Key, TimeColumn, TimeUnit, Url, ValueColumn, Version
from api.cli.output import note, show, show_json, table, utc_time
from api.cli.points import Choices, Doubled, read
from api.cli.times import Unit, parse_one
from api.cli.verdicts import ANOMALY_FOUND, label, print_verdict
from shared.domain.series import check_series_id
from shared.errors import Code, InputError
from shared.wording import counted


def predict(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    value: Annotated[float | None, typer.Option(help="Value to score.", show_default=False)] = None,
    at: Annotated[
        str, typer.Option(help="Time of the value: 2026-01-31T12:00:00Z, or Unix time.", show_default="now")
    ] = "",
    context: Annotated[
        list[float] | None, typer.Option(help="A value that precedes the point; repeat it for more, oldest first.")
    ] = None,
    file: Annotated[str, typer.Option(help="Score the points of a file; - reads standard input.")] = "",
    include_normal: Annotated[bool, typer.Option("--all", help="List the normal points of a file too.")] = False,
    version: Version = "latest",
    explain: Annotated[bool, typer.Option("--explain", help="Explain the verdict on a single value.")] = False,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"Exit with code {ANOMALY_FOUND} if there is an anomaly.")
    ] = False,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: TimeUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score one point, or all points of a file.

    [bold]tsad predict boiler --value 35.5 --at 2026-01-31T12:00:00Z --explain[/]

    [bold]tsad predict boiler --file new.csv --fail-on-anomaly[/]
    """
    if (value is None) == (not file):
        raise InputError(Code.INVALID_REQUEST, "Specify either --value or --file.")
    series_id = check_series_id(series)
    with Client(url, key) as client:
        if value is not None:
            point: dict[str, Any] = {"timestamp": time_of(at, unit), "value": value}
            body = point | ({"context": context} if context else {})
            verdict = client.post(f"/predict/{series_id}", body, version=version, explain=str(explain).lower())
            print_verdict(point["timestamp"], value, verdict, as_json=as_json)
            anomalies = int(verdict["anomaly"])
        else:
            points = read(file, Choices(time_column, value_column, unit, doubled))
            note(*points.notes)
            verdicts = client.post(f"/predict/{series_id}/batch", points.body(), version=version)
            anomalies = _show_batch(points.body(), verdicts, include_normal=include_normal, as_json=as_json)
    if anomalies and fail_on_anomaly:
        raise typer.Exit(ANOMALY_FOUND)


def time_of(text: str, unit: Unit | None = None) -> int:
    """Return whole seconds since 1970; the current time for an empty text."""
    return parse_one(text, unit) if text else int(time.time())


def _show_batch(points: dict[str, Any], verdicts: dict[str, Any], *, include_normal: bool, as_json: bool) -> int:
    """Print the requested points; return the number of anomalies."""
    names = ("timestamp", "value", "anomaly", "score", "expected", "lower", "upper")
    columns = [points["timestamps"], points["values"], *(verdicts[name] for name in names[2:])]
    rows = [row for row in zip(*columns, strict=True) if include_normal or as_json or row[2]]
    if as_json:
        for row, version in zip(rows, repeat(verdicts["model_version"])):
            show_json({**dict(zip(names, row, strict=True)), "model_version": version})
    elif rows:
        show(table(("time", *names[1:]), ((utc_time(row[0]), row[1], label(row[2]), *row[3:]) for row in rows)))
    anomalies: int = verdicts["anomaly"].count(True)
    unknown = verdicts["anomaly"].count(None)
    note(
        f"Version {verdicts['model_version']} ({verdicts['detector']}): "
        f"{counted(anomalies, 'anomaly', 'anomalies')} in {counted(len(columns[0]), 'point')}"
        + (f"; {counted(unknown, 'point')} with too few previous values to be scored" if unknown else "")
    )
    return anomalies
