"""From verdicts to alerts, one point after another: a batch has the same effects as its points one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shared.domain.series import Flags, Timestamps, Values
from shared.domain.watching.alerts import BACKFILLED, Alert, AlertStatus, Anomaly, Kind, Noted, Notice
from shared.domain.watching.watches import Watch

ESCALATES_AT = 2.0  # times the score that was reported


@dataclass(frozen=True, slots=True)
class Position:
    """What the rules remember of a stream between points."""

    recent: str = ""  # newest verdicts, newest last, 1 = anomaly; without unknown ones
    normal: int = 0  # points in a row below `below`
    pending: tuple[Anomaly, ...] = ()  # the anomalies in `recent` that belong to no alert
    alert: Alert | None = None  # the deviation that is not closed
    silence: Alert | None = None  # the silence of this stream that is not closed


@dataclass(frozen=True, slots=True)
class Judged:
    """n new points in order, with the columns of their verdicts."""

    timestamps: Timestamps
    values: Values  # NaN: a known gap
    scores: Values  # NaN: unknown, which neither opens nor prolongs nor ends an alert
    expected: Values | None
    lower: Values | None
    upper: Values | None
    version: int | None
    muted: Flags | None = None  # (n,) inside a maintenance, and therefore unknown
    absorbed: Flags | None = None  # (n,) normal only because earlier anomalies raised the boundary

    def anomaly(self, index: int) -> Anomaly:
        """Return one point as an anomaly."""
        expected, lower, upper = (
            None if column is None or np.isnan(column[index]) else float(column[index])
            for column in (self.expected, self.lower, self.upper)
        )
        score = float(self.scores[index])
        return Anomaly(int(self.timestamps[index]), float(self.values[index]), score, expected, lower, upper)


@dataclass(slots=True)
class Effects:
    """What points cause beside the position: changed alerts by id, in the order of their change, and notices."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    notices: list[Noted] = field(default_factory=list)


def advance(
    position: Position, watch: Watch | None, points: Judged, now: float, new_id: Callable[[], str]
) -> tuple[Position, Effects]:
    """Return the position after new points, and their effects.

    now: seconds since 1970 when the points arrived, which decides whether an alert is quiet.
    """
    run = _Run(position, watch, points, now, new_id)
    if len(points.timestamps):
        run.end_silence(int(points.timestamps[0]))
    known = np.flatnonzero(~np.isnan(points.scores) & ~np.isnan(points.values))
    if points.muted is not None:
        known = known[~points.muted[known]]
    if watch is None or watch.paused:
        known = known[:0]
    done = -1
    for index in known.tolist():
        run.pass_time(done, index)
        run.judge(index)
        done = index
    if len(points.timestamps):
        run.pass_time(done, len(points.timestamps) - 1)
    return run.position, run.effects


def closed(alert: Alert, at: int) -> tuple[Alert, Noted]:
    """Close an alert with a notice."""
    ended_at = max(alert.last_anomaly_at, at if alert.ended_at is None else alert.ended_at)
    after = replace(alert, status=AlertStatus.CLOSED, ended_at=ended_at, step=alert.step + 1)
    return after, Noted(after.id, after.step, Notice.CLOSED, after.quiet)


def gated(watch: Watch, value: float, expected: float | None) -> bool:
    """Whether a gate of the watch takes an anomaly away."""
    if expected is None:
        return False
    against = (watch.direction == "up" and value < expected) or (watch.direction == "down" and value > expected)
    return against or (watch.min_abs is not None and abs(value - expected) < watch.min_abs)


