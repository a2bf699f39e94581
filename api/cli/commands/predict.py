"""`tsad predict`: judge one point, or those of a file."""

import time
from itertools import repeat
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, AsJson, IfDoubled, Key, OfUnit, OfVersion, TimeColumn, Url, ValueColumn
from api.cli.output import moment, note, show, show_json, table
from api.cli.points import Choices, Doubled, read
from api.cli.times import Unit, second
from api.cli.verdicts import ANOMALY_FOUND, print_verdict, word
from shared.domain.series import check_series_id
from shared.errors import Code, InputError


def predict(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    value: Annotated[float | None, typer.Option(help="The value to judge.", show_default=False)] = None,
    at: Annotated[str, typer.Option(help="Its time: 2026-01-31T12:00:00Z, or unix.", show_default="now")] = "",
    context: Annotated[
        list[float] | None, typer.Option(help="A recent value before it, oldest first; may be repeated.")
    ] = None,
    file: Annotated[str, typer.Option(help="Judge the points of a file, or of standard input for -.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="List normal points of a file too.")] = False,
    version: OfVersion = "latest",
    explain: Annotated[bool, typer.Option("--explain", help="Say why.")] = False,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"End with exit code {ANOMALY_FOUND} if there is an anomaly.")
    ] = False,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: OfUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Judge one point, or all points of a file.

    [bold]tsad predict boiler --value 35.5 --at 2026-01-31T12:00:00Z --explain[/]

    [bold]tsad predict boiler --file new.csv --fail-on-anomaly[/]
    """
    if (value is None) == (not file):
        raise InputError(Code.INVALID_REQUEST, "Give either --value or --file.")
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
            columns = client.post(f"/predict/{series_id}/batch", points.body(), version=version)
            anomalies = _show_batch(points.body(), columns, everything=everything, as_json=as_json)
    if anomalies and fail_on_anomaly:
        raise typer.Exit(ANOMALY_FOUND)


def time_of(text: str, unit: Unit | None = None) -> int:
    """Return whole seconds since 1970; the present time for an empty text."""
    return second(text, unit) if text else int(time.time())


def _show_batch(points: dict[str, Any], columns: dict[str, Any], *, everything: bool, as_json: bool) -> int:
    """Print the points that are asked for; return how many are anomalies."""
    names = ("timestamp", "value", "anomaly", "score", "expected", "lower", "upper")
    cells = [points["timestamps"], points["values"], *(columns[name] for name in names[2:])]
    rows = [row for row in zip(*cells, strict=True) if everything or as_json or row[2]]
    if as_json:
        for row, number in zip(rows, repeat(columns["model_version"])):
            show_json({**dict(zip(names, row, strict=True)), "model_version": number})
    elif rows:
        show(table(("time", *names[1:]), ((moment(row[0]), row[1], word(row[2]), *row[3:]) for row in rows)))
    anomalies: int = columns["anomaly"].count(True)
    unknown = columns["anomaly"].count(None)
    note(
        f"{anomalies:,} of {len(cells[0]):,} points are anomalies, by version {columns['model_version']} "
        f"({columns['detector']})" + (f"; {unknown:,} have too little before them to be judged" if unknown else "")
    )
    return anomalies
