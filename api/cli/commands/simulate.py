"""`tsad simulate`: what a watch would have said about points of the past."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import typer

from api.cli.client import Client, segment
from api.cli.options import DEFAULT_URL, AsJson, Key, Url, reads_files
from api.cli.output import note, show_json, show_list, utc_time
from api.cli.watching import Fields, changed, document_of, seconds
from api.files.choices import Choices
from api.files.reading import read
from shared.domain.series import check_series_id
from shared.wording import counted

COLUMNS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "alert": lambda alert: alert["alert_id"],
    "began": lambda alert: utc_time(alert["began_at"]),
    "ended": lambda alert: None if alert["ended_at"] is None else utc_time(alert["ended_at"]),
    "anomalies": lambda alert: alert["points"],
    "score": lambda alert: alert["peak"]["score"],
    "version": lambda alert: alert["version"],
    "what": lambda alert: alert["sentence"],
}


@reads_files()
def simulate(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    fields: Fields = None,
    *,
    file: Annotated[
        str, typer.Option(help="Use the points of a file instead of stored ones; - reads standard input.")
    ] = "",
    watch: Annotated[str, typer.Option(help="Rule to try.", show_default="the series' watch, or the defaults")] = "",
    start: Annotated[str | None, typer.Option("--from", help="Use points from this time on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Use points up to this time.")] = None,
    choices: Choices,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Print what a watch would have said about up to 20,000 points: its alerts, and messages per week.

    The watch fits and judges as it would have done when the points arrived. Nothing is stored.

    [bold]tsad simulate boiler --watch plant7 open.anomalies=3[/]

    [bold]tsad simulate boiler --file last-month.csv parameters.alarm_rate='1 per week'[/]
    """
    series_id = check_series_id(series)
    with Client(url, key) as client:
        document = _rule(client, series_id, watch, is_stored=not file)
        body: dict[str, Any] = {"series_id": series_id, "watch": changed(document, fields)}
        first, last = seconds(start), seconds(end)
        if file:
            body |= _points(file, choices, series_id, first, last)
        body |= {name: time for name, time in (("from", first), ("to", last)) if time is not None}
        simulation = client.post("/simulate", body)
    if as_json:
        show_json(simulation)
        return
    if simulation["alerts"]:
        show_list(simulation["alerts"], COLUMNS, as_json=False)
    note(*summary(simulation))


def summary(simulation: Mapping[str, Any]) -> list[str]:
    """Return how many alerts and messages there would have been, and what was not judged."""
    anomalies = simulation["verdicts"]["anomaly"]
    times, unjudged = simulation["verdicts"]["timestamps"], anomalies.count(None)
    notices = simulation["notices"]
    sentence = (
        f"{counted(simulation['points'], 'point')}, {utc_time(times[0])} to {utc_time(times[-1])}, "
        f"{counted(len(simulation['fits']), 'fit')}: {counted(anomalies.count(True), 'anomaly', 'anomalies')} in "
        f"{counted(len(anomalies) - unjudged, 'judged point')}, {counted(len(simulation['alerts']), 'alert')}, "
        f"{counted(len(notices), 'message')}, {simulation['notices_per_week']:.3g} per week."
    )
    lines = [sentence]
    if unjudged:
        lines.append(f"Not judged: {counted(unjudged, 'point')}, most of them before the first fit.")
    if left_out := simulation["refits_left_out"]:
        lines.append(f"A simulation has at most 20 fits: {counted(left_out, 'later one')} of the schedule left out.")
    return lines


def _rule(client: Client, series_id: str, watch: str, *, is_stored: bool) -> dict[str, Any]:
    """Return the document of the named watch, or of the watch of the stored series; empty (defaults) without one."""
    if not watch and is_stored:
        stream = client.get(f"/series/{series_id}").get("stream")
        watch = (stream or {}).get("watch") or ""
    if not watch:
        return {}
    note(f"The rule is that of the watch {watch}.")
    return document_of(client.get(f"/watches/{segment(watch)}"))


def _points(file: str, choices: Choices, series_id: str, first: int | None, last: int | None) -> dict[str, Any]:
    """Return the points of a file that are within the span, as fields of a request."""
    points = read(file, choices, series=series_id)
    note(*points.notes)
    is_within = np.ones(len(points.timestamps), dtype=np.bool_)
    if first is not None:
        is_within &= points.timestamps >= first
    if last is not None:
        is_within &= points.timestamps <= last
    return {"timestamps": points.timestamps[is_within].tolist(), "values": points.values[is_within].tolist()}
