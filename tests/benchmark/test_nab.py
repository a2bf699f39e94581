import numpy as np
import pytest

from benchmark.accuracy.measures import Labels, Scores
from benchmark.accuracy.nab import Stream, alarms, nab


def labeled(length: int, *windows: tuple[int, int]) -> Labels:
    labels = np.zeros(length, dtype=np.bool_)
    for first, last in windows:
        labels[first : last + 1] = True
    return labels


def scores_with(length: int, *places: int) -> Scores:
    scores = np.zeros(length)
    scores[list(places)] = 1.0
    return scores


def graded(scores: Scores, labels: Labels) -> dict[str, float]:
    return nab([Stream.of(scores, labels, 0)])


def test_an_alarm_at_the_first_point_of_every_window_is_perfect() -> None:
    labels = labeled(200, (50, 69), (120, 139))
    assert graded(scores_with(200, 50, 120), labels) == pytest.approx({"standard": 100, "low_fp": 100, "low_fn": 100})


def test_constant_scores_earn_0() -> None:
    assert graded(np.zeros(200), labeled(200, (50, 69))) == {"standard": 0, "low_fp": 0, "low_fn": 0}


def test_a_later_alarm_earns_less_and_at_the_end_of_a_window_little_more_than_half() -> None:
    labels = labeled(200, (50, 69))
    scores_by_place = [graded(scores_with(200, place), labels)["standard"] for place in range(50, 70)]
    assert scores_by_place == sorted(scores_by_place, reverse=True)
    # by hand: 50 * (2 / (1 + exp(-5 / 20)) - 1) / (2 / (1 + exp(-5)) - 1) for the alarm, and 50 for the detection
    assert scores_by_place[-1] == pytest.approx(50 + 50 * 0.1243530 / 0.9866143, abs=1e-3)


def test_a_second_alarm_in_a_window_changes_nothing() -> None:
    labels = labeled(200, (50, 69))
    assert graded(scores_with(200, 55, 60), labels) == graded(scores_with(200, 55), labels)


def test_a_false_alarm_costs_more_the_farther_it_is_after_a_window() -> None:
    labels = labeled(300, (50, 69))
    far = 100 - graded(scores_with(300, 50, 250), labels)["standard"]
    near = 100 - graded(scores_with(300, 50, 71), labels)["standard"]
    before = 100 - graded(scores_with(300, 10, 50), labels)["standard"]
    assert far == before == pytest.approx(100 * 0.11 / 2)
    assert near == pytest.approx(far * (1 - 2 / (1 + np.exp(5 * 2 / 19))))  # the second point after the window


def test_profiles_weigh_false_alarms_and_misses() -> None:
    labels = labeled(300, (50, 69), (120, 139))
    scores = scores_with(300, 50, 250)
    assert graded(scores, labels) == pytest.approx(
        {
            "standard": 100 * ((1 - 0.11 - 1) / 2 + 1) / 2,
            "low_fp": 100 * ((1 - 0.22 - 1) / 2 + 1) / 2,
            "low_fn": 100 * ((1 - 0.11 - 2) / 2 + 2) / 3,
        }
    )


def test_one_threshold_serves_the_whole_corpus_and_is_the_best() -> None:
    labels = labeled(100, (50, 59))
    quiet, loud = 0.4 * scores_with(100, 50), 0.5 * scores_with(100, 10)
    loud[50] = 0.6
    combined = nab([Stream.of(quiet, labels, 0), Stream.of(loud, labels, 0)])
    assert combined["standard"] == pytest.approx(100 * (1 - 0.11 / 2 + 1) / 2)  # 0.4: both windows, one false alarm


def test_alarms_and_windows_during_probation_do_not_count() -> None:
    labels = labeled(200, (10, 19), (120, 139))
    scores = scores_with(200, 5, 120)
    assert nab([Stream.of(scores, labels, 30)])["standard"] == pytest.approx(100)


def test_silence_suppresses_alarms_soon_after_another() -> None:
    scores = scores_with(100, 3, 4, 9, 13, 14, 80)
    assert alarms(scores, 0.5, 0).tolist() == [3, 4, 9, 13, 14, 80]
    assert alarms(scores, 0.5, 10).tolist() == [3, 13, 80]


def test_a_lasting_alarm_outside_a_window_costs_once_per_silence() -> None:
    labels = labeled(400, (300, 319))
    scores = scores_with(400, *range(100, 150), 300)
    streams = [Stream.of(scores, labels, 0)]
    assert nab(streams, silence=100)["standard"] == pytest.approx(100 - 100 * 0.11 / 2)
    assert nab(streams)["standard"] < 10
