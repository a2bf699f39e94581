"""Simulation: what a watch would have done with points, by the code that judges streams. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from shared.watching.planning import Plan, Push, fit_points, plan_of
from shared.watching.rulebook import Rules

MAX_POINTS = 20_000
MAX_FITS = 20


@dataclass(frozen=True, slots=True)
class SimulatedFit:
    """An automatic fit, right after the point that made it due; from the next point on, its version judges."""

    version: int
    timestamp: int  # of that point
    points: int  # that it learned from


@dataclass(slots=True)
class Simulation:
    """What a watch would have done."""

    points: StoredPoints
    fits: list[SimulatedFit] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)  # as they are in the end, by id, in the order of opening
    notices: list[Noted] = field(default_factory=list)


def simulate(
    watch: Watch,
    series_id: str,
    timestamps: Timestamps,
    values: Values,
    settings: Settings,
    excluded: Sequence[Sequence[int]] = (),
) -> Simulation:
    """Walk through points as if they had arrived one by one, on time, with automatic fits that take no time.

    timestamps: (n,) strictly increasing, n <= MAX_POINTS. values: (n,), NaN for known gaps. excluded: inclusive
    intervals that fits must not learn from.
    """
    walk = _Walk(watch, series_id, timestamps, values, settings, excluded)
    start = 0
    while start < len(timestamps):
        start = walk.advance(start)
    plans = walk.plans
    return Simulation(
        StoredPoints(
            timestamps,
            values,
            _joined(plans, "scores"),
            _joined(plans, "expected"),
            _joined(plans, "lower"),
            _joined(plans, "upper"),
            _joined(plans, "boundaries"),
            tuple(
                None if np.isnan(score) else plan.verdicts.version
                for plan in plans
                for score in plan.verdicts.scores.tolist()
            ),
        ),
        walk.fits,
        walk.alerts,
        walk.notices,
    )


class _Walk:
    """One simulation: a stream in memory, and the versions that its fits would publish."""

    def __init__(
        self,
        watch: Watch,
        series_id: str,
        timestamps: Timestamps,
        values: Values,
        settings: Settings,
        excluded: Sequence[Sequence[int]],
    ) -> None:
        self.fits: list[SimulatedFit] = []
        self.alerts: dict[str, Alert] = {}
        self.notices: list[Noted] = []
        self.plans: list[Plan] = []
        self._watch = replace(watch, prefix="", paused=False)
        self._rules = Rules([self._watch], ())
        self._timestamps = timestamps
        self._values = values
        self._settings = settings
        self._excluded = excluded
        self._fitted: Fitted | None = None
        self._stream = new_stream(series_id)

    def advance(self, start: int) -> int:
        """Judge the points from index `start` up to the next fit, and fit; return the index of the next point."""
        count = len(self._timestamps)
        due = fit_points(self._stream, self._watch, self._settings) if len(self.fits) < MAX_FITS else None
        end = count if due is None else min(max(due, start + 1), count)
        new = Tail(self._timestamps[start:end], self._values[start:end])
        need = self._fitted.needs().points if self._fitted else 0
        tail = Tail(self._timestamps[max(start - need, 0) : start], self._values[max(start - need, 0) : start])
        push = Push(self._stream.series_id, *new)
        now = float(new.timestamps[0])  # so no point arrives late
        plan = plan_of(self._stream, push, self._fitted, tail, self._rules, self._settings, now)
        self.plans.append(plan)
        self.alerts |= plan.effects.alerts
        self.notices += plan.effects.notices
        self._stream = replace(
            self._stream,
            last_timestamp=int(new.timestamps[-1]),
            points=end,
            version=plan.verdicts.version,
            carry=plan.verdicts.carry,
            position=plan.position,
        )
        if due is not None and end >= due:
            self._fit(end)
        return end

    def _fit(self, count: int) -> None:
        """Fit the first `count` points within the window; the next points are judged by the new version."""
        last = int(self._timestamps[count - 1])
        within = slice(int(np.searchsorted(self._timestamps, last - self._watch.window_s, "left")), count)
        known = ~np.isnan(self._values[within])
        series = Series(self._timestamps[within][known], self._values[within][known])
        parameters = dict(self._watch.parameters)
        exclude = [list(pair) for pair in self._excluded if pair[0] <= last]
        if exclude:
            parameters["exclude"] = [*parameters.get("exclude", []), *exclude]
        method = Method.of(self._watch.detector, parameters)
        try:
            learnable = series.without(method.parameters["exclude"])
            learnable.check_learnable(max(self._settings.min_training_data_points, method.detector.min_points))
            method.detector.check(learnable, method.parameters)
            self._fitted = learn(method.detector, series, method.parameters, ignore_progress)
        except (InputError, FitError):
            self._stream = replace(self._stream, fit_at_points=postponed(count))
            return
        version = len(self.fits) + 1
        span_s = int(series.timestamps[-1] - series.timestamps[0])
        self.fits.append(SimulatedFit(version, last, len(series)))
        at_points = next_fit_at(self._stream.series_id, count, span_s, self._watch.window_s)
        training_end = int(series.timestamps[-1])
        self._stream = replace(self._stream, latest=version, training_end=training_end, fit_at_points=at_points)


def _joined(plans: Sequence[Plan], name: str) -> Values:
    columns = (
        np.full(len(plan.fresh.timestamps), np.nan) if (column := getattr(plan.verdicts, name)) is None else column
        for plan in plans
    )
    return np.concatenate(list(columns))


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
