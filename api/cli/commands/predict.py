"""`tsad predict`: score one point, or the points of a file."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import repeat
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, AsJson, Key, Url, Version, reads_files
from api.cli.output import note, show, show_json, table, utc_time
from api.cli.verdicts import ANOMALY_FOUND, UNJUDGED, exit_with, label, not_judged, print_verdict
from api.files.choices import NOTHING_STATED, Choices
from api.files.lines import parse_time
from api.files.reading import read
from shared.domain.series import check_series_id
from shared.errors import Code, InputError
from shared.wording import counted

NO_VERDICT = (
    "The detector knows too few values before them: send the points since the end of the training data, or fit it. A "
    "seasonal version does not judge times without training data."
)


@reads_files()
def predict(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    value: Annotated[
        str | None, typer.Option(help="Value to score; with --file, the value column.", show_default=False)
    ] = None,
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
    choices: Choices,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score one point, or all points of a file.

    If a point cannot be judged, because too few values before it are known, the exit code is 6.

    [bold]tsad predict boiler --value 35.5 --at 2026-01-31T12:00:00Z --explain[/]

    [bold]tsad predict boiler --file new.csv --fail-on-anomaly[/]
    """
    if value is None and not file:
        raise InputError(Code.INVALID_REQUEST, "Specify either --value or --file.")
    if file and value is not None:
        choices = replace(choices, value_column=value)
    series_id = check_series_id(series)
    with Client(url, key) as client:
        if value is not None and not file:
            timestamp, number = time_of(at, choices), finite(value)
            body: dict[str, Any] = {"timestamp": timestamp, "value": number}
            if context:
                body["context"] = [finite(str(before)) for before in context]
            verdict = _verdict(client, series_id, body, version, explain=explain)
            print_verdict(timestamp, number, verdict, as_json=as_json)
            verdicts = [verdict["anomaly"]]
        else:
            points = read(file, choices, series=series_id)
            note(*points.notes)
            answer = client.post(f"/predict/{series_id}/batch", points.body(), version=version)
            _show_batch(points.body(), answer, include_normal=include_normal, as_json=as_json)
            verdicts = answer["anomaly"]
    exit_with(anomaly=True in verdicts, unjudged=None in verdicts, fail_on_anomaly=fail_on_anomaly)


def finite(text: str) -> float:
    """Return the number; raise `InputError` for NaN, infinity and other text, which cannot be judged."""
    try:
        number = float(text)
    except ValueError:
        raise InputError(Code.INVALID_REQUEST, f"--value is {text!r}, which is not a number.") from None
    if not math.isfinite(number):
        raise InputError(Code.NOT_FINITE, f"{number} is not a finite number, so it cannot be judged.")
    return number


def _verdict(client: Client, series_id: str, body: dict[str, Any], version: str, *, explain: bool) -> Mapping[str, Any]:
    """Return the verdict on a point, or what stands for it if too few values before the point are known."""
    try:
        return client.post(f"/predict/{series_id}", body, version=version, explain=str(explain).lower())
    except InputError as error:
        if error.code not in UNJUDGED:
            raise
        return not_judged(error.detail)


def time_of(text: str, choices: Choices = NOTHING_STATED) -> int:
    """Return whole seconds since 1970; the current time for an empty text."""
    return parse_time(text, choices) if text else int(time.time())


def _show_batch(points: dict[str, Any], verdicts: Mapping[str, Any], *, include_normal: bool, as_json: bool) -> None:
    """Print the requested points, then how many are anomalies, and how many were not judged."""
    names = ("timestamp", "value", "anomaly", "score", "expected", "lower", "upper")
    columns = [points["timestamps"], points["values"], *(verdicts[name] for name in names[2:])]
    absorbed = verdicts.get("absorbed") or [None] * len(columns[0])
    rows = [
        (row, is_absorbed)
        for row, is_absorbed in zip(zip(*columns, strict=True), absorbed, strict=True)
        if include_normal or as_json or row[2]
    ]
    if as_json:
        for (row, is_absorbed), version in zip(rows, repeat(verdicts["model_version"])):
            reason = {"reason": NO_VERDICT} if row[2] is None else {}
            more = {} if is_absorbed is None else {"absorbed": is_absorbed}
            show_json({**dict(zip(names, row, strict=True)), **more, **reason, "model_version": version})
    elif rows:
        lines = ((utc_time(row[0]), row[1], label(row[2], is_absorbed), *row[3:]) for row, is_absorbed in rows)
        show(table(("time", *names[1:]), lines))
    unjudged = [
        timestamp for timestamp, anomaly in zip(columns[0], verdicts["anomaly"], strict=True) if anomaly is None
    ]
    anomalies, judged = verdicts["anomaly"].count(True), len(columns[0]) - len(unjudged)
    note(
        f"Version {verdicts['model_version']} ({verdicts['detector']}): "
        f"{counted(anomalies, 'anomaly', 'anomalies')} in {counted(judged, 'judged point' if unjudged else 'point')}"
    )
    if held := absorbed.count(True):
        note(f"{counted(held, 'point')} absorbed: without the anomalies before, an anomaly too. --all lists them.")
    if unjudged:
        note(
            f"Not judged: {counted(len(unjudged), 'point')} of {len(columns[0]):,}, "
            f"{utc_time(unjudged[0])} to {utc_time(unjudged[-1])}. {NO_VERDICT}"
        )
