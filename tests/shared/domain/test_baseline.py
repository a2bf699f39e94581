import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detectors.baseline import DETECTOR, Baseline
from shared.domain.detectors.contract import LARGEST, Scores
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series
from tests import naive

OFFSETS = [0.0, 1.0, -1e3, 1e6, 1e9, -1e12, 1e15]
SCALES = [1e-300, 1e-200, 1e-100, 1e-9, 1.0, 1e9, 1e100, 1e150]
NOISE = st.lists(st.integers(-1000, 1000), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1)


def fit(values: list[float], **parameters: Any) -> Baseline:
    series = Series(np.arange(len(values)), np.array(values, dtype=np.float64))
    return DETECTOR.fit(series, complete(DETECTOR.parameters, parameters), lambda _share: None)


def score(state: Baseline, *values: float) -> Scores:
    return DETECTOR.score(state, np.array(values), np.arange(len(values)), np.empty(0))


def assert_exact(values: list[float]) -> None:
    """Compare mean and deviation with exact arithmetic, up to unavoidable float64 rounding.

    Each value's deviation from the rough mean is rounded by at most half a unit of 2**-53, and so is the result of each
    of the few operations after it: at most a dozen in total. The mean is rounded once more, to a neighboring float.
    """
    state = fit(values)
    mean, deviation = naive.mean(values), naive.standard_deviation(values)
    farthest = max(abs(Fraction(value) - mean) for value in values)
    unavoidable = Fraction(math.ulp(float(mean))) + 12 * farthest * Fraction(2) ** -53
    assert abs(Fraction(state.mean) - mean) <= unavoidable
    assert abs(Decimal(state.standard_deviation) / deviation - 1) < Decimal("1e-13")


@pytest.mark.parametrize("offset", OFFSETS)
@given(noise=NOISE)
def test_noise_on_a_large_offset_is_measured_exactly(offset: float, noise: list[int]) -> None:
    assert_exact([offset + step / 8 for step in noise])


@pytest.mark.parametrize("scale", SCALES)
@given(noise=NOISE)
def test_mean_and_deviation_are_exact_at_every_scale(scale: float, noise: list[int]) -> None:
    assert_exact([scale * step / 1000 for step in noise])


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("points", [10, 1000, 100_000])
def test_many_points_are_measured_as_exactly_as_few(offset: float, points: int) -> None:
    noise = np.random.default_rng(points).integers(-(2**20), 2**20, points)
    state = fit((offset + noise / 8).tolist())
    exact = noise.astype(object)  # Python integers are exact
    total, squares = int(exact.sum()), int((exact * exact).sum())
    variance = Fraction(squares * points - total**2, points**2 * 64)
    mean = Fraction(offset) + Fraction(total, points * 8)
    assert abs(Fraction(state.mean) - mean) <= math.ulp(offset) + 12 * 2**17 * Fraction(2) ** -53
    assert state.standard_deviation == pytest.approx(math.sqrt(variance), rel=1e-13)


def test_two_neighboring_floats_have_a_deviation() -> None:
    state = fit([1e15, math.nextafter(1e15, math.inf)])
    assert state.standard_deviation == pytest.approx(math.ulp(1e15) / 2, rel=1)
    assert fit([0.0, 5e-324]).standard_deviation > 0


def test_a_value_beyond_three_deviations_is_an_anomaly_and_one_at_three_is_not() -> None:
    state = fit([-1.0, 1.0, -1.0, 1.0])
    assert (state.mean, state.standard_deviation) == (0.0, 1.0)
    beyond = math.nextafter(3.0, math.inf)
    scores = score(state, 0.0, 1.5, 3.0, beyond, -3.0, -beyond, 30.0)
    assert scores.score.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 10.0])
    assert (scores.score > 1).tolist() == [False, False, False, True, False, True, True]


def test_the_band_ends_three_deviations_from_the_mean() -> None:
    scores = score(fit([9.0, 11.0]), 0.0, 10.0)
    assert scores.expected is not None
    assert scores.lower is not None
    assert scores.upper is not None
    assert scores.expected.tolist() == [10.0, 10.0]
    assert scores.lower.tolist() == [7.0, 7.0]
    assert scores.upper.tolist() == [13.0, 13.0]


def test_another_threshold_moves_the_boundary() -> None:
    state = fit([-1.0, 1.0], threshold=0.5)
    scores = score(state, 0.5, 0.6, -0.6)
    assert (scores.score > 1).tolist() == [False, True, True]
    assert scores.upper is not None
    assert scores.upper.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("direction", "anomalies"),
    [("both", [True, False, True]), ("above", [False, False, True]), ("below", [True, False, False])],
)
def test_a_direction_ignores_the_other_side(direction: str, anomalies: list[bool]) -> None:
    scores = score(fit([-1.0, 1.0], direction=direction), -10.0, 0.0, 10.0)
    assert (scores.score > 1).tolist() == anomalies
    assert scores.score[~np.array(anomalies)].tolist() == [0.0] * anomalies.count(False)


def test_the_band_is_open_on_the_ignored_side() -> None:
    above, below = (score(fit([-1.0, 1.0], direction=side), 0.0) for side in ("above", "below"))
    assert above.lower is None
    assert above.upper is not None
    assert above.upper.tolist() == [3.0]
    assert below.upper is None
    assert below.lower is not None
    assert below.lower.tolist() == [-3.0]


def test_a_band_beyond_the_range_of_floats_is_clipped() -> None:
    scores = score(Baseline(0.0, 1e150, threshold=1e300, direction="both"), 1.0)
    assert scores.lower is not None
    assert scores.upper is not None
    assert (scores.lower.tolist(), scores.upper.tolist()) == ([-LARGEST], [LARGEST])


def test_learnt_has_mean_deviation_and_threshold() -> None:
    assert DETECTOR.learnt(fit([9.0, 11.0])) == {"mean": 10.0, "standard_deviation": 1.0, "threshold": 3.0}
