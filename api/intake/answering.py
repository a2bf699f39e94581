"""Answers to pushes: counts, flaws, and the verdicts on the points."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from api.intake.collecting import MAX_PROBLEMS, Lines
from api.intake.columns import Checked
from api.schemas.answers import StreamAnswer
from api.schemas.points import LineProblem, LinesAnswer, PushAnswer, RefusedPoint, StreamVerdicts
from shared.domain.series import Values
from shared.domain.watching.alerts import AlertStatus
from shared.domain.watching.sentences import StreamState, status_of
from shared.domain.watching.stored import StoredPoints
from shared.domain.watching.watches import Watch
from shared.errors import MAX_FLAWS
from shared.settings import Settings
from shared.store import points
from shared.store.intake import MAX_POINTS
from shared.store.streams import Stream
from shared.watching.ingesting import Taken
from shared.watching.planning import Push, least_points
from shared.watching.pushing import Pushing
from shared.watching.rulebook import Rules


def push_answer(pushing: Pushing, checked: Checked, taken: Taken | None) -> bytes:
    """Encode the answer to a push. taken: None if every point was refused."""
    flaws = sorted(checked.flaws[:MAX_FLAWS], key=lambda flaw: flaw.place)
    errors = [RefusedPoint([flaw.field, flaw.place], flaw.code, flaw.msg) for flaw in flaws]
    body = PushAnswer(
        series_id=checked.push.series_id,
        accepted=0,
        late=0,
        repeated=checked.duplicates,
        refused=checked.refusals,
        errors=errors,
        status="unknown",
        reason="every point was refused",
        verdicts=None,
        alert_id=None,
    )
    if taken:
        body.accepted, body.late = taken.accepted, taken.late
        body.repeated += taken.repeated
        body.status, body.reason = status_after(taken, pushing.settings)
        body.alert_id = open_alert_of(taken)
        body.verdicts = _verdicts(pushing, checked.push, taken)
    return msgspec.json.encode(body)


def lines_answer(lines: Lines, taken: Sequence[Taken]) -> LinesAnswer:
    """Return the answer to a push of lines. taken: what became of the series that were not refused."""
    alerts = [alert for one in taken if (alert := open_alert_of(one))]
    return LinesAnswer(
        series=len(taken),
        accepted=sum(one.accepted for one in taken),
        late=sum(one.late for one in taken),
        repeated=sum(one.repeated for one in taken) + sum(found.duplicates for found in lines.series.values()),
        refused=lines.refused,
        problems=[
            LineProblem(flaw.line, flaw.series_id, flaw.code, flaw.detail)
            for flaw in sorted(lines.flaws, key=lambda flaw: flaw.line)
        ],
        alerts=alerts[:MAX_PROBLEMS],
    )


def open_alert_of(taken: Taken) -> str | None:
    """Return the id of the alert that is open after a push."""
    alert = taken.position.alert
    return alert.id if alert and alert.status == AlertStatus.OPEN else None


def status_after(taken: Taken, settings: Settings) -> tuple[str, str]:
    """Return the status of a stream after a push, and its reason."""
    stream = taken.stream
    fresh = taken.fresh.timestamps
    last = int(fresh[-1]) if len(fresh) else stream.last_timestamp
    return status(
        replace(stream, points=stream.points + taken.accepted, last_timestamp=last, is_silent=False, ended_at=None),
        taken.watch,
        settings,
    )


def stream_answer(stream: Stream, rules: Rules, settings: Settings) -> StreamAnswer:
    """Return the live side of a series."""
    watch = rules.watch_of(stream.series_id)
    name, reason = status(stream, watch, settings)
    alert = stream.position.alert
    return StreamAnswer(
        status=name,
        reason=reason,
        points=stream.points,
        late=stream.late,
        last_timestamp=stream.last_timestamp,
        watch=watch.name if watch else None,
        alert_id=alert.id if alert and alert.status == AlertStatus.OPEN else None,
    )


def status(stream: Stream, watch: Watch | None, settings: Settings) -> tuple[str, str]:
    """Return the status of a stream, and its reason."""
    state = StreamState(
        series_id=stream.series_id,
        points=stream.points,
        version=stream.latest,
        silent_since=stream.last_timestamp if stream.is_silent else None,
        fit_is_due=stream.fit_is_due,
        usual_step_s=stream.usual_step_s,
        last_timestamp=stream.last_timestamp,
        is_ended=stream.ended_at is not None,
    )
    return status_of(state, watch, least_points(watch, settings) if watch else 0)


def _verdicts(pushing: Pushing, push: Push, taken: Taken) -> StreamVerdicts | None:
    if len(push.timestamps) > MAX_POINTS:
        return None
    if taken.repeated == 0 and taken.late == 0:
        stored = _fresh(taken)
    else:
        with pushing.sessions.statement() as session:
            stored = points.at(session, taken.stream.no, push.timestamps.tolist())
    return None if np.isnan(stored.scores).all() else StreamVerdicts.of(stored)


def _fresh(taken: Taken) -> StoredPoints:
    """Return the new points with their verdicts, as they are stored."""
    verdicts, count = taken.verdicts, len(taken.fresh.timestamps)
    unknown = np.full(count, np.nan)

    def column(values: Values | None) -> Values:
        return unknown if values is None else values

    return StoredPoints(
        timestamps=taken.fresh.timestamps,
        values=taken.fresh.values,
        scores=verdicts.scores,
        expected=column(verdicts.expected),
        lower=column(verdicts.lower),
        upper=column(verdicts.upper),
        boundaries=column(verdicts.boundaries).astype(np.float32).astype(np.float64),
        versions=tuple(None if np.isnan(score) else verdicts.version for score in verdicts.scores.tolist()),
    )
