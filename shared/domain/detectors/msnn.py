"""Multi-scale nearest neighbours: a window is unusual when nothing like it was there before, at any of several lengths.

Three things are added up for every point: the distance of the window that ends there from the nearest of a bank of
training windows, as a mean over the scales; the same, smoothed over the last 64 points; and the error of a one-step
forecast, which weighs as much as that forecast proved to be worth on points held out. Each is divided by what is usual
for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors import alarms, forecasts
from shared.domain.detectors.calibration import held_out_ends, held_out_sums
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
from shared.domain.detectors.forecasts import Forecast
from shared.domain.detectors.neighbours import Bank, Places, bank_ends, lengths_of, vector_length, vectors
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import FARTHEST, Standard, is_after_gap, period_of, without_wild
from shared.domain.detectors.sums import RECENT, SMOOTHED, STRIDE, combined, covering, moving, tamed
from shared.domain.series import Series, Timestamps, Values

FLOOR = 0.02  # added to what is usual, so that a noiseless series does not make rounding errors unusual
AROUND = 32  # points whose forecast errors are gathered on both sides
SELF_SHARE = 0.15  # of the series: windows nearer than this are no proof that something came back
BLOCK = 16_384
MIN_POINTS, LONGEST_PERIOD = 64, 400


@dataclass(frozen=True)  # without slots: the banks are prepared once, on first use
class Msnn:
    """What was learnt. Vectors are in units of `spread`; times are seconds since the epoch."""

    centre: float
    spread: float
    scales: NDArray[np.int64]  # (s,) window lengths, increasing
    counts: NDArray[np.int64]  # (s,) windows in the bank of each
    vectors: NDArray[np.float16]  # all banks one after another
    times: NDArray[np.int64]  # of the last point of each window, one bank after another
    lasts: Values  # the value of that point
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


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Msnn:
    """Choose scales and banks, and learn on held-out windows what is usual."""
    standard = Standard.of(series.values)
    values = without_wild(standard.standardised(series.values))
    sums = np.concatenate(([0.0], values.cumsum()))
    after_gap = is_after_gap(series.timestamps)
    period = period_of(values)
    scales = lengths_of(len(series), period)
    ends = held_out_ends(len(series), scales[-1])
    nearby = SELF_SHARE * len(series)
    banks, usual, near = [], [], np.zeros(len(ends))
    for done, length in enumerate(scales):
        kept = bank_ends(after_gap, length)
        narrow = vectors(sums, kept, length).astype(np.float16)
        by_place = Bank.of(narrow.astype(np.float32), kept)
        nearest, _ = by_place.nearest(vectors(sums, ends, length), ends, max(length, nearby))
        distances = nearest.astype(np.float64)
        usual.append(float(np.quantile(distances, 0.99)) + FLOOR)
        near += tamed(distances / usual[-1]) / len(scales)
        banks.append((narrow, kept))
        progress(0.5 * (done + 1) / len(scales))
    trial = forecasts.best(values, ~after_gap)
    progress(0.9)
    usual_error = float(np.quantile(trial.residuals, 0.99)) + 1e-3
    trust = min(1.0, 2 * max(trial.skill, 0.0))
    sums_of_parts = held_out_sums(near, ends, trial, values, trust, usual_error)
    share = alarms.share_of(parameters["alarm_rate"], interval := alarms.interval_of(series.timestamps))
    assert share is not None  # noqa: S101 - this detector's rate cannot be off
    need = scales[-1] - 1 + SMOOTHED - STRIDE
    progress(1.0)
    return Msnn(
        centre=standard.centre,
        spread=standard.spread,
        scales=np.array(scales, dtype=np.int64),
        counts=np.array([len(kept) for _, kept in banks], dtype=np.int64),
        vectors=np.concatenate([narrow.ravel() for narrow, _ in banks]),
        times=np.concatenate([series.timestamps[kept] for _, kept in banks]),
        lasts=np.concatenate([series.values[kept] for _, kept in banks]),
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
    before = np.minimum(ends - first, 0)  # points whose times are not known are taken as evenly spaced
    times = timestamps[np.maximum(ends - first, 0)] + (before * state.interval_s).astype(np.int64)
    near, scales = np.zeros(len(ends)), np.zeros(len(ends))
    sums = np.concatenate(([0.0], joined.cumsum()))
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        full = int(np.searchsorted(ends, length - 1))
        if full < len(ends):
            near[full:] += tamed(_distances(bank, sums, ends[full:], length, times, state) / usual)
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
    return combined(newest, smoothed, tamed(errors[-count:]), moving(errors, RECENT, 0)[-count:], state.trust)


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
            near += covering(tamed(distances / usual), length)
            scales += 1
    errors = _errors(state, joined)
    gathered = 0.3 * tamed(errors) + 1.2 * moving(errors, AROUND // 2, AROUND // 2 + 1)
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


def _errors(state: Msnn, joined: Values) -> Values:
    """The forecast's errors (m,) in units of the usual; 0 for the first values, of which there is no forecast."""
    errors = np.zeros(len(joined))
    if len(joined) > state.lags and state.trust > 0:
        expected = state.forecast.of(joined[:-1])
        errors[state.lags :] = np.abs(np.clip(joined[state.lags :], -FARTHEST, FARTHEST) - expected) / state.usual_error
    return errors


def explain(state: Msnn, values: Values, _timestamps: Timestamps, context: Values) -> Explanation:
    """The scale that contributes most to the last value's score, and the most similar window, whose end is expected."""
    joined = state.standard.standardised(np.concatenate([context[-_need(state) :], values]))
    sums = np.concatenate(([0.0], joined.cumsum()))
    end = np.array([len(joined) - 1])
    found, first = [], 0
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(joined):
            distance, place = bank.nearest(vectors(sums, end, length))
            found.append((float(distance[0]) / usual, length, first + int(place[0])))
        first += len(bank.times)
    if not found:
        return Explanation()
    ratio, length, nearest = max(found)
    by_forecast = state.trust * 1.8 * float(_errors(state, joined)[-1]) > ratio
    component = "the one-step forecast" if by_forecast else f"the window of {length} points"
    began = round(int(state.times[nearest]) - (length - 1) * state.interval_s)
    return Explanation(float(state.lasts[nearest]), component, began, ratio)


def needs(state: Msnn) -> Need:
    """The longest window, as often as it is smoothed."""
    return Need(_need(state), state.tail, state.last_timestamp, state.interval_s)


def _need(state: Msnn) -> int:
    return int(state.scales[-1]) - 1 + SMOOTHED - STRIDE


def learnt(state: Msnn) -> dict[str, float | str]:
    """Scales, period and what is promised."""
    return {
        "period_points": float(state.period),
        "longest_window_points": float(state.scales[-1]),
        "trust_in_forecast": state.trust,
        "false_alarm_share": state.share,
        "promise": state.promise,
    }


DETECTOR = Detector(
    name="msnn",
    purpose="A stretch of values unlike any in the training values, at several lengths. The best for most series.",
    cost="A fraction of a second to fit at any length; a prediction takes about half a millisecond.",
    false_alarms="The share of training windows, each compared with those far from it, that were as unlike all others.",
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
