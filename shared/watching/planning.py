"""Plans: what new points make of streams, before anything is written."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from shared.domain import detectors
from shared.domain.detectors.contract import Fitted, absorbed
from shared.domain.series import Timestamps, Values
from shared.domain.watching.growing import first_fit_at
from shared.domain.watching.rules import Effects, Judged, Position, advance, muted
from shared.domain.watching.watches import Watch
from shared.settings import Settings
from shared.store.intake import Intake, Move, joined
from shared.store.points import Tail
from shared.store.streams import Stream
from shared.watching.rulebook import Rules
from shared.watching.verdicts import StreamVerdicts, verdicts_of


class Coming(Enum):
    """Which points of a series follow at once, so that a fit is not yet worth it."""

    NOTHING = auto()
    OLDER = auto()  # the first fit may be made of the newest ones
    NEWER = auto()


@dataclass(frozen=True, slots=True)
class Push:
    """Points of one series, sorted, with the last value of each timestamp."""

    series_id: str
    timestamps: Timestamps  # (n,) strictly increasing
    values: Values  # (n,), NaN for known gaps
    coming: Coming = Coming.NOTHING

    def is_later_than(self, timestamp: int | None) -> bool:
        """Check whether some of the points are later, so that they are judged. timestamp: None: all are."""
        return len(self.timestamps) > 0 and (timestamp is None or bool(self.timestamps[-1] > timestamp))


@dataclass(slots=True)
class Plan:
    """What one round wants to write of one stream."""

    stream: Stream
    push: Push
    fresh: Tail
    tail: Tail
    length: int  # of the tail
    verdicts: StreamVerdicts
    watch: Watch | None
    position: Position
    effects: Effects = field(default_factory=Effects)
    fit_due: bool = False


def plan_of(
    stream: Stream, push: Push, fitted: Fitted | None, tail: Tail, rules: Rules, settings: Settings, now: float
) -> Plan:
    """Judge the new points of a push, and apply the rules of the stream's watch.

    tail: the last points of the stream, as many as the detector needs. now: seconds since 1970.
    """
    last = stream.last_timestamp
    first = 0 if last is None else int(np.searchsorted(push.timestamps, last, "right"))
    fresh = Tail(push.timestamps[first:], push.values[first:])
    verdicts = verdicts_of(stream, fitted, tail, *fresh)
    watch = rules.watch_of(stream.series_id)
    judged = Judged(
        *fresh,
        verdicts.scores,
        verdicts.expected,
        verdicts.lower,
        verdicts.upper,
        stream.latest,
        muted(fresh.timestamps, rules.maintenance_of(stream.series_id)),
        None if verdicts.boundaries is None else absorbed(verdicts.scores, verdicts.boundaries),
    )
    position, effects = advance(stream.position, watch, judged, now, _new_id)
    length = fitted.needs().points if fitted else 0
    fit_due = _fit_is_due(stream, watch, push, settings)
    return Plan(stream, push, fresh, tail, length, verdicts, watch, position, effects, fit_due)


def _fit_is_due(stream: Stream, watch: Watch | None, push: Push, settings: Settings) -> bool:
    """Whether new points make an automatic fit due, which the scheduler then asks for."""
    if watch is None or watch.paused or stream.fit_is_due or push.coming is Coming.NEWER:
        return False
    if push.coming is Coming.OLDER and stream.latest is not None:
        return False
    at_points = fit_points(stream, watch, settings)
    return at_points is not None and stream.points + len(push.timestamps) >= at_points


def fit_points(stream: Stream, watch: Watch, settings: Settings) -> int | None:
    """Return the number of points that makes the next automatic fit of a stream due; None: no fit becomes due."""
    if stream.fit_at_points != 0:
        return stream.fit_at_points
    return first_fit_points(watch, stream.series_id, settings) if stream.latest is None else None  # never fitted so far


def first_fit_points(watch: Watch, series_id: str, settings: Settings) -> int:
    """Return the number of points that makes the first automatic fit of a series due."""
    return first_fit_at(series_id, least_points(watch, settings))


def least_points(watch: Watch, settings: Settings) -> int:
    """Return the fewest points that a fit under the watch needs."""
    return max(detectors.named(watch.detector).min_points, settings.min_training_data_points)


def intake_of(plans: Sequence[Plan]) -> Intake:
    """Return everything that the plans write, for one statement."""
    written = Intake()
    for plan in plans:
        stream, fresh, watch, verdicts = plan.stream, plan.fresh, plan.watch, plan.verdicts
        count = len(fresh.timestamps)
        has_new = count > 0
        written.moves.append(
            Move(
                no=stream.no,
                revision=stream.revision,
                fresh=count,
                last_timestamp=int(fresh.timestamps[-1]) if has_new else stream.last_timestamp,
                version=verdicts.version if has_new else stream.version,
                carry=verdicts.carry if has_new else stream.carry,
                position=plan.position,
                watch=watch.name if watch else None,
                fit_due=plan.fit_due,
            )
        )
        if watch:
            written.watches[watch.name] = watch.revision
        old = len(plan.push.timestamps) - count
        if old:
            written.add_old(stream.no, plan.push.timestamps[:old].tolist(), plan.push.values[:old].tolist())
        if has_new:
            written.add_points(stream.no, fresh.timestamps.tolist(), fresh.values.tolist(), **_columns(verdicts))
        written.add_effects(stream.no, stream.series_id, plan.effects.alerts.values(), plan.effects.notices)
    return written


def _columns(verdicts: StreamVerdicts) -> dict[str, str]:
    columns = {
        name: joined(column.tolist())
        for name in ("scores", "expected", "lower", "upper", "boundaries")
        if (column := getattr(verdicts, name)) is not None
    }
    is_known = ~np.isnan(verdicts.scores)
    if verdicts.version is not None and is_known.any():
        columns["judges"] = joined([verdicts.version if known else float("nan") for known in is_known.tolist()])
    return columns


def _new_id() -> str:
    return str(uuid.uuid4())
