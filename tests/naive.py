"""Obviously correct, slow twins of what the product computes fast."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

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
