"""Multi-scale nearest neighbours: a window is unusual when nothing like it was there before, at any of several lengths.

Three things are added up for every point: the distance of the window that ends there from the nearest of a bank of
training windows, as a mean over the scales; the same, smoothed over the last 64 points; and the error of a one-step
forecast, which weighs as much as that forecast proved to be worth on points held out. Each is divided by what is usual
for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors import alarms, forecasts
from shared.domain.detectors.contract import (
    CENTRED,
    RETROSPECTIVE,
    Detector,
    Explanation,
    Need,
    ParameterValues,
    Progress,
    Scores,
    ignore_progress,
)
from shared.domain.detectors.forecasts import Forecast, Trial
from shared.domain.detectors.neighbours import Bank, Places, vector_length, vectors
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import FARTHEST, Standard, is_after_gap, period_of, without_wild
from shared.domain.series import Series, Timestamps, Values

SCALES = (16, 32, 64, 128)
BANK = 512
FLOOR = 0.02  # added to what is usual, so that a noiseless series does not make rounding errors unusual
SMOOTHED, STRIDE = 64, 8  # the mean over the last 64 points is taken from every 8th
RECENT = 16  # points whose forecast errors are remembered
AROUND = 32  # points whose forecast errors are gathered on both sides
SELF_SHARE = 0.15  # of the series: windows nearer than this are no proof that something came back
MOST_ENDS, RUNS, RUN = 6_000, 32, 64  # of calibration: all points, or runs of every 8th
BLOCK = 16_384
MIN_POINTS = 64
LONGEST_PERIOD = 400


@dataclass(frozen=True)  # without slots: the banks are prepared once, on first use
class Msnn:
    """What was learnt. Vectors are in units of `spread`; times are seconds since the epoch."""

    centre: float
    spread: float
    scales: NDArray[np.int64]  # (s,) window lengths, increasing
    counts: NDArray[np.int64]  # (s,) windows in the bank of each
    vectors: NDArray[np.float16]  # all banks one after another
    times: NDArray[np.int64]  # of the last point of each window, one bank after another
    usual: Values  # (s,) the distance that one in a hundred windows exceeds
    lags: int
    bends: int
    weights: Values
    usual_error: float  # of the forecast, exceeded by one in a hundred
    trust: float  # in the forecast, 0 to 1
    boundary: float  # the sum at which the score is 1
    period: int  # points; 0 = none was found
    share: float  # of false alarms
    promise: str
    first_timestamp: int
    last_timestamp: int
    interval_s: float
    tail: Values

    @cached_property
    def banks(self) -> list[Bank]:
        """The windows to compare with, one bank for each scale."""
        banks, at, start = [], 0, 0
        for length, count in zip(self.scales.tolist(), self.counts.tolist(), strict=True):
            size = count * vector_length(length)
            content = self.vectors[at : at + size].astype(np.float32).reshape(count, -1)
            banks.append(Bank.of(content, self.times[start : start + count]))
            at, start = at + size, start + count
        return banks

    @property
    def standard(self) -> Standard:
        """How values are made comparable."""
        return Standard(self.centre, self.spread)

    @property
    def forecast(self) -> Forecast:
        """What the next value will be."""
        return Forecast(self.lags, self.bends, self.weights)


# --------------------------------------------------------------------------------------------------------------- fit


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Msnn:
    """Choose scales and banks, and learn on held-out windows what is usual."""
    standard = Standard.of(series.values)
    values = without_wild(standard.standardised(series.values))
    sums = np.concatenate(([0.0], values.cumsum()))
    after_gap = is_after_gap(series.timestamps)
    period = period_of(values)
    scales = _scales(len(series), period)
    ends = _calibration_ends(len(series), scales[-1])
    nearby = SELF_SHARE * len(series)
    banks, usual, near = [], [], np.zeros(len(ends))
    for done, length in enumerate(scales):
        bank_ends = _bank_ends(after_gap, length)
        narrow = vectors(sums, bank_ends, length).astype(np.float16)
        by_place = Bank.of(narrow.astype(np.float32), bank_ends)
        nearest, _ = by_place.nearest(vectors(sums, ends, length), ends, max(length, nearby))
        distances = nearest.astype(np.float64)
        usual.append(float(np.quantile(distances, 0.99)) + FLOOR)
        near += _tamed(distances / usual[-1]) / len(scales)
        banks.append((narrow, series.timestamps[bank_ends]))
        progress(0.5 * (done + 1) / len(scales))
    trial = forecasts.best(values, ~after_gap)
    progress(0.9)
    usual_error = float(np.quantile(trial.residuals, 0.99)) + 1e-3
    trust = min(1.0, 2 * max(trial.skill, 0.0))
    sums_of_parts = _calibration_sums(near, ends, trial, values, trust, usual_error)
    share = alarms.share_of(parameters["alarm_rate"], interval := alarms.interval_of(series.timestamps))
    assert share is not None  # noqa: S101 - this detector's rate cannot be off
    need = scales[-1] - 1 + SMOOTHED - STRIDE
    progress(1.0)
    return Msnn(
        centre=standard.centre,
        spread=standard.spread,
        scales=np.array(scales, dtype=np.int64),
        counts=np.array([len(times) for _, times in banks], dtype=np.int64),
        vectors=np.concatenate([narrow.ravel() for narrow, _ in banks]),
        times=np.concatenate([times for _, times in banks]),
        usual=np.array(usual),
        lags=trial.forecast.lags,
        bends=trial.forecast.bends,
        weights=trial.forecast.weights,
        usual_error=usual_error,
        trust=trust,
        boundary=alarms.boundary(sums_of_parts, share),
        period=period,
        share=share,
        promise=alarms.promise(share, len(sums_of_parts)),
        first_timestamp=int(series.timestamps[0]),
        last_timestamp=int(series.timestamps[-1]),
        interval_s=interval,
        tail=series.values[-need:].copy(),
    )


def _scales(points: int, period: int) -> list[int]:
    lengths = {*SCALES, *((max(period // 2, 8), period, 2 * period) if period >= 4 else ())}
    return sorted({min(length, max(points // 4, 4)) for length in lengths})


def _bank_ends(after_gap: NDArray[np.bool_], length: int) -> Places:
    """Evenly spaced ends of at most `BANK` windows, none of them across a gap unless there is no other way."""
    ends = np.arange(length - 1, len(after_gap))
    broken = np.concatenate(([0], np.cumsum(after_gap)))
    whole = ends[broken[ends + 1] == broken[ends + 2 - length]]  # a gap before the first value does not matter
    ends = whole if len(whole) >= 8 else ends
    return ends[np.unique(np.linspace(0, len(ends) - 1, min(BANK, len(ends))).astype(np.int64))]


def _calibration_ends(points: int, longest: int) -> Places:
    """Ends of the windows that show what is usual: all of them, or every 8th of some runs, so that time is bounded."""
    first = longest - 1
    if points - first <= MOST_ENDS:
        return np.arange(first, points)
    starts = np.unique(np.linspace(first, points - RUN * STRIDE, RUNS).astype(np.int64))
    return (starts[:, None] + STRIDE * np.arange(RUN)).ravel()


def _calibration_sums(
    near: Values, ends: Places, trial: Trial, values: Values, trust: float, usual_error: float
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
        recent = _moving(errors, RECENT, 0)
        at = np.maximum(places[kept] - start, 0)
        sums.append(_sum(distances[kept], smoothed, _tamed(errors)[at], recent[at], trust))
    return np.concatenate(sums)


# ------------------------------------------------------------------------------------------------------------- score


def score(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Judge each value by itself and what came before it."""
    own = np.empty(len(values))
    before = context[-_need(state) :]
    back = SMOOTHED - STRIDE
    for start in range(0, len(values), BLOCK):
        part = slice(start, start + BLOCK)
        joined = state.standard.standardised(np.concatenate([before, values[part]]))
        own[part] = _causal(state, joined, timestamps[part], back) / state.boundary
        before = np.concatenate([before, values[part]])[-_need(state) :]
    return Scores(own, None, None, None)


