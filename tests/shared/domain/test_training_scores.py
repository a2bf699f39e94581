import io
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detectors.contract import LARGEST, Scores
from shared.domain.series import Values
from shared.domain.training_scores import (
    MAX_SCORES,
    SPARKLINE_POINTS,
    TrainingScores,
    anomaly_share,
    sparkline,
    sparkline_anomalies,
)
from shared.errors import Code, DamagedError
from tests import naive

ABOVE, BELOW = math.nextafter(1.0, 2.0), math.nextafter(1.0, 0.0)
EDGES = [0.0, 5e-324, 1e-300, BELOW, 1.0, ABOVE, 1 + 1e-12, 1 + 1e-8, 1 - 1e-12, 1e38, 1e39, 1e300, LARGEST]
SCORES = st.lists(st.one_of(st.sampled_from(EDGES), st.floats(0, LARGEST)), min_size=1, max_size=50)


def kept(score: Values, *, lower: Values | None = None, upper: Values | None = None) -> TrainingScores:
    return TrainingScores.of(Scores(score, score / 2, lower, upper))


def random_scores(points: int) -> Values:
    score: Values = np.random.default_rng(points).gamma(1.0, 0.15, points)
    return score


@given(SCORES)
def test_every_verdict_survives_the_rounding_to_float32(scores: list[float]) -> None:
    narrow = kept(np.array(scores)).score
    assert narrow.dtype == np.float32
    assert (narrow > 1).tolist() == [score > 1 for score in scores]
    assert np.isfinite(narrow).all()


@given(st.lists(st.floats(0, 3e38), min_size=1, max_size=50))
def test_a_stored_score_is_rounded_to_float32(scores: list[float]) -> None:
    narrow = kept(np.array(scores)).score.astype(np.float64)
    np.testing.assert_allclose(narrow, scores, rtol=2.0**-23, atol=2.0**-149)


@pytest.mark.parametrize("points", [1, 59, MAX_SCORES - 1, MAX_SCORES])
def test_a_series_that_fits_keeps_every_score(points: int) -> None:
    scores = random_scores(points)
    saved = kept(scores)
    assert saved.index.tolist() == list(range(points))
    np.testing.assert_allclose(saved.score, scores, rtol=2.0**-23)


@pytest.mark.parametrize("points", [MAX_SCORES + 1, 2 * MAX_SCORES - 1, 2 * MAX_SCORES + 1, 350_007])
def test_a_longer_series_keeps_the_largest_score_of_each_block(points: int) -> None:
    scores = random_scores(points)
    block = math.ceil(points / MAX_SCORES)
    saved = kept(scores, upper=np.arange(points) / 2)
    assert len(saved.index) <= MAX_SCORES
    assert saved.index.tolist() == naive.block_maxima(scores.tolist(), block)
    assert saved.expected is not None
    assert saved.upper is not None
    assert saved.lower is None
    np.testing.assert_array_equal(saved.expected, scores[saved.index] / 2)
    np.testing.assert_array_equal(saved.upper, saved.index / 2)


def test_no_event_of_a_long_series_is_lost() -> None:
    scores = np.full(MAX_SCORES * 7 + 3, 0.5)
    events = np.random.default_rng(1).choice(len(scores), 200, replace=False)
    scores[events] = ABOVE
    saved = kept(scores)
    assert set((saved.index[saved.score > 1] // 8).tolist()) == set((events // 8).tolist())


def test_a_last_block_of_one_point_with_score_zero_keeps_that_point() -> None:
    points = 2 * MAX_SCORES - 1
    saved = kept(np.zeros(points))
    assert saved.index[-1] == points - 1


@pytest.mark.parametrize("columns", [("lower", "upper"), ("lower",), ("upper",), ()])
def test_scores_round_trip_bit_for_bit(columns: tuple[str, ...]) -> None:
    scores = random_scores(500)
    saved = kept(scores, **{column: scores + index for index, column in enumerate(columns)})
    back = TrainingScores.decode(saved.encode())
    for field in fields(saved):
        stored, read = getattr(saved, field.name), getattr(back, field.name)
        assert (stored is None) == (read is None)
        if stored is not None:
            assert read.dtype == stored.dtype
            assert read.tobytes() == stored.tobytes()
    assert back.encode() == saved.encode()


def test_every_truncated_artifact_is_damaged() -> None:
    content = kept(random_scores(50)).encode()
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            TrainingScores.decode(content[:length])


def test_no_changed_byte_can_change_a_score() -> None:
    saved = kept(random_scores(200))
    content = saved.encode()
    damaged = 0
    for index in range(len(content)):
        altered = bytearray(content)
        altered[index] ^= 0x5A
        try:
            assert TrainingScores.decode(bytes(altered)).score.tobytes() == saved.score.tobytes()
        except DamagedError:
            damaged += 1
    assert damaged > len(content) / 2


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(60)])
def test_bytes_that_are_not_scores_are_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        TrainingScores.decode(content)
    assert caught.value.code is Code.ARTIFACT_DAMAGED


def test_an_archive_of_objects_is_damaged() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, index=np.arange(1), score=np.array([{}], dtype=object))
    with pytest.raises(DamagedError):
        TrainingScores.decode(buffer.getvalue())


@given(SCORES)
def test_the_anomaly_share_counts_scores_above_the_boundary(scores: list[float]) -> None:
    assert anomaly_share(np.array(scores)) == sum(score > 1 for score in scores) / len(scores)


@pytest.mark.parametrize("points", [1, 2, 59, SPARKLINE_POINTS])
def test_a_short_series_is_its_own_sparkline(points: int) -> None:
    values = random_scores(points)
    assert sparkline(values) == values.tolist()


def test_a_sparkline_of_many_waves_fills_their_range_along_its_whole_length() -> None:
    values = np.sin(np.arange(24 * 365) / 24 * 2 * np.pi)
    line = np.array(sparkline(values))
    assert len(line) <= SPARKLINE_POINTS
    assert all(part.min() < -0.99 and part.max() > 0.99 for part in np.array_split(line, 10))


@given(st.integers(1, 100_000), st.data())
def test_a_sparkline_shows_every_spike(points: int, data: st.DataObject) -> None:
    values = np.zeros(points)
    values[data.draw(st.integers(0, points - 1))] = 9.0
    line = sparkline(values)
    assert len(line) <= SPARKLINE_POINTS
    assert line.count(9.0) == 1


@pytest.mark.parametrize(("points", "flagged"), [(1, []), (1, [0]), (40, [3, 39]), (5_000, [0, 1_234, 1_235, 4_999])])
def test_the_marks_of_a_sparkline_are_where_flagged_points_are(points: int, flagged: list[int]) -> None:
    values, score = np.zeros(points), np.zeros(points)
    values[flagged], score[flagged] = 9.0, 1.5
    line, marks = sparkline(values), sparkline_anomalies(values, score)
    assert [line[place] for place in marks] == [9.0] * len(marks)
    assert marks == sorted(set(marks))
    assert len(marks) == len({min(place, points - 1) // 500 if points > 500 else place for place in flagged})
