"""Contract of a detector: a frozen set of pure functions, the type of their state, and a description."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import numpy as np

from shared.domain.detectors.parameters import Parameter
from shared.domain.series import Flags, Series, Timestamps, Values

LARGEST = float(np.finfo(np.float64).max)
MAX_SCORE = 1_000.0  # a higher score would say nothing more to a person
CAUSAL, CENTRED, RETROSPECTIVE = "causal", "centred", "retrospective"

MISSING_SHARE = 0.1  # of the values before a point that may be missing; one always may

USUAL = 0.5  # a score below it is that of a usual value, even if windows that hold an earlier event are not usual

State = TypeVar("State")
Progress = Callable[[float], None]  # called with the fraction done, 0 to 1; may raise to stop the fit
ParameterValues = Mapping[str, Any]
Carry = Values  # at most 16 numbers: what a judgment remembers of previous points


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n points. Every array is (n,) and finite, or None if the detector has no such column."""

    score: Values  # 0 = as expected; 1.0 = the decision boundary; anomaly means score > 1; at most MAX_SCORE
    expected: Values | None
    lower: Values | None  # edges of the normal band; None = open on that side, or no band at all
    upper: Values | None
    boundary: Values | None = None  # by which each score was divided; None = the boundary never changes
    unseen: Flags | None = None  # points at times of day or week that the training data never shows: no verdict

    @property
    def absorbed(self) -> Flags | None:
        """Flags (n,) of the points that are normal only because earlier anomalies raised the boundary; see there."""
        return None if self.boundary is None else absorbed(self.score, self.boundary)


