"""A detector: a frozen bundle of pure functions, the type of their state, and its description."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from shared.domain.detectors.parameters import Parameter
from shared.domain.series import Series, Timestamps, Values

LARGEST = float(np.finfo(np.float64).max)
CAUSAL, CENTRED, RETROSPECTIVE = "causal", "centred", "retrospective"

State = TypeVar("State")
Progress = Callable[[float], None]  # called with the share done, 0 to 1; may raise to stop the fit
ParameterValues = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n points. Every array is (n,) and finite; None where the detector has no such column."""

    score: Values  # 0 = as expected; 1.0 = the decision boundary; anomaly means score > 1
    expected: Values | None
    lower: Values | None  # the normal band; None = open on that side, or no band at all
    upper: Values | None


@dataclass(frozen=True, slots=True)
class Need:
    """How many values a detector needs before a point, and the end of the training values, which may provide them."""

    points: int = 0  # with fewer values before it, a point's score is unreliable
    tail: Values = field(default_factory=lambda: np.empty(0))  # the last `points` training values
    last_timestamp: int = 0
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingEnd:
    """The end of the training values, from which the points right after them are judged."""

    tail: Values  # the last values, at most as many as a point needs before it
    last_timestamp: int
    interval_s: float  # the usual one

    @classmethod
    def of(cls, series: Series, points: int, interval_s: float) -> "TrainingEnd":
        """The last `points` >= 1 values, or all where there are fewer."""
        return cls(series.values[-points:].copy(), int(series.timestamps[-1]), interval_s)

    def needs(self, points: int) -> Need:
        """The need of a detector that judges a value by the `points` before it."""
        return Need(points, self.tail, self.last_timestamp, self.interval_s)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a point got its score."""

    expected: float | None = None  # where the detector has no band
    component: str | None = None  # what contributed most to the score: a window, a forecast, a phase
    similar_from: int | None = None  # when the most similar window of the training values began
    similar_distance: float | None = None  # from it, in units of the largest distance that is usual


_NO_NEED = Need()  # shared, because making one takes as long as a tenth of a verdict


def _no_need(_state: Any) -> Need:
    return _NO_NEED


def _no_objection(_series: Series, _parameters: ParameterValues) -> None:
    pass


@dataclass(frozen=True)
class Detector(Generic[State]):
    """One algorithm. Its module defines `DETECTOR`; the registry finds it there."""

    name: str
    purpose: str
    cost: str
    false_alarms: str  # the share of normal points that raises an alarm
    min_points: int  # fewest it can learn from
    context_points: int  # most values before a point that can affect its score
    parameters: tuple[Parameter, ...]
    state: type[State]  # a frozen dataclass that `states` can encode
    fit: Callable[[Series, ParameterValues, Progress], State]
    score: Callable[[State, Values, Timestamps, Values], Scores]  # state, values (n,), timestamps (n,), context (m,)
    learnt: Callable[[State], dict[str, float | str]]  # the state's main numbers, for people
    explain: Callable[[State, Values, Timestamps, Values], Explanation]  # of the last of the values
    needs: Callable[[State], Need] = _no_need
    check: Callable[[Series, ParameterValues], None] = _no_objection  # `InputError` for a series it cannot learn from
    modes: Mapping[str, Callable[[State, Values, Timestamps], Scores]] = field(default_factory=dict)  # beside causal


@dataclass(frozen=True, slots=True)
class Fitted:
    """A detector together with what it learned."""

    detector: Detector[Any]
    state: Any

    def score(self, values: Values, timestamps: Timestamps, context: Values) -> Scores:
        """Scores of values (n,) at `timestamps` (n,), with the values (m,) before them."""
        scores: Scores = self.detector.score(self.state, values, timestamps, context)
        return scores

    def score_in_mode(self, mode: str, values: Values, timestamps: Timestamps) -> Scores:
        """Scores of values (n,) at `timestamps` (n,) in a mode that judges each by all of them; not the causal one."""
        return self.detector.modes[mode](self.state, values, timestamps)

    def explain(self, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
        """Why the last of the values got its score."""
        return self.detector.explain(self.state, values, timestamps, context)

    def needs(self) -> Need:
        """Return the context that the detector needs before a point."""
        return self.detector.needs(self.state)

    def learnt(self) -> dict[str, float | str]:
        """The state's main numbers, for people."""
        return self.detector.learnt(self.state)


def banded(values: Values, expected: Values, half_width: Values) -> Scores:
    """Scores of a band around the expected values (n,): the distance from them in units of its half width (n,)."""
    half_width = np.maximum(half_width, np.spacing(0.0))  # it may have been rounded to 0 for tiny values
    with np.errstate(over="ignore"):
        distance = np.abs(values - expected) / half_width
        lower, upper = expected - half_width, expected + half_width
    return Scores(clipped(distance), expected, clipped(lower), clipped(upper))


def clipped(array: Values) -> Values:
    """Replace infinities by the largest finite numbers."""
    return np.minimum(np.maximum(array, -LARGEST), LARGEST)  # for one value, np.clip takes three times as long


def ignore_progress(_share: float) -> None:
    """Ignore the progress of a fit that is part of another."""
