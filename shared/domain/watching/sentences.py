"""What alerts and streams say to people, in sentences."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.watching import durations
from shared.domain.watching.alerts import Alert, AlertStatus, Kind
from shared.domain.watching.growing import first_fit_at
from shared.domain.watching.schedules import FAILING
from shared.domain.watching.watches import Watch
from shared.wording import readable


def time_of(timestamp: float) -> str:
    """Return a timestamp as people write it, in UTC."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"


def subject_of(alert: Alert, series_id: str | None) -> str:
    """Return what an alert is about: a series, or the streams of a watch."""
    return series_id or f"{alert.points:,} streams of the watch {alert.watch}"


def of_alert(alert: Alert, subject: str) -> str:
    """Say what happened, since when and how bad. subject: the id of the series, or the streams of a watch."""
    if alert.kind == Kind.SILENCE:
        start = f"{subject} sent no points after {time_of(alert.last_anomaly_at)}."
        if alert.status == AlertStatus.CLOSED and alert.ended_at is not None:
            return f"{start} The silence ended at {time_of(alert.ended_at)}."
        return start
    if alert.kind == Kind.REFIT_FAILING:
        start = f"The last {FAILING} automatic fits of {subject} failed, the newest one at {time_of(alert.opened_at)}."
        if alert.status == AlertStatus.CLOSED and alert.ended_at is not None:
            return f"{start} This ended at {time_of(alert.ended_at)}."
        return f"{start} Its schedule has the reason."
    peak = alert.peak
    assert peak is not None  # noqa: S101 - a deviation has one
    beside = (peak.value, peak.expected, peak.lower, peak.upper)
    band = ""
    if peak.expected is not None:
        band = f", expected {readable(peak.expected, *beside)}"
        if peak.lower is not None and peak.upper is not None:
            band += f" (normal {readable(peak.lower, *beside)} to {readable(peak.upper, *beside)})"
    value, score = readable(peak.value, *beside), readable(peak.score, digits=3)
    worst = f"the worst was {value} at {time_of(peak.timestamp)}{band}, score {score}"
    count = "1 anomaly" if alert.points == 1 else f"{alert.points:,} anomalies"
    if alert.status == AlertStatus.OPEN:
        return f"{subject} deviates since {time_of(alert.started_at)}: {count}, {worst}."
    lasted = durations.rough(max(alert.last_anomaly_at - alert.started_at, 1))
    return f"{subject} deviated from {time_of(alert.started_at)} for {lasted}: {count}, {worst}."


@dataclass(frozen=True, slots=True)
class StreamState:
    """What the status of a stream depends on."""

    series_id: str
    points: int
    version: int | None  # the latest of the series
    silent_since: int | None  # timestamp of the last point, while the stream is silent
    fit_is_due: bool
    usual_step_s: float | None
    last_timestamp: int | None
    is_ended: bool = False


def status_of(stream: StreamState, watch: Watch | None, min_points: int) -> tuple[str, str]:
    """Return the status of a stream and its reason. min_points: the fewest that the watch's detector learns from."""
    if stream.silent_since is not None:
        return "silent", f"no points since {time_of(stream.silent_since)}"
    if stream.is_ended:
        return "ended", "its sender said that no more points come; it is silent unless one comes within 5 minutes"
    if watch is not None and watch.paused:
        return "paused", f"the watch {watch.name} is paused: points are stored and judged, but no alert opens"
    if stream.version is None:
        return "learning", _why_learning(stream, watch, min_points)
    if watch is None:
        return "watching", "points are judged, but no watch has a prefix of this id, so no alert opens"
    return "watching", f"judged by version {stream.version} under the watch {watch.name}"


def _why_learning(stream: StreamState, watch: Watch | None, min_points: int) -> str:
    if watch is None:
        return "no version and no watch: send a fit, or create a watch that fits it"
    if stream.fit_is_due:
        return "the first fit is requested"
    needed = first_fit_at(stream.series_id, min_points)
    if stream.points >= needed:  # requested meanwhile, or refused until it has more points
        return f"{stream.points:,} points, waiting for the first fit"
    reason = f"{stream.points:,} of {needed:,} points"
    if stream.usual_step_s and stream.last_timestamp is not None:
        at = stream.last_timestamp + stream.usual_step_s * (needed - stream.points)
        reason += f", first fit at about {time_of(at)}"
    return reason