def absorbed(score: Values, boundary: Values) -> Flags:
    """Flag the points (n,) that exceed the learned boundary but not the raised one: an event that goes on."""
    return np.asarray((score <= 1) & (score >= USUAL) & (score * boundary > 1), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Need:
    """Number of values that a detector needs before a point, and the last training values, which can supply them."""

    points: int = 0  # with fewer values before it, a point's score is unreliable, unless parts of the detector abstain
    tail: Values = field(default_factory=lambda: np.empty(0))  # the last `points` training values
    last_timestamp: int = 0
    interval_s: float = 0.0
    least: int = 0  # with fewer values before it, a point is not judged

    @property
    def can_abstain(self) -> bool:
        """Whether a point with fewer than `points` values before it is judged by a part of the detector."""
        return self.least < self.points


@dataclass(frozen=True, slots=True)
class TrainingEnd:
    """End of the training values: the context of the points right after them."""

    tail: Values  # the last values, at most as many as a point needs before it
    last_timestamp: int
    interval_s: float  # median distance between points

    @classmethod
    def of(cls, series: Series, points: int, interval_s: float) -> "TrainingEnd":
        """Keep the last `points` >= 1 values, or all if there are fewer."""
        return cls(series.values[-points:].copy(), int(series.timestamps[-1]), interval_s)

    def needs(self, points: int, least: int | None = None) -> Need:
        """Return the need of a detector that judges a value by the `points` values before it, but at least by `least`.

        A detector that learned from fewer values has never seen more of them before a point, so it needs no more.
        """
        points = min(points, len(self.tail))
        least = points if least is None else min(least, points)
        return Need(points, self.tail, self.last_timestamp, self.interval_s, least)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a point got its score."""

    expected: float | None = None  # set by detectors without a band
    component: str | None = None  # what contributed most to the score: a window, a forecast, a phase
    similar_from: int | None = None  # start of the most similar training window
    similar_distance: float | None = None  # from that window, relative to the 99th percentile of such distances
    direction: str | None = None  # high, low or shape
    once_in_s: float | None = None  # the usual time between two normal points with such a score
    abstaining: tuple[str, ...] = ()  # parts of the detector that need more values before the point


NO_CARRY: Carry = np.empty(0)
_NO_NEED = Need()  # shared: creating one takes a tenth of the time of a verdict


def _no_need(_state: Any) -> Need:
    return _NO_NEED


def _no_objection(_series: Series, _parameters: ParameterValues) -> None:
    pass


@dataclass(frozen=True)
class Detector(Generic[State]):
    """One algorithm. Its module defines it as `DETECTOR`, where the registry finds it.

    `fold` scores like `score` and adapts to previous points: it takes the carry that it returned for them; None at the
    start of a batch. `train` fits like `fit` and also returns held-out training scores. Both are optional.
    """

    name: str
    purpose: str
    cost: str
    false_alarms: str  # which false-positive rate is meant, and on which points it is measured
    min_points: int  # fewest points that it can learn from
    context_points: int  # largest number of preceding values that can affect a score
    parameters: tuple[Parameter, ...]
    state: type[State]  # a frozen dataclass that `states` can encode
    fit: Callable[[Series, ParameterValues, Progress], State]  # or `refuse_to_fit`: judges old versions only
    score: Callable[[State, Values, Timestamps, Values], Scores]  # state, values (n,), timestamps (n,), context (m,)
    learnt: Callable[[State], dict[str, float | str]]  # the state's main figures, for display
    explain: Callable[[State, Values, Timestamps, Values], Explanation]  # of the last value
    needs: Callable[[State], Need] = _no_need
    check: Callable[[Series, ParameterValues], None] = _no_objection  # raises `InputError` for an unsuitable series
    fold: Callable[[State, Values, Timestamps, Values, Carry | None], tuple[Scores, Carry]] | None = None
    train: Callable[[Series, ParameterValues, Progress], tuple[State, Scores]] | None = None
    expects: bool = True  # whether scores come with expected values
    modes: Mapping[str, Callable[[State, Values, Timestamps], Scores]] = field(default_factory=dict)  # non-causal ones


@dataclass(frozen=True, slots=True)
class Fitted:
    """A detector and its fitted state."""

    detector: Detector[Any]
    state: Any

    def score(self, values: Values, timestamps: Timestamps, context: Values) -> Scores:
        """Score values (n,) at `timestamps` (n,), given the values (m,) before them."""
        scores: Scores = self.detector.score(self.state, values, timestamps, context)
        return scores

    def fold(
        self, values: Values, timestamps: Timestamps, context: Values, carry: Carry | None = None
    ) -> tuple[Scores, Carry]:
        """Score the points after those for which `carry` was returned; None at the start of a batch."""
        if self.detector.fold is None:
            return self.score(values, timestamps, context), NO_CARRY
        return self.detector.fold(self.state, values, timestamps, context, carry)

    def score_in_mode(self, mode: str, values: Values, timestamps: Timestamps) -> Scores:
        """Score values (n,) at `timestamps` (n,) in a non-causal mode, which judges each value by all of them."""
        return self.detector.modes[mode](self.state, values, timestamps)

    def explain(self, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
        """Explain the score of the last value."""
        return self.detector.explain(self.state, values, timestamps, context)

    def needs(self) -> Need:
        """Return the context that the detector needs before a point."""
        return self.detector.needs(self.state)

    def learnt(self) -> dict[str, float | str]:
        """Return the state's main figures, for display."""
        return self.detector.learnt(self.state)


def banded(values: Values, expected: Values, above: Values, below: Values | None = None) -> Scores:
    """Score by distance from the expected values (n,), in units of the band's width (n,) on that side.

    below: None if the band is as wide below as above.
    """
    above = np.maximum(above, np.spacing(0.0))  # tiny values may have rounded it to 0
    below = above if below is None else np.maximum(below, np.spacing(0.0))
    with np.errstate(over="ignore"):
        distance = np.abs(values - expected) / (above if below is above else np.where(values > expected, above, below))
        lower, upper = expected - below, expected + above
    return Scores(np.minimum(distance, MAX_SCORE), expected, clipped(lower), clipped(upper))


def clipped(array: Values) -> Values:
    """Replace infinities with the largest finite numbers."""
    return np.minimum(np.maximum(array, -LARGEST), LARGEST)  # for one value, np.clip takes three times as long


def max_missing(needed: int) -> float:
    """Return how many of the `needed` values before a point may be missing if the point is to be judged."""
    return max(1.0, MISSING_SHARE * needed)


def refuse_to_fit(_series: Series, _parameters: ParameterValues, _progress: Progress) -> NoReturn:
    """Refuse to fit a detector that only judges stored versions. The registry lacks it, so no request gets here."""
    raise NotImplementedError("This release does not fit this detector.")


def ignore_progress(_share: float) -> None:
    """Ignore the progress of a fit that is part of another fit."""
