"""The baseline: a value is unusual when it is more than `threshold` standard deviations from the mean."""

import math
from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.contract import (
    LARGEST,
    Detector,
    ParameterValues,
    Progress,
    Scores,
    clipped,
)
from shared.domain.detectors.parameters import OFF, AlarmRate, Choice, Number, Windows
from shared.domain.series import Series, Timestamps, Values


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and standard deviation of the training values, and where the band ends."""

    mean: float
    standard_deviation: float
    threshold: float  # in standard deviations
    direction: str
    promise: str = ""  # of an alarm rate, where one was asked for


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Baseline:
    """Learn mean and population standard deviation in two passes.

    The values are first shifted by their own mean, whose rounding error the second mean takes away, and scaled by
    their largest deviation, so that neither a large offset (1e12 + noise) nor a tiny scale (1e-200) loses digits
    [Chan, Golub, LeVeque: Algorithms for computing the sample variance, 1983].
    """
    rough = float(series.values.mean())
    deviations = series.values - rough
    scale = float(np.abs(deviations).max())
    deviations /= scale  # not all values are equal, so it is not 0
    correction = float(deviations.mean())
    spread = math.sqrt(max(float(np.dot(deviations, deviations)) / len(series) - correction**2, 0.0))
    progress(1.0)
    state = Baseline(
        mean=rough + correction * scale,
        standard_deviation=max(spread * scale, math.ulp(0.0)),
        threshold=parameters["threshold"],
        direction=parameters["direction"],
    )
    share = alarms.share_of(parameters["alarm_rate"], alarms.interval_of(series.timestamps))
    return state if share is None else _calibrated(state, series, share)


def _calibrated(state: Baseline, series: Series, share: float) -> Baseline:
    """The same with the threshold that this share of the training values exceeds.

    Two numbers were learnt from all of them, so that their own residuals are as good as those of held-out values.
    """
    deviations = score(replace(state, threshold=1.0), series.values, series.timestamps, np.empty(0)).score
    return replace(state, threshold=alarms.boundary(deviations, share), promise=alarms.promise(share, len(series)))


def score(state: Baseline, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Distance from the mean in units of the band's half width; 0 on the side that `direction` leaves out."""
    with np.errstate(over="ignore"):
        distance = (values - state.mean) / state.standard_deviation / state.threshold
        half_width = np.float64(state.standard_deviation) * state.threshold
        lower = max(float(state.mean - half_width), -LARGEST)
        upper = min(float(state.mean + half_width), LARGEST)
    if state.direction == "both":
        distance = np.abs(distance)
    elif state.direction == "below":
        distance = -distance
    everywhere = np.ones(len(values))
    return Scores(
        score=clipped(np.maximum(distance, 0.0)),
        expected=everywhere * state.mean,
        lower=None if state.direction == "above" else everywhere * lower,
        upper=None if state.direction == "below" else everywhere * upper,
    )


def learnt(state: Baseline) -> dict[str, float | str]:
    """Mean, standard deviation and threshold, and what the alarm rate promises."""
    told: dict[str, float | str] = {
        "mean": state.mean,
        "standard_deviation": state.standard_deviation,
        "threshold": state.threshold,
    }
    return {**told, "promise": state.promise} if state.promise else told


DETECTOR = Detector(
    name="baseline",
    purpose="A value far from the mean of the training values. For series without trend or rhythm.",
    cost="One pass over the training values; a prediction is one subtraction and a division.",
    min_points=2,
    context_points=0,
    parameters=(
        Number("threshold", 3.0, "How many standard deviations from the mean are still normal", above=0, most=1e6),
        Choice("direction", "both", "Which side of the mean can be unusual", options=("both", "above", "below")),
        AlarmRate(OFF, purpose='Instead of a threshold: acceptable false alarms, "1 in 1000" points or "1 per day"'),
        Windows(),
    ),
    state=Baseline,
    fit=fit,
    score=score,
    learnt=learnt,
)
