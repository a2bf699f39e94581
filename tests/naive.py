"""Obviously correct, slow twins of what the product computes fast."""

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np

from shared.domain.detectors.msnn import Msnn

DIGITS = 60


def mean(values: Sequence[float]) -> Fraction:
    """Exact."""
    return sum(map(Fraction, values), Fraction(0)) / len(values)


def standard_deviation(values: Sequence[float]) -> Decimal:
    """Of the population, to 60 digits: the variance is exact, only its root is rounded."""
    middle = mean(values)
    variance = sum(((Fraction(value) - middle) ** 2 for value in values), Fraction(0)) / len(values)
    with localcontext() as context:
        context.prec = DIGITS
        return (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()


def nearest_rank(samples: Sequence[float], percent: int) -> float:
    """The smallest sample that at least `percent` of the samples do not exceed."""
    for candidate in sorted(samples):
        if sum(sample <= candidate for sample in samples) * 100 >= percent * len(samples):
            return candidate
    raise AssertionError


def extremes(values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """First and last index, and of each slice between two edges the first smallest and the first largest value's."""
    kept = {0, len(values) - 1}
    for start, end in pairwise(edges):
        kept.add(min(range(start, end), key=lambda place: values[place]))
        kept.add(max(range(start, end), key=lambda place: values[place]))
    return sorted(kept)


def block_maxima(scores: Sequence[float], block: int) -> list[int]:
    """The first index of each block's largest score."""
    return [
        max(range(start, min(start + block, len(scores))), key=lambda place: scores[place])
        for start in range(0, len(scores), block)
    ]


def window_vector(window: Sequence[float]) -> list[float]:
    """Means of at most 32 equal blocks at the window's end less its mean, over the root of their number; 0.3 mean."""
    step = math.ceil(len(window) / 32)
    blocks = len(window) // step
    mean_of_all = math.fsum(window) / len(window)
    tail = window[len(window) - blocks * step :]
    means = [math.fsum(tail[at : at + step]) / step for at in range(0, len(tail), step)]
    return [*((block - mean_of_all) / math.sqrt(blocks) for block in means), 0.3 * mean_of_all]


def msnn_scores(state: Msnn, values: Sequence[float]) -> list[float]:
    """The causal scores of new values, one by one and window by window."""
    standard = [max(min((value - state.centre) / state.spread, 1e6), -1e6) for value in values]
    near = [_nearness(state, standard[: end + 1]) for end in range(len(values))]
    errors = [_forecast_error(state, standard, place) for place in range(len(values))]
    scores = []
    for place in range(len(values)):
        earlier = [near[place - back] for back in range(0, 64, 8) if place >= back]
        recent = [_tamed(error) ** 2 for error in errors[max(place - 15, 0) : place + 1]]
        total = 0.5 * near[place] + 0.5 * math.fsum(earlier) / len(earlier)
        total += state.trust * (0.6 * _tamed(errors[place]) + 1.2 * math.sqrt(math.fsum(recent) / len(recent)))
        scores.append(total / state.boundary)
    return scores


def _nearness(state: Msnn, values: Sequence[float]) -> float:
    """The mean over the scales that fit of the last window's distance from the nearest, in units of the usual."""
    ratios = []
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(values):
            wanted = window_vector(values[-length:])
            ratios.append(_tamed(min(math.dist(wanted, other) for other in bank.vectors.tolist()) / usual))
    return math.fsum(ratios) / len(ratios) if ratios else 0.0


def _forecast_error(state: Msnn, values: Sequence[float], place: int) -> float:
    if place < state.lags or not state.trust:
        return 0.0
    lags = np.clip(values[place - state.lags : place], -20, 20)
    expected = float(state.forecast.of(lags)[0])
    return abs(values[place] - expected) / state.usual_error


def _tamed(ratio: float) -> float:
    return ratio if ratio <= 10 else 10 + 10 * math.log(ratio / 10)
