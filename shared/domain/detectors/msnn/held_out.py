"""What a multi-scale nearest neighbour score usually is: the sums of held-out windows of the training values."""

import numpy as np

from shared.domain.detectors.forecasts import Trial
from shared.domain.detectors.msnn.rhythm import RhythmTrial
from shared.domain.detectors.msnn.weighing import RECENT, SMOOTHED, STRIDE, combined, moving, told, told_by_rows
from shared.domain.detectors.standards import Places
from shared.domain.series import Values

MOST_ENDS, RUNS, RUN = 6_000, 32, 64  # all points, or runs of every 8th


def held_out_ends(points: int, longest: int) -> Places:
    """Ends of the windows that show what is usual: all of them, or every 8th of some runs, so that time is bounded."""
    first = longest - 1
    if points - first <= MOST_ENDS:
        return np.arange(first, points)
    starts = np.unique(np.linspace(first, points - RUN * STRIDE, RUNS).astype(np.int64))
    return (starts[:, None] + STRIDE * np.arange(RUN)).ravel()


def held_out_sums(
    near: Values,
    ends: Places,
    values: Values,
    trial: Trial,
    trust: float,
    usual_error: float,
    rhythm: RhythmTrial,
    steps: Values,
) -> Values:
    """The sums that new points would have had at the ends that have enough others before them."""
    lags = trial.forecast.lags
    dense = len(values) - ends[0] == len(ends)
    runs = [(near, ends)] if dense else list(zip(near.reshape(-1, RUN), ends.reshape(-1, RUN), strict=True))
    step, back = (STRIDE, SMOOTHED - STRIDE) if dense else (1, SMOOTHED // STRIDE - 1)
    sums = []
    for distances, places in runs:
        if len(places) <= back:
            back = 0
        kept = np.arange(back, len(places))
        smoothed = distances[kept[:, None] - np.arange(0, back + 1, step)].mean(axis=1)
        start = max(int(places[0]), lags)
        errors = trial.held_out(values[start - lags : places[-1] + 1], start, len(values)) / usual_error
        recent = moving(errors, RECENT, 0)
        at = np.maximum(places[kept] - start, 0)
        forecast = told(errors[at], recent[at], trust)
        by_rhythm = told_by_rows(rhythm.held_out(values, places[kept], steps), rhythm.rhythm.trust)
        sums.append(combined(distances[kept], smoothed, forecast, by_rhythm))
    return np.concatenate(sums)
