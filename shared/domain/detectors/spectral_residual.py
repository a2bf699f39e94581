"""Spectral residual: flags a value that is the salient point of its window.

Subtracting a moving average from the window's log amplitude spectrum leaves what its regularities do not explain.
Transformed back, this gives the saliency of each point [Ren et al.: Time-series anomaly detection service at
Microsoft, 2019].
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.detectors.alarms import IN_SAMPLE, Boundary, interval_of
from shared.domain.detectors.contract import (
    MAX_SCORE,
    Detector,
    Explanation,
    Need,
    ParameterValues,
    Progress,
    Scores,
    TrainingEnd,
)
from shared.domain.detectors.incidents import drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import Standard, without_outliers
from shared.domain.series import Series, Timestamps, Values

AHEAD = 5  # estimated points after the newest, so that it is not at the edge; as many as in the paper
LONGEST, SHORTEST = 128, 32  # length of the transform: window and estimated points
SMOOTHED_FREQUENCIES = 3  # width of the moving average over the log spectrum, as in the paper
REFERENCE_SHARE = 0.5  # of the transform: preceding points whose mean saliency is the reference
AMPLITUDE_FLOOR = 1e-3  # added to amplitudes and saliencies, so that rounding errors in a flat window are not salient
ROWS = 4_096
SAMPLE = 8_192  # most training windows that the boundary is learned from
MIN_POINTS = 64


@dataclass(frozen=True, slots=True)
class SpectralResidual:
    """Length of the transform, and how salient a normal point may be."""

    standard: Standard
    length: int  # of the transform
    boundary: Boundary  # relative to the mean saliency of the preceding points
    end: TrainingEnd


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> SpectralResidual:
    """Learn the scale and the usual saliency, and nothing else: each window is judged by itself."""
    standard = Standard.of(series.values)
    values = without_outliers(standard.standardized(series.values))
    length = min(LONGEST, max(SHORTEST, 1 << (len(series) // 4).bit_length()))
    windows = sliding_window_view(values, length - AHEAD)
    indices = np.unique(np.linspace(0, len(windows) - 1, min(SAMPLE, len(windows))).astype(np.int64))
    residuals = drop_incident_distances(saliency(windows[indices], length))
    progress(0.9)
    interval_s = interval_of(series.timestamps)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_s, IN_SAMPLE)
    progress(1.0)
    return SpectralResidual(standard, length, boundary, TrainingEnd.of(series, length - AHEAD - 1, interval_s))


def saliency(windows: Values, length: int) -> Values:
    """Return the saliency (m,) of the last value of each window (m, length - AHEAD), relative to those before it."""
    parts = (windows[at : at + ROWS] for at in range(0, len(windows), ROWS))
    return np.concatenate([_saliency(part, length) for part in parts])


def _saliency(windows: Values, length: int) -> Values:
    # the estimate excludes the newest value: otherwise a spike would become a step
    before = windows[:, -AHEAD - 2 : -2]
    slopes = (windows[:, -2:-1] - before) / np.arange(AHEAD, 0, -1)
    ahead = before[:, 1:2] + slopes.sum(axis=1, keepdims=True)
    extended = np.concatenate((windows, np.repeat(ahead, AHEAD, axis=1)), axis=1)
    spectrum = np.fft.rfft(extended - extended.mean(axis=1, keepdims=True), axis=1)
    logs = np.log(np.abs(spectrum) + AMPLITUDE_FLOOR)
    logs[:, 0] = logs[:, 1]  # subtracting the mean left a hole here, which is not a feature of the window
    edges = np.pad(logs, ((0, 0), (SMOOTHED_FREQUENCIES // 2, SMOOTHED_FREQUENCIES // 2)), mode="edge")
    average = sliding_window_view(edges, SMOOTHED_FREQUENCIES, axis=1).mean(axis=2)
    salient = np.abs(np.fft.irfft(spectrum * np.exp(-average), n=length, axis=1))
    last = length - AHEAD - 1
    before_last = salient[:, last - int(REFERENCE_SHARE * length) : last]
    relative: Values = salient[:, last] / (before_last.mean(axis=1) + AMPLITUDE_FLOOR)
    return relative


def score(state: SpectralResidual, values: Values, _timestamps: Timestamps, context: Values) -> Scores:
    """Score each value within the window that ends there; the first known value pads a window that is too short."""
    size = state.length - AHEAD
    before = context[-(size - 1) :]
    known = state.standard.standardized(np.concatenate((before, values)))
    joined = np.concatenate((np.full(size - 1 - len(before), known[0]), known))
    ratios = saliency(sliding_window_view(joined, size), state.length) / state.boundary.value
    return Scores(np.minimum(ratios, MAX_SCORE), None, None, None)


def explain(state: SpectralResidual, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    return Explanation(component=f"its saliency within the last {state.length - AHEAD} points")


def needs(state: SpectralResidual) -> Need:
    """Return the values that complete the window."""
    return state.end.needs(state.length - AHEAD - 1)


def learnt(state: SpectralResidual) -> dict[str, float | str]:
    """Return window length, boundary and rate to expect."""
    return {
        "window_points": float(state.length - AHEAD),
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="spectral_residual",
    purpose="Values that stand out from the window before them. For series whose level and seasonality keep changing.",
    cost="Fit: a few hundredths of a second at any length. Prediction: one short Fourier transform.",
    false_alarms="Share of training windows whose last point is above the boundary (in-sample).",
    min_points=MIN_POINTS,
    context_points=LONGEST - AHEAD - 1,
    parameters=(AlarmRate(), Windows()),
    state=SpectralResidual,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    expects=False,
    explain=explain,
)
