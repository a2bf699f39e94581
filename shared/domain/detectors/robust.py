"""Robust: like the baseline, but with medians, which tolerate outliers in up to half of the training values.

Each side of the median has a spread and a boundary of its own: positive values that are often far above the median do
not make -100 normal.
"""

from dataclasses import dataclass, field

import numpy as np

from shared.domain.detectors.alarms import IN_SAMPLE, Boundary, interval_of, promise, share_of
from shared.domain.detectors.contract import (
    LARGEST,
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
    banded,
)
from shared.domain.detectors.incidents import drop_incidents
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import NEWEST, bounded
from shared.domain.detectors.witnesses.level import spreads
from shared.domain.series import Series, Timestamps, Values


@dataclass(frozen=True, slots=True)
class HalfWidths:
    """Widths of the band above and below the median; 0 in states of earlier releases, whose band is symmetric."""

    above: float = 0.0
    below: float = 0.0


@dataclass(frozen=True, slots=True)
class Robust:
    """Median and robust deviation of the training values, and where the band ends."""

    median: float
    deviation: float
    boundary: Boundary  # in deviations; on the wider side
    half_widths: HalfWidths = field(default_factory=HalfWidths)

    @property
    def band(self) -> tuple[float, float]:
        """The widths of the band above and below the median; infinite if they overflow."""
        if self.half_widths.above:
            return self.half_widths.above, self.half_widths.below
        with np.errstate(over="ignore"):
            width = float(np.float64(self.deviation) * self.boundary.value)
        return width, width


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Robust:
    """Learn the median, 1.4826 times the median absolute deviation, and where the band ends on each side."""
    median = float(np.median(series.values))
    deviation = max(robust_spread(series.values), float(np.spacing(0.0)))
    share = share_of(parameters["alarm_rate"], interval_of(series.timestamps))
    ends = _band_ends((series.values - median) / deviation, share)
    progress(1.0)
    with np.errstate(over="ignore"):
        widths = np.minimum(np.array(ends) * deviation, LARGEST)
    described = promise(share, min(len(series), NEWEST), IN_SAMPLE)
    return Robust(median, deviation, Boundary(max(ends), described), HalfWidths(*widths.tolist()))


def _band_ends(residuals: Values, share: float) -> tuple[float, float]:
    """Return how far the band reaches above and below the median; residuals: (n,) in deviations."""
    upper, lower = spreads(residuals)
    known = drop_incidents(residuals)
    sides = (np.maximum(known, 0.0) / upper, np.maximum(-known, 0.0) / lower)
    above, below = (bounded(side[-NEWEST:], share / 2, 1.0) for side in sides)
    return upper * above, lower * below


def score(state: Robust, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Score by distance from the median, in units of the band's width on that side."""
    above, below = state.band
    ones = np.ones(len(values))
    return banded(values, ones * state.median, ones * above, ones * below)


def explain(_state: Robust, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    return Explanation(component="the distance from the median")


def learnt(state: Robust) -> dict[str, float | str]:
    """Return median, deviation, where the band ends, in deviations, and the rate to expect."""
    return {
        "median": state.median,
        "deviation": state.deviation,
        **_thresholds(state),
        "promise": state.boundary.promise,
    }


def _thresholds(state: Robust) -> dict[str, float | str]:
    if not state.half_widths.above:
        return {"threshold": state.boundary.value}
    above, below = (min(width / state.deviation, LARGEST) for width in state.band)
    return {"threshold_above": above, "threshold_below": below}


DETECTOR = Detector(
    name="robust",
    purpose="Values far from the training median. For series without seasonality, with incidents in the training data.",
    cost="Fit: one sort of the training values. Prediction: one subtraction and one division.",
    false_alarms="Share of training values outside the band, half on each side (in-sample: three numbers are learned).",
    min_points=3,
    context_points=0,
    parameters=(AlarmRate(), Windows()),
    state=Robust,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
)
