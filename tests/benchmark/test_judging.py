import numpy as np
import pytest

from benchmark.accuracy.judging import Refits, judged
from shared.domain.detectors import registry
from shared.domain.series import Series

START = 1_704_067_200


def test_without_refits_a_fit_of_the_prefix_scores_all_points() -> None:
    assert list(Refits(0).spans(100, 1000)) == [(100, 0, 1000)]


def test_a_refit_follows_250_points_or_five_percent_of_the_history_whichever_is_more() -> None:
    assert list(Refits(250).spans(100, 700)) == [(100, 0, 350), (350, 350, 600), (600, 600, 700)]
    assert list(Refits(250).spans(8_000, 9_000)) == [(8_000, 0, 8_400), (8_400, 8_400, 8_820), (8_820, 8_820, 9_000)]


@pytest.mark.parametrize("name", sorted(registry()))
def test_no_score_depends_on_points_after_it(name: str) -> None:
    random = np.random.default_rng(3)
    values = np.sin(np.arange(1_200) / 8) + 0.1 * random.normal(size=1_200)
    other = values.copy()
    other[1_000:] += 5.0
    timestamps = START + 60 * np.arange(1_200)
    detector, refits = registry()[name], Refits(250)
    first = judged(detector, Series(timestamps, values), 700, refits, {})
    second = judged(detector, Series(timestamps, other), 700, refits, {})
    np.testing.assert_array_equal(first.ranks[:1_000], second.ranks[:1_000])
    assert (first.ranks[1_000:] != second.ranks[1_000:]).any()


def test_points_score_0_until_the_detector_can_learn() -> None:
    values = np.concatenate([np.full(400, 3.0), np.random.default_rng(0).normal(size=400)])
    series = Series(START + 60 * np.arange(800), values)
    ranks = judged(registry()["baseline"], series, 100, Refits(250), {}).ranks
    assert (ranks[:350] == 0).all()
    assert ranks[600:].any()
