"""`tsad series`: list, show, pin, delete and plot series and their versions."""

import webbrowser
from collections.abc import Callable
from operator import itemgetter
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.drawing import draw, sparkline
from api.cli.options import DEFAULT_URL, AsJson, Key, Limit, Url, Version, Yes
from api.cli.output import confirm, note, show, show_fields, show_json, show_page, to_the_second, utc_time
from shared.domain.series import check_series_id

series = typer.Typer(help="List, show, pin, delete and plot series and their versions.", no_args_is_help=True)

Row = dict[str, Any]  # a series or a version, as the API lists it

SeriesId = Annotated[str, typer.Argument(help="Id of the series.", metavar="SERIES")]


def _first(row: Row) -> str | None:
    return _time(row["first_timestamp"])


def _last(row: Row) -> str | None:
    return _time(row["last_timestamp"])


def _time(timestamp: int | None) -> str | None:
    return None if timestamp is None else utc_time(timestamp)


def _anomaly_share(row: Row) -> str | None:
    share = row["anomaly_share"]
    return None if share is None else f"{100 * share:.2f} %"


SERIES_COLUMNS: dict[str, Callable[[Row], object]] = {
    "series": itemgetter("series_id"),
    "latest": itemgetter("latest_version"),
    "pinned": itemgetter("pinned_version"),
    "versions": itemgetter("versions"),
    "detector": itemgetter("detector"),
    "points": itemgetter("points"),
    "until": _last,
    "anomalies": _anomaly_share,
    "values": lambda row: sparkline(row["sparkline"]),
}
VERSION_COLUMNS: dict[str, Callable[[Row], object]] = {
    "version": itemgetter("version"),
    "detector": itemgetter("detector"),
    "points": itemgetter("points"),
    "from": _first,
    "until": _last,
    "anomalies": _anomaly_share,
    "fitted in ms": itemgetter("fit_ms"),
    "published": lambda row: to_the_second(row["created_at"]),
}


@series.command("list")
def list_series(
    *,
    prefix: Annotated[str, typer.Option(help="Only series whose ids have this prefix.", show_default=False)] = "",
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List series that have versions or stored points, sorted by id.

    [bold]tsad series list --prefix boiler- --limit 1000 --json[/]
    """
    with Client(url, key) as client:

        def total() -> int | None:
            return client.get("/series", prefix=prefix, limit=1, total=True).get("total")

        rows = client.entries("/series", "series", limit + 1, prefix=prefix)
        show_page(rows, SERIES_COLUMNS, limit, total, as_json=as_json)


@series.command("show")
def show_series(series_id: SeriesId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show a series, its latest version and its last job."""
    with Client(url, key) as client:
        _print_series(client.get(_path(series_id)), as_json=as_json)


@series.command("versions")
def list_versions(
    series_id: SeriesId, *, limit: Limit = 50, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False
) -> None:
    """List the versions of a series, newest first. What each learned is in the JSON.

    [bold]tsad series versions boiler --json | jq .learnt[/]
    """
    with Client(url, key) as client:
        versions = client.entries(f"{_path(series_id)}/versions", "versions", limit + 1)
        show_page(versions, VERSION_COLUMNS, limit, as_json=as_json)


@series.command("pin")
def pin(
    series_id: SeriesId,
    version: Annotated[int, typer.Argument(min=1, help="Version to serve as latest.")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Serve a version as latest until it is unpinned, for example to roll back without refitting."""
    with Client(url, key) as client:
        _print_series(client.put(f"{_path(series_id)}/pin", {"version": version}), as_json=as_json)


@series.command("unpin")
def unpin(series_id: SeriesId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Remove the pin: the newest version is the latest again."""
    with Client(url, key) as client:
        _print_series(client.delete(f"{_path(series_id)}/pin"), as_json=as_json)


@series.command("delete")
def delete(
    series_id: SeriesId,
    *,
    version: Annotated[str, typer.Option(help="Delete only this version.", show_default="all versions")] = "",
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete a series with all its versions, or one version. The next fit continues the version numbers."""
    target = f"version {version} of {series_id}" if version else f"{series_id} with all its versions"
    if not yes:
        confirm(f"Delete {target}?")
    with Client(url, key) as client:
        if version:
            client.delete(f"{_path(series_id)}/versions/{segment(version)}")
            answer = {"series_id": series_id, "deleted_version": version}
        else:
            answer = client.delete(_path(series_id))
    show_json(answer) if as_json else note(f"Deleted {target}.")


@series.command("plot")
def plot(
    series_id: SeriesId,
    *,
    version: Version = "latest",
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Draw in the terminal instead of opening a browser.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
) -> None:
    """Open the chart of a version in the browser, or draw it in the terminal if there is no browser."""
    with Client(url, key) as client:
        path = f"{_path(series_id)}/versions/{segment(version)}"
        row = client.get(path)
        page = f"{url.rstrip('/')}/plot?series_id={segment(row['series_id'])}&version={row['version']}"
        if terminal or not webbrowser.open(page):
            points = client.get(f"{path}/data")
            show(draw(points["timestamps"], points["values"], row["learnt"]))
    note(page)


def _path(series_id: str) -> str:
    return f"/series/{check_series_id(series_id)}"


def _print_series(row: Row, *, as_json: bool) -> None:
    job = row.get("last_job")
    fields = {
        "series": row["series_id"],
        "latest": row["latest_version"],
        "pinned": row["pinned_version"],
        "versions": row["versions"],
        "detector": row["detector"],
        "points": row["points"],
        "from": _first(row),
        "until": _last(row),
        "anomalies": _anomaly_share(row),
        "fitted": row["fitted_at"] and to_the_second(row["fitted_at"]),
        "last job": job and f"{job['job_id']} {job['status']}",
    }
    show_fields(row, fields, as_json=as_json)
