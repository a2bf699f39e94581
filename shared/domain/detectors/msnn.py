"""Multi-scale nearest neighbours: a window is unusual when nothing like it was there before, at any of several lengths.

Four things are added up for every point: the distance of the window that ends there from the nearest of a bank of
training windows, as a mean over the scales; the same, smoothed over the last 64 points; the error of a one-step
forecast; and the distance from what is usual at this place of a period. The last two weigh as much as they proved to
be worth on points held out. Each is divided by what is usual for it.
"""

from collections.abc import Iterator

import numpy as np

from shared.domain.detectors import alarms, forecasts, rhythm
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
from shared.domain.detectors.msnn_state import Msnn
from shared.domain.detectors.neighbours import Bank, bank_ends, lengths_of, vectors
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import Standard, is_after_gap, period_of, without_wild
from shared.domain.detectors.sums import (
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

FLOOR = 0.02  # added to what is usual, so that a noiseless series does not make rounding errors unusual
AROUND = 32  # points whose forecast errors are gathered on both sides
SELF_SHARE = 0.15  # of the series: windows nearer than this are no proof that something came back
BLOCK = 16_384
MIN_POINTS, LONGEST_PERIOD = 64, 400


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
    interval = alarms.interval_of(series.timestamps)
    steps = (series.timestamps - series.timestamps[0]) / interval
    beat = rhythm.best(values, steps, period, interval)
    sums_of_parts = held_out_sums(near, ends, values, trial, trust, usual_error, beat, steps)
    share = alarms.share_of(parameters["alarm_rate"], interval)
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
        rhythm_period=beat.rhythm.period,
        rhythm_levels=beat.rhythm.levels,
        usual_rhythm_error=beat.rhythm.usual_error,
        rhythm_trust=beat.rhythm.trust,
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
    joined = state.standard.standardised(values)
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


def explain(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """What contributes most to the last value's score, and the most similar window, whose end is expected."""
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
    off_beat = state.rhythm.errors(joined, end, state.steps(timestamps[-1:]), 1)
    _, component = max(
        (ratio, f"the window of {length} points"),
        (1.8 * state.trust * float(state.errors(joined)[-1]), "the one-step forecast"),
        (1.8 * state.rhythm_trust * float(off_beat[0, 0]), "the place in the period"),
    )
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
        "trust_in_rhythm": state.rhythm_trust,
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
