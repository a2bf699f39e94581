"""Send a fit once, wait for it, and print what it learned."""

import hashlib
import json
from typing import Any

from api.cli.client import Client, segment
from api.cli.jobs import Job, follow, print_job, require_success
from api.cli.output import note, notes_console, show_fields, show_json, utc_time
from shared.domain.detectors.alarms import share_of
from shared.domain.detectors.parameters import OFF
from shared.errors import NotFoundError
from shared.wording import counted

MOST_LISTED = 3  # incidents
MANY_TIMES = 5  # the alarm rate: a larger share of anomalies in the training data is worth a warning
FEWEST_ANOMALIES = 2  # one anomaly in a short history is no share yet


def accept(client: Client, series_id: str, fields: dict[str, Any], *, again: bool) -> Job:
    """Send a fit and return its job; the job of an earlier command with the same points and method, if it still holds.

    The idempotency key is a hash of the request, so a command that was interrupted can be repeated. It does not hold if
    that job failed or was canceled, or if its version is not the newest; nor with `again`.
    """
    content = json.dumps(fields).encode()
    key = hashlib.sha256(f"{series_id}\n".encode() + content).hexdigest()
    while True:
        job = client.post_once(f"/fit/{series_id}", content, key)
        if job["status"] in ("queued", "running") or (not again and _is_newest(client, job)):
            return job
        key = hashlib.sha256(f"{key}{job['job_id']}".encode()).hexdigest()


def finish(client: Client, job: Job, timeout_s: float, *, as_json: bool) -> None:
    """Wait until a fit ends and print what it learned; raise `FitError` unless it succeeded."""
    job = follow(client, job["job_id"], notes_console(), timeout_s)
    if job["version"] is None:
        print_job(job, as_json=as_json)
    else:
        print_fit(client, job, as_json=as_json)
    require_success(job)


def print_fit(client: Client, job: Job, *, as_json: bool) -> None:
    """Print what a succeeded job learned: detector, anomalies in the training data, alarm rate and plot."""
    version = client.get(f"/series/{job['series_id']}/versions/{job['version']}")
    points = client.get(f"/series/{job['series_id']}/versions/{job['version']}/points")
    newest = max(
        (time for time, score in zip(points["timestamps"], points["score"], strict=True) if _fires(score)), default=None
    )
    plot = f"{client.address.rstrip('/')}/plot?series_id={segment(job['series_id'])}&version={job['version']}"
    learnt = version["learnt"]
    fitted = {
        "anomalies": round(version["anomaly_share"] * version["points"]),
        "anomaly_share": version["anomaly_share"],
        "newest_anomaly": newest,
        "why": learnt.get("why"),
        "promise": learnt.get("promise"),
        "incidents": version["incidents"],
        "plot": plot,
    }
    if as_json:
        show_json({**job, "fitted": fitted})
    else:
        show_fields(job, _lines(job, version, fitted), as_json=False)
    _warn(version, fitted["anomalies"])
    if version["incidents"]:
        note(offer(version["incidents"]))


def _lines(job: Job, version: Job, fitted: Job) -> dict[str, object]:
    found = f"{fitted['anomalies']:,} of {counted(version['points'], 'point')} ({100 * fitted['anomaly_share']:.2g} %)"
    newest = fitted["newest_anomaly"]
    span = f"{utc_time(version['first_timestamp'])} to {utc_time(version['last_timestamp'])}"
    return {
        "job": job["job_id"],
        "status": job["status"],
        "series": f"{job['series_id']}, version {job['version']}",
        "points": f"{version['points']:,}, {span}",
        "detector": f"{version['detector']}: {fitted['why']}" if fitted["why"] else version["detector"],
        "anomalies": found if newest is None else f"{found}, the newest at {utc_time(newest)}",
        "alarm rate": fitted["promise"] or "not promised: the detector has a fixed threshold",
        "plot": fitted["plot"],
    }


def offer(incidents: list[list[int]]) -> str:
    """Describe the stretches that look like incidents, and how to leave them out."""
    spans = [f"{utc_time(first)} to {utc_time(last)}" for first, last in incidents[:MOST_LISTED]]
    rest = f", and {len(incidents) - MOST_LISTED} more" if len(incidents) > MOST_LISTED else ""
    windows = ",".join("/".join(utc_time(time).replace(" ", "T") for time in window) for window in incidents)
    return (
        f"Looks like {counted(len(incidents), 'incident')}: {'; '.join(spans)}{rest}. To leave them out, fit "
        f"again with -p exclude={windows}"
    )


def _warn(version: Job, anomalies: int) -> None:
    """Report a share of anomalies that is many times the alarm rate."""
    alarm_rate = version["parameters"].get("alarm_rate", OFF)
    if alarm_rate == OFF or anomalies < FEWEST_ANOMALIES:
        return
    interval_s = (version["last_timestamp"] - version["first_timestamp"]) / max(version["points"] - 1, 1)
    times = version["anomaly_share"] / share_of(alarm_rate, interval_s)
    if times > MANY_TIMES:
        note(
            f"Warning: {100 * version['anomaly_share']:.2g} % of the training points are anomalies, {times:,.0f} times "
            f"the alarm rate of {alarm_rate}. Look at the plot. If they are incidents, all is well; if not, leave out "
            "what is not normal (-p exclude=FROM/TO), or try another detector: `tsad detectors`."
        )


def _is_newest(client: Client, job: Job) -> bool:
    """Whether the job published the newest version of its series, so that fitting its points again changes nothing."""
    found = client.get(f"/jobs/{job['job_id']}")
    if found["version"] is None:
        return False
    try:
        (newest,) = client.get(f"/series/{job['series_id']}/versions", limit=1)["versions"]
    except (NotFoundError, ValueError):  # the versions were deleted
        return False
    if newest["version"] != found["version"]:
        return False
    note(f"Unchanged: version {newest['version']} was fitted on the same points. --again fits them again.")
    return True


def _fires(score: float | None) -> bool:
    return score is not None and score > 1
