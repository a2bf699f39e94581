"""`tsad push`: store points of a series, from a file or as they arrive, and print the verdicts."""

import math
from typing import Annotated

import typer

from api.cli.incoming import Incoming, Line
from api.cli.options import DEFAULT_URL, AsJson, Key, Patience, Url, reads_files
from api.cli.output import flush, note, show_json
from api.cli.patience import PatientClient
from api.cli.pushing import Pushed, Pusher
from api.cli.verdicts import ANOMALY_FOUND, exit_with
from api.files.choices import NOTHING_STATED, Choices
from api.files.content import STDIN
from api.files.lines import parse_point
from api.files.reading import read
from shared.domain.series import check_series_id
from shared.errors import Code, InputError

MAX_LINES = 1_000  # per request
FLUSH_S = 1.0
OF_FILES = ("series_column", "encoding", "skip_rows", "doubled")  # options that concern no single line


@reads_files()
def push(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    source: Annotated[
        str, typer.Argument(help="CSV, NDJSON, JSON or Parquet file; - follows standard input, line by line.")
    ],
    *,
    include_normal: Annotated[bool, typer.Option("--all", help="List normal points too.")] = False,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"Exit with code {ANOMALY_FOUND} if there is an anomaly.")
    ] = False,
    choices: Choices,
    timeout: Patience = 900,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Store points of a series. The API judges each new one and opens alerts by the series' watch.

    A line of standard input is TIME,VALUE, or VALUE alone for the current time, or {"timestamp": …, "value": …}.
    Lines are sent within a second of their arrival; with --json, each request prints a line.
    Points that were stored before change nothing, so an interrupted command can be repeated; it also retries by itself
    while the API is away.
    If points were refused or lines skipped, the exit code is 1; if points were not judged, it is 6.

    [bold]tsad push boiler today.csv[/]

    [bold]tail -f boiler.csv | tsad push boiler -[/]
    """
    series_id = check_series_id(series)
    with PatientClient(url, key, timeout) as client:
        pusher = Pusher(client, series_id, include_normal=include_normal, as_json=as_json)
        if source == STDIN:
            pushed = follow(pusher, Pushed(series_id), choices, as_json=as_json)
        else:
            points = read(source, choices, series=series_id)
            note(*points.notes)
            pushed = pusher.push(points.timestamps.tolist(), points.values.tolist())
            if as_json:
                show_json(pushed.document())
    note(*pushed.lines())
    if pushed.anomalies and fail_on_anomaly:
        raise typer.Exit(ANOMALY_FOUND)
    if pushed.refused or pushed.skipped:
        raise typer.Exit(1)
    exit_with(anomaly=False, unjudged=bool(pushed.unjudged), fail_on_anomaly=False)


def follow(pusher: Pusher, total: Pushed, choices: Choices, *, as_json: bool) -> Pushed:
    """Push the lines of standard input until it ends, and return `total` with what became of them."""
    stated = [name for name in OF_FILES if getattr(choices, name) != getattr(NOTHING_STATED, name)]
    if stated:
        option = f"--{stated[0].replace('_', '-')}"
        raise InputError(Code.INVALID_REQUEST, f"{option} is about files: it does not work for lines as they arrive.")
    incoming = Incoming()
    try:
        for lines in incoming.batches(MAX_LINES, FLUSH_S):
            push_lines(pusher, lines, total, choices, as_json=as_json)
    except KeyboardInterrupt:
        push_lines(pusher, incoming.pending, total, choices, as_json=as_json)
        note(*total.lines())
        raise
    return total


def push_lines(pusher: Pusher, lines: list[Line], total: Pushed, choices: Choices, *, as_json: bool) -> None:
    """Push the points of lines, and add what became of them to `total`."""
    timestamps: list[int] = []
    values: list[float | None] = []
    skipped = 0
    for line in lines:
        try:
            point = parse_point(line.text, choices)
        except InputError as error:
            skipped += 1
            note(f"Line {line.number} was skipped: {error.detail}")
            continue
        if point:
            timestamps.append(line.arrived_at if point.timestamp is None else point.timestamp)
            values.append(None if point.value is None or math.isnan(point.value) else point.value)
    pushed = pusher.push(timestamps, values)
    pushed.skipped = skipped
    total.add(pushed)
    if as_json and (timestamps or skipped):
        show_json(pushed.document())
    flush()
