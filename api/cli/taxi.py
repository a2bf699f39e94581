"""The watched series of `tsad demo`: taxi rides in New York, pushed as if they arrived now."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console

from api import samples
from api.cli.client import Client
from api.cli.jobs import follow, require_success
from shared.domain.series import WEEK_S
from shared.errors import Code, TsadError

SETTINGS = {"KEEP_POINTS_DAYS": "400"}  # of the API: the pushed points are half a year old
LEARNED_SHARE = 0.4
POINTS_PER_PUSH = 6  # fewer than an alert takes to open and end, so that each is seen open
RULE = {"prefix": samples.WATCHED, "close": {"after": "366d"}, "notify_within": "366d"}  # as if the points came in time
KNOWN = {  # incidents that the publishers of the series name, by their first day
    date(2014, 11, 1): "New York City Marathon, and the end of daylight saving time",
    date(2014, 11, 26): "Thanksgiving",
    date(2014, 12, 24): "Christmas",
    date(2014, 12, 31): "New Year",
    date(2015, 1, 25): "blizzard",
}


def watch_rides(client: Client, console: Console, max_fit_s: float, check: Callable[[], object]) -> str:
    """Fit the first part of the rides, push the rest, and return the id of the alert with the highest score."""
    sample = samples.load(samples.WATCHED)
    shift_s = int(time.time() - sample.timestamps[-1]) // WEEK_S * WEEK_S
    times, values = [timestamp + shift_s for timestamp in sample.timestamps], sample.values
    first = int(LEARNED_SHARE * len(times))
    console.print(
        f"\n[bold]{sample.name}[/]: {len(times):,} half hours from {_day(times[0], shift_s)}, moved by "
        f"{shift_s // WEEK_S:,} weeks. The first {first:,} are fitted, the others are pushed as they would arrive"
    )
    fit = {"timestamps": times[:first], "values": values[:first], "detector": "auto"}
    job = follow(client, client.post(f"/fit/{sample.name}", fit)["job_id"], console, max_fit_s, check)
    require_success(job)
    client.put("/watches/rides", RULE)
    console.print(
        "  [bold]rides[/] watches it: two anomalies among three points open an alert, five normal points end it"
    )
    seen = ""
    for start in range(first, len(times), POINTS_PER_PUSH):
        part = slice(start, start + POINTS_PER_PUSH)
        answer = client.post(f"/series/{sample.name}/points", {"timestamps": times[part], "values": values[part]})
        alert_id = answer["alert_id"] or ""
        if alert_id != seen:
            _report(client, console, seen, alert_id, shift_s)
        seen = alert_id
    alerts = client.get("/alerts", series_id=sample.name)["alerts"]
    if not alerts:
        raise TsadError(Code.INTERNAL_ERROR, "No alert opened, although the rides have known incidents.")
    return str(max(alerts, key=lambda alert: alert["peak"]["score"])["alert_id"])


def _report(client: Client, console: Console, before: str, now: str, shift_s: int) -> None:
    """Print that an alert ended, or that another opened."""
    if before:
        alert = client.get(f"/alerts/{before}")
        console.print(
            f"    [green]over[/]: {alert['points']} anomalies, the highest score {alert['peak']['score']:.2f}"
        )
    if now:
        alert = client.get(f"/alerts/{now}")
        day = _day(alert["opened_at"], shift_s)
        console.print(f"  [red]alert[/] {day}{_known(day)}: {_worst(alert)}")


def _worst(alert: Mapping[str, Any]) -> str:
    peak = alert["peak"]
    return f"{peak['value']:,.0f} passengers in half an hour, score {peak['score']:.2f}"


def _known(day: date) -> str:
    """Return the incident that began at most two days before, in parentheses."""
    return next((f" ({name})" for begin, name in KNOWN.items() if 0 <= (day - begin).days <= 2), "")


def _day(timestamp: int, shift_s: int) -> date:
    return datetime.fromtimestamp(timestamp - shift_s, UTC).date()
