"""Held-out scores of training windows, which set the boundary of multi-scale nearest neighbors."""

import numpy as np

from shared.domain.detectors.forecasts import Trial
from shared.domain.detectors.msnn.rhythm import RhythmTrial
from shared.domain.detectors.msnn.state import TrustedForecast
from shared.domain.detectors.msnn.weighing import (
    RECENT,
    SMOOTHED,
    STRIDE,
    combined,
    moving_rms,
    weighted_error_rows,
    weighted_errors,
)
from shared.domain.detectors.standards import Indices
from shared.domain.series import Values

MOST_ENDS, RUNS, RUN = 6_000, 32, 64  # all points, or 32 runs of 64 ends, every 8th point


def held_out_ends(points: int, longest: int) -> Indices:
    """Return the ends of the held-out windows: all, or every 8th point in some runs, so that time is bounded."""
    first = longest - 1
    if points - first <= MOST_ENDS:
        return np.arange(first, points)
    starts = np.unique(np.linspace(first, points - RUN * STRIDE, RUNS).astype(np.int64))
    return (starts[:, None] + STRIDE * np.arange(RUN)).ravel()


def held_out_sums(
    near: Values,
    ends: Indices,
    values: Values,
    steps: Values,
    forecast_trial: Trial,
    forecast: TrustedForecast,
    rhythm_trial: RhythmTrial,
) -> Values:
    """Return the sums that new points would have had, at the ends with enough other ends before them.

    near: (m,) mean distances of the windows that end at `ends` (m,); values, steps: (n,) of the whole series.
    """
    dense = len(values) - ends[0] == len(ends)
    shape, stride = ((1, -1), STRIDE) if dense else ((-1, RUN), 1)  # of the ends in the smoothed distance
    near_runs, end_runs = near.reshape(shape), ends.reshape(shape)
    back = stride * (SMOOTHED // STRIDE - 1)
    if end_runs.shape[1] <= back:
        back = 0
    return np.concatenate(
        [
            combined(
                distances[back:],
                _smoothed(distances, back, stride),
                _forecast_part(values, indices, back, forecast_trial, forecast),
                weighted_error_rows(rhythm_trial.held_out(values, indices[back:], steps), rhythm_trial.rhythm.trust),
            )
            for distances, indices in zip(near_runs, end_runs, strict=True)
        ]
    )


def _smoothed(distances: Values, back: int, stride: int) -> Values:
    """Average, for each distance but the first `back`, every `stride`-th distance up to `back` before it."""
    indices = np.arange(back, len(distances))
    means: Values = distances[indices[:, None] - np.arange(0, back + 1, stride)].mean(axis=1)
    return means


def _forecast_part(values: Values, indices: Indices, back: int, trial: Trial, forecast: TrustedForecast) -> Values:
    """Return the weighted forecast errors of the points at `indices`, without the first `back`."""
    start = max(int(indices[0]), trial.forecast.lags)
    known = values[start - trial.forecast.lags : indices[-1] + 1]
    errors = trial.held_out(known, start, len(values)) / forecast.usual_error
    recent = moving_rms(errors, RECENT - 1, 0)
    at = np.maximum(indices[back:] - start, 0)
    return weighted_errors(errors[at], recent[at], forecast.trust)
