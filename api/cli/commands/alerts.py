"""`tsad alerts`: list, show, acknowledge and review alerts."""

from collections.abc import Callable
from operator import itemgetter
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.options import DEFAULT_URL, AsJson, Key, Limit, Url
from api.cli.output import show_fields, show_page, to_the_second, utc_time
from api.cli.watching import seconds
from shared.domain.watching.alerts import AlertStatus, Kind, Review

alerts = typer.Typer(help="List, show, acknowledge and review alerts.", no_args_is_help=True)

Alert = dict[str, Any]  # as the API returns it

COLUMNS: dict[str, Callable[[Alert], object]] = {
    "alert": itemgetter("alert_id"),
    "status": itemgetter("status"),
    "series": lambda alert: alert["series_id"] or f"{alert['points']:,} streams",
    "watch": itemgetter("watch"),
    "kind": itemgetter("kind"),
    "began": lambda alert: utc_time(alert["began_at"]),
    "ended": lambda alert: _time(alert["ended_at"]),
    "score": lambda alert: alert["peak"] and alert["peak"]["score"],
    "quiet": itemgetter("quiet"),
    "review": itemgetter("review"),
    "acknowledged": lambda alert: alert["acknowledged_at"] and to_the_second(alert["acknowledged_at"]),
}

AlertId = Annotated[str, typer.Argument(help="Id of the alert.", metavar="ALERT")]


@alerts.command("list")
def list_alerts(
    *,
    series: Annotated[str | None, typer.Option(help="Only alerts of this series.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Only series whose ids have this prefix.")] = None,
    watch: Annotated[str | None, typer.Option(help="Only alerts of this watch.")] = None,
    status: Annotated[AlertStatus | None, typer.Option(help="Only alerts with this status.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only alerts of this kind.")] = None,
    review: Annotated[Review | None, typer.Option(help="Only alerts with this review.")] = None,
    began: Annotated[str | None, typer.Option(help="Only alerts that began on this day in UTC.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Only alerts that lasted until this time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only alerts that began by this time.")] = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first.

    [bold]tsad alerts list --status open[/]

    [bold]tsad alerts list --watch plant7 --from 2026-01-31 --json | jq -r .sentence[/]
    """
    filters = {"series_id": series, "prefix": prefix, "watch": watch, "status": status, "kind": kind}
    filters |= {"review": review, "began": began}
    span = {"from": seconds(start), "to": seconds(end)}
    with Client(url, key) as client:
        show_page(client.entries("/alerts", "alerts", limit + 1, **filters, **span), COLUMNS, limit, as_json=as_json)


@alerts.command("show")
def show_alert(alert: AlertId, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show what happened, since when, and how bad it is."""
    with Client(url, key) as client:
        print_alert(client.get(_path(alert)), as_json=as_json)


@alerts.command("ack")
def acknowledge(
    alert: Annotated[list[str], typer.Argument(help="Ids of the alerts.", metavar="ALERT")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Record that somebody takes care of alerts. Doing so again changes nothing."""
    with Client(url, key) as client:
        for alert_id in alert:
            print_alert(client.post(f"{_path(alert_id)}/acknowledge", None), as_json=as_json)


@alerts.command("review")
def review_alert(
    alert: AlertId,
    review: Annotated[Review | None, typer.Argument(help="What it was. Without it, as before.")] = None,
    *,
    note: Annotated[
        str | None, typer.Option(help="Note, which later alerts of the series show. Without it, as before.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the review and its note first.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Record what an alert was, for people who see the next one of its series.

    [bold]tsad alerts review 6f0c3a52-7d7e-4a35-9f0e-0a6f0a1c9b11 false_alarm --note "Load test"[/]
    """
    with Client(url, key) as client:
        before = {} if clear else client.get(_path(alert))
        body = {
            "review": before.get("review") if review is None else review,
            "note": before.get("note", "") if note is None else note,
        }
        print_alert(client.put(f"{_path(alert)}/review", body), as_json=as_json)


def print_alert(alert: Alert, *, as_json: bool) -> None:
    """Print an alert as JSON, or its fields with labels for people."""
    acknowledged = alert["acknowledged_at"]
    fields = {
        "alert": alert["alert_id"],
        "what": alert["sentence"],
        "status": alert["status"],
        "series": alert["series_id"],
        "watch": alert["watch"],
        "kind": alert["kind"],
        "began": utc_time(alert["began_at"]),
        "opened": utc_time(alert["opened_at"]),
        "last anomaly": utc_time(alert["last_anomaly_at"]) if alert["kind"] == Kind.DEVIATION else None,
        "ended": _time(alert["ended_at"]),
        "version": alert["version"],
        "quiet": alert["quiet"],
        "review": alert["review"],
        "note": alert["note"] or None,
        "acknowledged": acknowledged and f"{to_the_second(acknowledged)} by {alert['acknowledged_by']}",
    }
    show_fields(alert, fields, as_json=as_json)


def _time(timestamp: int | None) -> str | None:
    return None if timestamp is None else utc_time(timestamp)


def _path(alert_id: str) -> str:
    return f"/alerts/{segment(alert_id)}"
