"""Slow, obviously correct versions of fast computations in the product."""

import cmath
import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np

from shared.domain.detectors.ar import Autoregression
from shared.domain.detectors.baseline import Baseline
from shared.domain.detectors.contract import MAX_SCORE
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.robust import Robust
from shared.domain.detectors.seasonal import Seasonal
from shared.domain.detectors.spectral_residual import SpectralResidual
from shared.domain.detectors.states import Fitted

DIGITS = 60


def mean(values: Sequence[float]) -> Fraction:
    """Return the exact mean."""
    return sum(map(Fraction, values), Fraction(0)) / len(values)


def standard_deviation(values: Sequence[float]) -> Decimal:
    """Return the population standard deviation: the exact variance, and its root to 60 digits."""
    middle = mean(values)
    variance = sum(((Fraction(value) - middle) ** 2 for value in values), Fraction(0)) / len(values)
    with localcontext() as context:
        context.prec = DIGITS
        return (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()


def nearest_rank(samples: Sequence[float], percent: int) -> float:
    """Return the smallest sample that at least `percent` of the samples do not exceed."""
    for candidate in sorted(samples):
        if sum(sample <= candidate for sample in samples) * 100 >= percent * len(samples):
            return candidate
    raise AssertionError


def extremes(values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """Return the first and last index, and the first minimum and maximum of each slice between two edges."""
    kept = {0, len(values) - 1}
    for start, end in pairwise(edges):
        kept.add(min(range(start, end), key=lambda place: values[place]))
        kept.add(max(range(start, end), key=lambda place: values[place]))
    return sorted(kept)


def peaks(values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """Return the index of the first maximum of each slice between two edges."""
    return [max(range(start, end), key=lambda place: values[place]) for start, end in pairwise(edges)]


def block_maxima(scores: Sequence[float], block: int) -> list[int]:
    """Return the index of the first maximum of each block."""
    return [
        max(range(start, min(start + block, len(scores))), key=lambda place: scores[place])
        for start in range(0, len(scores), block)
    ]


def window_vector(window: Sequence[float]) -> list[float]:
    """Return (m - mean) / sqrt(blocks) for the means m of at most 32 equal blocks at the end, and 0.3 * mean."""
    step = math.ceil(len(window) / 32)
    blocks = len(window) // step
    mean_of_all = math.fsum(window) / len(window)
    tail = window[len(window) - blocks * step :]
    means = [math.fsum(tail[at : at + step]) / step for at in range(0, len(tail), step)]
    return [*((block - mean_of_all) / math.sqrt(blocks) for block in means), 0.3 * mean_of_all]


def msnn_scores(state: Msnn, values: Sequence[float], timestamps: Sequence[int]) -> list[float]:
    """Return the causal scores of new values, one by one and window by window."""
    standard = [max(min((value - state.standard.center) / state.standard.spread, 1e6), -1e6) for value in values]
    near = [_nearness(state, standard[: end + 1]) for end in range(len(values))]
    errors = [_forecast_error(state, standard, place) for place in range(len(values))]
    scores = []
    for place in range(len(values)):
        earlier = [near[place - back] for back in range(0, 64, 8) if place >= back]
        recent = [_compressed(error) ** 2 for error in errors[max(place - 15, 0) : place + 1]]
        total = 0.5 * near[place] + 0.5 * math.fsum(earlier) / len(earlier)
        total += state.forecast.trust * (
            0.6 * _compressed(errors[place]) + 1.2 * math.sqrt(math.fsum(recent) / len(recent))
        )
        off_beat = [_rhythm_error(state, standard, place, back, timestamps[place]) for back in range(129)]
        if sum(off_beat[back] > 1 for back in range(8, 129, 8)) > 8:
            off_beat = [0.0] * 129
        off_beat = off_beat[:16]
        squares = math.fsum(_compressed(error) ** 2 for error in off_beat)
        total += state.rhythm.trust * (0.6 * _compressed(off_beat[0]) + 1.2 * math.sqrt(squares / 16))
        scores.append(total / state.boundary.value)
    return scores


def _nearness(state: Msnn, values: Sequence[float]) -> float:
    """Return the distance of the last window to its nearest neighbor in usual distances, averaged over scales."""
    ratios = []
    for scale in state.windows.scales:
        if scale.length <= len(values):
            last = window_vector(values[-scale.length :])
            nearest = min(math.dist(last, other) for other in scale.bank.vectors.tolist())
            ratios.append(_compressed(nearest / scale.usual_distance))
    return math.fsum(ratios) / len(ratios) if ratios else 0.0


def _forecast_error(state: Msnn, values: Sequence[float], place: int) -> float:
    forecast = state.forecast.forecast
    if place < forecast.lags or not state.forecast.trust:
        return 0.0
    lags = np.clip(values[place - forecast.lags : place], -20, 20)
    expected = float(forecast.of(lags)[0])
    return abs(values[place] - expected) / state.forecast.usual_error


def _rhythm_error(state: Msnn, values: Sequence[float], place: int, back: int, timestamp: int) -> float:
    rhythm = state.rhythm
    if back > place or not rhythm.trust:
        return 0.0
    places = len(rhythm.levels)
    step = round((timestamp - state.first_timestamp) / state.end.interval_s - back)
    expected = float(rhythm.levels[int(step % rhythm.period * places / rhythm.period)])
    return abs(min(max(values[place - back], -20), 20) - expected) / rhythm.usual_error


def _compressed(ratio: float) -> float:
    return ratio if ratio <= 10 else 10 + 10 * math.log(ratio / 10)


def scores(fitted: Fitted, values: Sequence[float], timestamps: Sequence[int]) -> list[float]:
    """Return the scores of any detector, for values without context."""
    places = range(len(values))
    match fitted.state:
        case Baseline() as state:
            raw_scores = [_baseline_score(state, value) for value in values]
        case Robust() as state:
            above, below = state.band
            raw_scores = [_distance(value, state.median, above if value > state.median else below) for value in values]
        case Seasonal() as state:
            raw_scores = [_seasonal_score(state, values[place], timestamps[place]) for place in places]
        case Autoregression() as state:
            raw_scores = [_forecast_score(state, values, place) for place in places]
        case SpectralResidual() as state:
            raw_scores = [_salience(state, values[: place + 1]) / state.boundary.value for place in places]
        case Msnn() as state:
            raw_scores = msnn_scores(state, values, timestamps)
        case state:
            raw_scores = scores(state.chosen, values, timestamps)
    return [min(score, MAX_SCORE) for score in raw_scores]


def _distance(value: float, expected: float, half_width: float) -> float:
    return abs(value - expected) / max(half_width, 5e-324)


def _baseline_score(state: Baseline, value: float) -> float:
    deviations = (value - state.mean) / state.standard_deviation
    one_sided = {"both": abs(deviations), "above": max(deviations, 0.0), "below": max(-deviations, 0.0)}
    return one_sided[state.direction] / state.threshold


def _seasonal_score(state: Seasonal, value: float, timestamp: int) -> float:
    """Score a point by the last bin that has begun."""
    level, spread, seconds = state.profile.level, state.profile.spread, state.cycle.seconds
    bins = len(level)
    since = math.fmod(timestamp - state.cycle.start, seconds) if bins > 1 else 0.0
    bin_number = max(number for number in range(bins) if number * seconds <= since * bins)
    return _distance(value, float(level[bin_number]), float(spread[bin_number]) * state.boundary.value)


def _forecast_score(state: Autoregression, values: Sequence[float], place: int) -> float:
    center, spread, count = state.standard.center, state.standard.spread, state.forecast.lags
    standard = [max(min((value - center) / spread, 1e6), -1e6) for value in values[:place]]
    known = [max(min(value, 20.0), -20.0) for value in standard[-count:]]
    lags = [*known[:1] * (count - len(known)), *known]
    constant, *weights = state.forecast.weights.tolist()
    expected = constant + math.fsum(weight * lag for weight, lag in zip(weights, lags, strict=True)) if known else 0.0
    half_width = spread * state.deviation * state.boundary.value
    return _distance(values[place], center + spread * expected, half_width)


def _salience(state: SpectralResidual, values: Sequence[float]) -> float:
    """Return the saliency, by the sums that define the discrete Fourier transform."""
    length, size = state.length, state.length - 5
    center, spread = state.standard.center, state.standard.spread
    window = [max(min((value - center) / spread, 1e6), -1e6) for value in values[-size:]]
    window = [window[0]] * (size - len(window)) + window
    slope = math.fsum((window[-2] - window[-2 - back]) / back for back in range(1, 6)) / 5
    window += [window[-6] + 5 * slope] * 5
    middle = math.fsum(window) / length
    turns = [cmath.exp(-2j * cmath.pi * step / length) for step in range(length)]
    half = range(length // 2 + 1)
    spectrum = [
        sum((value - middle) * turns[frequency * at % length] for at, value in enumerate(window)) for frequency in half
    ]
    logs = [math.log(abs(amplitude) + 1e-3) for amplitude in spectrum]
    logs[0] = logs[1]
    edged = [logs[0], *logs, logs[-1]]
    kept = [amplitude * math.exp(-math.fsum(edged[at : at + 3]) / 3) for at, amplitude in enumerate(spectrum)]
    whole = kept + [kept[length - at].conjugate() for at in range(length // 2 + 1, length)]
    salient = [
        abs(sum(amplitude * turns[-frequency * at % length] for frequency, amplitude in enumerate(whole))) / length
        for at in range(size - 1 - length // 2, size)
    ]
    return salient[-1] / (math.fsum(salient[:-1]) / (length // 2) + 1e-3)