def _causal(state: Msnn, joined: Values, timestamps: Timestamps, back: int) -> Values:
    """The sums of the last len(timestamps) of the standardised values."""
    count = len(timestamps)
    first = len(joined) - count
    alone = count == 1
    ends = np.arange(first % STRIDE, first + 1, STRIDE) if alone else np.arange(max(first - back, 0), len(joined))
    ends = ends[ends >= first - back]
    times = _times(state, timestamps, ends - first)
    near, scales = np.zeros(len(ends)), np.zeros(len(ends))
    sums = np.concatenate(([0.0], joined.cumsum()))
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        full = int(np.searchsorted(ends, length - 1))
        if full < len(ends):
            near[full:] += _tamed(_distances(bank, sums, ends[full:], length, times, state) / usual)
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
    errors = _errors(state, joined[max(first - state.lags - RECENT + 1, 0) :])
    return _sum(newest, smoothed, _tamed(errors[-count:]), _moving(errors, RECENT, 0)[-count:], state.trust)


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
    joined = state.standard.standardised(values)
    sums = np.concatenate(([0.0], joined.cumsum()))
    near, scales = np.zeros(len(values)), 0
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(values):
            distances = np.empty(len(values) - length + 1)
            for part in _blocks(len(distances)):
                ends = np.arange(part.start, part.stop) + length - 1
                distances[part] = _distances(bank, sums, ends, length, timestamps[ends], state)
            near += _covering(_tamed(distances / usual), length)
            scales += 1
    errors = _errors(state, joined)
    gathered = 0.3 * _tamed(errors) + 1.2 * _moving(errors, AROUND // 2, AROUND // 2 + 1)
    return near / max(scales, 1) + state.trust * gathered


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _distances(bank: Bank, sums: Values, ends: Places, length: int, times: Places, state: Msnn) -> Values:
    """From the nearest windows; a window among the training values is not compared with itself and its neighbours."""
    wanted = vectors(sums, ends, length)
    times = times[-len(ends) :]
    trained = times[0] <= state.last_timestamp and times[-1] >= state.first_timestamp
    reach = max(length // 2, 4) * state.interval_s
    nearest, _ = bank.nearest(wanted, times, reach) if trained else bank.nearest(wanted)
    return nearest.astype(np.float64)


def _times(state: Msnn, timestamps: Timestamps, offsets: Places) -> Places:
    """Times of the points at `offsets` from the first of the timestamps; those before it are taken as evenly spaced."""
    known = timestamps[np.maximum(offsets, 0)]
    return known + (np.minimum(offsets, 0) * state.interval_s).astype(np.int64)


def _errors(state: Msnn, joined: Values) -> Values:
    """The forecast's errors (m,) in units of the usual; 0 for the first values, of which there is no forecast."""
    errors = np.zeros(len(joined))
    if len(joined) > state.lags and state.trust > 0:
        expected = state.forecast.of(joined[:-1])
        errors[state.lags :] = np.abs(np.clip(joined[state.lags :], -FARTHEST, FARTHEST) - expected) / state.usual_error
    return errors


def _sum(near: Values, smoothed: Values, error: Values, recent: Values, trust: float) -> Values:
    return 0.5 * near + 0.5 * smoothed + trust * (0.6 * error + 1.2 * recent)


def _tamed(ratio: Values) -> Values:
    """The same up to 10, then its logarithm: one wild value must not outweigh everything near it."""
    return np.where(ratio <= 10, ratio, 10 + 10 * np.log(np.maximum(ratio, 10) / 10))


def _moving(errors: Values, before: int, after: int) -> Values:
    """Root mean square of the tamed errors over `before` points up to each (itself included) and `after` - 1 beyond."""
    sums = np.concatenate(([0.0], (_tamed(errors) ** 2).cumsum()))
    places = np.arange(len(errors))
    low = np.maximum(places - (before if after else before - 1), 0)
    high = np.minimum(places + max(after, 1), len(errors))
    means: Values = np.sqrt(np.maximum(sums[high] - sums[low], 0) / (high - low))
    return means


def _covering(distances: Values, length: int) -> Values:
    """For each point the mean over the windows it lies in; distances (n - length + 1,) by the windows' starts."""
    sums = np.concatenate(([0.0], distances.cumsum()))
    places = np.arange(len(distances) + length - 1)
    low = np.maximum(places - length + 1, 0)
    high = np.minimum(places + 1, len(distances))
    means: Values = (sums[high] - sums[low]) / (high - low)
    return means


# ------------------------------------------------------------------------------------------------------------- words


def explain(state: Msnn, values: Values, _timestamps: Timestamps, context: Values) -> Explanation:
    """The scale that contributes most to the last value's score, and the most similar window of the training values."""
    joined = state.standard.standardised(np.concatenate([context[-_need(state) :], values]))
    sums = np.concatenate(([0.0], joined.cumsum()))
    end = np.array([len(joined) - 1])
    found = []
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(joined):
            distance, place = bank.nearest(vectors(sums, end, length))
            found.append((float(distance[0]) / usual, length, int(bank.times[place[0]])))
    if not found:
        return Explanation()
    ratio, length, time = max(found)
    error = state.trust * 1.8 * float(_errors(state, joined)[-1])
    component = "the one-step forecast" if error > ratio else f"the window of {length} points"
    return Explanation(None, component, round(time - (length - 1) * state.interval_s), ratio)


def needs(state: Msnn) -> Need:
    """The longest window, as often as it is smoothed."""
    return Need(_need(state), state.tail, state.last_timestamp, state.interval_s)


def _need(state: Msnn) -> int:
    return int(state.scales[-1]) - 1 + SMOOTHED - STRIDE


def learnt(state: Msnn) -> dict[str, float | str]:
    """Scales, period and what is promised."""
    told: dict[str, Any] = {
        "period_points": float(state.period),
        "longest_window_points": float(state.scales[-1]),
        "trust_in_forecast": state.trust,
        "false_alarm_share": state.share,
        "promise": state.promise,
    }
    return told


DETECTOR = Detector(
    name="msnn",
    purpose="A stretch of values unlike any in the training values, at several lengths. The best for most series.",
    cost="A fraction of a second to fit at any length; a prediction takes about half a millisecond.",
    min_points=MIN_POINTS,
    context_points=2 * LONGEST_PERIOD - 1 + SMOOTHED - STRIDE,
    parameters=(AlarmRate(), Windows()),
    state=Msnn,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    modes={CENTRED: centred, RETROSPECTIVE: retrospective},
    explain=explain,
)
