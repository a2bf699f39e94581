"""Spectral residual: a value is unusual when its window is salient just there.

The window's amplitude spectrum less its own moving average leaves what the window's own regularities do not explain;
transformed back, it is the saliency of each point [Ren et al.: Time-series anomaly detection service at Microsoft,
2019].
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.detectors.alarms import Boundary, interval_of
from shared.domain.detectors.contract import Detector, Explanation, Need, ParameterValues, Progress, Scores, TrainingEnd
from shared.domain.detectors.incidents import drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import Standard, without_outliers
from shared.domain.series import Series, Timestamps, Values

AHEAD = 5  # estimated points after the newest, so that it does not stand at the edge; the paper's number too
LONGEST, SHORTEST = 128, 32  # of the transform: window and estimated points
SMOOTHED_FREQUENCIES = 3  # neighbors of a frequency, in the paper's moving average of the log spectrum
REFERENCE_SHARE = 0.5  # of the transform: points whose mean saliency the newest is compared with
AMPLITUDE_FLOOR = 1e-3  # added to amplitudes and saliencies, so that rounding errors in a flat window are not salient
ROWS = 4_096
SAMPLE = 8_192  # held-out windows at most
MIN_POINTS = 64


@dataclass(frozen=True, slots=True)
class SpectralResidual:
    """The length of the transform, and how salient a point may be."""

    standard: Standard
    length: int  # of the transform
    boundary: Boundary  # in units of the mean saliency of the points before
    end: TrainingEnd


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> SpectralResidual:
    """Learn nothing but the usual saliency: each window is judged by itself."""
    standard = Standard.of(series.values)
    values = without_outliers(standard.standardized(series.values))
    length = min(LONGEST, max(SHORTEST, 1 << (len(series) // 4).bit_length()))
    windows = sliding_window_view(values, length - AHEAD)
    places = np.unique(np.linspace(0, len(windows) - 1, min(SAMPLE, len(windows))).astype(np.int64))
    residuals = drop_incident_distances(saliency(windows[places], length))
    progress(0.9)
    interval_s = interval_of(series.timestamps)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_s)
    progress(1.0)
    return SpectralResidual(standard, length, boundary, TrainingEnd.of(series, length - AHEAD - 1, interval_s))


def saliency(windows: Values, length: int) -> Values:
    """Saliency (m,) of the last value of each window (m, length - AHEAD), in units of the mean of those before it."""
    parts = (windows[at : at + ROWS] for at in range(0, len(windows), ROWS))
    return np.concatenate([_saliency(part, length) for part in parts])


def _saliency(windows: Values, length: int) -> Values:
    # the newest value has no part in the estimate: a spike must not become a step
    before = windows[:, -AHEAD - 2 : -2]
    slopes = (windows[:, -2:-1] - before) / np.arange(AHEAD, 0, -1)
    ahead = before[:, 1:2] + slopes.sum(axis=1, keepdims=True)
    extended = np.concatenate((windows, np.repeat(ahead, AHEAD, axis=1)), axis=1)
    spectrum = np.fft.rfft(extended - extended.mean(axis=1, keepdims=True), axis=1)
    logs = np.log(np.abs(spectrum) + AMPLITUDE_FLOOR)
    logs[:, 0] = logs[:, 1]  # the mean was taken away: that hole is no feature of the window
    edges = np.pad(logs, ((0, 0), (SMOOTHED_FREQUENCIES // 2, SMOOTHED_FREQUENCIES // 2)), mode="edge")
    average = sliding_window_view(edges, SMOOTHED_FREQUENCIES, axis=1).mean(axis=2)
    salient = np.abs(np.fft.irfft(spectrum * np.exp(-average), n=length, axis=1))
    last = length - AHEAD - 1
    before_last = salient[:, last - int(REFERENCE_SHARE * length) : last]
    relative: Values = salient[:, last] / (before_last.mean(axis=1) + AMPLITUDE_FLOOR)
    return relative


def score(state: SpectralResidual, values: Values, _timestamps: Timestamps, context: Values) -> Scores:
    """Judge each value by the window that ends there; the first known value stands for those before it."""
    size = state.length - AHEAD
    before = context[-(size - 1) :]
    known = state.standard.standardized(np.concatenate((before, values)))
    joined = np.concatenate((np.full(size - 1 - len(before), known[0]), known))
    return Scores(saliency(sliding_window_view(joined, size), state.length) / state.boundary.value, None, None, None)


def explain(state: SpectralResidual, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    """Name the only window."""
    return Explanation(component=f"the saliency in the window of {state.length - AHEAD} points")


def needs(state: SpectralResidual) -> Need:
    """The rest of the window."""
    return state.end.needs(state.length - AHEAD - 1)


def learnt(state: SpectralResidual) -> dict[str, float | str]:
    """Window, boundary and promise."""
    return {
        "window_points": float(state.length - AHEAD),
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="spectral_residual",
    purpose="A value that stands out in the window before it. For series whose level and rhythm keep changing.",
    cost="Some hundredths of a second to fit at any length; a prediction is one short Fourier transform.",
    false_alarms="The share of training windows whose last point was as salient.",
    min_points=MIN_POINTS,
    context_points=LONGEST - AHEAD - 1,
    parameters=(AlarmRate(), Windows()),
    state=SpectralResidual,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