class _Run:
    """One call of `advance`."""

    def __init__(
        self, position: Position, watch: Watch | None, points: Judged, now: float, new_id: Callable[[], str]
    ) -> None:
        self.position = position
        self.effects = Effects()
        self._watch = watch
        self._points = points
        self._now = now
        self._new_id = new_id

    def end_silence(self, timestamp: int) -> None:
        """Close the silence, since a point came."""
        if self.position.silence:
            self._close(self.position.silence, timestamp)
            self.position = replace(self.position, silence=None)

    def pass_time(self, after: int, until: int) -> None:
        """Close or end the alert at the first point in (after, until] at which enough time has passed."""
        alert, watch = self.position.alert, self._watch
        if alert is None or until <= after:
            return
        times = self._points.timestamps
        if watch is None:
            self._close(alert, int(times[after + 1]))
            self.position = Position(silence=self.position.silence)
            return
        if alert.status == AlertStatus.OPEN:
            index = int(np.searchsorted(times, alert.last_anomaly_at + watch.after_s, "left"))
            if max(index, after + 1) <= until:
                self._end(alert, int(times[max(index, after + 1)]))
                alert = self.position.alert
        if alert is not None and alert.ended_at is not None:
            index = int(np.searchsorted(times, alert.ended_at + watch.merge_within_s, "right"))
            if max(index, after + 1) <= until:
                self._close(alert, alert.ended_at)
                self.position = replace(self.position, alert=None)

    def judge(self, index: int) -> None:
        """Apply the rules of the watch to one known point."""
        watch, position = self._watch, self.position
        assert watch is not None  # noqa: S101 - without a watch, no point is known
        point = self._points.anomaly(index)
        is_gated = gated(watch, point.value, point.expected)
        is_anomaly = point.score > 1 and not is_gated
        is_absorbed = self._points.absorbed is not None and bool(self._points.absorbed[index]) and not is_gated
        recent = (position.recent + "01"[is_anomaly])[-watch.of :]
        count = recent.count("1")
        normal = position.normal + 1 if (point.score < watch.below and not is_absorbed) or is_gated else 0
        kept = count - is_anomaly
        pending = position.pending[-kept:] if kept else ()
        self.position = replace(position, recent=recent, normal=normal, pending=pending)
        alert = position.alert
        if is_anomaly and alert:
            self._continue(alert, point)
        elif is_anomaly and (count >= watch.anomalies or (watch.at_once is not None and point.score >= watch.at_once)):
            self._open(point)
        elif is_anomaly:
            self.position = replace(self.position, pending=(*pending, point))
        alert = self.position.alert
        if is_absorbed and alert and alert.status == AlertStatus.OPEN:  # the event goes on
            self._change(replace(alert, last_anomaly_at=point.timestamp))
        elif alert and alert.status == AlertStatus.OPEN and normal >= watch.normal:
            self._end(alert, point.timestamp)

    def _open(self, point: Anomaly) -> None:
        assert self._watch is not None  # noqa: S101
        anomalies = (*self.position.pending, point)
        peak = max(anomalies, key=lambda anomaly: anomaly.score)
        alert = Alert(
            id=self._new_id(),
            watch=self._watch.name,
            kind=Kind.DEVIATION,
            status=AlertStatus.OPEN,
            started_at=anomalies[0].timestamp,
            opened_at=point.timestamp,
            last_anomaly_at=point.timestamp,
            ended_at=None,
            peak=peak,
            reported_score=peak.score,
            points=len(anomalies),
            version=self._points.version,
            quiet=self._quiet(point),
            step=1,
        )
        self.position = replace(self.position, pending=())
        self._note(alert, Notice.OPENED)

    def _continue(self, alert: Alert, point: Anomaly) -> None:
        """Add an anomaly to the alert, which is open again if it had ended."""
        peak = max(alert.peak or point, point, key=lambda anomaly: anomaly.score)
        after = replace(
            alert,
            status=AlertStatus.OPEN,
            ended_at=None,
            last_anomaly_at=point.timestamp,
            points=alert.points + 1,
            peak=peak,
        )
        if alert.quiet == BACKFILLED and self._quiet(point) is None:  # a backlog has reached the present
            after = replace(after, quiet=None, step=after.step + 1, reported_score=peak.score)
            self._note(after, Notice.OPENED)
        elif peak.score >= ESCALATES_AT * (alert.reported_score or 0.0):
            after = replace(after, step=after.step + 1, reported_score=peak.score)
            self._note(after, Notice.ESCALATED)
        else:
            self._change(after)

    def _end(self, alert: Alert, at: int) -> None:
        """End the alert; it closes once `merge_within` has passed, at once if that is 0."""
        assert self._watch is not None  # noqa: S101
        after = replace(alert, status=AlertStatus.ENDED, ended_at=at)
        self.position = replace(self.position, recent="", normal=0, pending=())
        if self._watch.merge_within_s == 0:
            self._close(after, at)
            self.position = replace(self.position, alert=None)
        else:
            self._change(after)

    def _close(self, alert: Alert, at: int) -> None:
        after, notice = closed(alert, at)
        self.effects.alerts[after.id] = after
        self.effects.notices.append(notice)

    def _note(self, alert: Alert, notice: Notice) -> None:
        self._change(alert)
        self.effects.notices.append(Noted(alert.id, alert.step, notice, alert.quiet))

    def _change(self, alert: Alert) -> None:
        self.effects.alerts[alert.id] = alert
        self.position = replace(self.position, alert=alert)

    def _quiet(self, point: Anomaly) -> str | None:
        assert self._watch is not None  # noqa: S101
        return BACKFILLED if self._now - point.timestamp > self._watch.notify_within_s else None


def muted(timestamps: Timestamps, maintenance: Sequence[tuple[int, int]]) -> Flags | None:
    """Flag the timestamps (n,) inside an inclusive interval; None if there is none."""
    flags = np.zeros(len(timestamps), dtype=np.bool_)
    for start, end in maintenance:
        flags |= (timestamps >= start) & (timestamps <= end)
    return flags if flags.any() else None


def as_position(
    recent: str,
    normal: int,
    pending: Sequence[Mapping[str, float | None]] | None,
    alert: Alert | None,
    silence: Alert | None,
) -> Position:
    """Return the position that a row of a stream holds."""
    anomalies = tuple(Anomaly(**anomaly) for anomaly in pending or ())  # type: ignore[arg-type]
    return Position(recent, normal, anomalies, alert, silence)
