"""Scores: of each value by what came before it, or by the windows on both sides of it."""

from collections.abc import Iterator

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.contract import Scores, ignore_progress
from shared.domain.detectors.msnn.fitting import fit
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import (
    RECENT,
    SMOOTHED,
    STRIDE,
    combined,
    covering,
    moving,
    tamed,
    told,
    told_by_rows,
)
from shared.domain.series import Series, Timestamps, Values

AROUND = 32  # points whose forecast errors are gathered on both sides
BLOCK = 16_384
MIN_POINTS = 64


def score(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Judge each value by itself and what came before it."""
    own = np.empty(len(values))
    before = context[-state.needed_points :]
    back = SMOOTHED - STRIDE
    for start in range(0, len(values), BLOCK):
        part = slice(start, start + BLOCK)
        joined = state.standard.standardized(np.concatenate([before, values[part]]))
        own[part] = _causal(state, joined, timestamps[part], back) / state.boundary
        before = np.concatenate([before, values[part]])[-state.needed_points :]
    return Scores(own, None, None, None)


def _causal(state: Msnn, joined: Values, timestamps: Timestamps, back: int) -> Values:
    """The sums of the last len(timestamps) of the standardized values."""
    count = len(timestamps)
    first = len(joined) - count
    alone = count == 1
    ends = np.arange(first % STRIDE, first + 1, STRIDE) if alone else np.arange(max(first - back, 0), len(joined))
    ends = ends[ends >= first - back]
    before = np.minimum(ends - first, 0)  # points whose times are not known are taken as evenly spaced
    times = timestamps[np.maximum(ends - first, 0)] + (before * state.interval_s).astype(np.int64)
    near, scales = np.zeros(len(ends)), np.zeros(len(ends))
    sums = np.concatenate(([0.0], joined.cumsum()))
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        full = int(np.searchsorted(ends, length - 1))
        if full < len(ends):
            near[full:] += tamed(state.distances(bank, sums, ends[full:], length, times) / usual)
            scales[full:] += 1
    near /= np.maximum(scales, 1)
    if alone:
        smoothed = near.mean(keepdims=True)
        newest = near[-1:]
    else:
        places = np.arange(len(ends) - count, len(ends))
        steps = places[:, None] - np.arange(0, SMOOTHED, STRIDE)
        smoothed = (near[np.maximum(steps, 0)] * (steps >= 0)).sum(axis=1) / (steps >= 0).sum(axis=1)
        newest = near[places]
    errors = state.errors(joined[max(first - state.lags - RECENT + 1, 0) :])
    forecast = told(errors[-count:], moving(errors, RECENT, 0)[-count:], state.trust)
    off_beat = state.rhythm.errors(joined, np.arange(first, len(joined)), state.steps(timestamps), RECENT)
    return combined(newest, smoothed, forecast, told_by_rows(off_beat, state.rhythm_trust))


def centred(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Judge each value by all the windows it lies in, before and after."""
    return Scores(_centred(state, values, timestamps) / state.boundary, None, None, None)


def retrospective(state: Msnn, values: Values, timestamps: Timestamps) -> Scores:
    """Judge each value also by how unlike the rest of these very values it is; 1 is their own boundary."""
    if len(values) < MIN_POINTS or values.min() == values.max():
        return centred(state, values, timestamps)
    own = fit(Series(timestamps, values), {"alarm_rate": "1 in 1000"}, ignore_progress)
    sums = sum(
        part / max(float(np.quantile(part, 0.9)), 1e-9)
        for part in (_centred(state, values, timestamps), _centred(own, values, timestamps))
    )
    return Scores(np.asarray(sums) / alarms.boundary(np.asarray(sums), state.share), None, None, None)


def _centred(state: Msnn, values: Values, timestamps: Timestamps) -> Values:
    joined = state.standard.standardized(values)
    sums = np.concatenate(([0.0], joined.cumsum()))
    near, scales = np.zeros(len(values)), 0
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(values):
            distances = np.empty(len(values) - length + 1)
            for part in _blocks(len(distances)):
                ends = np.arange(part.start, part.stop) + length - 1
                distances[part] = state.distances(bank, sums, ends, length, timestamps[ends])
            near += covering(tamed(distances / usual), length)
            scales += 1
    places, steps = np.arange(len(joined)), state.steps(timestamps)
    off_beat = np.concatenate(
        [state.rhythm.errors(joined, places[part], steps[part], 1)[:, 0] for part in _blocks(len(joined))]
    )
    forecast, by_rhythm = (
        trust * (0.3 * tamed(errors) + 1.2 * moving(errors, AROUND // 2, AROUND // 2 + 1))
        for errors, trust in ((state.errors(joined), state.trust), (off_beat, state.rhythm_trust))
    )
    return near / max(scales, 1) + forecast + by_rhythm


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
