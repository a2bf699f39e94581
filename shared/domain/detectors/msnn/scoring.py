"""Scores: causal, from what came before a value, or from windows on both sides of it."""

from collections.abc import Iterator

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.contract import MAX_SCORE, Scores, ignore_progress
from shared.domain.detectors.msnn.bank import BATCH_BANK, block_points
from shared.domain.detectors.msnn.fitting import fit
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import (
    BACK,
    RECENT,
    RHYTHM_POWER,
    SMOOTHED,
    STRIDE,
    combined,
    compressed,
    cumulative,
    mean_over_windows,
    moving_rms,
    skill_in_batch,
    weighted_error_rows,
    weighted_errors,
    weighted_errors_around,
)
from shared.domain.detectors.standards import SATURATION, Indices, saturated
from shared.domain.series import Series, Timestamps, Values

BLOCK = 16_384
MIN_POINTS = 64
FEWEST_FOR_SKILL = 256  # points of a batch


def score(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Score each value from itself and what came before it."""
    scores = np.empty(len(values))
    before = context[-state.needed_points :]
    for part in _blocks(len(values)):
        known = np.concatenate([before, values[part]])
        scores[part] = _causal_sums(state, known, timestamps[part]) / state.boundary.value
        before = known[-state.needed_points :]
    return Scores(np.minimum(scores, MAX_SCORE), None, None, None)


def _causal_sums(state: Msnn, known: Values, timestamps: Timestamps) -> Values:
    """Return the sums (m,) of the last m of the known values, at `timestamps` (m,)."""
    joined = state.standard.standardized(known)
    count = len(timestamps)
    first = len(joined) - count
    ends = _window_ends(first, count)
    near = _nearness(state, joined, ends, _times_of(state, ends - first, timestamps))
    errors = state.forecast.errors(joined[max(first - state.forecast.forecast.lags - RECENT + 1, 0) :])
    recent = moving_rms(errors, RECENT - 1, 0)
    rhythm_errors = state.rhythm.errors(joined, np.arange(first, len(joined)), state.steps(timestamps), RECENT)
    return combined(
        near[-count:],
        _smoothed(near, count),
        weighted_errors(errors[-count:], recent[-count:], state.forecast.trust),
        weighted_error_rows(rhythm_errors, state.rhythm.trust),
    )


def _window_ends(first: int, count: int) -> Indices:
    """Return the window ends that matter to the `count` points from `first` on; every 8th for a single point."""
    if count > 1:
        return np.arange(max(first - BACK, 0), first + count)
    ends = np.arange(first % STRIDE, first + 1, STRIDE)
    return ends[ends >= first - BACK]


def _times_of(state: Msnn, indices: Indices, timestamps: Timestamps) -> Timestamps:
    """Return the times of the points at `indices`; those before the first timestamp (negative) are evenly spaced."""
    before = np.minimum(indices, 0)
    return timestamps[np.maximum(indices, 0)] + (before * state.end.interval_s).astype(np.int64)


def _nearness(state: Msnn, joined: Values, ends: Indices, times: Timestamps) -> Values:
    """Return the distance (m,) of the windows that end at `ends` (m,), averaged over the lengths that fit."""
    near, fitting_lengths = np.zeros(len(ends)), np.zeros(len(ends))
    sums = cumulative(joined)
    for scale in state.windows.scales:
        full = int(np.searchsorted(ends, scale.length - 1))
        if full < len(ends):
            near[full:] += compressed(state.distances(scale, sums, ends[full:], times[full:]))
            fitting_lengths[full:] += 1
    near /= np.maximum(fitting_lengths, 1)
    return near


def _smoothed(near: Values, count: int) -> Values:
    """Average (count,) every 8th distance up to each of the last `count` points; all distances for a single point."""
    if count == 1:
        mean: Values = near.mean(keepdims=True)
        return mean
    indices = np.arange(len(near) - count, len(near))
    steps = indices[:, None] - np.arange(0, SMOOTHED, STRIDE)
    means: Values = (near[np.maximum(steps, 0)] * (steps >= 0)).sum(axis=1) / (steps >= 0).sum(axis=1)
    return means


def centered(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Score each value from all windows that contain it, before and after."""
    sums = _centered_sums(state, values, timestamps)
    return Scores(np.minimum(sums / state.boundary.value, MAX_SCORE), None, None, None)


def retrospective(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Score each value also by how unlike the rest of the batch it is; the boundary comes from the batch."""
    if len(values) < MIN_POINTS or values.min() == values.max():
        return centered(state, values, timestamps)
    of_batch = fit(Series(timestamps, values), {"alarm_rate": "1 in 1000"}, ignore_progress, BATCH_BANK)
    sums = _scaled(_centered_sums(state, values, timestamps)) + _scaled(_centered_sums(of_batch, values, timestamps))
    return Scores(np.minimum(sums / alarms.boundary(sums, state.share), MAX_SCORE), None, None, None)


def _scaled(sums: Values) -> Values:
    """Divide by the 90th percentile, so that sums of two states can be added."""
    scaled: Values = sums / max(float(np.quantile(sums, 0.9)), 1e-9)
    return scaled


def _centered_sums(state: Msnn, values: Values, timestamps: Timestamps) -> Values:
    """Return the sums (n,) of the values (n,), from both sides of each."""
    joined = state.standard.standardized(values)
    forecast_errors, rhythm_errors = state.forecast.errors(joined), _rhythm_errors(state, joined, timestamps)
    in_forecast, in_rhythm = trusts(state, joined, timestamps, forecast_errors)
    forecast = weighted_errors_around(forecast_errors, in_forecast)
    rhythm = weighted_errors_around(rhythm_errors, in_rhythm)
    return _centered_nearness(state, joined, timestamps) + forecast + rhythm


def trusts(state: Msnn, joined: Values, timestamps: Timestamps, errors: Values) -> tuple[float, float]:
    """Return how far to trust forecast and rhythm: by their skill on the batch, which shows whether they still hold.

    errors: (n,) of the forecast, relative to the usual. A short batch does not show the skill. Neither is trusted if
    the training data gave no reason to.
    """
    if len(joined) < FEWEST_FOR_SKILL:
        return state.forecast.trust, state.rhythm.trust
    of_median = float(np.abs(saturated(joined)).mean())
    of_last = float(np.abs(np.diff(saturated(joined))).mean())
    absolute = np.minimum(errors * state.forecast.usual_error, SATURATION)
    in_forecast = skill_in_batch(absolute, min(of_median, of_last)) if state.forecast.trust else 0.0
    distances = state.rhythm.distances(joined, state.steps(timestamps))
    in_rhythm = skill_in_batch(distances, of_median) ** RHYTHM_POWER if state.rhythm.trust else 0.0
    return in_forecast, in_rhythm


def _centered_nearness(state: Msnn, joined: Values, timestamps: Timestamps) -> Values:
    """Return each point's (n,) mean distance over the windows that contain it and the lengths that fit."""
    near, fitting_lengths, sums = np.zeros(len(joined)), 0, cumulative(joined)
    for scale in state.windows.scales:
        if scale.length <= len(joined):
            every = np.arange(scale.length - 1, len(joined), block_points(scale.length))
            parts = [every[part] for part in _blocks(len(every))]
            distances = np.concatenate([state.distances(scale, sums, ends, timestamps[ends]) for ends in parts])
            # windows that end within a block of points hardly differ: they get the distance of the first of them
            each = np.repeat(compressed(distances), block_points(scale.length))[: len(joined) - scale.length + 1]
            near += mean_over_windows(each, scale.length)
            fitting_lengths += 1
    return near / max(fitting_lengths, 1)


def _rhythm_errors(state: Msnn, joined: Values, timestamps: Timestamps) -> Values:
    """Return the error (n,) of each point, in blocks so that memory is bounded."""
    indices, steps = np.arange(len(joined)), state.steps(timestamps)
    return np.concatenate(
        [state.rhythm.errors(joined, indices[part], steps[part], 1)[:, 0] for part in _blocks(len(joined))]
    )


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
