"""Simulation: what a watch would have done with points, by the code that judges streams. Nothing is stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.detectors import learn
from shared.domain.detectors.contract import Fitted, ignore_progress
from shared.domain.series import Series, Timestamps, Values
from shared.domain.watching.alerts import Alert, Noted
from shared.domain.watching.growing import next_fit_at, postponed
from shared.domain.watching.rules import Position
from shared.domain.watching.stored import StoredPoints
from shared.domain.watching.watches import Watch
from shared.errors import FitError, InputError
from shared.fitting.checking import Method
from shared.settings import Settings
from shared.store.points import Tail
from shared.store.streams import Stream
from shared.watching.planning import Push, fit_points, plan_of
from shared.watching.rulebook import Rules

if TYPE_CHECKING:
    from shared.watching.verdicts import StreamVerdicts

MAX_POINTS = 20_000
MAX_FITS = 20
MAX_REFUSED = 1_000  # windows that cannot be fitted, such as constant ones


@dataclass(frozen=True, slots=True)
class SimulatedFit:
    """An automatic fit, right after the point that made it due; from the next point on, its version judges."""

    version: int
    timestamp: int  # of that point, or of the last one before the moment of the schedule
    points: int  # that it learned from
    slot: int | None  # moment of the schedule, at which its window ends; None: the stream had grown


@dataclass(slots=True)
class Simulation:
    """What a watch would have done."""

    points: StoredPoints
    fits: list[SimulatedFit] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)  # as they are in the end, by id, in the order of opening
    notices: list[Noted] = field(default_factory=list)
    refits_left_out: int = 0  # fits of the schedule after MAX_FITS others


class Walk:
    """A walk through points as if they had arrived one by one, on time, with automatic fits that take no time.

    Fits are those of a growing stream and those on the schedule of the watch, at most MAX_FITS in all. A walk can be
    pickled between two stretches.
    """

    def __init__(
        self,
        watch: Watch,
        series_id: str,
        timestamps: Timestamps,
        values: Values,
        settings: Settings,
        excluded: Sequence[Sequence[int]] = (),
    ) -> None:
        """Begin before the first point.

        timestamps: (n,) strictly increasing, n <= MAX_POINTS. values: (n,), NaN for known gaps. excluded: inclusive
        intervals that fits must not learn from.
        """
        self._fits: list[SimulatedFit] = []
        self._alerts: dict[str, Alert] = {}
        self._notices: list[Noted] = []
        self._verdicts: list[StreamVerdicts] = []  # of the points so far, in order
        self._watch = replace(watch, prefix="", paused=False)
        self._rules = Rules([self._watch], ())
        self._timestamps = timestamps
        self._values = values
        self._settings = settings
        self._excluded = excluded
        self._fitted: Fitted | None = None
        self._due_at: int | None = None  # when the next slot of the schedule is settled
        self._refused = 0
        self._failures = 0  # in a row, since there is a version
        self._stream = new_stream(series_id)

    def advance(self, seconds: float) -> bool:
        """Walk up to a fit, and on until so many seconds of processor time are over; return whether points are left."""
        ends_at, count = time.thread_time() + seconds, len(self._timestamps)
        while self._stream.points < count:
            self._advance(self._stream.points)
            if time.thread_time() >= ends_at:
                break
        return self._stream.points < count

    def _advance(self, start: int) -> None:
        """Judge the points from index `start` up to the next fit, and fit."""
        count = len(self._timestamps)
        self._settle_slots(int(self._timestamps[start]))
        due = fit_points(self._stream, self._watch, self._settings) if self._may_fit else None
        end = count if due is None else min(max(due, start + 1), count)
        if self._may_fit and self._due_at is not None:
            end = min(end, self._arrived_by(self._due_at))
        new = Tail(self._timestamps[start:end], self._values[start:end])
        need = self._fitted.needs().points if self._fitted else 0
        tail = Tail(self._timestamps[max(start - need, 0) : start], self._values[max(start - need, 0) : start])
        push = Push(self._stream.series_id, *new)
        now = float(new.timestamps[0])  # so no point arrives late
        plan = plan_of(self._stream, push, self._fitted, tail, self._rules, self._settings, now)
        self._verdicts.append(plan.verdicts)
        self._alerts |= plan.effects.alerts
        self._notices += plan.effects.notices
        self._stream = replace(
            self._stream,
            last_timestamp=int(new.timestamps[-1]),
            points=end,
            version=plan.verdicts.version,
            carry=plan.verdicts.carry,
            position=plan.position,
        )
        if due is not None and end >= due:
            self._settle(int(new.timestamps[-1]), None)

    @property
    def series_id(self) -> str:
        return self._stream.series_id

    def result(self) -> Simulation:
        """Return what the watch would have done, once no points are left."""
        points = StoredPoints(
            self._timestamps,
            self._values,
            self._joined("scores"),
            self._joined("expected"),
            self._joined("lower"),
            self._joined("upper"),
            self._joined("boundaries"),
            tuple(
                None if np.isnan(score) else verdicts.version
                for verdicts in self._verdicts
                for score in verdicts.scores.tolist()
            ),
        )
        return Simulation(points, self._fits, self._alerts, self._notices, self._refits_left_out())

    def _joined(self, name: str) -> Values:
        columns = (
            np.full(len(verdicts.scores), np.nan) if (column := getattr(verdicts, name)) is None else column
            for verdicts in self._verdicts
        )
        return np.concatenate(list(columns))

    def _refits_left_out(self) -> int:
        """Return the number of fits on the schedule that there would have been after MAX_FITS others."""
        left_out, refit, due_at = 0, self._watch.refit, self._due_at
        while refit is not None and due_at is not None and due_at < self._timestamps[-1]:
            left_out += 1
            next_point = int(self._timestamps[self._arrived_by(due_at)])
            due_at = refit.due_after(self._stream.series_id, max(due_at, next_point - 1))
        return left_out

    @property
    def _may_fit(self) -> bool:
        return len(self._fits) < MAX_FITS and self._refused < MAX_REFUSED

    def _settle_slots(self, before: int) -> None:
        """Settle the slots of the schedule that are due before a time."""
        refit, series_id = self._watch.refit, self._stream.series_id
        while refit is not None and self._due_at is not None and self._due_at < before and self._may_fit:
            if (self._stream.last_timestamp or 0) > (self._stream.training_end or -1):
                self._settle(self._due_at, refit.newest_due(series_id, self._due_at))
            else:  # without a new point, a slot is skipped
                self._due_at = refit.due_after(series_id, before - 1)

    def _settle(self, now: int, slot: int | None) -> None:
        """Fit the window that ends at a slot of the schedule, or at the newest point (None), as the scheduler does."""
        count = self._stream.points
        last = int(self._timestamps[count - 1])
        series = self._learn(last if slot is None else slot)
        if series is None:
            self._refused += 1
            self._failures += self._stream.latest is not None
            at_points: int | None = postponed(count)
        else:
            self._failures = 0
            span_s = int(series.timestamps[-1] - series.timestamps[0])
            at_points = next_fit_at(self._stream.series_id, count, span_s, self._watch.window_s)
            version = len(self._fits) + 1
            self._fits.append(SimulatedFit(version, last, len(series), slot))
            self._stream = replace(self._stream, latest=version, training_end=int(series.timestamps[-1]))
        self._stream = replace(self._stream, fit_at_points=at_points)
        refit = self._watch.refit
        if refit is not None:
            rest_s = refit.every_s / 2 if slot is None else 0.0
            self._due_at = refit.due_after(self._stream.series_id, now + rest_s, self._failures)

    def _learn(self, end: int) -> Series | None:
        """Fit the window that ends at a time; return what it learned from, or None if that cannot be fitted."""
        first = np.searchsorted(self._timestamps, end - self._watch.window_s, "left")
        within = slice(int(first), self._arrived_by(end))
        known = ~np.isnan(self._values[within])
        series = Series(self._timestamps[within][known], self._values[within][known])
        parameters = dict(self._watch.parameters)
        exclude = [list(pair) for pair in self._excluded if pair[0] <= end]
        if exclude:
            parameters["exclude"] = [*parameters.get("exclude", []), *exclude]
        method = Method.of(self._watch.detector, parameters)
        try:
            learnable = series.without(method.parameters["exclude"])
            learnable.check_learnable(max(self._settings.min_training_data_points, method.detector.min_points))
            method.detector.check(learnable, method.parameters)
            self._fitted = learn(method.detector, series, method.parameters, ignore_progress)
        except (InputError, FitError):
            return None
        return series

    def _arrived_by(self, time: int) -> int:
        """Return the number of points up to a time."""
        return int(np.searchsorted(self._timestamps, time, "right"))


def new_stream(series_id: str) -> Stream:
    """Return the stream of a series that no point has come for."""
    return Stream(
        no=0,
        series_id=series_id,
        revision=0,
        last_timestamp=None,
        points=0,
        late=0,
        version=None,
        carry=None,
        position=Position(),
        watch=None,
        is_silent=False,
        fit_at_points=0,
        fit_is_due=False,
        arrived_at=None,
        usual_step_s=None,
        latest=None,
        training_end=None,
        state=None,
    )
