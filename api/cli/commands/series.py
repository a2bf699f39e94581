"""`tsad series`: look at series and their versions, choose what latest means, delete, plot."""

import webbrowser
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.drawing import draw
from api.cli.options import DEFAULT_URL, AsJson, Key, Limit, OfVersion, Url
from api.cli.output import facts, moment, note, show, show_json, table
from shared.domain.series import check_series_id

series = typer.Typer(
    help="Look at series and their versions, choose what latest means, delete, plot.", no_args_is_help=True
)

SeriesId = Annotated[str, typer.Argument(help="Id of the series.", metavar="SERIES")]


@series.command("list")
def list_series(
    *,
    prefix: Annotated[str, typer.Option(help="How their ids begin.", show_default=False)] = "",
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List series that have versions, in the order of their ids.

    [bold]tsad series list --prefix boiler- --limit 1000 --json[/]
    """
    with Client(url, key) as client:
        found = list(client.listed("/series", "series", limit, prefix=prefix))
    if as_json:
        for one in found:
            show_json(one)
        return
    columns = ("series", "latest", "pinned", "versions", "detector", "points", "until", "anomalies", "values")
    show(table(columns, (_row(one) for one in found)))


@series.command("show")
def show_series(series_id: SeriesId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show a series, its latest version and its last job."""
    with Client(url, key) as client:
        _show(client.get(_path(series_id)), as_json=as_json)


@series.command("versions")
def list_versions(
    series_id: SeriesId, *, limit: Limit = 50, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False
) -> None:
    """List the versions of a series, newest first."""
    with Client(url, key) as client:
        found = list(client.listed(f"{_path(series_id)}/versions", "versions", limit))
    if as_json:
        for version in found:
            show_json(version)
        return
    columns = ("version", "detector", "points", "from", "until", "anomalies", "fitted in ms", "published", "learnt")
    show(table(columns, (_version_row(version) for version in found)))


@series.command("pin")
def pin(
    series_id: SeriesId,
    version: Annotated[int, typer.Argument(min=1, help="The version that latest is to mean.")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make a version what latest means until the pin is removed: roll back without refitting."""
    with Client(url, key) as client:
        _show(client.put(f"{_path(series_id)}/pin", {"version": version}), as_json=as_json)


@series.command("unpin")
def unpin(series_id: SeriesId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Make the newest version latest again."""
    with Client(url, key) as client:
        _show(client.delete(f"{_path(series_id)}/pin"), as_json=as_json)


@series.command("delete")
def delete(
    series_id: SeriesId,
    *,
    version: Annotated[str, typer.Option(help="Only this version.", show_default="all of the series")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete a series with all its versions, or one version. The next fit continues the numbers."""
    what = f"version {version} of {series_id}" if version else f"{series_id} with all its versions"
    if not yes:
        typer.confirm(f"Delete {what}?", abort=True, err=True)
    with Client(url, key) as client:
        if version:
            client.delete(f"{_path(series_id)}/versions/{segment(version)}")
            answer = {"series_id": series_id, "deleted_version": version}
        else:
            answer = client.delete(_path(series_id))
    show_json(answer) if as_json else note(f"Deleted {what}.")


@series.command("plot")
def plot(
    series_id: SeriesId,
    *,
    version: OfVersion = "latest",
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw here instead of in a browser.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
) -> None:
    """Open the chart of a version in the browser, or draw it in the terminal where there is none."""
    with Client(url, key) as client:
        path = f"{_path(series_id)}/versions/{segment(version)}"
        found = client.get(path)
        page = f"{url.rstrip('/')}/plot?series_id={segment(found['series_id'])}&version={found['version']}"
        if terminal or not webbrowser.open(page):
            points = client.get(f"{path}/data")
            show(draw(points["timestamps"], points["values"], found["learnt"]))
    note(page)


def _path(series_id: str) -> str:
    return f"/series/{check_series_id(series_id)}"


def _show(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(one)
        return
    job = one.get("last_job")
    show(
        facts(
            {
                "series": one["series_id"],
                "latest": one["latest_version"],
                "pinned": one["pinned_version"],
                "versions": one["versions"],
                "detector": one["detector"],
                "points": one["points"],
                "from": _moment(one["first_timestamp"]),
                "until": _moment(one["last_timestamp"]),
                "anomalies": _share(one["anomaly_share"]),
                "fitted": one["fitted_at"],
                "last job": job and f"{job['job_id']} {job['status']}",
            }
        )
    )


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    head = (one["series_id"], one["latest_version"], one["pinned_version"], one["versions"], one["detector"])
    end = (one["points"], _moment(one["last_timestamp"]), _share(one["anomaly_share"]))
    return (*head, *end, sparkline(one["sparkline"]))


def _version_row(version: dict[str, Any]) -> tuple[object, ...]:
    span = (_moment(version["first_timestamp"]), _moment(version["last_timestamp"]))
    end = (_share(version["anomaly_share"]), version["fit_ms"], version["created_at"][:19] + "Z", version["learnt"])
    return (version["version"], version["detector"], version["points"], *span, *end)


def sparkline(values: list[float] | None, width: int = 20) -> str:
    """The values as a row of bars; empty without any."""
    if not values:
        return ""
    bars = "▁▂▃▄▅▆▇█"
    step = max(1, len(values) // width)
    low, high = min(values), max(values)
    return "".join(bars[round((value - low) / ((high - low) or 1.0) * 7)] for value in values[::step][:width])


def _moment(timestamp: int | None) -> str | None:
    return None if timestamp is None else moment(timestamp)


def _share(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"
