"""Which stretches of the training data are offered as incidents."""

import numpy as np
import pytest

from shared.domain.detectors.contract import Scores
from shared.domain.incidents import suspected
from shared.domain.series import Series, Values


def stretches(score: Values, boundary: Values | None = None) -> list[list[int]]:
    series = Series(60 * np.arange(len(score)), np.zeros(len(score)))
    return suspected(series, Scores(score, None, None, None, boundary))


@pytest.mark.parametrize(
    ("unusual", "score", "expected"),
    [
        ([100, 101, 102], 1.1, [[6_000, 6_120]]),
        ([100, 101], 1.1, []),  # two points are chance
        ([100], 2.0, [[6_000, 6_000]]),  # unless they are clear
        ([100, 103, 108, 300], 1.1, [[6_000, 6_480]]),  # a few normal points in between
        ([100, 101, 102, 108, 109, 110], 1.1, [[6_000, 6_120], [6_480, 6_600]]),
        (range(100, 200), 3.0, [[6_000, 11_940]]),
        (range(100, 201), 3.0, []),  # more than a tenth is no incident
        (range(0, 1_000, 20), 3.0, [[1_200 * place, 1_200 * place] for place in range(20)]),
    ],
)
def test_a_stretch_of_unusual_points_is_an_incident(
    unusual: list[int], score: float, expected: list[list[int]]
) -> None:
    scores = np.full(1_000, 0.5)
    scores[list(unusual)] = score
    if len(expected) == 20:  # the last of equals
        assert len(stretches(scores)) == 20
    else:
        assert stretches(scores) == expected


def test_absorbed_points_belong_to_the_incident_that_raised_the_boundary() -> None:
    score, boundary = np.full(1_000, 0.2), np.ones(1_000)
    score[100], score[101:150], boundary[101:200] = 1.5, 0.9, 2.0
    assert stretches(score, boundary) == [[6_000, 8_940]]


def test_absorbed_points_whose_values_are_usual_again_end_the_incident() -> None:
    values, score, boundary = np.zeros(1_000), np.full(1_000, 0.2), np.ones(1_000)
    values[100:110], score[100], score[101:300], boundary[101:300] = 9.0, 1.5, 0.9, 2.0
    edge = np.where(boundary > 1, 10.0, 1.0)  # the band is wider while points are absorbed
    scores = Scores(score, np.zeros(1_000), -edge, edge, boundary)
    assert suspected(Series(60 * np.arange(1_000), values), scores) == [[6_000, 6_540]]
