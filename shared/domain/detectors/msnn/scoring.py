"""Scores: of each value by what came before it, or by the windows on both sides of it."""

from collections.abc import Iterator

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.contract import Scores, ignore_progress
from shared.domain.detectors.msnn.fitting import fit
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import (
    BACK,
    RECENT,
    SMOOTHED,
    STRIDE,
    combined,
    compressed,
    cumulative,
    mean_over_windows,
    moving_rms,
    weighted_error_rows,
    weighted_errors,
    weighted_errors_around,
)
from shared.domain.detectors.standards import Places
from shared.domain.series import Series, Timestamps, Values

BLOCK = 16_384
MIN_POINTS = 64


def score(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Judge each value by itself and what came before it."""
    scores = np.empty(len(values))
    before = context[-state.needed_points :]
    for part in _blocks(len(values)):
        known = np.concatenate([before, values[part]])
        scores[part] = _causal_sums(state, known, timestamps[part]) / state.boundary.value
        before = known[-state.needed_points :]
    return Scores(scores, None, None, None)


def _causal_sums(state: Msnn, known: Values, timestamps: Timestamps) -> Values:
    """The sums (m,) of the last m of the values, at `timestamps` (m,)."""
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


def _window_ends(first: int, count: int) -> Places:
    """Ends of the windows that count for the `count` points from `first` on: for a single point, every 8th."""
    if count > 1:
        return np.arange(max(first - BACK, 0), first + count)
    ends = np.arange(first % STRIDE, first + 1, STRIDE)
    return ends[ends >= first - BACK]


def _times_of(state: Msnn, places: Places, timestamps: Timestamps) -> Timestamps:
    """Times of the points at `places`, counted from the first timestamp; those before it are taken as evenly spaced."""
    before = np.minimum(places, 0)
    return timestamps[np.maximum(places, 0)] + (before * state.end.interval_s).astype(np.int64)


def _nearness(state: Msnn, joined: Values, ends: Places, times: Timestamps) -> Values:
    """The mean distance (m,) of the windows that end at `ends` (m,), over the lengths that fit before each."""
    near, fitting = np.zeros(len(ends)), np.zeros(len(ends))
    sums = cumulative(joined)
    for scale in state.windows.scales:
        full = int(np.searchsorted(ends, scale.length - 1))
        if full < len(ends):
            near[full:] += compressed(state.distances(scale, sums, ends[full:], times[full:]))
            fitting[full:] += 1
    near /= np.maximum(fitting, 1)
    return near


def _smoothed(near: Values, count: int) -> Values:
    """The mean (count,) of every 8th of the distances up to each of the last `count`; for a single point, of all."""
    if count == 1:
        mean: Values = near.mean(keepdims=True)
        return mean
    places = np.arange(len(near) - count, len(near))
    steps = places[:, None] - np.arange(0, SMOOTHED, STRIDE)
    means: Values = (near[np.maximum(steps, 0)] * (steps >= 0)).sum(axis=1) / (steps >= 0).sum(axis=1)
    return means


def centered(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Judge each value by all the windows it lies in, before and after."""
    return Scores(_centered_sums(state, values, timestamps) / state.boundary.value, None, None, None)


def retrospective(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Judge each value also by how unlike the rest of these very values it is; 1 is their own boundary."""
    if len(values) < MIN_POINTS or values.min() == values.max():
        return centered(state, values, timestamps)
    of_batch = fit(Series(timestamps, values), {"alarm_rate": "1 in 1000"}, ignore_progress)
    sums = _scaled(_centered_sums(state, values, timestamps)) + _scaled(_centered_sums(of_batch, values, timestamps))
    return Scores(sums / alarms.boundary(sums, state.share), None, None, None)


def _scaled(sums: Values) -> Values:
    """In units of their own 90 % quantile, so that sums of two states can be added."""
    scaled: Values = sums / max(float(np.quantile(sums, 0.9)), 1e-9)
    return scaled


def _centered_sums(state: Msnn, values: Values, timestamps: Timestamps) -> Values:
    """The sums (n,) of the values (n,), each judged by both sides."""
    joined = state.standard.standardized(values)
    forecast = weighted_errors_around(state.forecast.errors(joined), state.forecast.trust)
    rhythm = weighted_errors_around(_rhythm_errors(state, joined, timestamps), state.rhythm.trust)
    return _centered_nearness(state, joined, timestamps) + forecast + rhythm


def _centered_nearness(state: Msnn, joined: Values, timestamps: Timestamps) -> Values:
    """For each point (n,) the mean distance of the windows it lies in, over the lengths that fit."""
    near, fitting, sums = np.zeros(len(joined)), 0, cumulative(joined)
    for scale in state.windows.scales:
        if scale.length <= len(joined):
            distances = np.empty(len(joined) - scale.length + 1)
            for part in _blocks(len(distances)):
                ends = np.arange(part.start, part.stop) + scale.length - 1
                distances[part] = state.distances(scale, sums, ends, timestamps[ends])
            near += mean_over_windows(compressed(distances), scale.length)
            fitting += 1
    return near / max(fitting, 1)


def _rhythm_errors(state: Msnn, joined: Values, timestamps: Timestamps) -> Values:
    """Each point's own error (n,), in blocks so that memory is bounded."""
    places, steps = np.arange(len(joined)), state.steps(timestamps)
    return np.concatenate(
        [state.rhythm.errors(joined, places[part], steps[part], 1)[:, 0] for part in _blocks(len(joined))]
    )


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
